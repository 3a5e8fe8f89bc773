"""Training on a toy: the arithmetic, the resuming, the files."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from tokenizers import Tokenizer

from chatapp.domain import Tree
from chatapp.training.bars.bars import Bar, is_right, spoken
from chatapp.training.bars.draft_acceptance import accept_length, grow, reach, step_lengths
from chatapp.training.dialogues import DrawnTurn, held_out_questions
from chatapp.training.dialogues.facts import KNOWN
from chatapp.training.learn import checkpoint
from chatapp.training.learn.corpus import make_tokenizer
from chatapp.training.learn.learn_draft import DraftMaker, draft_run, loss_of, new_draft
from chatapp.training.learn.learn_target import TargetMaker, target_run
from chatapp.training.learn.optimizer import orthogonal, rate
from chatapp.training.learn.recipe import DraftRecipe, Pace, Recipe, Rows, TargetRecipe
from chatapp.training.model.draft import Draft
from chatapp.training.model.generate import greedy
from chatapp.training.model.halves import Halves
from chatapp.training.model.shape import Shape
from chatapp.training.model.target import Target
from chatapp.training.model.tokenizer import ChatFormat
from chatapp.training.pair import load_pair, round_weights, save_pair

TOY = Recipe(
    corpus_turns=300,
    target=TargetRecipe(
        Shape(600, layers=8, hidden=32, inner=64, heads=2, kv_heads=1, head_dim=16, context=128),
        rows=(Rows(24, 4, 0.5), Rows(40, 2, 0.5)),
        pace=Pace(((0, 0.5), (1, 1.0), (8, 0.1)), muon_rate=0.02, adam_rate=4e-3),
    ),
    draft=DraftRecipe(
        heads=2, vocabulary=300, unrolled=3, answers=0, rows=(Rows(32, 4, 1.0),),
        pace=Pace(((0, 0.5), (1, 1.0), (6, 0.1)), muon_rate=0.02, adam_rate=4e-3),
    ),
)  # fmt: skip


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return make_tokenizer(TOY)


def toy_target() -> Target:
    torch.manual_seed(1)
    return Target(Shape(300, layers=8, hidden=32, inner=64, heads=2, kv_heads=1, head_dim=16))


def toy_draft(target: Target) -> Draft:
    draft = Draft(target.shape, torch.arange(0, 300, 3))
    torch.manual_seed(2)
    for weight in draft.parameters():
        if weight.dim() == 2:
            torch.nn.init.normal_(weight, std=0.2)
    return draft


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


# ---- the draft


def test_unrolled_rounds_equal_a_step_by_step_recomputation() -> None:
    draft = toy_draft(toy_target())
    ids, features = torch.randint(0, 300, (2, 14)), torch.randn(2, 14, 32)
    rounds = draft.unroll(ids, features, 4)
    for column in range(4, 14):
        for number in range(4):
            root = column - number
            positions = torch.arange(root + 1)[None]
            hidden, past = draft.step(ids[:, : root + 1], features[:, : root + 1], positions)
            hidden = hidden[:, -1:]
            for place in range(root + 1, column + 1):
                own = ids[:, place : place + 1]
                hidden, past = draft.step(own, hidden, torch.tensor([[place]]), past)
            assert torch.allclose(hidden[:, 0], rounds[number][:, column], atol=1e-4)


def test_the_first_guess_after_a_prompt_is_trained() -> None:
    """Only the answer's second token is marked; its loss must reach the draft."""
    target = toy_target()
    draft = new_draft(TOY, target, torch.arange(300))
    ids = torch.randint(0, 300, (1, 8))
    marks = torch.zeros(1, 8, dtype=torch.bool)
    marks[0, 5] = True
    loss, count = loss_of(TOY, target, draft, ids, marks)
    assert count == 1
    loss.backward()
    assert draft.fc.weight.grad is not None and draft.fc.weight.grad.abs().sum() > 0


