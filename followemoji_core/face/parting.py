"""Lids and lips that must not cross, and lids that shut."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

from .geometry import CanonicalFace
from .proportions import distance_to
from .topology import (
    INNER_LIP_LOWER,
    INNER_LIP_UPPER,
    LEFT_EYE_LOWER,
    LEFT_EYE_UPPER,
    RIGHT_EYE_LOWER,
    RIGHT_EYE_UPPER,
)

EYES = ((RIGHT_EYE_UPPER, RIGHT_EYE_LOWER), (LEFT_EYE_UPPER, LEFT_EYE_LOWER))  # upper and lower lid; the order of SIDES
LID_SHARE = 0.86  # of a closing eye's opening: what the upper lid comes down; the lower one rises by the rest
SHUT_FROM = 0.9  # eyeBlink from which also what other controls open is shut, so that 1 always shuts


def parted(mesh: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Meshes (T,468,3) cm whose lids and lips do not cross, unless they did `before`, (T,468,3), and then no more."""
    for upper, lower in (*EYES, (INNER_LIP_UPPER, INNER_LIP_LOWER)):
        mesh = parted_lines(mesh, before, upper, lower, None)
    return mesh


def parted_lines(
    mesh: np.ndarray, before: np.ndarray, upper: Sequence[int], lower: Sequence[int], shut: np.ndarray | None
) -> np.ndarray:
    """Meshes (T,468,3) whose lower line is nowhere above its upper one, unless it was `before`, and then no farther.

    Each line gives back in proportion to how far it came towards the other; the skin around follows. With shut (T,1):
    that share of the gap that is left is closed as well.
    """
    above, below = list(upper[1:-1]), list(lower[1:-1])
    gap = mesh[:, above, 1] - mesh[:, below, 1]
    least = np.minimum(before[:, above, 1] - before[:, below, 1], 0.0)
    crossed = np.maximum(least - gap, 0.0)
    came = (
        np.maximum(before[:, above, 1] - mesh[:, above, 1], 0.0),
        np.maximum(mesh[:, below, 1] - before[:, below, 1], 0.0),
    )
    share = (came[0] + 1e-9) / (came[0] + came[1] + 2e-9)
    up, down = share * crossed, (1 - share) * crossed
    if shut is not None:
        rest = shut * np.maximum(gap, 0.0)
        up, down = up - LID_SHARE * rest, down - (1 - LID_SHARE) * rest
    if not (up.any() or down.any()):
        return mesh
    from_above, from_below = _followers(tuple(above), tuple(below))
    result = mesh.copy()
    result[..., 1] += up @ from_above.T - down @ from_below.T
    if shut is not None:  # shut lids meet in depth and sideways too
        meeting = np.broadcast_to(shut, up.shape)[..., None] * (result[:, below] - result[:, above])
        result[:, above] += LID_SHARE * meeting
        result[:, below] -= (1 - LID_SHARE) * meeting
    return result


def shut_share(blink: np.ndarray) -> np.ndarray:
    """(T,1) share of what others opened that this much of a blink shuts too."""
    return np.clip((blink - SHUT_FROM) / (1.0 - SHUT_FROM), 0.0, 1.0)[:, None]


@functools.cache
def _followers(above: tuple[int, ...], below: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """(468,N) each: how much every vertex follows the N vertices of the upper line, and of the lower one."""
    vertices = CanonicalFace.default().vertices.astype(np.float64)
    reach = 0.4 if len(above) < 8 else 1.2
    results = []
    for line, other in ((above, below), (below, above)):
        distance = np.linalg.norm(vertices[:, None] - vertices[list(line)], axis=-1)
        kernel = np.exp(-((distance / reach) ** 2))
        shares = kernel / kernel.sum(axis=1, keepdims=True).clip(1e-12) * kernel.max(axis=1, keepdims=True)
        shares[distance_to(other) < distance.min(axis=1)] = 0.0  # the other lip, or lid
        shares[list(line)] = np.eye(len(line))
        results.append(shares)
    return results[0], results[1]
