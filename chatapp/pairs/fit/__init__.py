"""Whether a target is whole, and what is said of what is found."""
