"""Which part of a picture each face covers, and how several that overlap share it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_SHARPNESS = 4  # of the border between two faces that overlap: power of the depth below which each gives way


@dataclass(frozen=True)
class Region:
    """box (left, top, width, height); weights (height, width) float32; depth the same, 0 to 1: how far inside."""

    box: tuple[int, int, int, int]
    weights: np.ndarray
    depth: np.ndarray


def trimmed(box: tuple[int, int, int, int], weights: np.ndarray, depth: np.ndarray) -> Region:
    """Without the rows and columns where nothing is covered."""
    rows, columns = np.flatnonzero(weights.any(axis=1)), np.flatnonzero(weights.any(axis=0))
    if not len(rows):
        return nothing()
    part = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    weights, depth = np.ascontiguousarray(weights[part]), depth[part]
    deepest = max(float(depth.max()), 1e-6)
    box = box[0] + int(columns[0]), box[1] + int(rows[0]), weights.shape[1], weights.shape[0]
    return Region(box, weights, (depth / np.float32(deepest)).clip(0, 1))


def nothing() -> Region:
    return Region((0, 0, 0, 0), np.zeros((0, 0), np.float32), np.zeros((0, 0), np.float32))


def shared(regions: list[Region]) -> list[Region]:
    """Each region with the weight that is left to it where others overlap it: together the greatest, by depth."""
    pulls = [region.depth**_SHARPNESS for region in regions]
    shared = []
    for index, region in enumerate(regions):
        total, most = pulls[index].copy(), region.weights.copy()
        overlapped = False
        for other in range(len(regions)):
            both = _overlap(region.box, regions[other].box)
            if other == index or both is None:
                continue
            overlapped = True
            mine, theirs = both
            covered = regions[other].weights[theirs]
            total[mine] += np.where(covered > 0, pulls[other][theirs], 0)
            np.maximum(most[mine], covered, out=most[mine])
        if overlapped:
            own = np.where(region.weights > 0, pulls[index], 0)
            share = np.divide(own, total, out=np.zeros_like(own), where=total > 0)
            region = Region(region.box, most * share, region.depth)
        shared.append(region)
    return shared


def _overlap(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[tuple[slice, slice], tuple[slice, slice]] | None:
    """Rows and columns of what two boxes share, in each of them."""
    spans = []
    for axis in (1, 0):
        first = max(one[axis], other[axis])
        last = min(one[axis] + one[axis + 2], other[axis] + other[axis + 2])
        if last <= first:
            return None
        spans.append((slice(first - one[axis], last - one[axis]), slice(first - other[axis], last - other[axis])))
    return (spans[0][0], spans[1][0]), (spans[0][1], spans[1][1])
