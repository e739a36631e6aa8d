"""The cases of a benchmark, as they lie in a folder: what every method is given, and what it is measured against.

BENCH/benchmark.json        the cases, how they were made, and what was refused
BENCH/portraits/NAME.png    framed portraits; NAME.safetensors: the face in them, a motion of one frame
BENCH/clips/NAME.mp4        driving clips, lossless; NAME.safetensors: the motion of the face in them
BENCH/truth/CASE.mp4        true frames of cross reenactment, lossless, where they are known (drawn people)
BENCH/outputs/METHOD/CASE.mp4
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ...errors import InputError
from ...face.align import AlignOptions, align
from ...face.motion_file import load_motion
from ...files import write_whole
from ...gate import Refused, loading, parse_json, read_bytes, short
from ...lock import only_one
from ...media import Clip, read_frames
from ...pictures import read_picture
from ...types import AlignedMotion, FaceFrame, FaceMotion

VERSION = 1
FRAMES, SIZE = 64, 256  # what the paper measures
KINDS = ("self", "cross")
LEDGER = "jobs.jsonl"  # in a method's folder: which of its videos this pack has made, and of what
_SAFE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,119}")
_LARGEST = 64 << 20  # bytes of benchmark.json: 18,450 cases take 4 MB
_ADVICE = "Make the benchmark again: python -m followemoji_core evaluate cases"


@dataclass(frozen=True)
class BenchCase:
    """One portrait and one driving clip of T frames.

    kind: "self": the frame before the clip's first is the portrait, the clip is what should come out; "cross": the
    portrait is another's. folder: the benchmark's. side: of the square pictures, in pixels. neutral: frame of the clip
    in which the driver's face is at rest; None: the calmest.
    """

    id: str
    kind: str
    portrait: str
    driving: str
    folder: Path
    frames: int
    fps: float
    side: int
    neutral: int | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """All that it consists of; the last one, its truth, only where it is known."""
        portrait, clip = self.folder / "portraits" / self.portrait, self.folder / "clips" / self.driving
        ends = [(portrait, ".png"), (portrait, ".safetensors"), (clip, ".mp4"), (clip, ".safetensors")]
        own = [where.with_name(where.name + end) for where, end in ends]
        return (*own, self.folder / "truth" / f"{self.id}.mp4")

    def picture(self) -> np.ndarray:
        """The portrait, (S,S,3) uint8 RGB."""
        return read_picture(self.folder / "portraits" / f"{self.portrait}.png")

    def driving_frames(self) -> np.ndarray:
        """(T,S,S,3) uint8 RGB."""
        return _frames(self.folder / "clips" / f"{self.driving}.mp4")

    def truth_frames(self) -> np.ndarray | None:
        """What should come out, (T,S,S,3) uint8 RGB; None where nobody knows."""
        if self.kind == "self":
            return self.driving_frames()
        path = self.folder / "truth" / f"{self.id}.mp4"
        return _frames(path) if path.exists() else None

    def face(self) -> FaceFrame:
        """The portrait's face."""
        return load_motion(self.folder / "portraits" / f"{self.portrait}.safetensors").frame(0)

    def motion(self) -> FaceMotion:
        """The driver's face, T frames."""
        return load_motion(self.folder / "clips" / f"{self.driving}.safetensors")

    def expected(self) -> AlignedMotion:
        """Where the landmarks should come out, in pixels of S x S: the driver's own in self reenactment; in cross
        reenactment his motion on the portrait, aligned as published, which the paper takes as truth too."""
        motion = self.motion()
        if self.kind == "cross":
            return align(self.face(), motion, replace(AlignOptions.published(), neutral=self.neutral))
        points = motion.landmarks[..., :2].astype(np.float64) * motion.size
        return AlignedMotion(points.astype(np.float32), motion.size, motion.fps)


