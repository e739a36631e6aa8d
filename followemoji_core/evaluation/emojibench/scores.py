"""What was measured, by metric and method: means, intervals, differences, and which cases are worth a look."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ...errors import InputError
from ..bootstrap import mean_interval, paired_difference
from .cases import KINDS
from .rows import ADVICE, CSV, JSON, SET
from .rows import read_scores as read_rows

_FEW = 2  # cases below which nothing is told apart


@dataclass(frozen=True)
class Metric:
    """What scores.json says of a metric. missing: why nobody has a number, with the command; paper: of its Table 1."""

    name: str
    label: str
    better: str
    unit: str = ""
    kinds: Sequence[str] = KINDS
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
    thresholds: Sequence[float] = ()
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
    """scores.csv and scores.json of a benchmark folder. Raises InputError where one is absent or damaged, see
    `rows.read_scores`."""
    for name in (JSON, CSV):
        if not (folder / name).is_file():
            raise InputError(f"{folder} has no {name}: nothing was measured yet. {ADVICE}")
    found = read_rows(folder)
    metrics = {
        name: Metric(name, **{**vars(note), "missing": note.missing or ""}) for name, note in found.metrics.items()
    }
    methods = {name: Method(name, note.label, note.about, note.reason or "") for name, note in found.methods.items()}
    scores = Scores(metrics, methods, thresholds=found.thresholds, measured_at=found.measured_at, frames=found.frames)
    for row in found.rows:
        key = (row.kind, row.metric, row.method)
        if row.value is None:
            scores.reasons[key][row.case] = row.reason
        else:
            scores.values[key][row.case] = row.value
    return scores


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
