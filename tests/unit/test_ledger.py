"""The ledger: planned and real side by side, and where the KV cache ran full."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.domain import Card, GpuSample, MemorySample, ProcessMemory
from chatapp.engine.planning.planner import make_plan
from chatapp.measure.machine.ledger import (
    DRAFT,
    SECOND_STATE,
    EngineMemory,
    History,
    Ledger,
    kv_share,
    ledger,
)
from chatapp.pairs.planned import planned_known
from chatapp.sglang_plugin import report
from chatapp.units import GIB

OUTSIDE = ("others", "driver", "reserve")

# As a server with the published pair answers; the sizes are GiB.
SERVER_INFO = {
    "internal_states": [
        {
            "memory_usage": {
                "weight": 7.5,
                "kvcache": 8.25,
                "startup_available": 3.1,
                "token_capacity": 60_156,
                "token_capacity_swa": None,
                "graph": {"decode": 0.05, "target_verify": 0.25, "draft_decode": 0.1},
            }
        }
    ]
}


def gpu(used: float, engine: float | None, total: float = 24) -> GpuSample:
    held = None if engine is None else int(engine * GIB)
    return GpuSample("card", int(used * GIB), int(total * GIB), held, None, None, None)


def sample(
    card: GpuSample | None = None, engine: tuple[int, ...] = (), at: float = 0.0
) -> MemorySample:
    names = ("main", "scheduler", "detokenizer")
    processes = tuple(
        ProcessMemory(name, pid, size)
        for pid, (name, size) in enumerate(zip(names, engine, strict=False))
    )
    return MemorySample(at, 24 * GIB, 10 * GIB, GIB // 4, processes, card)


def by_key(made: Ledger) -> dict[str, tuple[int | None, int | None]]:
    return {row.key: (row.planned, row.real) for row in made.rows}


def test_on_a_gpu_the_driver_and_the_engine_tell_it_together() -> None:
    plan = make_plan(Card(24 * GIB), planned_known()[0])
    planned = {row.key: row.bytes for row in plan.rows}
    told = EngineMemory.told(SERVER_INFO)
    made = ledger(sample(gpu(19.5, 18)), told, planned, plan.kv_tokens)
    rows = by_key(made)
    assert made.on == "gpu"
    assert rows["target"] == (plan.row("target"), int(7.5 * GIB))
    assert rows["kv_target"][1] == int(8.25 * GIB)
    assert rows["graphs"][1] == pytest.approx(0.4 * GIB, abs=3)
    assert rows["rest"][1] == pytest.approx((18 - 7.5 - 8.25 - 0.4) * GIB, abs=3)
    untold = ("context", "draft", "kv_draft", "workspace", "second_state", "activations")
    assert all(rows[key] == (planned[key], None) for key in untold)
    assert rows["rest"][0] == sum(planned[key] for key in untold)
    assert rows["engine"][1] == 18 * GIB and rows["others"][1] == int(1.5 * GIB)
    assert rows["free"] == (plan.unspoken_bytes, int(4.5 * GIB))
    assert (made.kv_tokens, made.kv_tokens_planned) == (60_156, plan.kv_tokens)
    target = next(row for row in made.rows if row.key == "target")
    assert target.difference == int(7.5 * GIB) - plan.row("target")


def test_its_rows_are_those_of_the_plan() -> None:
    """In the same order, what the engine holds together and the reserve as free memory."""
    plan = make_plan(Card(24 * GIB), planned_known()[0])
    keys = [row.key for row in plan.rows]
    made = ledger(sample(gpu(19.5, 18)), EngineMemory(), {row.key: row.bytes for row in plan.rows})
    inside = [row.key for row in made.rows if row.key in keys and row.key not in OUTSIDE]
    assert inside == [key for key in keys if key not in OUTSIDE]
    assert set(by_key(made)) == {*keys} - {"reserve"} | {"rest", "engine", "free"}
    whole = [by_key(made)[key][0] or 0 for key in ("engine", "others", "driver", "free")]
    assert sum(whole) == 24 * GIB == plan.card_bytes


def test_what_the_plug_in_tells_is_no_rest() -> None:
    """The second state's graphs stand in SGLang's account of all graphs as well."""
    state = SERVER_INFO["internal_states"][0] | {
        DRAFT: {"weights": GIB // 2, "kv_cache": GIB // 4},
        SECOND_STATE: {"seconds": 3.2, "bytes": int(0.7 * GIB), "graph_bytes": int(0.1 * GIB)},
    }
    told = EngineMemory.told({"internal_states": [state]})
    assert told is not None
    rows = by_key(ledger(sample(gpu(19.5, 18)), told))
    assert rows["draft"][1] == GIB // 2 and rows["kv_draft"][1] == GIB // 4
    assert rows["second_state"][1] == int(0.7 * GIB)
    assert rows["graphs"][1] == pytest.approx(0.3 * GIB, abs=3)
    left = 18 - 7.5 - 8.25 - 0.5 - 0.25 - 0.7 - 0.3
    assert rows["rest"][1] == pytest.approx(left * GIB, abs=6)
    assert (DRAFT, SECOND_STATE) == (report.DRAFT_KEY, report.SECOND_STATE_KEY)


def test_what_the_driver_keeps_is_nobodys() -> None:
    card = replace(gpu(19, 18), reserved_bytes=GIB // 4)
    rows = by_key(ledger(sample(card), None))
    assert rows["driver"][1] == GIB // 4 and rows["others"][1] == GIB
    assert rows["free"][1] == int(4.75 * GIB)


def test_what_the_driver_does_not_tell_stays_unknown() -> None:
    rows = by_key(ledger(sample(gpu(19.5, None)), EngineMemory.told(SERVER_INFO)))
    assert rows["engine"][1] is None and rows["others"][1] is None and rows["rest"][1] is None
    assert rows["target"][1] == int(7.5 * GIB) and rows["free"][1] == int(4.5 * GIB)


def test_on_a_cpu_it_is_resident_memory() -> None:
    made = ledger(sample(engine=(GIB, 2 * GIB, GIB // 2)), None)
    rows = by_key(made)
    assert made.on == "cpu" and made.total_bytes == 24 * GIB
    assert rows["engine"][1] == 3 * GIB + GIB // 2
    assert rows["others"][1] == 14 * GIB - 3 * GIB - GIB // 2 and rows["free"][1] == 10 * GIB
    assert "target" not in rows and "driver" not in rows


def test_without_an_engine_nothing_is_invented() -> None:
    rows = by_key(ledger(sample(), None))
    assert all(real is None for key, (_, real) in rows.items() if key != "free")


@pytest.mark.parametrize("info", [{}, {"internal_states": []}, {"internal_states": [{}]}])
def test_an_engine_that_does_not_say(info: dict) -> None:
    assert EngineMemory.told(info) is None


def test_figures_that_are_none_are_not_zero() -> None:
    state = {"memory_usage": {"weight": -0.3, "kvcache": None, "graph": {}, "token_capacity": 9}}
    told = EngineMemory.told({"internal_states": [state]})
    assert told == EngineMemory(graph_bytes=0, kv_tokens=9)


@given(used=st.integers(0, 24), engine=st.none() | st.integers(0, 24), held=st.integers(0, 12))
def test_real_rows_add_up(used: int, engine: int | None, held: int) -> None:
    if engine is not None and engine > used:
        used, engine = engine, used
    told = EngineMemory(held * GIB // 2, held * GIB // 4, None, 1000, draft_bytes=held)
    rows = by_key(ledger(sample(gpu(used, engine)), told))
    if engine is None:
        assert rows["rest"][1] is None
        return
    parts = [rows[key][1] or 0 for key in ("target", "kv_target", "draft", "rest") if key in rows]
    assert sum(parts) == max(engine * GIB, told.told_bytes)
    whole = [rows[key][1] or 0 for key in ("engine", "others", "free")]
    assert sum(whole) == 24 * GIB


def test_the_history_marks_where_the_cache_ran_full() -> None:
    history = History(length=4)
    for at, share in enumerate((0.2, 0.5, 0.995, None, 0.4)):
        history.add(sample(gpu(19, 18), at=at), share, retracted=at == 4)
    points = history.points()
    assert [point.at for point in points] == [1, 2, 3, 4], "the oldest is dropped"
    assert [point.full for point in points] == [False, True, False, True]
    assert points[0].used_bytes == 19 * GIB and points[0].engine_bytes == 18 * GIB


def test_while_the_driver_is_silent_nothing_is_remembered() -> None:
    """Least of all the machine's memory in the card's place."""
    history = History()
    history.add(sample(gpu(19, 18), at=1), None)
    history.add(replace(sample(at=2), gpu_lost=True), None)
    history.add(sample(gpu(19, 18), at=3), None)
    assert [point.at for point in history.points()] == [1, 3]


def test_while_the_driver_is_silent_only_the_engine_speaks() -> None:
    made = ledger(replace(sample(engine=(GIB,)), gpu_lost=True), EngineMemory.told(SERVER_INFO))
    rows = by_key(made)
    assert (made.on, made.total_bytes, made.kv_tokens) == ("lost", None, 60_156)
    assert rows["target"][1] == int(7.5 * GIB) and rows["rest"] == (None, None)
    assert "free" not in rows and "engine" not in rows


def test_the_share_of_the_cache() -> None:
    answer = {"loads": [{"num_used_tokens": 300, "max_total_num_tokens": 1200}]}
    assert kv_share(answer) == 0.25
    assert kv_share({"loads": []}) is None and kv_share({}) is None and kv_share(None) is None
    assert kv_share({"loads": [{"num_used_tokens": 1, "max_total_num_tokens": 0}]}) is None
