"""What a page shows of the store is read once, by few reads, and follows every change."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chatapp.chat.evidence_reader import EvidenceReader
from chatapp.chat.snapshot import Snapshots
from chatapp.chat.store import Store
from chatapp.domain import MessageState, ReplyMetrics
from tests.shown import Shown
from tests.unit.test_page import Rig

METRICS = ReplyMetrics(True, 10, 30, 4, 9, 20, (1, 2, 6), 3.2, 55.5, 0.1, 0.9, (3, 3, 4))


@contextmanager
def statements(store: Store) -> Iterator[list[str]]:
    """All the SQL that the store runs meanwhile."""
    seen: list[str] = []
    with store.write() as db:
        db.set_trace_callback(seen.append)
    seen.clear()
    yield seen
    db.set_trace_callback(None)


def answered(store: Store, conversation: int, text: str) -> None:
    _, reply = store.add_turn(conversation, text, "en")
    store.update_message(
        reply.id, text="So.", state=MessageState.FINISHED, language="en", figures=METRICS
    )


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    made = Rig(tmp_path)
    for title in ("one", "two"):
        conversation = made.store.create_conversation(title)
        for n in range(3):
            answered(made.store, conversation.id, f"{title} {n}")
    return made


async def test_a_conversation_is_opened_with_three_reads(rig: Rig) -> None:
    await rig.do("hello")
    with statements(rig.store) as seen:
        [view] = await rig.do("open", id=2)
    assert len(seen) == 3 and all(sql.lstrip()[:6] in ("SELECT", "WITH n") for sql in seen), seen
    assert "two 2" in view["transcript"] and view["hub"]["title"] == "two"
    assert [row.says for row in Shown(view["rail"]).all("listitem")] == ["two", "one"]


async def test_the_first_look_after_a_reply_takes_three_reads_too(rig: Rig) -> None:
    await rig.do("hello", conversation=1)
    answered(rig.store, 1, "one more")
    with statements(rig.store) as seen:
        [view] = await rig.do("open", id=1)
    assert len(seen) == 3
    assert "one more" in view["transcript"]


def test_the_evidence_is_made_anew_only_when_it_has_changed(tmp_path: Path) -> None:
    store = Store(tmp_path / "chats.sqlite3")
    conversation = store.create_conversation("").id
    reader = EvidenceReader(store)
    answered(store, conversation, "hello")
    first = reader.read()
    assert first.averages.all.replies == 1
    store.rename(conversation, "another name")
    store.add_turn(conversation, "not answered yet", "en")
    again = reader.read()
    assert again.averages == first.averages
    assert reader.read() is again
    with Store(store.path).write() as other:  # another app does the same
        other.execute("DELETE FROM message WHERE figures IS NOT NULL")
    assert reader.read().averages.all.replies == 0


def test_a_conversation_that_is_gone_has_no_messages(tmp_path: Path) -> None:
    store = Store(tmp_path / "chats.sqlite3")
    kept, gone = store.create_conversation("kept"), store.create_conversation("gone")
    store.delete_conversation(gone.id)
    snapshot = Snapshots(store, EvidenceReader(store)).take(gone.id)
    assert (snapshot.conversation, snapshot.messages) == (None, ())
    assert snapshot.conversations == (kept,)
