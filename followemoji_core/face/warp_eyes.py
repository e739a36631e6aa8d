"""Eyes of a warped portrait: the white without iris, an iris without lids, and the opening in which they are seen."""

from __future__ import annotations

import numpy as np

from .opencv import opencv
from .topology import (
    LEFT_EYE,
    LEFT_EYE_LOWER,
    LEFT_EYE_UPPER,
    LEFT_IRIS,
    RIGHT_EYE,
    RIGHT_EYE_LOWER,
    RIGHT_EYE_UPPER,
    RIGHT_IRIS,
)
from .warp_mesh import similarity

EYES = (  # as in LIDS
    (LEFT_EYE, LEFT_EYE_UPPER, LEFT_EYE_LOWER, LEFT_IRIS),
    (RIGHT_EYE, RIGHT_EYE_UPPER, RIGHT_EYE_LOWER, RIGHT_IRIS),
)
_MARGIN = 0.6  # eye widths around the eye
_SMALLEST = 6  # pixels: an eye less wide is not worth a layer
_CHEEKS = (50, 280, 205, 425, 9, 151)  # with the brow: skin, where beards, glasses and hair are seldom
_DARK = 0.35  # of the skin's light. Lit eyes reach 0.81 and more, closing lids 0.43, dark glasses and a cat's eyes 0.19


