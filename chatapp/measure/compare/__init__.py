"""Speculation on beside off: runs, their comparison, the verdict."""
