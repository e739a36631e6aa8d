"""batch: a table of portraits, drivers and options to as many videos; many at once, on many machines, resumable."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ..errors import FollowEmojiError, InputError
from ..files import check_place, clear_partial, stamp
from ..gate import loading, read_bytes
from ..jobs import Made, run_jobs
from .animate import animate
from .animation import check_driving, check_settings, is_motion_file
from .animation_options import animation_arguments, motion_arguments
from .inputs import checked_outputs, framing_arguments
from .kept import Kept
from .several_faces import drivers_of
from .shared import Command, Facts, detector_file, device_and_dtype, quietly, say, where, where_arguments
from .table import Row, read_rows

_EVERY_MACHINE = ("device", "compile")  # options of the machine that computes: not of what comes out
_MOST_SENT = 1 << 30  # bytes of a file


def add_commands(command: Command) -> None:
    """Add batch."""
    batch = command("batch", _batch, "Animate a table of portraits and drivers, many at once; resumable.")
    batch.add_argument(
        "table",
        type=Path,
        help="CSV file: columns portrait and driving, further ones named as the options of animate (out, face, seed, "
        "steps, ...), which count for their row; paths are relative to the file",
    )
    batch.add_argument("--out", type=Path, required=True, help="folder for the videos, and what came of each")
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
    if options.send_files and options.ray is None:
        raise InputError("--send-files is for workers on other machines. Add --ray ADDRESS, or leave it out.")
    if options.renderer != "warp" and options.ray is None:  # else the device is the workers'
        device_and_dtype(options.device, options.precision)
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
    outcome = run_jobs(work, jobs, ledger, where(options), say, stands=lambda key, facts: (options.out / key).is_file())
    for key, facts in outcome.done.items():
        for line in facts["said"]:
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


def _row_defaults(options: argparse.Namespace) -> argparse.Namespace:
    """What a row has of the command's own options, where its cells say nothing."""
    own = ("table", "out", "check", "workers", "ray", "gpus", "send_files", "json", "run", "command")
    kept = {name: value for name, value in vars(options).items() if name not in own}
    return argparse.Namespace(**kept, folder=options.out)


# --- before the work


def _looked_at(rows: list[Row]) -> dict[str, str]:
    """Why rows cannot be begun, by key: what their cells say, or the files they name. Each file is looked at once."""
    refused: dict[str, str] = {}
    seen: dict[Hashable, str] = {}
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


def _checks(options: argparse.Namespace) -> list[tuple[Callable[[], object], Hashable]]:
    """What is looked at of a row, and what each look depends on."""
    from ..face.motion_file import load_motion
    from ..pictures import read_picture

    drivers = options.drivings or [options.driving]
    of_the_row = ("portrait", "driving", "drivings", "face", "out", "save_motion")
    settings = {name: value for name, value in vars(options).items() if name not in of_the_row}
    checks: list[tuple[Callable[[], object], Hashable]] = [
        (lambda: checked_outputs(options), ("out", options.out, options.save_motion, options.size)),
        (lambda: read_picture(options.portrait), ("portrait", options.portrait)),
        *((partial(check_driving, driving), ("driving", driving)) for driving in drivers),
        (lambda: check_settings(argparse.Namespace(**vars(options) | {"device": "cpu"})), ("settings", repr(settings))),
    ]
    if options.face:
        checks.append((lambda: load_motion(options.face), ("face", options.face)))
    if options.faces is not None or options.drivings:
        checks.append((lambda: drivers_of(options), ("faces", repr(settings), options.driving, repr(drivers))))
    if not options.face or not all(map(is_motion_file, drivers)):
        checks.append((lambda: detector_file(options), ("detector", options.detector, options.models)))
    return checks


def _arguments(row: Row) -> dict[str, Any]:
    """A row as JSON: its options, those of the machine left out, and what its files are known by."""
    options = {name: value for name, value in vars(row.options).items() if name not in _EVERY_MACHINE}
    paths = sorted(name for name, value in options.items() if isinstance(value, Path))
    options |= {name: str(options[name].resolve()) for name in paths}
    options["drivings"] = [str(driving.resolve()) for driving in options["drivings"] or ()]
    read = [Path(driving) for driving in options["drivings"]]
    read += [Path(options[name]) for name in paths if name in ("portrait", "driving", "face", "weights")]
    read += [Path(given.partition("=")[2]) for given in options["given"]]
    files = [stamp(path)[1:] for path in read]
    return json.loads(json.dumps({"options": options, "paths": paths, "files": files}))


# --- the work


@dataclass(frozen=True)
class Rows:
    """The work of `run_jobs`: a job is a row. Workers see the files under the same paths. device, compile: as the
    options of those names."""

    device: str
    compile: bool

    def open(self) -> Animator:
        return Animator(self, Kept())

    def done(self, kept: Kept, key: str, arguments: Facts) -> Facts | Made:
        return self._animate(arguments, kept)

    def clean(self, key: str, arguments: Facts) -> None:
        """Half a video of a row that was broken off."""
        if "refused" not in arguments:
            clear_partial(Path(arguments["options"]["out"]))

    def _animate(self, arguments: Facts, kept: Kept) -> Facts:
        if reason := arguments.get("refused"):
            raise InputError(reason)
        values = dict(arguments["options"])
        values |= {name: Path(values[name]) for name in arguments["paths"]}
        if values.get("drivings"):
            values["drivings"] = [Path(driving) for driving in values["drivings"]]
        options = argparse.Namespace(**values, device=self.device, compile=self.compile)
        with quietly() as said:
            facts = animate(options, kept)
        facts.pop("files")
        return {**facts, "said": [line for line in said if line.startswith("warning")]}


@dataclass(frozen=True)
class Animator:
    """What does the rows of a worker."""

    work: Rows
    kept: Kept

    def __call__(self, *job: Any) -> Facts | Made:
        return self.work.done(self.kept, *job)

    def close(self) -> None:
        self.kept.close()


@dataclass(frozen=True)
class SentRows(Rows):
    """The same for workers that see none of the files but models and weights: they get the others as bytes, and the
    video comes back as bytes."""

    def carry(self, key: str, arguments: Facts) -> dict[str, bytes]:
        """portrait, driving and face of a row, by those words. Raises InputError for a row with other files."""
        if "refused" in arguments:
            return {}
        options = arguments["options"]
        if options["save_motion"] or options["given"] or options["drivings"]:
            raise InputError(
                "save_motion, given and drivings are not sent to workers. Leave out --send-files, or those cells."
            )
        carried = {}
        for name in ("portrait", "driving", "face"):
            if options[name]:
                with loading(options[name], "File", InputError, "Look whether it is there, and how large."):
                    carried[name] = read_bytes(options[name], _MOST_SENT)
        return carried

    def done(self, kept: Kept, key: str, arguments: Facts, carried: Mapping[str, bytes]) -> Made:
        with TemporaryDirectory(prefix="followemoji-") as name:
            folder, options = Path(name), dict(arguments.get("options", {}))
            for what, content in carried.items():
                file = folder / f"{what}{Path(options[what]).suffix}"
                file.write_bytes(content)
                options[what] = str(file)
            options["out"] = str(folder / "out.mp4")
            facts = self._animate({**arguments, "options": options}, kept)
            return Made(facts, {key: (folder / "out.mp4").read_bytes()})
