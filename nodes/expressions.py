"""Expressions by name, by sliders, and off a picture's face: motions that carry an edit for any portrait."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np
from comfy_api.v0_0_2 import io

from ..followemoji_core.errors import InputError
from ..followemoji_core.face.controls import HEAD, PLACE, Controls, channel
from ..followemoji_core.face.named_expressions import STRONGEST, expression, find, named_expressions, sequence
from ..followemoji_core.face.solving import solve
from .edits import (
    base_inputs,
    eased,
    easing_inputs,
    edited,
    frames_input,
    held_length,
    motion_outputs,
    one_face,
    put_on,
    rate_of,
    showing,
    timing_inputs,
)
from .sockets import Motion, advanced, schema

_NONE = "none"


def _strength(what: str) -> io.Input:
    return io.Float.Input("strength", default=1.0, min=0.0, max=STRONGEST, step=0.05, tooltip=f"Strength of {what}.")


class NamedExpression(io.ComfyNode):
    """The name of an expression, or a sequence as text -> FaceMotion that carries it as an edit, its rate and length.

    Raises InputError, with the nearest names, for one that is not known; for a sequence that cannot be read.
    """

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "FollowEmojiNamedExpression",
            "Named Expression",
            ["emotion", "smile", "wink", "preset expression", "emoji"],
            description="Makes a face smile, wink, yawn and more: one named expression from rest and back to rest, or "
            "several in a row. Connect the motion to Align Motion, as driving; it suits any portrait.",
            inputs=[
                io.Combo.Input(
                    "expression",
                    options=list(named_expressions()),
                    default="smile_wide",
                    tooltip="The expression. Not used if sequence is filled in.",
                ),
                _strength(
                    "the expression, or of the whole sequence. 1 is already exaggerated; lower it for a calmer face"
                ),
                frames_input("the expression's own length. A sequence has its own lengths"),
                io.String.Input(
                    "sequence",
                    default="",
                    multiline=True,
                    optional=True,
                    tooltip="Several expressions in a row, instead of the one above: name and number of frames of "
                    "each, such as smile_wide 12, wink_left 8, rest 6. A third number is the strength. + joins two at "
                    "once: smile + wink_left 10 0.7.",
                ),
                *base_inputs(),
                *timing_inputs(),
                advanced(
                    io.Float.Input(
                        "cross_fade",
                        default=0.3,
                        min=0.0,
                        max=10.0,
                        step=0.05,
                        tooltip="Seconds in which one expression of a sequence turns into the next. Raise it for "
                        "softer changes.",
                    )
                ),
            ],
            outputs=motion_outputs(),
            **showing(),
        )

    @classmethod
    def execute(
        cls,
        expression: str,
        strength: float,
        frames: int,
        sequence: str = "",
        motion=None,
        picture=None,
        fps: float = 25.0,
        start: int = 0,
        cross_fade: float = 0.3,
    ) -> io.NodeOutput:
        rate = rate_of(motion, fps)
        if sequence.strip():
            controls = _in_a_row(sequence, rate, cross_fade).scaled(strength)
        else:
            controls = _named(expression, frames or None, strength, rate)
        return edited(cls, put_on(motion, controls, start), motion, picture)


_in_a_row, _named = sequence, expression  # the core's, whose names are those of two widgets


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


class Expression(io.ComfyNode):
    """Sliders, in ARKit's controls -> FaceMotion that carries them as an edit, its rate and length.

    `left` and `right` are the person's. Raises InputError for a preset or a control in `more` that is not known, with
    the nearest names.
    """

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "FollowEmojiExpression",
            "Expression",
            ["face sliders", "smile", "wink", "arkit", "blendshapes", "gaze", "eyes", "mouth", "expression editor"],
            description="Makes an expression with sliders: brows, lids, gaze, cheeks, jaw, mouth and head, left and "
            "right apart. Connect the motion to Align Motion, as driving; it suits any portrait. Left is the person's "
            "left: the right side of the picture.",
            inputs=[
                io.Combo.Input(
                    "preset",
                    options=[_NONE, *named_expressions()],
                    default=_NONE,
                    tooltip="A named expression to start from. The sliders are added to it.",
                ),
                _strength("the whole expression; 1 is as set"),
                frames_input("to the end of a driving motion, otherwise one second"),
                *easing_inputs(),
                *(slider.widget() for slider in _BROWS_AND_LIDS),
                _slider(
                    "gaze_sideways",
                    "Degrees. Above 0: both eyes look to the person's left. Below 0: to the right.",
                    -40.0,
                    40.0,
                ),
                _slider("gaze_up", "Degrees. Above 0: both eyes look up. Below 0: down.", -30.0, 30.0),
                _slider(
                    "crossed", "Degrees by which each eye turns towards the nose; below 0 away from it.", -40.0, 40.0
                ),
                *(slider.widget() for slider in _LOWER),
                *base_inputs(),
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
                advanced(
                    io.String.Input(
                        "more",
                        default="",
                        tooltip="Further controls by their ARKit names, each with a value, such as: mouthRollLower "
                        "0.5, headZ 3. headX, headY and headZ move the head, in cm.",
                    )
                ),
                *timing_inputs(),
            ],
            outputs=motion_outputs(),
            **showing(),
        )

    @classmethod
    def execute(
        cls,
        preset: str,
        strength: float,
        frames: int,
        ease_in: int,
        ease_out: int,
        motion=None,
        picture=None,
        more: str = "",
        fps: float = 25.0,
        start: int = 0,
        **sliders: float,
    ) -> io.NodeOutput:
        rate = rate_of(motion, fps)
        pose = _pose(preset, sliders, more, rate).scaled(strength)
        controls = eased(pose, held_length(motion, frames, start, rate), ease_in, ease_out)
        return edited(cls, put_on(motion, controls, start), motion, picture)


def _pose(preset: str, sliders: dict[str, float], more: str, fps: float) -> Controls:
    """(1,59) controls: a preset's apex, the sliders, and what is written in words, added up."""
    pose = Controls.rest(1, fps)
    if preset != _NONE:
        pose = Controls(find(preset).held(np.zeros(1)), fps)
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


