"""The real scheduler on the pretended card, over every path that a person will take.

Speculation on, off and mixed; greedy and sampled with every filter; a prefix that is in
the cache, in both namespaces; a prompt longer than one chunk.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Sequence
from typing import Any

SAMPLED: dict[str, float] = {"temperature": 0.7, "top_p": 0.8, "top_k": 20}
MIN_P: dict[str, float] = {**SAMPLED, "min_p": 0.05}
GREEDY: dict[str, float] = {"temperature": 0.0}
FIRST, SECOND, THIRD = (tuple(range(at, at + 50)) for at in (10, 110, 210))
NEW_TOKENS = 6
_MOST_STEPS = 400

# What is sent together: prompt, speculation, settings.
PATHS: tuple[tuple[tuple[tuple[int, ...], bool, dict[str, float]], ...], ...] = (
    ((FIRST, True, GREEDY),),
    ((FIRST, False, GREEDY),),
    ((FIRST + SECOND, True, SAMPLED),),
    ((FIRST + SECOND, False, SAMPLED),),
    ((THIRD, True, MIN_P), (THIRD, False, MIN_P)),
    ((FIRST + THIRD, True, GREEDY), (FIRST + THIRD, False, {"temperature": 0.7})),
    ((SECOND, True, {"temperature": 0.7, "top_p": 0.9}), (SECOND, False, GREEDY)),
    ((SECOND + THIRD, True, {"temperature": 0.7, "top_k": 20}), (THIRD + FIRST, True, SAMPLED)),
)


def rehearse(arguments: Sequence[str]) -> None:
    """Runs the scheduler with SGLang's ``arguments`` until all paths are done. Raises
    whatever SGLang raises."""
    os.environ.update(SGLANG_PLUGINS="eaglechat", TORCHDYNAMO_DISABLE="1")
    from sglang.srt.server_args import PortArgs, prepare_server_args

    server = prepare_server_args(list(arguments))
    from sglang.srt.managers import scheduler as module
    from sglang.srt.model_loader import loader
    from sglang.srt.plugins import load_plugins

    load_plugins()
    loader.initialize_dummy_weights = lambda *args, **kwargs: None
    ranks = module.SpawnRanks(world_rank=0, dp_rank=None, gpu_id=0)
    module.publish(server, role="scheduler", ranks=ranks)
    scheduler = module.Scheduler(server, PortArgs.init_new(server))
    _send(scheduler, [[_request(*one) for one in path] for path in PATHS])
    scheduler.run_event_loop()


def _send(scheduler: Any, script: list[list[Any]]) -> None:
    """The next requests arrive whenever those before them are done; then it is told to end."""
    steps = iter(range(_MOST_STEPS))

    def receive(receiver: Any, local_reqs: Any = None) -> list[Any]:
        running = scheduler.running_batch.reqs or scheduler.waiting_queue
        if next(steps, None) is None:
            raise RuntimeError("the rehearsal does not come to an end")
        if running or scheduler.last_batch is not None:
            return []
        if not script:
            scheduler.gracefully_exit = True
            return []
        return script.pop(0)

    type(scheduler.request_receiver).recv_requests = receive


def _request(prompt: tuple[int, ...], speculation: bool, settings: dict[str, float]) -> Any:
    from sglang.srt.managers.io_struct import TokenizedGenerateReqInput
    from sglang.srt.sampling.sampling_params import SamplingParams

    params = SamplingParams(
        max_new_tokens=NEW_TOKENS,
        ignore_eos=True,
        custom_params={"speculation": speculation},
        **settings,
    )
    params.normalize(None)
    return TokenizedGenerateReqInput(
        rid=f"{id(params)}",
        input_text="",
        input_ids=array("q", prompt),
        input_embeds=None,
        mm_inputs=None,
        token_type_ids=None,
        sampling_params=params,
        return_logprob=False,
        logprob_start_len=0,
        top_logprobs_num=0,
        token_ids_logprob=None,
        stream=True,
    )
