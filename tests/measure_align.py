"""What alignment does by default, and as published: python tests/measure_align.py

All pairs of the golden data's portraits and clips (FOLLOWEMOJI_REFERENCE, see CONTRIBUTING) and of drawn people with
other proportions and distances, among them drivers who walk across the picture and come nearer. Prints for each driver
the worst of all portraits:

rest: at the neutral frame, the farthest that a point of eyes or mouth lies from the portrait's own, in % of the
    distance between the eyes
outside, by: % of frames in which a landmark leaves the picture, and by how many % of its height (less than 0: inside)
growth: largest change of the head's size in %
follows, gain: above 0.5 Hz, correlation of the head's path with the driver's, and its size, both in face sizes and over
    the frames in which the picture has room for twice the driver's movement; - where nothing moves
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from followemoji_core.drawn import Acting, Person  # noqa: E402
from followemoji_core.face.align import AlignOptions, align, resting_frame  # noqa: E402
from followemoji_core.face.camera import near_plane, project  # noqa: E402
from followemoji_core.face.geometry import CanonicalFace, screen_points  # noqa: E402
from followemoji_core.face.topology import LEFT_EYE, LIPS, RIGHT_EYE  # noqa: E402
from followemoji_core.types import FaceFrame, FaceMotion  # noqa: E402
from tests.parity.conftest import golden_files  # noqa: E402
from tests.parity.test_face_parity import load  # noqa: E402

SIZE = (512, 512)
SLOWEST = 0.5  # Hz
STILL = 0.002  # face sizes: who moves less has no path to follow
HEIGHT = float(np.ptp(CanonicalFace.default().vertices[:, 1]))  # cm


def main() -> None:
    chosen = list(portraits())
    for name, options in (("by default", AlignOptions()), ("as published", AlignOptions.published())):
        sys.stdout.write(f"\n{name}: rotation {options.rotation}, translation {options.translation}\n")
        head = ("rest %", "outside %", "by %", "growth %", "follows", "gain")
        sys.stdout.write("driver".ljust(24) + "".join(word.rjust(14) for word in head) + "\n")
        for driver, driving in drivers():
            found = [measure(portrait, driving, options) for _, portrait in chosen]
            paths = [pair for pair in found if pair.follows is not None]
            follows = f"{min(pair.follows for pair in paths):.2f}" if paths else "-"
            gain = f"{min(p.gain for p in paths):.2f} to {max(p.gain for p in paths):.2f}" if paths else "-"
            worst = [max(getattr(pair, field) for pair in found) for field in ("rest", "outside", "by", "growth")]
            cells = (*(f"{value:.2f}" for value in worst), follows, gain)
            sys.stdout.write(driver.ljust(24) + "".join(word.rjust(14) for word in cells) + "\n")


@dataclass(frozen=True)
class Pair:
    """What the head of this file says, of one portrait and one driver; follows and gain None where nothing moves."""

    rest: float
    outside: float
    by: float
    growth: float
    follows: float | None
    gain: float | None


def measure(portrait: FaceFrame, driving: FaceMotion, options: AlignOptions | None = None) -> Pair:
    options = options or AlignOptions()
    aligned, own = align(portrait, driving, options).points, screen_points(portrait)
    neutral = resting_frame(driving, options.neutral)

    parts, eyes = [*RIGHT_EYE, *LEFT_EYE, *LIPS], (list(RIGHT_EYE), list(LEFT_EYE))
    apart = np.linalg.norm(np.subtract(*(own[eye].mean(axis=0) for eye in eyes)))
    rest = np.linalg.norm(aligned[neutral, parts] - own[parts], axis=-1).max() / apart
    beyond = np.maximum(-aligned, aligned - portrait.size).max(axis=(1, 2))

    # The same head that only moves: neither turns nor expressions in the way.
    moving = align(portrait, driving, replace(options, rotation="none", whole=0.0)).points.astype(float)
    heights = np.ptp(moving[:, :468, 1], axis=1)
    growth = heights / heights[neutral]
    height = HEIGHT * portrait.size[1] / near_plane(portrait.size)[1] / -portrait.camera_from_face[2, 3]  # from ahead
    centre = project(portrait.camera_from_face[:3, 3], portrait.size)  # of the head, where camera_from_face has it
    place = moving.mean(axis=1) - growth[:, None] * (moving[neutral].mean(axis=0) - centre)
    made = fast(in_face_sizes(place, height * growth), driving.fps)
    position = driving.camera_from_face[:, :3, 3].astype(float)
    theirs = fast(in_face_sizes(position[:, :2] / -position[:, 2:] * (1, -1), -HEIGHT / position[:, 2]), driving.fps)
    room = np.minimum(aligned.min(axis=1), portrait.size - aligned.max(axis=1)).min(axis=-1)
    fits = room > 2 * np.abs(theirs).max() * height
    follows = gain = None
    if theirs.std() > STILL and fits.sum() > driving.fps:
        theirs, made = theirs[fits].ravel(), made[fits].ravel()
        follows = float(theirs @ made / np.sqrt((theirs @ theirs) * (made @ made)))
        gain = float(made.std() / theirs.std())
    return Pair(
        rest=100 * rest,
        outside=100 * (beyond > 0).mean(),
        by=100 * beyond.max() / portrait.size[1],
        growth=100 * np.abs(growth - 1).max(),
        follows=follows,
        gain=gain,
    )


def in_face_sizes(path: np.ndarray, size: np.ndarray) -> np.ndarray:
    """A path (T,2) through the picture, each of its steps divided by the size (T,) that the face has there."""
    steps = np.diff(path, axis=0) / (size[1:, None] + size[:-1, None]) * 2
    return np.concatenate([np.zeros((1, 2)), np.cumsum(steps, axis=0)])


def fast(path: np.ndarray, fps: float) -> np.ndarray:
    """What of a path (T,C) is faster than SLOWEST, by its Fourier series once its line from end to end is taken out."""
    share = np.linspace(0, 1, len(path))[:, None]
    path = path - path[0] - share * (path[-1] - path[0])
    series = np.fft.rfft(path, axis=0)
    series[np.fft.rfftfreq(len(path), 1 / fps) < SLOWEST] = 0
    return np.fft.irfft(series, len(path), axis=0)


def portraits() -> Iterator[tuple[str, FaceFrame]]:
    """Golden ones, and drawn: small and large, aside, turned, in a wide picture."""
    for file in golden_files("golden_portrait"):
        yield file.stem, load(file)
    for number, (place, turn, size) in enumerate(
        (
            ((0, 0, 0), (0, 0, 0), SIZE),
            ((0, 0, -30), (25, 0, 0), SIZE),
            ((6, -4, -12), (-20, 8, 5), SIZE),
            ((-20, 3, -25), (10, -5, 0), (1024, 512)),
        )
    ):
        acting = replace(Acting.rest(), places=np.array([place], float), turns=np.array([turn], float))
        yield f"drawn {number}", Person.of(20_000_050 + number).act(acting, size).frame(0)


def drivers() -> Iterator[tuple[str, FaceMotion]]:
    """Golden clips, and drawn people: near, far, aside, and three who walk."""
    for file in golden_files("golden_clip"):
        yield file.stem, load(file)
    for number, (name, start, end) in enumerate(
        (
            ("drawn, near", (0, 0, 0), (0, 0, 0)),
            ("drawn, far", (0, 0, -60), (0, 0, -60)),
            ("drawn, far aside", (25, -8, -60), (25, -8, -60)),
            ("drawn, walks by", (-25, 0, -50), (25, 0, -50)),
            ("drawn, comes nearer", (0, 0, -90), (0, 0, -20)),
            ("drawn, walks and comes", (-40, 5, -100), (6, 0, -30)),
        )
    ):
        yield name, walk(20_000_080 + number, start, end)


def walk(number: int, start: tuple[int, ...], end: tuple[int, ...], frames: int = 150, at_rest: int = 40) -> FaceMotion:
    """A drawn person who acts for 6 s and walks from start to end (cm) at steady pace, at rest in frame `at_rest`."""
    share = np.linspace(0, 1, frames)[:, None]
    acting = Acting.random(number, frames)
    calm = np.abs(np.arange(frames) - at_rest).clip(max=6) / 6
    shares = {name: calm * values for name, values in acting.shares.items()}
    acting = replace(acting, shares=shares, gazes=acting.gazes * calm[:, None, None])
    bounce = 0.8 * np.sin(2 * np.pi * 1.8 * np.arange(frames) / acting.fps)[:, None] * (0, 1, 0)
    moving = np.any(np.subtract(start, end)) * bounce
    return Person.of(number).act(
        replace(acting, places=acting.places + start + share * np.subtract(end, start) + moving), SIZE
    )


if __name__ == "__main__":
    main()
