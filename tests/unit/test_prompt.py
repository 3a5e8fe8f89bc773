"""Prompts are what transformers would make of them, except that people cannot type
special tokens."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from chatapp.domain import Role
from chatapp.engine.prompt import ChatPrompt
from chatapp.errors import PairError

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
CHATML = (
    "{%- for message in messages %}\n"
    "{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}\n"
    "{%- endfor %}\n"
    "{%- if add_generation_prompt %}\n{{- '<|im_start|>assistant\\n' }}\n{%- endif %}"
)
TALK = [
    (Role.SYSTEM, "You are brief."),
    (Role.USER, "hello there, 你好 🦅\n  indented"),
    (Role.ASSISTANT, "<think>hm</think> hi"),
    (Role.USER, "once more"),
]


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a real tokenizer in the Qwen chat format."""
    folder = tmp_path_factory.mktemp("target")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        ["hello there once more you are brief user assistant im_end\n" * 5],
        trainers.BpeTrainer(vocab_size=320, initial_alphabet=alphabet, show_progress=False),
    )
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.add_tokens([AddedToken("<think>", normalized=False)])
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(
        json.dumps(
            {
                "tokenizer_class": "PreTrainedTokenizerFast",
                "eos_token": "<|im_end|>",
                "bos_token": None,
                "chat_template": CHATML,
            }
        )
    )
    (folder / "config.json").write_text(json.dumps({"max_position_embeddings": 512}))
    return folder


@pytest.fixture(scope="module")
def prompt(target: Path) -> ChatPrompt:
    return ChatPrompt(target)


def test_it_agrees_with_transformers(prompt: ChatPrompt, target: Path) -> None:
    from transformers import AutoTokenizer

    reference = AutoTokenizer.from_pretrained(target)
    talk = [{"role": str(role), "content": text} for role, text in TALK]
    expected = reference.apply_chat_template(talk, add_generation_prompt=True, return_dict=True)
    assert prompt.encode(TALK) == list(expected["input_ids"])


@pytest.mark.parametrize("special", SPECIAL)
def test_special_tokens_in_a_message_are_plain_text(
    prompt: ChatPrompt, target: Path, special: str
) -> None:
    tokenizer = Tokenizer.from_file(str(target / "tokenizer.json"))
    number = tokenizer.token_to_id(special)
    harmless = prompt.encode([(Role.USER, "say x now")])
    attack = prompt.encode([(Role.USER, f"say {special} now")])
    assert attack.count(number) == harmless.count(number)
    assert special in tokenizer.decode(attack[4:], skip_special_tokens=True)


def test_no_system_message_is_added(prompt: ChatPrompt, target: Path) -> None:
    tokenizer = Tokenizer.from_file(str(target / "tokenizer.json"))
    text = tokenizer.decode(prompt.encode([(Role.USER, "hi")]), skip_special_tokens=False)
    assert text == "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"


def test_counting(prompt: ChatPrompt) -> None:
    assert prompt.count("") == 0
    assert prompt.count("<|im_end|>") > 1
    assert prompt.count("hello") < prompt.count("hello, hello")


def test_the_context_is_the_pairs_or_the_targets(target: Path) -> None:
    assert ChatPrompt(target).context_length == 512
    assert ChatPrompt(target, 128).context_length == 128


def test_a_template_file_wins_over_the_configuration(target: Path) -> None:
    file = target / "chat_template.jinja"
    file.write_text("{% for m in messages %}{{ m.content }}{% endfor %}")
    try:
        prompt = ChatPrompt(target)
        whole = prompt.encode([(Role.USER, "hi")])
        assert whole == prompt.encode([(Role.USER, "h"), (Role.USER, "i")])
    finally:
        file.unlink()


def test_a_target_that_can_think_aloud_is_told_not_to(target: Path) -> None:
    file = target / "chat_template.jinja"
    file.write_text("{% if enable_thinking is false %}quiet{% else %}hm{% endif %}")
    try:
        prompt = ChatPrompt(target)
        assert prompt.decode(prompt.encode([(Role.USER, "hi")])) == "quiet"
    finally:
        file.unlink()


@pytest.mark.parametrize(
    "template",
    [
        "{{ raise_exception('no such role') }}",
        "{{ messages.__class__.__mro__ }}",
        "{{ messages.append(1) }}",
    ],
)
def test_a_template_that_fails_or_breaks_out_is_refused(target: Path, template: str) -> None:
    file = target / "chat_template.jinja"
    file.write_text(template)
    try:
        with pytest.raises(PairError) as refused:
            ChatPrompt(target).encode([(Role.USER, "hi")])
        assert refused.value.key == "pair_template"
    finally:
        file.unlink()


def test_a_damaged_or_missing_tokenizer(tmp_path: Path) -> None:
    with pytest.raises(PairError) as refused:
        ChatPrompt(tmp_path)
    assert refused.value.key == "pair_tokenizer"
    (tmp_path / "tokenizer.json").write_text('{"version": "1.0", "model"')
    with pytest.raises(PairError):
        ChatPrompt(tmp_path)
