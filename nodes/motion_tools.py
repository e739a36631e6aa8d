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
    return advanced(
        io.Float.Input(name, default=1.0, min=0.0, max=STRONGEST, step=0.05, tooltip=f"amplify: strength of {tooltip}")
    )


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
            description="Makes one change to a motion. Each setting says for which action it is used. For several "
            "changes put several of these nodes in a row. Connect the result to Align Motion, as driving.",
            inputs=[
                Motion.Input("motion", tooltip="The motion to change."),
                io.Combo.Input(
                    "action",
                    options=list(_ACTIONS),
                    default="trim",
                    tooltip="trim: keep a part. reverse: play backwards. loop: the end leads back into the start "
                    "without a jump. ping-pong: forwards and backwards. retime: another length or frame rate. join: "
                    "the other motion after this one. blend: a mix of both. mirror: swap left and right. amplify: "
                    "make each part stronger or weaker. idle life: add blinks and small turns of head and gaze. "
                    "neutralise: take out an expression that is there all the time.",
                ),
                Motion.Input("other", optional=True, tooltip="Only for join and blend: the second motion."),
                io.Int.Input(
                    "start",
                    default=0,
                    min=-1_000_000,
                    max=1_000_000,
                    optional=True,
                    tooltip="trim: the first frame that is kept, counted from 0. Below 0: counted from the end.",
                ),
                io.Int.Input(
                    "stop",
                    default=0,
                    min=-1_000_000,
                    max=1_000_000,
                    optional=True,
                    tooltip="trim: frames before this one are kept, counted from 0. Below 0: counted from the end. 0: "
                    "all to the end.",
                ),
                io.Int.Input(
                    "times",
                    default=1,
                    min=1,
                    max=1_000_000,
                    optional=True,
                    tooltip="loop, ping-pong: how many times it is played.",
                ),
                io.Int.Input(
                    "frames",
                    default=0,
                    min=0,
                    max=motion_edit.LONGEST,
                    optional=True,
                    tooltip="retime: number of frames of the result. More is slower, fewer is faster. 0: it lasts as "
                    "long as before.",
                ),
                io.Float.Input(
                    "fps",
                    default=0.0,
                    min=0.0,
                    max=240.0,
                    step=0.01,
                    optional=True,
                    tooltip="retime: frames per second of the result. 0: as before.",
                ),
                io.Int.Input(
                    "easing",
                    default=-1,
                    min=-1,
                    max=100_000,
                    optional=True,
                    tooltip="join, loop: number of frames in which the end blends into the start that follows. They "
                    "overlap, so the result gets shorter. -1: chosen by the length.",
                ),
                io.Float.Input(
                    "share",
                    default=0.5,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    optional=True,
                    tooltip="blend: 0 is this motion, 1 the other one, 0.5 half of each. neutralise: how much is taken "
                    "out; 1 is all.",
                ),
                _part("whole", "the whole expression; 1 is as before."),
                _part("brows", "the brows; 1 is as before."),
                _part("eyes", "the eyelids; 1 is as before."),
                _part("pupils", "the gaze; 1 is as before. idle life: how far the gaze wanders."),
                _part("mouth", "the mouth; 1 is as before."),
                _part("head", "turns and moves of the head; 1 is as before. idle life: how far the head moves."),
                advanced(
                    io.Int.Input(
                        "seed",
                        default=0,
                        min=0,
                        max=0x7FFFFFFF,
                        tooltip="idle life: each number gives other blinks and moves.",
                    )
                ),
                advanced(
                    io.Float.Input(
                        "blinks", default=15.0, min=0.0, max=120.0, step=1.0, tooltip="idle life: blinks per minute."
                    )
                ),
                advanced(
                    io.Int.Input(
                        "neutral_frame",
                        default=-1,
                        min=-1,
                        max=1_000_000,
                        tooltip="amplify: the frame, counted from 0, in which the face is at rest. -1: the calmest "
                        "frame is chosen.",
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
            raise InputError(f"To {action}, two motions are needed. Connect the second one to other.")
        settings = _Settings(
            start, stop, times, frames, fps, easing, share, whole, brows, eyes, pupils, mouth, head, seed, blinks,
            neutral_frame,
        )  # fmt: skip
        check_cancel()
        result = _ACTIONS[action](motion, other, settings)
        return edited(cls, result, motion)