class CopyExpression(io.ComfyNode):
    """The face of a picture (FaceMotion of one frame), or of a clip (T) -> FaceMotion that carries its expression.

    Raises InputError for a neutral face, or a base, of a wrong number of frames.
    """

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "FollowEmojiCopyExpression",
            "Copy Expression",
            ["expression from photo", "steal expression", "transfer expression", "reference expression"],
            description="Reads expression and gaze from a face in a picture or a clip, and puts them on any other "
            "face. Connect the motion to Align Motion, as driving.",
            inputs=[
                Motion.Input(
                    "face", tooltip="The face to copy from: a picture or a clip through Extract Face Landmarks."
                ),
                _strength("the copied expression; 1 is as in the picture"),
                frames_input("to the end of a driving motion, otherwise one second. A clip keeps its own length"),
                *easing_inputs(),
                *base_inputs(),
                Motion.Input(
                    "neutral",
                    optional=True,
                    tooltip="Optional: the same person with a face at rest, one picture through Extract Face "
                    "Landmarks. The copy is then more exact, above all at nose, cheeks and chin.",
                ),
                advanced(
                    io.Boolean.Input(
                        "head",
                        default=False,
                        tooltip="Also copy how the head is turned. Only works with neutral connected.",
                    )
                ),
                *timing_inputs(),
            ],
            outputs=motion_outputs(),
            **showing(),
        )

    @classmethod
    def execute(
        cls,
        face,
        strength: float,
        frames: int,
        ease_in: int,
        ease_out: int,
        motion=None,
        picture=None,
        neutral=None,
        head: bool = False,
        fps: float = 25.0,
        start: int = 0,
    ) -> io.NodeOutput:
        rest = None if neutral is None else one_face(neutral, "neutral face").frame(0)
        controls = solve(face, rest)
        controls = (controls if head else without_head(controls)).scaled(strength)
        if len(face) == 1:
            rate = rate_of(motion, fps)
            controls = replace(controls, fps=rate)
            controls = eased(controls, held_length(motion, frames, start, rate), ease_in, ease_out)
        return edited(cls, put_on(motion, controls, start), motion, picture)


def without_head(controls: Controls) -> Controls:
    """The same without turns and place of the head."""
    rest = Controls.of(dict.fromkeys((*HEAD, *PLACE), 1.0)).values == 0
    return replace(controls, values=controls.values * rest)
