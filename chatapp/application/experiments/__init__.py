"""Experiments: a comparison, a benchmark, a race of trees, what the switch costs.

One module per kind, and each of them is what page and terminal both run: it takes the
engines to ask, works, and publishes how far it is in its own form. ``experiments`` runs them for
the page, one at a time.
"""
