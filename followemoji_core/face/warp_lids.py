"""Lids of a warped portrait that come down: the skin that they bring, without the lashes that lay over it."""

from __future__ import annotations

import numpy as np

from .opencv import opencv
from .warp_eyes import blend
from .warp_mesh import ABOVE, LIDS, Back, Sheet, lid_row, opening, sample

_COLUMNS = 33  # across a lid
_STEPS = np.linspace(0.05, 0.95, 16)  # from the lid up to the mesh's next points
_BANDS = np.linspace(0, 1, 6)
_BRIGHTER = slice(9, 15)  # of the steps, sorted by brightness: skin, not lashes, crease or a highlight
_BEGUN, _DONE = 0.1, 0.5  # closed by that much, the smooth skin begins to show, and is all that shows
_CALM, _LASHES = 0.06, 0.16  # contrast up to which a lid is stretched as it is, and from which it is smooth skin
_CHEEKS = ((348, 347, 330), (119, 118, 101))  # of LIDS: lit as the lid is when it is down
_SLIT, _LINE = (0.14, 0.07), 0.022  # eye widths: openings at which a line of lashes begins and is full; half its height


class Lid:
    """The upper lid LIDS[number] of a portrait, its skin smoothed over. picture (H,W,3) uint8."""

    def __init__(self, picture: np.ndarray, sheet: Sheet, number: int):
        cv2 = opencv()
        path, lower, _, self.above = LIDS[number]
        self.upper, self.lower = list(path), list(lower)
        self.ends, self.lashes = [path[0], path[-1]], lid_row(number, ABOVE)
        lid = _columns(sheet.source[list(path)])
        next_ = _columns(sheet.source[[path[0], *self.above, path[-1]]])
        width = float(np.linalg.norm(lid[-1] - lid[0]))
        corners = np.concatenate([lid, next_])
        low = np.maximum(np.floor(corners.min(axis=0) - 0.15 * width), 0).astype(int)
        high = np.minimum(np.ceil(corners.max(axis=0) + 0.15 * width), picture.shape[1::-1]).astype(int)
        self.seen, self.smooth = bool((high - low >= 4).all()), 0.0
        if not self.seen:
            return

        # 1. The skin's colour at each column: what is bright between lid and brow, but not the brightest.
        places = lid[:, None] + _STEPS[:, None] * (next_ - lid)[:, None]
        colours = sample(picture, places.reshape(-1, 2)).reshape(_COLUMNS, len(_STEPS), 3)
        order = np.argsort(colours.mean(axis=-1), axis=1)[:, _BRIGHTER]
        skin = np.take_along_axis(colours, order[..., None], axis=1).mean(axis=1)
        cheek = np.median(sample(picture, sheet.source[list(_CHEEKS[number])]), axis=0)
        skin = 0.4 * skin + 0.6 * cheek
        skin, end = cv2.GaussianBlur(np.stack([skin, colours[:, -1]], 1), (1, 0), 0.1, sigmaY=4).swapaxes(0, 1)

        # Stretched as it is, or smooth: as the contrast of what would be stretched tells.
        free = sheet.rows[number]  # from the lid to where lashes end, and to the crease
        way = np.linspace(0.1, 0.9, 7)[:, None, None]
        light = sample(picture, (sheet.source[self.upper[1:-1]] + free[1] + way * (free[2] - free[1])).reshape(-1, 2))
        light = light.mean(axis=-1)
        contrast = float(light.std() / max(light.mean(), 1))
        self.smooth = float(np.clip((contrast - _CALM) / (_LASHES - _CALM), 0, 1))
        around = sample(picture, np.concatenate([lid + 0.02 * k * (next_ - lid) for k in range(-3, 12)]))
        self.dark = np.percentile(around, 8, axis=0)

        # 2. The lid in that colour, up to what is there.
        self.low = low
        patch = picture[low[1] : high[1], low[0] : high[0]].copy()
        lines = lid + _BANDS[:, None, None] * (next_ - lid) - low
        for band, (a, b) in enumerate(zip(lines, lines[1:], strict=False)):
            tone = skin + (_BANDS[band] ** 2) * (end - skin)
            for i in range(_COLUMNS - 1):
                quad = np.rint(np.stack([a[i], a[i + 1], b[i + 1], b[i]]) * 16).astype(np.int32)
                cv2.fillConvexPoly(patch, quad, tone[i].tolist(), cv2.LINE_8, 4)
        self.patch = cv2.GaussianBlur(patch, (0, 0), max(0.03 * width, 0.8))

    def draw(self, out: np.ndarray, back: Back, target: np.ndarray, shut: float) -> None:
        """Over out (H,W,3) uint8, warped with `back`, its vertices at target (V,2); shut as Sheet.shut says."""
        cv2 = opencv()
        amount = float(np.clip((shut - _BEGUN) / (_DONE - _BEGUN), 0, 1)) * self.smooth
        if not self.seen or amount <= 0 or not back.place.size:
            return
        outer, inner = target[self.ends]
        outline = np.concatenate([[outer], target[self.lashes], [inner], target[list(self.above)][::-1]])
        height, width = back.place.shape[:2]
        low = np.clip(np.floor(outline.min(axis=0)).astype(int) - 3, back.low, back.low + (width, height))
        high = np.clip(np.ceil(outline.max(axis=0)).astype(int) + 4, low, back.low + (width, height))
        if (high - low < 2).any():
            return
        (x0, y0), (x1, y1) = low - back.low, high - back.low
        place = back.place[y0:y1, x0:x1] - self.low.astype(np.float32)
        skin = cv2.remap(self.patch, place, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        soft = max(0.025 * float(np.linalg.norm(inner - outer)), 0.6)
        blend(out, skin.astype(np.float32), np.rint((outline - low) * 16).astype(np.int32), low, amount, soft)

    def line(self, out: np.ndarray, points: np.ndarray, shut: float) -> None:
        """Into out (H,W,3) uint8: a lid's lashes when it is down, in what is left open in points (478,2)."""
        slit = (_SLIT[0] - opening(points, self.upper, self.lower)) / (_SLIT[0] - _SLIT[1])
        amount = float(np.clip(min(slit, shut / 0.5), 0, 1)) * 0.8
        if not self.seen or amount <= 0:
            return
        upper, lower = _columns(points[self.upper]), _columns(points[self.lower])
        width = float(np.linalg.norm(upper[-1] - upper[0]))
        along = (upper[-1] - upper[0]) / max(width, 1e-6)
        across = np.array((-along[1], along[0]))
        half = (lower - upper) @ across / 2
        across, half = across * np.sign(half.sum() or 1), np.abs(half)
        half = np.maximum(half, _LINE * width * np.sin(np.pi * np.linspace(0, 1, _COLUMNS)) ** 0.7)[:, None]
        middle = (upper + lower) / 2
        outline = np.concatenate([middle - half * across, (middle + half * across)[::-1]])
        low = np.clip(np.floor(outline.min(axis=0)).astype(int) - 3, 0, out.shape[1::-1])
        high = np.clip(np.ceil(outline.max(axis=0)).astype(int) + 4, low, out.shape[1::-1])
        if (high - low < 2).any():
            return
        dark = np.broadcast_to(self.dark.astype(np.float32), (*(high - low)[::-1], 3))
        blend(out, dark, np.rint((outline - low) * 16).astype(np.int32), low, amount, max(0.012 * width, 0.6))


def _columns(path: np.ndarray) -> np.ndarray:
    """A path (9,2) with _COLUMNS points."""
    at, own = np.linspace(0, len(path) - 1, _COLUMNS), np.arange(len(path))
    return np.stack([np.interp(at, own, path[:, axis]) for axis in (0, 1)], axis=1)
