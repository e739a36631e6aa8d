"""batch: a table of portraits, drivers and options to as many videos; many at once, on many machines, resumable."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import FollowEmojiError, InputError
from ..files import check_place
from .animate import animate_one, animation_arguments, check_one, motion_arguments
from .inputs import framing_arguments
from .kept import Kept, stamp
from .shared import Command, Facts, quietly, say, where, where_arguments
from .table import Row, read_rows

_EVERY_MACHINE = ("device", "compile")  # options of the machine that computes: not of what comes out


def add_commands(command: Command) -> None:
    """Add batch."""
    batch = command("batch", _batch, "Animate a table of portraits and drivers, many at once; resumable.")
    batch.add_argument(
        "table",
        type=Path,
        help="CSV file: columns portrait and driving, further ones named as the options of animate (out, face, seed, "
        "steps, ...), which count for their row; paths are relative to the file",
    )
    batch.add_argument("--out", type=Path, required=True, help="folder for the videos, and jobs.jsonl: what came of each")
    batch.add_argument("--check", action="store_true", help="only look at the table and its files")
    where_arguments(batch)
    batch.add_argument(
        "--send-files",
        action="store_true",
        help="with --ray: send portraits and drivers to workers that do not see their folders, and get the videos back",
    )
    framing_arguments(batch)
    motion_arguments(batch)
    animation_arguments(batch)


def _batch(options: argparse.Namespace) -> Facts:
    from ..jobs import run_jobs

    if options.send_files and options.ray is None:
        raise InputError("--send-files is for workers on other machines. Add --ray ADDRESS, or leave it out.")
    table = read_rows(options.table, _row_defaults(options))
    say(f"{options.table.name}: {len(table.rows)} rows" + (f", {table.blank} blank lines" if table.blank else ""))
    for note in table.notes:
        say(note)
    refused = _looked_at(table.rows)
    jobs = {row.key: _arguments(row) for row in table.rows if row.key not in refused}
    for reason, count in Counter(refused.values()).items():
        say(f"{count} refused: {reason}")
    if options.check:
        say(f"{len(jobs)} rows can be begun, {len(refused)} cannot")
        return {"rows": len(table.rows), "blank": table.blank, "ready": len(jobs), "failed": refused}
    ledger = options.out / "jobs.jsonl"
    check_place(ledger)
    kind = SentRows if options.send_files else Rows
    work = kind(**{name: getattr(options, name) for name in _EVERY_MACHINE})
    # The refused ones too: what came of each row is in the ledger.
    jobs |= {key: {"refused": reason} for key, reason in refused.items()}
    outcome = run_jobs(work, jobs, ledger, where(options), say, stands=_stands(options.out))
    warned = [key for key, facts in outcome.done.items() if facts.get("said")]
    for key in warned:
        for line in outcome.done[key]["said"]:
            say(f"{key}: {line}")
    say(f"{options.out}: {outcome.summary}")
    return {
        "files": [options.out / key for key in outcome.facts] + [ledger],
        "rows": len(table.rows),
        "blank": table.blank,
        "done": len(outcome.done),
        "skipped": len(outcome.skipped),
        "failed": outcome.failed,
        "mistakes": sorted(outcome.mistakes),
    }


def _stands(out: Path) -> Callable[[str, dict], bool]:
    return lambda key, facts: (out / key).is_file()


def _row_defaults(options: argparse.Namespace) -> argparse.Namespace:
    """What a row has of the command's own options, where its cells say nothing."""
    own = ("table", "out", "check", "workers", "ray", "gpus", "send_files", "json", "run", "command")
    kept = {name: value for name, value in vars(options).items() if name not in own}
    return argparse.Namespace(**kept, folder=options.out)


# --- before the work


def _looked_at(rows: list[Row]) -> dict[str, str]:
    """Why rows cannot be begun, by key: what their cells say, or the files they name. Each file is looked at once."""
    refused: dict[str, str] = {}
    seen: dict[tuple, str] = {}
    for row in rows:
        reason = row.reason
        for check, made_from in () if reason else _checks(row.options):
            if made_from not in seen:
                seen[made_from] = _why(check)
            if reason := seen[made_from]:
                break
        if reason:
            refused[row.key] = reason
    return refused


def _why(check: Callable[[], object]) -> str:
    try:
        check()
    except FollowEmojiError as error:
        return str(error)
    return ""


def _checks(options: argparse.Namespace) -> list[tuple[Callable[[], object], tuple]]:
    """What is looked at of a row, and what each look depends on."""
    from .animate import check_driving
    from ..face.motion_file import load_motion
    from ..pictures import read_picture

    settings = {name: value for name, value in vars(options).items() if name not in ("portrait", "driving", "face")}
    checks: list[tuple[Callable[[], object], tuple]] = [
        (lambda: read_picture(options.portrait), ("portrait", options.portrait)),
        (lambda: check_driving(options.driving), ("driving", options.driving)),
    ]
    if options.face:
        checks.append((lambda: load_motion(options.face), ("face", options.face)))
    return [*checks, (lambda: check_one(options), ("options", repr(sorted(settings.items(), key=str))))]


def _arguments(row: Row) -> dict[str, Any]:
    """A row as JSON: its options, those of the machine left out, and what its files are known by."""
    options = {name: value for name, value in vars(row.options).items() if name not in _EVERY_MACHINE}
    paths = sorted(name for name, value in options.items() if isinstance(value, Path))
    options |= {name: str(options[name].resolve()) for name in paths}
    files = {name: stamp(Path(options[name]))[1:] for name in paths if name in ("portrait", "driving", "face", "weights")}
    return json.loads(json.dumps({"options": options, "paths": paths, "files": files}))


# --- the work


@dataclass(frozen=True)
class Rows:
    """The work of `run_jobs`: a job is a row. Workers see the files under the same paths. device, compile: as the
    options of those names."""

    device: str
    compile: bool

    def open(self) -> Callable[[str, dict], Any]:
        kept = Kept()
        return lambda key, arguments: self._animate(arguments, kept)

    def _animate(self, arguments: dict, kept: Kept) -> Facts:
        if reason := arguments.get("refused"):
            raise InputError(reason)
        values = {name: Path(value) if name in arguments["paths"] else value
                  for name, value in arguments["options"].items()}  # fmt: skip
        options = argparse.Namespace(**values, device=self.device, compile=self.compile)
        with quietly() as said:
            facts = animate_one(options, kept)
        facts.pop("files")
        return {**facts, "said": [line for line in said if line.startswith("warning")]}
