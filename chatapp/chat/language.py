"""Which language a text is in: ``zh``, ``en`` or ``mixed``.

The share of Han characters decides; langdetect is asked only where that leaves it open,
because on short chat messages it is wrong more often than right.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Literal

from langdetect import PROFILES_DIRECTORY, DetectorFactory, LangDetectException

Language = Literal["zh", "en", "mixed"]

_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af]")
_WORD = re.compile(r"[A-Za-z]+(?:['’-][A-Za-z]+)*")
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`|https?://\S+", re.DOTALL)
_CHINESE_MARKS = re.compile(r"[，。？！：；、「」《》“”（）]")

# A Chinese word has about one and a half characters, so this is a share of words.
_CHARACTERS_PER_WORD = 1.5
_ZH_FROM = 0.45
_EN_UP_TO = 0.35
_ENOUGH_FOR_MIXED = 5


def detect(text: str) -> Language:
    """The language of ``text``. Code and addresses do not count beside prose."""
    prose = _CODE.sub(" ", text)
    if not (_HAN.search(prose) or _WORD.search(prose)):
        prose = text
    han = len(_HAN.findall(prose)) / _CHARACTERS_PER_WORD
    latin = len(_WORD.findall(prose))
    if not han and not latin:
        return "zh" if _CHINESE_MARKS.search(prose) else "en"
    return _by_share(han, latin, prose)


def _by_share(han: float, latin: int, text: str) -> Language:
    share = han / (han + latin)
    if min(han, latin) >= _ENOUGH_FOR_MIXED and _EN_UP_TO <= share <= 1 - _EN_UP_TO:
        return "mixed"
    if share >= _ZH_FROM:
        return "zh"
    return "en" if share <= _EN_UP_TO else _langdetect(text)


@lru_cache
def _factory() -> DetectorFactory:
    """A detector that knows two languages only; seeded, so that it repeats itself."""
    DetectorFactory.seed = 0
    factory = DetectorFactory()
    factory.load_json_profile(
        [(Path(PROFILES_DIRECTORY) / name).read_text("utf-8") for name in ("zh-cn", "en")]
    )
    return factory


def _langdetect(text: str) -> Language:
    detector = _factory().create()
    detector.append(text)
    try:
        return "zh" if detector.detect().startswith("zh") else "en"
    except LangDetectException:
        return "en"
