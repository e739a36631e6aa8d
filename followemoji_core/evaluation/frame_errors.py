"""How unlike two clips are, frame by frame, with what every installation has: numpy and OpenCV."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ..face.opencv import opencv

_SIGMA, _WINDOW = 1.5, 11  # pixels: the Gaussian window of SSIM (Wang et al. 2004)
_MOST_PSNR = 100.0  # dB, where frames are equal


@dataclass(frozen=True)
class FrameErrors:
    """Of T frames, (T,) float64: l1, mean absolute difference in [0,1]; psnr in dB, at most 100; ssim at most 1;
    landmarks, mean distance in eye distances, or None. of_clip: the same
    names -> one number of all frames, psnr of all their pixels together."""

    l1: np.ndarray
    psnr: np.ndarray
    ssim: np.ndarray
    landmarks: np.ndarray | None
    of_clip: dict[str, float]


def frame_errors(
    pairs: Iterable[tuple[np.ndarray, np.ndarray]], points: tuple[np.ndarray, np.ndarray] | None = None
) -> FrameErrors:
    """pairs: T times two pictures (H,W,3) float in [0,1] of one size. points: landmarks (T,478,2) in pixels of both
    clips; eye distances are the second's."""
    values = [(*_difference(one, other), ssim(one, other)) for one, other in pairs]
    l1, square, alike = np.array(values, float).T
    landmarks = None if points is None else landmark_errors(*points)
    found = {"l1": l1.mean(), "psnr": _psnr(square.mean()), "ssim": alike.mean()}
    if landmarks is not None:
        found["landmarks"] = landmarks.mean()
    return FrameErrors(l1, _psnr(square), alike, landmarks, {name: float(value) for name, value in found.items()})


def landmark_errors(points: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """(T,) mean distance of (T,478,2) from `expected`, in its distance between the eyes (the median over frames)."""
    from .emojibench.metrics.shown import eye_distance

    return np.linalg.norm(points - expected, axis=-1).mean(axis=-1) / np.median(eye_distance(expected))


def ssim(one: np.ndarray, other: np.ndarray) -> float:
    """Structural similarity of two pictures (H,W,3) in [0,1]: mean over colours and pixels, mirrored at the borders, as
    torchmetrics has it."""
    cv2 = opencv()

    def blurred(picture: np.ndarray) -> np.ndarray:
        return cv2.GaussianBlur(picture, (_WINDOW, _WINDOW), _SIGMA, borderType=cv2.BORDER_REFLECT_101)

    x, y = (np.ascontiguousarray(picture, np.float64) for picture in (one, other))
    mean_x, mean_y = blurred(x), blurred(y)
    spread_x, spread_y = blurred(x * x) - mean_x**2, blurred(y * y) - mean_y**2
    both = blurred(x * y) - mean_x * mean_y
    c1, c2 = 0.01**2, 0.03**2
    alike = (2 * mean_x * mean_y + c1) * (2 * both + c2)
    return float((alike / ((mean_x**2 + mean_y**2 + c1) * (spread_x + spread_y + c2))).mean())


def _difference(one: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    """Mean absolute and mean squared."""
    difference = one.astype(np.float64) - other
    return float(np.abs(difference).mean()), float(np.square(difference).mean())


def _psnr(square: np.ndarray | float) -> np.ndarray:
    return np.minimum(-10 * np.log10(np.maximum(square, 1e-12)), _MOST_PSNR)
