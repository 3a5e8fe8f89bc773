"""What was chosen on the page: pair, preset, drafter, an engine elsewhere, the fastest tree.

Every command goes by it. They read without opening the Store: that would settle replies
which a running app is just writing.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from typing import Any

from chatapp import locations
from chatapp.chat.store import Store
from chatapp.domain import Pair, Tree
from chatapp.settings import Settings

_CAREFUL = "careful"
_NOT_CHOSEN = ("auto", None)
# Whoever asks for one of these on the command line means an engine on this machine.
_LOCAL = ("pair", "drafter", "device", "engine_args")


def with_choices(settings: Settings) -> Settings:
    """The settings with what was chosen on the page; a flag, the environment and the file
    say more than that."""
    kept = _kept(settings)
    here = any(settings.source(name) == "flag" for name in _LOCAL)
    chosen = {
        name: value
        for name in ("pair", "preset", "drafter", *(() if here else ("engine_url",)))
        if settings.source(name) == "default"
        and getattr(settings, name) in _NOT_CHOSEN
        and (value := kept.get(name))
    }
    return settings.model_copy(update=chosen) if chosen else settings


def tuned(pair: Pair, settings: Settings) -> Pair:
    """The pair with the tree that was kept for it; as it is when there is none."""
    tree = _kept(settings).get(_key(pair.name))
    try:
        return replace(pair, tree=Tree.parse(tree)) if tree else pair
    except (ValueError, TypeError, AttributeError):
        return pair


def keep_tree(store: Store, pair: Pair, tree: Tree | None) -> None:
    """From the engine's next start on; None goes back to the pair's own."""
    store.set_preference(_key(pair.name), str(tree) if tree else None)


def careful_choices(settings: Settings) -> tuple[str, ...]:
    """The cautions (``engine/planning/careful``) that the engine is to run with."""
    return tuple(_kept(settings).get(_CAREFUL) or ())


def keep_caution(store: Store, name: str | None) -> None:
    """One more from the engine's next start on; None takes all of them back."""
    kept = [one for one in store.preference(_CAREFUL, []) if one != name]
    store.set_preference(_CAREFUL, [*kept, name] if name else [])


def _kept(settings: Settings) -> dict[str, Any]:
    """All preferences; none where nothing was kept yet, or the file cannot be read."""
    path = locations.store(settings.data_dir)
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as db:
            rows = db.execute("SELECT key, value FROM preference").fetchall()
    except sqlite3.Error:
        return {}
    return {key: json.loads(value) for key, value in rows}


def _key(pair_name: str) -> str:
    return f"tree:{pair_name}"
