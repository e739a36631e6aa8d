"""The table of a benchmark: a row a case, method and metric, in scores.csv, and what they mean, in scores.json.

Both may come from a stranger: they are read strictly.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ...errors import InputError
from ...files import write_whole
from ...gate import Refused, loading, parse_json, read_bytes, short
from .cases import KINDS, safe_name

VERSION = 1
COLUMNS = ("case", "kind", "portrait", "driving", "method", "metric", "value", "reason")
SET = "*"  # the case of a number of all cases of a kind
CSV, JSON = "scores.csv", "scores.json"
_LARGEST = 1 << 30  # bytes: 18,450 cases of ten methods take about 300 MB
_LARGEST_JSON = 16 << 20
_MOST_TEXT = 4000  # letters of a field
ADVICE = "Measure again: python -m followemoji_core evaluate score"


@dataclass(frozen=True)
class Row:
    """value: None where it could not be had; reason then says why. It may say more of a value as well, such as how
    many frames it is of. Numbers of a set have the case "*", and no portrait and driving."""

    case: str
    kind: str
    portrait: str
    driving: str
    method: str
    metric: str
    value: float | None
    reason: str = ""


@dataclass(frozen=True)
class MetricNote:
    """better: "higher" or "lower". paper: whether the paper reports it. missing: why nobody has it, with the command
    that mends that."""

    label: str
    better: str
    unit: str
    kinds: Sequence[str]
    about: str
    paper: bool = False
    missing: str | None = None


@dataclass(frozen=True)
class MethodNote:
    """reason: why its row is empty, where it is."""

    label: str
    about: str = ""
    reason: str | None = None


@dataclass(frozen=True)
class Scores:
    """thresholds: of landmark accuracy, in eye distances. measured_at: pixels of a side. frames: of a clip."""

    rows: Sequence[Row]
    metrics: Mapping[str, MetricNote]
    methods: Mapping[str, MethodNote]
    thresholds: Sequence[float] = ()
    measured_at: int = 256
    frames: int = 64
    notes: Sequence[str] = field(default=())

    def of(self, metric: str, method: str, kind: str) -> dict[str, float]:
        """Values by case, where there are some; of a set's metric that of "*"."""
        return {
            row.case: row.value
            for row in self.rows
            if (row.metric, row.method, row.kind) == (metric, method, kind) and row.value is not None
        }


