"""Runs what takes long: one at a time, in a task of its own, for any number of tabs.

It goes on when its tab is closed; it ends when it is done, cancelled, or the app ends.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Generic, Literal, TypeVar

from chatapp.application.latest import Latest
from chatapp.errors import InputError, ProductError

Stage = Literal["waiting", "running", "finished", "cancelled", "failed"]
T = TypeVar("T")
Publish = Callable[[T], None]
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class State(Generic[T]):
    """An experiment as it is now; ``so_far`` is what it has, in the form of its kind."""

    stage: Stage
    so_far: T
    error: ProductError | None = None

    @property
    def ended(self) -> bool:
        return self.stage in ("finished", "cancelled", "failed")


@dataclass(slots=True)
class Experiment(Generic[T]):
    latest: Latest[State[T]]
    task: asyncio.Task[None]

    @property
    def running(self) -> bool:
        return not self.latest.value.ended


class Runner:
    """``changed`` is called when an experiment begins or ends."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._task: asyncio.Task[None] | None = None

    def start(self, work: Callable[[Publish[T]], Awaitable[object]], nothing: T) -> Experiment[T]:
        """``work`` publishes what it has. Raises InputError while another one runs."""
        if self._task is not None and not self._task.done():
            raise InputError("experiments_busy")
        latest: Latest[State[T]] = Latest(State("waiting", nothing))
        self._task = asyncio.create_task(self._run(latest, work))
        self._changed()
        return Experiment(latest, self._task)

    async def cancel(self) -> None:
        """Returns when the one that runs has ended, with what it has."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(
        self, latest: Latest[State[T]], work: Callable[[Publish[T]], Awaitable[object]]
    ) -> None:
        def publish(so_far: T) -> None:
            latest.put(replace(latest.value, stage="running", so_far=so_far))

        def end(stage: Stage, error: ProductError | None = None) -> None:
            latest.put(replace(latest.value, stage=stage, error=error))

        try:
            await work(publish)
            end("finished")
        except asyncio.CancelledError:
            end("cancelled")
        except ProductError as error:
            end("failed", error)
        except Exception:
            _log.exception("an experiment failed")
            end("failed", ProductError("page_failed"))
        finally:
            latest.close()
            self._changed()
