"""Downloads from a hub on the loopback: whole, slow, cut, killed, wrong, refused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from chatapp.errors import UsageError, error_words
from chatapp.pairs.check import check
from chatapp.pairs.download.download import Download
from chatapp.pairs.download.download_progress import DownloadProgress, DownloadState
from chatapp.pairs.download.fetch import part_of
from chatapp.pairs.download.huggingface import HuggingFace
from chatapp.pairs.download.modelscope import ModelScope
from chatapp.pairs.download.sources import sources
from chatapp.pairs.download.transfer import DownloadSource, RemoteFile
from chatapp.pairs.files.folders import ModelFolders, is_whole
from chatapp.pairs.locate import locate
from chatapp.texts import Texts
from tests.fakes.hub import Hub, serve
from tests.fakes.toy_pair import draft_files, target_files

NAME = "toy/target,toy/draft"
ROWS = 1000  # four megabytes of target


@pytest.fixture(autouse=True)
def loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_ENDPOINT", "HF_TOKEN", "HF_HUB_OFFLINE", "MODELSCOPE_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")


@pytest.fixture
def hub() -> Iterator[Hub]:
    models = {"toy/target": target_files(ROWS), "toy/draft": draft_files()}
    with serve(Hub(models)) as hub:
        yield hub


@pytest.fixture
def models(data_dir: Path) -> ModelFolders:
    return ModelFolders(data_dir)


def fetch(models: ModelFolders, *asked: DownloadSource, **options: object) -> DownloadProgress:
    download = Download(NAME, models, lambda: asked, **options)
    download.start()
    return download.wait(60)


def failed(progress: DownloadProgress) -> str:
    assert progress.state is DownloadState.FAILED
    for language in ("zh", "en"):
        assert error_words(Texts(language), progress.error or "", progress.error_values)
    return progress.error or ""


BOTH: Sequence[Callable[[str], DownloadSource]] = (HuggingFace, ModelScope)


@pytest.mark.parametrize("source", BOTH)
def test_a_pair_arrives_whole_and_fits(
    source: Callable[[str], DownloadSource], hub: Hub, models: ModelFolders
) -> None:
    progress = fetch(models, source(hub.address))
    assert progress.state is DownloadState.FINISHED and progress.done == progress.total
    check(locate(NAME, models))
    target = models.folder("toy/target")
    assert (target / "model.safetensors").read_bytes() == (
        hub.models["toy/target"]["model.safetensors"]
    )
    assert not hub.files_asked("pytorch_model.bin") and not hub.files_asked("model.onnx")


@pytest.mark.parametrize("source", BOTH)
def test_what_is_here_is_not_fetched_again(
    source: Callable[[str], DownloadSource], hub: Hub, models: ModelFolders
) -> None:
    fetch(models, source(hub.address))
    asked = len(hub.asked)
    assert fetch(models, source(hub.address)).state is DownloadState.FINISHED
    assert len(hub.asked) == asked


@pytest.mark.parametrize("source", BOTH)
def test_a_cut_line_goes_on_where_it_broke(
    source: Callable[[str], DownloadSource], hub: Hub, models: ModelFolders
) -> None:
    hub.cut_after, hub.cuts = 1_000_000, 2
    assert fetch(models, source(hub.address)).state is DownloadState.FINISHED
    begins = hub.files_asked("target/model.safetensors")
    assert len(begins) == 3 and begins[0] == 0 and 0 < begins[1] < begins[2]
    assert is_whole(models.folder("toy/target"))


def test_a_source_that_cannot_resume_is_borne(hub: Hub, models: ModelFolders) -> None:
    hub.cut_after, hub.cuts, hub.ignores_range = 1_000_000, 1, True
    assert fetch(models, HuggingFace(hub.address)).state is DownloadState.FINISHED
    assert is_whole(models.folder("toy/target"))


@pytest.mark.parametrize("source", BOTH)
def test_wrong_bytes_are_fetched_once_more(
    source: Callable[[str], DownloadSource], hub: Hub, models: ModelFolders
) -> None:
    hub.corrupt = 1
    assert fetch(models, source(hub.address)).state is DownloadState.FINISHED
    assert hub.corrupt == 0
    check(locate(NAME, models))


@pytest.mark.parametrize("source", BOTH)
def test_bytes_that_stay_wrong_are_refused(
    source: Callable[[str], DownloadSource], hub: Hub, models: ModelFolders
) -> None:
    hub.corrupt = 99
    assert failed(fetch(models, source(hub.address))) == "download_wrong_bytes"
    assert models.find("toy/target") is None or models.find("toy/draft") is None
    assert not list(models.root.rglob("*.part"))


@pytest.mark.parametrize(
    ("status", "key"),
    [(401, "source_refused"), (403, "source_refused"), (404, "source_no_model")],
)
@pytest.mark.parametrize("source", BOTH)
def test_refusals_have_their_own_sentences(
    source: Callable[[str], DownloadSource], status: int, key: str, hub: Hub, models: ModelFolders
) -> None:
    hub.status = status
    assert failed(fetch(models, source(hub.address))) == key


def test_a_model_that_is_not_there(hub: Hub, models: ModelFolders) -> None:
    del hub.models["toy/draft"]
    assert failed(fetch(models, HuggingFace(hub.address))) == "source_no_model"


@pytest.mark.parametrize("source", BOTH)
def test_a_busy_hub_is_asked_again(
    source: Callable[[str], DownloadSource], hub: Hub, models: ModelFolders
) -> None:
    hub.busy_files = 2
    assert fetch(models, source(hub.address)).state is DownloadState.FINISHED
    assert hub.busy_files == 0


def test_a_hub_that_stays_busy_is_given_up(hub: Hub, models: ModelFolders) -> None:
    hub.status = 429
    assert failed(fetch(models, HuggingFace(hub.address))) == "source_busy"


def test_the_next_source_is_asked_when_the_first_is_away(hub: Hub, models: ModelFolders) -> None:
    nobody = HuggingFace("http://127.0.0.1:9")
    progress = fetch(models, nobody, ModelScope(hub.address))
    assert progress.state is DownloadState.FINISHED and progress.source == "ModelScope"


def test_no_source_at_all(models: ModelFolders) -> None:
    nobody = HuggingFace("http://127.0.0.1:9")
    assert failed(fetch(models, nobody)) == "source_unreachable"


def test_the_disk_is_looked_at_before(hub: Hub, models: ModelFolders) -> None:
    progress = fetch(models, HuggingFace(hub.address), free_bytes=lambda _: 1000)
    assert failed(progress) == "download_no_room"
    assert not hub.asked, "not a byte is fetched"


def test_a_disk_that_becomes_full(hub: Hub, models: ModelFolders) -> None:
    """The part is ``/dev/full``: the kernel itself answers that there is no space."""
    listing = HuggingFace(hub.address).listing("toy/target")
    weights = next(file for file in listing.files if file.path == "model.safetensors")
    folder = models.folder("toy/target")
    folder.mkdir(parents=True)
    part_of(folder / weights.path, weights).symlink_to("/dev/full")
    assert failed(fetch(models, HuggingFace(hub.address))) == "download_disk_full"


def test_a_folder_copied_by_hand_is_taken(hub: Hub, models: ModelFolders) -> None:
    copied = models.root / "target"  # under the model's own name
    copied.mkdir(parents=True)
    for path, content in target_files(ROWS).items():
        if "/" not in path:
            (copied / path).write_bytes(content)
    assert fetch(models, HuggingFace(hub.address)).state is DownloadState.FINISHED
    assert not hub.files_asked("target/model.safetensors")
    assert locate(NAME, models).target == copied


def test_pause_goes_on_without_loss(hub: Hub, models: ModelFolders) -> None:
    hub.delay_s = 0.01
    download = Download(NAME, models, lambda: (HuggingFace(hub.address),))
    download.start()
    _until(lambda: download.progress().done > 500_000)
    download.pause()
    time.sleep(0.3)
    stopped = download.progress()
    assert stopped.state is DownloadState.PAUSED
    time.sleep(0.3)
    assert download.progress().done == stopped.done
    hub.delay_s = 0
    download.resume()
    assert download.wait(30).state is DownloadState.FINISHED
    assert is_whole(models.folder("toy/target"))


def test_cancel_throws_half_files_away(hub: Hub, models: ModelFolders) -> None:
    hub.delay_s = 0.01
    download = Download(NAME, models, lambda: (HuggingFace(hub.address),))
    download.start()
    _until(lambda: download.progress().done > 500_000)
    download.cancel()
    assert download.wait(10).state is DownloadState.CANCELLED
    assert not list(models.root.rglob("*.part")) and models.find("toy/target") is None


def test_progress_adds_up(hub: Hub, models: ModelFolders) -> None:
    hub.delay_s = 0.005
    download = Download(NAME, models, lambda: (HuggingFace(hub.address),))
    download.start()
    _until(lambda: download.progress().bytes_per_second is not None)
    seen = download.progress()
    assert 0 < seen.done < seen.total and (seen.seconds_left or 0) > 0
    done = download.wait(30)
    expected = sum(
        len(content)
        for model in hub.models.values()
        for path, content in model.items()
        if "/" not in path and path != "pytorch_model.bin"
    )
    assert done.total == done.done == expected


def test_two_downloads_at_once_are_one_too_many(hub: Hub, models: ModelFolders) -> None:
    hub.delay_s = 0.01
    first = Download(NAME, models, lambda: (HuggingFace(hub.address),))
    first.start()
    _until(lambda: first.progress().done > 100_000)
    assert failed(fetch(models, HuggingFace(hub.address))) == "download_busy"
    first.cancel()
    first.wait(10)


def test_killed_and_started_again(hub: Hub, models: ModelFolders) -> None:
    """The command itself, ended by SIGKILL in the middle of the weights."""
    hub.delay_s = 0.01
    command = _command(models, hub)
    child = subprocess.Popen(command, env=_environment(hub), stderr=subprocess.DEVNULL)
    _until(lambda: hub.sent > 1_500_000, 60)
    child.send_signal(signal.SIGKILL)
    child.wait()
    part = next(models.root.rglob("model.safetensors.*.part"))
    kept = part.stat().st_size
    assert kept > 500_000 and models.find("toy/target") is None
    hub.delay_s = 0
    again = subprocess.run(command, env=_environment(hub), capture_output=True, timeout=60)
    assert again.returncode == 0, again.stderr.decode()
    said = json.loads(again.stdout)
    assert said["ok"] and said["state"] == "finished"
    assert hub.files_asked("target/model.safetensors") == [0, kept]
    check(locate(NAME, models))


def test_an_interrupt_keeps_what_has_arrived(hub: Hub, models: ModelFolders) -> None:
    hub.delay_s = 0.02
    child = subprocess.Popen(
        _command(models, hub),
        env=_environment(hub),
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # else inherited
    )
    _until(lambda: hub.sent > 600_000, 60)
    child.send_signal(signal.SIGINT)
    _, shown = child.communicate(timeout=30)
    assert child.returncode == 130 and b"Traceback" not in shown
    assert next(models.root.rglob("*.part")).stat().st_size > 300_000


def test_with_a_mirror_no_byte_goes_elsewhere(hub: Hub, models: ModelFolders) -> None:
    with serve(Hub(hub.models)) as elsewhere:
        hub.redirect_to = elsewhere.address
        progress = fetch(models, HuggingFace(hub.address))
        assert failed(progress) == "source_leaves_mirror"
        assert elsewhere.address.removeprefix("http://") in progress.error_values["host"]
        assert not elsewhere.asked and not elsewhere.headers_seen


def test_a_mirror_is_the_only_source_and_gets_no_token(
    hub: Hub, models: ModelFolders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    asked = sources("auto", {"HF_ENDPOINT": hub.address})
    assert [source.address for source in asked] == [hub.address]
    assert fetch(models, *asked).state is DownloadState.FINISHED
    assert not any("authorization" in headers for headers in hub.headers_seen)
    assert {headers["user-agent"] for headers in hub.headers_seen} == {"eaglechat"}


def test_the_order_of_the_sources() -> None:
    assert [source.name for source in sources("auto", {})] == ["Hugging Face", "ModelScope"]
    assert [source.name for source in sources("modelscope", {})] == ["ModelScope"]
    mirror = {"HF_ENDPOINT": "https://mirror.example"}
    assert [source.name for source in sources("huggingface", mirror)] == ["Hugging Face"]
    with pytest.raises(UsageError) as refused:
        sources("mirror", {})
    assert refused.value.key == "source_without_mirror"


def test_what_the_catalogue_changes_is_written_beside_the_original(
    hub: Hub, models: ModelFolders
) -> None:
    hub.models |= {
        "Qwen/Qwen3-1.7B": target_files(),
        "AngelSlim/Qwen3-1.7B_eagle3": draft_files(),
    }
    for _ in range(2):
        download = Download("small", models, lambda: (HuggingFace(hub.address),))
        download.start()
        assert download.wait(30).state is DownloadState.FINISHED
    folder = models.folder("AngelSlim/Qwen3-1.7B_eagle3")
    assert json.loads((folder / "config.json").read_text())["tie_word_embeddings"] is False
    published = (folder / "config.json.published").read_bytes()
    assert published == draft_files()["config.json"]
    assert len(hub.files_asked("eagle3/config.json")) == 1, "the change is no reason to fetch"


@pytest.mark.parametrize("path", ["../escape.json", "/etc/passwd.json", "a/b.json"])
def test_a_hub_cannot_write_elsewhere(path: str, hub: Hub, models: ModelFolders) -> None:
    hub.models["toy/draft"] = {**draft_files(), path: b"{}"}
    fetch(models, HuggingFace(hub.address))
    assert not (models.root / "escape.json").exists() and not hub.files_asked(path)


def test_a_part_has_the_checksum_in_its_name(tmp_path: Path) -> None:
    one, other = (RemoteFile("w.bin", 3, sha256=digit * 64) for digit in "ab")
    assert part_of(tmp_path / "w.bin", one) != part_of(tmp_path / "w.bin", other)


def _until(true: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.01)


def _command(models: ModelFolders, hub: Hub) -> list[str]:
    place = ("--data-dir", str(models.data_dir))
    return [sys.executable, "-m", "chatapp", "pairs", "download", NAME, "--json", *place]


def _environment(hub: Hub) -> dict[str, str]:
    return {**os.environ, "HF_ENDPOINT": hub.address}
