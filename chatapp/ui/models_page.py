"""What a person does in the Models pane, as calls of what manages the models."""

from __future__ import annotations

from chatapp.application.connection import Connection
from chatapp.application.model_manager import CARDS, DRAFTER_CHOICES, ModelManager
from chatapp.engine.planning.planner import AUTO
from chatapp.errors import ProductError
from chatapp.ui.payload import Payload


async def act(models: ModelManager, payload: Payload, connection: Connection | None = None) -> None:
    """Raises ProductError when it cannot be done."""
    value = payload.text("value")
    match payload.text("what"):
        case "download":
            models.download(value)
        case "pause":
            models.pause()
        case "resume":
            models.resume(value)
        case "cancel":
            models.cancel()
        case "use":
            await models.use(value)
        case "own":
            await models.use_own(value)
        case "preset":
            models.choose_preset(value)
        case "drafter":
            await models.choose_drafter(payload.one_of("value", DRAFTER_CHOICES, AUTO))
        case "source":
            models.choose_source(value)
        case "card":
            models.plan_for(payload.one_of("value", CARDS, None))
        case "connect" if connection is not None:
            await connection.connect(value, payload.text("also"))
        case "disconnect" if connection is not None:
            await connection.disconnect()
        case _:
            raise ProductError("page_failed")