def write_scores(folder: Path, scores: Scores) -> None:
    """scores.csv and scores.json into a benchmark's folder. Raises OutputError where they cannot be written."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(_cells(row) for row in scores.rows)
    about: dict[str, Any] = {"version": VERSION}
    about |= {"metrics": {name: asdict(note) for name, note in scores.metrics.items()}}
    about |= {"methods": {name: asdict(note) for name, note in scores.methods.items()}}
    about |= {"thresholds": list(scores.thresholds), "measured_at": scores.measured_at, "frames": scores.frames}
    about |= {"notes": list(scores.notes)}
    write_whole(folder / CSV, table.getvalue())
    write_whole(folder / JSON, json.dumps(about, indent=1, allow_nan=False))


def _cells(row: Row) -> Iterable[str]:
    for name in COLUMNS:
        value = getattr(row, name)
        if name == "value":
            yield "" if value is None else format(value, ".9g")
        else:
            yield short(value, _MOST_TEXT - 4) if name == "reason" else value


def read_scores(folder: Path) -> Scores:
    """The table of a benchmark's folder. Raises InputError where there is none, or one that is damaged: another
    heading, a number that is none or not finite, an empty value without a reason, an unknown kind, metric or method, or
    two rows of the same."""
    about = read_about(folder / JSON)
    return replace(about, rows=read_rows(folder / CSV, about))


def read_about(path: Path) -> Scores:
    """What rows mean, without rows, out of a scores.json. Raises InputError."""
    with loading(path, "Table", InputError, ADVICE):
        about = parse_json(read_bytes(path, _LARGEST_JSON))
        if not isinstance(about, dict) or about.get("version") != VERSION:
            raise Refused(f"it is no table of version {VERSION}")
        metrics = {_name(name, "Metric"): _metric(note) for name, note in about["metrics"].items()}
        methods = {_name(name, "Method"): _method(note) for name, note in about["methods"].items()}
        thresholds = tuple(float(value) for value in about["thresholds"])
        size, frames = about["measured_at"], about["frames"]
        if not (type(size) is int and 16 <= size <= 4096 and type(frames) is int and 1 <= frames <= 100_000):
            raise Refused("its size and frames are not those of a benchmark")
        if not all(0 < value < math.inf for value in thresholds):
            raise Refused("its thresholds are no distances")
        notes = tuple(_text(note) for note in about.get("notes", ()))
        return Scores((), metrics, methods, thresholds, size, frames, notes)


def read_rows(path: Path, about: Scores) -> tuple[Row, ...]:
    """The rows of a scores.csv, of the metrics and methods that `about` knows. Raises InputError."""
    with loading(path, "Table", InputError, ADVICE, more=(csv.Error,)):
        lines = csv.reader(io.StringIO(read_bytes(path, _LARGEST).decode("utf-8"), newline=""), strict=True)
        if (heading := tuple(next(lines, ()))) != COLUMNS:
            raise Refused(f"its columns are {short(', '.join(heading))}; expected {', '.join(COLUMNS)}")
        rows = tuple(_row(cells, lines.line_num, about.metrics, about.methods) for cells in lines)
        known = {(row.case, row.kind, row.method, row.metric) for row in rows}
        if len(known) < len(rows):
            raise Refused("two of its rows are of the same case, kind, method and metric")
        return rows


def _row(cells: list[str], line: int, metrics: Mapping[str, Any], methods: Mapping[str, Any]) -> Row:
    if len(cells) != len(COLUMNS):
        raise Refused(f"line {line} has {len(cells)} fields; expected {len(COLUMNS)}")
    found = dict(zip(COLUMNS, (_text(cell) for cell in cells), strict=True))
    number = found.pop("value")
    if found["kind"] not in KINDS or found["metric"] not in metrics or found["method"] not in methods:
        raise Refused(f"line {line} is of a kind, metric or method that is not known")
    for name in () if found["case"] == SET else ("case", "portrait", "driving"):
        _name(found[name], f"line {line}: the {name}")
    if not number and not found["reason"]:
        raise Refused(f"line {line} has neither a value nor a reason")
    value = float(number[:64]) if number else None
    if value is not None and not math.isfinite(value):
        raise Refused(f"line {line} has the value {number[:20]}, which is not finite")
    return Row(**found, value=value)


def _metric(note: dict[str, Any]) -> MetricNote:
    words = {name: _text(note[name]) for name in ("label", "better", "unit", "about")}
    kinds, missing = tuple(note["kinds"]), note.get("missing")
    if words["better"] not in ("higher", "lower") or not set(kinds) <= set(KINDS) or type(note["paper"]) is not bool:
        raise Refused(f"its metric {short(words['label'], 60)} is none that is known")
    return MetricNote(**words, kinds=kinds, paper=note["paper"], missing=None if missing is None else _text(missing))


def _method(note: dict[str, Any]) -> MethodNote:
    reason = note.get("reason")
    return MethodNote(_text(note["label"]), _text(note["about"]), None if reason is None else _text(reason))


def _name(value: object, what: str) -> str:
    try:
        return safe_name(_text(value), what)
    except InputError as error:  # which does not name the file
        raise Refused(str(error)) from error


def _text(value: object) -> str:
    if not isinstance(value, str) or len(value) > _MOST_TEXT:
        raise Refused(f"it holds {short(value, 40)} where a text of at most {_MOST_TEXT} letters belongs")
    return value
