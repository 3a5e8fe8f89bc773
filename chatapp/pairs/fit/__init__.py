"""Whether a draft fits its target."""
