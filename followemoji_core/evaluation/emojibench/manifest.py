"""Which portraits meet which clips: a table that somebody wrote, or all of two folders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import InputError
from ...gate import Refused, loading, parse_json, read_bytes, short
from ...sheets import read_sheet
from ...training.prepare import VIDEOS
from .cases import KINDS

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp")
COLUMNS = ("portrait", "driving", "kind")
_LARGEST = 64 << 20
_MOST = 1_000_000  # rows
_ADVICE = (
    "A CSV file has a first line `portrait,driving,kind` and then a pair a line; kind is self (no portrait: it is the "
    'clip\'s first frame) or cross, and cross where it is not said. JSON: [{"portrait": ..., "driving": ...}, ...].'
)


@dataclass(frozen=True)
class Row:
    """A pair as it is asked for. portrait: None in self reenactment. line: where it stands, for messages."""

    driving: Path
    portrait: Path | None
    kind: str
    line: str

    @property
    def told(self) -> dict[str, str]:
        """The row, for lists of what was refused."""
        portrait = self.portrait.name if self.portrait else ""
        return {"row": self.line, "portrait": portrait, "driving": self.driving.name, "kind": self.kind}


@dataclass(frozen=True)
class Manifest:
    """rows that can be tried; refused: those that cannot, told as Row.told with a "reason"; notes: sentences."""

    rows: tuple[Row, ...]
    refused: tuple[dict[str, str], ...] = ()
    notes: tuple[str, ...] = ()


def read_manifest(path: Path) -> Manifest:
    """A table of pairs, CSV (commas, semicolons or tabs) or JSON; files are named from the table's own folder.

    Rows that ask for nothing sensible are refused one by one, columns that nobody knows are noted. Raises InputError
    for a file that is no such table.
    """
    rows, refused, notes = [], [], []
    with loading(path, "Manifest", InputError, _ADVICE):
        as_json = path.suffix.lower() == ".json"
        entries = _json_rows(read_bytes(path, _LARGEST)) if as_json else _csv_rows(path, notes)
        if len(entries) > _MOST:
            raise Refused(f"it has {len(entries):,} rows; at most {_MOST:,} are read")
        if not entries:
            raise Refused("it has no rows")
        known = {name for _, entry in entries for name in entry}
        if "driving" not in known:
            raise Refused(f"it has no column driving, but {short(', '.join(sorted(map(str, known))), 100)}")
    if unknown := sorted(map(str, known - set(COLUMNS))):
        listed = short(", ".join(unknown), 200)
        notes.append(f"{path.name}: columns that mean nothing here were left aside: {listed}")
    for number, entry in entries:
        line = f"{path.name} {'entry' if as_json else 'line'} {number}"
        try:
            rows.append(_row(entry, line, path.parent))
        except Refused as error:
            told = {name: short(entry.get(name) or "", 200) for name in COLUMNS}
            refused.append({"row": line, **told, "reason": str(error)})
    return Manifest(tuple(rows), tuple(refused), tuple(notes))


def all_pairs(portraits: Path | None, clips: Path, kinds: Sequence[str] = KINDS) -> Manifest:
    """Every clip by itself, and every portrait with every clip. Raises InputError for folders without any, and for
    cross reenactment alone without portraits."""
    if "self" not in kinds and portraits is None:
        raise InputError("Cross reenactment needs portraits to put the clips on: name their folder, --portraits.")
    films = _files(clips, VIDEOS, "clip")
    rows = [Row(film, None, "self", f"clip {film.name}") for film in films if "self" in kinds]
    if "cross" in kinds and portraits is not None:
        pictures = _files(portraits, PICTURES, "portrait")
        rows += [Row(film, one, "cross", f"{one.name} with {film.name}") for one in pictures for film in films]
    return Manifest(tuple(rows))


def _files(folder: Path, kinds: Sequence[str], what: str) -> list[Path]:
    listed = sorted(folder.iterdir()) if folder.is_dir() else []
    found = [path for path in listed if path.suffix.lower() in kinds and not path.name.startswith(".")]
    if not found:
        raise InputError(f"There is no {what} in {folder}. Known kinds: {', '.join(kinds)}.")
    return found


def _row(entry: dict, line: str, folder: Path) -> Row:
    texts = {name: str(entry.get(name) or "").strip() for name in COLUMNS}
    kind = texts["kind"].lower() or "cross"
    if kind not in KINDS:
        raise Refused(f"its kind is {short(kind, 40)!r}; allowed: self, cross")
    if not texts["driving"]:
        raise Refused("it names no driving clip")
    if kind == "cross" and not texts["portrait"]:
        raise Refused("it names no portrait, which cross reenactment needs")
    if "\0" in texts["driving"] + texts["portrait"]:
        raise Refused("a null character is in its names")
    portrait = folder / texts["portrait"] if kind == "cross" else None
    return Row(folder / texts["driving"], portrait, kind, line)


def _json_rows(text: bytes) -> list[tuple[int, dict]]:
    found = parse_json(text)
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise Refused("it is no list of rows")
    return list(enumerate(found, 1))


def _csv_rows(path: Path, notes: list[str]) -> list[tuple[int, dict]]:
    """Each with the number of its line, as editors and spreadsheets count them."""
    lines, _ = read_sheet(path, "Manifest", notes, _MOST)
    if not lines:
        return []
    names = [name.strip().lower() for name in lines[0][1]]
    if len(set(names)) < len(names):
        raise Refused("two of its columns have one name")
    filled = [(number, cells) for number, cells in lines[1:] if any(cell.strip() for cell in cells)]
    return [(number, dict(zip(names, (*cells, *[""] * len(names)), strict=False))) for number, cells in filled]
