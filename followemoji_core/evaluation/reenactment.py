"""Cross-reenactment of drawn people, measured against what no camera has: person A's true picture in B's motion.

People and motions are held out: their numbers begin where training never comes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from ..drawn import Acting, Person, paint
from ..drawn.painting import EYE_WHITE, toned
from ..errors import MissingDependencyError
from ..face.align import AlignOptions, align
from ..face.opencv import opencv
from ..face.topology import LEFT_EYE, LEFT_IRIS, LIPS, RIGHT_EYE, RIGHT_IRIS
from ..types import MOTION_ARRAYS, AlignedMotion, FaceMotion

HELD_OUT = 20_000_000
_MARGIN = 0.25  # of a box around an eye or the mouth, on each side
_OPEN = 4.0  # pixels at 128: an eye that is less open shows no gaze


@dataclass(frozen=True)
class Case:
    """portrait (H,W,3) and truth (T,H,W,3) uint8 RGB of the same person; motion: its own face in the truth; driving:
    the driver's face; aligned: the driver's motion on the portrait, as the pack aligns it; acting: what both do; all of
    T frames."""

    person: Person
    portrait: np.ndarray
    truth: np.ndarray
    motion: FaceMotion
    driving: FaceMotion
    aligned: AlignedMotion
    acting: Acting


def cases(
    count: int,
    frames: int = 16,
    size: int = 128,
    still_head: bool = False,
    still: bool = False,
    looking: bool = False,
    stride: int = 2,
) -> Iterator[Case]:
    """`count` times person A at rest and person B in a motion that starts at rest, `size` x `size` pixels.

    frames: of each, every `stride`-th of a motion at 25 fps. still_head: only the face moves. still: B does not move at
    all. looking: B only looks around, with open eyes.
    """
    for number in range(HELD_OUT, HELD_OUT + count):
        person, driver = Person.of(number), Person.of(number + 500_000)
        acting = Acting.random(number + 250_000, frames * stride, from_rest=True).every(stride)
        if looking:
            acting = acting.looking()
        if still:
            acting = acting.held(frames // 2)
        if still_head:
            acting = acting.with_head_of(Acting.rest())
        yield case_of(person, driver, acting, size)


def case_of(
    person: Person, driver: Person, acting: Acting, size: int = 128, away: tuple[float, float, float] = (0, 0, 0)
) -> Case:
    """Both do that acting, the driver `away` (3,) cm from where he usually is."""
    rest = person.act(Acting.rest(), (size, size))
    motion = person.act(acting, (size, size))
    driving, at_rest = (
        driver.act(replace(part, places=part.places + away), (size, size)) for part in (acting, Acting.rest())
    )
    aligned = align(rest.frame(0), _after(at_rest, driving), AlignOptions.published())
    aligned = AlignedMotion(aligned.points[1:], aligned.size, aligned.fps)
    return Case(person, paint(person, rest)[0], paint(person, motion), motion, driving, aligned, acting)


def _after(rest: FaceMotion, motion: FaceMotion) -> FaceMotion:
    """A motion with a frame at rest before it: what expressions and places are counted from."""
    joined = {name: np.concatenate([getattr(rest, name), getattr(motion, name)]) for name in MOTION_ARRAYS}
    return FaceMotion(**joined, size=motion.size, fps=motion.fps)


# --- measures; pictures (T,H,W,3) uint8 RGB, results in 8-bit levels where nothing else is said


def box_error(case: Case, pictures: np.ndarray) -> float:
    """Mean absolute error of pictures (T,H,W,3) inside the boxes around eyes and mouth of the truth; 8-bit levels."""
    errors = []
    for picture, truth, boxes in zip(pictures, case.truth, face_boxes(case.motion), strict=True):
        for left, top, right, bottom in boxes:
            cut = np.s_[top:bottom, left:right]
            errors.append(np.abs(picture[cut].astype(float) - truth[cut]).mean())
    return float(np.mean(errors))


def box_psnr(case: Case, pictures: np.ndarray) -> float:
    """dB, of the mean squared error of pictures (T,H,W,3) inside these boxes, each counting the same; at most 100."""
    errors = []
    for picture, truth, boxes in zip(pictures, case.truth, face_boxes(case.motion), strict=True):
        for left, top, right, bottom in boxes:
            cut = np.s_[top:bottom, left:right]
            errors.append(np.square((picture[cut].astype(float) - truth[cut]) / 255).mean())
    return float(-10 * np.log10(max(np.mean(errors), 1e-10)))


def psnr(pictures: np.ndarray, truth: np.ndarray) -> float:
    """dB, of the mean squared error of all pixels of two (T,H,W,3) uint8; at most 100, where they are equal.

    Raises MissingDependencyError where torchmetrics is not installed.
    """
    try:
        from torchmetrics.functional.image import peak_signal_noise_ratio
    except ImportError as error:
        raise MissingDependencyError("Measuring needs torchmetrics: pip install torchmetrics") from error
    sampled, true = (torch.from_numpy(part.astype(np.float64)) for part in (pictures, truth))
    return min(float(peak_signal_noise_ratio(sampled, true, data_range=255.0)), 100.0)


def face_boxes(motion: FaceMotion) -> list[list[tuple[int, int, int, int]]]:
    """Left, top, right, bottom of right eye, left eye and mouth in every frame, in pixels of the picture."""
    points = motion.landmarks[..., :2].astype(float) * motion.size
    frames = []
    for frame in points:
        boxes = []
        for part in (RIGHT_EYE, LEFT_EYE, LIPS):
            low, high = frame[list(part)].min(0), frame[list(part)].max(0)
            room = _MARGIN * (high - low).max()
            low, high = np.floor(low - room).astype(int), np.ceil(high + room).astype(int)
            low, high = np.clip(low, 0, np.array(motion.size) - 2), np.clip(high, 2, motion.size)
            boxes.append((*low.tolist(), *np.maximum(high, low + 2).tolist()))
        frames.append(boxes)
    return frames


def gaze(case: Case, pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the pupils are in pictures (T,H,W,3), and where they should be: (n,2) each, of the n eyes that are open,
    relative to the middle of the eye, in eye widths.

    In the pictures that is the centre of what is as far from the white of the eye as the person's iris is, between the
    lids without their lashes.
    """
    cv2 = opencv()
    found, true = [], []
    points = case.motion.landmarks[..., :2].astype(float) * case.motion.size
    least = _OPEN * case.motion.size[1] / 128
    white, iris_colour = (np.array(toned(case.person, colour)) for colour in (EYE_WHITE, case.person.iris))
    axis = (iris_colour - white) / np.square(iris_colour - white).sum()
    for frame, picture in zip(points, pictures, strict=True):
        for eye, iris in ((RIGHT_EYE, RIGHT_IRIS), (LEFT_EYE, LEFT_IRIS)):
            lids = frame[list(eye)]
            low, high = lids.min(0), lids.max(0)
            if high[1] - low[1] < least or (low < 0).any() or (high >= case.motion.size).any():
                continue
            middle, width = (low + high) / 2, high[0] - low[0]
            mask = np.zeros(picture.shape[:2], np.uint8)
            within = middle + (lids - middle) * (0.92, 0.8)
            cv2.fillPoly(mask, [np.round((within - 0.5) * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
            weight = ((picture.astype(float) - white) @ axis).clip(0, 1) * (mask / 255)
            weight = np.where(weight > 0.3, weight, 0)
            if weight.sum() < 1:
                continue
            rows, columns = np.nonzero(weight)
            place = np.array([np.average(at + 0.5, weights=weight[rows, columns]) for at in (columns, rows)])
            found.append((place - middle) / width)
            true.append((frame[iris[0]] - middle) / width)
    return np.array(found).reshape(-1, 2), np.array(true).reshape(-1, 2)


def gaze_correlation(chosen: Sequence[Case], pictures: Sequence[np.ndarray]) -> tuple[float, float]:
    """Pearson's of where pupils are and where they should be, over all cases: horizontal and vertical, in [-1,1].

    pictures: (T,H,W,3) uint8 RGB for each of the cases.
    """
    found, true = (np.concatenate(part) for part in zip(*map(gaze, chosen, pictures), strict=True))
    across, up = (float(np.corrcoef(found[:, axis], true[:, axis])[0, 1]) for axis in (0, 1))
    return across, up


def flicker(pictures: np.ndarray) -> float:
    """Mean absolute change from frame to frame of (T,H,W,3), T at least 2; 8-bit levels."""
    return float(np.abs(np.diff(pictures.astype(float), axis=0)).mean())


def sharpness(pictures: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Mean slope from pixel to pixel of (T,H,W,3), of the truth's; and the correlation of both slopes, in [-1,1].

    Noise is sharp too: the first counts where the second is high.
    """
    own, true = (np.concatenate([_slopes(part, axis) for axis in (1, 2)]) for part in (pictures, truth))
    return float(np.abs(own).mean() / np.abs(true).mean()), float(np.corrcoef(own, true)[0, 1])


def _slopes(pictures: np.ndarray, axis: int) -> np.ndarray:
    return np.diff(pictures.astype(np.float32), axis=axis).ravel()


def recognised(chosen: Sequence[Case], videos: Sequence[np.ndarray], among: int = 256) -> float:
    """Share in [0,1] of the videos, (T,H,W,3) uint8 each, whose middle frame shows their own person's face.

    It is compared, around the face, with true pictures of `among` people who do the same, the own one among them, and
    without what a picture of 8 x 8 pixels shows: colours alone recognise nobody.
    """
    return recognised_each(chosen, [videos], among)[0]


def recognised_each(
    chosen: Sequence[Case], several: Sequence[Sequence[np.ndarray]], among: int = 256
) -> tuple[float, ...]:
    """`recognised` of several ways to show the cases; who they are compared with is painted once."""
    people = {number: Person.of(number) for number in range(HELD_OUT, HELD_OUT + among)}
    found = []
    for case, *ways in zip(chosen, *several, strict=True):
        middle = len(case.acting) // 2
        shown = [_detail(pictures[middle]) for pictures in ways]
        points = case.motion.landmarks[middle, :, :2] * case.motion.size
        low, high = np.clip([points.min(0), points.max(0)], 0, case.motion.size).astype(int)
        face = np.s_[low[1] : high[1], low[0] : high[0]]
        distances = {}
        for number, person in (people | {case.person.seed: case.person}).items():
            motion = person.act(case.acting.at([middle]), case.motion.size)
            theirs = _detail(paint(person, motion)[0])[face]
            distances[number] = [np.abs(theirs - own[face]).mean() for own in shown]
        found.append([min(distances, key=lambda n: distances[n][way]) == case.person.seed for way in range(len(ways))])
    return tuple(np.mean(found, axis=0).tolist())


def blurred(pictures: np.ndarray) -> np.ndarray:
    """(T,H,W,3) uint8, what 8 x 8 pixels show of it."""
    cv2 = opencv()
    size = pictures.shape[2:0:-1]
    return np.stack([cv2.resize(cv2.resize(p, (8, 8), interpolation=cv2.INTER_AREA), size) for p in pictures])


def _detail(picture: np.ndarray) -> np.ndarray:
    return picture.astype(np.float32) - blurred(picture[None])[0]


def parts(case: Case, pictures: np.ndarray) -> dict[str, np.ndarray]:
    """Mean colours (T,3), RGB in [0,255], of small patches of what tells people apart, by its name."""
    size = np.array(case.motion.size)
    points = case.motion.landmarks[..., :2].astype(float) * size
    up = points[:, 10] - points[:, 152]
    places = {
        "skin": points[:, 50],
        "hair": points[:, 10] + 0.12 * up,
        "cloth": np.broadcast_to((0.5, 0.97) * size, (len(points), 2)),
        "background": np.broadcast_to((0.05, 0.08) * size, (len(points), 2)),
        "brow": points[:, 105],
    }
    half = max(size[0] // 64, 1)
    found = {}
    for name, at in places.items():
        corners = np.clip(np.round(at).astype(int), half, size - half - 1)
        cut = [p[y - half : y + half + 1, x - half : x + half + 1] for p, (x, y) in zip(pictures, corners, strict=True)]
        found[name] = np.stack(cut).astype(float).mean((1, 2))
    return found


@dataclass(frozen=True)
class Scores:
    """Of one way to animate, over all cases. box_error in 8-bit levels; ratio: box error over the untouched portrait's;
    psnr, box_psnr in dB; identity: per part, the mean difference of colours from the truth in 8-bit levels."""

    box_error: float
    ratio: float
    psnr: float
    box_psnr: float
    identity: dict[str, float]


def score(chosen: Sequence[Case], pictures: Sequence[np.ndarray]) -> Scores:
    """pictures: (T,H,W,3) uint8 RGB for each of the cases."""
    untouched = [np.broadcast_to(case.portrait, case.truth.shape) for case in chosen]
    errors = [box_error(case, video) for case, video in zip(chosen, pictures, strict=True)]
    still = [box_error(case, video) for case, video in zip(chosen, untouched, strict=True)]
    identity: dict[str, list[float]] = {}
    for case, video in zip(chosen, pictures, strict=True):
        here, there = parts(case, video), parts(case, case.truth)
        for name in here:
            identity.setdefault(name, []).append(float(np.abs(here[name] - there[name]).mean()))
    return Scores(
        box_error=float(np.mean(errors)),
        ratio=float(np.sum(errors) / np.sum(still)),
        psnr=float(np.mean([psnr(video, case.truth) for case, video in zip(chosen, pictures, strict=True)])),
        box_psnr=float(np.mean([box_psnr(case, video) for case, video in zip(chosen, pictures, strict=True)])),
        identity={name: float(np.mean(values)) for name, values in identity.items()},
    )
