"""Outputs that somebody made elsewhere, read back into a benchmark, whatever they are called.

A video belongs to a case by, in this order: the name ID.mp4, ID/result.mp4 or PORTRAIT--DRIVING.mp4 (LivePortrait's
own); a longer name with one of these in it, between signs that are no letters or digits; any name in a folder ID. Two
that are equally near, and a name that fits two cases, are not taken.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations, islice
from pathlib import Path

from ...errors import InputError
from ...files import check_place, write_whole
from ...gate import loading, parse_json, read_bytes, short
from ...media import QUICK, Clip, even_sides, read_frames, write_video
from .cases import LEDGER, Bench, BenchCase
from .demo_scripts import known_baseline

VIDEOS = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".gif", ".mpg", ".mpeg", ".ogv", ".flv", ".ts")
_MOST_FILES, _DEEPEST = 2_000_000, 8  # of a stranger's folder: 18,450 cases with 64 pose pictures each are 1,300,000
_LARGEST = 1 << 30  # bytes of one video
_SLACK = 0.02  # by which a square may be longer than wide: codecs round
_EXACT, _LONGER, _FOLDER = range(3)  # how near a name is to a case's
_AGAIN = "Make it again, or leave it out."
Say = Callable[[str], None]


@dataclass(frozen=True)
class Collected:
    """found: the video of a case, by its id. problems: (path within the folder, or case's id, reason): every video
    that is not taken, and every case that has none."""

    found: dict[str, Path]
    problems: list[tuple[str, str]]


def collect_outputs(bench: Bench, name: str, folder: Path) -> Collected:
    """Which video in a folder is whose. Reads names, and the first frame of what is taken.

    name: the method's; a baseline's says whether its script shows pictures side by side. Folders that are links are
    not entered, hidden files not seen. Raises InputError where there is no such folder, or it holds more than two
    million files.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder. Name the one that holds the videos of {short(name, 60)}.")
    problems: list[tuple[str, str]] = []
    offered: dict[str, list[tuple[int, Path]]] = defaultdict(list)
    names = _Names(bench)
    for path in _walk(folder, problems):
        case, near, reason = names.owner(path.relative_to(folder))
        if case:
            offered[case].append((near, path))
        elif reason:
            problems.append((_told(path, folder), reason))

    found: dict[str, Path] = {}
    panels = _panels(name)
    for case in bench.cases:
        ranked = sorted(offered[case.id])
        best = [path for near, path in ranked if near == ranked[0][0]]
        reason = "no video is called so, or lies in a folder that is"
        if len(best) == 1:
            reason = _unfit(best[0], panels)
            if not reason:
                found[case.id] = best[0]
        elif best:
            reason = f"{len(best)} videos are equally near to its name; leave one of them"
        problems += [(_told(path, folder), reason) for path in best if reason]
        nearer = f"another video is nearer to the name of {case.id}"
        problems += [(_told(path, folder), nearer) for _, path in ranked[len(best) :]]
        if reason:
            problems.append((case.id, reason))
    return Collected(found, problems)


def adopt(bench: Bench, name: str, folder: Path, say: Say = lambda line: None) -> Collected:
    """Copy what `collect_outputs` finds to BENCH/outputs/NAME, T frames a video, and write its method.json.

    An mp4 of T frames is copied as it is. Others are written again without loss, so that every video holds just the
    frames that are measured: of T + 1 frames in self reenactment the first, which is the portrait, is left out; of
    pictures side by side the method's own is cut out. Any other length is refused. What was copied before from the
    same file stays. method.json: "label", "about", "seconds" (none are known), "reasons" of cases without a video, and
    "from", the files by their hashes. Returns what is taken, and all that is not. Raises InputError for a name that is
    no folder's and while somebody else makes outputs of it, OutputError where the disk is full.
    """
    with bench.written(name) as outputs:
        return _adopt(bench, name, folder, outputs / "method.json", say)


def _adopt(bench: Bench, name: str, folder: Path, about: Path, say: Say) -> Collected:
    check_place(about)
    collected = collect_outputs(bench, name, folder)
    about.with_name(LEDGER).unlink(missing_ok=True)  # what it says this pack has made is another's from here on
    found, problems = dict(collected.found), list(collected.problems)
    before, marks, led = _before(about), {}, 0
    about.unlink(missing_ok=True)  # should this be killed, nothing is said of what is there: all is read again
    try:
        for case in bench.cases:
            if case.id not in found:
                continue
            path, target = found[case.id], bench.output(name, case)
            try:
                with loading(path, "Video", InputError, _AGAIN):
                    content = read_bytes(path, _LARGEST)
                mark = hashlib.blake2b(content, digest_size=16).hexdigest()
                if before.pop(case.id, None) != mark or not target.exists():
                    led += _take(case, path, content, _panels(name), target)
                marks[case.id] = mark
            except InputError as error:
                del found[case.id]
                problems += [(_told(path, folder), str(error)), (case.id, str(error))]
    finally:
        lacking = {case.id for case in bench.cases} - set(found)
        reasons = {case: reason for case, reason in problems if case in lacking}
        baseline = known_baseline(name)
        whose = f"the code of {baseline.repository}" if baseline else "another method"
        told = {"label": baseline.label if baseline else name, "about": f"{whose}; videos read from {folder.name}"}
        told |= {"seconds": {}, "reasons": reasons, "from": before | marks}
        write_whole(about, json.dumps(told, indent=1))
    if led:
        say(f"{name}: {led} videos have one frame more than their case; the first, the portrait, is left out")
    stale = [case for case in bench.cases if case.id not in found and bench.output(name, case).exists()]
    for case in stale:
        bench.output(name, case).unlink()
    if stale:
        say(f"{name}: {len(stale)} videos that were read before are taken away, {short(stale[0].id)} first")
    say(f"{name}: {len(found)} of {len(bench.cases)} cases have a video in {folder}; {len(problems)} problems")
    return Collected(found, problems)


class _Names:
    """What the cases of a benchmark may be called."""

    def __init__(self, bench: Bench):
        self.ids = {case.id for case in bench.cases}
        self.known: dict[str, set[str]] = defaultdict(set)
        for case in bench.cases:
            self.known[case.id].add(case.id)
            self.known[f"{case.portrait}--{case.driving}"].add(case.id)
        self.lengths = {len(name) for name in self.known}

    def owner(self, path: Path) -> tuple[str, int, str]:
        """(case, how near, "") of a path within the folder; ("", 0, reason) of nobody's; no reason: it is an input."""
        stem, folders = path.stem, path.parts[:-1]
        parent = next((part for part in reversed(folders) if part in self.ids), "")
        inside = bool(parent) and folders[-1] == parent
        if inside and path.name == "driving.mp4":
            return "", 0, ""
        if "making" in folders:
            return "", 0, "half made: left by a run that was interrupted"
        near, named = _EXACT, self.known.get(stem, set())
        if not named and "_concat" in stem:
            return "", 0, "it shows source and driver beside the result"
        if not named and inside and stem == "result":
            named = {parent}
        if not named:
            near, named = _LONGER, self._within(stem)
        if len(named) > 1:
            return "", 0, f"its name fits {len(named)} cases: {short(', '.join(sorted(named)))}"
        if named and parent and parent not in named:
            return "", 0, f"its name is that of {', '.join(named)}, its folder that of {parent}"
        if named or parent:
            return (*named, parent)[0], near if named else _FOLDER, ""
        return "", 0, "no case is called so"

    def _within(self, text: str) -> set[str]:
        """Cases whose names stand in a longer one, between signs; a name within a longer name of a case is none."""
        inner = (at for at in range(1, len(text)) if not (text[at - 1].isalnum() and text[at].isalnum()))
        edges = [0, *inner, len(text)]
        parts = {text[a:b] for a, b in combinations(edges, 2) if b - a in self.lengths and text[a:b] in self.known}
        longest = [part for part in parts if not any(part != other and part in other for other in parts)]
        return set().union(*(self.known[part] for part in longest))


def _walk(folder: Path, problems: list[tuple[str, str]]) -> Iterator[Path]:
    """Videos in a folder and its folders, by their endings."""
    waiting, seen = [(folder, 0)], 0
    while waiting:
        here, depth = waiting.pop()
        try:
            with os.scandir(here) as entries:
                listed = sorted(islice(entries, _MOST_FILES - seen + 1), key=lambda entry: entry.name)
        except OSError as error:
            problems.append((_told(here, folder), f"it cannot be opened ({error.strerror})"))
            continue
        seen += len(listed)
        if seen > _MOST_FILES:
            raise InputError(f"{folder} holds more than {_MOST_FILES:,} files. Name the folder of the videos alone.")
        for entry in listed:
            path = here / entry.name
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False) and depth < _DEEPEST:
                waiting.append((path, depth + 1))
            elif entry.is_dir():
                why = "a link to a folder" if entry.is_symlink() else f"more than {_DEEPEST} folders deep"
                problems.append((_told(path, folder), f"{why}: not entered"))
            elif path.suffix.lower() in VIDEOS:
                if entry.is_file():
                    yield path
                else:
                    problems.append((_told(path, folder), "it is no file"))


