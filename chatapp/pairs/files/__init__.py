"""What lies in a model's folder."""
