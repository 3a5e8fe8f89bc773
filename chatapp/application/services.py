"""What the page needs from the other rooms, as it needs it."""

from __future__ import annotations

from dataclasses import dataclass

from chatapp.application.app_engine import AppEngine
from chatapp.application.experiments.experiments import Experiments
from chatapp.application.live_replies import LiveReplies
from chatapp.application.model_manager import ModelManager
from chatapp.application.monitor import Monitor
from chatapp.chat.store import Store


@dataclass(frozen=True, slots=True)
class Services:
    store: Store
    engine: AppEngine
    replies: LiveReplies
    monitor: Monitor
    lab: Experiments
    shelf: ModelManager | None = None
