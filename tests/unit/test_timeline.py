"""The start-up phases, read from the lines that SGLang 0.5.23 wrote."""

from __future__ import annotations

from chatapp.domain import PhaseProgress
from chatapp.engine.process.timeline import Timeline

LOG = """
[2026-11-24 07:57:02] server_args={'model_path': '/tmp/tiny/target', 'tokenizer_path': '/x'}
[2026-11-24 07:57:20] Load weight begin. avail mem=21.53 GB
[2026-11-24 07:57:20] Load weight end. elapsed=0.05 s, type=Qwen3ForCausalLM, avail mem=21.53 GB
[2026-11-24 07:57:20] Load weight end. elapsed=0.01 s, type=LlamaForCausalLMEagle3, avail mem=21
[2026-11-24 07:57:21] KV Cache is allocated. dtype: torch.float32, #tokens: 8192, K size: 0.02 GB
[2026-11-24 07:57:21] KV Cache is allocated. dtype: torch.float32, #tokens: 8192, K size: 0.00 GB
[2026-11-24 07:57:21] max_total_num_tokens=8192, chunked_prefill_size=4096, context_len=2048
""".strip().splitlines()


def read(draft: bool) -> Timeline:
    timeline = Timeline(draft, kernels=False)
    for at, line in enumerate(LOG):
        timeline.read(line, float(at))
    return timeline


def test_each_phase_has_the_time_of_its_first_line() -> None:
    timeline = read(draft=True)
    timeline.reach("ready", 9.0)
    assert [(phase.name, phase.at) for phase in timeline.phases()] == [
        ("process", 0.0),
        ("weights", 2.0),
        ("draft", 3.0),
        ("kv_cache", 4.0),
        ("graphs", 6.0),
        ("ready", 9.0),
    ]


def test_without_a_draft_there_is_no_such_phase() -> None:
    names = [phase.name for phase in read(draft=False).phases()]
    assert names == ["process", "weights", "kv_cache", "graphs", "ready"]


def test_what_is_not_reached_has_no_time() -> None:
    timeline = Timeline(True, kernels=True)
    assert all(phase.at is None for phase in timeline.phases())


def test_only_the_server_itself_says_that_it_listens() -> None:
    timeline = read(draft=True)
    timeline.read("[2026-11-24 08:23:58] The server is fired up and ready to roll!", 7.0)
    assert not timeline.listening
    timeline.read("[2026-11-24 07:57:21] INFO:     Uvicorn running on http://127.0.0.1:1", 8.0)
    assert timeline.listening


def test_with_a_gpu_the_kernels_come_first() -> None:
    assert [phase.name for phase in Timeline(True, kernels=True).phases()][:2] == [
        "kernels",
        "process",
    ]


def test_only_the_phase_under_way_has_a_progress() -> None:
    timeline, progress = Timeline(True, kernels=True), PhaseProgress(2, 9, "modules", 30.0)
    timeline.advance("kernels", progress)
    assert [phase.progress for phase in timeline.phases()] == [progress, *[None] * 6]
    timeline.reach("kernels", 60.0)
    assert not any(phase.progress for phase in timeline.phases())
    timeline.advance("process", None)
    assert timeline.current == "process"
