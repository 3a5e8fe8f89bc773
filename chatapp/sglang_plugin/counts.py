"""Exact speculation counts on every chunk of a stream.

SGLang reports its counts with the last chunk only, counts drafts that a stop then cut
off, and a chunk can hold several verify steps. Here the scheduler keeps the length of
every verify step as it was *kept*, sends what is new with each output, and the
tokenizer manager puts the whole on each chunk's ``meta_info``::

    "speculation": {"on": true, "verify_steps": 3, "accepted_drafts": 5,
                    "histogram": [1, 0, 1, 1], "step_lengths": [1, 3, 4]}

``step_lengths`` are tokens gained by each verify step, the bonus token included; all
else follows from them. A request with speculation off has none.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from chatapp.sglang_plugin.switch import is_off

KEY = "speculation_steps"


@dataclass
class Step:
    """One verify step: the tokens before it, and how many it gained."""

    start: int
    length: int


@dataclass
class StepRecord:
    """The verify steps of one request, and how many of them were sent."""

    steps: list[Step]
    sent: int = 0

    def take_new(self, tokens: int) -> list[int]:
        """Lengths not sent yet; a step that a stop cut short counts what was kept.

        ``tokens`` is the number of output tokens through the stop.
        """
        fresh = self.steps[self.sent :]
        self.sent = len(self.steps)
        return [min(step.length, tokens - step.start) for step in fresh]


def summarise(lengths: list[int], on: bool) -> dict[str, Any]:
    """What a chunk says of its request so far."""
    seen = Counter(length - 1 for length in lengths)
    return {
        "on": on,
        "verify_steps": len(lengths),
        "accepted_drafts": sum(lengths) - len(lengths),
        "histogram": [seen[drafts] for drafts in range(max(seen, default=-1) + 1)],
        "step_lengths": list(lengths),
    }


# --- hooks -------------------------------------------------------------------------


def record_steps(original: Any, self: Any, result: Any, batch: Any) -> Any:
    """Around ``SchedulerBatchResultProcessor._resolve_spec_v2_tokens``."""
    before = [request.spec_verify_ct for request in batch.reqs]
    tokens = original(self, result, batch)
    for request, verified, gained in zip(batch.reqs, before, tokens, strict=True):
        if request.spec_verify_ct == verified:
            continue  # finished or retracted: no step of its own
        if is_off(request):
            request.spec_verify_ct = 0
            request.spec_correct_drafts_histogram = []
        else:
            _record(request).steps.append(Step(len(request.output_ids), len(gained)))
    return tokens


def _record(request: Any) -> StepRecord:
    record = getattr(request, "eaglechat_steps", None)
    if record is None:
        record = request.eaglechat_steps = StepRecord([])
    return record


def send_steps(original: Any, self: Any, reqs: Any) -> dict[str, list[Any]]:
    """Around ``SchedulerOutputStreamer.build_additional_customized_info``."""
    extra = dict(original(self, reqs))
    extra[KEY] = [_record(r).take_new(len(r.output_ids_through_stop)) for r in reqs]
    return extra


def enable_sending() -> None:
    """The streamer calls the hook above only when its class says that it may."""
    from sglang.srt.managers.scheduler_components import output_streamer

    output_streamer.SchedulerOutputStreamer.has_additional_customized_info = True


def only_with_a_draft(original: Any, self: Any) -> bool:
    """Around ``should_build_additional_customized_info``."""
    return original(self) and not self.spec_algorithm.is_none()


def put_on_chunk(
    original: Any,
    self: Any,
    meta_info: Any,
    state: Any,
    customized_info: Any,
    index: Any,
    finish_reason: Any,
) -> Any:
    """Around ``TokenizerManager.update_request_meta_info``."""
    others = {key: values for key, values in customized_info.items() if key != KEY}
    result = original(self, meta_info, state, others, index, finish_reason)
    if KEY in customized_info:
        lengths = state.__dict__.setdefault("eaglechat_step_lengths", [])
        lengths.extend(customized_info[KEY][index])
        on = not is_off(state.obj)
        meta_info["speculation"] = summarise(lengths, on)
    return result
