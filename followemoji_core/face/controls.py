"""Named controls of a face over time: ARKit's shapes, gaze as angles, head and place. What an edit is made of."""

from __future__ import annotations

import difflib
import functools
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from ..errors import InputError
from .topology import BLENDSHAPE_NAMES

SHAPES = BLENDSHAPE_NAMES[1:]  # the 51 that move the face, MediaPipe's order
TONGUE = "tongueOut"  # ARKit's 52nd: kept in files, moves nothing
STILL = "lidsStill"  # share of the lids' following the gaze that is left out, 0 to 1
HEAD = ("headYaw", "headPitch", "headRoll")  # degrees; + is the person's left, up, and the picture's anticlockwise
PLACE = ("headX", "headY", "headZ")  # cm in the camera's space: to the picture's right, up, towards the camera
CHANNELS = (*SHAPES, TONGUE, STILL, *HEAD, *PLACE)
LOWEST, HIGHEST = -1.0, 2.0  # of a shape; 0 is rest, 1 is in full
FARTHEST = {**dict.fromkeys(HEAD, 90.0), **dict.fromkeys(PLACE, 100.0)}  # degrees, cm

# How far the pupil goes at 1, in eye widths, measured on talking faces in the frame of the eye's corners; and the angle
# that is, on an eyeball of this radius in eye widths (12 mm in an eye 26 mm wide).
PUPIL_SHIFTS = {"eyeLookIn": 0.25, "eyeLookOut": 0.21, "eyeLookUp": 0.10, "eyeLookDown": 0.13}
EYEBALL = 0.46
GAZE_DEGREES = {name: math.degrees(math.asin(shift / EYEBALL)) for name, shift in PUPIL_SHIFTS.items()}
SIDES = ("Right", "Left")  # the order of eyes in every array of two

_INDEX = {name: index for index, name in enumerate(CHANNELS)}


def _plain(name: str) -> str:
    """A name without what tools spell differently: case, separators, a prefix, sides as one letter."""
    words = re.sub(r"[^A-Za-z0-9]+", " ", name).strip()
    words = re.sub(r"\b[Ll]$", "Left", re.sub(r"\b[Rr]$", "Right", words))
    if re.search(r"[a-z](L|R)$", words):  # mouthSmileL
        words = words[:-1] + {"L": "Left", "R": "Right"}[words[-1]]
    return re.sub(r"^(arkit|blendshapes?|bs|headrotation)(?=[a-z])", "", words.replace(" ", "").lower())


_PLAIN = {_plain(name): name for name in CHANNELS}


@functools.lru_cache(1024)
def find_channel(name: str) -> str | None:
    """The channel that another tool's spelling means, such as `EyeBlink_L`, `mouth smile left`; None if none."""
    return _PLAIN.get(_plain(name))


def channel(name: str) -> str:
    """The same. Raises InputError, with the nearest names, for a name that means no channel."""
    if found := find_channel(str(name)):
        return found
    raise InputError(f"{name!r} is not a control.{nearest(str(name), CHANNELS)}")


def limits(name: str) -> tuple[float, float]:
    """The least and the most that a channel takes."""
    if name == STILL:
        return 0.0, 1.0
    return (-FARTHEST[name], FARTHEST[name]) if name in FARTHEST else (LOWEST, HIGHEST)


def nearest(name: str, known: Iterable[str]) -> str:
    """' Did you mean ...?' with up to three known names that look like `name`; otherwise some of the known ones."""
    known = list(known)
    lower = {entry.lower(): entry for entry in known}
    close = [lower[match] for match in difflib.get_close_matches(name.lower(), lower, 3, 0.6)]
    if close:
        return f" Did you mean {', '.join(close)}?"
    more = f" and {len(known) - 8} more" if len(known) > 8 else ""
    return f" Known: {', '.join(known[:8])}{more}."


