"""The engine's key is in no command line; SGLang finds it where it is."""

from __future__ import annotations

import argparse
from pathlib import Path

from sglang.srt.server_args import ServerArgs
from sglang.srt.utils.server_args_config_parser import ConfigArgumentMerger

from chatapp.domain import Pair, Tree
from chatapp.engine.command import engine_command
from chatapp.engine.process.key_file import with_key_file

PAIR = Pair("toy", Path("/t"), Path("/d"), Tree(3, 1, 4), "float32", 512)


def read(command: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    ServerArgs.add_cli_args(parser)
    return parser.parse_args(ConfigArgumentMerger(parser).merge_config_with_args(command[3:]))


def test_the_key_stands_in_a_private_file_that_sglang_reads(tmp_path: Path) -> None:
    path = tmp_path / "new" / "engine.yaml"
    command = with_key_file(engine_command(PAIR, "cpu", 31000, "the key"), path)
    assert "the key" not in " ".join(command)
    assert path.stat().st_mode & 0o777 == 0o600
    arguments = read(command)
    assert (arguments.api_key, arguments.port) == ("the key", 31000)


def test_a_configuration_of_the_person_goes_along(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("max-queued-requests: 7")
    command = engine_command(PAIR, "cpu", 31000, "the key", extra=["--config", str(own)])
    arguments = read(with_key_file(command, tmp_path / "engine.yaml"))
    assert (arguments.api_key, arguments.max_queued_requests) == ("the key", 7)
    assert own.read_text() == "max-queued-requests: 7"
