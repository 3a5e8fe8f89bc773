"""The GPU report where there is no GPU: it starts, refuses clearly, counts right, and what
fails costs its line."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncGenerator, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp import locations
from chatapp.domain import Card, EngineState, EngineStatus, Pair, Phase, ReplyMetrics, Tree
from chatapp.engine.planning.row import MemoryRow
from chatapp.errors import EngineError
from chatapp.host import machine
from chatapp.host.machine import Driver
from chatapp.measure.machine.ledger import Ledger, LedgerRow
from chatapp.pairs.catalogue import known_pairs
from chatapp.pairs.planned import planned
from tests.fakes import nvml
from tests.gpu import arm as lane_module
from tests.gpu import report, smi
from tests.gpu.arithmetic import Speed, agreement, first_difference, ratio
from tests.gpu.arm import Arm, environment
from tests.gpu.asking import Answer
from tests.gpu.asking import speed as speed_of
from tests.gpu.bench import FULL, REHEARSAL, Bench
from tests.gpu.measures.memory import by_smi, memory, memory_rows
from tests.gpu.measures.mixed import counts_off, counts_on
from tests.gpu.part import Part
from tests.gpu.parts.off import CASES
from tests.gpu.parts.start import cache_places, phases
from tests.gpu.prompts import PROMPTS
from tests.gpu.random_pair import random_pair
from tests.gpu.row import Row

MIB = 1 << 20
GIB = 1 << 30


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench("cpu", REHEARSAL, tmp_path)


def lines(said: str) -> list[str]:
    return [line.strip("| ") for line in said.splitlines()]


# --- the command --------------------------------------------------------------------


def test_it_refuses_without_a_gpu(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(machine, "nvidia_driver", lambda: None)
    assert report.main([]) == 2
    said = capsys.readouterr()
    assert "No NVIDIA GPU" in said.err and not said.out
    monkeypatch.setattr(machine, "nvidia_driver", lambda: Driver("535.10", 1))
    assert report.main([]) == 2
    assert "535.10" in capsys.readouterr().err
    assert report.why_not(Driver("580.65", 1)) is None


def test_it_starts_as_a_module_and_says_how_long_it_takes() -> None:
    command = [sys.executable, "-m", "tests.gpu.report", "--help"]
    shown = subprocess.run(command, cwd=locations.project(), capture_output=True, text=True)
    assert shown.returncode == 0 and "--rehearse" in shown.stdout
    assert all(part.name in shown.stdout for part in report.PARTS)
    assert "minutes at most" in shown.stdout


def test_each_part_fits_into_a_command_of_ten_minutes() -> None:
    assert all(0 < part.limit_s <= 570 for part in report.PARTS)
    assert len({part.name for part in report.PARTS}) == len(report.PARTS)


def test_only_the_parts_that_were_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def named(name: str) -> Part:
        async def rows(bench: Bench) -> AsyncGenerator[Row]:
            yield Row(name, bench.device)

        return Part(name, "", 10, rows)

    monkeypatch.setattr(report, "PARTS", (named("one"), named("two"), named("three")))
    assert report.main(["--rehearse", "--only", "three", "one"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("Rehearsal on a CPU")
    assert lines(said)[-2:] == ["one | cpu", "three | cpu"]


# --- what fails costs its line ------------------------------------------------------


async def test_a_part_that_fails_takes_nothing_else_with_it(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    async def dies(bench: Bench) -> AsyncGenerator[Row]:
        yield Row("speed", "1")
        raise EngineError("engine_broke_off")

    async def is_wrong(bench: Bench) -> AsyncGenerator[Row]:
        yield Row("ratio", str(1 / (bench.size.scale - REHEARSAL.scale)))

    async def hangs(bench: Bench) -> AsyncGenerator[Row]:
        yield Row("before", "0")
        await asyncio.sleep(60)
        yield Row("after", "never")

    async def works(bench: Bench) -> AsyncGenerator[Row]:
        yield Row("gain", "2 | 3\nand more")

    parts = [Part("dies", "", 10, dies), Part("is wrong", "", 10, is_wrong)]
    parts += [Part("hangs", "", 0.05, hangs), Part("works", "", 10, works)]
    await report.measure(parts, bench)
    said = capsys.readouterr()
    rows = lines(said.out)
    assert rows[0] == "speed | 1"
    assert rows[1].startswith("dies | not measured: The reply broke off.")
    assert rows[2] == "is wrong | not measured: division by zero"
    assert rows[3:5] == ["before | 0", "hangs | not finished in 0.05 s"]
    assert rows[5:] == ["gain | 2 \\| 3 and more"]
    assert "ZeroDivisionError" in said.err and "EngineError" not in said.err


async def test_an_engine_that_dies_in_the_middle(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Dying:
        """An engine that has failed by the time its arm is left."""

        def __init__(self, *given: object, **named: object) -> None:
            (tmp_path / "x.log").write_text("CUDA error: an illegal memory access")
            self.state, self.stopped = EngineState.READY, False

        async def start(self) -> None: ...

        async def ready(self) -> None: ...

        async def stop(self) -> None:
            self.stopped = True

        def status(self) -> EngineStatus:
            return EngineStatus(self.state, "pocket")

    monkeypatch.setattr(lane_module, "LocalEngine", Dying)
    pair = Pair("pocket", tmp_path, tmp_path, Tree(5, 4, 16), "float16", 1024)
    async with Arm("x", pair, "cpu", tmp_path).engine() as engine:
        engine.state = EngineState.FAILED
    assert "illegal memory access" in capsys.readouterr().err and engine.stopped


def test_the_environment_of_a_lane_is_gone_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEPT", "before")
    monkeypatch.delenv("NEW", raising=False)
    with suppress(ValueError), environment({"KEPT": "during", "NEW": "1"}):
        assert (os.environ["KEPT"], os.environ["NEW"]) == ("during", "1")
        raise ValueError
    assert os.environ["KEPT"] == "before" and "NEW" not in os.environ


# --- arithmetic ---------------------------------------------------------------------


def test_where_texts_part() -> None:
    assert first_difference([1, 2, 3], [1, 2, 3]) is None
    assert first_difference([1, 2, 3], [1, 5, 3]) == 2
    assert first_difference([1, 2], [1, 2, 3]) == 3
    found = agreement([[1, 2], [1, 9], [4]], [[1, 2], [1, 2], [5]])
    assert (found.equal, found.total, found.first_differences) == (1, 3, (1, 2))
    assert str(found) == "1 of 3 equal; others first differ at token 1, 2"
    assert str(agreement([[1]], [[1]])) == "1 of 1 equal"


@given(st.lists(st.integers(0, 3), max_size=8), st.lists(st.integers(0, 3), max_size=8))
def test_texts_are_equal_up_to_where_they_part(a: list[int], b: list[int]) -> None:
    at = first_difference(a, b)
    assert (at is None) == (a == b)
    if at is not None:
        assert a[: at - 1] == b[: at - 1] and a[:at] != b[:at]


def test_speeds() -> None:
    speed = Speed.of([10.0, 20.0, 30.0, 40.0, 50.0])
    assert (speed.low, speed.median, speed.high) == (20.0, 30.0, 40.0)
    assert str(speed) == "30.0 tok/s (20.0–40.0)"
    assert Speed.of([7.0]) == Speed(7.0, 7.0, 7.0)
    assert ratio(Speed.of([30.0]), Speed.of([20.0])) == "1.50×"
    assert speed.against(Speed.of([20.0])) == "30.0 tok/s (20.0–40.0), 1.50×"
    assert speed.against(None) == str(speed)
    with pytest.raises(ValueError, match="long enough"):
        Speed.of([])


def test_replies_that_arrive_at_once_tell_no_speed() -> None:
    told = figures(speculation=False, tokens=24, steps=())
    written = replace(told, tokens_per_second=60.0, ttft_s=0.02, duration_s=0.4)
    at_once = replace(told, tokens_per_second=28000.0, ttft_s=0.4, duration_s=0.401)
    answers = [Answer("", (), one) for one in (written, at_once)]
    assert speed_of(answers).high == 60.0
    with pytest.raises(ValueError, match="at once"):
        speed_of(answers[1:])


def test_counts_of_a_mixed_batch() -> None:
    on = Answer("", (), figures(speculation=True, tokens=8, steps=(3, 4)))
    short = Answer("", (), figures(speculation=True, tokens=8, steps=(3,)))
    off = Answer("", (), figures(speculation=False, tokens=8, steps=()))
    assert counts_on([on, short]) == "1 of 2 add up"
    assert counts_off([off, on]) == "1 of 2 without a verify step"


def figures(speculation: bool, tokens: int, steps: tuple[int, ...]) -> ReplyMetrics:
    told = {name: 0 for name in ("prompt_tokens", "cached_tokens", "duration_s")}
    return ReplyMetrics(
        speculation=speculation,
        completion_tokens=tokens,
        verify_steps=len(steps),
        accepted_drafts=sum(steps) - len(steps),
        accept_histogram=(),
        accept_length=None,
        tokens_per_second=None,
        ttft_s=None,
        step_lengths=steps,
        **told,
    )


def test_phases_of_a_start() -> None:
    timeline = (Phase("weights", 12.4), Phase("graphs", 60.6), Phase("ready"))
    status = EngineStatus(EngineState.READY, "pocket", timeline=timeline, elapsed_s=63.2)
    assert phases(status) == "63 s (weights 12, graphs 61)"


# --- nvidia-smi, plan and ledger ----------------------------------------------------


def test_what_nvidia_smi_prints() -> None:
    assert smi.processes_told(" 1234, 8192\n 77, [N/A]\n\n99, 10\n") == {
        1234: 8192 * MIB,
        99: 10 * MIB,
    }
    assert smi.processes_told("No running processes found") == {}
    assert smi.sizes_told(" 812, 23752, 412, 24564\n") == [
        n * MIB for n in (812, 23752, 412, 24564)
    ]


def test_what_nvidia_smi_does_not_tell_costs_itself_alone() -> None:
    assert smi.sizes_told("812, [N/A], [Not Supported], 24564") == [
        812 * MIB,
        None,
        None,
        24564 * MIB,
    ]
    assert smi.sizes_told("") == [None] * 4


def test_nvidia_smi_is_asked_by_uuid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = tmp_path / "asked"
    stand_in(
        tmp_path,
        f'echo "$@" >> {asked}; case "$*" in *compute-apps*) echo "7, 4096"; echo "8, [N/A]";; '
        '*) echo "5000, 19000, [N/A], 24564";; esac',
    )
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    told = smi.smi_memory("GPU-1")
    assert (told.used, told.reserved, told.held_by([7, 8])) == (5000 * MIB, None, 4096 * MIB)
    assert told.held_by([8]) is None
    assert all(line.startswith("-i GPU-1 ") for line in asked.read_text().splitlines())


def test_an_nvidia_smi_that_fails_is_an_error_that_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OSError):
        smi.smi_memory("GPU-1")
    stand_in(tmp_path, "exit 9")
    with pytest.raises(subprocess.CalledProcessError):
        smi.smi_memory("GPU-1")


def stand_in(folder: Path, script: str) -> None:
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def test_plan_beside_ledger_beside_nvidia_smi() -> None:
    made = Ledger(
        on="gpu",
        total_bytes=24 * GIB,
        rows=(
            LedgerRow("target", 8 * GIB, 9 * GIB),
            LedgerRow("engine", 17 * GIB, 16 * GIB),
            LedgerRow("free", None, 6 * GIB),
        ),
        kv_tokens_planned=50000,
        kv_tokens=49000,
    )
    planned_rows = [MemoryRow("target", 8 * GIB), MemoryRow("activations", GIB, estimated=True)]
    told = smi.SmiMemory(used=17 * GIB, free=None, reserved=None, total=24 * GIB, processes={})
    rows = {r.what: r.value for r in memory_rows(made, planned_rows, by_smi(told, 15 * GIB))}
    values = list(rows.values())
    assert values[0] == "planned 8.00 GB, real 9.00 GB (+1.00 GB)"
    assert values[1] == "planned 17.00 GB, real 16.00 GB (−1.00 GB), nvidia-smi 15.00 GB"
    assert values[2] == "planned not told, real 6.00 GB, nvidia-smi not told"
    assert rows["memory, activations"] == "planned ≈ 1.00 GB"
    assert values[4] == "planned 50000, real 49000"
    assert not any("." in what.removeprefix("memory, ") for what in rows), "words, not keys"


def test_others_are_unknown_where_the_engine_is() -> None:
    told = smi.SmiMemory(used=5, free=3, reserved=None, total=8, processes={})
    assert by_smi(told, None) == {
        "engine": None,
        "others": None,
        "driver": None,
        "free": 3,
    }


# --- what is measured with ----------------------------------------------------------


def test_random_weights_have_the_published_shape(tmp_path: Path) -> None:
    known = known_pairs()["published"]
    tokenizer = locations.pocket_pair() / "target"
    shapes = planned(random_pair(known, tokenizer, tmp_path / "a"))
    assert (shapes.target, shapes.draft) == (known.target_shape, known.draft_shape)
    assert (tmp_path / "a" / "target" / "tokenizer.json").is_file()
    small = planned(random_pair(known, tokenizer, tmp_path / "b", scale=16))
    assert small.target.parameters < shapes.target.parameters / 100


def test_acceptance_is_made_up_only_where_weights_are(bench: Bench) -> None:
    made_up, pocket = bench.published(), bench.pocket()
    assert made_up.made_up and made_up.environment and "random" in made_up.label
    assert "--speculative-draft-load-format" in made_up.load_arguments(True)
    assert "--speculative-draft-load-format" not in made_up.load_arguments(False)
    assert not pocket.environment and not pocket.load_arguments(True)
    arm = bench.arm("x", pocket, "--flag", environment={"A": "1"})
    assert (arm.arguments, arm.environment) == (("--flag",), {"A": "1"})
    assert Row("gain", "1.9×", simulated=True).line() == "| gain (simulated acceptance) | 1.9× |"


def test_off_is_measured_against_a_plain_decode_of_the_same_backend() -> None:
    for cases in CASES.values():
        assert cases[0].tree is None and {1, 4} == {c.tree.topk for c in cases if c.tree}
    flag = [case for case in CASES["flashinfer"] if case.environment]
    assert [case.tree.topk for case in flag] == [1], "SGLang reads it for topk 1 alone"


def test_first_start_finds_no_kernels(tmp_path: Path) -> None:
    places = cache_places(tmp_path)
    assert all(Path(place).is_relative_to(tmp_path) for place in places.values())
    with environment(places):
        assert locations.compiled_kernels().is_relative_to(tmp_path)


def test_a_full_run_measures_more_than_a_rehearsal() -> None:
    assert FULL.scale == 1 < REHEARSAL.scale
    assert FULL.prompts == len(PROMPTS) and FULL.samples >= 2000


def test_forty_prompts_half_of_them_chinese() -> None:
    assert len(set(PROMPTS)) == 40
    assert sum("一" <= text[0] <= "鿿" or "一" <= text[-2] <= "鿿" for text in PROMPTS) == 20


# --- on a card that a stand-in for the driver tells of ------------------------------


@pytest.fixture
def card() -> Iterator[nvml.Card]:
    card = nvml.Card(used=17000 * MIB, processes={7: 15000 * MIB})
    with nvml.loaded(nvml.Driver([card])):
        yield card


def test_engines_on_a_card_are_set_up_as_the_app_would(card: nvml.Card, tmp_path: Path) -> None:
    card.used, card.processes = 0, {}
    bench = Bench("cuda", FULL, tmp_path)
    subject = bench.published()
    arm = bench.arm("x", subject, "--attention-backend", "triton")
    made = bench.plan(subject, bench.card())
    assert made is not None and made.fits
    share = arm.pair.arguments[arm.pair.arguments.index("--mem-fraction-static") + 1]
    assert float(share) == pytest.approx(made.mem_fraction_static)
    assert arm.arguments[-2:] == ("--attention-backend", "triton")


@pytest.mark.parametrize("smi_told", [True, False], ids=["nvidia-smi", "no nvidia-smi"])
async def test_memory_row_by_row_on_a_card(
    card: nvml.Card, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, smi_told: bool
) -> None:
    bench = Bench("cuda", FULL, tmp_path)
    subject = bench.published()
    made = bench.plan(subject, Card(24564 * MIB))
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep if smi_told else None)
    if smi_told:
        answers = 'echo "7, 15000"', 'echo "17000, 7218, [N/A], 24564"'
        stand_in(tmp_path, f'case "$*" in *apps*) {answers[0]};; *) {answers[1]};; esac')
    rows = memory(_Told(), planned(subject.pair), made)
    told = {row.what: row.value async for row in rows}
    engine = told["memory, engine in all"]
    assert "real 14.65 GB" in engine and ("nvidia-smi 14.65 GB" in engine) is smi_told
    assert ("memory, nvidia-smi" in told) is not smi_told
    assert "real 7.50 GB" in told["memory, weights of the target"]
    if smi_told:
        assert "nvidia-smi not told" in told["memory, kept by the driver"]
        assert "nvidia-smi 23.99 GB, not told" in told["memory, the card"]


class _Told:
    """Of an engine, what it says of itself: there is none on a card here."""

    def pids(self) -> dict[str, int]:
        return {"scheduler": 7}

    @property
    def client(self) -> _Told:
        return self

    async def server_info(self) -> dict[str, Any]:
        usage = {"weight": 7.5, "kvcache": 5.25, "graph": {"decode": 0.5}, "token_capacity": 50000}
        return {"internal_states": [{"memory_usage": usage}]}
