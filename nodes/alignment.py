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
    "expression": "Strength of all of it. Below 1 calms an actor who overdoes it, above 1 makes a shy one bolder.",
    "brows": "Strength of the brows. Raise it where brows carry the mood, as in cartoons; lower it if they look angry.",
    "eyes": "Strength of the lids: blinks and wide eyes. Raise it if blinks do not close, lower it if eyes flutter.",
    "pupils": "Strength of the gaze. Lower it to keep the portrait's own gaze, raise it for a livelier look.",
    "mouth": "Strength of the mouth. Raise it for clearer speech, lower it if the jaw opens too far for this face.",
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
            description="Carries the driver's expression and head motion to the portrait's own face, so that no "
            "feature of the driver's face comes along. The defaults suit any pair and warn of what may look wrong; as "
            "published: rotation driving, translation driving, pupil_anchor box.",
            inputs=[
                Motion.Input("portrait", tooltip="The portrait's face: one image through Extract Face Landmarks."),
                Motion.Input("driving", tooltip="The driving clip's face."),
                io.Combo.Input(
                    "rotation",
                    options=list(get_args(Rotation)),
                    default=AlignOptions.rotation,
                    tooltip="relative: the portrait keeps its own pose and turns from there, as far as the driver "
                    "turns away from his neutral frame. driving (published): the head turns exactly as the driver's; "
                    "for a portrait that looks ahead as he does. none: the head keeps still and only the expression "
                    "moves.",
                ),
                io.Combo.Input(
                    "translation",
                    options=list(get_args(Translation)),
                    default=AlignOptions.translation,
                    tooltip="steady: the head moves about the portrait's place as the driver's about where he rests, "
                    "without his walk and his approach, and stays inside the picture. driving (published): it goes "
                    "his way through the picture and grows as he comes nearer; for a driver who sits still, or to let "
                    "the head walk. none: place and size of the portrait are kept.",
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
                    tooltip="Takes jitter out of the driving motion. 0: as filmed. 0.3 steadies most phone clips; "
                    "high values soften fast blinks and speech.",
                ),
                advanced(
                    io.Int.Input(
                        "neutral_frame",
                        default=-1,
                        min=-1,
                        max=1_000_000,
                        tooltip="Frame of the driving clip, counted from 0, whose face is at rest: the portrait's own "
                        "expression is taken to be that one. -1: the calmest frame is found. Set it if the face looks "
                        "frozen or twisted.",
                    )
                ),
                advanced(
                    io.Combo.Input(
                        "pupil_anchor",
                        options=list(get_args(PupilAnchor)),
                        default=AlignOptions.pupil_anchor,
                        optional=True,
                        tooltip="What a pupil's place is measured from. corners: the corners of its eye, so that "
                        "neither a tilted head nor closing lids push it. box (published): the box around the eye on "
                        "the screen.",
                    )
                ),
            ],
            hidden=[io.Hidden.unique_id],
            outputs=[
                Aligned.Output("aligned", display_name="aligned", tooltip="The driving motion on the portrait's face.")
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
                f"The portrait has {len(portrait)} frames, one is needed. Connect a single image; "
                f"portrait and driving clip may be swapped."
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
