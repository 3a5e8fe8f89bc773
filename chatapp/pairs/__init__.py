"""Pairs of a target and its draft: the catalogue, the check, the download."""
