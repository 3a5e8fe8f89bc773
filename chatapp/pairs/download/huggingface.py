"""The Hugging Face hub, or a mirror of it, through ``huggingface_hub``.

Its own ``hf_hub_download`` throws a half fetched file away when it is interrupted, so the
listing, the addresses and the HTTP session are the library's, and resuming is ours. With a
mirror no byte goes elsewhere: a redirect away from it is refused, no token is sent to it,
and the Xet protocol, which has servers of its own, is not used.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx
from huggingface_hub import HfApi, hf_hub_url
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled
from huggingface_hub.utils import build_hf_headers, get_session

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

HUB = "https://huggingface.co"
_AGENT = {"user-agent": "eaglechat"}
_TIMEOUT = httpx.Timeout(30, connect=10)
_REDIRECTS = 6


class HuggingFace:
    """``address`` is the hub's or a mirror's."""

    def __init__(self, address: str = HUB) -> None:
        self.address = address.rstrip("/")
        self.mirror = self.address != HUB
        self.name = urlsplit(self.address).netloc if self.mirror else "Hugging Face"

    def listing(self, model: str) -> Listing:
        api = HfApi(endpoint=self.address, token=self._token, headers=_AGENT)
        try:
            info = api.model_info(model, files_metadata=True, timeout=15)
        except HfHubHTTPError as error:
            raise self._status(error.response, model) from error
        except HFValidationError as error:
            raise SourceError("source_no_model", source=self.name, model=model) from error
        except OfflineModeIsEnabled as error:
            raise SourceError("source_offline", source=self.name) from error
        except (httpx.HTTPError, OSError) as error:
            raise ConnectionLost("source_unreachable", source=self.name) from error
        except Exception as error:  # an answer that is not what the library expects
            raise SourceError("source_strange", source=self.name, status=type(error)) from error
        files = listed(_file(sibling) for sibling in info.siblings or ())
        return Listing(model, info.sha or "main", files)

    @contextmanager
    def open(self, listing: Listing, file: RemoteFile, begin: int) -> Iterator[Stream]:
        url = hf_hub_url(listing.model, file.path, revision=listing.revision, endpoint=self.address)
        headers = build_hf_headers(token=self._token) | _AGENT | {"Accept-Encoding": "identity"}
        if begin:
            headers["Range"] = f"bytes={begin}-"
        try:
            with ExitStack() as stack:
                answer = self._follow(stack, url, headers)
                if answer.status_code == 416:  # nothing of it is left: begin again
                    headers.pop("Range", None)
                    answer = self._follow(stack, url, headers)
                if answer.status_code >= 400:
                    raise self._status(answer, listing.model)
                at = begins_at(begin, answer.status_code, answer.headers.get("Content-Range"))
                yield Stream(at, answer.iter_bytes(1 << 18))
        except httpx.HTTPError as error:
            raise ConnectionLost("source_lost", source=self.name) from error

    def _follow(self, stack: ExitStack, url: str, headers: dict[str, str]) -> httpx.Response:
        for _ in range(_REDIRECTS):
            request = get_session().stream(
                "GET", url, headers=headers, follow_redirects=False, timeout=_TIMEOUT
            )
            answer = stack.enter_context(request)
            if not answer.is_redirect:
                return answer
            leads = urljoin(url, answer.headers.get("Location", ""))
            if urlsplit(leads).netloc != urlsplit(url).netloc:
                self._may_leave(leads)
                headers.pop("authorization", None)
            url = leads
        raise SourceError("source_strange", source=self.name, status=310)

    def _may_leave(self, url: str) -> None:
        """From a mirror only to a sister of it: files.mirror.example of mirror.example."""
        host = urlsplit(url).netloc
        if self.mirror and _site(host) != _site(urlsplit(self.address).netloc):
            raise SourceError("source_leaves_mirror", source=self.name, host=host)

    def _status(self, answer: httpx.Response, model: str) -> SourceError:
        waits = answer.headers.get("Retry-After")
        return status_error(answer.status_code, self.name, model, waits)

    @property
    def _token(self) -> bool | None:
        return False if self.mirror else None


def _file(sibling: Any) -> RemoteFile:
    lfs = sibling.lfs
    return RemoteFile(
        path=sibling.rfilename,
        size=int(sibling.size or 0),
        sha256=lfs.sha256 if lfs else None,
        blob_id=None if lfs else sibling.blob_id,
    )


def _site(host: str) -> str:
    """The registered name, roughly; a host with a port or of numbers stands for itself."""
    name, _, port = host.partition(":")
    parts = name.split(".")
    return host if port or parts[-1].isdigit() else ".".join(parts[-2:])
