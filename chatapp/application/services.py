"""What page and terminal need of the app, made and wired once."""

from __future__ import annotations

from dataclasses import dataclass

from chatapp import locations
from chatapp.application.connection import Connection
from chatapp.application.engine_manager import EngineManager
from chatapp.application.experiments.experiments import Experiments
from chatapp.application.live_replies import LiveReplies
from chatapp.application.model_manager import ModelManager
from chatapp.application.monitor import Monitor
from chatapp.chat.auto import Auto
from chatapp.chat.store import Store
from chatapp.measure.machine.sampler import MemorySampler
from chatapp.measure.machine.setting import setting_of
from chatapp.settings import Settings


@dataclass(frozen=True, slots=True)
class Services:
    store: Store
    engine: EngineManager
    replies: LiveReplies
    monitor: Monitor
    experiments: Experiments
    models: ModelManager | None = None
    connection: Connection | None = None


def open_services(settings: Settings) -> Services:
    """The store is opened; the engine is still to be started."""
    store, engine = Store(locations.store(settings.data_dir)), EngineManager(settings)
    auto = Auto(store, lambda: setting_of(engine.status(), settings.engine_args))
    replies = LiveReplies(store, engine, auto.choose)
    experiments = Experiments(store, engine, auto, settings)
    experiments.chatting = lambda: bool(replies.ids())
    of_a_card = None if settings.device == "cpu" else settings.engine_args
    own = store.preference("own_pair", "")
    return Services(
        store,
        engine,
        replies,
        Monitor(MemorySampler(engine.pids, of_a_card).sample, engine),
        experiments,
        ModelManager(settings, engine, store.set_preference, own),
        Connection(engine, store.set_preference),
    )
