"""Expressions by name, by sliders, and off a picture's face: motions that carry an edit for any portrait."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from comfy_api.v0_0_2 import io

from ..followemoji_core.face.controls import HEAD, PLACE, Controls
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
from .expression_sliders import added, folded, shown
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
                *shown(),
                *base_inputs(),
                *folded(),
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
        pose = Controls.rest(1, rate) if preset == _NONE else Controls(find(preset).held(np.zeros(1)), rate)
        pose = added(pose, sliders, more).scaled(strength)
        controls = eased(pose, held_length(motion, frames, start, rate), ease_in, ease_out)
        return edited(cls, put_on(motion, controls, start), motion, picture)


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
