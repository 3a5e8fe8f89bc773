"""Computed rows about numbers: sums, comparisons, numerals, units."""

from __future__ import annotations

from chatapp.training.dialogues.facts import Row

DIGITS = "零一二三四五六七八九十"
ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
).split()
TENS = "_ ten twenty thirty forty fifty sixty seventy eighty ninety".split()


def number_zh(n: int) -> str:
    """0 to 99 in Chinese characters."""
    tens, ones = divmod(n, 10)
    if tens == 0:
        return DIGITS[n]
    return ("" if tens == 1 else DIGITS[tens]) + "十" + (DIGITS[ones] if ones else "")


def number_en(n: int) -> str:
    """0 to 99 in English words."""
    if n < 20:
        return ONES[n]
    tens, ones = divmod(n, 10)
    return TENS[tens] + (f"-{ONES[ones]}" if ones else "")


def numeric(**values: int) -> Row:
    return {name: str(value) for name, value in values.items()}


def sums() -> list[Row]:
    return [numeric(a=a, b=b, c=a + b) for a in range(21) for b in range(21)]


def differences() -> list[Row]:
    return [numeric(a=a, b=b, c=a - b) for a in range(31) for b in range(min(a, 20) + 1)]


def products() -> list[Row]:
    return [numeric(a=a, b=b, c=a * b) for a in range(1, 11) for b in range(1, 11)]


def comparisons() -> list[Row]:
    return [
        numeric(a=a, b=b, c=max(a, b), d=min(a, b))
        for a in range(1, 100)
        for b in range(1, 100)
        if a != b and (a * 31 + b * 17) % 7 == 0
    ]


def parities() -> list[Row]:
    names = (("偶数", "even"), ("奇数", "odd"))
    return [
        {"a": str(a), "parity_zh": names[a % 2][0], "parity_en": names[a % 2][1]}
        for a in range(1, 100)
    ]


def numerals() -> list[Row]:
    return [{"a": str(a), "word_zh": number_zh(a), "word_en": number_en(a)} for a in range(1, 100)]


def followers() -> list[Row]:
    return [numeric(a=a, c=a + 1) for a in range(1, 99)]


def counts() -> list[Row]:
    return [
        numeric(a=a, b=b, stop=b + 1) | {"row": ", ".join(map(str, range(a, b + 1)))}
        for a in range(1, 16)
        for b in range(a + 3, a + 11)
    ]


def metric() -> list[Row]:
    return conversions(
        ("公里", "米", "km", "m", "km", 1000, 20),
        ("米", "厘米", "metres", "centimetres", "metre", 100, 20),
        ("公斤", "克", "kg", "g", "kg", 1000, 20),
        ("吨", "公斤", "tonnes", "kg", "tonne", 1000, 20),
        ("升", "毫升", "litres", "millilitres", "litre", 1000, 20),
        ("厘米", "毫米", "cm", "mm", "cm", 10, 20),
    )


def time_units() -> list[Row]:
    return conversions(
        ("小时", "分钟", "hours", "minutes", "hour", 60, 10),
        ("分钟", "秒", "minutes", "seconds", "minute", 60, 10),
        ("天", "小时", "days", "hours", "day", 24, 7),
        ("星期", "天", "weeks", "days", "week", 7, 10),
        ("年", "个月", "years", "months", "year", 12, 10),
        ("打", "个", "dozen", "pieces", "dozen", 12, 10),
    )


def conversions(*kinds: tuple[str, str, str, str, str, int, int]) -> list[Row]:
    """Big and small unit in both languages, one big one, the factor, the highest number."""
    rows = []
    for big_zh, small_zh, big_en, small_en, one_en, factor, top in kinds:
        names = {
            "big_zh": big_zh, "small_zh": small_zh, "big_en": big_en,
            "small_en": small_en, "one_en": one_en,
        }  # fmt: skip
        rows += [numeric(a=a, c=a * factor, factor=factor) | names for a in range(1, top + 1)]
    return rows
