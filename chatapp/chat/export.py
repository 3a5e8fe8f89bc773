"""A conversation to take along: everything of it as JSON, its text and figures as Markdown.

The JSON holds the record of each reply's stream, so whoever has the file can recompute
every figure in it.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from chatapp.chat.store import Store
from chatapp.chat.traces import Traces, document
from chatapp.domain import Message, ReplyMetrics, Role
from chatapp.texts import Texts
from chatapp.units import number


def as_document(store: Store, conversation_id: int) -> dict[str, Any]:
    """Conversation, messages, figures and stream records, as JSON holds them.
    Raises StoreError when there is no such conversation."""
    conversation = asdict(store.conversation(conversation_id))
    traces = Traces(store)
    messages = []
    for message in store.messages(conversation_id):
        trace = traces.of(message.id)
        messages.append(asdict(message) | {"trace": document(trace) if trace else None})
    return conversation | {"messages": messages}


def as_markdown(store: Store, conversation_id: int, texts: Texts) -> str:
    """What was said, each reply with its line of figures. Raises StoreError as above."""
    conversation = store.conversation(conversation_id)
    when = datetime.fromtimestamp(conversation.created).astimezone()
    parts = [f"# {conversation.title}", when.isoformat(sep=" ", timespec="minutes")]
    for message in store.messages(conversation_id):
        parts += _said(texts, message)
    return "\n\n".join(parts) + "\n"


def figures_line(texts: Texts, figures: ReplyMetrics) -> str:
    """The figures of one reply in a line; what is missing is a dash."""
    line = texts(
        "export.figures",
        tokens=figures.completion_tokens,
        speed=number(figures.tokens_per_second, 1),
        accept_length=number(figures.accept_length, 2),
        ttft=number(figures.ttft_s, 2),
    )
    if figures.simulated_accept_length is None:
        return line
    length = number(figures.simulated_accept_length, 2)
    return f"{line} · {texts('page.head.simulated', length=length)}"


def _said(texts: Texts, message: Message) -> list[str]:
    parts = [f"## {texts(f'compare.roles.{message.role}')}", message.text]
    if message.role is Role.ASSISTANT and (figures := message.figures) is not None:
        arm = texts("page.evidence.on" if figures.speculation else "page.evidence.off")
        parts.append(f"> {arm} · {figures_line(texts, figures)}")
    return parts
