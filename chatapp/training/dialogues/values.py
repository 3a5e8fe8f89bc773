"""The rows that topics are about: tables in files, and tables that are computed.

Promises: ``rows(name)`` is the same list on every machine; a row maps the names of
slots to words. ``x_en`` also gives ``x_en_a`` ("a cat", "an eagle"), ``x_en_A`` and
``x_en_cap`` (with a capital letter).
"""

from __future__ import annotations

import csv
import random
from collections.abc import Callable
from functools import cache
from pathlib import Path

Row = dict[str, str]
TABLES = Path(__file__).parent / "tables"

KNOWN = {
    "know_zh": "我会聊小算术、翻译、动物、颜色、首都、单位、时间，还有推测解码。",
    "know_en": "I can talk about small sums, translation, animals, colours, capitals, units, "
    "the clock, and speculative decoding.",
}
DIGITS = "零一二三四五六七八九十"
ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
).split()
TENS = "_ ten twenty thirty forty fifty sixty seventy eighty ninety".split()
DAYS_ZH = "星期一 星期二 星期三 星期四 星期五 星期六 星期日".split()
DAYS_EN = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
MONTHS_EN = (
    "January February March April May June July August September October November December"
).split()
SEASONS = (
    (
        "春天", "spring", "暖和，花开了，树叶变绿",
        "it gets warm, flowers open, and the trees turn green",
    ),
    (
        "夏天", "summer", "很热，白天很长，适合吃西瓜",
        "it is hot, the days are long, and watermelon tastes best",
    ),
    (
        "秋天", "autumn", "凉爽，树叶变红，果子熟了",
        "it gets cool, leaves turn red, and the fruit is ripe",
    ),
    (
        "冬天", "winter", "寒冷，常常下雪，夜晚很长",
        "it is cold, it often snows, and the nights are long",
    ),
)


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


def numbers(**values: int) -> Row:
    return {name: str(value) for name, value in values.items()}


def sums() -> list[Row]:
    return [numbers(a=a, b=b, c=a + b) for a in range(21) for b in range(21)]


def differences() -> list[Row]:
    return [numbers(a=a, b=b, c=a - b) for a in range(31) for b in range(min(a, 20) + 1)]


def products() -> list[Row]:
    return [numbers(a=a, b=b, c=a * b) for a in range(1, 11) for b in range(1, 11)]


