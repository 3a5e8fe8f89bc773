"""The check of a pair tells everything it finds; every broken pair has its own sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chatapp.domain import Pair, Tree
from chatapp.errors import PairError
from chatapp.pairs.catalogue import default_name, known_pairs
from chatapp.pairs.check import check, examine
from chatapp.pairs.fit.finding import Severity
from chatapp.texts import Texts
from chatapp.units import GIB
from tests.fakes import toy_pair

Damage = Callable[[Path], None]


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    for part, files in (("target", toy_pair.target_files()), ("draft", toy_pair.draft_files())):
        (tmp_path / part).mkdir()
        for path, content in files.items():
            if "/" not in path:
                (tmp_path / part / path).write_bytes(content)
    return Pair("toy", tmp_path / "target", tmp_path / "draft", Tree(3, 1, 4), "float32", 64)


def configure(part: str, **values: Any) -> Damage:
    def do(folder: Path) -> None:
        path = folder / part / "config.json"
        said = {**json.loads(path.read_text()), **values}
        path.write_text(json.dumps(said))

    return do


def weigh(part: str, shapes: toy_pair.Shapes, tokens: tuple[int, ...] = toy_pair.TOKENS) -> Damage:
    def do(folder: Path) -> None:
        (folder / part / "model.safetensors").write_bytes(toy_pair.safetensors(shapes, tokens))

    return do


def draft_with(**shapes: tuple[str, tuple[int, ...]]) -> Damage:
    changed = {name.replace("__", "."): shape for name, shape in shapes.items()}
    return weigh("draft", toy_pair.draft_shapes() | changed)


def draft_without(name: str) -> Damage:
    shapes = {key: shape for key, shape in toy_pair.draft_shapes().items() if key != name}
    return weigh("draft", shapes)


def target_without(start: str) -> Damage:
    shapes = {k: v for k, v in toy_pair.target_shapes().items() if not k.startswith(start)}
    return weigh("target", shapes)


def write(path: str, content: bytes) -> Damage:
    return lambda folder: (folder / path).write_bytes(content) and None


def cut(path: str) -> Damage:
    return lambda folder: write(path, (folder / path).read_bytes()[:-3])(folder)


def remove(path: str) -> Damage:
    return lambda folder: (folder / path).unlink()


def test_the_toy_is_right(pair: Pair) -> None:
    assert examine(pair) == []


PROBLEMS: list[tuple[Damage, str]] = [
    (write("target/tokenizer_config.json", b"{}"), "pair_no_template"),
    (remove("target/tokenizer.json"), "pair_file_missing"),
    (configure("target", architectures=["MambaForCausalLM"]), "pair_target_kind"),
    (cut("target/model.safetensors"), "pair_file_cut"),
    (cut("draft/model.safetensors"), "pair_file_cut"),
    (write("target/model.safetensors", b"\xff" * 64), "pair_file_damaged"),
    (target_without("model.layers.3."), "pair_weight_missing"),
    (configure("target", tie_word_embeddings=False), "pair_weight_missing"),
    (configure("target", hidden_size=16), "pair_file_damaged"),
    (
        weigh("target", toy_pair.target_shapes() | {"model.norm.weight": ("I8", (8,))}),
        "pair_number_format",
    ),
    (configure("draft", architectures=["EagleLlamaModel"]), "pair_no_draft"),
    (configure("draft", hidden_size=16), "pair_misfit"),
    (configure("draft", vocab_size=41), "pair_misfit"),
    (draft_with(fc__weight=("F32", (8, 16))), "pair_misfit"),
    (draft_with(t2d=("BOOL", (39,))), "pair_misfit"),
    (draft_with(d2t=("I64", (4,))), "pair_misfit"),
    (draft_without("d2t"), "pair_weight_missing"),
    (draft_without("lm_head.weight"), "pair_weight_missing"),
    (weigh("draft", toy_pair.draft_shapes(), (0, 3, 7, 20, 40)), "pair_token_map"),
    (weigh("draft", toy_pair.draft_shapes(), (0, 3, 3, 20, 39)), "pair_token_map"),
    (
        configure("draft", eagle_config={"eagle_aux_hidden_state_layer_ids": [1, 4, 8]}),
        "pair_feature_layers",
    ),
    (configure("draft", num_aux_hidden_states=2), "pair_misfit"),
    (configure("draft", max_position_embeddings=32), "pair_draft_context"),
    (configure("draft", head_dim=8), "pair_head_dim"),
    (configure("draft", num_attention_heads=3), "pair_heads"),
    (configure("draft", tie_word_embeddings=True), "pair_draft_tied"),
]


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize(
    ("damage", "key"), PROBLEMS, ids=[f"{at}-{key}" for at, (_, key) in enumerate(PROBLEMS)]
)
def test_every_broken_pair_has_its_sentences(
    pair: Pair, damage: Damage, key: str, language: str
) -> None:
    damage(pair.target.parent)
    findings = examine(pair)
    assert key in {finding.key for finding in findings}
    assert all(finding.words(Texts(language)) for finding in findings)
    with pytest.raises(PairError):
        check(pair)


WARNINGS: list[tuple[Damage, str]] = [
    (configure("target", num_hidden_layers=4), "pair_target_shallow"),
    (
        lambda folder: (
            (folder / "draft/model.safetensors").write_bytes(
                toy_pair.safetensors(toy_pair.draft_shapes())[: -toy_pair.VOCABULARY]
                + bytes(toy_pair.VOCABULARY)
            )
            and None
        ),
        "pair_token_marks",
    ),
]


@pytest.mark.parametrize(("damage", "key"), WARNINGS)
def test_a_warning_stops_nobody(pair: Pair, damage: Damage, key: str) -> None:
    damage(pair.target.parent)
    (finding,) = examine(pair)
    assert finding.key == key and finding.severity is Severity.WARNING
    assert finding.words(Texts("zh")) and finding.words(Texts("en"))
    check(pair)


def test_all_that_is_wrong_is_told_at_once(pair: Pair) -> None:
    folder = pair.target.parent
    for damage in (remove("target/tokenizer.json"), cut("target/model.safetensors")):
        damage(folder)
    configure("draft", max_position_embeddings=32, head_dim=8)(folder)
    keys = [finding.key for finding in examine(pair)]
    assert keys == ["pair_file_missing", "pair_file_cut", "pair_draft_context", "pair_head_dim"]


def test_a_quantised_target_may_have_small_numbers(pair: Pair) -> None:
    shapes = toy_pair.target_shapes() | {"model.norm.weight": ("I8", (8,))}
    weigh("target", shapes)(pair.target.parent)
    configure("target", quantization_config={"quant_method": "fp8"})(pair.target.parent)
    assert examine(pair) == []


@pytest.mark.parametrize(
    ("card", "name"),
    [
        (None, "pocket"),
        (6 * GIB, "pocket"),
        (8188 << 20, "small"),
        (12282 << 20, "small"),
        (16376 << 20, "published"),
        (24564 << 20, "published"),
        (80 * GIB, "published"),
    ],
)
def test_the_card_decides_what_to_start_with(card: int | None, name: str) -> None:
    assert default_name(card) == name


def test_the_catalogue_holds_what_was_published() -> None:
    published = known_pairs()["published"]
    assert published.target == "Qwen/Qwen3-4B-Instruct-2507"
    assert published.draft == "Zjcxy-SmartAI/Eagle3-Qwen3-4B-Instruct-2507-zh"
    assert (published.tree, published.dtype) == (Tree(5, 4, 16), "float16")
    for pair in known_pairs().values():
        assert pair.context_length <= min(pair.target_shape.context, pair.draft_shape.context)
        assert all(Texts(language)(f"pairs.about.{pair.name}") for language in ("zh", "en"))
