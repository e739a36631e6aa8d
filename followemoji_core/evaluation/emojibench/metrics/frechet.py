"""Frechet distance of two sets, and how faces move: velocity and acceleration of landmarks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .metric import Metric, Tools, Value
from .shown import Given, Shown, detector_file, eye_distance

# Brows, eye corners, lids, pupils, nose, mouth, chin and temples.
POINTS = (105, 107, 334, 336, 33, 133, 362, 263, 159, 145, 386, 374, 468, 473, 1, 61, 291, 13, 14, 0, 17, 152, 234, 454)


def frechet_distance(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Squared Frechet (2-Wasserstein) distance of the Gaussians with the mean and covariance of two sets (n,d), (m,d):
    |mean difference|^2 + trace(A + B - 2 (A B)^(1/2)). n and m at least 2. Dowson and Landau 1982."""
    ours, theirs = (np.asarray(part, np.float64) for part in (ours, theirs))
    apart = ours.mean(axis=0) - theirs.mean(axis=0)
    one, other = (np.atleast_2d(np.cov(part, rowvar=False)) for part in (ours, theirs))
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

    def between(self, made: Sequence[np.ndarray], wanted: Sequence[np.ndarray]) -> Value:
        ours, theirs = np.concatenate(made), np.concatenate(wanted)
        least = 2 * 2 * len(POINTS)
        if min(len(ours), len(theirs)) < least:
            return Value(None, f"{len(ours)} moments with a face, {len(theirs)} of the drivers; it takes {least}")
        return Value(frechet_distance(ours, theirs), f"of {len(made)} videos, {len(ours)} moments")


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
