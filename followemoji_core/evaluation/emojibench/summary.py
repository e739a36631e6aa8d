"""The table of a benchmark in sums: means with their intervals, differences between methods, cases worth a look."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from ...errors import InputError
from ..bootstrap import mean_interval, paired_difference
from .cases import KINDS
from .rows import ADVICE, CSV, JSON, SET, MethodNote, MetricNote, read_scores

_FEW = 3  # cases below which nothing is told apart: of two, intervals are too narrow
Key = tuple[str, str, str]  # kind, metric, method


@dataclass(frozen=True)
class Metric(MetricNote):
    """With its name."""

    name: str = ""


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


@dataclass(frozen=True)
class Summary:
    """values: key -> case -> number, of the case SET where it is one of all cases; reasons: key -> case -> why there is
    none; remarks: key -> case -> what was said of a number that is there."""

    metrics: Mapping[str, Metric]
    methods: Mapping[str, MethodNote]
    notes: tuple[str, ...] = ()
    values: dict[Key, dict[str, float]] = field(default_factory=lambda: defaultdict(dict))
    reasons: dict[Key, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    remarks: dict[Key, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))

    def kinds(self) -> tuple[str, ...]:
        """Of which anything was measured, or was to be."""
        return tuple(kind for kind in KINDS if any(key[0] == kind for key in (*self.values, *self.reasons)))

    def cases(self, kind: str) -> int:
        """How many cases of that kind the table knows."""
        found = (*self.values.items(), *self.reasons.items())
        return len({case for key, told in found if key[0] == kind for case in told} - {SET})

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


def read_summary(folder: Path) -> Summary:
    """Of a benchmark's folder. Raises InputError where nothing was measured, or the table is damaged."""
    for name in (JSON, CSV):
        if not (folder / name).is_file():
            raise InputError(f"{folder} has no {name}: nothing was measured yet. {ADVICE}")
    table = read_scores(folder)
    metrics = {name: Metric(**asdict(note), name=name) for name, note in table.metrics.items()}
    summary = Summary(metrics, table.methods, tuple(table.notes))
    for row in table.rows:
        key = (row.kind, row.metric, row.method)
        if row.value is None:
            summary.reasons[key][row.case] = row.reason
            continue
        summary.values[key][row.case] = row.value
        if row.reason:
            summary.remarks[key][row.case] = row.reason
    return summary


def chosen_cases(summary: Summary, kind: str, metric: str, method: str) -> dict[str, str]:
    """ "best", "median", "worst" -> case, by a metric of a method; fewer where there are fewer cases, none of a metric
    of the whole set."""
    found = {case: value for case, value in summary.values.get((kind, metric, method), {}).items() if case != SET}
    sign = -1 if summary.metrics[metric].better == "higher" else 1
    ordered = sorted(found, key=lambda case: (sign * found[case], case))
    picks = {"best": 0, "worst": len(ordered) - 1, "median": (len(ordered) - 1) // 2}
    named: dict[str, str] = {}
    for name, place in picks.items():
        if ordered and ordered[place] not in named.values():
            named[name] = ordered[place]
    return {name: named[name] for name in ("best", "median", "worst") if name in named}
