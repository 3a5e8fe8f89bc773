"""This machine: its system, driver, compilers, and what is installed. Only the standard library."""
