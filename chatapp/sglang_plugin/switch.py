"""Speculation on or off for each request, in one engine.

A request says ``custom_params={"speculation": false}`` in its sampling parameters, or, through
a gateway that passes on only the fields it knows, ``extra_key="speculation=off"``. Here is
what all drafters share; what *off* needs of SGLang's worker stands with each of them
(``eagle3``, ``ngram``). In a *mixed* batch the requests with speculation on draft and verify
as ever; those with it off ride along and gain exactly one token a step, whatever was
drafted. A mixed batch costs what one with speculation costs.
"""

from __future__ import annotations

from typing import Any

NAMESPACE = "speculation=off"


def is_off(request: Any) -> bool:
    """Whether this request asks for no speculation: as it came in (its parameters a dict), as
    it is sent to the scheduler, or as it runs there."""
    told = request.sampling_params
    custom = told.get("custom_params") if isinstance(told, dict) else told.custom_params
    if isinstance(custom, dict) and custom.get("speculation") is False:
        return True
    return NAMESPACE in (getattr(request, "extra_key", None) or "")


def requests_off(batch: Any) -> list[bool]:
    return [is_off(request) for request in batch.reqs or ()]


# --- hooks -------------------------------------------------------------------------


def accept_no_draft(result: Any, verify_input: Any, batch: Any, *args: Any, **kwargs: Any) -> Any:
    """After ``eagle_sample``: in a mixed batch, requests with speculation off gain the
    token after the root alone. It is drawn from the target's distribution given the
    text so far whether or not a draft had guessed it, so cutting there loses nothing."""
    predict, accept_lens, accept_index = result
    if accept_index.dim() < 2 or accept_index.shape[1] < 2:
        return result
    for row, off in enumerate(requests_off(batch)):
        if off:  # a fill takes its value along: nothing is copied, nobody waits
            accept_lens[row].fill_(1)
            accept_index[row, 1:].fill_(-1)
    return result
