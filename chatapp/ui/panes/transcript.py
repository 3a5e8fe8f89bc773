"""The conversation: what was said, and under each reply the evidence of how it came."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from markupsafe import Markup

from chatapp.application.live_reply import ReplyState
from chatapp.domain import Message, MessageState, ReplyMetrics, Role
from chatapp.errors import error_words
from chatapp.texts import Texts
from chatapp.ui import number_format
from chatapp.ui.markdown import to_html
from chatapp.ui.panes.evidence import choice_words
from chatapp.ui.render import render


def transcript(
    texts: Texts,
    messages: Sequence[Message],
    conversation: int | None,
    window: int,
    running: bool = False,
    stepped: Mapping[int, Markup] = MappingProxyType({}),
) -> Markup:
    """The settled messages, the newest ``window`` of them. ``running``: another reply is
    being written, so none of these is the last. ``stepped`` are the replies that are shown
    by verify steps, by id."""
    shown = list(messages[-window:])
    replies = [] if running else [m.id for m in shown if m.role is Role.ASSISTANT]
    last_reply = max(replies, default=None)
    return render(
        "messages",
        texts,
        conversation=conversation if conversation is not None else "new",
        earlier=len(messages) - len(shown),
        messages=[
            _message(texts, message, message.id == last_reply, stepped.get(message.id))
            for message in shown
        ],
    )


def _message(texts: Texts, message: Message, last: bool, steps: Markup | None) -> Markup:
    if message.role is not Role.ASSISTANT:
        return render("user", texts, id=message.id, text=message.text)
    return reply(texts, message, last=last, steps=steps)


def live(texts: Texts, state: ReplyState, speculation: bool) -> Markup:
    """The reply that is being written. ``speculation`` is what it was asked with."""
    figures, text = state.reply.figures, state.reply.text
    return _reply(
        texts,
        state.reply,
        speculation=speculation,
        evidence=_evidence(texts, figures) if figures else Markup(),
        live=True,
        body=to_html(text, texts),
        note_before=_dropped(texts, state.dropped_messages),
    )


def reply(
    texts: Texts, message: Message, last: bool = False, steps: Markup | None = None
) -> Markup:
    """A reply that has ended, or that waits for the engine; ``steps`` in place of its text."""
    figures = message.figures
    return _reply(
        texts,
        message,
        speculation=figures is None or figures.speculation,
        evidence=_evidence(texts, figures) if figures and message.text else Markup(),
        last=last and message.state is not MessageState.WAITING,
        body=to_html(message.text, texts) if steps is None else steps,
        stepped=steps is not None,
    )


def _reply(
    texts: Texts,
    message: Message,
    *,
    speculation: bool,
    evidence: Markup,
    body: Markup,
    live: bool = False,
    last: bool = False,
    note_before: str = "",
    stepped: bool = False,
) -> Markup:
    return render(
        "reply",
        texts,
        id=message.id,
        choice=choice_words(texts, message.choice),
        steppable=not live and message.figures is not None and message.figures.speculation,
        stepped=stepped,
        state=message.state.value,
        speculation=speculation,
        live=live,
        last=last,
        raw=message.text,
        body=body,
        notes=_notes(texts, message, live),
        note_before=note_before,
        evidence=evidence,
    )


def _evidence(texts: Texts, figures: ReplyMetrics) -> Markup:
    """With speculation off nothing was proposed, so no accept length is shown."""
    return render(
        "evidence",
        texts,
        on=figures.speculation,
        speed=figures.tokens_per_second,
        accept=figures.accept_length,
        tokens=figures.completion_tokens,
        steps=figures.verify_steps,
        ttft=figures.ttft_s,
        simulated=_simulated(figures.simulated_accept_length),
    )


def _simulated(length: float | None) -> str:
    return "" if length is None else number_format.length(length)


def _notes(texts: Texts, message: Message, live: bool) -> list[str]:
    """What became of the reply, in words; nothing when it simply ended."""
    notes = []
    if message.error:
        notes.append(error_words(texts, message.error, message.error_values))
    if message.state is MessageState.WAITING:
        notes.append(texts("page.message.waiting"))
    elif message.state is MessageState.STREAMING and not message.text:
        notes.append(texts("page.message.thinking"))
    elif message.state is MessageState.STOPPED:
        notes.append(texts("page.message.stopped"))
    elif message.finish_reason == "length":
        notes.append(texts("page.message.length"))
    elif message.state is MessageState.FINISHED and not message.text and not live:
        notes.append(texts("page.message.empty"))
    return notes


def _dropped(texts: Texts, count: int) -> str:
    return texts("page.message.dropped", count=count) if count else ""
