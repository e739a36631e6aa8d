"""Points of a face placed by hand: which there are, where they may be, what of them is no face."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ..errors import InputError
from .topology import FACE_CONTOUR, LEFT_IRIS, RIGHT_IRIS

_SIDED = {  # vertices, whose mean is the point: of the right side, of the left
    "eye_outer": ((33,), (263,)),
    "eye_inner": ((133,), (362,)),
    "lid_upper": ((159,), (386,)),
    "lid_lower": ((145,), (374,)),
    "brow_outer": ((46, 70), (276, 300)),
    "brow_middle": ((52, 105), (282, 334)),
    "brow_inner": ((55, 107), (285, 336)),
    "nose_wing": ((64,), (294,)),
    "mouth_corner": ((61,), (291,)),
    "cheek": ((234,), (454,)),
    "jaw": ((172,), (397,)),
}
_MIDDLE = {
    "nose_tip": (4,),
    "lip_upper": (0,),
    "mouth_upper": (13,),
    "mouth_lower": (14,),
    "lip_lower": (17,),
    "chin": (152,),
    "forehead": (10,),
}
# Name -> vertices whose mean it is; left and right are the person's own. Pupils are not on the mesh.
ON_MESH: dict[str, tuple[int, ...]] = {
    f"{name}_{side}": vertices
    for name, both in _SIDED.items()
    for side, vertices in zip(("right", "left"), both, strict=True)
} | _MIDDLE
PUPIL_POINTS = {"pupil_right": RIGHT_IRIS, "pupil_left": LEFT_IRIS}
POINTS = (*ON_MESH, *PUPIL_POINTS)

EYES = tuple(tuple(f"{part}_{side}" for part in ("eye_outer", "eye_inner", "lid_upper", "lid_lower", "pupil"))
              for side in ("right", "left"))  # fmt: skip
BELOW = ("nose_tip", "nose_wing_right", "nose_wing_left", "mouth_corner_right", "mouth_corner_left",
          *(name for name in _MIDDLE if name not in ("forehead", "nose_tip")))  # fmt: skip
# May coincide: a mouth and an eye can be shut. The first one is the upper one.
SHUT = (("mouth_upper", "mouth_lower"), ("lid_upper_right", "lid_lower_right"), ("lid_upper_left", "lid_lower_left"))
MINIMUM = "one of each eye and one below them (nose, lips or chin)"

FARTHEST = 0.5  # picture sides from the picture, up to which a point is taken
LEAST_HEIGHT = 16.0  # pixels of a face
_CLOSEST = 0.004  # of the face's height: points nearer to each other are at the same place
OUTLINES = (FACE_CONTOUR, (168, 6, 197, 195, 5, 4), (64, 98, 97, 2, 326, 327, 294))  # for looking: contour and nose


@dataclass(frozen=True)
class Frame:
    """Where a face is as a whole: centre (x, y) and height, forehead to chin, in pixels; turn in degrees, + is the
    picture's anticlockwise."""

    centre: tuple[float, float]
    height: float
    turn: float = 0.0


@dataclass(frozen=True)
class Placement:
    """Points placed by hand, by name (POINTS), in pixels of a picture of `size` (width, height), from its top left.

    frame: where the whole face was put first; None: it is guessed.
    """

    size: tuple[int, int]
    points: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    frame: Frame | None = None

    def scaled(self, size: tuple[int, int]) -> Placement:
        """The same on the same picture at `size`. Raises InputError where its sides are in another proportion."""
        if tuple(size) == tuple(self.size):
            return self
        x, y = size[0] / self.size[0], size[1] / self.size[1]
        if abs(x / y - 1) > 2.0 / min(*size, *self.size):  # a side may have been rounded
            raise InputError(
                f"The points were placed on a picture of {self.size[0]} x {self.size[1]} pixels; this one has "
                f"{size[0]} x {size[1]}, another shape. Connect the picture that they belong to, or place them again."
            )
        points = {name: (px * x, py * y) for name, (px, py) in self.points.items()}
        frame = self.frame
        if frame is not None:
            frame = Frame((frame.centre[0] * x, frame.centre[1] * y), frame.height * y, frame.turn)
        return Placement(tuple(size), points, frame)


def check_points(points: Mapping[str, tuple[float, float]], size: tuple[int, int]) -> None:
    width, height = size
    for name, (x, y) in points.items():
        if name not in POINTS:
            raise InputError(f"{name} is not a point of the face; allowed: {', '.join(POINTS)}.")
        if max(abs(x / width - 0.5), abs(y / height - 0.5)) > 0.5 + FARTHEST:
            raise InputError(
                f"{name} is at {x:g}, {y:g}, far outside of the picture of {width} x {height} pixels. Points are "
                "pixels of the picture, from its top left; drag it back, or leave it out."
            )
    if not points:
        return
    names, places = list(points), np.array(list(points.values()), np.float64)

    # 1. Not all at one place, no two at the same.
    extent = float(np.ptp(places, axis=0).max())
    if len(names) > 1 and extent < 2.0:
        raise InputError(
            f"All {len(names)} points lie at one place, near {places[0, 0]:g}, {places[0, 1]:g}. Drag them apart."
        )
    apart = np.linalg.norm(places[:, None] - places, axis=-1)
    for i, j in zip(*np.nonzero(np.triu(apart < max(_CLOSEST * extent, 0.25), 1)), strict=True):
        if (names[i], names[j]) not in SHUT and (names[j], names[i]) not in SHUT:
            raise InputError(
                f"{names[i]} and {names[j]} lie at the same place, {places[i, 0]:g}, {places[i, 1]:g}. Drag them "
                "apart, or leave one out."
            )

    # 2. Left and right, and up and down, as a face has them.
    groups = [[points[name] for name in group if name in points] for group in (*EYES, BELOW)]
    if all(groups):
        right, left, below = (np.mean(group, axis=0) for group in groups)
        across, down = left - right, below - (left + right) / 2
        if across[0] * down[1] - across[1] * down[0] < 0:
            raise InputError(
                "The points are mirrored: left and right are the person's own, so the right eye of a face that looks "
                "at you is at the left of the picture. Swap left and right."
            )
