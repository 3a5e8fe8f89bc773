"""From a log to one cause, in words."""

from __future__ import annotations

import pytest

from chatapp.engine.diagnosis import CAUSES, diagnose
from chatapp.errors import EngineError
from chatapp.texts import LANGUAGES, Texts

HEALTHY = """
[2026-11-24 07:57:19] Ignore import error when loading sglang.srt.models.inkling: No module named 'cutlass'
[2026-11-24 07:57:21] OpenAI Responses API (/v1/responses) disabled: (ModuleNotFoundError: No module named 'openai_harmony')
[2026-11-24 07:57:21] post-warmup freeze_gc failed
ConnectionRefusedError: [Errno 111] Connection refused
urllib3.exceptions.NewConnectionError: HTTPConnection(host='127.0.0.1', port=1): Failed to establish a new connection: [Errno 111] Connection refused
requests.exceptions.ConnectionError: HTTPConnectionPool(host='127.0.0.1', port=1): Max retries exceeded with url: /freeze_gc
[2026-11-24 07:57:22] Decode batch, #running-req: 1, #token: 90, token usage: 0.01
""".strip().splitlines()  # noqa: E501


@pytest.mark.parametrize(("fragment", "key"), CAUSES)
def test_each_cause_is_found_behind_noise(fragment: str, key: str) -> None:
    log = [*HEALTHY, f"[2026-11-24 08:00:00 TP0] {fragment} 0.7", *HEALTHY]
    assert diagnose(log, 1)[0] == key


@pytest.mark.parametrize("key", sorted({key for _, key in CAUSES} | {"engine_failed"}))
@pytest.mark.parametrize("language", LANGUAGES)
def test_each_cause_has_words(key: str, language: str) -> None:
    words = EngineError(key, line="the line").words(Texts(language))
    assert "{" not in words and len(words) > 10


def test_the_newest_cause_wins() -> None:
    log = ["KV cache pool is full. Retract requests.", "x", "RuntimeError: CUDA out of memory"]
    assert diagnose(log, 1)[0] == "engine_out_of_video_memory"


def test_an_unknown_error_gives_its_line_without_the_stamp() -> None:
    broke = "[2026-11-24 08:00:00] RuntimeError: the frobnicator broke"
    log = [*HEALTHY, broke, "Received sigquit from a child process."]
    assert diagnose(log, 1) == ("engine_failed", {"line": "RuntimeError: the frobnicator broke"})


def test_a_healthy_log_has_no_cause() -> None:
    assert diagnose(HEALTHY, -9) == ("engine_killed", {})
    assert diagnose(HEALTHY, None) == ("engine_killed", {})
    assert diagnose(HEALTHY, 5) == ("engine_ended", {"code": "5"})
    assert diagnose([], 0) == ("engine_ended", {"code": "0"})


def test_a_long_line_is_cut() -> None:
    assert len(diagnose(["ValueError: " + "x" * 5000], 1)[1]["line"]) == 300
