"""The app is killed at random moments of streaming, and what is left is looked at."""
