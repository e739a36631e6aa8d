"""Frechet distance of two sets, and how faces move: velocity and acceleration of landmarks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .metric import Metric, Tools, Value
from .shown import Given, Shown, detector_file, eye_distance

# Brows, eye corners, lids, pupils, nose, mouth, chin and temples.
POINTS = (105, 107, 334, 336, 33, 133, 362, 263, 159, 145, 386, 374, 468, 473, 1, 61, 291, 13, 14, 0, 17, 152, 234, 454)


class Moments:
    """Mean and covariance of a set whose members (n,d) come a few at a time, and are not kept. videos: how often."""

    def __init__(self) -> None:
        self.count = self.videos = 0
        self.mean: np.ndarray | None = None
        self._scatter: np.ndarray | None = None

    def add(self, rows: np.ndarray) -> Moments:
        """Takes rows (n,d) of one video, n at least 1. Source: Chan, Golub, LeVeque 1979."""
        rows = np.asarray(rows, np.float64)
        mean, count = rows.mean(axis=0), len(rows)
        scatter = (rows - mean).T @ (rows - mean)
        if self.mean is None:
            self.mean, self._scatter = mean, scatter
        else:
            apart, total = mean - self.mean, self.count + count
            self._scatter += scatter + np.outer(apart, apart) * (self.count * count / total)
            self.mean = self.mean + apart * (count / total)
        self.count, self.videos = self.count + count, self.videos + 1
        return self

    def covariance(self) -> np.ndarray:
        """(d,d), of a set of at least 2."""
        return self._scatter / (self.count - 1)


def frechet_distance(ours: Moments, theirs: Moments) -> float:
    """Squared Frechet (2-Wasserstein) distance of the Gaussians with the mean and covariance of two sets of at least 2:
    |mean difference|^2 + trace(A + B - 2 (A B)^(1/2)). Dowson and Landau 1982."""
    apart, one, other = ours.mean - theirs.mean, ours.covariance(), theirs.covariance()
    # (A B)^(1/2) has the trace of (R B R)^(1/2), R the root of A, which is symmetric: no complex numbers come up.
    values, vectors = np.linalg.eigh(one)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    shared = np.sqrt(np.linalg.eigvalsh(root @ other @ root).clip(0)).sum()
    return max(float(apart @ apart + np.trace(one) + np.trace(other) - 2 * shared), 0.0)


def movement(points: np.ndarray, fps: float, order: int) -> np.ndarray:
    """(n, 2 N) eye distances per second, or per second squared: the differences of that order (1, 2) of landmarks
    (T,N=478,2) at POINTS; of frames next to each other in which all are found (NaN is not)."""
    with np.errstate(invalid="ignore"):
        eyes = eye_distance(points)
    seen = np.isfinite(eyes)
    if not seen.any():
        return np.zeros((0, 2 * len(POINTS)))
    chosen = points[:, list(POINTS)].reshape(len(points), -1) / np.median(eyes[seen])
    moved = np.diff(chosen, n=order, axis=0) * fps**order
    return moved[np.isfinite(moved).all(axis=1)]


@dataclass(frozen=True)
class _Movement:
    """A SetMeasure of how faces move, against how the drivers do."""

    order: int

    def of(self, shown: Shown) -> np.ndarray:
        return movement(shown.faces.points, shown.given.case.fps, self.order)

    def wanted(self, given: Given) -> np.ndarray:
        return self.of(given.driving)

    def between(self, made: Moments, wanted: Moments) -> Value:
        least = 2 * 2 * len(POINTS)
        if min(made.count, wanted.count) < least:
            return Value(None, f"{made.count} moments with a face, {wanted.count} of the drivers; it takes {least}")
        return Value(frechet_distance(made, wanted), f"of {made.videos} videos, {made.count} moments")


def _metric(name: str, label: str, unit: str, order: int) -> Metric:
    def opened(tools: Tools) -> _Movement:
        detector_file(tools.detector)
        return _Movement(order)

    return Metric(
        name,
        label,
        "lower",
        unit,
        f"Frechet distance between how {len(POINTS)} landmarks move in the videos and in the drivers' clips, frame by "
        "frame, in eye distances; both as our detector sees them. A number of all videos together.",
        opened,
        of_set=True,
    )


VELOCITY = _metric("landmark_velocity_fd", "Frechet distance of landmark velocity", "(eyes/s)^2", 1)
ACCELERATION = _metric("landmark_acceleration_fd", "Frechet distance of landmark acceleration", "(eyes/s^2)^2", 2)
