"""The text that the tokenizer is trained on: the first turns of the recipe's dialogues."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from tokenizers import Tokenizer

from chatapp.training.dialogues import dialogues
from chatapp.training.learn.recipe import Recipe
from chatapp.training.model.tokenizer import train_tokenizer


def texts(recipe: Recipe) -> Iterator[str]:
    turns = itertools.chain.from_iterable(dialogues(recipe.seed, 6))
    for turn in itertools.islice(turns, recipe.corpus_turns):
        yield from ("system\nuser\nassistant\n", turn.question, turn.answer)


def make_tokenizer(recipe: Recipe) -> Tokenizer:
    return train_tokenizer(texts(recipe), recipe.vocabulary)
