"""A frame and a window sampled as `animate` does it: time, memory, and whether the pictures can be right."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, replace

import numpy as np

from ...drawn import Acting, Person, paint
from ...face.align import AlignOptions, align
from ...face.opencv import opencv
from ...types import AlignedMotion
from ...walk.settings import Settings
from ...walk.studio import Studio
from ..bench import memory_counted, wait
from .report import Report

WINDOW = 16  # frames
_PERSON, _DRIVER, _MOTION = 20_000_007, 20_000_001, 7
_OTHERS = range(20_000_011, 20_000_019)  # whom the result should be less like
_SMALL = 32  # pixels of a side, at which people are compared
_LEAST_CONTRAST = 8.0  # levels of 255; a grey picture has 0 to 3
_LEAST_MOTION = 0.05  # levels, between the two frames of a window that differ most
_MOST_CLIPPED = 0.5  # of the numbers at 0 or 255


@dataclass(frozen=True)
class Subject:
    """portrait (H,W,3) uint8 RGB; motion: at least a frame, aligned to it."""

    portrait: np.ndarray
    motion: AlignedMotion

    @classmethod
    def drawn(cls, size: int, frames: int = WINDOW) -> Subject:
        """A drawn person who is driven by another; the same on every machine."""
        person, driver = Person.of(_PERSON), Person.of(_DRIVER)
        rest = person.act(Acting.rest(), (size, size))
        driving = driver.act(Acting.random(_MOTION, frames, from_rest=True), (size, size))
        return cls(paint(person, rest)[0], align(rest.frame(0), driving, AlignOptions()))

    def first(self, frames: int) -> Subject:
        """The same with a motion of at most so many frames."""
        arrays = {name: getattr(self.motion, name) for name in ("points", "depth", "turn")}
        shorter = {name: values[:frames] for name, values in arrays.items() if values is not None}
        return replace(self, motion=replace(self.motion, **shorter))

    @property
    def size(self) -> tuple[int, int]:
        return self.motion.size


def sample_frames(report: Report, name: str, studio: Studio, subject: Subject, settings: Settings) -> np.ndarray:
    """Portrait to pictures (T,H,W,3) uint8 RGB; noted under `name` with what it took."""
    device = str(studio.host.device)
    with memory_counted(device) as peak:
        wait(device)
        started = time.perf_counter()
        passes: list[float] = []
        latents = studio.animate(
            subject.portrait, subject.motion, settings, on_pass=lambda done, total: passes.append(time.perf_counter())
        )
        frames = np.stack(list(studio.frames(latents)))
        wait(device)
        seconds, most = time.perf_counter() - started, peak() or process_peak()
    report.facts.setdefault("samples", {})[name] = {
        "frames": len(frames),
        "size": "x".join(map(str, subject.size)),
        "steps": settings.steps,
        "guidance": settings.guidance,
        "precision": str(studio.host.dtype).removeprefix("torch."),
        "seconds": round(seconds, 3),
        "seconds_before": round(passes[0] - started, 3),  # of them, for the portrait
        "peak_gib": None if most is None else round(most / 2**30, 3),
        "mean": round(float(frames.mean()), 3),
        "deviation": round(float(frames.std()), 3),
    }
    return frames


def judge_frames(report: Report, name: str, frames: np.ndarray, subject: Subject, likeness: bool = True) -> None:
    """Whether pictures can be that portrait in motion. likeness: False for networks that nobody trained."""
    precision = "Try --precision bf16 or fp32, --device cpu, and compare the SHA-256 of the VAE."
    clipped = float(((frames == 0) | (frames == 255)).mean())
    contrast = float(frames.std(axis=(1, 2)).mean())
    report.judge(name, "levels are not clipped", clipped < _MOST_CLIPPED, f"{clipped:.0%} at 0 or 255", precision)
    report.judge(name, "not grey", contrast >= _LEAST_CONTRAST, f"contrast {contrast:.1f} levels", precision)
    if len(frames) > 1:
        moved = float(np.abs(frames[1:].astype(np.float32) - frames[0]).mean(axis=(1, 2, 3)).max())
        way_out = "The landmarks do not reach the frames: look at the landmark encoder's file."
        report.judge(name, "frames differ", moved >= _LEAST_MOTION, f"by {moved:.2f} levels at most", way_out)
    if not likeness:
        report.left_out(name, "like the portrait", "--untrained was given")
        return
    own = _distance(frames, subject.portrait)
    others = [_distance(frames, _drawn(number, subject.size)) for number in _OTHERS]
    said = f"{own:.1f} levels from the portrait, {min(others):.1f} to {max(others):.1f} from {len(others)} other people"
    way_out = (
        "The networks do not show the portrait: look at what failed above, and give more --steps and a --size of 512 "
        "before you report it."
    )
    report.judge(name, "like the portrait", own < min(others), said, way_out)


def process_peak() -> int | None:
    """Bytes of memory that this process had at most so far; None where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        try:
            import psutil
        except ImportError:
            return None
        return getattr(psutil.Process().memory_info(), "peak_wset", None)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _drawn(number: int, size: tuple[int, int]) -> np.ndarray:
    person = Person.of(number)
    return paint(person, person.act(Acting.rest(), size))[0]


def _distance(frames: np.ndarray, portrait: np.ndarray) -> float:
    """Mean difference in levels, of pictures made small."""
    cv2 = opencv()

    def small(picture: np.ndarray) -> np.ndarray:
        return cv2.resize(picture, (_SMALL, _SMALL), interpolation=cv2.INTER_AREA).astype(np.float32)

    return float(np.mean([np.abs(small(frame) - small(portrait)).mean() for frame in frames]))
