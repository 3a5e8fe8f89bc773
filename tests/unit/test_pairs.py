"""Pairs: a whole one is found; every way of being broken has its own sentence."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chatapp import locations
from chatapp.application.chosen_pair import find_pair
from chatapp.domain import Tree
from chatapp.errors import PairError
from chatapp.pairs.check import check
from chatapp.pairs.files.weights import tensors
from chatapp.pairs.locate import locate
from chatapp.settings import Settings
from chatapp.texts import Texts

VOCABULARY, HIDDEN, DRAFT_VOCABULARY = 10, 4, 3
_BYTES = {"F32": 4, "I64": 8, "BOOL": 1}


def _write_weights(path: Path, shapes: dict[str, tuple[str, tuple[int, ...]]]) -> None:
    """A safetensors file, written here so that the reader is not tested against itself."""
    header, data = {}, b""
    for name, (dtype, shape) in shapes.items():
        size = math.prod(shape) * _BYTES[dtype]
        header[name] = {
            "dtype": dtype,
            "shape": list(shape),
            "data_offsets": [len(data), len(data) + size],
        }
        data += bytes(size) if name != "d2t" else _integers([0, 2, 4])
    text = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def _integers(values: list[int]) -> bytes:
    return b"".join(value.to_bytes(8, "little", signed=True) for value in values)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """``pair.json``, ``target/`` and ``draft/`` of a toy pair that is right."""
    target, draft = tmp_path / "target", tmp_path / "draft"
    target.mkdir()
    draft.mkdir()
    config = {"vocab_size": VOCABULARY, "hidden_size": HIDDEN, "max_position_embeddings": 64}
    _write(target / "config.json", {**config, "num_hidden_layers": 2, "dtype": "float32"})
    _write(
        draft / "config.json",
        {
            **config,
            "num_hidden_layers": 1,
            "max_position_embeddings": 48,
            "draft_vocab_size": DRAFT_VOCABULARY,
            "architectures": ["LlamaForCausalLMEagle3"],
        },
    )
    _write(target / "tokenizer.json", {})
    _write(target / "tokenizer_config.json", {"chat_template": "{{ messages }}"})
    embedding = ("F32", (VOCABULARY, HIDDEN))
    layers = {f"model.layers.{at}.mlp.weight": ("F32", (HIDDEN, HIDDEN)) for at in range(2)}
    _write_weights(target / "model.safetensors", {"model.embed_tokens.weight": embedding} | layers)
    _write_weights(draft / "model.safetensors", _draft_shapes())
    said = {"name": "toy", "target": "target", "draft": "draft", "tree": "3/1/4"}
    _write(tmp_path / "pair.json", {**said, "dtype": "float32", "context_length": 48})
    return tmp_path


def _draft_shapes() -> dict[str, tuple[str, tuple[int, ...]]]:
    return {
        "fc.weight": ("F32", (HIDDEN, 3 * HIDDEN)),
        "norm.weight": ("F32", (HIDDEN,)),
        "lm_head.weight": ("F32", (DRAFT_VOCABULARY, HIDDEN)),
        "d2t": ("I64", (DRAFT_VOCABULARY,)),
        "t2d": ("BOOL", (VOCABULARY,)),
    }


def _write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value), "utf-8")


def _change(path: Path, **values: object) -> None:
    _write(path, {**json.loads(path.read_text("utf-8")), **values})


def _find(folder: Path) -> None:
    find_pair(Settings.load(pair=str(folder)))


def test_a_described_pair_is_found(folder: Path) -> None:
    pair = find_pair(Settings.load(pair=str(folder)))
    assert (pair.name, pair.tree, pair.context_length) == ("toy", Tree(3, 1, 4), 48)
    assert pair.drafter == "EAGLE3"


def test_two_folders_are_a_pair_with_the_published_tree(folder: Path) -> None:
    pair = find_pair(Settings.load(pair=f"{folder}/target, {folder}/draft"))
    assert (pair.tree, pair.dtype) == (Tree(5, 4, 16), "float32")
    assert pair.context_length == 48, "neither model can go beyond its own positions"


def test_the_pocket_pair_of_this_project_is_whole_and_fits() -> None:
    pair = find_pair(Settings.load(pair="pocket"))
    assert pair.target.parent == locations.pocket_pair()


def _cut(path: Path) -> Callable[[Path], None]:
    def do(folder: Path) -> None:
        data = (folder / path).read_bytes()
        (folder / path).write_bytes(data[:-5])

    return do


def _remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def _replace(name: str, text: bytes) -> Callable[[Path], None]:
    def do(folder: Path) -> None:
        (folder / name).write_bytes(text)

    return do


def _configure(name: str, **values: object) -> Callable[[Path], None]:
    return lambda folder: _change(folder / name, **values)


def _reshape(**shapes: tuple[str, tuple[int, ...]]) -> Callable[[Path], None]:
    def do(folder: Path) -> None:
        changed = {name.replace("__", "."): shape for name, shape in shapes.items()}
        _write_weights(folder / "draft/model.safetensors", _draft_shapes() | changed)

    return do


def _leave_out(name: str) -> Callable[[Path], None]:
    def do(folder: Path) -> None:
        shapes = {key: shape for key, shape in _draft_shapes().items() if key != name}
        _write_weights(folder / "draft/model.safetensors", shapes)

    return do


def _point(*shifts: int) -> Callable[[Path], None]:
    def do(folder: Path) -> None:
        path = folder / "draft/model.safetensors"
        data = path.read_bytes().replace(_integers([0, 2, 4]), _integers(list(shifts)))
        path.write_bytes(data)

    return do


_TARGET, _DRAFT = "target/model.safetensors", "draft/model.safetensors"


@pytest.mark.parametrize(
    ("damage", "key"),
    [
        (_cut(Path(_TARGET)), "pair_file_cut"),
        (_cut(Path(_DRAFT)), "pair_file_cut"),
        (_remove(_TARGET), "pair_file_missing"),
        (_remove(_DRAFT), "pair_file_missing"),
        (_remove("target/tokenizer.json"), "pair_file_missing"),
        (_remove("draft/config.json"), "pair_file_missing"),
        (_replace(_TARGET, b""), "pair_file_damaged"),
        (_replace(_TARGET, b"\xff" * 64), "pair_file_damaged"),
        (_replace(_DRAFT, (9).to_bytes(8, "little") + b"not json!"), "pair_file_damaged"),
        (_replace("target/config.json", b"{"), "pair_file_damaged"),
        (_replace("target/config.json", b"[]"), "pair_file_damaged"),
        (_replace("draft/config.json", b"\xff"), "pair_file_damaged"),
        (_replace("pair.json", b'{"name": "toy"}'), "pair_file_damaged"),
        (_configure("pair.json", tree="3/1/9"), "pair_file_damaged"),
        (_configure("pair.json", draft="elsewhere"), "pair_folder_missing"),
        (_configure("target/config.json", vocab_size="many"), "pair_file_damaged"),
        (_configure("target/config.json", num_hidden_layers=3), "pair_weight_missing"),
        (_configure("draft/config.json", architectures=["Qwen3ForCausalLM"]), "pair_no_draft"),
        (_configure("draft/config.json", architectures=None), "pair_no_draft"),
        (_configure("draft/config.json", vocab_size=11), "pair_misfit"),
        (_configure("draft/config.json", hidden_size=8), "pair_misfit"),
        (_configure("draft/config.json", draft_vocab_size=4), "pair_misfit"),
        (_reshape(fc__weight=("F32", (HIDDEN, 2 * HIDDEN))), "pair_misfit"),
        (_reshape(t2d=("BOOL", (VOCABULARY + 1,))), "pair_misfit"),
        (_leave_out("d2t"), "pair_weight_missing"),
        (_leave_out("fc.weight"), "pair_weight_missing"),
        (_point(0, 2, 8), "pair_token_map"),
        (_point(-1, 2, 4), "pair_token_map"),
        (_point(0, 2, 1), "pair_token_map"),
    ],
)
def test_a_broken_pair_is_refused_in_words(
    folder: Path, damage: Callable[[Path], None], key: str
) -> None:
    check(locate(str(folder)))
    damage(folder)
    with pytest.raises(PairError) as refused:
        _find(folder)
    assert refused.value.key == key
    assert all(refused.value.words(Texts(language)) for language in ("zh", "en"))


@pytest.mark.parametrize("name", ["nonsense", "/nowhere", "/nowhere,/either"])
def test_a_pair_that_is_not_there(name: str) -> None:
    with pytest.raises(PairError) as refused:
        locate(name)
    assert refused.value.key in ("pair_unknown", "pair_folder_missing")


def test_weights_in_several_files(folder: Path) -> None:
    target = folder / "target"
    (target / "model.safetensors").rename(target / "one.safetensors")
    names = list(tensors(target))
    index = {"weight_map": dict.fromkeys(names, "one.safetensors")}
    _write(target / "model.safetensors.index.json", index)
    _find(folder)
    index["weight_map"][names[-1]] = "two.safetensors"
    _write(target / "model.safetensors.index.json", index)
    with pytest.raises(PairError) as refused:
        _find(folder)
    assert refused.value.key == "pair_file_missing"
    assert "two.safetensors" in refused.value.values["path"]


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None
)
@given(at=st.integers(0, 200), value=st.integers(0, 255))
def test_any_changed_byte_is_survived(folder: Path, at: int, value: int) -> None:
    """Damage in a header is refused or harmless, never an error of another kind."""
    path = folder / "draft/model.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:at] + bytes([value]) + whole[at + 1 :])
    try:
        _find(folder)
    except PairError:
        pass
    finally:
        path.write_bytes(whole)
