"""The plan of a clip: which frames the denoiser sees together, and in which order windows are made. Numbers only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from ..errors import InputError


@dataclass(frozen=True)
class Window:
    """Frames that the denoiser sees at once, in that order. weights: of its word on each of them. given: those of them
    that are known before, and so are not made here."""

    frames: tuple[int, ...]
    weights: tuple[float, ...] = ()
    given: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not self.weights:
            object.__setattr__(self, "weights", (1.0,) * len(self.frames))

    @property
    def made(self) -> tuple[int, ...]:
        return tuple(frame for frame in self.frames if frame not in self.given) if self.given else self.frames


@dataclass(frozen=True)
class WindowPlan:
    """Windows that cover a clip of `frame_count` frames. levels: coarse to fine; what a window is given is made in a
    level before. Weights are relative: where windows of a level overlap, the sampler divides by their sum."""

    levels: tuple[tuple[Window, ...], ...]
    frame_count: int
    groups: tuple[tuple[tuple[Window, ...], ...], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "groups", tuple(_that_overlap(level) for level in self.levels))

    @property
    def windows(self) -> tuple[Window, ...]:
        return tuple(window for level in self.levels for window in level)

    @property
    def longest(self) -> int:
        """Frames of the longest window."""
        return max(len(window.frames) for window in self.windows)

    @property
    def evaluated(self) -> int:
        """Frames that one denoising step evaluates over all windows; frame_count is the least there could be."""
        return sum(len(window.frames) for window in self.windows)

    @property
    def cost(self) -> float:
        """Frames evaluated per frame made."""
        return self.evaluated / self.frame_count

    def efficiency(self, workers: int) -> float:
        """Share of their time, 0 to 1, that so many workers would be busy, were time in proportion to the frames that
        windows see, and nothing else took any. A level waits for the one before; the longest windows are begun first.
        """
        longest = 0
        for groups in self.groups:
            busy = [0] * workers
            for frames in sorted((sum(len(window.frames) for window in group) for group in groups), reverse=True):
                busy[busy.index(min(busy))] += frames
            longest += max(busy)
        return self.evaluated / (workers * longest)

    @property
    def borders(self) -> frozenset[int]:
        """Steps, s from frame s to s + 1, at which windows of the finest level meet: from one to the next, or into and
        out of a given frame that both end on."""
        steps = set()
        for window in self.levels[-1]:
            first, last = window.frames[0], window.frames[-1]
            steps |= {first - 1, last}
            if first in window.given:
                steps.add(first)
            if last in window.given:
                steps.add(last - 1)
        return frozenset(step for step in steps if 0 <= step < self.frame_count - 1)

    def batches(
        self, level: int, done: Callable[[Window], bool], at_once: Callable[[int], int]
    ) -> Iterator[tuple[Window, ...]]:
        """What is sampled together: windows that overlap; or, of those that stand alone and are not `done`, as many of
        one length as `at_once` (frames of a window) allows."""
        alone: dict[int, list[Window]] = {}
        for group in self.groups[level]:
            if all(done(window) for window in group):
                continue
            if len(group) > 1:
                yield group
            else:
                alone.setdefault(len(group[0].frames), []).append(group[0])
        for length, windows in alone.items():
            size = max(at_once(length), 1)
            yield from (tuple(windows[start : start + size]) for start in range(0, len(windows), size))


def check_given(given: Sequence[int], frame_count: int) -> None:
    """Raises InputError for given frames that are not in the clip, or are all of it."""
    if outside := [frame for frame in given if not 0 <= frame < frame_count]:
        raise InputError(f"Frame {outside[0]} is given, but the clip has the frames 0 to {frame_count - 1}.")
    if len(set(given)) == frame_count:
        raise InputError("All frames are given: there is nothing to make. Leave some of them out.")


def _that_overlap(level: tuple[Window, ...]) -> tuple[tuple[Window, ...], ...]:
    """The windows of a level in groups that share no frame that they make."""
    groups: list[tuple[list[Window], set[int]]] = []
    for window in level:
        windows, made = [window], set(window.made)
        for other in [group for group in groups if not made.isdisjoint(group[1])]:
            groups.remove(other)
            windows, made = other[0] + windows, made | other[1]
        groups.append((windows, made))
    return tuple(tuple(windows) for windows, _ in groups)
