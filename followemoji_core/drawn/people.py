"""Who is drawn: the shape of a face, and everything that tells people and pictures apart."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ..face.controls import Controls
from ..face.expression import apply
from ..types import FaceMotion
from .acting import Acting
from .rig import Rig, shape_face

STYLES = ("cartoon", "soft", "painted", "stone", "ink")
HAIRS = ("bald", "short", "fringe", "long", "parted", "bun")
BACKGROUNDS = ("plain", "slope", "stripes", "discs", "window")
EYES_OPENED = (0.42, 1.45)  # how much wider and higher than MediaPipe's average: at 128 px a gaze must be seen
EYEBALLS = (1.7, 0.8)  # flat, with small irises: they travel farther
DISTANCE = 22.0  # cm from the camera: the face is six tenths of the picture
_SKINS = ((250, 218, 198), (246, 208, 180), (232, 184, 148), (206, 150, 110), (150, 100, 70), (112, 74, 54))
_HAIRS = ((38, 30, 30), (72, 44, 30), (120, 78, 44), (146, 66, 36), (200, 150, 84), (232, 204, 140), (150, 150, 154))


@dataclass(frozen=True)
class Person:
    """A drawn person. Colours are (3,) float RGB in [0,255]; shape (468,3) cm."""

    seed: int
    style: str
    shape: np.ndarray
    skin: np.ndarray
    hair: str
    hair_colour: np.ndarray
    volume: float  # cm of hair above the skull
    iris: np.ndarray
    lips: np.ndarray
    brow: tuple[float, float]  # thickness factor, height in cm
    cloth: np.ndarray
    collar: str
    background: str
    ground: tuple[np.ndarray, np.ndarray]
    glasses: np.ndarray | None
    earrings: np.ndarray | None
    band: np.ndarray | None  # round the head
    beard: bool
    light: float  # side that the light comes from, -1 or 1
    jowls: tuple[float, float] = (0.0, 0.0)  # shares by which the head is wider and longer below than its landmarks say

    @classmethod
    def of(cls, seed: int, style: str | None = None) -> Person:
        """The person with that number: the same on every machine. `style`: one of STYLES, instead of the person's."""
        rng = np.random.default_rng([seed, 7])

        def colour(saturation=(0.25, 0.85), value=(0.35, 0.95)) -> np.ndarray:
            return np.array(colorsys.hsv_to_rgb(rng.random(), rng.uniform(*saturation), rng.uniform(*value))) * 255

        own = STYLES[rng.choice(len(STYLES), p=(0.3, 0.25, 0.2, 0.15, 0.1))]
        modes = rng.uniform(-1, 1, 6)
        skin = np.array(_SKINS[rng.integers(len(_SKINS))], float) * rng.uniform(0.92, 1.04, 3)
        odd = rng.random() < 0.08  # green, blue and lilac people
        skin = colour((0.2, 0.45), (0.6, 0.9)) if odd else skin.clip(0, 255)
        hair = HAIRS[rng.integers(len(HAIRS))]
        natural = np.array(_HAIRS[rng.integers(len(_HAIRS))], float) * rng.uniform(0.85, 1.1, 3)
        dyed = colour((0.4, 0.8), (0.4, 0.9))
        hair_colour = (dyed if rng.random() < 0.15 else natural).clip(0, 255)
        lips = 0.5 * skin + 0.5 * np.array((190 + rng.uniform(-30, 30), 66 + rng.uniform(-30, 30), 76))
        extras = rng.random(4)
        return cls(
            seed=seed,
            style=style or own,
            shape=_shape(*modes),
            skin=skin,
            hair=hair,
            hair_colour=hair_colour,
            volume=rng.uniform(0.5, 1.7),
            iris=colour((0.5, 0.9), (0.3, 0.75)),
            lips=lips.clip(0, 255),
            brow=(rng.uniform(0.6, 1.5), rng.uniform(-0.1, 0.3)),
            cloth=colour(),
            collar=("round", "shirt", "high")[rng.integers(3)],
            background=BACKGROUNDS[rng.integers(len(BACKGROUNDS))],
            ground=(colour((0.1, 0.6), (0.45, 0.95)), colour((0.1, 0.6), (0.45, 0.95))),
            glasses=colour((0.3, 0.9), (0.1, 0.6)) if extras[0] < 0.15 else None,
            earrings=colour((0.4, 0.9), (0.6, 1.0)) if extras[1] < 0.25 else None,
            band=colour((0.5, 0.9), (0.4, 0.9)) if extras[2] < 0.12 else None,
            beard=bool(extras[3] < 0.1),
            light=float(rng.choice((-1, 1))),
        )

    def unlike_the_mesh(self, seed: int) -> Person:
        """The same face on a head that its landmarks do not tell: jowls, a hollow jaw, a long chin, or hardly one."""
        rng = np.random.default_rng([seed, 19])
        wider, longer = rng.uniform((0.14, 0.12), (0.3, 0.3)) * rng.choice((-1, 1), 2)
        return replace(self, jowls=(float(wider), float(longer)))

    def exaggerated(self, factor: float) -> Person:
        """What this face has of its own, `factor` times as far from everybody's mean."""
        mean = _shape(*[0.0] * 6)
        return replace(self, shape=mean + factor * (self.shape - mean))

    @cached_property
    def rig(self) -> Rig:
        """The person's face, ready to be posed; built once."""
        return Rig(self.shape)

    def act(self, acting: Acting, size: tuple[int, int] = (128, 128)) -> FaceMotion:
        """This person doing that, in a picture of `size` (width, height): exact landmarks, metric face and pose."""
        places = np.array((0.0, 0.2, -DISTANCE)) + acting.places
        return self.rig.pose(
            weights=acting.shares,
            turns=acting.turns,
            gazes=acting.gazes,
            places=places,
            size=size,
            fps=acting.fps,
            eyeballs=EYEBALLS,
        )

    def express(
        self, controls: Controls, size: tuple[int, int] = (128, 128), acting: Acting | None = None
    ) -> FaceMotion:
        """This person with those controls, in a picture of `size` (width, height): exact landmarks, mesh and pose.

        Any of the 51 shapes, gaze, head and place, as on every other face (face/expression.py); T frames at their rate.
        acting: what the person does besides, as many frames; rests unless given. `act` alone stays as it is, since
        pictures that models learn from, and are measured on, are drawn by it.
        """
        motion = self.act(acting or Acting.rest(len(controls)), size)
        calm = self.act(Acting.rest(), size).metric[0]
        return apply(replace(motion, fps=controls.fps), controls, rest=calm)


def _shape(*modes: float) -> np.ndarray:
    """A face that reads well when small: shorter below the nose, with large eyes."""
    shape = shape_face(*modes, opening=EYES_OPENED)
    shape[:, 1] += 0.1 * np.maximum(-1.0 - shape[:, 1], 0)
    shape[:, 0] *= 1.04
    return shape
