"""The card's memory on the page, in every state that it can be in."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from chatapp.application.monitor import Moment
from chatapp.domain import GpuProcess, GpuSample, MemorySample
from chatapp.measure.machine.gpus import FAILED
from chatapp.measure.machine.ledger import EngineMemory, Point
from chatapp.texts import LANGUAGES, Texts
from chatapp.ui.panes import memory
from chatapp.units import GIB, MIB
from tests.shown import Shown

EN = Texts("en")
TOLD = EngineMemory(
    target_bytes=15 * GIB // 2,
    kv_bytes=7 * GIB,
    graph_bytes=384 * MIB,
    kv_tokens=53_600,
    draft_bytes=256 * MIB,
    kv_draft_bytes=200 * MIB,
    second_bytes=256 * MIB,
)
CARD = GpuSample(
    "NVIDIA GeForce RTX 4090",
    used_bytes=17990 * MIB,
    total_bytes=24564 * MIB,
    engine_bytes=17080 * MIB,
    utilisation_percent=94,
    temperature_c=67,
    power_w=341.2,
    reserved_bytes=346 * MIB,
)


def moment(card: GpuSample | None = CARD, **more: object) -> Moment:
    sample = MemorySample(1000.0, 64 * GIB, 48 * GIB, GIB, gpu=card)
    return Moment(sample, **more)  # type: ignore[arg-type]


def words(shown: Moment, texts: Texts = EN) -> str:
    return Shown(memory.memory(texts, shown)).says


def rows(shown: Moment) -> dict[str, str]:
    """Label → size of the card's rows."""
    return Shown(str(memory.memory(EN, shown)).partition("</section>")[0]).rows()


def test_an_engine_that_runs_is_split_as_it_tells_and_adds_up_to_the_card() -> None:
    shown = moment(engine=TOLD, kv_share=0.0625)
    assert rows(shown) == {
        "Target": "7.5 GB",
        "Draft": "0.25 GB",
        "KV cache 6% in use": "7.2 GB",
        "CUDA graphs": "0.38 GB",
        "State for speculation off": "0.25 GB",
        "Rest of the engine": "1.1 GB",
        "Other programs": "0.89 GB",
        "Kept by the driver": "0.34 GB",
        "Free": "6.1 GB",
    }
    shares = re.findall(r'style="--share:([\d.]+);', str(memory.memory(EN, shown)))
    assert sum(map(float, shares)) == pytest.approx(1, abs=0.001)
    told = words(shown)
    assert told.count("17.6 / 24.0 GB") == 1 and "6% in use" in told
    assert "RTX 4090 67 °C 341 W 94%" in told and "GeForce" not in told
    assert "--fill:0.0625" in str(memory.memory(EN, shown))


def test_while_it_starts_the_engine_is_one() -> None:
    assert list(rows(moment())) == ["This engine", "Other programs", "Kept by the driver", "Free"]


def test_where_the_driver_tells_no_process_the_engine_speaks_for_itself() -> None:
    untold = replace(CARD, engine_bytes=None, power_w=None)
    shown = moment(untold, engine=TOLD)
    assert rows(shown)["Rest of the engine, other programs"] == "2.0 GB"
    assert "Other programs" not in rows(shown) and EN("page.memory.untold_why") in words(shown)
    assert "— W" in words(shown), "what is not told is no nought"
    nobody = moment(untold)
    assert rows(nobody)["In use"] == "17.6 GB" and "WSL2" not in words(nobody)


def test_others_are_named_together_the_largest_first() -> None:
    listed = [("firefox", 300), ("", 96), ("firefox", 112), ("Xorg", 350), ("a", 20), ("b", None)]
    others = tuple(
        GpuProcess(pid, size and size * MIB, name) for pid, (name, size) in enumerate(listed)
    )
    told = words(moment(replace(CARD, others=others)))
    assert "firefox 0.40 GB · Xorg 0.34 GB · another user's process 0.09 GB" in told
    assert "and 2 more" in told


def test_little_that_is_left_is_to_be_looked_at() -> None:
    full = replace(CARD, used_bytes=24000 * MIB)
    assert EN("page.memory.nearly_full") in words(moment(full))
    assert EN("page.memory.nearly_full") not in words(moment())
    assert EN("page.memory.kv_nearly_full") in words(moment(engine=TOLD, kv_share=0.93))
    assert "is-amber" not in str(memory.memory(EN, moment(engine=TOLD, kv_share=0.5)))


def test_a_driver_that_is_lost_keeps_its_place_and_what_was_seen() -> None:
    course = [Point(at, 17 * GIB, 24 * GIB, None) for at in (990.0, 991.0)]
    lost = moment(None, course=course)
    lost = replace(lost, sample=replace(lost.sample, gpu_note=FAILED, gpu_lost=True))
    told = words(lost)
    assert EN("memory.driver_failed") in told and "Video memory —" in told
    assert (
        "at most 17.0 GB" in told and EN("page.memory.machine", used="16.0", total="64.0") in told
    )
    assert memory.strip(EN, lost) == EN("page.memory.strip_lost")


def test_the_second_card_says_that_it_is() -> None:
    assert "RTX 4090, card 1" in words(moment(replace(CARD, index=1)))


def test_the_last_minutes_are_broken_where_nobody_looked() -> None:
    times = (600.0, 601.0, 800.0, 801.0, 990.0, 991.0, 1000.0)
    points = [Point(at, 12 * GIB, 24 * GIB, None) for at in times]
    points[0] = replace(points[0], used_bytes=20 * GIB)  # longer ago than is shown
    assert "at most 12.0 GB" in words(moment(course=points))
    html = str(memory.memory(EN, moment(course=points)))
    lines = re.findall(r'<polyline points="([^"]+)"', html)
    assert lines == ["33.33,50.0 33.67,50.0", "96.67,50.0 97.00,50.0"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_unit_is_said_once(language: str) -> None:
    texts = Texts(language)
    assert words(moment(engine=TOLD), texts).count("2³⁰") == 1
    without = replace(moment(None), sample=MemorySample(0.0, 16 * GIB, 8 * GIB, GIB))
    assert words(without, texts).count("2³⁰") == 1
    assert "nvidia-smi" not in words(without, texts)
