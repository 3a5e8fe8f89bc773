"""Benchmark runs: order, resume, arithmetic and reports, on a scripted engine."""

from __future__ import annotations

import json
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest

from chatapp import locations
from chatapp.chat.language import detect
from chatapp.domain import ReplyMetrics, Sampling
from chatapp.errors import UsageError
from chatapp.measure.bench import bench_report
from chatapp.measure.bench.bench_table import table
from chatapp.measure.bench.job import Answer, Job, blocks
from chatapp.measure.bench.journal import Journal
from chatapp.measure.bench.mt_bench import BenchProgress, MtBench
from chatapp.measure.bench.questions import Question, QuestionSet, read_questions
from chatapp.measure.bench.report_document import as_json, from_json, published, report_of
from chatapp.measure.compare.arms import Setting
from chatapp.measure.compare.quiet import Machine
from chatapp.texts import LANGUAGES, Texts
from tests.fakes.engine import ScriptedEngine

SETTING = Setting("a machine", "cpu", "pocket", "3/1/4", "float32", {"sglang": "0.5.23"})
QUESTIONS = QuestionSet(
    "set",
    "en",
    tuple(Question(n, "odd" if n % 2 else "even", (f"q{n}", "more")) for n in range(10)),
)
JOB = Job((QUESTIONS,), sampling=Sampling(max_tokens=12))
FIGURES = ReplyMetrics(True, 5, 101, 0, 0, 0, (), None, 100.0, 0.5, 1.5)


def scripted() -> ScriptedEngine:
    """With speculation in steps of three at 0.3 s, else one token each 0.15 s."""
    return ScriptedEngine(first_s=0.2, step_s=0.15, overhead=2)


async def run(
    job: Job, journal: Journal, engine: ScriptedEngine, stop_after: int | None = None
) -> list[BenchProgress]:
    seen: list[BenchProgress] = []
    async with aclosing(MtBench(job, journal, engine).run(engine.stream, ("on", "off"))) as steps:
        async for progress in steps:
            seen.append(progress)
            if stop_after is not None and progress.done >= stop_after:
                break
    return seen


def journal_in(folder: Path, job: Job = JOB) -> Journal:
    return Journal(folder / "journal.jsonl", job.fingerprint(SETTING))


async def test_every_question_is_asked_in_both_lanes_as_a_conversation(tmp_path: Path) -> None:
    engine, journal = scripted(), journal_in(tmp_path)
    seen = await run(JOB, journal, engine)
    assert seen[-1].done == seen[-1].total == 20 and seen[-1].seconds_left == 0
    assert len(journal.all()) == 40
    warm, turns = engine.asked[:2], engine.asked[2:]
    assert [asked.speculation for asked in warm] == [True, False]
    assert [len(asked.ids) for asked in turns[:2]] == [2, 2 + 12 + 4]  # the answer is in the prompt
    assert seen[0].seconds_left is None


async def test_streams_run_at_the_same_time_and_never_more_than_asked(tmp_path: Path) -> None:
    job = replace(JOB, parallel=(4,))
    engine = scripted()
    await run(job, journal_in(tmp_path, job), engine)
    assert engine.open_most == 4


def test_lanes_take_turns_block_by_block() -> None:
    many = replace(QUESTIONS, questions=tuple(Question(n, "c", ("q",)) for n in range(20)))
    found = [(block.arm, len(block.questions)) for block in blocks(Job((many,)))]
    assert found == [("on", 8), ("off", 8), ("off", 8), ("on", 8), ("on", 4), ("off", 4)]
    plain = [block.arm for block in blocks(Job((many,), parallel=(1, 4), baseline="plain"))]
    assert plain == ["on", "on", "plain", "plain"]


@pytest.mark.parametrize("stop_after", [1, 7, 8, 13, 19])
async def test_an_interrupted_run_goes_on_where_it_was(tmp_path: Path, stop_after: int) -> None:
    await run(JOB, journal_in(tmp_path), scripted(), stop_after)
    with (tmp_path / "journal.jsonl").open("a") as file:
        file.write('{"key": ["set", 1, 1, "on"')  # a crash in the middle of a line
    journal = journal_in(tmp_path)
    assert len(journal.answers) == stop_after
    engine = scripted()
    await run(JOB, journal, engine)
    # Two turns for each question left, and a warm-up of each arm that had something left.
    assert len(engine.asked) in ((20 - stop_after) * 2 + 1, (20 - stop_after) * 2 + 2)
    assert len(journal_in(tmp_path).all()) == 40


