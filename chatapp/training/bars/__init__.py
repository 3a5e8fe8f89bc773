"""What a trained pair must pass."""
