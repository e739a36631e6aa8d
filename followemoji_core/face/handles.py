"""Handles on a face: points that can be dragged, each with the few controls that move it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .controls import CHANNELS, GAZE_DEGREES, SHAPES, limits, other_side
from .expression import ExpressionSpace

TURN = 20.0  # degrees that count as much as a shape in full
_LARGEST_TURN = 45.0  # degrees that a handle turns the head


@dataclass(frozen=True)
class Axis:
    """A direction in which controls go: `above` grows with it; on the other side of 0 `below` does, or, without one,
    `above` falls below 0. unit: what of the control is 1 of the axis."""

    above: str
    below: str | None = None
    unit: float = 1.0

    def bounds(self) -> tuple[float, float]:
        """The least and the most along it: where the mesh begins to fold, and what controls allow."""
        low, high = _reach(self.above)
        return (-_reach(self.below)[1] if self.below else low) / self.unit, high / self.unit

    def place(self, values: np.ndarray) -> float:
        """Where controls (59,) are along it."""
        place = values[CHANNELS.index(self.above)] - (values[CHANNELS.index(self.below)] if self.below else 0.0)
        return float(place / self.unit)

    def put(self, values: np.ndarray, place: float) -> None:
        """Bring controls (59,) to a place along it, in place; what both of a pair have in common stays."""
        above = CHANNELS.index(self.above)
        if self.below is None:
            values[above] = place * self.unit
            return
        below = CHANNELS.index(self.below)
        common = max(min(values[above], values[below]), 0.0)
        values[above], values[below] = (common + max(side * place * self.unit, 0.0) for side in (1, -1))

    def other(self) -> Axis:
        """The same on the other side of the face."""
        return Axis(other_side(self.above), other_side(self.below) if self.below else None, self.unit)


@dataclass(frozen=True)
class Handle:
    """name: browInnerLeft, jaw ...; left and right are the person's. landmark: where it is. label: for people."""

    name: str
    label: str
    landmark: int
    axes: tuple[Axis, ...]

    @property
    def twin(self) -> str | None:
        """The handle on the other side of the face."""
        name = other_side(self.name)
        return name if name != self.name else None

    @property
    def controls(self) -> tuple[str, ...]:
        """All that it moves."""
        return tuple(name for axis in self.axes for name in (axis.above, axis.below) if name)

    @property
    def shared(self) -> bool:
        """Whether one of its controls moves the other side as well."""
        return self.twin is not None and any(other_side(name) == name for name in self.controls)

    def mirrored(self) -> tuple[Axis, ...]:
        """For each axis the one on the other side that goes with it. Eyes look the same way together."""
        if not self.name.startswith("pupil"):
            return tuple(axis.other() for axis in self.axes)
        sideways, up = self.axes
        return Axis(other_side(sideways.below), other_side(sideways.above)), up.other()


def _reach(name: str) -> tuple[float, float]:
    if name not in SHAPES:
        return (-_LARGEST_TURN, _LARGEST_TURN) if name.startswith("head") else limits(name)
    space, index = ExpressionSpace.default(), SHAPES.index(name)
    return float(space.lowest[index]), float(space.highest[index])


def _sided(name: str, label: str, left: int, right: int, *axes: tuple[str, str | None]) -> list[Handle]:
    """Both of a pair; '@' in the names of controls stands for the side."""
    return [
        Handle(
            name + side,
            f"{label}, {side.lower()}",
            landmark,
            tuple(Axis(above.replace("@", side), below and below.replace("@", side)) for above, below in axes),
        )
        for side, landmark in (("Left", left), ("Right", right))
    ]


HANDLES: dict[str, Handle] = {
    handle.name: handle
    for handle in (
        *_sided("browOuter", "Brow, outer end", 293, 63, ("browOuterUp@", "browDown@")),
        *_sided("browInner", "Brow, inner end", 336, 107, ("browDown@", None), ("browInnerUp", None)),
        *_sided("upperLid", "Upper lid", 386, 159, ("eyeBlink@", "eyeWide@")),
        *_sided("pupil", "Pupil", 473, 468, ("eyeLookIn@", "eyeLookOut@"), ("eyeLookUp@", "eyeLookDown@")),
        *_sided("lowerLid", "Lower lid", 374, 145, ("eyeSquint@", None)),
        *_sided("nose", "Nose wing", 358, 129, ("noseSneer@", None)),
        *_sided("cheek", "Cheek", 425, 205, ("cheekSquint@", None), ("cheekPuff", None)),
        *_sided("corner", "Mouth corner", 291, 61, ("mouthSmile@", "mouthFrown@"), ("mouthStretch@", None)),
        *_sided("upperLip", "Upper lip", 267, 37, ("mouthUpperUp@", None)),
        *_sided("lowerLip", "Lower lip", 314, 84, ("mouthLowerDown@", None)),
        Handle("jaw", "Jaw", 152, (Axis("jawOpen"), Axis("jawLeft", "jawRight"))),
        Handle("head", "Head", 4, (Axis("headYaw", None, TURN), Axis("headPitch", None, TURN))),
        Handle("roll", "Head, tilt", 10, (Axis("headRoll", None, TURN),)),
    )
}


def with_mirrored(handle: Handle, number: int, change: float) -> float:
    """How far the other side goes along its axis `number` while the handle goes by `change` along its own."""
    if (
        handle.name.startswith("pupil") and number == 0
    ):  # one eye looks in while the other looks out, by as many degrees
        return change * (GAZE_DEGREES["eyeLookIn"] / GAZE_DEGREES["eyeLookOut"]) ** np.sign(change)
    return change
