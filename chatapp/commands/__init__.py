"""One module per command; each has ``main(arguments, settings) -> exit code``."""