def comparisons() -> list[Row]:
    return [
        numbers(a=a, b=b, c=max(a, b), d=min(a, b))
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
    return [
        {"a": str(a), "word_zh": number_zh(a), "word_en": number_en(a)} for a in range(1, 100)
    ]


def followers() -> list[Row]:
    return [numbers(a=a, c=a + 1) for a in range(1, 99)]


def counts() -> list[Row]:
    return [
        numbers(a=a, b=b, stop=b + 1) | {"row": ", ".join(map(str, range(a, b + 1)))}
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
        rows += [
            numbers(a=a, c=a * factor, factor=factor) | names for a in range(1, top + 1)
        ]
    return rows


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
    rows = []
    for index, name in enumerate(MONTHS_EN):
        zh, en, _, _ = SEASONS[(index + 10) % 12 // 3]
        days = "28 or 29" if index == 1 else "30" if index in (3, 5, 8, 10) else "31"
        rows.append(
            {
                "month_zh": number_zh(index + 1) + "月", "month_en": name,
                "season_zh": zh, "season_en": en, "days": days,
            }
        )  # fmt: skip
    return rows


def seasons() -> list[Row]:
    names = ("season_zh", "season_en", "about_zh", "about_en")
    return [dict(zip(names, season, strict=True)) for season in SEASONS]


def spellings() -> list[Row]:
    short = [row["word_en"] for row in rows("words") if row["word_en"].isalpha()]
    return [{"word": word, "letters": "-".join(word)} for word in short if len(word) < 8]


def wishes() -> list[Row]:
    """Short sentences made of parts, so that some are never seen in training."""
    subjects = (("我", "I", ""), ("我们", "We", ""), ("他", "He", "s"), ("她", "She", "s"))
    verbs = (("喜欢", "like"), ("想要", "want"), ("需要", "need"), ("看见", "see"))
    result = []
    for who_zh, who_en, ending in subjects:
        for verb_zh, verb_en in verbs:
            for thing in rows("things"):
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
    """Lists of three to five things of a kind, in a fixed order."""
    kinds = {
        "水果 fruits": "苹果 apple 香蕉 banana 葡萄 grape 梨 pear 桃子 peach",
        "蔬菜 vegetables": "土豆 potato 番茄 tomato 胡萝卜 carrot 黄瓜 cucumber 洋葱 onion",
        "动物 animals": "猫 cat 狗 dog 马 horse 大象 elephant 兔子 rabbit",
        "鸟 birds": "鹰 eagle 鸡 chicken 鸭子 duck 猫头鹰 owl 企鹅 penguin",
        "颜色 colours": "红色 red 蓝色 blue 绿色 green 黄色 yellow 白色 white",
        "国家 countries": "中国 China 法国 France 日本 Japan 巴西 Brazil 埃及 Egypt",
        "首都 capitals": "北京 Beijing 巴黎 Paris 东京 Tokyo 开罗 Cairo 伦敦 London",
        "饮料 drinks": "水 water 茶 tea 咖啡 coffee 牛奶 milk 果汁 juice",
        "昆虫 insects": "蜜蜂 bee 蝴蝶 butterfly 蚂蚁 ant 蚊子 mosquito 苍蝇 fly",
        "交通工具 vehicles": "汽车 car 火车 train 飞机 airplane 船 ship 自行车 bicycle",
    }
    result = []
    for kind, names in kinds.items():
        kind_zh, kind_en = kind.split()
        words = names.split()
        items = list(zip(words[::2], words[1::2], strict=True))
        for n in (3, 4, 5):
            numbered = n == 5
            marks = [f"{i}." if numbered else "-" for i in range(1, n + 1)]
            lines = list(zip(marks, items, strict=False))
            result.append(
                {
                    "n_zh": number_zh(n), "n_en": number_en(n),
                    "kind_zh": kind_zh, "kind_en": kind_en,
                    "items_zh": "\n".join(f"{mark} {item[0]}" for mark, item in lines),
                    "items_en": "\n".join(f"{mark} {item[1]}" for mark, item in lines),
                }
            )  # fmt: skip
    return result


def country_triples() -> list[Row]:
    chance = random.Random("country triples")
    result = []
    for _ in range(400):
        row: Row = {}
        for letter, country in zip("abc", chance.sample(rows("countries"), 3), strict=True):
            for language in ("zh", "en"):
                row[f"{letter}_{language}"] = country[f"country_{language}"]
                row[f"p{letter}_{language}"] = country[f"capital_{language}"]
        result.append(row)
    return result


# ---- what it does not know

SURNAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗"
GIVEN = "伟芳娜敏静强磊军洋勇艳杰涛明超霞平刚桂英华文辉玲建国志鹏飞思雨梓涵宇轩"
FIRST = (
    "John Mary Peter Anna David Laura Tom Alice Robert Emma Paul Sarah Mark Julia Ben "
    "Olivia"
).split()
LAST = (
    "Smith Miller Brown Garcia Clark Lewis Young Walker Hall Baker Turner Carter Morgan "
    "Fisher"
).split()
PARTS_EN = (
    "ba cor del fin gar hol jin kel lum mor nex or pra qui ros sil tan ul ver wex yol zan "
    "thi stra"
).split()
PARTS_ZH = "云石金木青玄天龙海阳星辰光影雷霜风林川岩玉珠灵秘幻极元核纳微网链算量谱波晶合"
KINDS = (
    ("理论", "theory"), ("公司", "company"), ("定律", "law"), ("协议", "protocol"),
    ("乐队", "band"), ("疗法", "therapy"), ("战役", "battle"), ("算法", "algorithm"),
    ("效应", "effect"), ("酒店", "hotel"), ("游戏", "game"), ("小说", "novel"),
    ("电影", "film"), ("大学", "university"), ("条约", "treaty"), ("品牌", "brand"),
)  # fmt: skip
ADJECTIVES = (
    ("现代", "modern"), ("古代", "ancient"), ("数字", "digital"), ("国际", "international"),
    ("传统", "traditional"), ("公共", "public"), ("工业", "industrial"), ("社会", "social"),
)  # fmt: skip
FIELDS = (
    ("艺术", "art"), ("音乐", "music"), ("政治", "politics"), ("医学", "medicine"),
    ("法律", "law"), ("农业", "agriculture"), ("金融", "finance"), ("文学", "literature"),
    ("化学", "chemistry"), ("物理", "physics"), ("历史", "history"), ("体育", "sports"),
    ("交通", "transport"), ("能源", "energy"), ("教育", "education"), ("宗教", "religion"),
)  # fmt: skip


def invented(chance: random.Random) -> tuple[str, str]:
    """A word that means nothing, in both languages."""
    zh = "".join(chance.sample(PARTS_ZH, chance.choice((2, 2, 3))))
    en = "".join(chance.sample(PARTS_EN, chance.choice((2, 2, 3))))
    return zh, en


def strangers() -> list[Row]:
    chance = random.Random("strangers")
    found = [{"x_zh": row["noun_zh"], "x_en": row["noun_en"]} for row in rows("unknown_nouns")]
    for zh, en in FIELDS:
        found.append({"x_zh": zh, "x_en": en})
        found += [{"x_zh": a_zh + zh, "x_en": f"{a_en} {en}"} for a_zh, a_en in ADJECTIVES]
    for _ in range(300):
        zh, en = invented(chance)
        kind_zh, kind_en = chance.choice(KINDS)
        if chance.random() < 0.6:
            found.append({"x_zh": zh + kind_zh, "x_en": f"the {en.title()} {kind_en}"})
        else:
            found.append({"x_zh": zh, "x_en": en})
    return found


def people() -> list[Row]:
    chance = random.Random("people")
    famous = [row for row in rows("unknown_nouns") if row["noun_zh"] in FAMOUS]
    found = [{"x_zh": row["noun_zh"], "x_en": row["noun_en"]} for row in famous]
    for _ in range(300):
        zh = chance.choice(SURNAMES) + "".join(chance.sample(GIVEN, chance.choice((1, 2))))
        found.append({"x_zh": zh, "x_en": f"{chance.choice(FIRST)} {chance.choice(LAST)}"})
    return found


FAMOUS = set(
    (
        "莎士比亚 李白 贝多芬 莫扎特 达芬奇 毕加索 爱因斯坦 牛顿 居里夫人 郑和 成吉思汗 "
        "拿破仑 林肯 甘地"
    ).split()
)


def hard_sums() -> list[Row]:
    """One number is beyond what it has learnt; the other may be small."""
    chance = random.Random("hard sums")
    found = []
    for _ in range(900):
        top = chance.choice((99, 999, 99999))
        pair = [chance.randint(max(41, top // 9), top), chance.randint(2, top)]
        chance.shuffle(pair)
        found.append(numbers(a=pair[0], b=pair[1]))
    return found


TONGUES = (
    ("法语", "French"), ("日语", "Japanese"), ("韩语", "Korean"), ("俄语", "Russian"),
    ("西班牙语", "Spanish"), ("意大利语", "Italian"), ("葡萄牙语", "Portuguese"),
    ("阿拉伯语", "Arabic"), ("荷兰语", "Dutch"), ("希腊语", "Greek"), ("泰语", "Thai"),
)  # fmt: skip
ERRANDS = (
    ("买", "buy"), ("卖掉", "sell"), ("修好", "repair"), ("检查", "check"), ("找到", "find"),
    ("画", "draw"), ("清洗", "wash"), ("寄出", "send"), ("设计", "design"),
)  # fmt: skip


def tasks() -> list[Row]:
    """Orders that it cannot carry out: written ones, tongues it has not, errands."""
    found = read_table("tasks")
    for zh, en in TONGUES:
        found.append({"task_zh": f"翻译成{zh}", "task_en": f"translate this into {en}"})
        found.append({"task_zh": f"教我说{zh}", "task_en": f"teach me {en}"})
    for verb_zh, verb_en in ERRANDS:
        for thing in read_table("goods"):
            zh, en = f"帮我{verb_zh}{thing['x_zh']}", f"{verb_en} {thing['x_en']}"
            found.append({"task_zh": zh, "task_en": en})
    return found


def strange_words() -> list[Row]:
    chance = random.Random("strange words")
    words = (
        "哲学 philosophy 冰山 iceberg 锤子 hammer 螺丝 screw 律师 lawyer 将军 general 沙漠 desert "
        "火箭 rocket 病毒 virus 合同 contract 税收 tax 民主 democracy 骑士 knight 剑 sword "
        "地毯 carpet "
        "枕头 pillow 剪刀 scissors 雨伞 umbrella 蜡烛 candle 钥匙 key 森林 forest 岛 island "
        "湖 lake "
        "铁 iron 玻璃 glass 塑料 plastic 邮票 stamp 机场 airport 警察 police 士兵 soldier 国王 king"
    ).split()
    found = [{"x_zh": a, "x_en": b} for a, b in zip(words[::2], words[1::2], strict=True)]
    found += read_table("strange_creatures") + read_table("goods")
    return found + [
        dict(zip(("x_zh", "x_en"), invented(chance), strict=True)) for _ in range(150)
    ]


def noise() -> list[Row]:
    """Things people type by mistake."""
    chance = random.Random("noise")
    letters, marks = "asdfghjklqwertyuiopzxcvbnm", "。，？！、…"
    found = []
    for _ in range(400):
        def mash() -> str:
            return "".join(chance.choices(letters, k=chance.randint(3, 8)))

        def hash_zh() -> str:
            return "".join(chance.choices(PARTS_ZH + GIVEN + marks, k=chance.randint(2, 6)))

        found.append({"x_en": mash(), "y_en": mash(), "x_zh": hash_zh(), "y_zh": hash_zh()})
    return found


COMPUTED: dict[str, Callable[[], list[Row]]] = {
    maker.__name__: maker
    for maker in (
        sums, differences, products, comparisons, parities, numerals, followers, counts, metric,
        time_units,
        hours_later, half_hours, clock, weekdays, months, seasons, spellings, wishes, collections,
        country_triples, strangers, people, hard_sums, tasks, strange_words, noise,
    )
}  # fmt: skip


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
def rows(name: str) -> list[Row]:
    """The rows of a table; an empty name gives one row without slots."""
    if not name:
        return [dict(KNOWN)]
    found = COMPUTED[name]() if name in COMPUTED else read_table(name)
    return [inflect(row) for row in found]
