"""Changing a motion: cut, turned round, looped, retimed, joined, mixed, mirrored, amplified, brought to life."""

from __future__ import annotations

from dataclasses import dataclass

from comfy_api.v0_0_2 import io

from ..followemoji_core.errors import InputError
from ..followemoji_core.face import motion_edit
from ..followemoji_core.face.align import STRONGEST
from ..followemoji_core.face.solving import neutralise
from ..followemoji_core.types import FaceMotion
from .edits import edited, motion_outputs, showing
from .host.progress import check_cancel
from .sockets import Motion, advanced, schema


@dataclass(frozen=True)
class _Settings:
    """The widgets of the node, those that are not asked for included."""

    start: int
    stop: int
    times: int
    frames: int
    fps: float
    easing: int
    share: float
    whole: float
    brows: float
    eyes: float
    pupils: float
    mouth: float
    head: float
    seed: int
    blinks: float
    neutral_frame: int


def _trim(motion: FaceMotion, other, settings: _Settings) -> FaceMotion:
    return motion_edit.trim(motion, settings.start, settings.stop or None)


def _retime(motion: FaceMotion, other, settings: _Settings) -> FaceMotion:
    return motion_edit.retime(motion, settings.frames or None, settings.fps or None)


def _loop(motion: FaceMotion, other, settings: _Settings) -> FaceMotion:
    return motion_edit.loop(motion, settings.times, None if settings.easing < 0 else settings.easing)


