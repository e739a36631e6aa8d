"""Motion alignment (paper 4.1)."""

from __future__ import annotations

from typing import get_args

from comfy_api.v0_0_2 import io

from ..followemoji_core.errors import InputError
from ..followemoji_core.face.align import STRONGEST, AlignOptions, PupilAnchor, Rotation, Translation, align
from ..followemoji_core.face.report import alignment_report
from .host.notice import tell
from .sockets import Aligned, Motion, advanced, schema

_STRENGTHS = {
    "expression": "Strength of the whole expression; 1 is as filmed. Lower it to calm an actor who overdoes it, raise "
    "it for a shy one.",
    "brows": "Strength of the brows; 1 is as filmed. Raise it for a livelier mood, as in cartoons; lower it if they "
    "look angry.",
    "eyes": "Strength of the eyelids: blinks and wide eyes; 1 is as filmed. Raise it if blinks do not close, lower it "
    "if the eyes flutter.",
    "pupils": "Strength of the gaze; 1 is as filmed. Lower it to keep the portrait's own gaze, raise it for a livelier "
    "look.",
    "mouth": "Strength of the mouth; 1 is as filmed. Raise it for clearer speech, lower it if the jaw opens too far.",
}


class AlignMotion(io.ComfyNode):
    """portrait FaceMotion of one frame, driving FaceMotion (T) -> AlignedMotion (T) in pixels of the portrait.

    Strengths are factors, 1 as filmed. What may look wrong stands on the node and in the log. Raises InputError for a
    portrait of more frames, or none.
    """

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "FollowEmojiAlignMotion",
            "Align Motion to Portrait",
            ["retarget", "motion alignment", "expression transfer"],
            description="Moves the portrait's face like the driver's, the person in the driving clip. Only expression "
            "and head motion are taken over, not the shape of the driver's face. The node says what may look wrong. "
            "Connect the result to a sampler or Warp Preview.",
            inputs=[
                Motion.Input(
                    "portrait",
                    tooltip="The portrait's landmarks: face of Frame Portrait, or one picture through Extract Face "
                    "Landmarks.",
                ),
                Motion.Input(
                    "driving",
                    tooltip="The driving motion: the driving clip through Extract Face Landmarks, or any other motion.",
                ),
                io.Combo.Input(
                    "rotation",
                    options=list(get_args(Rotation)),
                    default=AlignOptions.rotation,
                    tooltip="How the head turns. relative: from the portrait's own pose, as far as the driver turns "
                    "away from the neutral frame. driving: exactly like the driver's head, as in the paper's code; "
                    "for a portrait that looks ahead like the driver. none: the head does not turn, only the face "
                    "moves.",
                ),
                io.Combo.Input(
                    "translation",
                    options=list(get_args(Translation)),
                    default=AlignOptions.translation,
                    tooltip="How the head moves through the picture. steady: small moves around the portrait's own "
                    "place; a driver who walks or comes nearer is not followed. driving: the way the driver moves, "
                    "and larger when the driver comes nearer, as in the paper's code. none: the head stays in its "
                    "place.",
                ),
                *(
                    io.Float.Input(name, default=1.0, min=0.0, max=STRONGEST, step=0.05, tooltip=tooltip)
                    for name, tooltip in _STRENGTHS.items()
                ),
                io.Float.Input(
                    "smoothing",
                    default=0.0,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="Removes jitter from the driving motion. 0 is as filmed. 0.3 is enough for most phone "
                    "clips; high values soften fast blinks and speech.",
                ),
                advanced(
                    io.Int.Input(
                        "neutral_frame",
                        default=-1,
                        min=-1,
                        max=1_000_000,
                        tooltip="The frame of the driving clip, counted from 0, in which the driver's face is at rest. "
                        "-1: the calmest frame is chosen. Set it if the animated face looks frozen or twisted.",
                    )
                ),
                advanced(
                    io.Combo.Input(
                        "pupil_anchor",
                        options=list(get_args(PupilAnchor)),
                        default=AlignOptions.pupil_anchor,
                        optional=True,
                        tooltip="How the place of the pupils is measured. corners: from the corners of the eye, so "
                        "that a tilted head and closing lids do not move them. box: in the box around the eye, as in "
                        "the paper's code.",
                    )
                ),
            ],
            hidden=[io.Hidden.unique_id],
            outputs=[
                Aligned.Output(
                    "aligned",
                    display_name="aligned",
                    tooltip="The motion on the portrait's face, for a sampler, Long Video or Warp Preview.",
                )
            ],
        )

    @classmethod
    def execute(
        cls,
        portrait,
        driving,
        rotation: str,
        translation: str,
        expression: float,
        brows: float,
        eyes: float,
        pupils: float,
        mouth: float,
        smoothing: float,
        neutral_frame: int = -1,
        pupil_anchor: str = AlignOptions.pupil_anchor,
    ) -> io.NodeOutput:
        if len(portrait) != 1:
            raise InputError(
                f"The portrait has {len(portrait)} frames, one is needed. Connect a single picture; "
                f"perhaps portrait and driving clip are swapped."
            )
        options = AlignOptions(
            rotation=rotation,
            translation=translation,
            neutral=None if neutral_frame < 0 else neutral_frame,
            brows=brows,
            eyes=eyes,
            pupils=pupils,
            mouth=mouth,
            whole=expression,
            smoothing=smoothing,
            pupil_anchor=pupil_anchor,
        )
        face = portrait.frame(0)
        aligned = align(face, driving, options)
        report = alignment_report(face, driving, aligned, options)
        return io.NodeOutput(aligned, ui=tell("Align Motion to Portrait", cls.hidden.unique_id, report))
