"""The sheet that a portrait is printed on: MediaPipe's mesh, a strip of lashes, rings around the face; and its map."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

from ..types import MESH_LANDMARKS
from .geometry import CanonicalFace
from .opencv import opencv
from .topology import (
    INNER_LIPS,
    LEFT_EYE,
    LEFT_EYE_LOWER,
    LEFT_EYE_UPPER,
    LEFT_IRIS,
    RIGHT_EYE,
    RIGHT_EYE_LOWER,
    RIGHT_EYE_UPPER,
    RIGHT_IRIS,
)
from .warp_triangles import Back, area, pixel_grid, warp_triangles

# The mesh's border, from the middle of the forehead on, to the right in the picture.
OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip
_JAW = slice(9, 28)  # of the oval: what an opening mouth moves
_UP, _DOWN = OVAL[0], OVAL[18]

# Rings around the face: size relative to the oval. What is at the oval follows the head in full, the last ring not.
RINGS = (1.08, 1.2, 1.35, 1.52, 1.75)
_REACH = (1.7, 1.5)  # size at which following ends: above, where the hair is; below, where the shoulders are
_OWN = 0.35  # size by which a ring grows until a bulge of the rim, such as the chin's, is down to a third
_STILL = 0.05  # pixels: where a quarter of the upper rim moves less, the head is still, and hair and background with it
_LEAST = 0.02  # pixels: what moves less around the face stays
_EDGE = 0.08  # share of the picture's side over which following fades towards its edge

# Above each point of the upper lids, corners left out: the mesh's next point.
LIDS = (
    (LEFT_EYE_UPPER, LEFT_EYE_LOWER, LEFT_IRIS, (467, 260, 259, 257, 258, 286, 414)),
    (RIGHT_EYE_UPPER, RIGHT_EYE_LOWER, RIGHT_IRIS, (247, 30, 29, 27, 28, 56, 190)),
)
# Beside the mesh's own points each upper lid has three rows of seven: where its lashes end below, into the eye; where
# they end above; where the crease begins. Lashes and crease keep their size: only the lid between them is stretched.
# Rows of the upper and of the lower lip, from the inner to the outer, corners left out.
LIP_ROWS = (
    (
        (191, 80, 81, 82, 13, 312, 311, 310, 415),
        (183, 42, 41, 38, 12, 268, 271, 272, 407),
        (184, 74, 73, 72, 11, 302, 303, 304, 408),
        (185, 40, 39, 37, 0, 267, 269, 270, 409),
    ),
    (
        (95, 88, 178, 87, 14, 317, 402, 318, 324),
        (96, 89, 179, 86, 15, 316, 403, 319, 325),
        (77, 90, 180, 85, 16, 315, 404, 320, 307),
        (146, 91, 181, 84, 17, 314, 405, 321, 375),
    ),
)
_SEAM = 0.6  # of a lip's height, the most that the dark line between shut lips takes
SHUT = 0.06  # gap in mouth widths up to which lips count as shut
_PARTED = 0.04  # by so much of the mouth's width they have parted when that line is left out
_THICKER = 0.5  # by so much of their own height lips have grown when it is left out as well
BELOW, ABOVE, CREASE = range(3)
_FIRST = MESH_LANDMARKS
_ADDED = 7 * 3 * len(LIDS)
_LOWEST = 0.06  # eye widths, the farthest that lashes reach into the eye
_SHARES = (0.12, 0.55)  # of the way from the lid to the mesh's next point: the least and the most that lashes take
_CONTRAST = 0.12  # of the skin's brightness: what is darker than that is lashes, or a crease


def lid_row(number: int, row: int) -> np.ndarray:
    """(7,) vertices of a row above or below the lid LIDS[number]."""
    return _FIRST + 7 * (3 * number + row) + np.arange(7)


@functools.cache
def _triangles() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(M,3) of the face, (K,3) of the lashes, which lie over it, and (N,3) of the rings. Vertices: 468 of the mesh,
    the rows at the lids, then the rings from the inside out."""
    triangles = CanonicalFace.default().triangles.astype(np.int64)
    holes = [np.isin(triangles, part).all(axis=1) for part in (LEFT_EYE, RIGHT_EYE, INNER_LIPS)]
    eyes, lips = holes[0] | holes[1], holes[2]

    # 1. Skin begins at the crease, the eye below the lashes; between them lie lid and lashes.
    up, down = np.arange(MESH_LANDMARKS), np.arange(MESH_LANDMARKS)
    lids, lashes = [], []
    for number, (path, *_) in enumerate(LIDS):
        up[list(path[1:-1])], down[list(path[1:-1])] = lid_row(number, CREASE), lid_row(number, BELOW)
        rows = [(path[0], *lid_row(number, row), path[-1]) for row in (BELOW, ABOVE, CREASE)]
        lashes += _band(rows[0], path) + _band(path, rows[1])
        lids += _band(rows[1], rows[2])
    face = np.concatenate([down[triangles[eyes]], triangles[lips], up[triangles[~eyes & ~lips]], lids])

    # 2. Rings: the outermost first, so that whatever lies nearer the face covers it.
    first, count = _FIRST + _ADDED, len(OVAL)
    circles = [np.array(OVAL), *(first + count * ring + np.arange(count) for ring in range(len(RINGS)))]
    bands = [_band([*a, a[0]], [*b, b[0]]) for a, b in zip(circles, circles[1:], strict=False)]
    return face, np.array(lashes), np.array(sum(bands[::-1], []))


