"""The inside of a warped portrait's mouth: its own where it was open, else a dark cavity with a hint of teeth."""

from __future__ import annotations

import numpy as np

from .opencv import opencv
from .topology import INNER_LIP_LOWER, INNER_LIP_UPPER, INNER_LIPS, OUTER_LIP_LOWER, OUTER_LIP_UPPER
from .warp_eyes import blend
from .warp_mesh import OVAL, SHUT, mouth_gap

_CORNERS, _INNER_CORNERS = (61, 291), (78, 308)
_MIDDLE = (13, 14)  # of the inner lips, upper and lower
_OUTER_MIDDLE = 0  # of the upper lip
THIN = 0.065  # upper lips less high, in mouth widths, show no teeth


class Mouth:
    """A portrait's mouth. picture (H,W,3) uint8, points (478,2) float64."""

    def __init__(self, picture: np.ndarray, points: np.ndarray):
        cv2 = opencv()
        self.gap = mouth_gap(points)
        thickness = float(np.linalg.norm(points[_MIDDLE[0]] - points[_OUTER_MIDDLE]))
        self.teeth = float(np.clip((thickness / (THIN * _width(points)) - 0.85) / 0.3, 0, 1))  # softly: clips move

        # Tones of skin and lips.
        masks = np.zeros((2, *picture.shape[:2]), np.uint8)
        cv2.fillConvexPoly(masks[0], cv2.convexHull(points[list(OVAL)].astype(np.int32)), 1)
        lips = list(OUTER_LIP_LOWER + OUTER_LIP_UPPER[-2:0:-1])
        cv2.fillPoly(masks[1], [points[lips].astype(np.int32)], 1)
        skin = picture[masks[0] > 0] if masks[0].any() else picture.reshape(-1, 3)
        skin = skin[:: max(1, len(skin) // 4000)].astype(np.float32)
        light = skin.mean(axis=1)
        self.skin = skin[light >= np.percentile(light, 60)].mean(axis=0)  # where light falls
        self.lips = np.median(picture[masks[1] > 0], axis=0) if masks[1].any() else self.skin

    def draw(self, out: np.ndarray, points: np.ndarray) -> None:
        """Into out (H,W,3) uint8, between the inner lips of points (478,2)."""
        wide = mouth_gap(points)
        amount = float(np.clip((wide - 0.025) / 0.03, 0, 1) * np.clip((wide - self.gap) / 0.03, 0, 1))
        if self.gap > SHUT:  # its own inside, stretched, gives way where the mouth opens far wider than it was
            amount *= float(np.clip((wide / self.gap - 1.5) / 1.0, 0, 1))
        lips = points[list(INNER_LIPS)]
        low = np.maximum(np.floor(lips.min(axis=0)) - 3, 0).astype(int)
        high = np.minimum(np.ceil(lips.max(axis=0)) + 4, out.shape[1::-1]).astype(int)
        if amount <= 0 or (high - low < 3).any():
            return
        y, x = np.mgrid[low[1] : high[1], low[0] : high[0]].astype(np.float32)
        outline = np.rint((lips - low) * 16).astype(np.int32)
        blend(out, self._cavity(x, y, points, wide), outline, low, amount, 0.7)

    def _cavity(self, x: np.ndarray, y: np.ndarray, points: np.ndarray, wide: float) -> np.ndarray:
        """(h,w,3) float32 at pixels x, y (h,w)."""
        # 1. Along the mouth, -1 to 1 at its corners, and across, pixels below the upper and the lower lip.
        width = _width(points)
        left, right = points[list(_INNER_CORNERS)]
        along = (right - left) / max(float(np.linalg.norm(right - left)), 1e-6)
        across, middle = np.array((-along[1], along[0])), (left + right) / 2
        u = ((x - middle[0]) * along[0] + (y - middle[1]) * along[1]) / (width / 2)
        v = (x - middle[0]) * across[0] + (y - middle[1]) * across[1]
        top, bottom = (
            np.interp(u, (points[list(lip)] - middle) @ along / (width / 2), (points[list(lip)] - middle) @ across)
            for lip in (INNER_LIP_UPPER, INNER_LIP_LOWER)
        )
        room = np.maximum(bottom - top, 1)
        height = float(room.max())

        # 2. Dark, warmed by the lips; the tongue where it is wide open.
        inside = np.empty((*u.shape, 3), np.float32)
        inside[:] = 0.28 * self.lips
        tongue = np.sqrt(np.clip(1 - (u / 0.62) ** 2 - ((v - bottom) / (0.4 * height)) ** 2, 0, 1))
        tongue *= np.clip((wide - 0.18) / 0.25, 0, 1)
        inside += tongue[..., None] * (0.55 * self.lips - inside)

        # 3. A band of teeth under the upper lip, toned from the skin, in the lip's shadow, lost towards the corners.
        if self.teeth > 0:
            edge = top + np.minimum(0.1 * width * np.sqrt(np.clip(1 - (u / 0.95) ** 2, 0, 1)), 0.5 * room)
            tooth = np.clip((edge - v) / max(0.03 * width, 1.5) + 0.5, 0, 1) * np.clip((v - top) / 1.5, 0, 1)
            tooth *= np.clip((wide - 0.04) / 0.06, 0, 1) * np.clip(1.25 * (1 - np.abs(u) ** 2.5), 0, 1)
            shade = (0.72 + 0.28 * np.clip((v - top) / (0.07 * width), 0, 1)) * (1 - 0.45 * u * u)
            inside += (0.85 * self.teeth * tooth)[..., None] * (shade[..., None] * self._tooth() - inside)
        rim = 0.7 + 0.3 * np.clip(np.minimum(v - top, bottom - v) / (0.03 * width), 0, 1)
        return (inside * rim[..., None]).astype(np.float32)

    def _tooth(self) -> np.ndarray:
        """A little brighter than lit skin, with a quarter of its colour."""
        return np.minimum(1.12 * (0.75 * self.skin.mean() + 0.25 * self.skin), 240)


def _width(points: np.ndarray) -> float:
    return max(float(np.linalg.norm(points[_CORNERS[0]] - points[_CORNERS[1]])), 1e-3)
