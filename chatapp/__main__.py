"""``python -m chatapp``: what ``launcher.py`` hands over to."""

from chatapp.cli import main

main()
