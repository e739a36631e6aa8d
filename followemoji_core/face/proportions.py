"""Proportions of a face: how much farther than an average adult's its parts go in the same expression."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

from .geometry import CanonicalFace
from .topology import LEFT_EYE, LIPS, REGIONS, RIGHT_EYE

_CHIN = (152, 148, 377, 176, 400, 149, 378, 199, 175)
_ADULT = {"eye": 2.9, "mouth": 5.4, "chin": 7.7}  # cm: eye and mouth widths, nose to chin, of those who were measured


def proportions(rest: np.ndarray) -> np.ndarray:
    """(468,) float64: how much farther each vertex of this face goes than an average adult's; rest (468,3) cm.

    The root of how much larger its part is: whoever has large eyes opens them wider, but not in proportion; and a mouth
    that smiles or yawns is wide and long without being so at rest.
    """

    def length(a: int, b: int) -> float:
        return float(np.linalg.norm(rest[a] - rest[b]))

    sizes = {"eye": (length(33, 133) + length(263, 362)) / 2, "mouth": length(61, 291), "chin": length(2, 152)}
    eye, mouth, chin = (np.clip(sizes[name] / size, 0.4, 2.0) ** 0.5 for name, size in _ADULT.items())
    return _region_shares() @ np.array([eye, mouth, chin, 1.0])


@functools.cache
def _region_shares() -> np.ndarray:
    """(468,4): shares of eyes and brows, mouth, chin, and none of them, in each vertex; rows sum to 1."""
    vertices = CanonicalFace.default().vertices
    eyes = LEFT_EYE + RIGHT_EYE + REGIONS["brows"]
    weights = [1.0 / (distance_to(points) ** 4 + 0.05) for points in (eyes, LIPS, _CHIN)]
    weights.append(np.full(len(vertices), 1.0 / 1.5**4))
    shares = np.stack(weights, axis=-1)
    return shares / shares.sum(axis=-1, keepdims=True)


def distance_to(points: Sequence[int]) -> np.ndarray:
    """(468,) cm on the canonical face to the nearest of the vertices."""
    vertices = CanonicalFace.default().vertices.astype(np.float64)
    return np.linalg.norm(vertices[:, None] - vertices[list(points)], axis=-1).min(axis=1)
