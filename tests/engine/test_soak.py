"""A soak of two: the engine, then the app, is killed while replies are being written."""

from __future__ import annotations

from pathlib import Path

from tests.soaking.kill import Soak


async def test_nothing_is_lost_when_engine_or_app_is_killed(data_dir: Path) -> None:
    soak = Soak(data_dir, seed=1)
    try:
        for number, kind in enumerate(("scheduler", "app")):
            record = await soak.kill(number, kind)
            assert record.clean and record.messages and record.shown, record
            assert record.again == {"scheduler": "by itself", "app": "started anew"}[kind]
    finally:
        soak.stop()
