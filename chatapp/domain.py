"""The nouns that all rooms share, as frozen data. Imports nothing of ours.

Words: the *target* is the big model, the *draft* the EAGLE-3 head, a *pair* both; a
*drafter* is the way to guess tokens, with a draft (EAGLE3) or without one (NGRAM).
A *verify step* is one forward pass of the target over the draft *tree*; its
*accept length* is the number of tokens it gained, the bonus token included.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Literal, Protocol

TEXT_LANGUAGES = ("zh", "en")  # of prompts and replies, told apart; a text may be ``mixed``


@dataclass(frozen=True, slots=True)
class Tree:
    """Shape of the draft tree: ``steps/topk/draft_tokens``, such as 5/4/16."""

    steps: int
    topk: int
    draft_tokens: int

    @classmethod
    def parse(cls, text: str) -> Tree:
        """``"5/4/16"`` → Tree. Raises ValueError when it is no tree."""
        parts = text.split("/")
        if len(parts) != 3:
            raise ValueError(f"a tree is written steps/topk/draft_tokens, not {text!r}")
        return cls(*(int(part) for part in parts))

    def __post_init__(self) -> None:
        if min(self.steps, self.topk) < 1 or self.draft_tokens < 2:
            raise ValueError(f"no such tree: {self}")
        if self.topk == 1 and self.draft_tokens != self.steps + 1:
            wanted = self.steps + 1
            raise ValueError(f"a chain of {self.steps} steps verifies {wanted} tokens: {self}")

    @property
    def reserved_tokens(self) -> int:
        """Tokens of the context that the engine keeps free for the tree of each request."""
        return max(self.topk * self.steps, self.draft_tokens)

    def __str__(self) -> str:
        return f"{self.steps}/{self.topk}/{self.draft_tokens}"


@dataclass(frozen=True, slots=True)
class Pair:
    """A target with its draft, as folders on disk, and how they run best. ``drafter`` is
    SGLang's name of it; ``draft`` is None for one that has no weights.

    ``arguments``: how the engine is set up for it on this machine's GPU, in SGLang's
    own words; empty: as published.
    """

    name: str
    target: Path
    draft: Path | None
    tree: Tree
    dtype: str
    context_length: int
    drafter: str = "EAGLE3"
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is chosen. Temperature 0 is greedy; ``top_k`` -1 means all."""

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = -1
    min_p: float = 0.0
    max_tokens: int = 1024
    seed: int | None = None
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Chunk:
    """One event of a reply's stream, as the engine sent it: the whole reply so far.

    ``histogram[i]`` is the number of verify steps that accepted ``i`` draft tokens, so that
    they gained ``i + 1`` each; ``step_lengths`` are what they gained, in order. Both are empty
    with ``speculation`` off, and where the engine does not tell them. ``at`` is in seconds
    since the request was sent. On the last chunk only: ``finish_reason`` (``stop``,
    ``length`` or ``abort``), and ``decode_s``, the seconds from the first token to the last
    by the engine's own clock, where it tells them.
    """

    text: str
    token_ids: tuple[int, ...]
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    speculation: bool
    histogram: tuple[int, ...]
    step_lengths: tuple[int, ...]
    at: float
    finish_reason: str | None = None
    decode_s: float | None = None


class Role(StrEnum):
    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"


class Prompt(Protocol):
    """How the engine's target wants a conversation written. May wait for an answer, so it
    belongs in a thread; raises PairError, or EngineError where the engine does not answer."""

    @property
    def context_length(self) -> int:
        """Tokens that prompt and reply may have together."""

    def encode(self, messages: Sequence[tuple[Role, str]]) -> list[int]:
        """The prompt's token ids, up to where the reply begins."""

    def decode(self, ids: Sequence[int], skip_special_tokens: bool = True) -> str:
        """The text of token ids."""

    def count(self, text: str) -> int:
        """Tokens of a plain text."""


@dataclass(frozen=True, slots=True)
class ReplyMetrics:
    """What was measured of one reply, or of what there is of it so far. Every field follows
    from the record of its stream, by the formulas of ``measure/reply/metrics.py``.

    ``tokens_per_second`` is the decode speed, ``ttft_s`` the time to the first token,
    ``duration_s`` that to the last, ``verify_step_s`` the time of a verify step; None where
    it cannot be told, as of a reply from before that was measured.
    ``accept_histogram[i]`` is the number of verify steps that accepted ``i`` draft tokens,
    ``step_lengths`` the accept length of every one in order. With
    ``simulated_accept_length`` the engine accepted that much whatever the draft said.
    """

    speculation: bool
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    verify_steps: int
    accepted_drafts: int
    accept_histogram: tuple[int, ...]
    accept_length: float | None
    tokens_per_second: float | None
    ttft_s: float | None
    duration_s: float
    step_lengths: tuple[int, ...] = ()
    simulated_accept_length: float | None = None
    verify_step_s: float | None = None


class SpeculationMode(StrEnum):
    """A conversation's toggle. AUTO follows what was measured on this machine."""

    ON = "on"
    OFF = "off"
    AUTO = "auto"


@dataclass(frozen=True, slots=True)
class AutoChoice:
    """What *auto* chose for one reply, and the verdict behind it: its ``state``
    (``faster``, ``slower``, ``even``, ``unknown``) and the speed-up measured, if any."""

    speculation: bool
    state: str
    speedup: float | None = None


