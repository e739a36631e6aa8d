"""The inside of a warped portrait's mouth: its own where it was open, its own teeth where it shows them, else a dark
cavity with a hint of teeth."""

from __future__ import annotations

import numpy as np

from .opencv import opencv
from .topology import INNER_LIP_LOWER, INNER_LIP_UPPER, INNER_LIPS, OUTER_LIP_LOWER, OUTER_LIP_UPPER
from .warp_eyes import blend
from .warp_mesh import OVAL, SHUT, mouth_gap, similarity

_CORNERS, _INNER_CORNERS = (61, 291), (78, 308)
_MIDDLE = (13, 14)  # of the inner lips, upper and lower
_OUTER_MIDDLE = 0  # of the upper lip
_SKULL, _NOSE = (33, 133, 362, 263), 2  # corners of the eyes, the nose's base
THIN = 0.065  # upper lips less high, in mouth widths, show no teeth
_TOOTHED = (0.25, 0.45)  # share of the inside that is as bright as the lips and paler: no teeth, teeth


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

        # Whether it shows teeth.
        self.picture, self.points, self.lines = picture, points, _LipLines(points)
        masks[0] = 0
        cv2.fillPoly(masks[0], [points[list(INNER_LIPS)].astype(np.int32)], 1)
        inside = picture[masks[0] > 0].astype(np.float32)
        shown = 0.0
        if len(inside) >= 20 and self.gap > SHUT / 2:
            bright = inside.mean(axis=1) > self.lips.mean()
            pale = _colourful(inside) < 0.7 * _colourful(self.lips[None])
            shown = float(np.clip(((bright & pale).mean() - _TOOTHED[0]) / (_TOOTHED[1] - _TOOTHED[0]), 0, 1))
        self.shown = shown * float(np.clip((self.gap - SHUT / 2) / (SHUT / 2), 0, 1))

    def draw(self, out: np.ndarray, points: np.ndarray) -> None:
        """Into out (H,W,3) uint8, between the inner lips of points (478,2)."""
        wide = mouth_gap(points)
        amount = float(np.clip((wide - 0.025) / 0.03, 0, 1) * np.clip((wide - self.gap) / 0.03, 0, 1))
        if self.gap > SHUT:  # its own inside, stretched, gives way where the mouth opens far wider than it was
            stretched = float(np.clip((wide / self.gap - 1.5) / 1.0, 0, 1))
            amount *= stretched + (1 - stretched) * self.shown
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
        lines = _LipLines(points)
        width = lines.width
        u, v = lines.along(x, y)
        top, bottom = lines.lips(u)
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
            tooth *= 0.85 * self.teeth * (1 - self.shown)
            inside += tooth[..., None] * (shade[..., None] * self._tooth() - inside)
        rim = 0.7 + 0.3 * np.clip(np.minimum(v - top, bottom - v) / (0.03 * width), 0, 1)
        inside *= rim[..., None]

        # 4. The portrait's own instead.
        if self.shown > 0:
            own, there = self._own(x, y, *lines.pixels(u, top), points)
            inside += (self.shown * there)[..., None] * (own - inside)
        return inside.astype(np.float32)

    def _own(
        self, x: np.ndarray, y: np.ndarray, lip_x: np.ndarray, lip_y: np.ndarray, points: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """What the portrait shows of its mouth, at pixels x, y (h,w) of which the upper lip is at lip_x, lip_y:
        (h,w,3) float32, and how far that lies inside its mouth, (h,w) 0 to 1. It stays where it was in the skull."""
        linear, _ = similarity(points[list(_SKULL)], self.points[list(_SKULL)])
        here, there = _under_the_nose(points), _under_the_nose(self.points)

        def in_portrait(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            x, y = x - here[0], y - here[1]
            return self.lines.along(*(linear[row, 0] * x + linear[row, 1] * y + there[row] for row in (0, 1)))

        (u, v), (_, lip) = in_portrait(x, y), in_portrait(lip_x, lip_y)
        top, bottom = self.lines.lips(u)
        room = np.maximum(bottom - top, 1e-3)
        below, risen = v - top, np.minimum(lip - top, 0)  # a lip that has risen bares more of them than was seen
        v = top + room * (below - risen) / (room - risen)
        picture, cv2 = self.picture, opencv()
        own = cv2.remap(picture, *self.lines.pixels(u, v), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        soft = max(0.03 * self.lines.width, 1.5)
        inside = np.clip((bottom - v) / soft, 0, 1) * np.clip((1 - np.abs(u)) * self.lines.width / 2 / soft, 0, 1)
        return own.astype(np.float32), inside

    def _tooth(self) -> np.ndarray:
        """A little brighter than lit skin, with a quarter of its colour."""
        return np.minimum(1.12 * (0.75 * self.skin.mean() + 0.25 * self.skin), 240)


class _LipLines:
    """The inner lips of points (478,2) from corner to corner, along the mouth and across it."""

    def __init__(self, points: np.ndarray):
        self.width = _width(points)
        left, right = points[list(_INNER_CORNERS)]
        self.axis = (right - left) / max(float(np.linalg.norm(right - left)), 1e-6)
        self.across, self.middle = np.array((-self.axis[1], self.axis[0])), (left + right) / 2
        lips = [points[list(lip)] - self.middle for lip in (INNER_LIP_UPPER, INNER_LIP_LOWER)]
        self._lips = [(lip @ self.axis / (self.width / 2), lip @ self.across) for lip in lips]

    def along(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pixels x, y -> u, -1 to 1 at the corners, and v, pixels below the line between them."""
        x, y = x - self.middle[0], y - self.middle[1]
        return (x * self.axis[0] + y * self.axis[1]) / (self.width / 2), x * self.across[0] + y * self.across[1]

    def pixels(self, u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The way back, float32."""
        u = u * (self.width / 2)
        x, y = (self.middle[axis] + u * self.axis[axis] + v * self.across[axis] for axis in (0, 1))
        return x.astype(np.float32), y.astype(np.float32)

    def lips(self, u: np.ndarray) -> list[np.ndarray]:
        """v of the upper and of the lower lip at u."""
        return [np.interp(u, *lip) for lip in self._lips]


def _under_the_nose(points: np.ndarray) -> np.ndarray:
    """(2,) as high as the nose's base, in the middle of the mouth: what turns with the head as teeth do."""
    axis = points[_SKULL[-1]] - points[_SKULL[0]]
    across = np.array((-axis[1], axis[0])) / max(float(np.linalg.norm(axis)), 1e-6)
    middle = points[list(_INNER_CORNERS)].mean(axis=0)
    return middle + across * float((points[_NOSE] - middle) @ across)


def _colourful(pixels: np.ndarray) -> np.ndarray:
    """(N,) of pixels (N,3): how far channels lie apart, of the brightest."""
    return np.ptp(pixels, axis=1) / np.maximum(pixels.max(axis=1), 1)


def _width(points: np.ndarray) -> float:
    return max(float(np.linalg.norm(points[_CORNERS[0]] - points[_CORNERS[1]])), 1e-3)
