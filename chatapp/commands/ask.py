"""``ask``: answers prompts in the terminal.

The reply alone goes to standard output, as it comes or, with ``--json``, as one object
per line; what else there is to say goes to standard error.
"""

from __future__ import annotations

import asyncio
import sys
from argparse import Namespace
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from chatapp.application.live_reply import LiveReply
from chatapp.chat.export import figures_line
from chatapp.chat.history import check_length, fit
from chatapp.chat.language import detect
from chatapp.chat.messages import check_message, clean
from chatapp.chat.turns import loose
from chatapp.commands.ask_engine import Answerer, answerer
from chatapp.commands.json_output import print_json
from chatapp.domain import Message, Sampling
from chatapp.errors import InputError, UsageError
from chatapp.measure.compare.arms import seeds_repeat
from chatapp.measure.reply.acceptance import positions
from chatapp.measure.reply.metrics import metrics_of
from chatapp.measure.reply.trace import Trace
from chatapp.settings import Settings
from chatapp.texts import Texts, system_language


def main(arguments: Namespace, settings: Settings) -> int:
    texts = Texts(system_language())

    def say(key: str, **values: object) -> None:
        print(texts(f"ask.{key}", **values), file=sys.stderr, flush=True)

    prompts = _prompts(arguments, say)
    asyncio.run(_answer_all(prompts, arguments, settings, say))
    return 0


async def _answer_all(
    prompts: list[str], arguments: Namespace, settings: Settings, say: Callable[..., None]
) -> None:
    async with answerer(settings, say) as chosen:
        for text in prompts:
            check_length(chosen.prompt, text)
        if arguments.seed is not None and arguments.temperature and not seeds_repeat(chosen.device):
            say("no_seed")
        for text in prompts:
            show = Show(silent=arguments.json)
            live = await _answer(chosen, text, arguments, show)
            reply, metrics = live.state.reply, metrics_of(live.trace)
            if arguments.json:
                print_json(report(reply, live.trace))
            else:
                show.end(reply.text)
                print(figures_line(Texts(system_language()), metrics), file=sys.stderr, flush=True)
            if metrics.speculation != (arguments.speculation == "on"):
                say("not_as_asked")


async def _answer(
    chosen: Answerer, text: str, arguments: Namespace, show: Callable[[str], None]
) -> LiveReply:
    """The whole reply, which is kept nowhere. Raises ProductError when it failed."""
    turn = loose(_with_language(text, arguments.reply_language), arguments.speculation == "on")
    live = LiveReply(
        turn,
        None,
        ready=lambda: asyncio.to_thread(fit, chosen.prompt, [turn.user]),
        stream=lambda prompt, *how: chosen.client.stream(prompt.ids, *how),
        sampling=Sampling(
            temperature=arguments.temperature,
            top_p=arguments.top_p,
            top_k=arguments.top_k,
            min_p=arguments.min_p,
            max_tokens=arguments.max_tokens or Sampling().max_tokens,
            seed=arguments.seed,
        ),
        simulated=lambda: chosen.simulated,
    )
    try:
        async for state in live.latest.reader(interval=0):
            show(state.reply.text)
    finally:
        await live.stop()
    if live.error is not None:
        raise live.error
    return live


def report(reply: Message, trace: Trace) -> dict[str, Any]:
    """What ``--json`` prints of one reply: every figure that there is."""
    figures = metrics_of(trace)
    return {
        "text": reply.text,
        "output_ids": list(trace.token_ids),
        "language": reply.language,
        "kind": reply.kind,
        **asdict(figures),
        "accept_positions": [one.share for one in positions(figures.accept_histogram)],
        "finish_reason": reply.finish_reason,
    }


class Show:
    """Prints what a growing text has gained. Its last character may be half decoded."""

    def __init__(self, silent: bool) -> None:
        self._silent = silent
        self._shown = 0

    def __call__(self, text: str) -> None:
        self._print(text.rstrip("\ufffd"))

    def end(self, text: str) -> None:
        self._print(text + "\n")

    def _print(self, text: str) -> None:
        if not self._silent and len(text) > self._shown:
            # Cleaned, so that a model's escape sequences do nothing to the terminal.
            print(clean(text[self._shown :]), end="", flush=True)
            self._shown = len(text)


def _with_language(text: str, wanted: str) -> str:
    """A request for the language, in that language, where the prompt's is another."""
    if wanted == "auto" or wanted == detect(text):
        return text
    return f"{text}\n{Texts(wanted)('ask.in_this_language')}"


def _prompts(arguments: Namespace, say: Callable[..., None]) -> list[str]:
    """The checked prompts; of a file, the lines that are not blank."""
    if arguments.file is None:
        return [check_message(arguments.prompt)]
    lines = [(n, line) for n, line in enumerate(_lines(arguments.file), 1) if line.strip()]
    if not lines:
        raise UsageError("ask_file_empty", path=arguments.file)
    checked = []
    for number, line in lines:
        try:
            checked.append(check_message(line))
        except InputError:
            say("line", path=arguments.file, number=number)
            raise
    return checked


def _lines(name: str) -> list[str]:
    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise UsageError("ask_file", path=name, reason=error.strerror) from None
    return data.decode("utf-8-sig", "replace").split("\n")
