"""What is measured of one reply, and of several together."""
