"""Drawn animals: portraits that no detector finds, and where the points of their faces are."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import numpy as np

from ..face.opencv import opencv

KINDS = ("cat", "fox", "bear")
_UNIT = 100.0  # the picture's side in the units in which they are drawn
_BITS = 4
_TURN = np.linspace(0, 2 * np.pi, 48, endpoint=False)
_FURS = {
    "cat": ((236, 170, 96), (178, 172, 170), (120, 98, 84), (240, 224, 200)),
    "fox": ((226, 122, 56), (206, 98, 48), (196, 190, 192)),
    "bear": ((150, 104, 72), (112, 80, 62), (232, 228, 220)),
}


@dataclass(frozen=True)
class Animal:
    """A drawn animal's face, symmetric about x = 50. Lengths in hundredths of the picture's side, y down.

    eye: x from the middle, y, half width, half height. head: half width, top, chin. nose: half width, y of its tip.
    mouth: half width, y. Colours are (3,) float RGB in [0,255].
    """

    kind: str
    head: tuple[float, float, float]
    eye: tuple[float, float, float, float]
    nose: tuple[float, float]
    mouth: tuple[float, float]
    fur: np.ndarray
    iris: np.ndarray
    ground: np.ndarray

    @classmethod
    def of(cls, number: int) -> Animal:
        """The animal with that number: the same on every machine. Kinds take turns."""
        rng = np.random.default_rng([number, 23])
        kind = KINDS[number % len(KINDS)]
        furs = _FURS[kind]
        fur = np.array(furs[rng.integers(len(furs))], float) * rng.uniform(0.94, 1.05)
        hues = rng.random(2)
        iris = np.array(colorsys.hsv_to_rgb(0.1 + 0.35 * hues[0], 0.75, 0.72)) * 255
        ground = np.array(colorsys.hsv_to_rgb(hues[1], 0.25, 0.86)) * 255
        wide, eyes = rng.uniform(-1, 1, 2)
        head = {"cat": (35.0, 26.0, 80.0), "fox": (35.0, 26.0, 83.0), "bear": (34.0, 22.0, 82.0)}[kind]
        eye = {"cat": (15.5, 48.0, 8.2, 6.6), "fox": (14.5, 49.0, 7.6, 5.2), "bear": (13.5, 46.5, 6.4, 5.4)}[kind]
        return cls(
            kind=kind,
            head=(head[0] + 1.5 * wide, head[1], head[2]),
            eye=(eye[0] + 0.7 * wide, eye[1], eye[2] + 0.5 * eyes, eye[3] + 0.5 * eyes),
            nose={"cat": (4.2, 59.5), "fox": (4.6, 63.0), "bear": (6.0, 60.5)}[kind],
            mouth={"cat": (9.5, 70.0), "fox": (9.0, 73.0), "bear": (10.5, 72.0)}[kind],
            fur=fur.clip(0, 255),
            iris=iris,
            ground=ground,
        )

    def points(self, side: int) -> dict[str, tuple[float, float]]:
        """Where the points of its face are in a picture of `side` pixels, by the names of face/placement.py."""
        ex, ey, ew, eh = self.eye
        (hw, top, chin), (nw, ny), (mw, my) = self.head, self.nose, self.mouth
        sided = {
            "eye_outer": (ex + ew, ey - 0.6), "eye_inner": (ex - ew, ey + 0.8), "lid_upper": (ex, ey - eh),
            "lid_lower": (ex, ey + eh), "pupil": (ex, ey), "brow_outer": (ex + 6.0, ey - eh - 4.6),
            "brow_middle": (ex - 0.5, ey - eh - 6.0), "brow_inner": (ex - 6.5, ey - eh - 4.2),
            "nose_wing": (nw, ny), "mouth_corner": (mw, my - 1.2), "cheek": (hw, 53.0),
            "jaw": (0.72 * hw, 0.6 * my + 0.4 * chin),
        }  # fmt: skip
        middle = {
            "nose_tip": ny, "lip_upper": my - 2.6, "mouth_upper": my - 0.1, "mouth_lower": my + 0.1,
            "lip_lower": my + 2.6, "chin": chin, "forehead": top + 4.0,
        }  # fmt: skip
        found = {f"{name}_right": (50 - x, y) for name, (x, y) in sided.items()}
        found |= {f"{name}_left": (50 + x, y) for name, (x, y) in sided.items()}
        found |= {name: (50.0, y) for name, y in middle.items()}
        return {name: (x * side / _UNIT, y * side / _UNIT) for name, (x, y) in found.items()}


def paint_animal(animal: Animal, side: int) -> np.ndarray:
    """(side,side,3) uint8 RGB: its portrait."""
    cv2 = opencv()
    scale = 2 if side < 512 else 1
    canvas = _Canvas(side * scale, animal.ground)
    _draw(canvas, animal)
    if scale == 1:
        return canvas.image
    return cv2.resize(canvas.image, (side, side), interpolation=cv2.INTER_AREA)


class _Canvas:
    def __init__(self, side: int, ground: np.ndarray):
        self.cv2, self.unit = opencv(), side / _UNIT
        share = np.linspace(1.0, 0.82, side)[:, None, None]
        self.image = np.ascontiguousarray(np.broadcast_to(ground * share, (side, side, 3)).round().astype(np.uint8))

    def _pixels(self, points) -> np.ndarray:
        return np.round(np.asarray(points, float) * self.unit * 2**_BITS).astype(np.int32)

    def fill(self, points, colour, outline: float = 0.0) -> None:
        cv2 = self.cv2
        cv2.fillPoly(self.image, [self._pixels(points)], _rgb(colour), cv2.LINE_AA, _BITS)
        if outline:
            self.line(points, np.asarray(colour) * 0.4, outline, True)

    def line(self, points, colour, width: float, closed: bool = False) -> None:
        cv2, thick = self.cv2, max(round(width * self.unit), 1)
        cv2.polylines(self.image, [self._pixels(points)], closed, _rgb(colour), thick, cv2.LINE_AA, _BITS)


def _rgb(colour) -> tuple[float, ...]:
    return tuple(np.clip(np.asarray(colour, float), 0, 255).round().tolist())


def _oval(x: float, y: float, wide: float, high: float, power: float = 1.0) -> np.ndarray:
    """An ellipse; power below 1 is boxier, above 1 more pointed."""
    cosine, sine = np.cos(_TURN), np.sin(_TURN)
    flat = np.stack([np.sign(cosine) * np.abs(cosine) ** power * wide, np.sign(sine) * np.abs(sine) ** power * high])
    return flat.T + (x, y)


def _curve(*points) -> np.ndarray:
    """A smooth line through three points."""
    a, b, c = np.array(points, float)
    t = np.linspace(0, 1, 24)[:, None]
    return a * (1 - t) * (1 - 2 * t) + b * 4 * t * (1 - t) + c * t * (2 * t - 1)


def _draw(canvas: _Canvas, animal: Animal) -> None:
    fur, light, dark = animal.fur, animal.fur * 0.3 + 178, animal.fur * 0.55
    (hw, top, chin), (nw, ny), (mw, my) = animal.head, animal.nose, animal.mouth
    ex, ey, ew, eh = animal.eye
    middle, high = (top + chin) / 2, (chin - top) / 2
    both = ((-1, "right"), (1, "left"))

    # 1. Body, ears, head.
    canvas.fill(_oval(50, 108, 30, 34), fur * 0.9, 0.7)
    canvas.fill(_oval(50, 112, 15, 30), light * 0.96)
    for side, _ in both:
        if animal.kind == "bear":
            canvas.fill(_oval(50 + side * 25, 25, 10, 10), fur, 0.7)
            canvas.fill(_oval(50 + side * 25, 26, 5.6, 5.6), dark + 30)
        else:
            tip = 8 if animal.kind == "cat" else 5
            canvas.fill(np.array([(31, 46), (33, tip), (8, 27)]) * (side, 1) + (50, 0), fur, 0.7)
            inner = (232, 176, 166) if animal.kind == "cat" else dark
            canvas.fill(np.array([(28, 36), (30, tip + 9), (15, 26)]) * (side, 1) + (50, 0), inner)
    canvas.fill(_oval(50, middle, hw, high, 0.86), fur, 0.7)

    # 2. Markings and muzzle.
    if animal.kind == "fox":
        for side, _ in both:
            cheek = np.array([(hw - 1.5, 54), (hw - 9, 71), (8, chin - 2), (4, 66), (17, 58)]) * (side, 1) + (50, 0)
            canvas.fill(cheek, light)
    if animal.kind == "cat":
        for x in (-7, 0, 7):
            canvas.fill([(50 + x - 1.6, top + 2), (50 + x + 1.6, top + 2), (50 + x * 0.8, top + 11)], dark)
    canvas.fill(_oval(50, (ny + chin) / 2 + 0.5, mw + 4.5, (chin - ny) / 2 + 2.5), light)

    # 3. Eyes: white, iris, pupil, glint; lids and brows.
    for side, _ in both:
        x = 50 + side * ex
        eye = _oval(x, ey, ew, eh, 1.0)
        canvas.fill(eye, (250, 248, 240))
        iris = min(ew, eh) * 0.82
        canvas.fill(_oval(x, ey, iris, iris), animal.iris * 0.5)
        canvas.fill(_oval(x, ey, iris * 0.87, iris * 0.87), animal.iris)
        canvas.fill(_oval(x, ey, iris * 0.45, iris * 0.45), (16, 12, 14))
        canvas.fill(_oval(x + 0.3 * iris, ey - 0.35 * iris, iris * 0.2, iris * 0.2), (255, 255, 255))
        canvas.line(eye, dark * 0.5, 0.7, True)
        canvas.line(_curve((x - ew, ey + 0.2), (x, ey - eh - 0.1), (x + ew, ey - 0.2)), dark * 0.3, 1.3)
        brow = _curve((x - side * 6.5, ey - eh - 4.2), (x - side * 0.5, ey - eh - 6.0), (x + side * 6.0, ey - eh - 4.6))
        canvas.line(brow, dark * 0.6, 1.8)

    # 4. Nose and mouth.
    canvas.fill([(50 - nw, ny - 2.6), (50 + nw, ny - 2.6), (50 + nw * 0.8, ny), (50, ny + 3), (50 - nw * 0.8, ny)],
                (74, 48, 52) if animal.kind != "cat" else (214, 122, 118), 0.4)  # fmt: skip
    canvas.line([(50, ny + 3), (50, my - 2.4)], dark * 0.5, 0.7)
    lips = np.concatenate([_curve((50 - mw, my - 1.2), (50, my - 2.6), (50 + mw, my - 1.2)),
                           _curve((50 + mw, my - 1.2), (50, my + 2.6), (50 - mw, my - 1.2))])  # fmt: skip
    canvas.fill(lips, (196, 108, 104))
    canvas.line(_curve((50 - mw, my - 1.2), (50, my), (50 + mw, my - 1.2)), (84, 36, 40), 0.8)
    if animal.kind == "cat":
        for side, _ in both:
            for start, end in (((13, 66), (38, 62)), ((13, 68.5), (39, 69)), ((12, 71), (37, 76))):
                canvas.line(np.array([start, end]) * (side, 1) + (50, 0), (250, 246, 240), 0.35)
