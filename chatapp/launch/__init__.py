"""What ``launcher.py`` does before ``chatapp`` can run. Only the standard library."""
