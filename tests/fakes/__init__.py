"""What stands in for the world where a fault or a figure cannot be had otherwise."""