@dataclass(frozen=True)
class Controls:
    """T frames of controls, at `fps` frames per second.

    values (T,59) float32 in the order of CHANNELS: shapes in [-1,2], 0 rest and 1 in full; tongueOut; lidsStill; head
    yaw, pitch and roll in degrees, up to 90; place x, y, z in cm, up to 100. Head and place are added to the face's
    own.
    Raises InputError for another shape, and for numbers that are not finite or outside those ranges.
    """

    values: np.ndarray
    fps: float = 25.0

    def __post_init__(self) -> None:
        values = np.asarray(self.values, np.float32)
        if values.ndim != 2 or values.shape[1] != len(CHANNELS):
            raise InputError(f"Controls have shape {values.shape}; expected (T, {len(CHANNELS)}).")
        if not (math.isfinite(self.fps) and self.fps > 0):
            raise InputError(f"Frame rate is {self.fps}; it must be a positive number of frames per second.")
        wrong = ~((values >= _LOW) & (values <= _HIGH))  # also where not a number
        if wrong.any():
            frame, index = np.argwhere(wrong)[0]
            raise InputError(
                f"{CHANNELS[index]} is {values[frame, index]:g} in frame {frame}; allowed: {_LOW[index]:g} to "
                f"{_HIGH[index]:g}."
            )
        object.__setattr__(self, "values", values)

    @classmethod
    def rest(cls, frames: int = 1, fps: float = 25.0) -> Controls:
        """A face at rest."""
        return cls(np.zeros((frames, len(CHANNELS)), np.float32), fps)

    @classmethod
    def of(cls, given: Mapping[str, object], frames: int = 1, fps: float = 25.0) -> Controls:
        """Controls by name, numbers or (T,) each; the others rest. Raises InputError for an unknown name."""
        values = np.zeros((frames, len(CHANNELS)), np.float32)
        for name, value in given.items():
            index = _INDEX[channel(name)]
            try:
                values[:, index] = np.asarray(value, np.float64)
            except (TypeError, ValueError, OverflowError) as error:
                raise InputError(f"{name} is {value!r}; it must be a number, or {frames} of them.") from error
        return cls(values, fps)

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, name: str) -> np.ndarray:
        """(T,) of one channel."""
        return self.values[:, _INDEX[channel(name)]]

    @property
    def shapes(self) -> np.ndarray:
        """(T,51), MediaPipe's order without `_neutral`."""
        return self.values[:, : len(SHAPES)]

    @property
    def lids_follow(self) -> np.ndarray:
        """(T,) share of the lids' following the gaze, 1 unless lidsStill says less."""
        return 1.0 - self.values[:, _INDEX[STILL]]

    @property
    def turns(self) -> np.ndarray:
        """(T,3) yaw, pitch, roll of the head in degrees."""
        return self.values[:, _INDEX[HEAD[0]] : _INDEX[HEAD[-1]] + 1]

    @property
    def places(self) -> np.ndarray:
        """(T,3) cm."""
        return self.values[:, _INDEX[PLACE[0]] : _INDEX[PLACE[-1]] + 1]

    @property
    def gaze(self) -> np.ndarray:
        """(T,2,2) float64 degrees: yaw, pitch of right eye and left; + is the person's left, and up."""
        return gaze_of(self.values)

    def with_gaze(self, gaze: np.ndarray) -> Controls:
        """The same with eyes that look there; gaze (T,2,2) or (2,2), as in `gaze`."""
        values = self.values.copy()
        set_gaze(values, gaze)
        return replace(self, values=values)

    def frame(self, index: int) -> Controls:
        """One frame; negative indices count from the end."""
        return replace(self, values=self.values[index][None])

    def named(self, frame: int = 0) -> dict[str, float]:
        """What is not at rest in a frame, by name."""
        return {name: float(value) for name, value in zip(CHANNELS, self.values[frame], strict=True) if value}

    def scaled(self, strength: float) -> Controls:
        """All of it times `strength`, kept within what is allowed."""
        return replace(self, values=bounded(self.values * _finite(strength, "Strength")))

    def plus(self, other: Controls) -> Controls:
        """The sum, kept within what is allowed. Raises InputError where both have several frames, and not as many."""
        if len(self) != len(other) and 1 not in (len(self), len(other)):
            raise InputError(f"Controls of {len(self)} and of {len(other)} frames cannot be added. Retime one of them.")
        return replace(self, values=bounded(self.values + other.values))

    def mirrored(self) -> Controls:
        """Left and right changed over."""
        values = self.values[:, [_INDEX[other_side(name)] for name in CHANNELS]].copy()
        values[:, [_INDEX[name] for name in ("headYaw", "headRoll", "headX")]] *= -1
        return replace(self, values=values)

    def at(self, times: np.ndarray, fps: float) -> Controls:
        """Controls at `times` (N,), in frames of these counted from 0, linearly between frames; N frames at `fps`."""
        before = np.clip(np.floor(times).astype(int), 0, len(self) - 1)
        after = np.minimum(before + 1, len(self) - 1)
        share = np.clip(times - before, 0.0, 1.0)[:, None]
        return Controls(self.values[before] * (1 - share) + self.values[after] * share, fps)

    def at_rate(self, fps: float) -> Controls:
        """The same time at another rate, in frames per second; at least one frame."""
        if fps == self.fps:
            return self
        count = max(round(len(self) * fps / self.fps), 1)
        return self.at(np.arange(count) * (self.fps / fps), fps)


_LOW, _HIGH = np.array([limits(name) for name in CHANNELS], np.float32).T


def bounded(values: np.ndarray) -> np.ndarray:
    """(...,59) kept within what Controls allows."""
    return np.clip(values, _LOW, _HIGH)


def gaze_of(values: np.ndarray) -> np.ndarray:
    """Gaze (...,2,2) float64 in degrees of controls, or of shapes alone, (...,51 or more), as Controls.gaze has it."""

    def angle(name: str, side: str) -> np.ndarray:
        return values[..., _INDEX[name + side]].astype(np.float64) * GAZE_DEGREES[name]

    eyes = []
    for side, inwards in zip(SIDES, (1, -1), strict=True):
        yaw = inwards * (angle("eyeLookIn", side) - angle("eyeLookOut", side))
        eyes.append(np.stack([yaw, angle("eyeLookUp", side) - angle("eyeLookDown", side)], axis=-1))
    return np.stack(eyes, axis=-2)


def set_gaze(values: np.ndarray, gaze: np.ndarray) -> None:
    """Write gaze (...,2,2) in degrees into controls (...,51 or more), in place, as in or out, up or down."""
    gaze = np.asarray(gaze, np.float64)
    for index, (side, inwards) in enumerate(zip(SIDES, (1, -1), strict=True)):
        yaw, pitch = inwards * gaze[..., index, 0], gaze[..., index, 1]
        for name, angle in (("eyeLookIn", yaw), ("eyeLookOut", -yaw), ("eyeLookUp", pitch), ("eyeLookDown", -pitch)):
            values[..., _INDEX[name + side]] = np.clip(angle / GAZE_DEGREES[name], 0.0, HIGHEST)


def other_side(name: str) -> str:
    """mouthSmileLeft -> mouthSmileRight; a name without a side is its own."""
    return name.replace("Left", "@").replace("Right", "Left").replace("@", "Right")


def _finite(value: float, what: str) -> float:
    if not math.isfinite(value):
        raise InputError(f"{what} is {value}; it must be a number.")
    return value