def test_chain_acceptance_equals_a_plain_recomputation() -> None:
    target = toy_target()
    draft = toy_draft(target)
    prompt, tree = [5, 6, 7, 8], Tree(3, 1, 4)
    [answer] = greedy(target, [prompt], end=299, padding=298, most=16)
    lengths = step_lengths(target, draft, prompt, answer, tree)
    assert sum(lengths) == len(answer) - 1
    ids, written = prompt + answer, len(prompt) + 1
    for length in lengths:
        _, features = target.hidden(torch.tensor([ids[: written - 1]]))
        own = torch.tensor([ids[1:written]])
        places = torch.arange(written - 1)[None]
        hidden, past = draft.step(own, draft.fc(features), places)
        hidden, guesses = hidden[:, -1:], []
        for number in range(3):
            guesses.append(int(draft.hot[draft.logits(hidden)[0, 0].argmax()]))
            if number < 2:
                place = torch.tensor([[written - 1 + number]])
                hidden, past = draft.step(torch.tensor([[guesses[-1]]]), hidden, place, past)
        truth = ids[written:]
        good = 0
        while good < min(3, len(truth)) and guesses[good] == truth[good]:
            good += 1
        assert length == min(good + 1, len(truth))
        written += length


def test_a_tree_holds_every_ancestor_and_no_more_than_it_may() -> None:
    target = toy_target()
    draft = toy_draft(target)
    _, features = target.hidden(torch.tensor([[1, 2, 3]]))
    hidden, past = draft.step(torch.tensor([[2, 3, 4]]), draft.fc(features), torch.arange(3)[None])
    nodes = grow(draft, hidden[:, -1:], past, 3, Tree(5, 4, 16))
    assert len(nodes) == 15
    assert all(path[:-1] in nodes for path in nodes if len(path) > 1)
    longest = max(nodes, key=len)
    assert reach(nodes, longest) == len(longest)
    assert reach(nodes, (-1,)) == 0


def test_accept_length_is_tokens_over_steps() -> None:
    assert accept_length([[1, 3], [2]]) == 2.0


# ---- the target


def test_padded_batches_answer_like_single_prompts() -> None:
    target = toy_target()
    prompts = [[5, 6, 7], [8, 9, 10, 11, 12, 13], [1]]
    together = greedy(target, prompts, end=299, padding=298, most=10)
    alone = [greedy(target, [prompt], end=299, padding=298, most=10)[0] for prompt in prompts]
    assert together == alone


def test_the_target_computes_what_transformers_computes(tmp_path: Path) -> None:
    from transformers import Qwen3Config, Qwen3ForCausalLM

    target = toy_target()
    config = Qwen3Config(**{k: v for k, v in target.config(end=299).items() if k != "torch_dtype"})
    other = Qwen3ForCausalLM(config).eval()
    missing, unexpected = other.load_state_dict(target.state_dict(), strict=False)
    assert missing == ["lm_head.weight"] and not unexpected
    other.tie_weights()
    ids = torch.randint(0, 300, (2, 40))
    with torch.no_grad():
        hidden, features = target.hidden(ids)
        answer = other(ids, output_hidden_states=True)
    assert torch.allclose(target.logits(hidden), answer.logits, atol=1e-4)
    read = torch.cat([answer.hidden_states[i] for i in target.shape.feature_layers], -1)
    assert torch.allclose(features, read, atol=1e-4)


def test_orthogonal_has_singular_values_near_one() -> None:
    for shape in ((3, 8, 20), (3, 20, 8)):
        values = torch.linalg.svdvals(orthogonal(torch.randn(shape)))
        assert 0.6 < values.min() and values.max() < 1.35


def test_rates_climb_stay_and_fall() -> None:
    points = ((0, 0.1), (9, 1.0), (50, 1.0), (100, 0.0))
    rates = [rate(step, points) for step in range(101)]
    assert [rates[i] for i in (0, 9, 50, 100)] == pytest.approx([0.1, 1.0, 1.0, 0.0])
    assert rates[75] == pytest.approx(0.5)
    assert rates[51:] == sorted(rates[51:], reverse=True)


# ---- runs


def test_a_resumed_run_ends_with_the_same_weights(tmp_path: Path, tokenizer: Tokenizer) -> None:
    text = tokenizer.to_str()
    whole = target_run(TOY, text, tmp_path / "whole.pt", alone=True)
    whole.go(lambda line: None)
    first = target_run(TOY, text, tmp_path / "parts.pt", alone=True)
    for _ in range(3):
        first.one_step()
    first.save()
    first.one_step()  # lost with the process
    second = target_run(TOY, text, tmp_path / "parts.pt", alone=True)
    assert second.step == 3
    second.go(lambda line: None)
    assert same(whole.model.state_dict(), second.model.state_dict())


