"""How people are drawn: polygons on the projected mesh, back to front, in milliseconds. Pictures are (H,W,3) uint8 RGB.

Everything that turns with the head is placed in 3D and projected for all frames at once; what is left for each frame
are OpenCV calls.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from ..face.camera import project
from ..face.opencv import opencv
from ..face.topology import (
    FACE_CONTOUR,
    INNER_LIP_LOWER,
    INNER_LIP_UPPER,
    LEFT_BROW_LOWER,
    LEFT_BROW_UPPER,
    LEFT_EYE_LOWER,
    LEFT_EYE_UPPER,
    LEFT_IRIS,
    OUTER_LIP_LOWER,
    OUTER_LIP_UPPER,
    RIGHT_BROW_LOWER,
    RIGHT_BROW_UPPER,
    RIGHT_EYE_LOWER,
    RIGHT_EYE_UPPER,
    RIGHT_IRIS,
)
from ..types import FaceMotion
from .people import Person

# Frame, (width, height) of the canvas -> (H,W,3) uint8 RGB, fresh.
Ground = Callable[[int, tuple[int, int]], np.ndarray]
EYE_WHITE = (250, 247, 243)
_SHADED = 26  # points of the contour: pictures stay as they were when it was one point short
_BITS = 4  # of a pixel's fractions in OpenCV's integer coordinates
_SKULL, _RADII = np.array((0.0, 2.2, -2.6)), np.array((7.5, 8.0, 8.6))  # cm
_NOSE = ((98, 97, 2, 326, 327), (168, 6, 197, 195, 5, 4), (129, 102, 48, 64, 98), (358, 331, 278, 294, 327))
_EYES = (
    (RIGHT_EYE_UPPER, RIGHT_EYE_LOWER, RIGHT_IRIS, RIGHT_BROW_UPPER, RIGHT_BROW_LOWER),
    (LEFT_EYE_UPPER, LEFT_EYE_LOWER, LEFT_IRIS, LEFT_BROW_UPPER, LEFT_BROW_LOWER),
)


def paint(person: Person, motion: FaceMotion, ground: Ground | None = None) -> np.ndarray:
    """(T,H,W,3) uint8 RGB: the person in a motion of its own face (`Person.act`), at the motion's size.

    ground: what is behind, by frame, instead of the person's own, which is still.
    """
    cv2 = opencv()
    width, height = motion.size
    scale = _scale(motion)
    painter = _Painter(person, motion, scale, ground)
    frames = np.empty((len(motion), height, width, 3), np.uint8)
    for index in range(len(motion)):
        picture = painter.paint(index)
        frames[index] = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA) if scale > 1 else picture
    return frames


def painter_onto(
    person: Person, motion: FaceMotion, window: tuple[int, int, int, int]
) -> Callable[[int, np.ndarray], None]:
    """A function (frame, picture) that paints the person of that frame onto a picture (H,W,3) uint8, in place; what is
    not the person's stays as it is, bit for bit.

    window: left, top, width, height of that picture, in pixels of the motion's, which it may leave: shoulders are wider
    than what the motion's camera sees.
    """
    cv2 = opencv()
    scale = _scale(motion)
    painter = _Painter(person, motion, scale, window=window, background=False)

    def onto(index: int, picture: np.ndarray) -> None:
        behind = cv2.resize(picture, painter.size, interpolation=cv2.INTER_NEAREST) if scale > 1 else picture
        painter.ground = lambda index, size: behind.copy()
        canvas = painter.paint(index, grain=False)
        if painter.grain is not None:
            own = (canvas != behind).any(axis=-1)
            canvas[own] = np.clip(canvas[own] + painter.grain[own], 0, 255)
        if scale > 1:
            canvas = cv2.resize(canvas, picture.shape[1::-1], interpolation=cv2.INTER_AREA)
        picture[:] = canvas

    return onto


def _scale(motion: FaceMotion) -> int:
    return 2 if min(motion.size) < 256 else 1  # below that a pixel is too coarse for lashes


def head_outline(person: Person, motion: FaceMotion) -> np.ndarray:
    """(T,27,2) pixels of the picture: the outline of the painted face from temple over chin to temple, point by point
    where FACE_CONTOUR has the landmarks', which it is but for heads unlike the mesh."""
    wider, longer = person.jowls
    contour = motion.metric[:, list(FACE_CONTOUR)].astype(np.float64)
    share = 1 - np.abs(np.linspace(-1, 1, len(FACE_CONTOUR)))  # 0 at the temples, 1 at the chin
    contour[..., 0] *= 1 + wider * np.sin(np.pi * share)
    contour[..., 1] *= 1 + longer * share**2
    pose = motion.camera_from_face.astype(np.float64)
    return project(contour @ pose[:, :3, :3].swapaxes(1, 2) + pose[:, None, :3, 3], motion.size)


