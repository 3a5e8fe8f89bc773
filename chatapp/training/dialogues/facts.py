"""Rows as topics use them: read from the tables in files, with every form of a word.

A row maps the names of slots to words. ``x_en`` also gives ``x_en_a`` ("a cat", "an
eagle"), ``x_en_A`` and ``x_en_cap`` (with a capital letter).
"""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

Row = dict[str, str]
TABLES = Path(__file__).parent / "tables"

KNOWN = {
    "know_zh": "我会聊小算术、翻译、动物、颜色、首都、单位、时间，还有推测解码。",
    "know_en": "I can talk about small sums, translation, animals, colours, capitals, units, "
    "the clock, and speculative decoding.",
}


def read_table(name: str) -> list[Row]:
    with (TABLES / f"{name}.tsv").open(encoding="utf-8", newline="") as file:
        found = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [{slot: word.replace("\\n", "\n") for slot, word in row.items()} for row in found]


def inflect(row: Row) -> Row:
    """Add the forms with an article and with a capital letter."""
    full = dict(row) | KNOWN
    for slot, word in row.items():
        if slot.endswith("_en") and word:
            article = "an" if word[0].lower() in "aeiou" else "a"
            full[f"{slot}_a"] = f"{article} {word}"
            full[f"{slot}_A"] = f"{article.capitalize()} {word}"
            full[f"{slot}_cap"] = word[0].upper() + word[1:]
    return full


@cache
def table(name: str) -> list[Row]:
    """The rows of a table that lies in a file, inflected."""
    return [inflect(row) for row in read_table(name)]