@dataclass(frozen=True)
class Bench:
    """A benchmark. size: what is measured, in pixels of a side; made: "drawn" or "manifest"; notes: what was said
    when it was made; refused: rows of the manifest that are no cases, with their "reason"."""

    folder: Path
    cases: tuple[BenchCase, ...]
    frames: int = FRAMES
    size: int = SIZE
    made: str = "manifest"
    notes: tuple[str, ...] = ()
    refused: tuple[Mapping[str, str], ...] = ()

    def output(self, method: str, case: BenchCase) -> Path:
        """Where a method's video of a case lies. Raises InputError for a name that is no folder's."""
        return self.folder / "outputs" / safe_name(method, "Method") / f"{case.id}.mp4"

    @contextmanager
    def written(self, method: str) -> Iterator[Path]:
        """BENCH/outputs/METHOD, which nobody else makes the outputs of within the block. Raises InputError for a name
        that is no folder's and while somebody does, OutputError where the folder cannot be made."""
        folder = self.folder / "outputs" / safe_name(method, "Method")
        with only_one(folder, ".method.lock"):
            yield folder

    def methods(self) -> tuple[str, ...]:
        """Those that have made something."""
        outputs = self.folder / "outputs"
        found = sorted(path.name for path in outputs.iterdir() if path.is_dir()) if outputs.is_dir() else []
        return tuple(name for name in found if _SAFE.fullmatch(name))


def open_bench(folder: Path) -> Bench:
    """The benchmark in a folder. Raises InputError where there is none, or one that is damaged."""
    path = folder / "benchmark.json"
    with loading(path, "Benchmark", InputError, f"{_ADVICE} {folder}"):
        found = parse_json(read_bytes(path, _LARGEST))
        if not isinstance(found, dict) or found.get("version") != VERSION:
            raise Refused(f"it is no benchmark of version {VERSION}")
        frames, size = found["frames"], found["size"]
        if not (type(frames) is int and 1 <= frames <= 100_000 and type(size) is int and 16 <= size <= 4096):
            raise Refused("its frames and size are not those of a benchmark")
        cases = tuple(_case(entry, folder, frames) for entry in found["cases"])
        if len({case.id for case in cases}) < len(cases):
            raise Refused("two of its cases have one name")
        notes = tuple(str(note) for note in found["notes"])
        refused = tuple({str(k): str(v) for k, v in row.items()} for row in found["refused"])
        return Bench(folder, cases, frames, size, str(found["made"]), notes, refused)


def write_bench(
    folder: Path,
    cases: Iterable[BenchCase],
    frames: int,
    made: str,
    notes: Iterable[str] = (),
    refused: Iterable[Mapping[str, str]] = (),
    size: int = SIZE,
) -> Bench:
    """Write benchmark.json, when everything it names is there; returns what `open_bench` would."""
    names = ("id", "kind", "portrait", "driving", "fps", "side", "neutral")
    listed = [{name: getattr(case, name) for name in names} for case in cases]
    about = {"version": VERSION, "made": made, "frames": frames, "size": size, "cases": listed}
    about |= {"notes": list(notes), "refused": [dict(row) for row in refused]}
    write_whole(folder / "benchmark.json", json.dumps(about, indent=1))
    return open_bench(folder)


def safe_name(text: str, what: str) -> str:
    """The text itself. Raises InputError where it cannot be the name of a file or folder on every system."""
    if not _SAFE.fullmatch(text) or text.endswith("."):
        raise InputError(
            f"{what} {short(text, 60)!r} cannot be a file's name. Use up to 120 letters, digits, _, - and dots."
        )
    return text


def file_name(text: str) -> str:
    """Any text as such a name."""
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", text).strip("-.")[:100]
    return plain if _SAFE.fullmatch(plain) else f"_{plain}"


def _case(entry: dict, folder: Path, frames: int) -> BenchCase:
    names = {name: safe_name(entry[name], "Its name") for name in ("id", "portrait", "driving")}
    fps, side, neutral = float(entry["fps"]), entry["side"], entry["neutral"]
    if entry["kind"] not in KINDS or not 0.1 <= fps <= 1000 or type(side) is not int or not 16 <= side <= 4096:
        raise Refused(f"its case {names['id']} is of no kind, rate or size that is known")
    if neutral is not None and (type(neutral) is not int or not 0 <= neutral < frames):
        raise Refused(f"its case {names['id']} is at rest in frame {neutral}, which there is not")
    return BenchCase(**names, kind=entry["kind"], folder=folder, frames=frames, fps=fps, side=side, neutral=neutral)


def _frames(path: Path) -> np.ndarray:
    return np.stack(list(read_frames(Clip(path))))