class MessageState(StrEnum):
    """Where a message stands. WAITING: written, the engine has not begun."""

    WAITING = "waiting"
    STREAMING = "streaming"
    FINISHED = "finished"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation. ``created`` is in seconds since the epoch;
    ``error`` is an error key (``errors.py``), filled with ``error_values``."""

    id: int
    conversation_id: int
    role: Role
    text: str
    state: MessageState
    created: float
    language: str | None = None
    figures: ReplyMetrics | None = None
    finish_reason: str | None = None
    error: str | None = None
    error_values: dict[str, str] = field(default_factory=dict)
    kind: str | None = None
    choice: AutoChoice | None = None


@dataclass(frozen=True, slots=True)
class Conversation:
    """One conversation; ``mode`` is its toggle, ``speculation`` whether the next reply is
    written with it (with AUTO: what the last one chose). Times in epoch seconds."""

    id: int
    title: str
    speculation: bool
    created: float
    updated: float
    mode: SpeculationMode = SpeculationMode.ON


class EngineState(StrEnum):
    """STARTING until a generation has succeeded; FAILED when it died unasked."""

    STOPPED = "stopped"
    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class PhaseProgress:
    """How far a phase is: ``done`` of ``total`` bytes or modules. ``seconds_left`` is None
    while too little is known of its speed."""

    done: int
    total: int
    unit: Literal["bytes", "modules"]
    seconds_left: float | None = None


@dataclass(frozen=True, slots=True)
class Phase:
    """One step of the engine's start: ``kernels`` (with a GPU), ``process``, ``weights``,
    ``draft``, ``kv_cache``, ``graphs``, ``ready``. ``at`` in seconds since the start; None:
    not reached. ``progress``: how far it is, where that can be told."""

    name: str
    at: float | None = None
    progress: PhaseProgress | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that has happened to the connection; ``key`` names its words. ``at`` in
    epoch seconds."""

    key: str
    at: float
    values: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What an engine that somebody else runs tells of itself; empty where it does not.

    ``secure``: nobody on the way to ``host`` can read along. ``machine``: its accelerator,
    ``version``: that of SGLang. ``counts``: every chunk tells its verify steps. ``notice``
    is the last thing that happened to the connection.
    """

    host: str
    secure: bool = False
    machine: str = ""
    version: str = ""
    context_length: int = 0
    counts: bool = True
    notice: Notice | None = None


@dataclass(frozen=True, slots=True)
class Caution:
    """A more careful way to run the engine, by its name in ``engine/planning/careful``.
    ``values`` fill the sentence that says what it costs (``careful.<name>.cost``)."""

    name: str
    values: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """What is known of the engine at this moment.

    ``switch`` tells whether speculation can be switched per request; when it cannot,
    ``switch_reason`` is the catalogue key that says why. ``failure`` is an error key with
    its values (``errors.py``): of what ended it, and while it is STARTING of what made it be
    started again by itself. ``log_tail`` is the end of its log. ``careful`` names the
    cautions it runs with, ``offers`` are those that may help one that broke again.
    ``drafter`` is SGLang's name of it. ``elsewhere`` is set where somebody else runs it.
    """

    state: EngineState
    pair_name: str
    tree: Tree | None = None
    drafter: str | None = None
    dtype: str = ""
    device: str = "cpu"
    address: str = ""
    pid: int | None = None
    timeline: tuple[Phase, ...] = ()
    elapsed_s: float = 0.0
    switch: bool = True
    switch_reason: str | None = None
    simulated_accept_length: float | None = None
    failure: str | None = None
    failure_values: dict[str, str] = field(default_factory=dict)
    log_tail: tuple[str, ...] = ()
    careful: tuple[str, ...] = ()
    offers: tuple[Caution, ...] = ()
    elsewhere: Elsewhere | None = None


@dataclass(frozen=True, slots=True)
class ProcessMemory:
    """Resident memory of one process, in bytes."""

    name: str
    pid: int
    resident_bytes: int


@dataclass(frozen=True, slots=True)
class GpuProcess:
    """A process that holds video memory. ``bytes`` is None where the driver does not tell,
    ``name`` empty where the system does not, as of other people's processes."""

    pid: int
    bytes: int | None
    name: str = ""


@dataclass(frozen=True, slots=True)
class GpuSample:
    """One GPU now. Bytes, °C, watts, percent; None where the driver does not tell.

    ``index`` is that of ``nvidia-smi``, in the order of the PCI bus. ``used_bytes`` is what
    processes hold; the driver keeps ``reserved_bytes`` for itself, which nobody else gets.
    ``others`` are the processes that are not the engine's, the largest first.
    """

    name: str
    used_bytes: int
    total_bytes: int
    engine_bytes: int | None
    utilisation_percent: int | None
    temperature_c: int | None
    power_w: float | None
    reserved_bytes: int = 0
    index: int = 0
    uuid: str = ""
    others: tuple[GpuProcess, ...] = ()

    @property
    def free_bytes(self) -> int:
        return max(0, self.total_bytes - self.used_bytes - self.reserved_bytes)


@dataclass(frozen=True, slots=True)
class MemorySample:
    """The machine now. ``at`` in epoch seconds; ``gpu`` is the card that the engine runs
    on, None where there is none or it does not answer, which ``gpu_note`` says;
    ``gpu_lost``: it did answer before."""

    at: float
    total_bytes: int
    available_bytes: int
    app_bytes: int
    engine: tuple[ProcessMemory, ...] = ()
    gpu: GpuSample | None = None
    gpu_note: str | None = None
    gpu_lost: bool = False


@dataclass(frozen=True, slots=True)
class Card:
    """One GPU as the memory plan sees it. ``others_bytes``: what processes other than the
    engine hold now; ``capability`` as NVIDIA counts, such as (8, 9); ``driver_bytes``: what
    the driver keeps of it for itself, None where it is not told."""

    bytes: int
    others_bytes: int = 0
    capability: tuple[int, int] | None = None
    driver_bytes: int | None = None
