"""How the target of an engine elsewhere wants a conversation written: by its files where the
same are here, which spares the way, else by asking."""

from __future__ import annotations

from pathlib import Path

import httpx

from chatapp.domain import Prompt, Role
from chatapp.engine.prompt import ChatPrompt
from chatapp.engine.remote.address import Address
from chatapp.engine.remote.capabilities import Capabilities
from chatapp.engine.remote.remote_client import connection
from chatapp.engine.remote.remote_prompt import RemotePrompt
from chatapp.errors import PairError
from chatapp.pairs.files.folders import ModelFolders

# Whatever two tokenizers or templates do differently should show in one of these.
_TRIAL = (
    (Role.SYSTEM, "Be brief."),
    (Role.USER, "Größe 3.14, 你好，鹰聊！ 🦅\n\tdef f(x): return x**2  # 12345"),
    (Role.ASSISTANT, "  42。"),
    (Role.USER, "繁體字、ひらがな、 naïve?"),
)


def prompt_of(address: Address, found: Capabilities, data_dir: Path) -> Prompt:
    """Raises EngineError or PairError when the engine cannot be asked how it writes."""
    client = httpx.Client(**connection(address))
    asked = RemotePrompt(client, found.usable_context)
    folder = _folder(found.model_path, ModelFolders(data_dir))
    if folder is None:
        return asked
    try:
        here = ChatPrompt(folder, found.usable_context)
    except PairError:
        return asked
    return here if here.encode(_TRIAL) == asked.encode(_TRIAL) else asked


def _folder(model_path: str, models: ModelFolders) -> Path | None:
    """A folder that the engine names may by chance be here too, a model downloaded."""
    if not model_path:
        return None
    folder = Path(model_path)
    return folder if (folder / "tokenizer.json").is_file() else models.find(model_path)
