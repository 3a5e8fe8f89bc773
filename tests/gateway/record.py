"""SGLang's gateway in front of two engines, measured: ``python -m tests.gateway.record``.

Three tables: what the gateway passes on; which policy keeps a conversation on the engine that has
its prefix; 32 conversations at once, half of them with speculation off, one engine killed in the
middle, its replies kept and asked again. ``--gateway`` names another program than smg, such as
``"python -m sglang_router.launch_router"``; ``--only`` one table. Two minutes on two quiet cores.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path

from chatapp.application.chosen_pair import find_pair
from chatapp.application.live_replies import LiveReplies
from chatapp.application.live_reply import LiveReply
from chatapp.chat.store import Store
from chatapp.domain import Message, MessageState, Prompt, SpeculationMode
from chatapp.engine.client import EngineClient
from chatapp.engine.prompt import ChatPrompt
from chatapp.engine.remote.address import Address
from chatapp.engine.remote.remote_engine import RemoteEngine
from chatapp.settings import Settings
from tests.gateway.fleet import SMG, Place, engines, gateway
from tests.gateway.passes import passes
from tests.gateway.talk import SAMPLING, Conversation, Said, conversations, hold_all

COUNT = 32
PARTS = ("passes", "policies", "kill")
# Flags, and whether each conversation names itself with a routing key.
POLICIES = (
    (("--policy", "round_robin"), False),
    (("--policy", "cache_aware"), False),
    (("--policy", "consistent_hashing"), True),
    (("--policy", "manual"), True),
    (("--policy", "manual", "--assignment-mode", "min_load"), True),
)
STICKY = POLICIES[-1][0]
POLICY_HEAD = (
    "| policy | routing key | prefixes found | tokens found | requests per engine |",
    "|---|---|---|---|---|",
)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.gateway.record", description=__doc__)
    parser.add_argument("--gateway", default=SMG, metavar="PROGRAM")
    parser.add_argument("--only", choices=PARTS, nargs="+", default=PARTS)
    chosen = parser.parse_args(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that engines end as well
    with tempfile.TemporaryDirectory(prefix="eaglechat-gateway-") as folder:
        asyncio.run(measure(chosen.gateway, chosen.only, Path(folder)))
    return 0


async def measure(program: str, parts: Sequence[str], folder: Path) -> None:
    pair = find_pair(Settings(pair="pocket"))
    prompt = ChatPrompt.of(pair)
    async with engines(pair, 2, folder) as started:
        if "passes" in parts:
            async with behind(program, STICKY, started, folder) as front:
                say("What it passes on", *await passes(front, started, prompt))
        if "policies" in parts:
            say("Which policy finds the prefix of a second turn", *POLICY_HEAD)
            async for row in policies(program, started, prompt, folder):
                print(row, flush=True)
        if "kill" in parts:
            async with behind(program, STICKY, started, folder) as front:
                say("One of two engines killed", *await kill(front, started, prompt, folder))


def behind(
    program: str, flags: Sequence[str], started: Sequence[Place], folder: Path
) -> AbstractAsyncContextManager[Place]:
    places = [(place.url, place.key) for place in started]
    return gateway(program, flags, places, folder / "gateway.log")


def say(title: str, *rows: str) -> None:
    print(f"\n## {title}\n", *rows, sep="\n", flush=True)


async def policies(
    program: str, started: Sequence[Place], prompt: Prompt, folder: Path
) -> AsyncIterator[str]:
    """How much of what an engine had kept from the first turn the second found again."""
    for flags, keys in POLICIES:
        for place in started:
            async with place.client() as client:
                (await client.post("/flush_cache")).raise_for_status()
        before = await requests(started)
        try:
            async with behind(program, flags, started, folder) as front:
                client = EngineClient(front.url, front.key)
                talks = await hold_all(conversations(COUNT), client, prompt, keys)
        except ChildProcessError:
            yield f"| {name_of(flags)} | not known to this program | | | |"
            continue
        split = [now - was for now, was in zip(await requests(started), before, strict=True)]
        yield policy_row(flags, keys, [said[-1] for said in talks], split)


def policy_row(flags: Sequence[str], keys: bool, second: Sequence[Said], split: list[int]) -> str:
    found = sum(said.last.cached_tokens > said.known / 2 for said in second)
    cached, known = sum(s.last.cached_tokens for s in second), sum(s.known for s in second)
    share = f"{cached} of {known} ({cached / known:.0%})"
    key, each = "yes" if keys else "no", " + ".join(map(str, split))
    return f"| {name_of(flags)} | {key} | {found} of {len(second)} | {share} | {each} |"


def name_of(flags: Sequence[str]) -> str:
    return " ".join(flag for flag in flags if not flag.startswith("--"))


async def requests(started: Sequence[Place]) -> list[int]:
    """How many each engine has answered since it started."""
    counts = []
    for place in started:
        async with place.client() as client:
            lines = (await client.get("/metrics")).text.splitlines()
        name = "sglang:num_requests_total{"
        counts.append(
            round(sum(float(line.split()[-1]) for line in lines if line.startswith(name)))
        )
    return counts


async def kill(front: Place, started: Sequence[Place], prompt: Prompt, folder: Path) -> list[str]:
    """Asked as the app asks: kept in a store, through the gateway as ``--engine-url``."""
    talks = [replace(talk, turns=talk.turns[:1]) for talk in conversations(COUNT)]
    alone = EngineClient(started[0].url, started[0].key)
    expected = [said[0].last.text for said in await hold_all(talks, alone, prompt, at_once=8)]
    store = Store(folder / "chats.sqlite3")
    engine = RemoteEngine(Address(front.url, front.key), folder)
    await engine.start()
    try:
        await engine.ready(60)
        replies = LiveReplies(store, engine)
        live = [await start(replies, talk) for talk in talks]
        await begun(live, len(live) // 2)
        started[1].kill()
        first = [await ended(one) for one in live]
        state = engine.status().state
        broken = [message for message in first if message.state is MessageState.FAILED]
        began = time.monotonic()
        retried = [replies.retry(message.conversation_id, SAMPLING) for message in broken]
        again = [await ended(one) for one in retried]
        took = time.monotonic() - began
    finally:
        await engine.stop()
    texts = dict(zip((message.conversation_id for message in first), expected, strict=True))
    wanted = {m.conversation_id: t.speculation for m, t in zip(first, talks, strict=True)}
    whole = [message for message in first if message.state is MessageState.FINISHED]
    kept = [store.message(message.id) for message in whole] + broken
    told = ", ".join(sorted({str(message.error) for message in broken}))
    return [
        "| | |",
        "|---|---|",
        f"| conversations at once, with speculation off | {len(live)}, "
        f"{sum(not on for on in wanted.values())} |",
        f"| finished although an engine was killed | {len(whole)} |",
        f"| their texts right | {right_texts(whole, texts)} of {len(whole)} |",
        f"| broke off with the killed engine, kept as far as they came | {len(broken)} ({told}) |",
        f"| characters kept of them | {sum(len(m.text) for m in broken)} |",
        f"| what was kept is the beginning of the right text | "
        f"{sum(texts[m.conversation_id].startswith(m.text) for m in broken)} of {len(broken)} |",
        f"| asked again: finished, with the right text | "
        f"{right_texts(again, texts)} of {len(broken)}, in {took:.1f} s |",
        f"| switch and counts right in every reply that began | "
        f"{right_counts([*kept, *again], wanted)} of "
        f"{sum(m.figures is not None for m in [*kept, *again])} |",
        f"| the connection, as the app saw it after the kill | {state} |",
    ]


async def start(replies: LiveReplies, talk: Conversation) -> LiveReply:
    mode = SpeculationMode.ON if talk.speculation else SpeculationMode.OFF
    return await replies.send(None, talk.turns[0], SAMPLING, new=mode)


async def begun(live: Sequence[LiveReply], enough: int, characters: int = 20) -> None:
    while sum(len(one.state.reply.text) >= characters for one in live) < enough:
        await asyncio.sleep(0.02)


async def ended(live: LiveReply) -> Message:
    async for _ in live.latest.reader():
        pass
    return live.state.reply


def right_texts(messages: Sequence[Message], texts: dict[int, str]) -> int:
    finished = MessageState.FINISHED
    return sum(m.state is finished and m.text == texts[m.conversation_id] for m in messages)


def right_counts(messages: Sequence[Message], wanted: dict[int, bool]) -> int:
    """By the record of each stream: steps add up with the tokens, and off has none."""
    right = 0
    for message in messages:
        if (told := message.figures) is None:
            continue
        gained = told.completion_tokens - 1 if wanted[message.conversation_id] else 0
        right += told.speculation is wanted[message.conversation_id] and (
            sum(told.step_lengths),
            told.verify_steps,
        ) == (gained, len(told.step_lengths))
    return right


if __name__ == "__main__":
    raise SystemExit(main())
