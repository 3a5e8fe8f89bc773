"""Computed rows about words: spellings, short sentences, lists of things."""

from __future__ import annotations

import random

from chatapp.training.dialogues.facts import Row, read_table, table
from chatapp.training.dialogues.numerals import number_en, number_zh


def spellings() -> list[Row]:
    short = [row["word_en"] for row in table("words") if row["word_en"].isalpha()]
    return [{"word": word, "letters": "-".join(word)} for word in short if len(word) < 8]


def wishes() -> list[Row]:
    """Short sentences made of parts, so that some are never seen in training."""
    subjects = (("我", "I", ""), ("我们", "We", ""), ("他", "He", "s"), ("她", "She", "s"))
    verbs = (("喜欢", "like"), ("想要", "want"), ("需要", "need"), ("看见", "see"))
    result = []
    for who_zh, who_en, ending in subjects:
        for verb_zh, verb_en in verbs:
            for thing in table("things"):
                amount = "" if verb_zh == "喜欢" else "一" + thing["measure"]
                noun = thing["thing_en"] + "s" if verb_zh == "喜欢" else thing["thing_en_a"]
                result.append(
                    {
                        "wish_zh": f"{who_zh}{verb_zh}{amount}{thing['thing_zh']}",
                        "wish_en": f"{who_en} {verb_en}{ending} {noun}",
                    }
                )
    return result


def collections() -> list[Row]:
    """Lists of three to five things of a kind, in a fixed order; those of five numbered."""
    kinds: dict[tuple[str, str], list[Row]] = {}
    for item in read_table("members"):
        kinds.setdefault((item["kind_zh"], item["kind_en"]), []).append(item)
    result = []
    for (kind_zh, kind_en), items in kinds.items():
        for n in (3, 4, 5):
            marks = [f"{i}." if n == 5 else "-" for i in range(1, n + 1)]
            lists = {
                f"items_{language}": "\n".join(
                    f"{mark} {item[f'item_{language}']}"
                    for mark, item in zip(marks, items, strict=False)
                )
                for language in ("zh", "en")
            }
            names = {
                "n_zh": number_zh(n), "n_en": number_en(n),
                "kind_zh": kind_zh, "kind_en": kind_en,
            }  # fmt: skip
            result.append(names | lists)
    return result


def country_triples() -> list[Row]:
    rng = random.Random("country triples")
    result = []
    for _ in range(400):
        row: Row = {}
        for letter, country in zip("abc", rng.sample(table("countries"), 3), strict=True):
            for language in ("zh", "en"):
                row[f"{letter}_{language}"] = country[f"country_{language}"]
                row[f"p{letter}_{language}"] = country[f"capital_{language}"]
        result.append(row)
    return result
