"""A table of animations: a CSV file as spreadsheet programs write it, each row with options of its own.

A stranger's file: bounded, and whatever its cells hold is text. Nothing of it is dropped: a row that cannot be
understood says why.
"""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ..errors import FollowEmojiError, InputError
from ..gate import short
from ..sheets import read_sheet
from . import animate
from .shared import Parser, UsageError, check_numbers

NEEDED = ("portrait", "driving")
_LONGEST = 4096  # letters of a cell
_YES, _NO = ("yes", "y", "true", "1", "x", "on"), ("no", "n", "false", "0", "off")
_PATHS = ("portrait", "driving", "face", "models", "detector", "weights")
_NOT_IN_A_TABLE = ("usage", "device", "compile", "workers", "ray", "gpus", "json", "run", "command")
_DECIMAL_COMMA = re.compile(r"[-+]?\d+,\d+")


@dataclass(frozen=True)
class Row:
    """A line of the table. key: the name of its video below the folder, or "row N" where it has none. options: as
    `animate` reads them. reason: why the row cannot be understood; then options are none."""

    key: str
    options: argparse.Namespace
    reason: str = ""


@dataclass(frozen=True)
class Table:
    """rows in the file's order. blank: lines without any text. notes: what was guessed."""

    rows: list[Row]
    blank: int
    notes: list[str]


def read_rows(path: Path, defaults: argparse.Namespace) -> Table:
    """The rows of a CSV file; paths in it are relative to it. defaults: options where cells are empty, and `folder`,
    below which the videos go.

    UTF-8, UTF-16, or the Windows code page; commas, semicolons or tabs. A column whose name begins with # is the
    user's own. Raises InputError for what is no such table, for columns that are no options, needed ones that are
    absent, or two of a name.
    """
    notes: list[str] = []
    lines, delimiter = read_sheet(path, "Table", notes)
    if not lines:
        raise InputError(f"{path.name} is empty. Its first line names the columns: {', '.join(NEEDED)}, ...")
    parser = _row_parser()
    header = [name.strip().lower().replace(" ", "_").replace("-", "_") for name in lines[0][1]]
    while header and not header[-1]:  # what spreadsheets leave behind
        header.pop()
    _check_header(path, header, parser)
    rows, blank, taken = [], 0, {}
    for number, cells in lines[1:]:
        if not any(cell.strip() for cell in cells):
            blank += 1
            continue
        row = _row(number, header, cells, parser, defaults, path.resolve().parent, delimiter != ",")
        motion = getattr(row.options, "save_motion", None)
        for written, column in ((row.key, "out"), (motion and str(motion), "save_motion")):
            if not written:
                continue
            name = written.casefold()  # as the file systems of Windows and macOS compare them
            if name in taken and not row.reason:
                reason = f"Row {taken[name]} writes {written} too. Name another file in the column {column}."
                row = Row(f"row {number}", row.options, reason)
            taken.setdefault(name, number)
        rows.append(row)
    if not rows:
        raise InputError(f"{path.name} has columns, but no row. Write one below them.")
    return Table(rows, blank, notes)


def _check_header(path: Path, header: list[str], parser: Parser) -> None:
    known = _known(parser)
    named = [name for name in header if not name.startswith("#")]
    if twice := sorted({name for name in named if named.count(name) > 1}):
        raise InputError(f"{path.name}: columns {', '.join(twice)} are there twice. Delete or rename one.")
    if absent := _absent(named):
        listed = ", ".join(short(name, 40) or "(no name)" for name in header[:20])
        raise InputError(f"{path.name} has no column {' and '.join(absent)}; its first line is: {listed}.")
    if unknown := [name for name in named if name not in known]:
        told = []
        for name in unknown[:10]:
            near = difflib.get_close_matches(name, known, 1)
            told.append((short(name, 40) or "(no name)") + (f" (meant {near[0]}?)" if near else ""))
        raise InputError(
            f"{path.name}: {len(unknown)} columns are no options: {', '.join(told)}. Begin the names of your own with "
            f"#. Known: {', '.join(sorted(known))}."
        )


def _row_parser() -> Parser:
    """What reads a row: the options of animate."""
    parsers: dict[str, argparse.ArgumentParser] = {}

    def command(name: str, run, about: str) -> argparse.ArgumentParser:
        parsers[name] = Parser(prog="row", add_help=False, allow_abbrev=False)
        return parsers[name]

    animate.add_commands(command)
    return parsers["animate"]


