"""The tree that was found to be fastest here, kept per pair: what the engine starts with."""

from __future__ import annotations

from dataclasses import replace

from chatapp.chat.store import Store
from chatapp.domain import Pair, Tree


def tuned(pair: Pair, store: Store) -> Pair:
    """The pair with the tree that was kept for it; as it is when there is none."""
    kept = store.preference(_key(pair.name))
    try:
        return replace(pair, tree=Tree.parse(kept)) if kept else pair
    except (ValueError, TypeError, AttributeError):
        return pair


def keep_tree(store: Store, pair: Pair, tree: Tree | None) -> None:
    """From the engine's next start on; None goes back to the pair's own."""
    store.set_preference(_key(pair.name), str(tree) if tree else None)


def _key(pair_name: str) -> str:
    return f"tree:{pair_name}"
