"""Computed rows about time: the hours of a day, weekdays, months."""

from __future__ import annotations

from chatapp.training.dialogues.facts import Row, read_table
from chatapp.training.dialogues.numerals import number_en, number_zh

DAYS_ZH = "星期一 星期二 星期三 星期四 星期五 星期六 星期日".split()
DAYS_EN = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
MONTHS_EN = (
    "January February March April May June July August September October November December"
).split()


def hour_zh(hour: int) -> str:
    return ("两" if hour == 2 else number_zh(hour)) + "点"


def hours_later() -> list[Row]:
    rows = []
    for hour in range(1, 13):
        for n in range(1, 7):
            late = (hour + n - 1) % 12 + 1
            rows.append(
                {
                    "a_zh": hour_zh(hour), "c_zh": hour_zh(late), "n": str(n),
                    "a_en": f"{number_en(hour)} o'clock", "c_en": f"{number_en(late)} o'clock",
                }
            )  # fmt: skip
    return [row for row in rows if row["n"] != "1"]


def half_hours() -> list[Row]:
    rows = []
    for hour in range(1, 13):
        full = {"zh": hour_zh(hour), "en": f"{number_en(hour)} o'clock"}
        half = {"zh": f"{hour_zh(hour)}半", "en": f"half past {number_en(hour)}"}
        late = hour % 12 + 1
        then = {"zh": hour_zh(late), "en": f"{number_en(late)} o'clock"}
        for a, c in ((full, half), (half, then)):
            rows.append({"a_zh": a["zh"], "a_en": a["en"], "c_zh": c["zh"], "c_en": c["en"]})
    return rows


def clock() -> list[Row]:
    parts = (
        (5, "夜里", "night", "睡觉", "sleep"),
        (9, "早上", "morning", "吃早饭", "have breakfast"),
        (12, "上午", "late morning", "工作或学习", "work or study"),
        (14, "中午", "midday", "吃午饭", "have lunch"),
        (18, "下午", "afternoon", "工作或喝茶", "work or have tea"),
        (22, "晚上", "evening", "吃晚饭和休息", "have dinner and rest"),
        (24, "夜里", "night", "睡觉", "sleep"),
    )
    rows = []
    for hour in range(24):
        _, part_zh, part_en, doing_zh, doing_en = next(p for p in parts if hour < p[0])
        twelve = (hour + 11) % 12 + 1
        rows.append(
            {
                "hour": str(hour), "part_zh": part_zh, "part_en": part_en,
                "doing_zh": doing_zh, "doing_en": doing_en,
                "clock_zh": part_zh + hour_zh(twelve),
                "clock_en": f"{twelve} {'am' if hour < 12 else 'pm'}",
            }
        )  # fmt: skip
    return rows


def weekdays() -> list[Row]:
    return [
        {
            "day_zh": DAYS_ZH[i], "next_zh": DAYS_ZH[(i + 1) % 7],
            "day_en": DAYS_EN[i], "next_en": DAYS_EN[(i + 1) % 7],
        }
        for i in range(7)
    ]  # fmt: skip


def months() -> list[Row]:
    seasons, rows = read_table("seasons"), []
    for index, name in enumerate(MONTHS_EN):
        season = seasons[(index + 10) % 12 // 3]
        days = "28 or 29" if index == 1 else "30" if index in (3, 5, 8, 10) else "31"
        rows.append(
            {
                "month_zh": number_zh(index + 1) + "月", "month_en": name,
                "season_zh": season["season_zh"], "season_en": season["season_en"], "days": days,
            }
        )  # fmt: skip
    return rows
