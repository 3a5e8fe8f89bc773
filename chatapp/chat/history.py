"""From a conversation to the prompt that fits the target's context.

The newest user message must fit with room for an answer; if the history does not fit
beside it, the oldest turns are left out, and the caller is told how many messages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chatapp.domain import Message, Prompt, Role
from chatapp.errors import InputError

_ROOM_SHARE = 4
_ROOM_TOKENS = 256


@dataclass(frozen=True, slots=True)
class FittedPrompt:
    """``room`` is the number of tokens that an answer may have."""

    ids: tuple[int, ...]
    room: int
    dropped_messages: int = 0


def fit(prompt: Prompt, messages: Sequence[Message]) -> FittedPrompt:
    """``messages`` end with the user message to be answered."""
    said = [message for message in messages if message.text]
    limit = prompt.context_length - answer_room(prompt)
    ids: list[int] = []
    for dropped in range(len(said)):
        if dropped and said[dropped].role is not Role.USER:
            continue
        ids = prompt.encode([(message.role, message.text) for message in said[dropped:]])
        if len(ids) <= limit:
            return FittedPrompt(tuple(ids), prompt.context_length - len(ids) - 1, dropped)
    raise _too_long(len(ids), limit)


def check_length(prompt: Prompt, text: str) -> None:
    """Raises InputError when ``text`` alone leaves no room for an answer."""
    limit = prompt.context_length - answer_room(prompt)
    tokens = len(prompt.encode([(Role.USER, text)]))
    if tokens > limit:
        raise _too_long(tokens, limit)


def answer_room(prompt: Prompt) -> int:
    """Tokens kept free for the answer: a quarter of the context, at most 256."""
    return min(_ROOM_TOKENS, prompt.context_length // _ROOM_SHARE)


def _too_long(tokens: int, limit: int) -> InputError:
    return InputError("message_too_long", tokens=tokens, limit=limit, excess=tokens - limit)
