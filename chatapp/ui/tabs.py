"""What each open tab shows. Nothing of it is kept: the store keeps what must last."""

from __future__ import annotations

from dataclasses import dataclass, field

from chatapp.application.latest import Reader
from chatapp.application.live_reply import ReplyState
from chatapp.domain import Message, SpeculationMode
from chatapp.texts import Texts
from chatapp.ui.experiments_page import ExperimentForms

WINDOW = 60


@dataclass(slots=True)
class Tab:
    """``conversation`` None: a new one that is written down with its first message, with
    ``speculation`` and ``mode`` as its toggle. ``window`` is how many messages are drawn,
    ``stepped`` the replies that are shown by verify steps,
    ``earlier`` what was said before the reply that is being written."""

    session: str
    texts: Texts
    conversation: int | None = None
    speculation: bool = True
    window: int = WINDOW
    switched: bool = False
    mode: SpeculationMode = SpeculationMode.ON
    stepped: set[int] = field(default_factory=set)
    bench: ExperimentForms | None = None
    earlier: list[Message] = field(default_factory=list)
    reader: Reader[ReplyState] | None = None

    def show(self, conversation: int | None) -> None:
        self.stop_following()
        self.conversation = conversation
        self.speculation = True
        self.window = WINDOW
        self.switched = False
        self.mode = SpeculationMode.ON
        self.stepped.clear()

    def stop_following(self) -> None:
        if self.reader is not None:
            self.reader.close()
            self.reader = None


class Tabs:
    def __init__(self) -> None:
        self._tabs: dict[str, Tab] = {}

    def open(self, session: str, texts: Texts) -> Tab:
        self.close(session)
        self._tabs[session] = Tab(session, texts)
        return self._tabs[session]

    def get(self, session: str, texts: Texts) -> Tab:
        """The tab of ``session``; a new one when the app was started anew under it."""
        return self._tabs.get(session) or self.open(session, texts)

    def close(self, session: str) -> None:
        if tab := self._tabs.pop(session, None):
            tab.stop_following()
            if tab.bench is not None:
                tab.bench.close()

    def show(self, conversation: int) -> bool:
        """Whether any tab shows ``conversation``."""
        return any(tab.conversation == conversation for tab in self._tabs.values())
