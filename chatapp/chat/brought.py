"""Conversations that come from a file: ours, ChatGPT's or Open WebUI's.

Each reader takes parsed JSON and gives what it holds, in one shape. A conversation that has
branches comes as the branch that was shown last. What does not fit raises an InputError that
names the place.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from chatapp.chat.language import detect
from chatapp.chat.messages import clean
from chatapp.chat.traces import trace_from
from chatapp.domain import AutoChoice, Message, MessageState, ReplyMetrics, Role, SpeculationMode
from chatapp.errors import InputError
from chatapp.measure.json_form import tuples
from chatapp.measure.reply.trace import Trace

FORMAT = "eaglechat"
ON = SpeculationMode.ON
_UNSETTLED = (MessageState.WAITING, MessageState.STREAMING)
Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class BroughtMessage:
    """``message`` has no place in a store yet: its ids are 0."""

    message: Message
    trace: Trace | None = None


@dataclass(frozen=True, slots=True)
class BroughtConversation:
    """``key`` is the same whenever the same conversation comes again."""

    key: str
    title: str
    created: float
    updated: float
    mode: SpeculationMode
    messages: tuple[BroughtMessage, ...]


def read(document: object) -> list[BroughtConversation]:
    """All conversations of a file; none of them is empty. Raises InputError."""
    source, conversations = _source(document)
    found = [
        _read_one(source, conversation, f"[{number}]")
        for number, conversation in enumerate(conversations)
    ]
    return [conversation for conversation in found if conversation.messages]


def _source(document: object) -> tuple[_Source, list[Any]]:
    if isinstance(document, Mapping) and document.get("format") == FORMAT:
        return _ours, list(document.get("conversations", ()))
    listed = document if isinstance(document, list) else [document]
    first = listed[0] if listed and isinstance(listed[0], Mapping) else {}
    for mark, source in (("mapping", _chatgpt), ("chat", _open_webui), ("speculation", _ours)):
        if mark in first:
            return source, listed
    raise InputError("import_unknown")


def _read_one(source: _Source, conversation: Any, place: str) -> BroughtConversation:
    try:
        return source(conversation)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise InputError("import_broken", place=place, reason=reason) from error


def _ours(told: Document) -> BroughtConversation:
    messages = tuple(map(_our_message, told["messages"]))
    said = [(one.message.role, one.message.text, one.message.created) for one in messages]
    return BroughtConversation(
        _key("ours", told["created"], said),
        str(told["title"]),
        float(told["created"]),
        float(told["updated"]),
        SpeculationMode(told.get("mode", "on")),
        messages,
    )


def _our_message(told: Document) -> BroughtMessage:
    """A reply that was not finished when it was taken along is one that was stopped."""
    figures, choice, trace = told.get("figures"), told.get("choice"), told.get("trace")
    state = MessageState(told["state"])
    message = Message(
        *(0, 0, Role(told["role"]), clean(str(told["text"]))),
        state=MessageState.STOPPED if state in _UNSETTLED else state,
        created=float(told["created"]),
        language=told.get("language"),
        figures=ReplyMetrics(**tuples(figures)) if figures else None,
        finish_reason=told.get("finish_reason"),
        error=told.get("error"),
        error_values={str(k): str(v) for k, v in (told.get("error_values") or {}).items()},
        kind=told.get("kind"),
        choice=AutoChoice(**choice) if choice else None,
    )
    return BroughtMessage(message, trace_from(trace) if trace else None)


def _foreign(role: str, text: str, created: float) -> BroughtMessage:
    cleaned, state = clean(text), MessageState.FINISHED
    return BroughtMessage(
        Message(0, 0, Role(role), cleaned, state, created, language=detect(cleaned))
    )


def _chatgpt(told: Document) -> BroughtConversation:
    """As in ``conversations.json`` of an export: a tree of nodes, and the one shown last."""
    created = float(told.get("create_time") or 0)
    nodes = [node["message"] for node in _path(told["mapping"], told["current_node"], "parent")]
    messages = tuple(
        _foreign(node["author"]["role"], text, _time(node, "create_time", created))
        for node in nodes
        if node and _spoken(node["author"]["role"]) and (text := _parts(node["content"]))
    )
    key = _key("chatgpt", told.get("conversation_id") or told.get("id") or created)
    updated = _time(told, "update_time", created)
    return BroughtConversation(key, str(told.get("title") or ""), created, updated, ON, messages)


def _open_webui(told: Document) -> BroughtConversation:
    """As in its export of chats: messages by id in a history, and the one shown last."""
    history = told["chat"]["history"]
    created = _time(told, "created_at", 0.0)
    nodes = _path(history["messages"], history["currentId"], "parentId")
    messages = tuple(
        _foreign(node["role"], str(node["content"]), _time(node, "timestamp", created))
        for node in nodes
        if _spoken(node["role"]) and node["content"]
    )
    title = str(told.get("title") or told["chat"].get("title") or "")
    updated = _time(told, "updated_at", created)
    return BroughtConversation(
        _key("open-webui", told.get("id") or created), title, created, updated, ON, messages
    )


_Source = Callable[[Document], BroughtConversation]


def _path(nodes: Mapping[str, Any], last: str | None, parent: str) -> list[Any]:
    """From the root to ``last``. Raises ValueError where it goes in a circle."""
    path: list[Any] = []
    while last is not None:
        if len(path) > len(nodes):
            raise ValueError(f"a circle at {last}")
        path.append(nodes[last])
        last = nodes[last].get(parent)
    return path[::-1]


def _spoken(role: str) -> bool:
    return role in ("user", "assistant", "system")


def _parts(content: Document) -> str:
    """The text of a message of ChatGPT; pictures and files are left out."""
    parts = content.get("parts") or [content.get("text") or ""]
    return "\n\n".join(part for part in parts if isinstance(part, str) and part)


def _time(told: Document, name: str, otherwise: float) -> float:
    """In epoch seconds, also where it stands in milliseconds or nanoseconds."""
    value = float(told.get(name) or otherwise)
    while value > 1e11:
        value /= 1000
    return value


def _key(source: str, *parts: object) -> str:
    text = json.dumps([source, *parts], ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def everything(conversations: Iterator[dict[str, Any]]) -> dict[str, Any]:
    """Our own file: what ``read`` takes back."""
    return {"format": FORMAT, "version": 1, "conversations": list(conversations)}
