"""From messages to the target's token ids, with the target's own chat template.

The template runs in a sandbox. Special tokens come from the template alone: what looks
like one in a message is plain text to the target.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

from jinja2 import Template, TemplateError
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Tokenizer

from chatapp.domain import Pair, Role
from chatapp.errors import PairError

_DEFAULT_CONTEXT = 2048


class ChatPrompt:
    """Reads ``target_dir`` once; raises PairError when there is no usable tokenizer.
    ``context_length`` is the pair's; without it, the target's."""

    def __init__(self, target_dir: Path, context_length: int | None = None) -> None:
        try:
            self._tokenizer = Tokenizer.from_file(str(target_dir / "tokenizer.json"))
            config = _json(target_dir / "tokenizer_config.json")
            self._template = _template(target_dir, config)
            trained = _json(target_dir / "config.json").get("max_position_embeddings")
        except Exception as error:  # tokenizers raises nothing narrower
            raise PairError("pair_tokenizer", path=target_dir, reason=error) from error
        # The library's name for: special tokens in a text are text like any other.
        self._tokenizer.encode_special_tokens = True
        self._special = {
            token.content: number
            for number, token in self._tokenizer.get_added_tokens_decoder().items()
            if token.special
        }
        self._specials = _any_of(self._special)
        self._names = {name: _content(config.get(name)) for name in ("bos_token", "eos_token")}
        self.context_length = context_length or trained or _DEFAULT_CONTEXT

    @classmethod
    def of(cls, pair: Pair) -> ChatPrompt:
        """With the context that the engine leaves free for prompt and reply."""
        return cls(pair.target, pair.context_length - pair.tree.reserved_tokens)

    def encode(self, messages: Sequence[tuple[Role, str]]) -> list[int]:
        """The prompt's token ids, up to where the reply begins."""
        mark = f"\ue000{secrets.token_hex(8)}"
        hidden: list[str] = []

        def hide(found: re.Match[str]) -> str:
            hidden.append(found.group())
            return f"{mark}{len(hidden) - 1}\ue001"

        rendered = self._render([(role, self._specials.sub(hide, text)) for role, text in messages])
        ids: list[int] = []
        for piece in self._specials.split(rendered):
            if piece in self._special:
                ids.append(self._special[piece])
            elif piece:
                text = re.sub(f"{mark}(\\d+)\ue001", lambda at: hidden[int(at[1])], piece)
                ids += self._plain(text)
        return ids

    def decode(self, ids: Sequence[int], skip_special_tokens: bool = True) -> str:
        """The text of token ids."""
        return self._tokenizer.decode(list(ids), skip_special_tokens=skip_special_tokens)

    def count(self, text: str) -> int:
        """Tokens of a plain text."""
        return len(self._plain(text))

    def _plain(self, text: str) -> list[int]:
        return self._tokenizer.encode(text, add_special_tokens=False).ids

    def _render(self, messages: Sequence[tuple[Role, str]]) -> str:
        try:
            return self._template.render(
                messages=[{"role": str(role), "content": text} for role, text in messages],
                add_generation_prompt=True,
                enable_thinking=False,  # templates of hybrid targets think unless told not to
                **self._names,
            )
        except TemplateError as error:
            raise PairError("pair_template", reason=error) from error


def _template(target_dir: Path, config: dict[str, Any]) -> Template:
    """From ``chat_template.jinja``, else from the tokenizer's configuration."""
    file = target_dir / "chat_template.jinja"
    source = file.read_text("utf-8") if file.exists() else config.get("chat_template")
    if isinstance(source, list):
        source = next(item["template"] for item in source if item["name"] == "default")
    if not source:
        raise ValueError("there is no chat template")
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols]
    )
    environment.filters["tojson"] = lambda value, **_: json.dumps(value, ensure_ascii=False)
    environment.globals["raise_exception"] = _raise
    environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    return environment.from_string(source)


def _raise(message: str) -> NoReturn:
    raise TemplateError(message)


def _json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text("utf-8")) if path.exists() else {}


def _content(token: Any) -> str:
    """A token is written as a string or as an object with its content."""
    return token.get("content", "") if isinstance(token, dict) else token or ""


def _any_of(words: dict[str, int]) -> re.Pattern[str]:
    """Splits at any of ``words``, the longest first; never when there are none."""
    longest_first = sorted(words, key=len, reverse=True)
    return re.compile(f"({'|'.join(map(re.escape, longest_first)) or '(?!)'})")