async def test_another_job_begins_anew(tmp_path: Path) -> None:
    await run(JOB, journal_in(tmp_path), scripted())
    assert not journal_in(tmp_path, replace(JOB, repeats=2)).answers
    other = replace(SETTING, tree="5/4/16")
    assert JOB.fingerprint(other) != JOB.fingerprint(SETTING)


async def test_a_question_too_long_for_the_target_is_left_out_and_counted(tmp_path: Path) -> None:
    long = replace(QUESTIONS, questions=(Question(1, "c", ("x" * 500,)), Question(2, "c", ("y",))))
    job = replace(JOB, sets=(long,))
    journal = journal_in(tmp_path, job)
    await run(job, journal, scripted())
    assert {key[4] for key in journal.skipped} == {1}
    assert {answer.question_id for answer in journal.all()} == {2}


async def test_the_table_is_what_the_engine_did(tmp_path: Path) -> None:
    journal = journal_in(tmp_path)
    await run(JOB, journal, scripted())
    whole, even, odd = table(journal.all())
    assert (whole.category, even.category, odd.category) == (None, "even", "odd")
    # 11 tokens after the first: in 4 steps of 0.3 s, or in 11 of 0.15 s.
    assert whole.tokens_per_second == pytest.approx(11 / 1.2)
    assert whole.baseline_tokens_per_second == pytest.approx(1 / 0.15)
    assert whole.speedup == pytest.approx(11 / 1.2 * 0.15)
    assert whole.speedup_interval == pytest.approx((whole.speedup, whole.speedup))
    assert whole.accept_length == pytest.approx(11 / 4)
    assert (whole.requests, whole.compared, whole.identical) == (40, 20, 20)
    quotient = whole.tokens_per_second / whole.baseline_tokens_per_second
    assert whole.speedup == pytest.approx(quotient)


def test_tokens_per_second_is_all_tokens_by_all_time(tmp_path: Path) -> None:
    def answer(arm: str, number: int, seconds: float) -> Answer:
        figures = replace(FIGURES, duration_s=0.5 + seconds, tokens_per_second=100 / seconds)
        return Answer("s", 1, 1, arm, number, "c", 1, "", figures)

    row, _ = table([answer("on", 1, 1.0), answer("on", 2, 4.0), answer("off", 1, 5.0),
                    answer("off", 2, 5.0)])  # fmt: skip
    assert row.tokens_per_second == pytest.approx(40)
    assert row.baseline_tokens_per_second == pytest.approx(20)
    assert row.speedup == pytest.approx(2)
    low, high = row.speedup_interval
    assert low == pytest.approx(1.25) and high == pytest.approx(5)


async def test_an_unfinished_lane_gives_no_speedup(tmp_path: Path) -> None:
    engine, journal = scripted(), journal_in(tmp_path)
    async for _ in MtBench(JOB, journal, engine).run(engine.stream, ("on",)):
        pass
    row = table(journal.all())[0]
    assert row.tokens_per_second and row.baseline_tokens_per_second is None and row.speedup is None


@pytest.mark.parametrize("language", LANGUAGES)
async def test_reports_say_everything(tmp_path: Path, language: str) -> None:
    journal = journal_in(tmp_path)
    await run(JOB, journal, scripted())
    setting = replace(SETTING, simulated_accept_length=3.3, machine="<script>&")
    report = report_of(JOB, setting, journal.all(), 0.0)
    told = json.loads(json.dumps(as_json(report)))
    assert replace(report, answers=()) == replace(from_json(told))
    assert len(told["requests"]) == len(journal.all())
    wanted = {"set", "parallel", "tokens_per_second", "accept_length",
              "baseline_tokens_per_second", "speedup", "requests"}  # fmt: skip
    assert all(wanted <= row.keys() for row in told["rows"]) and len(told["rows"]) == 1
    texts = Texts(language)
    page, text = bench_report.html(report, texts), bench_report.markdown(report, texts)
    for form in (page, text):
        assert "9.2 ± 0.0" in form and "2.75" in form and "1.38×" in form
        assert "3.3" in form  # simulated acceptance is marked as such
    assert "<script" not in page and "http" not in page.replace("http-equiv", "")


