"""``chats``: what was said, listed, searched, taken along and brought in, without the page.

Exit codes: 0; 1 when a search finds nothing; 2 for wrong use or a file that does not fit.
"""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from chatapp import locations
from chatapp.chat.brought import everything
from chatapp.chat.export import as_document, as_markdown
from chatapp.chat.imports import bring
from chatapp.chat.search import Search
from chatapp.chat.store import Store
from chatapp.commands.json_output import print_json
from chatapp.errors import InputError, UsageError
from chatapp.settings import Settings
from chatapp.texts import Texts, system_language

_LIMIT = 200


def main(arguments: Namespace, settings: Settings) -> int:
    if arguments.action != "list" and not arguments.what:
        raise UsageError("chats_without", action=arguments.action)
    act = {"list": _list, "search": _search, "export": _export, "import": _import}
    store = Store(locations.store(settings.data_dir), settle=False)
    try:
        return act[arguments.action](arguments, store, Texts(system_language()))
    finally:
        store.close()


def _list(arguments: Namespace, store: Store, texts: Texts) -> int:
    conversations = store.conversations()
    if arguments.json:
        print_json({"conversations": [asdict(one) for one in conversations]})
        return 0
    for one in conversations:
        title = one.title or texts("page.head.untitled")
        print(f"{one.id:>6}  {_when(one.updated)}  {title}")
    return 0


def _search(arguments: Namespace, store: Store, texts: Texts) -> int:
    found = Search(store).find(arguments.what, _LIMIT)
    if arguments.json:
        print_json({"found": [asdict(one) for one in found]})
        return 0 if found else 1
    for one in found:
        title, snippet = one.title or texts("page.head.untitled"), one.snippet
        line = f"{snippet.before}{snippet.hit}{snippet.after}" if one.message_id else ""
        print(f"{one.conversation_id:>6}  {_when(one.at)}  {title}  {line}".rstrip())
    if not found:
        print(texts("page.search.none"), file=sys.stderr)
    return 0 if found else 1


def _export(arguments: Namespace, store: Store, texts: Texts) -> int:
    """All conversations, as Markdown where the file is named so, else as JSON."""
    path = Path(arguments.what).expanduser()
    numbers = [one.id for one in reversed(store.conversations())]
    try:
        if path.suffix == ".md":
            parts = (as_markdown(store, number, texts) for number in numbers)
            path.write_text("\n---\n\n".join(parts), "utf-8")
        else:
            whole = everything(as_document(store, number) for number in numbers)
            path.write_text(json.dumps(whole, ensure_ascii=False), "utf-8")
    except OSError as error:
        raise InputError("export_unwritable", path=path, reason=error) from error
    return _said(arguments, texts, "exported", {"conversations": len(numbers), "path": str(path)})


def _import(arguments: Namespace, store: Store, texts: Texts) -> int:
    brought = bring(store, Path(arguments.what).expanduser())
    return _said(arguments, texts, "imported", asdict(brought))


def _said(arguments: Namespace, texts: Texts, key: str, values: dict[str, object]) -> int:
    if arguments.json:
        print_json(values)
    else:
        print(texts(f"chats.{key}", **values))
    return 0


def _when(at: float) -> str:
    return f"{datetime.fromtimestamp(at):%Y-%m-%d %H:%M}"
