"""What is measured: the stream of a reply, wherever it comes from."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing

from chatapp.domain import Chunk, Sampling
from chatapp.measure.reply.trace import Trace

Stream = Callable[[Sequence[int], Sampling, bool], AsyncGenerator[Chunk]]
"""The prompt's token ids, how to sample, and whether to speculate → the chunks."""


async def read(chunks: AsyncGenerator[Chunk], speculation: bool) -> tuple[str, Trace]:
    """The text of the whole reply, and its record."""
    text, trace = "", Trace(speculation)
    async with aclosing(chunks):
        async for chunk in chunks:
            trace.add(chunk)
            text = chunk.text
    return text, trace
