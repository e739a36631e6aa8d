"""What commands share: the parser, progress, and options that several of them read. Imports no heavy package."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

from .. import __version__
from ..errors import InputError, check_range

if TYPE_CHECKING:
    import torch

    from ..jobs import Where

Facts = dict[str, Any]  # what --json prints of a command that is done; "failed": how many of its jobs failed, or which
Run = Callable[[argparse.Namespace], "Facts | None"]
Command = Callable[[str, Run, str], argparse.ArgumentParser]
Item = TypeVar("Item")

LARGEST = 2048  # pixels of a side; Frame Portrait's too
# What numbers may be, by the option's name, whichever commands have it. Those of sampling: `walk.settings.RANGES`.
RANGES = {
    "confidence": (0.0, 1.0),
    "fps": (0.1, 1000.0),
    "first": (0, 2**31 - 1),
    "frames": (1, 1_000_000),
    "gpus": (0.0, 64.0),
    "look_at_camera": (0.0, 1.0),
    "motion": (0, 2**31 - 1),
    "motions": (0, 10_000),
    "own": (0, 99),
    "people": (1, 10_000_000),
    "person": (0, 2**31 - 1),
    "room": (0.5, 20.0),
    "seeds": (1, 1000),
    "shortest": (1, 1_000_000),
    "strength": (0.0, 2.0),
    "stride": (1, 1000),
    "workers": (1, 4096),
}


class UsageError(Exception):
    """Arguments that the parser refuses; its text says why. usage: the command's, with its name."""

    def __init__(self, message: str, usage: str):
        super().__init__(message)
        self.usage = usage


class Parser(argparse.ArgumentParser):
    """Raises UsageError where argparse would end the process."""

    @classmethod
    def of(cls, families: Sequence[ModuleType], about: str) -> Parser:
        """The parser of all commands; `about` is shown by --help, its first paragraph left out."""
        parser = cls(
            prog="python -m followemoji_core",
            description="Follow-Your-Emoji without ComfyUI.",
            epilog=about.partition("\n\n")[2],
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        parser.add_argument("--version", action="version", version=__version__)
        commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")

        def command(name: str, run: Run, about: str) -> argparse.ArgumentParser:
            added = commands.add_parser(name, help=about, description=about, formatter_class=_Help)
            added.add_argument("--json", action="store_true", help="report as one JSON object, the last line of stdout")
            added.set_defaults(run=run)
            return added

        for family in families:
            family.add_commands(command)
        return parser

    def error(self, message: str):
        raise UsageError(message, f"{self.format_usage()}{self.prog}")


class _Help(argparse.ArgumentDefaultsHelpFormatter):
    """Shows defaults where there are some."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        quiet = action.default in (None, argparse.SUPPRESS, []) or action.const is True
        if quiet or isinstance(action.default, (list, tuple)):
            return action.help if quiet else f"{action.help} [{' '.join(map(str, action.default))}]"
        return super()._get_help_string(action)


def check_numbers(options: argparse.Namespace) -> None:
    """Raises InputError for a number outside RANGES."""
    for name, allowed in RANGES.items():
        if (value := getattr(options, name, None)) is not None:
            check_range(f"--{name.replace('_', '-')}", value, allowed)


def where_arguments(parser: argparse.ArgumentParser, what: str = "") -> None:
    """Where many jobs are done. what: begins the help."""
    add = parser.add_argument
    add("--workers", type=int, help=f"{what}processes [1], or workers of a cluster [as many as it has room for]")
    add(
        "--ray",
        nargs="?",
        const="",
        metavar="ADDRESS",
        help="on the Ray cluster at HOST:PORT; without it: the one that runs here, else one of this machine alone",
    )
    add("--gpus", type=float, help="with --ray: of a worker; 0.5 lets two share one [1 where there are any]")


def where(options: argparse.Namespace) -> Where:
    """What `where_arguments` asked for."""
    from ..jobs import Local, Ray

    if options.ray is None:
        return Local(options.workers or 1)
    return Ray(options.ray or None, options.workers or 0, gpus=options.gpus)


_heard: ContextVar[list[str] | None] = ContextVar("heard", default=None)


def say(line: str) -> None:
    """A line for people; with --json it goes to stderr (see `commands.main`)."""
    heard = _heard.get()
    if heard is None:
        print(line, flush=True)
    else:
        heard.append(line)


@contextmanager
def quietly() -> Iterator[list[str]]:
    """Within the block lines for people go into the list, and no progress bar is shown: one job of many."""
    before = _heard.set([])
    try:
        yield _heard.get()
    finally:
        _heard.reset(before)


def along(items: Iterable[Item], total: int, what: str) -> Iterable[Item]:
    """The items, with a progress bar over `total` frames (0: not known)."""
    from tqdm import tqdm

    return tqdm(items, desc=what, total=total or None, unit="frame", leave=False, disable=_heard.get() is not None)


@contextmanager
def bar(what: str, unit: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar, moved by calling what is yielded with (done, total)."""
    from tqdm import tqdm

    with tqdm(desc=what, unit=unit, leave=False, disable=_heard.get() is not None) as shown:

        def show(done: int, total: int) -> None:
            shown.total = total
            shown.update(done - shown.n)

        yield show


def picture_size(text: str) -> tuple[int, int]:
    """ "512" or "512x640" -> (width, height) pixels. Raises InputError unless both are multiples of 8, 64 to
    LARGEST."""
    width, _, height = text.partition("x")
    try:
        size = int(width), int(height or width)
    except ValueError as error:
        raise InputError(f"Size {text!r} is not understood. Write it as 512 or 512x640.") from error
    if not all(64 <= side <= LARGEST and side % 8 == 0 for side in size):
        raise InputError(f"Size {text}: both sides must be multiples of 8, 64 to {LARGEST}. 512 is what was trained.")
    return size


def device_and_dtype(device: str, precision: str) -> tuple[str, torch.dtype]:
    """Options as given, see `walk.studio.device_and_dtype`."""
    from ..walk.studio import device_and_dtype

    return device_and_dtype(device, precision)


def detector_file(options: argparse.Namespace) -> Path:
    """--detector, or the one of --models. Raises InputError where there is none."""
    task = options.detector or options.models / "followemoji" / "face_landmarker.task"
    if not task.is_file():
        raise InputError(
            f"There is no face detector at {task}. `python -m followemoji_core download --detector "
            f"--models {options.models}` fetches it, or name one with --detector."
        )
    return task
