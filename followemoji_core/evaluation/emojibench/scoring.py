"""From outputs to the table: every method's videos, measured case by case; what is measured already stays.

BENCH/measured/METHOD/CASE.json holds what one video gave, known by the hashes of the video, of the case and of the
detector; BENCH/measured/.wanted/CASE.json what sets are compared with. The table is put together from them.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import FollowEmojiError, InputError
from ...face.detector import FaceDetector
from ...fetching import digest_of
from ...files import check_place, write_whole
from ...gate import Refused, loading, parse_json, read_bytes, short
from ...media import Clip, read_frames
from .cases import KINDS, Bench, BenchCase, safe_name
from .metrics import METRICS, THRESHOLDS, Metric, Tools, Value
from .metrics.frechet import Moments
from .metrics.metric import SetMeasure
from .metrics.quality import PLUGS
from .metrics.shown import Find, Given, Shown, finder, sized
from .networks import network
from .rows import CSV, SET, MethodNote, MetricNote, Row, Scores, write_scores

VERSION = 1  # of the measures: other ones are measured again
_LARGEST = 64 << 20  # bytes of what one video gave
_NUMBER = (float, int, type(None))
_WANTED = ".wanted"  # no method's name
Say = Callable[[str], None]


@dataclass(frozen=True)
class Scoring:
    """measured, kept: numbers of videos; bad: by method, how many of its videos could not be measured, by reason."""

    scores: Scores
    measured: int
    kept: int
    bad: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


def score(
    bench: Bench,
    methods: Sequence[str] | None = None,
    metrics: Sequence[str] | None = None,
    tools: Tools = Tools(),  # noqa: B008, frozen
    others: Mapping[str, MethodNote] | None = None,
    say: Say = lambda line: None,
) -> Scoring:
    """Measure the outputs of a benchmark and write BENCH/scores.csv and scores.json.

    methods: whose outputs [all that have some]; metrics: which [all]. others: methods that belong in the table and have
    no outputs, with the reason. A metric whose package or network is missing leaves its column empty, with the reason;
    a video that is missing, damaged, too short, too long or not square leaves its case's row empty, with the reason.
    say: gets a line for each that is empty, and one a case.
    Raises InputError for an unknown method, metric, network or plug, OutputError where the disk is full.
    """
    check_place(bench.folder / CSV)
    names = list(bench.methods() if methods is None else methods)
    for name in names:
        if name not in bench.methods():
            there = ", ".join(bench.methods()) or "none yet"
            raise InputError(f"Method {short(name, 60)!r} has no outputs in {bench.folder}; there are: {there}.")
    chosen = _chosen(metrics)
    for name in tools.files:
        network(name)  # raises
    for name in tools.plugs:
        if name not in PLUGS:
            raise InputError(f"{short(name, 60)!r} is no package that is asked; there are: {', '.join(PLUGS)}.")
    with ExitStack() as stack:
        run = _Run(bench, tools, chosen, stack, say)
        for index, case in enumerate(bench.cases, 1):
            kept, measured = run.kept, run.measured
            run.measure(case, names)
            done = f"{run.measured - measured} measured, {run.kept - kept} there already"
            say(f"{index} of {len(bench.cases)}: {case.id}: {done}")
        scores = _table(run, names, others or {})
    write_scores(bench.folder, scores)
    bad = {name: dict(reasons) for name, reasons in run.bad.items()}
    for name, reasons in bad.items():
        for reason, count in reasons.items():
            say(f"{name}: {count} of {len(bench.cases)} videos not measured: {reason}")
    return Scoring(scores, run.measured, run.kept, bad)


def _chosen(names: Sequence[str] | None) -> list[Metric]:
    for name in names or ():
        if name not in METRICS:
            raise InputError(f"There is no metric {short(name, 60)!r}; known: {', '.join(METRICS)}.")
    return [metric for metric in METRICS.values() if names is None or metric.name in names]


def read_output(path: Path, frames: int, size: int) -> np.ndarray:
    """A method's video as (frames, size, size, 3) uint8 RGB, whatever its size was.

    Raises InputError where it is missing, damaged, has another number of frames, or is not square.
    """
    if not path.is_file():
        raise InputError("the video is missing")
    found: list[np.ndarray] = []
    for frame in islice(read_frames(Clip(path)), frames + 1):
        height, width = frame.shape[:2]
        if height != width:
            raise InputError(f"the video has {width} x {height} pixels; the case is square")
        found.append(sized(frame[None], size)[0])
    if len(found) != frames:
        got = f"more than {frames}" if len(found) > frames else str(len(found))
        raise InputError(f"the video has {got} frames; the case has {frames}")
    return np.stack(found)


@dataclass
class _Part:
    """What one video gave: numbers by metric, features of sets by metric; or why it could not be measured."""

    key: str
    values: dict[str, Value] = field(default_factory=dict)
    sets: dict[str, np.ndarray | None] = field(default_factory=dict)
    bad: str = ""


class _Run:
    """One pass over the cases: metrics that are open, what was counted."""

    def __init__(self, bench: Bench, tools: Tools, metrics: Sequence[Metric], stack: ExitStack, say: Say) -> None:
        self.bench, self.metrics = bench, metrics
        self.missing: dict[str, str] = {}
        self.open: dict[str, Any] = {}
        self.measured = self.kept = 0
        self.bad: dict[str, Counter[str]] = {}
        self._tools, self._stack, self._find = tools, stack, None
        self._digests: dict[Path, str] = {}
        self._records: dict[str, dict[str, Any]] = {}
        self._folder = bench.folder / "measured"
        for metric in metrics:
            try:
                self.open[metric.name] = metric.open(tools)
            except FollowEmojiError as error:
                self.missing[metric.name] = str(error)
                say(f"{metric.label}: empty. {error}")
        detector = tools.detector
        self._detector = self._digest(detector) if detector is not None and detector.is_file() else ""

    def find(self, frames: np.ndarray):
        """The face in frames, by a detector that is opened for the first of them."""
        if self._find is None:
            self._find: Find = finder(self._stack.enter_context(FaceDetector(self._tools.detector)))
        return self._find(frames)

    def measure(self, case: BenchCase, methods: Sequence[str]) -> None:
        """What the methods made of a case, as far as it is not measured already."""
        given = Given(case, self.bench.size, self.find)
        key = self._key(case)
        wanted = self.load(_WANTED, case, key)
        lacking = [m for m in self._metrics(case, of_set=True) if m.name not in wanted.sets]
        try:
            for metric in lacking:
                wanted.sets[metric.name] = self.open[metric.name].wanted(given)
        except FollowEmojiError as error:
            wanted.bad = f"the case itself cannot be read: {short(error)}"
        if lacking:
            self._save(_WANTED, case, wanted)
        for method in methods:
            self._measure(case, method, given, key)

    def _measure(self, case: BenchCase, method: str, given: Given, key: str) -> None:
        path = self.bench.output(method, case)
        part = self.load(method, case, self._key(case, path))
        values = [m for m in self._metrics(case) if m.name not in part.values]
        sets = [m for m in self._metrics(case, of_set=True) if m.name not in part.sets]
        if part.bad or not (values or sets):
            self.kept += 1
        else:
            try:
                shown = Shown(read_output(path, self.bench.frames, self.bench.size), given, self.find)
            except InputError as error:
                part.bad = self._why(method, case) or short(error) if not path.is_file() else short(error)
            else:
                try:
                    for metric in values:
                        part.values[metric.name] = _finite(self.open[metric.name](shown))
                    for metric in sets:
                        part.sets[metric.name] = self.open[metric.name].of(shown)
                except FollowEmojiError as error:  # of what it is compared with
                    part.bad = f"the case itself cannot be read: {short(error)}"
                self.measured += not part.bad
            if path.is_file():  # what is missing may come, or be missing for another reason
                self._save(method, case, part)
        if part.bad:
            self.bad.setdefault(method, Counter())[part.bad] += 1

    def _metrics(self, case: BenchCase, of_set: bool = False) -> Iterator[Metric]:
        return (
            metric
            for metric in self.metrics
            if metric.name in self.open and metric.of_set == of_set and case.kind in metric.kinds
        )

    def _why(self, method: str, case: BenchCase) -> str:
        """Why the method has no video of a case, where its own record says so."""
        if method not in self._records:
            self._records[method] = method_record(self.bench, method)
        return short(self._records[method].get("reasons", {}).get(case.id, ""))

    # --- what is kept

    def _key(self, case: BenchCase, output: Path | None = None) -> str:
        """Known by: the measures, the detector, what the case is and holds, and the video."""
        about = {name: str(value) for name, value in asdict(case).items() if name != "folder"}
        files = [*case.files, *([output] if output is not None else [])]
        parts = [VERSION, self.bench.frames, self.bench.size, self._detector, about, [self._digest(f) for f in files]]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def _digest(self, path: Path) -> str:
        if path not in self._digests:
            self._digests[path] = digest_of(path) if path.is_file() else ""
        return self._digests[path]

    def _path(self, method: str, case: BenchCase) -> Path:
        return self._folder / method / f"{case.id}.json"

    def load(self, method: str, case: BenchCase, key: str) -> _Part:
        """What was measured before; empty where that was of other files, or is damaged."""
        path = self._path(method, case)
        if not path.is_file():
            return _Part(key)
        try:
            with loading(path, "Measured", InputError, "It is measured again."):
                found = parse_json(read_bytes(path, _LARGEST))
                if found["key"] != key:
                    return _Part(key)
                values = {name: Value(*value) for name, value in found["values"].items()}
                if not all(
                    type(v.number) in (float, int, type(None)) and type(v.reason) is str for v in values.values()
                ):
                    raise Refused("its values are no numbers")
                sets = {name: _features(rows) for name, rows in found["sets"].items()}
                return _Part(key, values, sets, str(found["bad"]))
        except InputError:
            return _Part(key)

    def _save(self, method: str, case: BenchCase, part: _Part) -> None:
        path = self._path(method, case)
        path.parent.mkdir(parents=True, exist_ok=True)
        values = {name: (value.number, value.reason) for name, value in part.values.items()}
        sets = {name: None if rows is None else [[float(f"{x:.6g}") for x in row] for row in rows]
                for name, rows in part.sets.items()}  # fmt: skip
        about = {"key": part.key, "bad": part.bad, "values": values, "sets": sets}
        write_whole(path, json.dumps(about, separators=(",", ":"), allow_nan=False))


def _features(rows: Any) -> np.ndarray | None:
    if rows is None:
        return None
    found = np.array(rows, np.float64)
    if found.size and (found.ndim != 2 or not np.isfinite(found).all()):
        raise Refused("its features are no table of numbers")
    return found


def _finite(value: Value) -> Value:
    if value.number is None or np.isfinite(value.number):
        return value
    return Value(None, f"{value.reason}; the metric gave {value.number}".lstrip("; "))


# --- the table


def _table(run: _Run, methods: Sequence[str], others: Mapping[str, MethodNote]) -> Scores:
    rows: list[Row] = []
    sets: dict[tuple[str, str, str], tuple[Moments, Moments]] = {}
    for case in run.bench.cases:
        where = (case.id, case.kind, case.portrait, case.driving)
        wanted = run.load(_WANTED, case, run._key(case))
        for method in methods:
            path = run.bench.output(method, case)
            part = run.load(method, case, run._key(case, path))
            if not path.is_file():
                part.bad = run._why(method, case) or "the video is missing"
            for metric in run._metrics(case):
                value = Value(None, part.bad) if part.bad else part.values[metric.name]
                rows.append(Row(*where, method, metric.name, value.number, value.reason))
            for metric in run._metrics(case, of_set=True):
                made, theirs = sets.setdefault((method, case.kind, metric.name), (Moments(), Moments()))
                pair = part.sets.get(metric.name), wanted.sets.get(metric.name)
                if not part.bad and all(features is not None and len(features) for features in pair):
                    made.add(pair[0])
                    theirs.add(pair[1])
    kinds = [kind for kind in KINDS if any(case.kind == kind for case in run.bench.cases)]
    for (method, kind, name), (made, theirs) in sets.items():
        measure: SetMeasure = run.open[name]
        value = _finite(measure.between(made, theirs)) if made.videos else Value(None, "no video of it can be compared")
        rows.append(Row(SET, kind, "", "", method, name, value.number, value.reason))
    for name, reason in run.missing.items():
        rows += [Row(SET, kind, "", "", method, name, None, reason) for method in methods for kind in kinds]
    about = {
        m.name: MetricNote(m.label, m.better, m.unit, m.kinds, m.about, m.paper, run.missing.get(m.name))
        for m in run.metrics
    }
    notes = {name: note for name, note in others.items() if name not in methods}
    for method in methods:
        record = method_record(run.bench, method)
        counted = sum(run.bad.get(method, {}).values())
        reason = "none of its videos could be measured" if counted == len(run.bench.cases) else None
        notes[method] = MethodNote(str(record.get("label", method)), str(record.get("about", "")), reason)
    return Scores(rows, about, notes, THRESHOLDS, run.bench.size, run.bench.frames)


def method_record(bench: Bench, method: str) -> dict[str, Any]:
    """BENCH/outputs/METHOD/method.json: {"label", "about", "seconds", "reasons"}; {} where it has none. Raises
    InputError for a damaged one."""
    path = bench.folder / "outputs" / safe_name(method, "Method") / "method.json"
    if not path.is_file():
        return {}
    with loading(path, "Record of a method", InputError, "Delete it, or run the method again."):
        found = parse_json(read_bytes(path, _LARGEST))
        texts = [found.get(name, "") for name in ("label", "about")]
        maps = [found.get(name, {}) for name in ("seconds", "reasons")]
        if not all(type(t) is str and len(t) < 2000 for t in texts) or not all(type(m) is dict for m in maps):
            raise Refused("it is no record of a method")
        return found
