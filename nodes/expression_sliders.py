"""The sliders of Expression: each a widget, and what it does as controls."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from comfy_api.v0_0_2 import io

from ..followemoji_core.errors import InputError
from ..followemoji_core.face.controls import Controls, channel
from .sockets import advanced


@dataclass(frozen=True)
class _Slider:
    """A widget for controls: what it moves above 0, and below; without a `below` it takes the same ones back."""

    name: str
    tooltip: str
    above: tuple[str, ...]
    below: tuple[str, ...] = ()
    folded: bool = False

    def widget(self) -> io.Input:
        if self.name == "lids_still":
            return _slider(self.name, self.tooltip, 0.0, 1.0, self.folded)
        if self.name in _TURNS:
            return _slider(self.name, self.tooltip, -45.0, 45.0)
        return _slider(self.name, self.tooltip, -2.0 if self.below else -1.0, 2.0, self.folded)

    def controls(self, value: float) -> dict[str, float]:
        """value as named controls; those of one slider never work against each other."""
        if value < 0 and self.below:
            return dict.fromkeys(self.below, -value)
        return dict.fromkeys(self.above, value)


def _slider(name: str, tooltip: str, least: float, most: float, folded: bool = False) -> io.Input:
    """A widget that rests at 0; of degrees where it goes beyond 2."""
    step = 1.0 if most > 2 else 0.05
    display = io.NumberDisplay.slider
    widget = io.Float.Input(
        name, default=0.0, min=least, max=most, step=step, tooltip=tooltip, display_mode=display, optional=True
    )
    return advanced(widget) if folded else widget


def _pair(name: str, tooltip: str, above: str, below: str = "", folded: bool = False) -> list[_Slider]:
    """Sliders of both sides."""
    return [
        _Slider(
            f"{name}_{side.lower()}",
            tooltip,
            (above + side,),
            (below + side,) if below else (),
            folded=folded,
        )
        for side in ("Left", "Right")
    ]


_STRETCH = ("mouthStretchLeft", "mouthStretchRight")
# In the order of the node: brows, lids, (gaze,) cheeks and nose, jaw, mouth corners, lips, head.
_BROWS_AND_LIDS = (
    *_pair("brow", "Above 0: this brow goes up. Below 0: it goes down and frowns.", "browOuterUp", "browDown"),
    _Slider("brow_inner", "Lifts the inner ends of both brows, as in worry or sadness.", ("browInnerUp",)),
    *_pair("eye", "1: this eye is shut, on any face. Below 0: it is wide open.", "eyeBlink", "eyeWide"),
)
_TURNS = ("head_yaw", "head_pitch", "head_roll")
_GAZE = ("gaze_sideways", "gaze_up", "crossed", "left_eye_sideways", "left_eye_up")
_LOWER = (
    _Slider("cheek_puff", "Puffs up both cheeks.", ("cheekPuff",)),
    _Slider("jaw_open", "Opens the mouth; 1 is wide open.", ("jawOpen",)),
    _Slider(
        "jaw_sideways",
        "Above 0: the jaw goes to the person's left. Below 0: to the right.",
        ("jawLeft",),
        ("jawRight",),
    ),
    *_pair("corner", "Above 0: this corner of the mouth smiles. Below 0: it frowns.", "mouthSmile", "mouthFrown"),
    _Slider(
        "mouth_sideways",
        "Above 0: the mouth goes to the person's left. Below 0: to the right.",
        ("mouthLeft",),
        ("mouthRight",),
    ),
    _Slider(
        "pucker",
        "Above 0: lips as for a kiss. Below 0: lips drawn wide.",
        ("mouthPucker",),
        ("mouthStretchLeft", "mouthStretchRight"),
    ),
    _Slider("lips_in", "Rolls both lips in.", ("mouthRollUpper", "mouthRollLower")),
    _Slider("head_yaw", "Degrees. Above 0: the head turns to the person's left. Below 0: to the right.", ("headYaw",)),
    _Slider("head_pitch", "Degrees. Above 0: the head looks up. Below 0: it looks down.", ("headPitch",)),
    _Slider(
        "head_roll", "Degrees. Above 0: the head tilts to the person's left. Below 0: to the right.", ("headRoll",)
    ),
)
_FOLDED = (
    *_pair("squint", "Narrows this eye from below.", "eyeSquint", folded=True),
    *_pair("cheek", "Raises this cheek, as in a laugh.", "cheekSquint", folded=True),
    *_pair("nose", "Wrinkles this side of the nose.", "noseSneer", folded=True),
    *_pair("upper_lip", "Raises this side of the upper lip.", "mouthUpperUp", folded=True),
    *_pair("lower_lip", "Draws this side of the lower lip down.", "mouthLowerDown", folded=True),
    *_pair("dimple", "Draws this corner of the mouth in.", "mouthDimple", folded=True),
    _Slider("lids_still", "1: the upper lids keep still when the eyes look up or down.", ("lidsStill",), folded=True),
    _Slider("jaw_forward", "Pushes the jaw forward.", ("jawForward",), folded=True),
    _Slider("funnel", "Pushes the open lips forward, as when saying O.", ("mouthFunnel",), folded=True),
    _Slider("lips_press", "Presses the lips together.", ("mouthPressLeft", "mouthPressRight"), folded=True),
    _Slider("chin", "Pushes the lower lip and the chin up.", ("mouthShrugLower",), folded=True),
)
_SLIDERS = (*_BROWS_AND_LIDS, *_LOWER, *_FOLDED)


def shown() -> list[io.Input]:
    """The widgets that the node always shows, in its order."""
    return [
        *(slider.widget() for slider in _BROWS_AND_LIDS),
        _slider(
            "gaze_sideways",
            "Degrees. Above 0: both eyes look to the person's left. Below 0: to the right.",
            -40.0,
            40.0,
        ),
        _slider("gaze_up", "Degrees. Above 0: both eyes look up. Below 0: down.", -30.0, 30.0),
        _slider("crossed", "Degrees by which each eye turns towards the nose; below 0 away from it.", -40.0, 40.0),
        *(slider.widget() for slider in _LOWER),
    ]


def folded() -> list[io.Input]:
    """Those among its advanced inputs."""
    return [
        _slider(
            "left_eye_sideways",
            "Degrees, added for the left eye alone. Above 0: to the person's left. Below 0: to the right.",
            -40.0,
            40.0,
            True,
        ),
        _slider(
            "left_eye_up",
            "Degrees, added for the left eye alone. Above 0: up. Below 0: down.",
            -30.0,
            30.0,
            True,
        ),
        *(slider.widget() for slider in _FOLDED),
    ]


def added(pose: Controls, sliders: Mapping[str, float], more: str) -> Controls:
    """(1,59) controls with the sliders' values, by name, and what is written in words added to them."""
    fps = pose.fps
    for slider in _SLIDERS:
        pose = pose.plus(Controls.of(slider.controls(sliders.get(slider.name, 0.0)), fps=fps))
    sideways, up, crossed, left_sideways, left_up = (sliders.get(name, 0.0) for name in _GAZE)
    gaze = Controls.rest(1, fps).with_gaze(
        [[sideways + crossed, up], [sideways - crossed + left_sideways, up + left_up]]
    )
    return pose.plus(gaze).plus(Controls.of(_written(more), fps=fps))


def _written(text: str) -> dict[str, float]:
    """'mouthRollLower 0.5, headZ=3' -> its names and numbers. Raises InputError where an entry is not one of each, and,
    with the nearest names, for a control that is not known."""
    found = {}
    for entry in re.split(r"[,;\n]", text):
        if not entry.strip():
            continue
        match = re.fullmatch(r"\s*([A-Za-z_ ]+?)\s*[\s:=]\s*([-+.\dEe]+)\s*", entry)
        try:
            name, value = match.group(1), float(match.group(2))
        except (AttributeError, ValueError) as error:
            raise InputError(
                f"{entry.strip()!r} is not a control and its value. Write them as: mouthRollLower 0.5, headZ 3."
            ) from error
        found[channel(name)] = value
    return found
