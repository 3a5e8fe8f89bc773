"""One validated, frozen settings object that knows where each value came from.

A flag beats the environment (``EAGLECHAT_PORT`` …), the environment beats the file
(``locations.settings_file()``), the file beats the default. A value that cannot be
used is a UsageError that names the setting and its source.
"""

from __future__ import annotations

import shlex
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, PrivateAttr, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from chatapp import locations
from chatapp.errors import UsageError
from chatapp.texts import LANGUAGES

Source = Literal["flag", "environment", "file", "default"]


class Settings(BaseSettings):
    """What the person chose. Build it with ``Settings.load(**flags)``."""

    model_config = SettingsConfigDict(
        env_prefix="EAGLECHAT_", env_ignore_empty=True, frozen=True, extra="forbid"
    )

    data_dir: Path = Field(default_factory=locations.default_data_dir)
    port: int | None = Field(default=None, ge=1, le=65535)
    open_browser: bool = True
    device: Literal["auto", "cpu", "cuda"] = "auto"
    pair: str = Field(default="auto", min_length=1)
    preset: str = Field(default="auto", min_length=1)
    drafter: Literal["auto", "eagle3", "ngram"] = "auto"
    engine_args: Annotated[tuple[str, ...], NoDecode] = ()
    engine_url: str | None = None
    engine_key: SecretStr | None = None
    engine_key_file: Path | None = None
    password_file: Path | None = None
    language: str = "auto"

    _sources: dict[str, Source] = PrivateAttr(default_factory=dict)

    @classmethod
    def load(cls, **flags: Any) -> Settings:
        """All layers merged; a flag that is None was not given."""
        given = {name: value for name, value in flags.items() if value is not None}
        try:
            layers = _layers(cls, given)
            settings = cls(**given)
        except ValidationError as error:
            raise _refusal(error, _sources(layers)) from None
        except tomllib.TOMLDecodeError as error:
            path = locations.settings_file()
            raise UsageError("settings_file", path=path, reason=error) from None
        settings._sources.update(_sources(layers))
        return settings

    def source(self, name: str) -> Source:
        """Which layer ``name`` came from."""
        if name not in type(self).model_fields:
            raise KeyError(name)
        return self._sources.get(name, "default")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, _file(settings_cls)

    @field_validator("engine_args", mode="before")
    @classmethod
    def _words(cls, value: object) -> object:
        """``"--a 1 --b"`` is three words; what does not begin with a dash is one."""
        if isinstance(value, str):
            return tuple(shlex.split(value))
        if isinstance(value, list | tuple):
            return tuple(word for item in value for word in _split(str(item)))
        return value

    @field_validator("engine_url", mode="after")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        return None if value is None else engine_address(value)

    @field_validator("language", mode="after")
    @classmethod
    def _known(cls, value: str) -> str:
        known = ("auto", *LANGUAGES)
        if value not in known:
            raise ValueError(f"{', '.join(known)}: {value}")
        return value

    @field_validator("data_dir", mode="after")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()


def engine_address(text: str) -> str:
    """``http://host:30000/v1/`` → ``http://host:30000``: the OpenAI one will do as well.
    Raises ValueError where it is no address, or has a key in it, which would be shown."""
    parts = urlsplit(text.strip())
    named = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    if not named or "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError("http://HOST:PORT or https://HOST:PORT")
    path = parts.path.rstrip("/").removesuffix("/v1")
    return f"{parts.scheme}://{parts.netloc}{path}"


def _split(item: str) -> list[str]:
    return shlex.split(item) if item.startswith("-") else [item]


def _file(cls: type[BaseSettings]) -> TomlConfigSettingsSource:
    return TomlConfigSettingsSource(cls, toml_file=locations.settings_file())


def _layers(cls: type[BaseSettings], flags: dict[str, Any]) -> dict[Source, dict[str, Any]]:
    return {"file": _file(cls)(), "environment": EnvSettingsSource(cls)(), "flag": flags}


def _sources(layers: dict[Source, dict[str, Any]]) -> dict[str, Source]:
    return {name: layer for layer, values in layers.items() for name in values}


def _refusal(error: ValidationError, sources: dict[str, Source]) -> UsageError:
    first = error.errors()[0]
    name = str(first["loc"][0]) if first["loc"] else "?"
    source = sources.get(name, "default")
    return UsageError(
        "setting", name=name, value=first["input"], reason=first["msg"], source=source
    )
