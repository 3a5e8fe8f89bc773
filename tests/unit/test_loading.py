"""How far the weights are: read from a process that maps them as SGLang does."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from chatapp.commands.start_line import line
from chatapp.domain import EngineState, EngineStatus, Pair, Phase, PhaseProgress, Tree
from chatapp.engine.process import onlooker
from chatapp.engine.process.how_far import how_far
from chatapp.engine.process.loading import Loading
from chatapp.engine.process.pidfile import Pidfile, Process
from chatapp.texts import LANGUAGES, Texts

SIZE = 128 << 20  # the kernel may map 2 MiB for each page that is read
READER = """
import mmap, sys
maps = {}
for command in sys.stdin:
    path, share = command.split()
    if share == "close":
        maps.pop(path).close()
    else:
        if path not in maps:
            with open(path, "rb") as file:
                maps[path] = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
            maps[path].madvise(mmap.MADV_RANDOM)
        for at in range(0, int(len(maps[path]) * float(share)), mmap.PAGESIZE):
            maps[path][at]
    print("done", flush=True)
"""


class Reader:
    """A process that maps files, reads a share of them, and lets go of them."""

    def __init__(self) -> None:
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            [sys.executable, "-c", READER], stdin=pipe, stdout=pipe, text=True
        )

    def read(self, path: Path, share: float | str) -> None:
        assert self.process.stdin and self.process.stdout
        print(path, share, file=self.process.stdin, flush=True)
        assert self.process.stdout.readline() == "done\n"


@pytest.fixture
def reader():
    reader = Reader()
    yield reader
    reader.process.kill()
    reader.process.communicate()


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    for folder, names in (("target", ("a", "b")), ("draft", ("c",))):
        (tmp_path / folder).mkdir()
        for name in names:
            with (tmp_path / folder / f"{name}.safetensors").open("wb") as file:
                file.truncate(SIZE)
    return Pair("toy", tmp_path / "target", tmp_path / "draft", Tree(3, 1, 4), "float32", 512)


def share(progress: PhaseProgress | None) -> object:
    assert progress is not None
    return pytest.approx(progress.done / progress.total, abs=0.02)


def test_what_is_mapped_and_read_and_what_was_let_go(pair: Pair, reader: Reader) -> None:
    loading, pid = Loading(pair.target, pair.draft), reader.process.pid
    a, b, c = (*sorted(pair.target.iterdir()), *pair.draft.iterdir())
    assert loading.look("weights", pid, 0.0) is None
    reader.read(a, 0.5)
    assert share(loading.look("weights", pid, 1.0)) == 1 / 4
    reader.read(a, 1.0)
    reader.read(b, 0.25)
    assert share(loading.look("weights", pid, 1.5)) == 1 / 4, "once a second"
    assert share(loading.look("weights", pid, 2.0)) == 5 / 8
    reader.read(a, "close")
    assert share(loading.look("weights", pid, 3.0)) == 5 / 8
    assert loading.look("draft", pid, 3.1) is None
    reader.read(c, 0.5)
    assert share(loading.look("draft", pid, 4.2)) == 1 / 2


def test_the_time_left_follows_the_speed_of_the_last_seconds(pair: Pair, reader: Reader) -> None:
    loading, pid, a = (
        Loading(pair.target, pair.draft),
        reader.process.pid,
        pair.target / "a.safetensors",
    )
    reader.read(a, 0.001)
    for at in range(-20, 1):
        progress = loading.look("weights", pid, float(at))
    assert progress and progress.seconds_left is None, "a header says nothing of the speed"
    lefts = []
    for at in range(1, 6):
        reader.read(a, at / 8)
        progress = loading.look("weights", pid, float(at))
        lefts.append(progress and progress.seconds_left)
    assert lefts[:3] == [None, None, None], "nothing is said of a speed not yet known"
    assert lefts[3:] == [pytest.approx(12, rel=0.1), pytest.approx(11, rel=0.1)]
    for at in range(6, 18):
        progress = loading.look("weights", pid, float(at))
    assert progress and progress.seconds_left is None, "nothing came for ten seconds"


def test_nothing_is_told_of_what_cannot_be_seen(pair: Pair, reader: Reader) -> None:
    reader.read(pair.target / "a.safetensors", 1.0)
    assert Loading(pair.draft / "none", pair.draft).look("weights", reader.process.pid, 0.0) is None
    loading = Loading(pair.target, pair.draft)
    before = loading.look("weights", reader.process.pid, 0.0)
    reader.process.kill()
    reader.process.wait()
    assert loading.look("weights", reader.process.pid, 1.0) == before, "its end is no progress"


@pytest.mark.parametrize(
    ("progress", "zh", "en"),
    [
        (PhaseProgress(2_100_000_000, 8_000_000_000, "bytes", 17.2),
         "2.1 / 8.0 GB，约剩 20 秒", "2.1 of 8.0 GB, about 20 s left"),
        (PhaseProgress(2_100_000_000, 8_000_000_000, "bytes"), "2.1 / 8.0 GB", "2.1 of 8.0 GB"),
        (PhaseProgress(7_990_000_000, 8_000_000_000, "bytes", 0.1),
         "8.0 / 8.0 GB，约剩 5 秒", "8.0 of 8.0 GB, about 5 s left"),
        (PhaseProgress(3, 14, "modules", 260.0),
         "第 3 个模块，共 14 个，约剩 4 分钟", "module 3 of 14, about 4 min left"),
    ],
)  # fmt: skip
def test_in_words(progress: PhaseProgress, zh: str, en: str) -> None:
    assert [how_far(Texts(language), progress) for language in ("zh", "en")] == [zh, en]


def test_the_line_of_the_terminal_names_what_is_loaded() -> None:
    timeline = (Phase("process", 1.0), Phase("weights", None, PhaseProgress(1, 4, "modules")))
    status = EngineStatus(EngineState.STARTING, "toy", timeline=timeline)
    assert line(Texts("en"), status) == "loading weights: module 1 of 4"
    for phase in ("kernels", "weights", "draft"):
        timeline = (Phase(phase, None, PhaseProgress(1, 4, "bytes")),)
        for language in LANGUAGES:
            assert line(Texts(language), EngineStatus(EngineState.STARTING, "", timeline=timeline))
    assert line(Texts("en"), EngineStatus(EngineState.STARTING, "toy")) == ""


def test_whoever_joins_an_engine_that_loads_sees_how_far_it_is(
    pair: Pair, tmp_path: Path, reader: Reader
) -> None:
    """From its log and its command line; the reader plays the part of its scheduler."""
    log = tmp_path / "engine.log"
    log.write_text("[2026-11-24 07:57:02] server_args={'model_path': '/x'}\n")
    reader.read(pair.target / "a.safetensors", 0.5)
    command = [sys.executable, "-c", "print(flush=True); input()", "--model-path", str(pair.target)]
    command += ["--speculative-draft-model-path", str(pair.draft)]
    main = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert main.stdout is not None
    main.stdout.readline()  # a process has no command line for a moment while it becomes another
    try:
        process = Process.of(main.pid)
        record = Pidfile(process, process, process, "http://127.0.0.1:1", "k", "toy", True)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                onlooker, "processes_of", lambda pid: {"main": pid, "scheduler": reader.process.pid}
            )
            with closing(onlooker.Onlooker(record, log)) as watched:
                said = line(Texts("en"), watched.status())
        assert said.startswith("loading weights: 0.07 of 0.27 GB")
    finally:
        main.kill()
        main.communicate()
