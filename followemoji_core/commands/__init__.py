"""The command line: `python -m followemoji_core COMMAND --help`.

Exit codes: 0 done; 1 stopped by an error that the message explains (a traceback is a mistake of ours), or, of commands
that do many jobs, done but for some that failed; 2 wrong usage; 130 stopped by Ctrl-C; 143 stopped by SIGTERM. Both
stops clean up alike: no half file is left, and what can be resumed goes on when the same command is run again.

With --json the last line on stdout is one JSON object: what was done ("command", "seconds" that it took, "files"
written, and the command's own facts), or {"error": message, "kind": its name in `errors`, "UsageError" or "Stopped"}.
Lines for people and progress go to stderr.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

from ..errors import FollowEmojiError
from . import animate, batch, bench, download, emojibench, evaluation, expressions, training, verify
from .shared import Parser, UsageError, check_numbers

# A family is a module with add_commands(command), which calls command(name, run, about) -> parser for each of its own;
# run(options) -> its facts for --json, or None where another process reports. It imports heavy packages in `run`.
FAMILIES = (animate, batch, expressions, download, verify, training, emojibench, evaluation, bench)
DONE, FAILED, WRONG_USAGE, INTERRUPTED, TERMINATED = 0, 1, 2, 130, 143
STOPPED = "Stopped. No half file was left."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; arguments: those of the process where None. Returns the exit code (see above)."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    as_json = "--json" in arguments
    stops: list[int] = []
    try:
        options = Parser.of(FAMILIES, __doc__ or "").parse_args(arguments)
        as_json = options.json
        started = time.monotonic()
        with _stops_noted(stops), contextlib.redirect_stdout(sys.stderr if as_json else sys.stdout):
            check_numbers(options)
            facts = options.run(options)
        if as_json and facts is not None:
            seconds = round(time.monotonic() - started, 3)
            _print_json({"command": options.command, "seconds": seconds, **facts})
        return FAILED if facts and facts.get("failed") else DONE
    except (Exception, KeyboardInterrupt) as error:
        # An import that Ctrl-C has ended may say so in words of its own.
        if stops or isinstance(error, KeyboardInterrupt):
            code = TERMINATED if signal.SIGTERM in stops else INTERRUPTED
            return _failed(code, STOPPED, "Stopped", f"\n{STOPPED}", as_json)
        if isinstance(error, UsageError):
            return _failed(WRONG_USAGE, str(error), "UsageError", f"{error.usage}: error: {error}", as_json)
        if isinstance(error, FollowEmojiError):
            return _failed(FAILED, str(error), type(error).__name__, f"Error: {error}", as_json)
        if as_json:
            _print_json({"error": str(error), "kind": type(error).__name__})
        raise


def _failed(code: int, message: str, kind: str, line: str, as_json: bool) -> int:
    print(line, file=sys.stderr)
    if as_json:
        _print_json({"error": message, "kind": kind})
    return code


def _print_json(facts: dict[str, Any]) -> None:
    print(json.dumps(facts, default=str), flush=True)


class _Stopped(KeyboardInterrupt):
    """Ctrl-C. After a plain KeyboardInterrupt that passed through exec(), as namedtuple uses it, Python ends itself by
    SIGINT, whatever the exit code."""


@contextlib.contextmanager
def _stops_noted(stops: list[int]) -> Iterator[None]:
    """Ctrl-C and SIGTERM are noted in `stops`; SIGTERM does what Ctrl-C would do at that moment, whoever handles it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    owner = os.getpid()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def ctrl_c(number: int, frame) -> None:
        stops.append(number)
        if before[number] is signal.default_int_handler:
            raise _Stopped
        before[number](number, frame)

    def stop(number: int, frame) -> None:
        if os.getpid() != owner:  # a forked worker: its parent wants it gone
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        stops.append(number)
        on_ctrl_c = signal.getsignal(signal.SIGINT)
        if not callable(on_ctrl_c):  # ignored, as shells do for jobs in the background
            raise _Stopped
        on_ctrl_c(signal.SIGINT, frame)

    if callable(before[signal.SIGINT]):
        signal.signal(signal.SIGINT, ctrl_c)
    signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