def _band(a: Sequence[int], b: Sequence[int]) -> list[tuple[int, int, int]]:
    """Triangles between two rows of vertices that are as long, and may share their ends."""
    quads = zip(a, a[1:], b, b[1:], strict=False)
    both = [three for p, q, r, s in quads for three in ((p, q, s), (p, s, r))]
    return [three for three in both if len(set(three)) == 3]


class Sheet:
    """A portrait's mesh in its picture. points (478,2) float64 pixels, size (width, height), picture (H,W,3) uint8."""

    def __init__(self, points: np.ndarray, picture: np.ndarray):
        self.height, self.width = picture.shape[:2]
        self.mesh = points[:MESH_LANDMARKS]
        self.face, self.over, self.around = _triangles()
        self.grid = pixel_grid(self.height, self.width)

        # 1. Rings, ended at the picture's edge, where nothing moves.
        rim = self.mesh[list(OVAL)]
        self.middle = rim.mean(axis=0)
        last = np.array((self.width - 1, self.height - 1), np.float64)
        rings = np.clip([self.middle + (rim - self.middle) * size for size in RINGS], 0, last)
        room = np.minimum(rings, last - rings).min(axis=-1) / (_EDGE * last.max())
        up = (self.mesh[_UP] - self.mesh[_DOWN]) / max(np.linalg.norm(self.mesh[_UP] - self.mesh[_DOWN]), 1e-6)
        way = (rim - self.middle) / np.maximum(np.linalg.norm(rim - self.middle, axis=-1, keepdims=True), 1e-6)
        reach = _REACH[1] + (_REACH[0] - _REACH[1]) * (0.5 + 0.5 * way @ up)
        left = np.clip((reach - np.array(RINGS)[:, None]) / (reach - 1), 0, 1)
        self.share = left * left * (3 - 2 * left) * np.clip(room, 0, 1)
        own_share = self.share * np.exp(-(np.array(RINGS)[:, None] - 1) / _OWN)
        blur = (np.eye(len(OVAL)) + np.roll(np.eye(len(OVAL)), 1, 0) + np.roll(np.eye(len(OVAL)), -1, 0)) / 3
        blurs = [np.linalg.matrix_power(blur, ring) for ring in range(1, len(RINGS) + 1)]  # wider farther out
        self.bulge = (own_share[..., None] * blurs).reshape(-1, len(OVAL))

        # 2. The rows at the lids.
        self.openings = [opening(points, path, lower) for path, lower, *_ in LIDS]
        self.rows = [self._rows(picture, points, *lid) for lid in LIDS]
        lids = [self.mesh[list(lid[0][1:-1])] + row for lid, rows in zip(LIDS, self.rows, strict=True) for row in rows]
        self.rings = rings
        self.seam = self._seam(picture)
        self.source = np.concatenate([self.mesh, *lids, *rings])

    def _seam(self, picture: np.ndarray) -> np.ndarray:
        """(468,2) pixels by which the lips' rows move outwards in the portrait when they part, so that the line between
        them, which is dark, is not stretched into them. Nothing where they are open, or as bright there."""
        moves = np.zeros((MESH_LANDMARKS, 2))
        if mouth_gap(self.mesh) > SHUT:
            return moves
        steps = np.linspace(0, 1, 13)
        for rows in LIP_ROWS:
            inner, outer = self.mesh[list(rows[0])], self.mesh[list(rows[-1])]
            profile = _light(picture, inner[1:-1], (outer - inner)[1:-1], steps).mean(axis=0)
            dark, lip = profile[:5].min(), np.percentile(profile, 75)
            if lip - dark < _CONTRAST * max(lip, 1):
                continue
            profile[: int(profile[:5].argmin())] = dark
            share = min(float(steps[(profile > dark + 0.8 * (lip - dark)).argmax()]), _SEAM)
            for row, left in zip(rows, (1, 2 / 3, 1 / 3), strict=False):
                moves[list(row)] = share * left * (outer - inner)
        return moves

    def _source_of(self, target: np.ndarray) -> np.ndarray:
        """(V,2) where the vertices are in the portrait, for a picture with vertices at target."""
        gap = (mouth_gap(target) - mouth_gap(self.mesh)) / _PARTED
        stretched = (lip_height(target) / max(lip_height(self.mesh), 1e-6) - 1) / _THICKER
        parted = float(np.clip(max(gap, stretched), 0, 1))
        source = self.source.copy()
        source[:MESH_LANDMARKS] += parted * self.seam
        return source

    def _rows(self, picture: np.ndarray, points: np.ndarray, path: tuple, lower: tuple, iris: tuple, above: tuple):
        """(3,7,2) pixels from the lid to its rows, as the contrast of lashes and crease tells."""
        lid, way = points[list(path[1:-1])], points[list(above)] - points[list(path[1:-1])]
        steps = np.linspace(0, 1, 17)
        profile = _light(picture, lid, way, steps)
        profile = (profile + np.vstack([profile[:1], profile[:-1]]) + np.vstack([profile[1:], profile[-1:]])) / 3
        width = np.linalg.norm(points[path[0]] - points[path[-1]])

        # 1. Lashes above the lid end where it has become bright by two thirds.
        mean = profile.mean(axis=0)
        skin, darkest = np.percentile(mean[2:], 75), int(mean[:7].argmin())
        contrast = skin - mean[darkest] > _CONTRAST * max(skin, 1)
        top = _SHARES[0]
        if contrast:
            bright = np.flatnonzero(mean[darkest:] > mean[darkest] + 0.66 * (skin - mean[darkest]))
            top = float(np.clip(steps[darkest + bright[0]] if len(bright) else 1, *_SHARES))

        # 2. The crease, if there is one, begins where it becomes dark again.
        free = steps >= top
        level = profile[:, free].max(axis=1, keepdims=True)
        dark = (profile < (1 - 0.5 * _CONTRAST) * level) & (np.maximum.accumulate(profile * free, axis=1) >= level)
        starts = np.where(dark.any(axis=1), steps[dark.argmax(axis=1)], 1.0)
        crease = np.clip(np.minimum(starts, 0.95), top + 0.05, 0.95)

        # 3. Lashes below it end where the white begins; where the iris is seen they cannot be told from it.
        down = points[list(lower[1:-1])] - lid
        deep = np.maximum(np.linalg.norm(down, axis=1, keepdims=True), 1e-6)
        down = down / deep * np.minimum(2.5 * _LOWEST * width, deep)
        radius = np.linalg.norm(points[list(iris[1:])] - points[iris[0]], axis=1).mean()
        white = np.linalg.norm(lid + 0.7 * down - points[iris[0]], axis=1) > 1.15 * radius
        bottom = 0.0
        if contrast and white.any():
            inside = _light(picture, lid, down, steps)[white].mean(axis=0)
            clear = inside > inside.min() + 0.2 * (inside.max() - inside.min())
            clear[: int(inside.argmin())] = False
            bottom = min(float(steps[clear.argmax()]) * 2.5 * _LOWEST * width, _LOWEST * width)
        reach = np.minimum(bottom, 0.3 * deep) / np.maximum(np.linalg.norm(down, axis=1, keepdims=True), 1e-6)
        return np.stack([reach * down, top * way, crease[:, None] * way])

    def moved(self, points: np.ndarray) -> np.ndarray:
        """Where all vertices go when the mesh goes to points (478,2): (V,2) float64."""
        target = points[:MESH_LANDMARKS]

        # 1. Lashes and crease keep their height, turned and sized with the eye, as far as there is room.
        # Those of a closing lid are seen from above: they become short.
        parts = [target]
        for (path, lower, _, above), (below, lashes, crease), shut in zip(
            LIDS, self.rows, self.shut(points), strict=True
        ):
            ends = [path[0], path[-1]]
            turn = similarity(self.mesh[ends], target[ends])[0].T
            lid, next_ = target[list(path[1:-1])], target[list(above)]
            room = np.linalg.norm(next_ - lid, axis=1)
            fold = crease - (self.mesh[list(above)] - self.mesh[list(path[1:-1])])
            gap = np.linalg.norm(target[list(lower[1:-1])] - lid, axis=1)
            parts.append(lid + _at_most((1 - 0.4 * shut) * below @ turn, gap))
            parts.append(lid + _at_most((1 - 0.5 * shut) * lashes @ turn, 0.55 * room))
            parts.append(next_ + _at_most(fold @ turn, 0.4 * room))

        # 2. Rings follow the head, as the upper rim shows it, and near the rim its own bulges too.
        rim, goal = self.mesh[list(OVAL)], target[list(OVAL)]
        weights = np.ones(len(OVAL))
        weights[_JAW] = 0.15
        linear, offset = similarity(rim, goal, weights)
        if np.percentile(np.abs(goal - rim)[weights == 1].max(axis=1), 25) < _STILL:
            linear, offset = np.eye(2), np.zeros(2)
        bulge = goal - (rim @ linear.T + offset)
        rings = self.rings.reshape(-1, 2)
        follow = self.share.reshape(-1, 1) * (rings @ linear.T + offset - rings)
        return np.concatenate([*parts, rings + follow + self.bulge @ bulge])

    def folded(self, target: np.ndarray) -> float:
        """Share of the face's area that is turned round with vertices at target (V,2)."""
        turned, own = area(target[self.face]), area(self.source[self.face])
        return float(np.abs(turned[turned * own < 0]).sum() / max(np.abs(turned).sum(), 1e-9))

    def ordered(self, target: np.ndarray, depth: np.ndarray | None) -> np.ndarray:
        """Triangles (N,3) in the order in which they are drawn: the rings, then what is turned round, then far to
        near, then the lashes."""
        face = self.face
        if depth is not None:
            deep = np.concatenate([depth, *(depth[list(lid[0][1:-1])] for lid in LIDS for _ in range(3))])
            face = face[np.argsort(-deep[face].mean(axis=1), kind="stable")]
        turned = area(target[face]) * area(self.source[face]) < 0
        return np.concatenate([self.around, face[turned], face[~turned], self.over])

    def shut(self, points: np.ndarray) -> list[float]:
        """How far each of LIDS has come down in points (478,2): 0 as in the portrait or wider, 1 closed."""
        pairs = zip(LIDS, self.openings, strict=True)
        return [float(np.clip(1 - opening(points, *lid[:2]) / max(own, 1e-6), 0, 1)) for lid, own in pairs]

    def warp(self, picture: np.ndarray, target: np.ndarray, depth: np.ndarray | None) -> tuple[np.ndarray, Back]:
        """The picture with vertices at target (V,2), and where its pixels come from.

        depth (468,) cm, farther is more, or None.
        """
        triangles = self.ordered(target, depth)
        moves = np.abs(target - self.source).max(axis=1) > _LEAST
        drawn = moves[triangles].any(axis=1)
        drawn[len(self.around) :] = True  # what covers is drawn also where it stays
        triangles = triangles[drawn]
        return warp_triangles(picture, target[triangles], self._source_of(target)[triangles], self.grid)