def test_published_figures_show_for_that_pair_and_tree_alone() -> None:
    pair = replace(SETTING, pair="published", tree="5/4/16")
    found = published(pair)
    assert [row.speedup for row in found] == [2.08, 1.94, 2.05, 1.91]
    assert not published(SETTING)
    assert not published(replace(pair, tree="3/1/4"))


@pytest.mark.parametrize("kind", ["questions", "pocket"])
def test_our_own_sets_are_the_same_in_both_languages(kind: str) -> None:
    zh, en = (
        read_questions(locations.assets() / "bench" / f"{kind}_{language}.jsonl", detect)
        for language in ("zh", "en")
    )
    assert (zh.language, en.language) == ("zh", "en")
    assert [(q.id, q.category, len(q.turns)) for q in zh.questions] == [
        (q.id, q.category, len(q.turns)) for q in en.questions
    ]
    categories = [question.category for question in zh.questions]
    assert len(set(categories)) == 8 and all(len(q.turns) == 2 for q in zh.questions)
    assert len(categories) == 40


def test_mt_bench_is_known_by_its_numbers(tmp_path: Path) -> None:
    file = tmp_path / "anything.jsonl"
    lines = (
        json.dumps({"question_id": n, "category": "c", "turns": ["写一首诗", "再写一首"]})
        for n in range(81, 161)
    )
    file.write_text("\n".join(lines), "utf-8")
    found = read_questions(file, detect)
    assert found.name == "MT-bench-zh"
    spread = replace(JOB, sets=(found,), limit=8).questions(found)
    assert [question.id for question in spread] == list(range(81, 161, 10))


@pytest.mark.parametrize(
    "text",
    ["", "not json", '{"question_id": 1}', '{"question_id": 1, "category": "c", "turns": []}',
     '{"question_id": 1, "category": "c", "turns": [" "]}', "[1]",
     '{"question_id": 1, "category": "c", "turns": ["a"]}\n' * 2],
)  # fmt: skip
def test_what_is_no_question_file_is_refused_in_words(tmp_path: Path, text: str) -> None:
    file = tmp_path / "bad.jsonl"
    file.write_text(text, "utf-8")
    with pytest.raises(UsageError) as refused:
        read_questions(file, detect)
    assert str(file) in refused.value.words(Texts("zh"))


async def test_an_answer_that_chat_disturbed_is_made_again(tmp_path: Path) -> None:
    job = replace(JOB, limit=2)
    journal, engine, busy = journal_in(tmp_path, job), scripted(), False

    async def quiet() -> None:
        nonlocal busy
        busy = False

    bench = MtBench(job, journal, engine, machine=Machine(quiet, lambda: busy))
    async with aclosing(bench.run(engine.stream, ("on", "off"))) as steps:
        async for progress in steps:
            busy = progress.done == 1
    assert len(journal.all()) == 8
    assert len(engine.asked) == 2 + 8 + 1
    assert table(journal.all())[0].accept_length == pytest.approx(11 / 4)


@pytest.mark.parametrize(
    ("device", "temperature", "says"),
    [("cuda", 0.7, True), ("cpu", 0.7, False), ("cuda", 0, False)],
)
def test_a_report_from_a_gpu_says_that_a_seed_repeats_nothing(
    device: str, temperature: float, says: bool
) -> None:
    job = replace(JOB, sampling=Sampling(temperature=temperature, seed=1))
    report = report_of(job, replace(SETTING, device=device), [], 0.0)
    for language in ("zh", "en"):
        texts = Texts(language)
        facts = dict(bench_report.facts(texts, report))
        assert (texts("mtbench.no_seed") in facts[texts("mtbench.facts.sampling")]) is says
