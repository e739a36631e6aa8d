"""The Expression Editor: a face by its handles, over time, in the node itself."""

from __future__ import annotations

from dataclasses import replace

from comfy_api.v0_0_2 import io

from ..followemoji_core.errors import InputError
from ..followemoji_core.face.edit_file import Edit, edit_text, parse_edit
from .edits import describe, motion_outputs, one_face, put_on, showing
from .host.pictures import one_picture, to_numpy
from .live_faces import keep
from .sockets import Motion, schema


class ExpressionEditor(io.ComfyNode):
    """IMAGE (1,H,W,C), its face, optionally a driving FaceMotion (T), an edit as JSON -> FaceMotion of T frames, or of
    as many as the edit has, that carries the edit; its rate and length; the edit as text.

    Raises InputError for an edit in which a key is wrong, naming it; unless picture and face are one and of one size.
    """

    @classmethod
    def define_schema(cls) -> io.Schema:
        edit = io.String.Input(
            "edit",
            default="",
            multiline=True,
            optional=True,
            tooltip="All changes as JSON text: keyframes with controls and named expressions. The editor on the node "
            "writes it. Empty: the face as it is.",
        )
        edit.extra_dict = {**(edit.extra_dict or {}), "widgetType": "FOLLOWEMOJI_EDIT"}  # web/expression_editor.js
        return schema(
            "FollowEmojiExpressionEditor",
            "Expression Editor",
            ["face editor", "smile", "wink", "face rig", "live portrait", "keyframes", "puppet", "drag face"],
            description="Drag the handles to change the face: brows, lids, pupils, cheeks, jaw and lips, each side "
            "alone, and the head by its ring. Keyframes make a clip of it. Connect the motion to Align Motion, as "
            "driving. Left is the person's left: the right side of the picture.",
            inputs=[
                io.Image.Input("portrait", tooltip="The portrait, one picture: from Frame Portrait, or your own."),
                Motion.Input(
                    "face", tooltip="Its landmarks, from Extract Face Landmarks, Frame Portrait or Place Face."
                ),
                Motion.Input(
                    "motion",
                    optional=True,
                    tooltip="Optional: a driving motion, which the edit is added to. Empty: the portrait's own face, "
                    "which only the keyframes move.",
                ),
                edit,
            ],
            outputs=[
                *motion_outputs(),
                io.String.Output(
                    "text",
                    display_name="edit",
                    tooltip="The edit as JSON text. Saved as a file, it can be read by Load Capture.",
                ),
            ],
            **showing(),
        )

    @classmethod
    def execute(cls, portrait, face, motion=None, edit: str = "") -> io.NodeOutput:
        picture = to_numpy(one_picture(portrait, "portrait"), 0)
        frame = one_face(face, "portrait's face").frame(0)
        if motion is not None and not len(motion):
            raise InputError("The driving motion has no frames.")
        key = keep(picture, frame, motion)
        parsed = parse_edit(edit) if edit.strip() else Edit()
        fps, length = (parsed.fps, parsed.length()) if motion is None else (motion.fps, len(motion))
        controls = replace(parsed.controls(length), fps=fps)
        result = put_on(face if motion is None else motion, controls)
        still = dict(base="portrait", frames=length, fps=fps)
        text = edit_text(replace(parsed, **(still if motion is None else dict(base="motion", frames=None, fps=fps))))
        told = {"text": (f"{describe(result)}.",), "followemoji_editor": ({"key": key},)}
        return io.NodeOutput(result, result.fps, len(result), text, ui=told)
