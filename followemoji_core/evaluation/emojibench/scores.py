"""What was measured, as the report reads it: scores.csv and scores.json of a benchmark folder, and their summaries."""

from __future__ import annotations

import csv
import io
import math
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import InputError
from ...gate import Refused, loading, parse_json, read_bytes, short
from ..bootstrap import mean_interval, paired_difference
from .cases import KINDS

COLUMNS = ("case", "kind", "portrait", "driving", "method", "metric", "value", "reason")
SET = "*"  # the case of a number that is of all cases together
_LARGEST = 512 << 20  # bytes of scores.csv: 18,450 cases of ten methods and twelve metrics take 200 MB
_LARGEST_ABOUT = 4 << 20
_ADVICE = "Measure again: python -m followemoji_core evaluate score"
_FEW = 2  # cases below which nothing is told apart


@dataclass(frozen=True)
class Metric:
    """What scores.json says of a metric. missing: why nobody has a number, with the command; paper: of its Table 1."""

    name: str
    label: str
    better: str
    unit: str = ""
    kinds: tuple[str, ...] = KINDS
    about: str = ""
    paper: bool = False
    missing: str = ""


@dataclass(frozen=True)
class Method:
    """What scores.json says of a method. reason: why its row is empty."""

    name: str
    label: str
    about: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Interval:
    """A mean of `count` cases and its 95 % interval; low and high are None of a number of the whole set."""

    mean: float
    low: float | None
    high: float | None
    count: int


@dataclass(frozen=True)
class Difference(Interval):
    """Mean difference to another method on the same cases. verdict: "better", "worse" or "not told apart"."""

    verdict: str


@dataclass
class Scores:
    """values: (kind, metric, method) -> case -> number; reasons: the same -> case -> why there is none."""

    metrics: dict[str, Metric]
    methods: dict[str, Method]
    values: dict[tuple[str, str, str], dict[str, float]] = field(default_factory=lambda: defaultdict(dict))
    reasons: dict[tuple[str, str, str], dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    thresholds: tuple[Any, ...] = ()
    measured_at: int = 256
    frames: int = 0

    def kinds(self) -> tuple[str, ...]:
        """Of which anything was measured, or was to be."""
        return tuple(kind for kind in KINDS if any(key[0] == kind for key in (*self.values, *self.reasons)))

    def interval(self, kind: str, metric: str, method: str) -> Interval | None:
        """None where there is no number."""
        found = self.values.get((kind, metric, method))
        if not found:
            return None
        if SET in found:
            return Interval(found[SET], None, None, 1)
        return Interval(*mean_interval(np.array(list(found.values()))), len(found))

    def difference(self, kind: str, metric: str, method: str, reference: str) -> Difference | None:
        """Of the cases that both have a number for; None without any, and for numbers of the whole set."""
        one, other = (self.values.get((kind, metric, name), {}) for name in (method, reference))
        both = [case for case in one if case in other and case != SET]
        if not both:
            return None
        mean, low, high = paired_difference(*(np.array([part[case] for case in both]) for part in (one, other)))
        higher = self.metrics[metric].better == "higher"
        verdict = "not told apart"
        if len(both) >= _FEW and (low > 0 or high < 0):
            verdict = "better" if (low > 0) == higher else "worse"
        return Difference(mean, low, high, len(both), verdict)


def read_scores(folder: Path) -> Scores:
    """scores.csv and scores.json of a benchmark folder.

    Raises InputError where one is absent or damaged: for a number that is none, a column that is unknown or absent, a
    case that is scored twice.
    """
    about, table = folder / "scores.json", folder / "scores.csv"
    for path in (about, table):
        if not path.is_file():
            raise InputError(f"{folder} has no {path.name}: nothing was measured yet. {_ADVICE}")
    with loading(about, "Description of scores", InputError, _ADVICE):
        found = parse_json(read_bytes(about, _LARGEST_ABOUT))
        if not isinstance(found, dict) or found.get("version") != 1:
            raise Refused("it is no description of scores of version 1")
        metrics = {name: _metric(name, entry) for name, entry in found["metrics"].items()}
        methods = {name: _method(name, entry) for name, entry in found["methods"].items()}
        thresholds = tuple(found.get("thresholds") or ())
        scores = Scores(metrics, methods, thresholds=thresholds)
        scores.measured_at, scores.frames = int(found.get("measured_at", 256)), int(found.get("frames", 0))
    with loading(table, "Table of scores", InputError, _ADVICE):
        _fill(scores, read_bytes(table, _LARGEST).decode("utf-8-sig"))
    return scores


def _fill(scores: Scores, text: str) -> None:
    rows = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    if set(rows.fieldnames or ()) != set(COLUMNS):
        wrong = ", ".join(short(name, 30) for name in rows.fieldnames or ())
        raise Refused(f"its columns are {wrong or 'none'}; they are {', '.join(COLUMNS)}")
    for number, row in enumerate(rows, 2):
        if None in row or None in row.values():
            raise Refused(f"row {number} has another number of columns")
        if row["kind"] not in KINDS:
            raise Refused(f"row {number} is of the kind {short(row['kind'], 30)!r}; there are {', '.join(KINDS)}")
        key, case = (row["kind"], row["metric"], row["method"]), row["case"]
        if key[1] not in scores.metrics:
            raise Refused(f"row {number} is of the metric {short(key[1], 60)!r}, which scores.json does not describe")
        scores.methods.setdefault(key[2], Method(key[2], key[2]))
        if case in scores.values.get(key, ()) or case in scores.reasons.get(key, ()):
            raise Refused(f"row {number} is there twice: {short(case, 60)}, {short(key[1], 30)}, {short(key[2], 30)}")
        if not row["value"]:
            scores.reasons[key][case] = row["reason"] or "no reason was given"
            continue
        value = float(row["value"])
        if not math.isfinite(value):
            raise Refused(f"row {number} holds a number that is not finite")
        scores.values[key][case] = value


def _metric(name: str, entry: dict[str, Any]) -> Metric:
    if entry["better"] not in ("higher", "lower"):
        raise Refused(f"metric {short(name, 60)} is better {short(entry['better'], 30)!r}, not higher or lower")
    kinds = tuple(kind for kind in KINDS if kind in entry.get("kinds", KINDS))
    words = {key: str(entry.get(key) or "") for key in ("unit", "about", "missing")}
    return Metric(name, str(entry.get("label") or name), entry["better"], kinds=kinds,
                  paper=entry.get("paper") is True, **words)  # fmt: skip


def _method(name: str, entry: dict[str, Any]) -> Method:
    return Method(name, str(entry.get("label") or name), str(entry.get("about") or ""), str(entry.get("reason") or ""))


def chosen_cases(scores: Scores, kind: str, metric: str, method: str) -> dict[str, str]:
    """ "best", "median", "worst" -> case, by a metric of a method; fewer where there are fewer cases, none of a metric
    of the whole set."""
    found = {case: value for case, value in scores.values.get((kind, metric, method), {}).items() if case != SET}
    sign = -1 if scores.metrics[metric].better == "higher" else 1
    ordered = sorted(found, key=lambda case: (sign * found[case], case))
    picks = {"best": 0, "worst": len(ordered) - 1, "median": (len(ordered) - 1) // 2}
    named: dict[str, str] = {}
    for name, place in picks.items():
        if ordered and ordered[place] not in named.values():
            named[name] = ordered[place]
    return {name: named[name] for name in ("best", "median", "worst") if name in named}
