"""How they learn."""