def test_two_processes_compute_what_one_computes(tokenizer: Tokenizer) -> None:
    maker = TargetMaker(TOY, tokenizer.to_str())
    alone, together = Halves(maker, alone=True), Halves(maker)
    try:
        for step in range(2):
            assert together.step(step) == pytest.approx(alone.step(step), abs=1e-5)
        for one, other in zip(alone.model.parameters(), together.model.parameters(), strict=True):
            assert torch.allclose(one.grad, other.grad, atol=1e-5)
    finally:
        together.close()
    assert together.process.exitcode == 0


def test_a_time_limit_stops_and_saves(tmp_path: Path, tokenizer: Tokenizer) -> None:
    run = target_run(TOY, tokenizer.to_str(), tmp_path / "run.pt", alone=True)
    assert not run.go(lambda line: None, until=time.monotonic() - 1)
    assert checkpoint.load(tmp_path / "run.pt")["step"] == 0


def test_a_checkpoint_is_whole_or_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.pt"
    assert checkpoint.load(path) is None
    checkpoint.save(path, {"step": 1})

    def half(state: object, file: object) -> None:
        file.write(b"half of it")
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(OSError, match="disk full"):
        checkpoint.save(path, {"step": 2})
    assert checkpoint.load(path) == {"step": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["run.pt"]


def test_a_reader_never_sees_half_a_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "run.pt"
    checkpoint.save(path, {"step": 0, "weight": torch.zeros(20_000)})
    done = threading.Event()
    seen: list[bool] = []

    def read() -> None:
        while not done.is_set():
            state = checkpoint.load(path)
            seen.append(bool((state["weight"] == state["step"]).all()))

    reader = threading.Thread(target=read)
    reader.start()
    for step in range(1, 15):
        checkpoint.save(path, {"step": step, "weight": torch.full((20_000,), float(step))})
    done.set()
    reader.join()
    assert seen and all(seen)


# ---- the files


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, tokenizer: Tokenizer) -> Path:
    folder = tmp_path_factory.mktemp("pair")
    run = target_run(TOY, tokenizer.to_str(), folder / "target.pt", alone=True)
    run.go(lambda line: None)
    round_weights(run.model)
    checkpoint.save(folder / "final.pt", run.model.state_dict())
    hot = tuple(range(0, 600, 2))
    maker = DraftMaker(TOY, tokenizer.to_str(), folder / "final.pt", hot, ())
    drafts = draft_run(maker, folder / "draft.pt", alone=True)
    drafts.go(lambda line: None)
    round_weights(drafts.model)
    save_pair(folder / "pair", TOY, run.model, drafts.model, tokenizer)
    return folder / "pair"


def names(path: Path) -> set[str]:
    with safe_open(path / "model.safetensors", "pt") as file:
        return set(file.keys())


def test_the_draft_has_the_names_that_the_engine_expects(pair: Path) -> None:
    layer = {f"midlayer.self_attn.{part}_proj.weight" for part in "qkvo"}
    layer |= {f"midlayer.mlp.{part}_proj.weight" for part in ("gate", "up", "down")}
    norms = ("hidden_norm", "input_layernorm", "post_attention_layernorm")
    layer |= {f"midlayer.{norm}.weight" for norm in norms}
    rest = {"embed_tokens.weight", "fc.weight", "norm.weight", "lm_head.weight", "d2t", "t2d"}
    assert names(pair / "draft") == layer | rest
    config = json.loads((pair / "draft" / "config.json").read_text())
    assert config["architectures"] == ["LlamaForCausalLMEagle3"]
    assert config["max_position_embeddings"] == TOY.target.shape.context


def test_a_pair_is_read_back_as_it_was_written(pair: Path, tokenizer: Tokenizer) -> None:
    target, draft, form = load_pair(pair)
    assert torch.equal(draft.hot, torch.arange(0, 600, 2))
    assert draft.t2d.sum() == 300
    for weight in [*target.parameters(), *draft.parameters()]:
        assert torch.equal(weight, weight.half().float())
    assert form.words("你好 hello 42") == tokenizer.encode("你好 hello 42").ids
    save_pair(pair.parent / "again", TOY, target, draft, tokenizer)
    for part in ("target", "draft"):
        file = f"{part}/model.safetensors"
        assert (pair / file).read_bytes() == (pair.parent / "again" / file).read_bytes()