def _flags(parser: Parser) -> list[str]:
    """Options that are there or not."""
    return [action.dest for action in parser._actions if action.nargs == 0]


def _known(parser: Parser) -> list[str]:
    some = parser.parse_args(["--portrait=x", "--driving=x", "--out=x"])
    return [name for name in vars(some) if name not in _NOT_IN_A_TABLE]


def _row(
    number: int,
    header: list[str],
    cells: list[str],
    parser: Parser,
    defaults: argparse.Namespace,
    beside: Path,
    comma: bool,
) -> Row:
    none = argparse.Namespace()
    name = f"row {number}"
    try:
        if any(cell.strip() for cell in cells[len(header) :]):
            raise InputError(f"Row {number} has {len(cells)} cells, the first line names {len(header)} columns.")
        found = {key: cell.strip() for key, cell in zip(header, cells, strict=False) if not key.startswith("#")}
        if long := [key for key, cell in found.items() if len(cell) > _LONGEST or not cell.isprintable()]:
            raise InputError(f"Row {number}: {long[0]} holds more than a line of {_LONGEST:,} letters, or no text.")
        given = {key: cell for key, cell in found.items() if cell}
        if empty := _absent(given):
            raise InputError(f"Row {number}: {' and '.join(empty)} is empty.")
        for key in _PATHS:
            if key in given:
                given[key] = str(beside / given[key])
        key = _out_name(number, given)
        given["out"] = str(defaults.folder / key)
        if "save_motion" in given:
            name = _below(number, "save_motion", given["save_motion"], ".safetensors")
            given["save_motion"] = str(defaults.folder / name)
        flags = _flags(parser)
        line = [word for option, cell in given.items() for word in _words(number, option, cell, beside, comma, flags)]
        options = argparse.Namespace(**vars(defaults))
        del options.folder
        parser.parse_args(line, options)
        for flag in flags:
            if given.get(flag, "").lower() in _NO:
                setattr(options, flag, False)
        check_numbers(options)
        return Row(key, options)
    except UsageError as error:
        return Row(name, none, f"Row {number}: {error}")
    except FollowEmojiError as error:
        return Row(name, none, str(error) if str(error).startswith("Row") else f"Row {number}: {error}")


def _absent(names: Container[str]) -> list[str]:
    """What every row needs and is not among names; drivings stand for driving."""
    return [name for name in NEEDED if name not in names and not (name == "driving" and "drivings" in names)]


def _out_name(number: int, given: dict[str, str]) -> str:
    """The name of a row's video below the folder."""
    driving = given.get("driving") or given["drivings"].partition("|")[0].strip()
    return _below(number, "out", given.get("out") or f"{Path(given['portrait']).stem}_{Path(driving).stem}", ".mp4")


def _below(number: int, option: str, name: str, ending: str) -> str:
    """The name of a file that a row writes. Raises InputError for one that is not below the folder: a stranger's table
    overwrites nothing else."""
    name = name.replace("\\", "/")
    if not name.lower().endswith(ending):
        name += ending
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or ":" in name:
        raise InputError(f"Row {number}: {option} is {short(name, 80)}; it is a name below the folder --out.")
    return str(path)


def _words(number: int, option: str, cell: str, beside: Path, comma: bool, flags: list[str]) -> list[str]:
    """A cell as `animate` takes it on its command line. beside: the folder of the table. comma: whether it may write
    0,5 for 0.5."""
    word = f"--{option.replace('_', '-')}"
    if option in flags:
        if cell.lower() not in (*_YES, *_NO):
            raise InputError(f"Row {number}: {option} is {short(cell, 40)}; allowed: yes, no, or nothing.")
        return [word] if cell.lower() in _YES else []
    if option == "given":
        parts = [part.partition("=") for part in cell.split("|")]
        return [f"{word}={frame.strip()}={beside / picture.strip()}" for frame, _, picture in parts]
    if option == "drivings":
        return [f"{word}={','.join(str(beside / part.strip()) for part in cell.split('|') if part.strip())}"]
    if comma and option not in (*_PATHS, "out", "save_motion", "faces") and _DECIMAL_COMMA.fullmatch(cell):
        cell = cell.replace(",", ".")
    return [f"{word}={cell}"]
