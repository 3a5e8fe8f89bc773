"""From the events of SGLang's stream to chunks. Pure.

The counts are those that our plug-in puts on every event. Without it they are unknown
until the last event, which has SGLang's own.
"""

from __future__ import annotations

from typing import Any

from chatapp.domain import Chunk
from chatapp.errors import EngineError


def read_chunk(event: dict[str, Any], at: float) -> Chunk:
    """``at``: seconds since the request was sent. Raises EngineError for an event that is
    none of SGLang's, or that says that the engine refuses."""
    try:
        return _chunk(event, event["meta_info"], at)
    except (KeyError, TypeError, ValueError) as error:
        raise EngineError("engine_strange_answer") from error


def _chunk(event: dict[str, Any], meta: dict[str, Any], at: float) -> Chunk:
    told = meta.get("speculation") or _told_at_the_end(meta)
    on = bool(told["on"])
    return Chunk(
        text=event["text"],
        token_ids=tuple(event["output_ids"]),
        prompt_tokens=int(meta["prompt_tokens"]),
        cached_tokens=int(meta.get("cached_tokens") or 0),
        completion_tokens=int(meta["completion_tokens"]),
        speculation=on,
        histogram=tuple(told["histogram"]) if on else (),
        step_lengths=tuple(told.get("step_lengths", ())) if on else (),
        at=at,
        finish_reason=_finish_reason(meta.get("finish_reason")),
        decode_s=_decode_s(meta),
    )


def _told_at_the_end(meta: dict[str, Any]) -> dict[str, Any]:
    """SGLang's own counts, in the form of our plug-in's."""
    histogram = meta.get("spec_correct_drafts_histogram") or ()
    return {"on": bool(meta.get("spec_verify_ct")), "histogram": histogram}


def _decode_s(meta: dict[str, Any]) -> float | None:
    whole, first = meta.get("e2e_latency"), meta.get("first_token_latency")
    return None if whole is None or first is None else float(whole) - float(first)


def _finish_reason(told: dict[str, Any] | None) -> str | None:
    """An abort that carries a status is the engine's refusal, not somebody's stop."""
    if told is None:
        return None
    if told["type"] == "abort" and told.get("status_code"):
        raise EngineError("engine_refused", reason=str(told.get("message", ""))[:300])
    return str(told["type"])