def toned(person: Person, colour) -> tuple[float, ...]:
    """RGB in [0,255] as it comes out in the person's style, (3,) likewise."""
    colour = np.asarray(colour, float)
    if person.style == "stone":
        grey = colour @ (0.3, 0.59, 0.11)
        colour = (0.22 * colour + 0.78 * grey) * (0.62, 0.61, 0.58) + (78, 76, 72)
    elif person.style == "ink":
        colour = 0.42 * colour + 0.58 * np.array((246, 240, 226))
    elif person.style == "painted":
        colour = colour * (0.92, 0.86, 0.78) + (16, 12, 6)
    return tuple(np.clip(colour, 0, 255).tolist())


class _Painter:
    """One person through one motion, on a canvas `scale` times as large as the picture."""

    def __init__(
        self,
        person: Person,
        motion: FaceMotion,
        scale: int,
        ground: Ground | None = None,
        window: tuple[int, int, int, int] | None = None,
        background: bool = True,
    ):
        """window: left, top, width, height of what is painted, in pixels of the motion's picture and also beyond it."""
        self.cv2 = opencv()
        self.person, self.motion, self.ground = person, motion, ground
        self.view = (motion.size[0] * scale, motion.size[1] * scale)  # what the motion's camera sees
        left, top, width, height = window or (0, 0, *motion.size)
        self.corner, self.size = np.array((left, top)) * scale, (width * scale, height * scale)  # of the canvas, in it
        self.points = motion.landmarks[..., :2].astype(np.float64) * self.view - self.corner
        self.cage, self.slices = self._project_cage()
        self.jaw = head_outline(person, motion) * scale - self.corner if any(person.jowls) else None
        self.outline = 0.0 if person.style in ("soft", "painted") else 0.16 if person.style == "cartoon" else 0.12
        self.background = self._draw_background() if background and not ground else None
        self.grain = self._draw_grain()

    # What turns with the head beside the mesh: named paths in face space, cm.

    def _project_cage(self) -> tuple[np.ndarray, dict[str, slice]]:
        paths = _cage(self.person)
        ends = np.cumsum([0, *(len(path) for path in paths.values())])
        slices = {name: slice(*pair) for name, pair in zip(paths, zip(ends, ends[1:], strict=False), strict=True)}
        pose = self.motion.camera_from_face.astype(np.float64)
        camera = np.concatenate(list(paths.values())) @ pose[:, :3, :3].swapaxes(1, 2) + pose[:, None, :3, 3]
        return project(camera, self.view) - self.corner, slices

    def place(self, name: str) -> np.ndarray:
        return self.cage[self.index, self.slices[name]]

    # Marks. Colours pass through the style.

    def tone(self, colour) -> tuple[float, ...]:
        return toned(self.person, colour)

    def fill(self, points: np.ndarray, colour, outline: float = 0.0, image: np.ndarray | None = None) -> None:
        image = self.image if image is None else image
        pixels = np.round(np.asarray(points) * 2**_BITS).astype(np.int32)
        self.cv2.fillPoly(image, [pixels], self.tone(colour), self.cv2.LINE_AA, _BITS)
        if outline:
            self.line(points, self.dark(colour), outline, closed=True, image=image)

    def line(self, points: np.ndarray, colour, width: float, closed: bool = False, image=None) -> None:
        """`width` in cm at the face."""
        image = self.image if image is None else image
        pixels = np.round(np.asarray(points) * 2**_BITS).astype(np.int32)
        thickness = max(round(width * self.unit), 1)
        self.cv2.polylines(image, [pixels], closed, self.tone(colour), thickness, self.cv2.LINE_AA, _BITS)

    def dark(self, colour) -> np.ndarray:
        return np.asarray(colour, float) * 0.4 if self.outline else np.asarray(colour, float) * 0.8

    # The picture, from back to front.

    def paint(self, index: int, grain: bool = True) -> np.ndarray:
        self.index = index
        self.mesh = self.points[index]
        self.unit = self.view[1] / 2 / np.tan(np.radians(31.5)) / -self.motion.camera_from_face[index, 2, 3]
        self.image = self.ground(index, self.size) if self.ground else self.background.copy()
        person = self.person
        self.hair_behind()
        self.body()
        self.head()
        self.nose()
        self.mouth()
        for side, eye in enumerate(_EYES):
            self.eye(side, *eye)
        if person.glasses is not None:
            self.glasses()
        self.hair_before()
        if self.grain is None or not grain:
            return self.image
        return self.cv2.add(self.image, self.grain, dtype=self.cv2.CV_8U)

    def hair_behind(self) -> None:
        person, colour = self.person, self.person.hair_colour
        if person.hair in ("long", "parted"):
            self.fill(_smooth(self.place("long"), True), colour * 0.75, self.outline)
        if person.hair == "bun":
            self.fill(_smooth(self.place("bun"), True), colour * 0.9, self.outline)

    def body(self) -> None:
        person = self.person
        neck = self.place("neck")[0] * 0.4 + (np.array((0.5, 0.86)) * self.view - self.corner) * 0.6
        chin = self.mesh[152]

        def torso(points) -> np.ndarray:
            return neck + np.array(points, float) * (1, -1) * self.unit

        throat = np.concatenate([[chin + (-3.8 * self.unit, 0)], torso([(-4, -3), (-6, -5), (6, -5), (4, -3)])])
        throat = np.concatenate([throat, [chin + (3.8 * self.unit, 0)]])
        self.fill(throat, person.skin * 0.82)
        top = {"round": -3.2, "shirt": -4.6, "high": -1.2}[person.collar]
        half = [(4.6, top + 1.2), (9, -3.4), (14, -4.6), (17, -8), (18, -30)]
        line = _smooth(torso([*half[::-1], (0, top - 0.8), *[(-x, y) for x, y in half]]))
        below = torso([(-18, -62), (18, -62)])  # where others stand before it, more of it may be seen
        self.fill(np.concatenate([line, below]), person.cloth, self.outline)
        if person.collar == "shirt":
            for side in (-1, 1):
                flap = torso([(side * 4.6, top + 1.6), (0, top - 1.6), (side * 2.6, top - 4.4)])
                self.fill(flap, person.cloth * 0.5 + 120, self.outline)
        elif person.collar == "high":
            self.line(line[len(line) // 2 - 8 : len(line) // 2 + 8], person.cloth * 0.6, 0.9)

    def head(self) -> None:
        person = self.person
        if person.hair != "bald":
            self.fill(_hull(self.place("dome")), person.hair_colour, self.outline)
        for side in ("ear_right", "ear_left"):
            self.fill(self.place(side), person.skin * 0.92, self.outline)
            if person.earrings is not None:
                lobe = self.place(side).max(axis=0) * (0, 1) + self.place(side).mean(axis=0) * (1, 0)
                self.disc(lobe + (0, 0.3 * self.unit), 0.75, person.earrings)
        like_mesh, forehead = self.jaw is None, self.place("forehead")
        contour = self.mesh[list(FACE_CONTOUR)] if like_mesh else self.jaw[self.index]
        if like_mesh:
            face = _hull(np.concatenate([self.mesh[:468], forehead]))
        else:
            face = np.concatenate([contour, forehead[::-1]])
        self.fill(face, person.skin, self.outline)
        # Light from one side: the far cheek in shadow, out to the contour.
        contour = contour[:_SHADED]
        half = contour[:14] if person.light > 0 else contour[13:]
        middle = self.mesh[4]
        depth = 0.3 if person.style in ("cartoon", "ink") else 0.42
        inner = half + (middle - half) * depth
        shade = np.concatenate([half, inner[::-1]])
        self.fill(shade, person.skin * (0.86, 0.82, 0.82))
        if person.beard:
            low = contour[4:-4]
            edge = low + (self.mesh[13] - low) * 0.42
            self.fill(np.concatenate([low, edge[::-1]]), person.hair_colour * 0.9)
        if person.style in ("soft", "painted"):
            for cheek in (205, 425):
                self.disc(self.mesh[cheek], 1.4, person.skin * (1.0, 0.92, 0.91))
            x, y, w, h = self.cv2.boundingRect(np.round(face).astype(np.int32))
            box = self.image[max(y, 0) : y + h, max(x, 0) : x + w]
            if box.size:
                side = int(0.7 * self.unit) | 1
                mask = np.zeros(box.shape[:2], np.uint8)
                outline = np.round(face - (max(x, 0), max(y, 0))).astype(np.int32)
                if like_mesh:
                    self.cv2.fillConvexPoly(mask, outline, 255)
                else:
                    self.cv2.fillPoly(mask, [outline], 255)
                self.cv2.copyTo(self.cv2.blur(box, (side, side)), mask, box)

    def nose(self) -> None:
        skin = self.person.skin
        base, ridge, *wings = (self.mesh[list(path)] for path in _NOSE)
        side = wings[0] if self.person.light > 0 else wings[1]
        self.fill(np.concatenate([ridge[1:], base[2:3], side[::-1]]), skin * (0.88, 0.84, 0.84))
        self.line(_smooth(base), skin * 0.55, 0.22)
        self.disc(ridge[-1] - (0, 0.3 * self.unit), 0.35, np.minimum(skin * 1.15 + 12, 255))

    def mouth(self) -> None:
        lips = self.person.lips
        upper, lower, top, bottom = (
            _smooth(self.mesh[list(path)])
            for path in (INNER_LIP_UPPER, INNER_LIP_LOWER, OUTER_LIP_UPPER, OUTER_LIP_LOWER)
        )
        self.fill(np.concatenate([top, bottom[::-1]]), lips, self.outline * 0.7)
        self.fill(np.concatenate([top, upper[::-1]]), lips * 0.86)
        gap = np.linalg.norm(self.mesh[14] - self.mesh[13]) / self.unit
        hole = np.concatenate([upper, lower[::-1]])
        self.fill(hole, (70, 18, 24))
        if gap > 0.25:
            # Teeth hang from the upper lip, the tongue lies on the lower one; neither leaves the hole.
            share = min(0.42, 0.75 / gap)
            inside = slice(len(upper) // 6, -len(upper) // 6)
            teeth = upper + (lower - upper) * share
            self.fill(np.concatenate([upper[inside], teeth[inside][::-1]]), (246, 242, 232))
            tongue = lower + (upper - lower) * min(0.3, 0.6 / gap)
            self.fill(np.concatenate([lower[inside], tongue[inside][::-1]]), (204, 96, 100))
        self.line(upper, lips * 0.45, 0.12)

    def eye(self, side: int, upper, lower, iris, brow_upper, brow_lower) -> None:
        person, cv2 = self.person, self.cv2
        lid, floor = _smooth(self.mesh[list(upper)]), _smooth(self.mesh[list(lower)])
        opening = np.concatenate([lid, floor[::-1]])
        # 1. The ball and the iris on it, on a small canvas, copied where the lids are apart.
        low = np.maximum(np.floor(opening.min(axis=0)).astype(int) - 2, 0)
        high = np.minimum(np.ceil(opening.max(axis=0)).astype(int) + 2, self.size)
        if (high > low).all():
            box = self.image[low[1] : high[1], low[0] : high[0]]
            ball = np.empty_like(box)
            ball[:] = np.round(self.tone(EYE_WHITE))
            pupil, *rim = self.mesh[list(iris)] - low
            across, up = (rim[0] - rim[2]) / 2, (rim[3] - rim[1]) / 2
            for share, colour in ((1.0, person.iris * 0.45), (0.86, person.iris), (0.42, (14, 10, 12))):
                self.fill(pupil + share * (_RING[:, :1] * across + _RING[:, 1:] * up), colour, image=ball)
            glint = pupil + 0.35 * (across * person.light - up)
            self.fill(glint + 0.22 * (_RING[:, :1] * across + _RING[:, 1:] * up), (255, 255, 255), image=ball)
            mask = np.zeros(box.shape[:2], np.uint8)
            cv2.fillPoly(mask, [np.round((opening - low) * 2**_BITS).astype(np.int32)], 255, cv2.LINE_AA, _BITS)
            share = mask[..., None].astype(np.uint16)
            box[:] = (box * (255 - share) + ball * share) // 255
        # 2. Lids, lashes, brow.
        dark = person.hair_colour * 0.35 + 8
        self.line(floor, person.skin * 0.6, 0.1)
        self.line(lid, dark, 0.26)
        crease = lid[3:-3] - (0, 0.55 * self.unit)
        self.line(crease, person.skin * 0.72, 0.1)
        thick, lift = person.brow
        high_line, low_line = (_smooth(self.mesh[list(path)]) for path in (brow_upper, brow_lower))
        middle = (high_line + low_line) / 2 - (0, lift * self.unit)
        half = (high_line - low_line) / 2 * thick
        self.fill(np.concatenate([middle + half, (middle - half)[::-1]]), person.hair_colour * 0.7)

    def glasses(self) -> None:
        for name in ("lens_right", "lens_left"):
            self.line(self.place(name), self.person.glasses, 0.32, closed=True)
        for name in ("bridge", "arm_right", "arm_left"):
            self.line(self.place(name), self.person.glasses, 0.32)

    def hair_before(self) -> None:
        person, colour = self.person, self.person.hair_colour
        if person.hair != "bald":
            hairline, crest = _smooth(self.place("hairline")), self.place("crest")
            self.fill(np.concatenate([hairline, crest[::-1]]), colour)
            if self.outline:
                self.line(hairline, self.dark(colour), self.outline)
            top = crest[len(crest) // 2]
            for index in range(3, len(hairline) - 3, 5):
                strand = hairline[index] + (top - hairline[index]) * np.array([[0.1], [0.75]])
                self.line(strand, colour * (0.78 if index % 2 else 1.2), 0.18)
        if person.band is not None:
            self.fill(
                np.concatenate([self.place("band_low"), self.place("band_high")[::-1]]), person.band, self.outline
            )

    def disc(self, centre: np.ndarray, radius: float, colour) -> None:
        pixel = tuple(np.round(np.asarray(centre) * 2**_BITS).astype(int).tolist())
        size = round(radius * self.unit * 2**_BITS)
        self.cv2.circle(self.image, pixel, size, self.tone(colour), -1, self.cv2.LINE_AA, _BITS)

    # What does not move.

    def _draw_background(self) -> np.ndarray:
        person, cv2 = self.person, self.cv2
        width, height = self.size
        rng = np.random.default_rng([person.seed, 13])
        one, two = (np.array(self.tone(colour)) for colour in person.ground)
        two = one + (two - one) * 0.6
        image = np.empty((height, width, 3), np.uint8)
        image[:] = np.round(one)
        if person.background == "slope":
            share = np.linspace(0, 1, height)[:, None, None]
            image[:] = np.round(one + (two - one) * share)
        elif person.background == "stripes":
            count = int(rng.integers(3, 7))
            for index in range(count):
                left = round(width * (index + 0.25) / count)
                cv2.rectangle(image, (left, 0), (left + width // (2 * count), height), two.tolist(), -1)
        elif person.background == "discs":
            for x, y, r in rng.uniform(0, 1, (7, 3)):
                size = round((0.06 + 0.14 * r) * height)
                cv2.circle(image, (round(x * width), round(y * height)), size, two.tolist(), -1, cv2.LINE_AA)
        elif person.background == "window":
            left, top = round(width * rng.uniform(0.02, 0.2)), round(height * rng.uniform(0.02, 0.15))
            cv2.rectangle(image, (left, top), (left + width // 2, top + height // 2), two.tolist(), -1)
            cv2.line(image, (left + width // 4, top), (left + width // 4, top + height // 2), one.tolist(), width // 40)
        return image

    def _draw_grain(self) -> np.ndarray | None:
        """Brush strokes or stone, of the canvas and so unmoved: (H,W,3) int16, added to the picture."""
        person, cv2 = self.person, self.cv2
        if person.style not in ("painted", "stone"):
            return None
        rng = np.random.default_rng([person.seed, 17])
        coarse, strength = ((10, 14), 7) if person.style == "painted" else ((20, 20), 5)
        noise = rng.normal(0, strength, (*coarse, 1)).astype(np.float32)
        return np.repeat(
            np.round(cv2.resize(noise, self.size, interpolation=cv2.INTER_CUBIC))[..., None], 3, -1
        ).astype(np.int16)


def _cage(person: Person) -> dict[str, np.ndarray]:
    """Named paths in face space, cm: what turns with the head and is not in the mesh."""
    volume = person.volume
    turn = np.linspace(0, 2 * np.pi, 24, endpoint=False)

    def skull(xy, lift: float = 0.0) -> np.ndarray:
        xy = np.asarray(xy, float)
        flat = (xy - _SKULL[:2]) / (_RADII[:2] + lift)
        z = np.sqrt(np.clip(1 - np.square(flat).sum(axis=-1), 0.0, 1.0)) * (_RADII[2] + lift)
        return np.column_stack([xy, _SKULL[2] + z])

    def around(points) -> np.ndarray:
        """Left half of an outline, mirrored to a whole."""
        points = np.asarray(points, float)
        return np.concatenate([points, points[::-1] * (-1, 1, 1)])

    rings = [
        np.stack([np.cos(t) * np.sin(turn), np.sin(t) + 0 * turn, np.cos(t) * np.cos(turn)], -1)
        for t in np.linspace(-0.2, 1.5, 6)
    ]
    arc = np.linspace(np.pi * 0.97, np.pi * 0.03, 15)
    lift = 0.9 * volume
    crest = _SKULL + np.stack([np.cos(arc), np.sin(arc), 0 * arc], -1) * (_RADII + lift)
    wide = _RADII[0] + volume
    ear = np.column_stack([0.85 * np.cos(turn), 1.9 * np.sin(turn), 0.5 * np.cos(turn)])
    hairlines = {
        "short": [(-7.3, 2.0), (-6.6, 4.8), (-4.4, 6.9), (0, 7.2), (4.4, 6.9), (6.6, 4.8), (7.3, 2.0)],
        "fringe": [(-7.3, 0.5), (-6.6, 3.6), (-4.0, 5.0), (0, 5.4), (4.0, 5.0), (6.6, 3.6), (7.3, 0.5)],
        "long": [(-7.4, -2.0), (-6.9, 3.2), (-4.6, 5.9), (0, 6.6), (4.6, 5.9), (6.9, 3.2), (7.4, -2.0)],
        "parted": [(-7.4, -2.0), (-6.9, 2.6), (-5.2, 5.0), (-1.5, 7.9), (3.4, 6.6), (6.9, 2.8), (7.4, -2.0)],
        "bun": [(-7.3, 1.0), (-6.7, 4.4), (-4.4, 7.0), (0, 7.6), (4.4, 7.0), (6.7, 4.4), (7.3, 1.0)],
    }
    lens = np.column_stack([np.cos(turn), np.sin(turn), 0 * turn])
    paths = {
        "dome": _SKULL + np.concatenate(rings) * (_RADII + volume),
        "forehead": skull(
            [(x, y) for x, y in zip(np.linspace(-6.4, 6.4, 7), (4, 6.6, 8, 8.6, 8, 6.6, 4), strict=True)]
        ),
        "crest": crest,
        "hairline": skull(hairlines.get(person.hair, hairlines["short"]), 0.2),
        "ear_right": ear * (-1, 1, 1) + (-7.5, 0.6, -1.8),
        "ear_left": ear + (7.5, 0.6, -1.8),
        "neck": np.array([(0.0, -9.0, -3.0)]),
        "long": around(
            [(0, 9, -3), (wide - 1, 6, -3), (wide + 0.4, -1, -3), (wide + 0.7, -9, -3), (wide - 2, -14, -3)]
        ),
        "bun": np.column_stack([3.2 * np.cos(turn), 11.6 + volume + 2.6 * np.sin(turn), np.full(24, -4.0)]),
        "lens_right": lens * (2.9, 2.5, 0) + (-3.3, 2.6, 5.6),
        "lens_left": lens * (2.9, 2.5, 0) + (3.3, 2.6, 5.6),
        "bridge": np.array([(-0.5, 3.0, 6.0), (0.5, 3.0, 6.0)]),
        "arm_right": np.array([(-6.2, 2.9, 5.2), (-7.4, 2.4, -1.0)]),
        "arm_left": np.array([(6.2, 2.9, 5.2), (7.4, 2.4, -1.0)]),
    }
    across = np.linspace(-7.3, 7.3, 13)
    bend = np.sqrt(1 - (across / 8.2) ** 2)
    paths["band_low"] = skull(np.column_stack([across, 3.0 + 3.8 * bend]), 0.3 + lift * 0.6)
    paths["band_high"] = skull(np.column_stack([across, 4.6 + 4.0 * bend]), 0.3 + lift * 0.6)
    return paths


_RING = np.stack([f(np.linspace(0, 2 * np.pi, 20, endpoint=False)) for f in (np.cos, np.sin)], axis=-1)


def _hull(points: np.ndarray) -> np.ndarray:
    return opencv().convexHull(points.astype(np.float32))[:, 0]


@functools.cache
def _spline(count: int, closed: bool, steps: int = 3) -> np.ndarray:
    """Catmull-Rom as a matrix: `count` points -> `steps` points for each stretch."""
    stretches = count if closed else count - 1
    matrix = np.zeros((stretches * steps + (not closed), count))
    for row in range(len(matrix)):
        start, t = row // steps, (row % steps) / steps
        weights = (-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, -(t**2) + t**3)
        for offset, weight in zip((-1, 0, 1, 2), weights, strict=True):
            index = start + offset
            matrix[row, index % count if closed else min(max(index, 0), count - 1)] += weight / 2
    return matrix


def _smooth(points: np.ndarray, closed: bool = False) -> np.ndarray:
    return _spline(len(points), closed) @ points
