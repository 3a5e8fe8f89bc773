"""ModelScope through its own client, ``modelscope_hub``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import requests
from modelscope_hub import HubApi, HubConfig
from modelscope_hub.errors import APIError, HubError

from chatapp.pairs.download.transfer import (
    ConnectionLost,
    Listing,
    RemoteFile,
    SourceError,
    Stream,
    begins_at,
    listed,
    status_error,
)

HUB = "https://www.modelscope.cn"
_REVISION = "master"


class _Anonymous(HubConfig):
    """Without the lasting identifier that the client would keep and send along."""

    def get_session_id(self) -> str:
        return "eaglechat"


class ModelScope:
    name = "ModelScope"

    def __init__(self, address: str = HUB) -> None:
        self.address = address.rstrip("/")
        self._api = HubApi(_Anonymous(endpoint=self.address))

    def listing(self, model: str) -> Listing:
        with self._in_words(model):
            entries = self._api.legacy.list_repo_files(model, "model", revision=_REVISION)
        try:
            files = listed(_file(entry) for entry in entries if entry.get("Type") != "tree")
        except (AttributeError, TypeError, ValueError) as error:
            raise SourceError("source_strange", source=self.name, status=error) from error
        return Listing(model, _REVISION, files)

    @contextmanager
    def open(self, listing: Listing, file: RemoteFile, begin: int) -> Iterator[Stream]:
        headers = {"Accept-Encoding": "identity"}
        if begin:
            headers["Range"] = f"bytes={begin}-"
        with self._in_words(listing.model):
            answer = self._request(listing, file, headers)
            with closing(answer):
                at = begins_at(begin, answer.status_code, answer.headers.get("Content-Range"))
                yield Stream(at, self._chunks(answer))

    def _request(
        self, listing: Listing, file: RemoteFile, headers: dict[str, str]
    ) -> requests.Response:
        legacy, what = self._api.legacy, (listing.model, "model", file.path, listing.revision)
        try:
            return legacy.download_stream(*what, headers=headers)
        except APIError as error:
            if error.status_code != 416:
                raise
            headers.pop("Range", None)  # nothing of it is left: begin again
            return legacy.download_stream(*what, headers=headers)

    def _chunks(self, answer: requests.Response) -> Iterator[bytes]:
        """Broken lines in our words here already: to ``requests`` they are OSErrors, and so
        is a full disk."""
        try:
            yield from answer.iter_content(1 << 18)
        except requests.RequestException as error:
            raise ConnectionLost("source_lost", source=self.name) from error

    @contextmanager
    def _in_words(self, model: str) -> Iterator[None]:
        try:
            yield
        except APIError as error:
            status = error.status_code or 0
            raise status_error(status, self.name, model, None) from error
        except (HubError, requests.RequestException) as error:
            raise ConnectionLost("source_unreachable", source=self.name) from error


def _file(entry: dict[str, Any]) -> RemoteFile:
    return RemoteFile(
        path=str(entry.get("Path") or entry.get("Name") or ""),
        size=int(entry.get("Size") or 0),
        sha256=entry.get("Sha256") or None,
    )