def _join(motion: FaceMotion, other: FaceMotion, settings: _Settings) -> FaceMotion:
    easing = settings.easing if settings.easing >= 0 else min(len(motion) // 2, len(other) // 2, 8)
    return motion_edit.concatenate([motion, other], easing)


def _amplify(motion: FaceMotion, other, settings: _Settings) -> FaceMotion:
    names = ("brows", "eyes", "mouth", "pupils", "whole", "head")
    neutral = None if settings.neutral_frame < 0 else settings.neutral_frame
    return motion_edit.amplify(motion, **{name: getattr(settings, name) for name in names}, neutral=neutral)


def _idle(motion: FaceMotion, other, settings: _Settings) -> FaceMotion:
    return motion_edit.add_idle(motion, settings.seed, settings.blinks, settings.head, settings.pupils)


_TWO = ("join", "blend")  # these need the other motion
_ACTIONS = {
    "trim": _trim,
    "reverse": lambda motion, other, settings: motion_edit.reverse(motion),
    "loop": _loop,
    "ping-pong": lambda motion, other, settings: motion_edit.ping_pong(motion, settings.times),
    "retime": _retime,
    "join": _join,
    "blend": lambda motion, other, settings: motion_edit.blend(motion, other, settings.share),
    "mirror": lambda motion, other, settings: motion_edit.mirror(motion),
    "amplify": _amplify,
    "idle life": _idle,
    "neutralise": lambda motion, other, settings: neutralise(motion, None, settings.share),
}


def _part(name: str, tooltip: str) -> io.Input:
    return advanced(io.Float.Input(name, default=1.0, min=0.0, max=STRONGEST, step=0.05, tooltip=f"amplify: {tooltip}"))


class EditMotion(io.ComfyNode):
    """FaceMotion (T), for join and blend another -> FaceMotion of as many frames as the action says.

    Raises InputError for frames that the motion lacks, and for motions that do not go together.
    """

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "FollowEmojiEditMotion",
            "Edit Motion",
            [
                "trim",
                "reverse",
                "loop",
                "boomerang",
                "retime",
                "slow motion",
                "mirror",
                "blend motions",
                "idle",
                "blink",
            ],
            description="One change to a motion. Each widget says for which action it counts; put nodes in a row for "
            "several changes.",
            inputs=[
                Motion.Input("motion", tooltip="The motion to change."),
                io.Combo.Input(
                    "action",
                    options=list(_ACTIONS),
                    default="trim",
                    tooltip="trim: a part of it. reverse. loop: so that it can follow itself without a jump. "
                    "ping-pong: forwards and backwards. retime: to another number of frames or another rate. join: the "
                    "other one after it. blend: both at once. mirror: left and right changed over. amplify: more or "
                    "less of each part. idle life: blinks, small turns of head and gaze. neutralise: without the "
                    "expression that is kept up all the time.",
                ),
                Motion.Input("other", optional=True, tooltip="join, blend: the second motion."),
                io.Int.Input(
                    "start",
                    default=0,
                    min=-1_000_000,
                    max=1_000_000,
                    optional=True,
                    tooltip="trim: first frame, counted from 0; below 0 from the end.",
                ),
                io.Int.Input(
                    "stop",
                    default=0,
                    min=-1_000_000,
                    max=1_000_000,
                    optional=True,
                    tooltip="trim: the frame after the last one; below 0 counted from the end. 0: to the end.",
                ),
                io.Int.Input(
                    "times", default=1, min=1, max=1_000_000, optional=True, tooltip="loop, ping-pong: how often."
                ),
                io.Int.Input(
                    "frames",
                    default=0,
                    min=0,
                    max=motion_edit.LONGEST,
                    optional=True,
                    tooltip="retime: how many frames come out, faster or slower. 0: as long as it was.",
                ),
                io.Float.Input(
                    "fps",
                    default=0.0,
                    min=0.0,
                    max=240.0,
                    step=0.01,
                    optional=True,
                    tooltip="retime: frames per second of what comes out. 0: as it was.",
                ),
                io.Int.Input(
                    "easing",
                    default=-1,
                    min=-1,
                    max=100_000,
                    optional=True,
                    tooltip="join, loop: frames in which the end fades into the start. They are shared, so the result "
                    "is as much shorter. -1: what suits the length.",
                ),
                io.Float.Input(
                    "share",
                    default=0.5,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    optional=True,
                    tooltip="blend: 0 is this motion, 1 the other. neutralise: how much is taken out.",
                ),
                _part("whole", "all of the expression."),
                _part("brows", "brows."),
                _part("eyes", "lids."),
                _part("pupils", "gaze. idle life: how much the gaze wanders."),
                _part("mouth", "mouth."),
                _part("head", "turns and path of the head. idle life: how much it moves."),
                advanced(
                    io.Int.Input(
                        "seed",
                        default=0,
                        min=0,
                        max=0x7FFFFFFF,
                        tooltip="idle life: every number is another one.",
                    )
                ),
                advanced(
                    io.Float.Input(
                        "blinks", default=15.0, min=0.0, max=120.0, step=1.0, tooltip="idle life: blinks a minute."
                    )
                ),
                advanced(
                    io.Int.Input(
                        "neutral_frame",
                        default=-1,
                        min=-1,
                        max=1_000_000,
                        tooltip="amplify: the frame, counted from 0, whose face is at rest. -1: the calmest is found.",
                    )
                ),
            ],
            outputs=motion_outputs(),
            **showing(),
        )

    @classmethod
    def execute(
        cls,
        motion,
        action: str,
        other=None,
        start: int = 0,
        stop: int = 0,
        times: int = 1,
        frames: int = 0,
        fps: float = 0.0,
        easing: int = -1,
        share: float = 0.5,
        whole: float = 1.0,
        brows: float = 1.0,
        eyes: float = 1.0,
        pupils: float = 1.0,
        mouth: float = 1.0,
        head: float = 1.0,
        seed: int = 0,
        blinks: float = 15.0,
        neutral_frame: int = -1,
    ) -> io.NodeOutput:
        if action not in _ACTIONS:  # old versions of ComfyUI let any text through
            raise InputError(f"Action {action!r} is not known; allowed: {', '.join(_ACTIONS)}.")
        if action in _TWO and other is None:
            raise InputError(f"To {action} two motions are needed. Connect the second one to `other`.")
        settings = _Settings(
            start, stop, times, frames, fps, easing, share, whole, brows, eyes, pupils, mouth, head, seed, blinks,
            neutral_frame,
        )  # fmt: skip
        check_cancel()
        result = _ACTIONS[action](motion, other, settings)
        return edited(cls, result, motion)
