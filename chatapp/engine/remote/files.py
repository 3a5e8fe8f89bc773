"""How the target of an engine elsewhere wants a conversation written: by its files where the
same are here, which spares the way, else by asking."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import httpx

from chatapp.domain import Prompt, Role
from chatapp.engine.prompt import ChatPrompt
from chatapp.engine.remote.address import Address
from chatapp.engine.remote.capabilities import Capabilities
from chatapp.engine.remote.gateway import prompt_tokens
from chatapp.engine.remote.remote_client import connection
from chatapp.engine.remote.remote_prompt import RemotePrompt
from chatapp.errors import EngineError, PairError
from chatapp.pairs.files.folders import ModelFolders

# Whatever two tokenizers or templates do differently should show in one of these.
_TRIAL = (
    (Role.USER, "Größe 3.14, 你好，鹰聊！ 🦅\n\tdef f(x): return x**2  # 12345"),
    (Role.ASSISTANT, "  42。"),
    (Role.USER, "繁體字、ひらがな、 naïve?"),
)


def prompt_of(places: Sequence[Address], found: Capabilities, data_dir: Path) -> Prompt:
    """``places``: the engine, or those of a gateway that are alike. Raises EngineError or
    PairError when none can be asked how it writes."""
    clients = [httpx.Client(**connection(place)) for place in places]
    asked = RemotePrompt(clients, found.usable_context)
    here = _here(found, ModelFolders(data_dir))
    if here is None or not _alike(here, asked, clients[0], found.model):
        return asked
    for client in clients:
        client.close()
    return here


def _alike(here: ChatPrompt, asked: RemotePrompt, client: httpx.Client, model: str) -> bool:
    ids = here.encode(_TRIAL)
    try:
        return asked.encode(_TRIAL) == ids
    except EngineError:  # a gateway, whose engines cannot be reached from here
        return prompt_tokens(client, model, _TRIAL) == len(ids)


def _here(found: Capabilities, models: ModelFolders) -> ChatPrompt | None:
    folder = _folder(found.model_path, models)
    try:
        return ChatPrompt(folder, found.usable_context) if folder else None
    except PairError:
        return None


def _folder(model_path: str, models: ModelFolders) -> Path | None:
    """A folder that the engine names may by chance be here too, a model downloaded."""
    if not model_path:
        return None
    folder = Path(model_path)
    return folder if (folder / "tokenizer.json").is_file() else models.find(model_path)
