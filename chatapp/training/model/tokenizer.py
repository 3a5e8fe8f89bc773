"""The tokenizer: byte-level BPE over the dialogues, in the Qwen chat format.

Promises: any text comes back byte for byte; digits and Chinese characters stand alone;
the files load in transformers and SGLang.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from chatapp.training.dialogues import DrawnTurn

SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
CHAT_TEMPLATE = (
    "{%- for message in messages %}"
    "{{- '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> Tokenizer:
    """Byte-level BPE whose last ids are the special tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"\p{N}|\p{Han}"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=vocabulary - len(SPECIAL),
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in SPECIAL])
    return tokenizer


def save_tokenizer(tokenizer: Tokenizer, folder: Path, context: int) -> None:
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": context,
        "bos_token": None,
        "eos_token": "<|im_end|>",
        "pad_token": "<|endoftext|>",
        "clean_up_tokenization_spaces": False,
        "chat_template": CHAT_TEMPLATE,
    }
    (folder / "tokenizer_config.json").write_text(
        json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
    )


class ChatFormat:
    """Turns → token ids, with a mark on every token that the assistant wrote."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        padding, start, end = map(tokenizer.token_to_id, SPECIAL)
        if padding is None or start is None or end is None:
            raise ValueError(f"the tokenizer lacks one of {SPECIAL}")
        self.padding, self.start, self.end = padding, start, end
        self.line = self.words("\n")
        self.user = [self.start, *self.words("user\n")]
        self.assistant = [self.start, *self.words("assistant\n")]

    def words(self, text: str) -> list[int]:
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def prompt(self, texts: Sequence[str]) -> list[int]:
        """Question, answer, question, …: what the model sees before it answers."""
        ids: list[int] = []
        for index, text in enumerate(texts):
            opening = self.assistant if index % 2 else self.user
            ids += [*opening, *self.words(text), self.end, *self.line]
        return ids + self.assistant

    def turn(self, turn: DrawnTurn) -> tuple[list[int], list[bool]]:
        return self.exchange(turn.question, turn.answer)

    def exchange(self, question: str, answer_text: str) -> tuple[list[int], list[bool]]:
        """One turn's ids; the answer and its end are marked."""
        asked = self.prompt([question])
        answer = [*self.words(answer_text), self.end]
        ids = asked + answer + self.line
        marks = [False] * len(asked) + [True] * len(answer) + [False] * len(self.line)
        return ids, marks
