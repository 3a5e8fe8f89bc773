"""The command line, in the standard library alone: help works before an install.

``parse(argv)`` gives a namespace with ``command`` and what that command takes.
Options that were not given are absent, so that settings can tell; what follows
``test`` and ``train`` is passed on as it stands, in ``rest``.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any

from chatapp.domain import Tree
from chatapp.texts import LANGUAGES, Texts, system_language

_PASSED_ON = ("test", "train")
_TAKE_A_VALUE: tuple[str, ...] = ("--port", "--data-dir", "--device", "--pair", "--drafter")
_TAKE_A_VALUE += ("--preset", "--language", "--engine-url", "--engine-key-file", "--engine-arg")
_TAKE_A_VALUE += ("--password-file",)


def parse(argv: Sequence[str], language: str | None = None) -> argparse.Namespace:
    """Ends the process with 0 after help, with 2 and one clear line after wrong use."""
    words, rest = _take_rest(list(argv))
    engine_args, words = _take_engine_args(words)
    parser = build_parser(language)
    arguments = parser.parse_args(words)
    arguments.command = getattr(arguments, "command", None) or "run"
    arguments.rest = rest
    if engine_args:
        arguments.engine_args = engine_args
    if arguments.command == "ask" and (arguments.prompt is None) == (arguments.file is None):
        parser.error(Texts(language or system_language())("cli.one_of_prompt_and_file"))
    return arguments


def build_parser(language: str | None = None) -> argparse.ArgumentParser:
    """The parser of all sub-commands, its words in ``language`` or the terminal's."""
    texts = Texts(language or system_language())
    parser = _parser(argparse.ArgumentParser, texts, "about", prog="launcher.py")
    _common(parser, texts)
    _run(parser, texts)
    commands = parser.add_subparsers(dest="command", title=texts("cli.commands"), metavar="COMMAND")
    for name in COMMANDS:
        sub = _parser(commands.add_parser, texts, name, name=name, help=texts(f"cli.{name}"))
        _OPTIONS[name](sub, texts)
        if name not in _PASSED_ON:
            _common(sub, texts)
    return parser