class Eye:
    """One eye of a portrait, taken apart.

    picture (H,W,3) uint8, points (478,2) float64; eye: one of EYES; lashes (7,2): the lower end of the upper lid's,
    below which the eye is seen.
    """

    def __init__(self, picture: np.ndarray, points: np.ndarray, eye: tuple, lashes: np.ndarray):
        self.outline, self.upper, self.lower, self.iris_points = (list(part) for part in eye)
        self.corners = points[[self.upper[0], self.upper[-1]]]
        self.width = float(np.linalg.norm(self.corners[1] - self.corners[0]))
        lids = points[self.outline]
        low = np.maximum(np.floor(lids.min(axis=0) - _MARGIN * self.width), 0).astype(int)
        high = np.minimum(np.ceil(lids.max(axis=0) + _MARGIN * self.width), picture.shape[1::-1]).astype(int)
        self.seen = self.width >= _SMALLEST and bool((high - low >= 4).all())
        if self.seen:
            self.place = low.astype(np.float64)
            self.patch = picture[low[1] : high[1], low[0] : high[0]]
            self.pupil = points[self.iris_points[0]] - low
            self.radius = max(
                float(np.linalg.norm(points[self.iris_points[1:]] - points[self.iris_points[0]], axis=1).mean()), 1.0
            )
            self._take_apart(self._opening(points, lashes) - low)

    def _opening(self, points: np.ndarray, lashes: np.ndarray) -> np.ndarray:
        """(16,2): what is seen of the eye, from the outer corner along the lower lid and back below the lashes."""
        lower = points[self.lower]
        down = np.array((-(lower[-1] - lower[0])[1], (lower[-1] - lower[0])[0]))
        down *= np.sign(((lower[4] - points[self.upper[4]]) @ down) or 1)
        under = ((lashes - lower[1:-1]) @ down > 0)[:, None]
        return np.concatenate([lower, np.where(under, lower[1:-1], lashes)[::-1]])

    def _take_apart(self, lids: np.ndarray) -> None:
        cv2 = opencv()
        patch, width = self.patch, self.width
        opening = np.zeros(patch.shape[:2], np.uint8)
        cv2.fillPoly(opening, [_pixels(lids)], 1, shift=4)
        inner = cv2.erode(opening, np.ones((3, 3), np.uint8)) if width > 25 else opening
        upper = np.concatenate([lids[:1], lids[:8:-1], lids[8:9]])
        y, x = np.mgrid[: patch.shape[0], : patch.shape[1]]
        distance = np.hypot(x - self.pupil[0], y - self.pupil[1])
        light = patch.mean(axis=-1)

        # 1. The white: lashes and shadows (the dark fifth) and the iris are filled from around.
        known = (inner > 0) & (distance > 1.15 * self.radius)
        if known.sum() > 12:
            known &= light >= np.percentile(light[known], 20)
            reach = np.zeros_like(opening)  # what an opened lid may show; the rest is never looked at
            near = max(2, round(0.22 * width))
            cv2.dilate(opening, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * near + 1,) * 2), reach)
            white = cv2.inpaint(patch, (reach > known).astype(np.uint8), 3, cv2.INPAINT_TELEA)
            white = cv2.GaussianBlur(white, (0, 0), max(0.03 * width, 0.6)).astype(np.float32)
            level = light[known].mean()
        else:  # all iris, or a slit
            colour = np.percentile(patch[opening > 0], 90, axis=0) if opening.any() else np.full(3, 200)
            white = np.broadcast_to(colour.astype(np.float32), patch.shape).copy()
            level = white.mean()

        # 2. The iris: what lids hide of it takes the colour that is seen as far from the pupil.
        seen = (inner > 0) & (distance <= 1.05 * self.radius)
        iris = patch.astype(np.float32)
        ring = np.clip((distance / self.radius * 8).astype(int), 0, 9)
        for number in range(9):
            hidden, shown = (ring == number) & ~seen, (ring == number) & seen
            shown = shown if shown.any() else seen
            if shown.any():
                iris[hidden] = np.median(patch[shown], axis=0)
        alpha = np.clip((1.05 * self.radius - distance) / max(0.18 * self.radius, 1) + 0.5, 0, 1)

        # 3. The shadow of the upper lid, as dark as it is here.
        top = _height(x, upper)
        band = (inner > 0) & (distance > 1.1 * self.radius) & (y - top < 0.09 * width)
        self.shadow = float(np.clip(light[band].mean() / max(level, 1), 0.5, 1)) if band.sum() > 4 else 0.75
        wider = cv2.dilate(opening, np.ones((5, 5), np.uint8)).astype(np.float32)
        soft = np.maximum(cv2.GaussianBlur(wider, (0, 0), 0.8), cv2.dilate(opening, np.ones((3, 3), np.uint8)))
        self.white, self.iris = white, iris
        self.own = np.dstack([patch, soft]).astype(np.float32)
        self.alpha = alpha.astype(np.float32)

    def draw(self, out: np.ndarray, points: np.ndarray, lashes: np.ndarray) -> None:
        """Into out (H,W,3) uint8, between the lids of points (478,2) and below lashes (7,2)."""
        cv2 = opencv()
        lids, corners = self._opening(points, lashes), points[[self.upper[0], self.upper[-1]]]
        low = np.maximum(np.floor(lids.min(axis=0)) - 3, 0).astype(int)
        high = np.minimum(np.ceil(lids.max(axis=0)) + 4, out.shape[1::-1]).astype(int)
        width = float(np.linalg.norm(corners[1] - corners[0]))
        gap = float(np.linalg.norm(lids[12] - lids[4]))
        if not self.seen or (high - low < 2).any() or gap <= 0.01 * width or width < 1:
            return

        # 1. The eye turned and sized as its corners are; white and iris move apart.
        linear, offset = similarity(corners, self.corners)
        y, x = np.mgrid[low[1] : high[1], low[0] : high[0]].astype(np.float32)
        x0 = (linear[0, 0] * x + linear[0, 1] * y + (offset[0] - self.place[0])).astype(np.float32)
        y0 = (linear[1, 0] * x + linear[1, 1] * y + (offset[1] - self.place[1])).astype(np.float32)
        pupil = linear @ points[self.iris_points[0]] + offset - self.place
        shift = pupil - self.pupil
        x1, y1 = x0 - np.float32(shift[0]), y0 - np.float32(shift[1])

        def layer(texture: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
            return cv2.remap(texture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)

        white, iris = layer(self.white, x0, y0), layer(self.iris, x1, y1)
        alpha = cv2.remap(self.alpha, x1, y1, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)[..., None]
        eye = white + alpha * (iris - white)

        # 2. The upper lid's shadow.
        top = _height(x, np.concatenate([lids[:1], lids[9:], lids[8:9]]))
        lit = np.clip((y - top) / (0.13 * width), 0, 1)[..., None]
        eye *= self.shadow + (1 - self.shadow) * lit

        # 3. As long as the pupil keeps its place, what was seen is seen as it was.
        keep = 1 - float(np.linalg.norm(shift)) / (0.06 * self.width)
        if keep > 0:
            own = layer(self.own, x0, y0)
            eye += keep * own[..., 3:] * (own[..., :3] - eye)
        blend(out, eye, _pixels(lids - low), low, min(max(gap / width - 0.02, 0) / 0.05, 1.0), 0.6)


def dark_eyes(picture: np.ndarray, points: np.ndarray) -> int:
    """How many eyes of picture (H,W,3) uint8 show nothing light between the lids of points (478,2) pixels: black ones,
    or behind dark glasses or hair. The tenth of their pixels that is lightest is compared with the skin's."""
    cv2 = opencv()
    light = picture.mean(axis=-1, dtype=np.float32)
    blurred = cv2.GaussianBlur(light, (0, 0), max(0.02 * float(np.ptp(points[:, 0])), 0.5))
    limits = np.array(light.shape[::-1]) - 1
    columns, rows = np.clip(np.rint(points[list(_CHEEKS)]), 0, limits).astype(int).T
    skin, count = float(np.median(blurred[rows, columns])), 0
    for outline, *_ in EYES:
        opening = np.zeros(light.shape, np.uint8)
        cv2.fillPoly(opening, [_pixels(points[list(outline)])], 1, shift=4)
        seen = light[opening > 0]
        wide = float(np.ptp(points[list(outline), 0])) >= _SMALLEST
        count += bool(wide and len(seen) and np.percentile(seen, 90) < _DARK * skin)
    return count


def blend(out: np.ndarray, layer: np.ndarray, outline: np.ndarray, low: np.ndarray, amount: float, blur: float) -> None:
    """Lay layer (h,w,3) float over out (H,W,3) uint8 at `low` (x, y), within an outline that is soft by `blur`."""
    cv2 = opencv()
    mask = np.zeros(layer.shape[:2], np.uint8)
    cv2.fillPoly(mask, [outline], 255, cv2.LINE_AA, 4)
    share = cv2.GaussianBlur(mask, (0, 0), blur).astype(np.float32)[..., None] * np.float32(amount / 255)
    part = out[low[1] : low[1] + layer.shape[0], low[0] : low[0] + layer.shape[1]]
    part[:] = np.clip(part + share * (layer - part), 0, 255)


def _pixels(points: np.ndarray) -> np.ndarray:
    return np.rint(points * 16).astype(np.int32)


def _height(x: np.ndarray, path: np.ndarray) -> np.ndarray:
    """y of a lid's path (N,2) at columns x (h,w): as an array of one row (1,w)."""
    path = path[np.argsort(path[:, 0])]
    return np.interp(x[0], path[:, 0], path[:, 1]).astype(np.float32)[None]
