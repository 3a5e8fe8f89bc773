"""Where models come from, in which order, and which of the sources answers.

``HF_ENDPOINT``, where it is set, is the only one: whoever names a mirror wants no other.
Else the hub comes first and ModelScope second.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from chatapp.errors import UsageError
from chatapp.pairs.download.transfer import DownloadSource, Listing, SourceError

NAMES = ("auto", "mirror", "huggingface", "modelscope")


def sources(
    chosen: str = "auto", environment: Mapping[str, str] = os.environ
) -> list[DownloadSource]:
    """In the order in which they are asked. The client libraries are imported here only."""
    from chatapp.pairs.download.huggingface import HUB, HuggingFace

    mirror = environment.get("HF_ENDPOINT", "").strip()
    if chosen == "mirror" and not mirror:
        raise UsageError("source_without_mirror")
    if chosen == "modelscope" or (chosen == "auto" and not mirror):
        from chatapp.pairs.download import modelscope

        endpoint = environment.get("MODELSCOPE_ENDPOINT", "").strip() or modelscope.HUB
        second: list[DownloadSource] = [modelscope.ModelScope(endpoint)]
        return second if chosen == "modelscope" else [HuggingFace(), *second]
    return [HuggingFace(HUB if chosen == "huggingface" else mirror)]


def first_that_has(model: str, asked: list[DownloadSource]) -> tuple[DownloadSource, Listing]:
    """The first source that answers and has ``model``. Raises the last SourceError."""
    refusal: SourceError | None = None
    for source in asked:
        try:
            listing = source.listing(model)
        except SourceError as error:
            refusal = error
            continue
        if listing.files:
            return source, listing
        refusal = SourceError("source_no_model", source=source.name, model=model)
    raise refusal or SourceError("source_no_model", source="?", model=model)