def test_a_measured_tree_outlives_a_new_training(pair: Path, tokenizer: Tokenizer) -> None:
    target, draft, _ = load_pair(pair)
    about = json.loads((pair / "pair.json").read_text())
    assert about["tree"] == "7/1/8"
    (pair / "pair.json").write_text(json.dumps(about | {"tree": "5/1/6"}))
    save_pair(pair, TOY, target, draft, tokenizer)
    assert json.loads((pair / "pair.json").read_text())["tree"] == "5/1/6"


# ---- the tokenizer


@pytest.mark.parametrize(
    "text", ["", "你好，世界", "12 + 305 = 317", "a\n\n- b\t`c`", "🦅 naïve Ω\u200d", "<|im_end|>"]
)
def test_text_comes_back_byte_for_byte(tokenizer: Tokenizer, text: str) -> None:
    assert tokenizer.decode(tokenizer.encode(text).ids, skip_special_tokens=False) == text


def test_digits_and_characters_stand_alone(tokenizer: Tokenizer) -> None:
    pieces = [tokenizer.decode([i]) for i in tokenizer.encode("1234").ids]
    assert pieces == ["1", "2", "3", "4"]
    tokens = tokenizer.encode("我是").tokens
    assert len(tokens) >= 2


def test_only_the_answer_and_its_end_are_marked(tokenizer: Tokenizer) -> None:
    form = ChatFormat(tokenizer)
    turn = held_out_questions(1, "en", 1)[0]
    ids, marks = form.turn(turn)
    kept = [token for token, mark in zip(ids, marks, strict=True) if mark]
    assert kept == [*form.words(turn.answer), form.end]
    assert ids[: len(form.prompt([turn.question]))] == form.prompt([turn.question])


def test_our_prompt_is_what_the_template_renders(pair: Path) -> None:
    from chatapp.domain import Role
    from chatapp.engine.prompt import ChatPrompt

    _, _, form = load_pair(pair)
    texts = ["你好", "Hello 12", "2 + 2"]
    roles = (Role.USER, Role.ASSISTANT, Role.USER)
    messages = list(zip(roles, texts, strict=True))
    assert ChatPrompt(pair / "target").encode(messages) == form.prompt(texts)


# ---- the bars


def test_a_wrong_or_silent_answer_is_not_right() -> None:
    turn = DrawnTurn("sum", "en", "What is 2 + 3?", "2 + 3 = 5.", ("2 + 3 = 5",), False, True)
    assert is_right(turn, "It is 5: 2 + 3 = 5.")
    assert not is_right(turn, "2 + 3 = 6.") and not is_right(turn, "")


def test_an_unknown_question_wants_an_admission_and_the_topics() -> None:
    know = KNOWN["know_en"]
    turn = DrawnTurn(
        "unknown", "en", "Who won?", f"Sorry, I do not know that. {know}", (), True, True
    )
    assert is_right(turn, turn.answer) and is_right(turn, f"Sorry, I cannot do that. {know}")
    assert not is_right(turn, "Sorry, I do not know that.") and not is_right(turn, know)
    assert not is_right(turn, f"抱歉，我不会。{KNOWN['know_zh']}")


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("法国的首都是巴黎。", "zh"), ("The capital is **Paris**.", "en"), ("1, 2, 3", "none"),
        ("“书”用英语说是 **book**。", "zh"), ("书 means \"book\".", "en"),
        ("```python\nprint(1)\n```\n这是代码。", "zh"),
    ],
)  # fmt: skip
def test_the_language_of_an_answer(text: str, language: str) -> None:
    assert spoken(text) == language


def test_bars_at_the_edge() -> None:
    assert Bar("right", "zh", 0.95, 0.95).passed and not Bar("right", "zh", 0.949, 0.95).passed
    assert Bar("gap", "", 0.4, 0.4, at_least=False).passed
    assert not Bar("gap", "", 0.41, 0.4, at_least=False).passed
