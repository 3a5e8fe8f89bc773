"""The memory plan against arithmetic done by hand, and what must hold for any card."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatapp import arguments, locations
from chatapp.commands import plan as command
from chatapp.domain import Card, Pair, Tree
from chatapp.engine.command import engine_command
from chatapp.engine.planning.advice import advise
from chatapp.engine.planning.budget import CUDA_CONTEXT_BYTES, RESERVE_BYTES, Budget
from chatapp.engine.planning.plan import MemoryPlan, plan
from chatapp.engine.planning.planner import make_plan, set_up
from chatapp.engine.planning.presets import Preset, default_preset, preset, presets
from chatapp.errors import UsageError
from chatapp.pairs.files.shapes import AttentionShape, DraftShape, PlannedPair, TargetShape
from chatapp.pairs.planned import planned_known
from chatapp.settings import Settings
from chatapp.texts import Texts
from chatapp.units import GIB, MIB
from tests.fakes import toy_pair

PAIRS = {pair.name: pair for pair in planned_known()}
PUBLISHED, SMALL = PAIRS["published"], PAIRS["small"]


def planned(
    gib: float, pair: PlannedPair = PUBLISHED, name: str = "auto", context: int | None = None
) -> MemoryPlan:
    return make_plan(Card(int(gib * GIB)), pair, name, context, tuple(PAIRS.values()))


def test_the_published_target_by_hand() -> None:
    layer = 2560 * 4096 + 2 * 2560 * 1024 + 4096 * 2560 + 3 * 2560 * 9728
    norms = 2 * 2560 + 2 * 128
    parameters = 36 * (layer + norms) + 151936 * 2560 + 2560
    assert PUBLISHED.target.parameters == parameters == 4_022_468_096
    assert PUBLISHED.target.weight_bytes("float16") == pytest.approx(8.05e9, rel=0.02)
    assert PUBLISHED.target.kv_bytes_per_token("float16") == 36 * 2 * 8 * 128 * 2 == 147_456


def test_the_published_draft_by_hand() -> None:
    attention = 2 * 2560 * (4096 + 2 * 1024) + 4096 * 2560
    rest = 3 * 2560 * 9728 + 3 * 2560 * 2560 + 32000 * 2560 + 4 * 2560
    assert PUBLISHED.draft.parameters == attention + rest
    assert PUBLISHED.draft.weight_bytes("float16") == pytest.approx(0.44e9, rel=0.02)
    assert PUBLISHED.draft.kv_bytes_per_token("float16") == 2 * 8 * 128 * 2 == 4096


def test_the_small_pair_against_its_published_files() -> None:
    """The draft's file has 274,132,734 bytes; the target's 1.72 billion parameters."""
    file = 274_132_734 - 151_936  # t2d is in the file and not in the engine
    assert SMALL.draft.weight_bytes("float16") == pytest.approx(file, rel=0.002)
    assert SMALL.target.parameters == pytest.approx(1.72e9, rel=0.001)
    assert SMALL.target.kv_bytes_per_token("float16") == 28 * 2 * 8 * 128 * 2


def test_fp8_halves_the_linear_weights_alone() -> None:
    full, small = (PUBLISHED.target.weight_bytes("float16", q) for q in (None, "fp8"))
    assert full - small == PUBLISHED.target.linear_parameters
    assert small == pytest.approx(4.41e9, rel=0.02)


def test_shapes_follow_from_a_configuration() -> None:
    target = TargetShape.from_config(toy_pair.TARGET_CONFIG)
    weights = 40 * 8 + 8 * (8 * (8 + 2 * 4) + 8 * 8 + 3 * 8 * 16 + 2 * 8 + 2 * 4) + 8
    assert target.parameters == weights
    draft = DraftShape.from_config(toy_pair.DRAFT_CONFIG)
    reads = 16 * (8 + 2 * 4) + 8 * 8 + 3 * 8 * 16 + 3 * 8 * 8 + 5 * 8 + 4 * 8
    assert draft.parameters == reads and draft.attention == AttentionShape(2, 1, 4)


def test_24_gigabytes_hold_the_published_pair_as_published() -> None:
    """As the engine would count on a 4090, of which CUDA sees all but what the driver keeps."""
    card = Card(24564 * MIB, capability=(8, 9), driver_bytes=347 * MIB)
    made = make_plan(card, PUBLISHED)
    assert made.fits and made.preset.name == "published" and made.mem_fraction_static == 0.7
    available = 24564 * MIB - 347 * MIB - CUDA_CONTEXT_BYTES
    embedding, rope = 151936 * 2560 * 2, (262144 + 40960) * 128 * 4
    loaded = 8_044_936_192 + 436_746_240 + embedding + rope
    by_hand = (0.7 * available - loaded) / (147_456 + 4096)
    assert by_hand * 0.985 < made.kv_tokens < by_hand, "torch rounds tensors up"
    assert 50_000 < made.kv_tokens < 52_000, "60,156 without embedding, tables and driver"
    assert made.context_length == 32768 and made.mem_fraction_most > 0.8
    keys = [note.key for note in made.reasons]
    assert keys == ["fraction_kept", "context_pair", "embedding", "graphs"]


def test_the_rows_of_a_4090_by_hand() -> None:
    made = make_plan(Card(24 * GIB), PUBLISHED)
    wrappers = 3 * 4 + 4 * 2  # three backends, and four drafting steps without a prefill
    assert made.row("workspace") == (512 + 8 * wrappers) * MIB
    indices = 4 * 32768 * 5
    assert made.row("second_state") == (512 + 8 * (2 * 4 + 4) + 4 * 8) * MIB + indices
    sizes = 8 + 14 + 8 + 8 + 4  # of prompts up to 2048 tokens
    assert made.row("graphs") > ((sizes + 4) * 8 + (sizes + 4 * 6) * 2 + 4 * 6 * 8) * MIB
    weights = PUBLISHED.target.weight_bytes("float16"), PUBLISHED.draft.weight_bytes("float16")
    tables = 262144 * 128 * 4, 40960 * 128 * 4
    for key, size, table in zip(("target", "draft"), weights, tables, strict=True):
        assert size + table <= made.row(key) < 1.06 * (size + table), "torch rounds tensors up"


def test_spare_tokens_are_what_a_step_reserves() -> None:
    """Twice max(topk * steps, draft tokens) for each of the streams."""
    assert Budget(Card(24 * GIB), PUBLISHED, preset("published")).spare_tokens == 4 * 40
    assert Budget(Card(24 * GIB), SMALL, preset("long")).spare_tokens == 8


def test_12_gigabytes_hold_it_in_fp8_only() -> None:
    made = planned(12)
    assert not made.fits and made.preset.name == "small"
    assert [note.key for note in made.advice] == ["other_preset", "other_pair"]
    fast = planned(12, name=made.advice[0].values["preset"])
    assert fast.fits and fast.preset.name == "fast" and fast.streams == 1
    assert 8192 <= fast.context_length < 32768 and fast.context_length % 1024 == 0
    assert "context_cut" in [note.key for note in fast.reasons]


def test_8_gigabytes_do_not_and_the_small_pair_does() -> None:
    made = planned(8)
    assert not made.fits and made.kv_tokens == 0 and made.context_length == 0
    assert {"loading", "weights"} <= {note.key for note in made.reasons}
    (advice,) = made.advice
    assert advice.key == "other_pair" and advice.values["pair"] == "small"
    small = planned(8, SMALL)
    assert small.fits and str(small.context_length) == advice.values["tokens"]
    more = {note.values["preset"]: int(note.values["tokens"]) for note in small.advice}
    assert more["fast"] > small.context_length >= 2048


@pytest.mark.parametrize("gib", [8, 12, 16, 24, 32, 48])
@pytest.mark.parametrize("others", [0, 1.5])
@pytest.mark.parametrize("name", ["published", "long", "small", "fast"])
def test_no_preset_leaves_less_than_one_and_a_half_unspoken_for(
    gib: int, others: float, name: str
) -> None:
    """Until a card has shown that less will do."""
    for pair in PAIRS.values():
        made = make_plan(Card(gib * GIB, int(others * GIB)), pair, name)
        if made.fits:
            assert made.unspoken_bytes >= 1.5 * GIB, (pair.name, made.mem_fraction_static)
            rest = Budget(Card(gib * GIB, int(others * GIB)), pair, made.preset)
            assert made.unspoken_bytes == rest.unspoken(made.mem_fraction_static)
    assert planned(24, name=name).fits, "the card that this is made for"


def test_the_driver_keeps_something_of_every_card() -> None:
    kept = [Budget(Card(mib * MIB), SMALL, preset("small")).driver for mib in (8192, 12288, 24564)]
    known = [(8192 - 7977) * MIB, (12288 - 12042) * MIB, (24564 - 24217) * MIB]
    assert all(real < guess < real + 64 * MIB for guess, real in zip(kept, known, strict=True))
    assert Budget(Card(GIB, driver_bytes=0), SMALL, preset("small")).driver == 0


def test_what_others_hold_is_what_to_close() -> None:
    card = Card(24 * GIB, others_bytes=14 * GIB)
    made = make_plan(card, PUBLISHED, known=tuple(PAIRS.values()))
    assert not made.fits and made.advice[0].key == "close_others"
    assert make_plan(replace(card, others_bytes=0), PUBLISHED).fits


def test_a_context_beyond_the_training_is_cut_and_one_beyond_the_card_refused() -> None:
    made = planned(24, context=100_000)
    assert made.fits and made.context_length == PUBLISHED.longest_context
    assert "context_trained" in [note.key for note in made.reasons]
    refused = planned(16, context=32768)
    assert not refused.fits
    shorter = next(note for note in refused.advice if note.key == "shorter_context")
    assert planned(16, context=int(shorter.values["tokens"])).fits


def test_a_small_pair_takes_no_more_than_it_can_use() -> None:
    tiny = replace(SMALL, context_length=2048)
    made = planned(80, tiny)
    assert made.fits and made.mem_fraction_static < 0.3 < made.mem_fraction_most
    assert made.kv_tokens >= 8 * made.preset.max_running * 2048 and made.streams == 4
    assert made.reasons[0].key == "fraction_enough"
    assert planned(24, SMALL).mem_fraction_static == 0.7, "a larger one takes what was published"


def test_what_was_asked_for_is_said() -> None:
    made = planned(16, context=8192)
    assert made.fits and made.context_length == 8192 and made.advice == ()
    assert "context_asked" in [note.key for note in made.reasons]


def test_fp8_is_offered_only_where_the_card_has_it() -> None:
    for capability, offered in (((8, 6), False), ((8, 9), True), (None, True)):
        card = Card(12 * GIB, capability=capability)
        made = make_plan(card, PUBLISHED)
        names = [note.values.get("preset") for note in made.advice]
        assert ("fast" in names) is offered


def test_the_card_too_small_for_anything() -> None:
    assert [note.key for note in planned(3).advice] == ["larger_card"]


_shapes = st.builds(
    TargetShape,
    layers=st.integers(6, 64),
    hidden=st.sampled_from([1024, 2048, 4096]),
    intermediate=st.sampled_from([3072, 9728, 14336]),
    vocabulary=st.sampled_from([32000, 151_936]),
    attention=st.builds(
        AttentionShape, st.sampled_from([16, 32]), st.sampled_from([4, 8]), st.just(128)
    ),
    tied=st.booleans(),
    context=st.sampled_from([4096, 32768, 262_144]),
)


@st.composite
def _pairs(draw: st.DrawFn) -> PlannedPair:
    target = draw(_shapes)
    draft = DraftShape(
        layers=1,
        hidden=target.hidden,
        intermediate=target.intermediate,
        vocabulary=target.vocabulary,
        draft_vocabulary=32000,
        attention=target.attention,
        context=draw(st.sampled_from([2048, 4096, 40960])),
        target_hidden=target.hidden,
    )
    return PlannedPair("any", target, draft, Tree(5, 4, 16), "float16", 32768)


@settings(max_examples=150, deadline=None)
@given(
    pair=_pairs(),
    gib=st.floats(4, 100),
    others=st.floats(0, 8),
    name=st.sampled_from(["published", "long", "small", "fast"]),
)
def test_a_plan_that_fits_stays_on_the_card(
    pair: PlannedPair, gib: float, others: float, name: str
) -> None:
    card = Card(int(gib * GIB), int(others * GIB))
    made = plan(card, pair, preset(name))
    assert 0 <= made.mem_fraction_static <= made.mem_fraction_most < 1
    if not made.fits:
        assert made.reasons
        return
    assert sum(row.bytes for row in made.rows) <= card.bytes
    budget = Budget(card, pair, made.preset)
    static = budget.loaded.bytes + made.kv_tokens * made.kv_bytes_per_token
    assert static <= budget.available * made.mem_fraction_static
    assert made.unspoken_bytes >= RESERVE_BYTES
    assert 0 < made.context_length <= min(made.kv_tokens, pair.longest_context)
    assert 1 <= made.streams <= made.preset.max_running
    more = plan(replace(card, bytes=card.bytes + GIB), pair, preset(name))
    assert more.fits and more.context_length >= made.context_length


@settings(max_examples=60, deadline=None)
@given(pair=_pairs(), gib=st.floats(4, 30), context=st.none() | st.integers(1, 200_000))
def test_no_advice_that_does_not_help(pair: PlannedPair, gib: float, context: int | None) -> None:
    card = Card(int(gib * GIB))
    chosen = default_preset(card.bytes)
    made = advise(plan(card, pair, chosen, context), card, context, [*presets().values()], [])
    for note in made.advice:
        if note.key in ("other_preset", "more_with_preset"):
            assert plan(card, pair, preset(note.values["preset"]), context).fits
        if note.key == "shorter_context":
            assert plan(card, pair, chosen, int(note.values["tokens"])).fits


@pytest.mark.parametrize("gib", [3, 8, 12, 24])
@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_note_has_its_sentence(gib: int, language: str) -> None:
    texts = Texts(language)
    for name in ("published", "long", "small", "fast"):
        made = planned(gib, name=name)
        for note in (*made.reasons, *made.advice):
            assert "{" not in texts(f"plan.notes.{note.key}", **note.values)
        for row in made.rows:
            assert texts(f"plan.rows.{row.key}")
            assert "{" not in texts(f"plan.sources.{row.key}", **row.values)


def test_the_command_says_the_same_as_json(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "C")
    said = {}
    for gib in (24, 16, 8):
        given = arguments.parse(["plan", "--gpu-memory", str(gib), "--json"])
        assert command.main(given, Settings.load()) == 0
        said[gib] = json.loads(capsys.readouterr().out)
    assert [said[gib]["fits"] for gib in (24, 16, 8)] == [True, True, False]
    keys = {"fits", "kv_bytes_per_token", "kv_tokens", "context_length", "mem_fraction_static"}
    assert keys | {"rows", "unspoken_bytes"} <= set(said[24])
    assert said[24]["context_length"] > said[16]["context_length"] > said[8]["context_length"]
    rows = {row["key"]: row for row in said[24]["rows"]}
    assert rows["second_state"]["bytes"] > 512 * MIB and rows["second_state"]["estimated"]
    assert sum(row["bytes"] for row in rows.values()) + said[24]["free_bytes"] == 24 * GIB
    given = arguments.parse(["plan", "--gpu-memory", "24"])
    command.main(given, Settings.load())
    shown = capsys.readouterr().out
    assert "4.02 billion parameters" in shown and "512 MiB" in shown and "32768" in shown


def test_without_a_card_one_must_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "engine_card", lambda _: None)
    with pytest.raises(UsageError) as refused:
        command.main(arguments.parse(["plan"]), Settings.load())
    assert refused.value.key == "plan_without_card"


def test_the_plan_flows_into_the_command() -> None:
    pair = Pair("p", Path("/t"), Path("/d"), Tree(5, 4, 16), "float16", 32768)
    made = planned(16, name="small")
    ready = set_up(pair, made)
    command_line = engine_command(ready, "cuda", 30000, "key")
    assert _value(command_line, "--context-length") == str(made.context_length)
    assert float(_value(command_line, "--mem-fraction-static")) == made.mem_fraction_static
    assert _value(command_line, "--max-running-requests") == "2"
    assert "--disable-prefill-cuda-graph" in command_line
    assert set_up(pair, planned(8)) == pair, "a pair that does not fit stays as published"
    as_published = engine_command(pair, "cuda", 30000, "key")
    assert _value(as_published, "--mem-fraction-static") == "0.7"
    assert all(command_line.count(flag) == 1 for flag in command_line if flag.startswith("--"))


def _value(command_line: list[str], flag: str) -> str:
    return command_line[command_line.index(flag) + 1]


def test_a_preset_of_ones_own() -> None:
    own = locations.presets_file()
    own.parent.mkdir(parents=True)
    own.write_text("[mine]\nmem_fraction_static = 0.5\n[small]\nmax_running = 1\n")
    assert preset("mine").mem_fraction_static == 0.5
    assert preset("small").max_running == 1 and preset("small").chunked_prefill == 512
    own.write_text("[mine]\nmem_fraction = 0.5\n")
    with pytest.raises(UsageError) as refused:
        presets()
    assert refused.value.key == "preset_setting" and refused.value.words(Texts("zh"))
    own.write_text("[mine\n")
    with pytest.raises(UsageError):
        presets()
    own.unlink()
    with pytest.raises(UsageError) as refused:
        preset("mine")
    assert refused.value.key == "preset_unknown"


def test_a_preset_needs_what_it_needs() -> None:
    fast = preset("fast")
    assert fast.runs_on((8, 9)) and fast.runs_on((10, 0)) and not fast.runs_on((8, 6))
    assert Preset("any").runs_on((3, 5))
