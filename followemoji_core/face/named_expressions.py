"""Named expressions: controls over time, by name, in sums and in sequences."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import InputError
from .controls import CHANNELS, Controls, bounded, nearest

REST = "rest"  # in sequences: a calm face
LONGEST = 100_000  # frames of a sequence
STRONGEST = 2.0
_AT_ONCE = 20  # expressions of one entry of a sequence
_ENTRIES, _ENTRY = 2000, 1000  # of a sequence; letters of one
CROSS_FADE = 0.3  # seconds from one expression of a sequence to the next


@dataclass(frozen=True)
class NamedExpression:
    """An expression over time.

    onset, apex, offset: seconds to it, in it, and back to rest. moments (N,) in [0,1] and poses (N,59), controls: what
    it is at these shares of the apex, easing between; one that does not change has a single one.
    """

    name: str
    onset: float
    apex: float
    offset: float
    moments: np.ndarray
    poses: np.ndarray
    also: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        return self.onset + self.apex + self.offset

    def held(self, shares: np.ndarray) -> np.ndarray:
        """(T,59) controls at shares (T,) of the apex, 0 to 1."""
        after = np.clip(np.searchsorted(self.moments, shares, side="right"), 1, max(len(self.moments) - 1, 1))
        if len(self.moments) == 1:
            return np.repeat(self.poses, len(shares), axis=0)
        before = after - 1
        span = np.maximum(self.moments[after] - self.moments[before], 1e-6)
        share = ease(np.clip((shares - self.moments[before]) / span, 0.0, 1.0))[:, None]
        return self.poses[before] * (1 - share) + self.poses[after] * share

    def over(self, frames: int, strength: float = 1.0, at: np.ndarray | None = None) -> np.ndarray:
        """(frames,59): onset, apex and offset in proportion, from rest and back to it; or only its frames `at` (N,)."""
        time = ((np.arange(frames) if at is None else at) + 0.5) / frames * self.seconds
        risen = ease(np.clip(time / self.onset, 0, 1)) * ease(np.clip((self.seconds - time) / self.offset, 0, 1))
        return self.held(np.clip((time - self.onset) / self.apex, 0, 1)) * (strength * risen[:, None])


@functools.cache
def named_expressions() -> dict[str, NamedExpression]:
    """The expressions of expressions.toml, by name and in its order."""
    try:
        import tomllib
    except ImportError:  # Python 3.10
        import tomli as tomllib

    given = tomllib.loads(Path(__file__).with_name("expressions.toml").read_text("utf-8"))
    found = {}
    for name, entry in given.items():
        beats = entry.get("beats", [[0.0, {}]])
        poses = [Controls.of({**entry["controls"], **changes}).values[0] for _, changes in beats]
        moments = np.array([share for share, _ in beats])
        times = (float(entry[part]) for part in ("onset", "apex", "offset"))
        found[name] = NamedExpression(name, *times, moments, np.stack(poses), tuple(entry.get("also", ())))
    return found


@functools.cache
def _by_any_name() -> dict[str, NamedExpression]:
    known = named_expressions()
    return known | {other: one for one in known.values() for other in one.also}


def find(name: str) -> NamedExpression:
    """The expression of that name, or of another that it goes by. Raises InputError, with the nearest, for no such."""
    plain = re.sub(r"[\s-]+", "_", name.strip().lower())
    if found := _by_any_name().get(plain):
        return found
    raise InputError(f"{name!r} is not a named expression.{nearest(plain, [*_by_any_name(), REST])}")


def expression(
    name: str, frames: int | None = None, strength: float = 1.0, fps: float = 25.0, at: np.ndarray | None = None
) -> Controls:
    """A named expression from rest and back to it, over T = `frames` frames; in its own time unless given.

    strength: 0 to 2, 1 as it was made. at (N,): only these of its frames, in order. Raises InputError for an unknown
    name, and numbers outside their range.
    """
    found = find(name)
    if not (math.isfinite(fps) and fps > 0):
        raise InputError(f"Frame rate is {fps}; it must be a positive number of frames per second.")
    frames = max(round(found.seconds * fps), 1) if frames is None else _counted(frames, name)
    return Controls(bounded(found.over(frames, _strong(strength, name), at)), fps)


def blend(parts: Sequence[tuple[str, float]], frames: int, fps: float = 25.0) -> Controls:
    """Several expressions at once, each with its strength: their sum over `frames` frames, kept within bounds."""
    total = Controls.rest(_counted(frames, "a blend"), fps)
    for name, strength in parts:
        total = total.plus(expression(name, frames, strength, fps))
    return total


def sequence(text: str, fps: float = 25.0, cross_fade: float = CROSS_FADE, at: np.ndarray | None = None) -> Controls:
    """Expressions one after the other: `smile 12, wink_left 8 0.7, rest 6` -> 26 frames.

    Each is a name, its frames, and its strength where it is not 1; several at once are joined by +, as in
    `smile + wink_left 10`. One fades into the next within `cross_fade` seconds; the first comes from rest, the last
    goes back to it. at (N,): only these of its frames, in order. Raises InputError that names the entry which cannot
    be read.
    """
    if not (math.isfinite(cross_fade) and cross_fade >= 0):
        raise InputError(f"Cross-fade is {cross_fade}; it must be 0 seconds or more.")
    read = _entries(text)
    total = sum(frames for _, frames, _ in read)

    # 1. Borders: over them two neighbours share the face. At both ends the other is rest, and the fade is inside.
    lengths = np.array([frames for _, frames, _ in read])
    fade = cross_fade * fps
    first, last = min(fade, lengths[0] / 2) / 2, min(fade, lengths[-1] / 2) / 2
    middle = [min(fade, shorter) / 2 for shorter in np.minimum(lengths[:-1], lengths[1:])]
    borders = np.concatenate([[first], np.cumsum(lengths)[:-1], [total - last]])
    widths = np.array([first, *middle, last])

    # 2. Each is held in its share of the face, from the border before it to the one after.
    at = np.arange(total) if at is None else at
    values = np.zeros((len(at), len(CHANNELS)))
    begins, ends = borders[:-1] - widths[:-1], borders[1:] + widths[1:]
    parts = np.searchsorted(at, [begins.astype(int) - 1, ends.astype(int) + 2]).T
    starts = np.cumsum(lengths) - lengths
    for index in np.flatnonzero(parts[:, 0] < parts[:, 1]):
        expressions, frames, strength = read[index]
        part = slice(*parts[index])
        time = at[part] + 0.5
        weight = _risen(time, borders[index], widths[index]) - _risen(time, borders[index + 1], widths[index + 1])
        for one in expressions:
            values[part] += strength * weight[:, None] * one.held(np.clip((time - starts[index]) / frames, 0, 1))
    return Controls(bounded(values), fps)


def sequence_frames(text: str) -> int:
    """Frames of a sequence. Raises InputError as `sequence` does."""
    return sum(frames for _, frames, _ in _entries(text))


def _risen(time: np.ndarray, border: float, width: float) -> np.ndarray:
    """(T,) 0 before a border, 1 after it, smooth over `width` frames on both sides."""
    if width == 0:
        return (time > border).astype(float)
    return ease(np.clip((time - border) / (2 * width) + 0.5, 0.0, 1.0))


def ease(t: np.ndarray) -> np.ndarray:
    """Slow, fast, slow: (...) in [0,1] -> the same."""
    return t * t * (3 - 2 * t)


@functools.lru_cache(64)  # an edit is asked for again and again
def _entries(text: str) -> list[tuple[list[NamedExpression], int, float]]:
    """Of each entry of a sequence its expressions, frames and strength."""
    entries = [entry for entry in re.split(r"[,;\n]", text) if entry.strip()]
    if not entries:
        raise InputError("The sequence is empty. Write names and frames, such as: smile 12, wink_left 8, rest 6.")
    if len(entries) > _ENTRIES:
        raise InputError(f"The sequence has {len(entries)} entries; at most {_ENTRIES}. Split it.")
    read = [_entry(entry, number) for number, entry in enumerate(entries, 1)]
    total = sum(frames for _, frames, _ in read)
    if total > LONGEST:
        raise InputError(f"The sequence has {total} frames; at most {LONGEST}. Split it.")
    return read


def _entry(text: str, number: int) -> tuple[list[NamedExpression], int, float]:
    if len(text) > _ENTRY:
        raise InputError(f"Entry {number} of the sequence has {len(text)} letters. Separate entries by commas.")
    match = re.fullmatch(r"\s*([A-Za-z_][\w\s+-]*?)\s+(\d+)(?:\s+(?:x\s*)?(-?[\d.]+))?\s*", text)
    where = f"Entry {number} of the sequence, {text.strip()!r}"
    if not match:
        raise InputError(f"{where}, cannot be read. Write a name and a number of frames, such as: smile 12.")
    names, frames, strength = match.groups()
    if names.count("+") >= _AT_ONCE:
        raise InputError(f"{where}, has more than {_AT_ONCE} expressions at once. Leave some out.")
    try:
        found = [find(name) for name in names.split("+") if name.strip().lower() != REST]
        return found, _counted(int(frames), names), _strong(float(strength or 1.0), names)
    except ValueError as error:  # also InputError, which says what is wrong
        raise InputError(f"{where}: {error}") from error


def _counted(frames: int, name: str) -> int:
    if not 1 <= frames <= LONGEST:
        raise InputError(f"{name} has {frames} frames; allowed: 1 to {LONGEST}.")
    return frames


def _strong(strength: float, name: str) -> float:
    if not 0.0 <= strength <= STRONGEST:
        raise InputError(f"The strength of {name} is {strength}; allowed: 0 to {STRONGEST:g}.")
    return strength