def _unfit(path: Path, panels: int) -> str:
    """Why a video is not a method's; "" where it is."""
    try:
        height, width = next(read_frames(Clip(path))).shape[:2]
    except InputError as error:
        return str(error)
    if _near(width, height) or (panels > 1 and _near(width, panels * height)):
        return ""
    count = round(width / height)
    if count > 1 and _near(width, count * height):
        return f"it shows {count} pictures side by side; write the method's own alone"
    return f"it has {width} x {height} pixels; all cases are square"


def _take(case: BenchCase, path: Path, content: bytes, panels: int, target: Path) -> bool:
    """Write a case's output; whether a first frame was left out. Raises InputError for another number of frames."""
    count, wide = 0, False
    for count, frame in enumerate(islice(read_frames(Clip(path)), case.frames + 2), 1):  # noqa: B007
        wide = frame.shape[1] > 1.5 * frame.shape[0]
    extra = count - case.frames
    if extra not in ((0, 1) if case.kind == "self" else (0,)):
        raise InputError(f"It has {count}{' or more' * (extra == 2)} frames, its case {case.frames}. {_AGAIN}")
    if not extra and not wide and path.suffix.lower() == ".mp4":
        write_whole(target, content)
        return False
    frames = islice(read_frames(Clip(path)), extra, None)
    cut = (even_sides(frame[:, -(frame.shape[1] // panels) :] if wide else frame) for frame in frames)
    write_video(target, cut, case.fps, preset=QUICK, lossless=True)
    return bool(extra)


def _before(path: Path) -> dict[str, str]:
    """By which files the cases were made, as method.json says it."""
    if not path.exists():
        return {}
    with loading(path, "What is known of the method", InputError, "Delete it, and read the videos again."):
        found = parse_json(read_bytes(path, 1 << 28)).get("from", {})
        return {str(case): str(mark) for case, mark in found.items()}


def _panels(name: str) -> int:
    baseline = known_baseline(name)
    return baseline.panels if baseline else 1


def _near(a: int, b: int) -> bool:
    return abs(a - b) <= _SLACK * b


def _told(path: Path, folder: Path) -> str:
    return short(path.relative_to(folder).as_posix())
