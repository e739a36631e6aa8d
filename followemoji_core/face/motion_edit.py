"""Changing a motion: cut, turn round, loop, retime, join, mix, mirror, amplify, bring to life. T in, stated T out.

Every result is a FaceMotion whose geometry agrees with its landmarks. Frames in between are mixed as landmarks and
solved again. An edit that the motion carries is cut, joined and mirrored with it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..errors import InputError
from ..types import MOTION_ARRAYS, FaceMotion
from .align import AlignOptions, vertex_strengths
from .controls import Controls, other_side, set_gaze
from .expression import apply, pupils_of, seen_as
from .geometry import opposite_vertices, solve_geometry
from .motion import neutral_frame
from .named_expressions import ease
from .parting import parted
from .pose import angles, rotations
from .topology import BLENDSHAPE_NAMES, LEFT_IRIS, RIGHT_IRIS

LONGEST = 1_000_000  # frames


def trim(motion: FaceMotion, start: int = 0, stop: int | None = None) -> FaceMotion:
    """Frames start up to, not including, stop: T out = stop - start. Negative numbers count from the end."""
    count = len(motion)
    first = start + count if start < 0 else start
    last = count if stop is None else stop + count if stop < 0 else stop
    if not 0 <= first < last <= count:
        raise InputError(
            f"Frames {start} to {'the end' if stop is None else stop} are not in the motion; it has {count}, counted "
            "from 0. Choose a start before the stop, both inside."
        )
    return motion.taken(np.arange(first, last))


def reverse(motion: FaceMotion) -> FaceMotion:
    """Backwards; T out = T."""
    return motion.taken(np.arange(len(_some(motion)))[::-1])


def ping_pong(motion: FaceMotion, times: int = 1) -> FaceMotion:
    """Forwards and backwards, `times` times; T out = times * (2 T - 2), so that no frame stands twice; 1 of 1."""
    count = len(_some(motion))
    cycle = np.concatenate([np.arange(count), np.arange(count - 2, 0, -1)])
    return motion.taken(np.tile(cycle, _positive(times, "times", LONGEST // len(cycle))))


def loop(motion: FaceMotion, times: int = 1, blend: int | None = None) -> FaceMotion:
    """A motion that can follow itself without a jump, `times` times; T out = times * (T - blend).

    blend: frames at the end that fade into those at the start, a quarter of T, at most 12, unless given. Raises
    InputError where that is more than half.
    """
    count = len(_some(motion))
    blend = min(count // 4, 12) if blend is None else blend
    if not 0 <= blend <= count // 2:
        raise InputError(f"Easing is {blend} frames; allowed: 0 to {count // 2}, half of the motion.")
    kept = np.arange(count - blend)
    share = np.where(kept < blend, ease((kept + 1) / (blend + 1)), 1.0)
    tail = np.where(kept < blend, kept + count - blend, kept)
    times = _positive(times, "times", LONGEST // len(kept))
    return _mixed(motion.taken(tail), motion.taken(kept), share).taken(np.tile(kept, times))


def retime(motion: FaceMotion, frames: int | None = None, fps: float | None = None) -> FaceMotion:
    """To N frames, or to another rate. T out = frames, faster or slower at the same rate; or, with fps alone, as many
    as the same time takes at that rate; with both, frames at that rate. First and last frame stay."""
    count = len(_some(motion))
    if fps is not None and not (math.isfinite(fps) and fps > 0):
        raise InputError(f"Frame rate is {fps}; it must be a positive number of frames per second.")
    rate = motion.fps if fps is None else float(fps)
    if frames is None:
        frames = max(round(count * rate / motion.fps), 1)
    frames = _positive(frames, "frames", LONGEST)
    times = np.linspace(0, count - 1, frames) if frames > 1 else np.zeros(1)
    before = np.minimum(times.astype(int), count - 1)
    after = np.minimum(before + 1, count - 1)
    share = times - before
    mixed = _mixed(motion.taken(before), motion.taken(after), share)
    return replace(mixed, fps=rate, edit=None if mixed.edit is None else replace(mixed.edit, fps=rate))


def concatenate(motions: Sequence[FaceMotion], easing: int = 0) -> FaceMotion:
    """One after the other, at the first one's rate; T out = their sum - easing * (how many - 1).

    easing: frames over which the end of one fades into the start of the next. Raises InputError for motions of
    different picture sizes, none at all, or one shorter than two fades.
    """
    if not motions:
        raise InputError("There is no motion to join. Connect at least one.")
    first = _some(motions[0])
    if not 0 <= easing:
        raise InputError(f"Easing is {easing} frames; it must be 0 or more.")
    joined = first
    for number, motion in enumerate(motions[1:], 2):
        _same_size(first, motion, number)
        motion = motion if motion.fps == first.fps else retime(motion, fps=first.fps)
        if easing > min(len(joined), len(motion)):
            raise InputError(
                f"Easing is {easing} frames; motion {number} or what comes before it has only "
                f"{min(len(joined), len(motion))}. Choose a shorter easing."
            )
        fade = ease((np.arange(easing) + 1) / (easing + 1))
        end, start = (
            joined.taken(np.arange(len(joined) - easing, len(joined))),
            motion.taken(np.arange(easing)),
        )
        middle = _mixed(end, start, fade)
        head = joined.taken(np.arange(len(joined) - easing))
        joined = _stacked([head, middle, motion.taken(np.arange(easing, len(motion)))])
    return joined


def blend(one: FaceMotion, other: FaceMotion, share: float | np.ndarray = 0.5) -> FaceMotion:
    """Both at once: share 0 is one, 1 the other; a number or (T,). T out = T; both have as many frames and one size."""
    _same_size(_some(one), other, 2)
    if len(one) != len(other):
        raise InputError(f"Motions of {len(one)} and {len(other)} frames cannot be blended. Retime one of them first.")
    shares = np.broadcast_to(np.asarray(share, np.float64), (len(one),))
    if not ((shares >= 0) & (shares <= 1)).all():
        raise InputError(f"Share is {share}; allowed: 0 (the first motion) to 1 (the second).")
    return _mixed(one, other, shares)


def mirror(motion: FaceMotion) -> FaceMotion:
    """Left and right changed over, about the middle of the picture; T out = T."""
    landmarks = _some(motion).landmarks[:, _twins()].copy()
    landmarks[..., 0] = 1 - landmarks[..., 0]
    metric, camera_from_face = solve_geometry(landmarks, motion.size)
    arrays = {"landmarks": landmarks, "metric": metric, "camera_from_face": camera_from_face}
    arrays["blendshapes"] = motion.blendshapes[:, _score_twins()]
    return replace(motion, **arrays, edit=None if motion.edit is None else motion.edit.mirrored())


def amplify(
    motion: FaceMotion,
    brows: float = 1.0,
    eyes: float = 1.0,
    mouth: float = 1.0,
    pupils: float = 1.0,
    whole: float = 1.0,
    head: float = 1.0,
    neutral: int | None = None,
) -> FaceMotion:
    """More or less of what each part does, 0 to 3, 1 as it is; T out = T.

    brows, eyes (lids), mouth, and the rest of the face with `whole`, which is a factor on all: of how the face departs
    from its neutral frame, the calmest unless given. pupils: of where they look. head: of its turns and its path.
    Lids and lips that would cross meet. Raises InputError for a number outside its range.
    """
    count = len(_some(motion))
    if not 0.0 <= head <= 3.0:
        raise InputError(f"head is {head}; allowed: 0 to 3.")
    options = AlignOptions(brows=brows, eyes=eyes, mouth=mouth, pupils=pupils, whole=whole)
    neutral = neutral_frame(motion) if neutral is None else neutral
    if not -count <= neutral < count:
        raise InputError(
            f"Neutral frame {neutral} is not in the motion; it has {count} frames, counted from 0. Choose one of them, "
            "or let it be found."
        )

    # 1. Expression: away from the neutral face, then no further than lids and lips meet.
    calm = motion.metric[neutral].astype(np.float64)
    way = motion.metric - calm
    mesh = parted(calm + vertex_strengths(options)[:, None] * way, motion.metric)

    # 2. Head: turns about its own axes, and its path.
    pose = motion.camera_from_face.astype(np.float64)
    start = pose[neutral]
    turns = angles(start[:3, :3].T @ pose[:, :3, :3])
    linear = start[:3, :3] @ rotations(head * turns) if head != 1 else pose[:, :3, :3]
    translation = start[:3, 3] + head * (pose[:, :3, 3] - start[:3, 3])

    # 3. Pupils: away from where they are in the neutral frame.
    places = pupils_of(motion.landmarks, motion.metric, motion.camera_from_face, motion.size)
    moved = places + (whole * pupils - 1) * (places - places[neutral])[:, :, :1]
    arrays = (motion.landmarks, motion.metric, motion.camera_from_face)
    landmarks, metric, camera_from_face = seen_as(*arrays, motion.size, mesh, (linear, translation), moved)
    return replace(motion, landmarks=landmarks, metric=metric, camera_from_face=camera_from_face)


def idle(
    frames: int, fps: float = 25.0, seed: int = 0, blinks: float = 15.0, head: float = 1.0, gaze: float = 1.0
) -> Controls:
    """What a face at rest does, T = frames: blinks a minute, small turns of the head, a gaze that wanders and jumps.

    head and gaze: how much of it, 1 is some 2 degrees. The same on every machine for a seed.
    """
    _positive(frames, "frames", LONGEST)
    for name, value, most in (("blinks", blinks, 120), ("head", head, 10), ("gaze", gaze, 10)):
        if not 0 <= value <= most:
            raise InputError(f"{name} is {value}; allowed: 0 to {most}.")
    rng = np.random.default_rng([seed, 23])
    time = np.arange(frames) / fps
    values = Controls.rest(frames, fps).values

    # 1. Head: slow waves of periods that do not meet again.
    for index, size in (("headYaw", 1.6), ("headPitch", 1.1), ("headRoll", 0.8)):
        waves = sum(np.sin(2 * np.pi * (time / rng.uniform(3, 9) + rng.random())) for _ in range(3)) / 3
        values += Controls.of({index: 1}).values * (head * size * waves)[:, None]

    # 2. Gaze: it rests for a second or two, then jumps.
    jumps = np.cumsum(rng.uniform(0.6, 2.4, max(int(time[-1] / 0.6) + 2, 2)))
    aims = rng.normal(0, 1, (len(jumps) + 1, 2)) * (2.2, 1.2) * gaze
    aims[0] = 0
    looks = aims[np.searchsorted(jumps, time, side="right")]
    set_gaze(values, np.repeat(looks[:, None], 2, axis=1))

    # 3. Blinks: 0.1 s down, 0.15 s up, at random, never two within half a second.
    at = rng.exponential(0.5)
    while blinks > 0 and at < time[-1]:
        lids = ease(np.clip((time - at) / 0.1, 0, 1)) * ease(np.clip((at + 0.27 - time) / 0.15, 0, 1))
        values += Controls.of({"eyeBlinkLeft": 1, "eyeBlinkRight": 1}).values * lids[:, None]
        at += 0.5 + rng.exponential(max(60 / blinks - 0.5, 0.05))
    return Controls(values, fps)


def add_idle(
    motion: FaceMotion, seed: int = 0, blinks: float = 15.0, head: float = 1.0, gaze: float = 1.0
) -> FaceMotion:
    """The motion with idle life on top, see `idle`; T out = T."""
    return apply(_some(motion), idle(len(motion), motion.fps, seed, blinks, head, gaze))


def _some(motion: FaceMotion) -> FaceMotion:
    if not len(motion):
        raise InputError("The motion has no frames.")
    return motion


def _positive(value: int, what: str, most: int) -> int:
    if not (isinstance(value, int | np.integer) and 1 <= value <= max(most, 1)):
        raise InputError(f"{what} is {value!r}; allowed: 1 to {max(most, 1)}.")
    return int(value)


def _same_size(one: FaceMotion, other: FaceMotion, number: int) -> None:
    if tuple(one.size) != tuple(_some(other).size):
        raise InputError(
            f"Motion {number} is of a picture of {tuple(other.size)}, the first of {tuple(one.size)}. Resize one of "
            "the clips, and extract its motion again."
        )


def _edit_values(motion: FaceMotion) -> np.ndarray:
    """(T,59) controls that the motion carries."""
    edit = motion.edit or Controls.rest(1)
    return np.broadcast_to(edit.values, (len(motion), edit.values.shape[1]))


def _stacked(motions: Sequence[FaceMotion]) -> FaceMotion:
    joined = {name: np.concatenate([getattr(motion, name) for motion in motions]) for name in MOTION_ARRAYS}
    if any(motion.edit is not None for motion in motions):
        values = np.concatenate([_edit_values(motion) for motion in motions])
        joined["edit"] = Controls(values, motions[0].fps)
    return replace(motions[0], **joined)


def _mixed(one: FaceMotion, other: FaceMotion, share: np.ndarray) -> FaceMotion:
    """Frames between those of two motions of T frames; share (T,), 0 is one and 1 the other, exactly."""
    part = np.asarray(share, np.float32)[:, None]
    landmarks = one.landmarks * (1 - part[..., None]) + other.landmarks * part[..., None]
    blendshapes = one.blendshapes * (1 - part) + other.blendshapes * part
    metric = np.where(part[..., None] < 0.5, one.metric, other.metric)
    camera_from_face = np.where(part[..., None] < 0.5, one.camera_from_face, other.camera_from_face)
    between = (share > 0) & (share < 1)
    if between.any():
        metric[between], camera_from_face[between] = solve_geometry(landmarks[between], one.size)
    found = np.where(share < 0.5, one.found, other.found)
    if one.edit is not None or other.edit is not None:
        edit = Controls(_edit_values(one) * (1 - part) + _edit_values(other) * part, one.fps)
        one = replace(one, edit=edit)
    return replace(
        one, landmarks=landmarks, metric=metric, camera_from_face=camera_from_face, blendshapes=blendshapes, found=found
    )


@functools.cache
def _twins() -> np.ndarray:
    """(478,) each landmark's on the other side."""
    turned = [0, 3, 2, 1, 4]  # the iris towards the picture's right, top, left, bottom
    return np.concatenate([opposite_vertices(), np.array(LEFT_IRIS)[turned], np.array(RIGHT_IRIS)[turned]])


@functools.cache
def _score_twins() -> np.ndarray:
    return np.array([BLENDSHAPE_NAMES.index(other_side(name)) for name in BLENDSHAPE_NAMES])
