"""How the target of an engine elsewhere wants a conversation written, as the engine says.

Template and tokenizer are the engine's: ``/tokenize`` and ``/detokenize``. What looks like a
special token in a message is plain text to the target here as well: the engine would take it
for the token, so such a text is found (a special token decodes to nothing) and handed to the
tokenizer in two halves, neither of which is one.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import groupby
from typing import Any

import httpx

from chatapp.domain import Role
from chatapp.errors import EngineError, PairError

_BROKEN = "\ufffd"
_LONGEST = 8  # tokens of a character and of the one before it


class RemotePrompt:
    """``clients`` are at the addresses of engines that are alike, with their key; the first that
    can be reached is asked. All of it waits for answers, so it belongs in a thread; every failure
    of the engine is an EngineError."""

    def __init__(self, clients: Sequence[httpx.Client], context_length: int) -> None:
        self._clients = clients
        self.context_length = context_length
        self._special: dict[int, str] = {}
        self._plain: set[int] = set()
        self._texts: dict[tuple[int, ...], str] = {}

    def encode(self, messages: Sequence[tuple[Role, str]]) -> list[int]:
        """The prompt's token ids, up to where the reply begins."""
        self._learn_special(text for _, text in messages)
        special = _any_of(self._special.values())
        if not any(special.search(text) for _, text in messages):
            return self._render(messages)
        return self._encode_hidden(messages, special)

    def count(self, text: str) -> int:
        """Tokens of a plain text."""
        return sum(map(len, self._tokenize([text])))

    def decode(self, ids: Sequence[int], skip_special_tokens: bool = True) -> str:
        """The text of token ids. What was asked once is known from then on, and of characters
        that are spread over tokens every part, so that a reply can be read token by token."""
        if not skip_special_tokens:
            return self._detokenize([list(ids)], skip=False)[0]
        self._learn_texts({(number,) for number in ids})
        runs = list(self._runs(ids))
        self._learn_texts({part for run in runs for part in (run, *_parts(run))})
        return "".join(self._texts[run] for run in runs)

    def _runs(self, ids: Sequence[int]) -> Iterator[tuple[int, ...]]:
        """Tokens that are whole characters one by one, others together."""
        for broken, run in groupby(ids, lambda number: _BROKEN in self._texts[number,]):
            tokens = tuple(run)
            yield from [tokens] if broken else [(number,) for number in tokens]

    def _learn_texts(self, runs: set[tuple[int, ...]]) -> None:
        if unknown := sorted(runs - self._texts.keys()):
            self._texts |= dict(zip(unknown, self._detokenize(unknown), strict=True))

    def _encode_hidden(
        self, messages: Sequence[tuple[Role, str]], special: re.Pattern[str]
    ) -> list[int]:
        """The template sees marks in place of what looks special. Its own special tokens are
        in the pieces between, where the tokenizer shall find them."""
        mark = f"\ue000{secrets.token_hex(8)}"
        hidden: list[str] = []

        def hide(found: re.Match[str]) -> str:
            hidden.append(found.group())
            return f"{mark}{len(hidden) - 1}\ue001"

        marked = [(role, special.sub(hide, text)) for role, text in messages]
        rendered = self._detokenize([self._render(marked)], skip=False)[0]
        pieces: list[str] = []
        for at, piece in enumerate(re.split(f"{mark}(\\d+)\ue001", rendered)):
            text = hidden[int(piece)] if at % 2 else piece
            pieces += (text[:1], text[1:]) if at % 2 else (text,)
        return [number for ids in self._tokenize(filter(None, pieces)) for number in ids]

    def _learn_special(self, texts: Iterable[str]) -> None:
        """Which of the tokens of these texts the engine takes for special."""
        found = {number for ids in self._tokenize(texts) for number in ids}
        unknown = sorted(found - self._plain - self._special.keys())
        silent = [number for number, text in self._say(unknown) if not text]
        self._special |= dict(self._say(silent, skip=False))
        self._plain |= found - self._special.keys()

    def _say(self, ids: Sequence[int], skip: bool = True) -> list[tuple[int, str]]:
        texts = self._detokenize([[number] for number in ids], skip) if ids else []
        return list(zip(ids, texts, strict=True))

    def _render(self, messages: Sequence[tuple[Role, str]]) -> list[int]:
        """With the engine's template; thinking is off, as in our own prompts."""
        told = [{"role": str(role), "content": text} for role, text in messages]
        body = {"messages": told, "chat_template_kwargs": {"enable_thinking": False}}
        return [int(number) for number in self._ask("tokenize", body, "tokens")]

    def _tokenize(self, texts: Iterable[str]) -> list[list[int]]:
        body = {"prompt": list(texts), "add_special_tokens": False}
        return self._ask("tokenize", body, "tokens")

    def _detokenize(self, ids: Sequence[Sequence[int]], skip: bool = True) -> list[str]:
        body = {"tokens": ids, "skip_special_tokens": skip}
        return self._ask("detokenize", body, "text")

    def _ask(self, what: str, body: dict[str, Any], field: str) -> list[Any]:
        try:
            answer = self._answer(f"/{what}", body)
            if answer.status_code == 400:
                raise PairError("pair_template", reason=_reason(answer))
            return list(answer.raise_for_status().json()[field])
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            raise EngineError("remote_not_told", path=f"/{what}") from error

    def _answer(self, path: str, body: dict[str, Any]) -> httpx.Response:
        *others, last = self._clients
        for client in others:
            with suppress(httpx.TransportError):
                return client.post(path, json=body)
        return last.post(path, json=body)


def _parts(run: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Every stretch of ``run`` of at most ``_LONGEST`` tokens."""
    for first in range(len(run)):
        for last in range(first + 1, min(first + _LONGEST, len(run)) + 1):
            yield run[first:last]


def _reason(answer: httpx.Response) -> str:
    try:
        return str(answer.json().get("message", answer.status_code))[:300]
    except (ValueError, AttributeError):
        return str(answer.status_code)


def _any_of(words: Iterable[str]) -> re.Pattern[str]:
    """Any of ``words``, the longest first; nothing when there are none."""
    longest_first = sorted(words, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)) or "(?!)")