def _parser(
    make: Callable[..., argparse.ArgumentParser], texts: Texts, about: str, **options: str
) -> argparse.ArgumentParser:
    parser = make(
        **options,
        description=texts(f"cli.{about}"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
        add_help=False,
    )
    _option(parser, texts, "--help", "-h", action="help")
    return parser


def _option(parser: argparse.ArgumentParser, texts: Texts, *names: str, **how: Any) -> None:
    """Adds one option or argument; its help stands under its name in the catalogue."""
    key = names[0].lstrip("-").replace("-", "_")
    parser.add_argument(*names, help=texts(f"cli.options.{key}"), **how)


def _common(parser: argparse.ArgumentParser, texts: Texts) -> None:
    _option(parser, texts, "--port", type=int, metavar="N")
    _option(parser, texts, "--data-dir", metavar="DIR")
    _option(parser, texts, "--device", choices=("auto", "cpu", "cuda"))
    _option(parser, texts, "--pair", metavar="NAME|TARGET_DIR[,DRAFT_DIR]")
    _option(parser, texts, "--drafter", choices=("auto", "eagle3", "ngram"))
    _option(parser, texts, "--preset", metavar="NAME")
    _option(parser, texts, "--engine-url", metavar="URL")
    _option(parser, texts, "--engine-key-file", metavar="FILE")
    _option(parser, texts, "--engine-arg", dest="engine_args", action="append", metavar="ARG")


def _run(parser: argparse.ArgumentParser, texts: Texts) -> None:
    _option(parser, texts, "--no-browser", dest="open_browser", action="store_false")
    _option(parser, texts, "--language", choices=("auto", *LANGUAGES))
    _option(parser, texts, "--password-file", metavar="FILE")


def _ask(parser: argparse.ArgumentParser, texts: Texts) -> None:
    _option(parser, texts, "prompt", nargs="?", default=None)
    _option(parser, texts, "--file", default=None, metavar="FILE")
    _option(parser, texts, "--speculation", choices=("on", "off"), default="on")
    parser.add_argument(
        "--language",
        dest="reply_language",
        choices=("auto", *LANGUAGES),
        default="auto",
        help=texts("cli.options.reply_language"),
    )
    _option(
        parser, texts, "--temperature", type=_number(float, 0.0, 100.0), default=0.0, metavar="T"
    )
    _option(parser, texts, "--top-p", type=_number(float, 1e-6, 1.0), default=1.0, metavar="P")
    _option(parser, texts, "--top-k", type=_top_k, default=-1, metavar="K")
    _option(parser, texts, "--min-p", type=_number(float, 0.0, 1.0), default=0.0, metavar="P")
    _option(parser, texts, "--max-tokens", type=_number(int, 1), default=None, metavar="N")
    _option(parser, texts, "--seed", type=int, default=None, metavar="N")
    _option(parser, texts, "--json", action="store_true", default=False)


def _pairs(parser: argparse.ArgumentParser, texts: Texts) -> None:
    choices = ("list", "check", "download")
    _option(parser, texts, "action", nargs="?", choices=choices, default="list")
    _option(parser, texts, "name", nargs="?", default=None, metavar="NAME")
    sources = ("auto", "mirror", "huggingface", "modelscope")
    _option(parser, texts, "--source", choices=sources, default="auto")
    _option(parser, texts, "--json", action="store_true", default=False)


def _plan(parser: argparse.ArgumentParser, texts: Texts) -> None:
    gigabytes = _number(float, 0.1, 10_000.0)
    _option(parser, texts, "--gpu-memory", type=gigabytes, default=None, metavar="GB")
    _option(parser, texts, "--context", type=_number(int, 1), default=None, metavar="TOKENS")
    _option(parser, texts, "--json", action="store_true", default=False)


def _bench(parser: argparse.ArgumentParser, texts: Texts) -> None:
    _option(parser, texts, "what", choices=("switch", "mt-bench", "tune"))
    _option(parser, texts, "--json", action="store_true", default=False)
    _option(parser, texts, "--rounds", type=_number(int, 1), metavar="N")
    _option(parser, texts, "--max-tokens", type=_number(int, 1), metavar="N")
    _option(parser, texts, "--tree", metavar="S/K/T")
    _option(parser, texts, "--questions", nargs="+", action="extend", metavar="FILE")
    _option(parser, texts, "--parallel", type=_numbers, metavar="N,N")
    _option(parser, texts, "--baseline", choices=("off", "plain"))
    _option(parser, texts, "--limit", type=_number(int, 1), metavar="N")
    _option(parser, texts, "--temperature", type=_number(float, 0.0, 100.0), metavar="T")
    _option(parser, texts, "--seed", type=int, metavar="N")
    _option(parser, texts, "--repeats", type=_number(int, 1), metavar="N")
    _option(parser, texts, "--report", metavar="FILE")
    _option(parser, texts, "--trees", type=_trees, metavar="S/K/T,S/K/T")
    _option(parser, texts, "--apply", action="store_true")


def _doctor(parser: argparse.ArgumentParser, texts: Texts) -> None:
    _option(parser, texts, "--json", action="store_true", default=False)


def _kernels(parser: argparse.ArgumentParser, texts: Texts) -> None:
    choices, words = ("list", "build"), texts("cli.options.kernels_action")
    parser.add_argument("action", nargs="?", choices=choices, default="list", help=words)
    _option(parser, texts, "--arch", type=_arch, default=None, metavar="8.9")
    _option(parser, texts, "--json", action="store_true", default=False)


def _chats(parser: argparse.ArgumentParser, texts: Texts) -> None:
    choices, words = ("list", "search", "export", "import"), texts("cli.options.chats_action")
    parser.add_argument("action", nargs="?", choices=choices, default="list", help=words)
    parser.add_argument(
        "what", nargs="?", default=None, metavar="TEXT|FILE", help=texts("cli.options.chats_what")
    )
    _option(parser, texts, "--json", action="store_true", default=False)


def _test(parser: argparse.ArgumentParser, texts: Texts) -> None:
    _option(parser, texts, "pytest", nargs="*", metavar="…")


def _check(parser: argparse.ArgumentParser, texts: Texts) -> None:
    """It takes nothing: all gates, always."""


def _train(parser: argparse.ArgumentParser, texts: Texts) -> None:
    _option(parser, texts, "training", nargs="*", metavar="pocket|check …")


_OPTIONS: dict[str, Callable[[argparse.ArgumentParser, Texts], None]] = {
    "run": _run,
    "ask": _ask,
    "chats": _chats,
    "pairs": _pairs,
    "plan": _plan,
    "test": _test,
    "check": _check,
    "bench": _bench,
    "doctor": _doctor,
    "kernels": _kernels,
    "train": _train,
}
COMMANDS = tuple(_OPTIONS)


def _number(
    kind: type[int] | type[float], low: float, high: float | None = None
) -> Callable[[str], float]:
    """An argparse type: a number of ``kind`` in a range."""

    def read(text: str) -> float:
        value = kind(text)
        if not value >= low or (high is not None and value > high):
            raise argparse.ArgumentTypeError(f"{low} … {'' if high is None else high}: {text}")
        return value

    read.__name__ = kind.__name__
    return read


def _top_k(text: str) -> int:
    """An argparse type: -1 for all, else one or more."""
    return -1 if text == "-1" else int(_number(int, 1)(text))


_top_k.__name__ = "int"  # argparse shows it


def _arch(text: str) -> str:
    """An argparse type: a compute capability such as ``8.9``."""
    major, minor = text.split(".")
    return f"{int(major)}.{int(minor)}"


def _numbers(text: str) -> tuple[int, ...]:
    """An argparse type: ``1,4``."""
    numbers = tuple(int(part) for part in text.split(","))
    if min(numbers) < 1 or len(set(numbers)) < len(numbers):
        raise argparse.ArgumentTypeError(f"1 …: {text}")
    return numbers


def _trees(text: str) -> tuple[Tree, ...]:
    """An argparse type: ``3/1/4,5/4/16``."""
    return tuple(Tree.parse(part) for part in text.split(","))


def _take_engine_args(argv: list[str]) -> tuple[list[str], list[str]]:
    """Lets ``--engine-arg --flag`` be written without ``=``, before or after the command."""
    taken: list[str] = []
    left: list[str] = []
    words = iter(argv)
    for word in words:
        if word == "--":
            left += [word, *words]
        elif word.startswith("--engine-arg="):
            taken.append(word.partition("=")[2])
        elif word == "--engine-arg" and (value := next(words, None)) is not None:
            taken.append(value)
        else:
            left.append(word)
    return taken, left


def _take_rest(argv: list[str]) -> tuple[list[str], list[str]]:
    """Splits behind ``test`` or ``train``, unless it is the value of an option or help."""
    words = iter(range(len(argv)))
    for at in words:
        if argv[at] in _TAKE_A_VALUE:
            next(words, None)
        elif not argv[at].startswith("-"):
            passed_on = argv[at] in _PASSED_ON and argv[at + 1 : at + 2] not in (["-h"], ["--help"])
            return (argv[: at + 1], argv[at + 1 :]) if passed_on else (argv, [])
    return argv, []
