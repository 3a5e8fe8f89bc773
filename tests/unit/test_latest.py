"""A slow reader gets the newest value, never more than it can take, and always the last."""

from __future__ import annotations

import asyncio
import time
import weakref

from chatapp.application.latest import Latest, Reader


async def collect(latest: Latest[int], interval: float) -> list[tuple[float, int]]:
    return [(time.monotonic(), value) async for value in latest.reader(interval)]


async def test_a_fast_writer_is_thinned_out_and_its_last_value_arrives() -> None:
    latest = Latest(0)
    reading = asyncio.create_task(collect(latest, 0.1))
    for value in range(1, 101):
        await asyncio.sleep(0.004)
        latest.put(value)
    latest.close()
    seen = await reading
    values = [value for _, value in seen]
    assert values[0] == 0 and values[-1] == 100 and values == sorted(values)
    gaps = [after[0] - before[0] for before, after in zip(seen[:-2], seen[1:-1], strict=True)]
    assert min(gaps) >= 0.095
    assert len(values) < 12


async def test_the_end_is_not_kept_waiting() -> None:
    latest = Latest(0)
    reading = asyncio.create_task(collect(latest, 30.0))
    await asyncio.sleep(0)
    latest.put(1)
    latest.close()
    assert [value for _, value in await asyncio.wait_for(reading, 1)] == [0, 1]


async def test_every_reader_gets_the_value_that_is_there_first() -> None:
    latest = Latest(7)
    latest.close()
    assert [value for _, value in await collect(latest, 0.1)] == [7]
    assert [value for _, value in await collect(latest, 0.1)] == [7]


async def test_a_reader_that_is_closed_ends_at_once_without_another_value() -> None:
    latest = Latest(0)
    reader = latest.reader(30.0)
    seen = []

    async def read(reader: Reader[int]) -> None:
        async for value in reader:
            seen.append(value)

    reading = asyncio.create_task(read(reader))
    await asyncio.sleep(0.01)
    latest.put(1)
    reader.close()
    await asyncio.wait_for(reading, 1)
    assert seen == [0]
    gone = weakref.ref(reader)
    del reader, reading
    assert gone() is None, "the writer holds on to nobody"