def mouth_gap(points: np.ndarray) -> float:
    """Of the inner lips of points (N,2), in mouth widths."""
    return float(np.linalg.norm(points[13] - points[14]) / max(np.linalg.norm(points[61] - points[291]), 1e-6))


def lip_height(points: np.ndarray) -> float:
    """Of both lips of points (N,2) in their middle, in mouth widths."""
    heights = np.linalg.norm(points[[0, 14]] - points[[13, 17]], axis=1).sum()
    return float(heights / max(np.linalg.norm(points[61] - points[291]), 1e-6))


def opening(points: np.ndarray, upper: Sequence[int], lower: Sequence[int]) -> float:
    """How far an eye of points (N,2) is open, in eye widths."""
    gap = np.linalg.norm(points[list(upper[3:6])] - points[list(lower[3:6])], axis=1).mean()
    return float(gap / max(np.linalg.norm(points[upper[0]] - points[upper[-1]]), 1e-6))


def similarity(source: np.ndarray, target: np.ndarray, weights: np.ndarray | None = None) -> tuple:
    """Weighted least squares `target = linear @ source + offset` in the plane: turned and sized, not sheared.

    source, target (N,2), weights (N,). Returns linear (2,2), offset (2,), float64.
    """
    weights = np.ones(len(source)) if weights is None else weights
    weights = (weights / weights.sum())[:, None]
    middle, goal = (weights * source).sum(axis=0), (weights * target).sum(axis=0)
    a, b = source - middle, target - goal
    spread = max(float((weights * a * a).sum()), 1e-9)
    cosine = float((weights * a * b).sum()) / spread
    sine = float((weights[:, 0] * (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])).sum()) / spread
    linear = np.array(((cosine, -sine), (sine, cosine)))
    return linear, goal - linear @ middle


def sample(picture: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The picture at points (N,2) pixels, at its edge where they lie outside: (N,3) float32."""
    cv2 = opencv()
    place = np.ascontiguousarray(points, np.float32)[None]
    return cv2.remap(picture, place, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[0].astype(np.float32)


def _light(picture: np.ndarray, start: np.ndarray, way: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Brightness (N,len(steps)) of the picture at shares `steps` of ways (N,2) that begin at start (N,2)."""
    places = start[:, None] + steps[:, None] * way[:, None]
    return sample(picture, places.reshape(-1, 2)).mean(axis=-1).reshape(len(start), len(steps))


def _at_most(ways: np.ndarray, length: np.ndarray) -> np.ndarray:
    """ways (N,2), none longer than length (N,)."""
    own = np.maximum(np.linalg.norm(ways, axis=1), 1e-9)
    return ways * np.minimum(1, length / own)[:, None]
