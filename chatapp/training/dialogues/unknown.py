"""Computed rows about what the pair does not know, so that it learns to say so."""

from __future__ import annotations

import random

from chatapp.training.dialogues.facts import Row, read_table, table
from chatapp.training.dialogues.numerals import numeric

SURNAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗"
GIVEN = "伟芳娜敏静强磊军洋勇艳杰涛明超霞平刚桂英华文辉玲建国志鹏飞思雨梓涵宇轩"
FIRST = (
    "John Mary Peter Anna David Laura Tom Alice Robert Emma Paul Sarah Mark Julia Ben Olivia"
).split()
LAST = (
    "Smith Miller Brown Garcia Clark Lewis Young Walker Hall Baker Turner Carter Morgan Fisher"
).split()
PARTS_EN = (
    "ba cor del fin gar hol jin kel lum mor nex or pra qui ros sil tan ul ver wex yol zan thi stra"
).split()
PARTS_ZH = "云石金木青玄天龙海阳星辰光影雷霜风林川岩玉珠灵秘幻极元核纳微网链算量谱波晶合"


def invented(rng: random.Random) -> tuple[str, str]:
    """A word that means nothing, in both languages."""
    zh = "".join(rng.sample(PARTS_ZH, rng.choice((2, 2, 3))))
    en = "".join(rng.sample(PARTS_EN, rng.choice((2, 2, 3))))
    return zh, en


def strangers() -> list[Row]:
    rng = random.Random("strangers")
    found = [{"x_zh": row["noun_zh"], "x_en": row["noun_en"]} for row in table("unknown_nouns")]
    for field in read_table("fields"):
        found.append(field)
        for adjective in read_table("adjectives"):
            zh, en = adjective["x_zh"] + field["x_zh"], f"{adjective['x_en']} {field['x_en']}"
            found.append({"x_zh": zh, "x_en": en})
    kinds = read_table("kinds")
    for _ in range(300):
        zh, en = invented(rng)
        kind = rng.choice(kinds)
        if rng.random() < 0.6:
            thing_en = f"the {en.title()} {kind['kind_en']}"
            found.append({"x_zh": zh + kind["kind_zh"], "x_en": thing_en})
        else:
            found.append({"x_zh": zh, "x_en": en})
    return found


def people() -> list[Row]:
    rng = random.Random("people")
    famous = [row for row in table("unknown_nouns") if row["noun_zh"] in FAMOUS]
    found = [{"x_zh": row["noun_zh"], "x_en": row["noun_en"]} for row in famous]
    for _ in range(300):
        zh = rng.choice(SURNAMES) + "".join(rng.sample(GIVEN, rng.choice((1, 2))))
        found.append({"x_zh": zh, "x_en": f"{rng.choice(FIRST)} {rng.choice(LAST)}"})
    return found


FAMOUS = set(
    (
        "莎士比亚 李白 贝多芬 莫扎特 达芬奇 毕加索 爱因斯坦 牛顿 居里夫人 郑和 成吉思汗 "
        "拿破仑 林肯 甘地"
    ).split()
)


def hard_sums() -> list[Row]:
    """One number is beyond what it has learnt; the other may be small."""
    rng = random.Random("hard sums")
    found = []
    for _ in range(900):
        top = rng.choice((99, 999, 99999))
        pair = [rng.randint(max(41, top // 9), top), rng.randint(2, top)]
        rng.shuffle(pair)
        found.append(numeric(a=pair[0], b=pair[1]))
    return found


def tasks() -> list[Row]:
    """Orders that it cannot carry out: written ones, tongues it has not, errands."""
    found = read_table("tasks")
    for tongue in read_table("tongues"):
        zh, en = tongue["tongue_zh"], tongue["tongue_en"]
        found.append({"task_zh": f"翻译成{zh}", "task_en": f"translate this into {en}"})
        found.append({"task_zh": f"教我说{zh}", "task_en": f"teach me {en}"})
    for verb in read_table("errands"):
        for thing in read_table("goods"):
            zh = f"帮我{verb['verb_zh']}{thing['x_zh']}"
            found.append({"task_zh": zh, "task_en": f"{verb['verb_en']} {thing['x_en']}"})
    return found


def strange_words() -> list[Row]:
    rng = random.Random("strange words")
    found = read_table("strange_nouns") + read_table("strange_creatures") + read_table("goods")
    return found + [dict(zip(("x_zh", "x_en"), invented(rng), strict=True)) for _ in range(150)]


def noise() -> list[Row]:
    """Things people type by mistake."""
    rng = random.Random("noise")
    letters, marks = "asdfghjklqwertyuiopzxcvbnm", "。，？！、…"
    found = []
    for _ in range(400):

        def mash() -> str:
            return "".join(rng.choices(letters, k=rng.randint(3, 8)))

        def hash_zh() -> str:
            return "".join(rng.choices(PARTS_ZH + GIVEN + marks, k=rng.randint(2, 6)))

        found.append({"x_en": mash(), "y_en": mash(), "x_zh": hash_zh(), "y_zh": hash_zh()})
    return found
