"""``run``: opens the page and keeps the engine behind it.

The order is what makes the page quick: claim the data, take the port, open the browser,
and only then import Gradio; the engine starts when the page has been drawn.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import threading
import webbrowser
from argparse import Namespace
from collections.abc import Mapping
from typing import TYPE_CHECKING

from chatapp import locations
from chatapp.chat.choices import with_choices
from chatapp.devices import engine_device
from chatapp.domain import EngineStatus
from chatapp.engine.remote.address import Address
from chatapp.errors import UsageError
from chatapp.instance import AlreadyRunning, Claim, claim
from chatapp.pairs.catalogue import known_pairs
from chatapp.pairs.choice import meant_name, start_name
from chatapp.pairs.files.folders import ModelFolders
from chatapp.settings import Settings
from chatapp.texts import Texts, system_language
from chatapp.ui.server import port
from chatapp.ui.server.page_key import KEY, TICKET, PageKey, page_key
from chatapp.units import disk_gb

if TYPE_CHECKING:
    from chatapp.application.engine_manager import EngineManager

_PAGE_FIRST_S = 3.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main(arguments: Namespace, settings: Settings) -> int:
    settings, texts = with_choices(settings), Texts(system_language())
    held = claim(settings.data_dir)
    if isinstance(held, AlreadyRunning):
        return _already(held, settings, texts)
    try:
        return _run(held, settings, texts)
    finally:
        held.release()


def _run(held: Claim, settings: Settings, texts: Texts) -> int:
    logging.basicConfig(
        filename=locations.error_log(settings.data_dir),
        level=logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    listening = _listen(settings, texts)
    url, key = port.address(listening), page_key(settings)
    held.publish(url)
    print(texts("run.at", url=f"{url}?{KEY}={key.value}" if key.shown else url), flush=True)
    name_the_pair(settings, texts)
    open_browser(url, key, settings)
    asyncio.run(_serve(listening, settings, key))
    print(texts("run.ended"), flush=True)
    return 0


def name_the_pair(settings: Settings, texts: Texts) -> None:
    """On a card whose pair is not here yet: what it is and how much there is to fetch. Of an
    engine elsewhere: where."""
    if settings.engine_url is not None:
        print(texts("run.elsewhere", host=Address(settings.engine_url).host), flush=True)
        return
    if settings.pair != "auto" or engine_device(settings) == "cpu":
        return
    meant = meant_name(settings)
    if meant != start_name(settings, ModelFolders(settings.data_dir)):
        known = known_pairs()[meant]
        size, minutes = disk_gb(known.download_bytes), known.download_minutes
        values = {"name": meant, "title": known.title, "size": size, "minutes": minutes}
        print(texts("run.meant", **values), flush=True)


async def _serve(listening: socket.socket, settings: Settings, key: PageKey) -> None:
    from chatapp.application.services import open_services
    from chatapp.ui.server.serve import Server

    services = open_services(settings)
    engine = services.engine
    server = Server(services, settings, listening, key)
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, server.stop)
    starting = asyncio.create_task(_start_engine(server.page.greeted, engine))
    watching = asyncio.create_task(engine.watch(_tell))
    try:
        await server.run()
    finally:
        starting.cancel()
        watching.cancel()
        # Together: an experiment that ends must find that the engine is not to come back.
        await asyncio.gather(engine.end(), services.experiments.end())
        services.store.close()


def _tell(status: EngineStatus) -> None:
    """To the terminal: that the engine broke, and what becomes of it."""
    from chatapp.ui.panes.engine_box import told

    for line in told(Texts(system_language()), status):
        print(line, flush=True)


async def _start_engine(greeted: asyncio.Event, engine: EngineManager) -> None:
    """A page that is being drawn goes first; with none in sight the engine does not wait."""
    try:
        await asyncio.wait_for(greeted.wait(), _PAGE_FIRST_S)
    except TimeoutError:
        pass
    await engine.start()
    _tell_of_orphans(engine)


def _tell_of_orphans(engine: EngineManager) -> None:
    from chatapp.ui.panes.left_behind import sentence

    texts = Texts(system_language())
    for orphan in engine.orphans:
        print(sentence(texts, orphan), texts("orphan.on_page"), flush=True)


def _listen(settings: Settings, texts: Texts) -> socket.socket:
    try:
        listening = port.listen(settings.port)
    except OSError as error:
        raise UsageError("port_none", reason=error) from None
    wanted, got = settings.port or port.DEFAULT, listening.getsockname()[1]
    if wanted != got:
        print(texts("run.port_taken", wanted=wanted, got=got), flush=True)
    return listening


def _already(running: AlreadyRunning, settings: Settings, texts: Texts) -> int:
    if running.url is None:
        print(texts("run.already_starting"), flush=True)
        return 0
    print(texts("run.already", url=running.url), flush=True)
    open_browser(running.url, page_key(settings), settings)
    return 0


def open_browser(url: str, key: PageKey, settings: Settings) -> None:
    """In a thread: some desktops take their time. Not on a machine without a screen, where
    a browser in the terminal would open."""
    if settings.open_browser and has_screen(os.environ):
        threading.Thread(
            target=webbrowser.open, args=(f"{url}?{TICKET}={key.ticket()}",), daemon=True
        ).start()


def has_screen(environment: Mapping[str, str]) -> bool:
    return any(environment.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME"))
