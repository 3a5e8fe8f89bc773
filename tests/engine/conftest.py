"""Raw access to the session's engines, and a chain engine for the tests that need one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from chatapp.domain import Pair, Tree
from chatapp.engine.process.local_engine import LocalEngine
from tests.engine.raw import Raw


@pytest.fixture(scope="session")
def raw(engine: LocalEngine) -> Iterator[Raw]:
    with Raw(engine) as raw:
        yield raw


@pytest.fixture(scope="session")
def plain_raw(plain_engine: LocalEngine) -> Iterator[Raw]:
    with Raw(plain_engine) as raw:
        yield raw


@pytest.fixture(scope="module")
def chain_raw(pocket_pair: Pair, start_engine) -> Iterator[Raw]:
    """The pocket pair's own tree, which is a chain, and a context that is soon full."""
    with (
        start_engine(replace(pocket_pair, tree=Tree(7, 1, 8), context_length=704)) as engine,
        Raw(engine) as raw,
    ):
        yield raw
