"""Footage: an edit warped into a clip (issue 10, section 4)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import cv2
import numpy as np
import pytest

from followemoji_core.drawn import Acting, Person, paint
from followemoji_core.errors import InputError
from followemoji_core.face.controls import Controls
from followemoji_core.face.geometry import screen_points
from followemoji_core.face.topology import LEFT_EYE, PUPILS, REGIONS
from followemoji_core.face.warp_footage import footage_points, look_at_camera, warp_footage
from followemoji_core.types import FaceMotion

SMILE = Controls.of({"mouthSmileLeft": 0.7, "mouthSmileRight": 0.7})
FRAMES = 24


@pytest.fixture(scope="module")
def clip() -> tuple[list[np.ndarray], FaceMotion]:
    person = Person.of(20_000_007)
    motion = person.act(Acting.random(7, FRAMES, from_rest=True), (256, 256))
    return list(paint(person, motion)), motion


def region(motion: FaceMotion, edit: Controls, shape: tuple[int, ...]) -> Iterator[np.ndarray]:
    """(H,W) bool of each frame: what lies within three vertices' distance of a landmark that the edit moves."""
    for own, moves, _ in footage_points(motion, edit):
        mask = np.zeros(shape[:2], np.uint8)
        reach = 0.22 * np.ptp(own[:, 1])
        for place in own[np.abs(moves).max(axis=1) > 0]:
            cv2.circle(mask, np.rint(place).astype(int).tolist(), int(reach), 1, -1)
        yield mask > 0


def trembling(frames: list[np.ndarray], masks: list[np.ndarray]) -> float:
    """Flicker in levels: how far a pixel is from the mean of the frames before and after it, within the masks."""
    clip = np.stack(frames).astype(np.float32)
    apart = np.abs(clip[1:-1] - (clip[:-2] + clip[2:]) / 2).mean(axis=-1)
    return float(apart[np.stack(masks)[1:-1]].mean())


@pytest.mark.parametrize(
    "given",
    [
        {"mouthSmileLeft": 0.7, "mouthSmileRight": 0.7},
        {"browInnerUp": 0.6},
        {"browDownLeft": 0.6, "browDownRight": 0.6},
        {"eyeLookOutLeft": 0.6, "eyeLookInRight": 0.6},
    ],
)
def test_outside_the_edited_region_nothing_changes_and_inside_nothing_flickers(clip, given) -> None:
    frames, motion = clip
    edit = Controls.of(given)
    results = list(warp_footage(iter(frames), motion, edit))
    masks = list(region(motion, edit, frames[0].shape))
    assert len(results) == FRAMES and 0.02 < np.mean(masks) < 0.6
    for result, frame, mask in zip(results, frames, masks, strict=True):
        np.testing.assert_array_equal(result[~mask], frame[~mask])
        assert result.dtype == np.uint8 and (result[mask] != frame[mask]).any()
    assert trembling(results, masks) <= trembling(frames, masks) + 0.5


def test_frames_are_made_as_they_are_asked_for(clip) -> None:
    frames, motion = clip
    taken = []

    def source() -> Iterator[np.ndarray]:
        for index, frame in enumerate(frames):
            taken.append(index)
            yield frame

    results = warp_footage(source(), replace(motion, edit=SMILE))
    next(results)
    assert taken == [0]
    assert len(list(results)) == FRAMES - 1


def test_the_edit_is_over_time_and_rests_where_it_rests(clip) -> None:
    frames, motion = clip
    values = Controls.rest(FRAMES).values
    values[10:14] = SMILE.values
    results = list(warp_footage(iter(frames), motion, Controls(values)))
    changed = [index for index in range(FRAMES) if (results[index] != frames[index]).any()]
    assert changed == [10, 11, 12, 13]
    for own, moves, depth in list(footage_points(motion, SMILE))[:3]:
        assert own.shape == moves.shape == (478, 2) and depth.shape == (468,)
        assert (
            moves[[61, 291], 1].max() < -1
            and not moves[list(REGIONS["brows"])].any()
            and np.abs(moves[list(PUPILS)]).max() < 0.5
        )


def test_where_the_face_is_not_seen_the_picture_stays(clip) -> None:
    frames, motion = clip
    found = motion.found.copy()
    found[3:5] = False  # bridged
    found[12:18] = False
    moved = [np.abs(moves).max() for _, moves, _ in footage_points(replace(motion, found=found), SMILE)]
    whole = [np.abs(moves).max() for _, moves, _ in footage_points(motion, SMILE)]
    assert not np.any(moved[12:18]) and np.allclose(moved[:5], whole[:5])
    assert 0 < moved[11] < moved[9] < moved[7] and moved[11] < 0.2 * whole[11] and 0 < moved[18] < moved[20]
    results = list(warp_footage(iter(frames), replace(motion, found=found), SMILE))
    np.testing.assert_array_equal(results[14], frames[14])


def test_a_gaze_is_brought_to_the_camera(clip) -> None:
    """A drawn person who looks about: the pupils end where they are when he looks ahead."""
    person, calm = Person.of(20_000_007), Acting.rest(FRAMES)
    aside = replace(calm, gazes=np.full((FRAMES, 2, 2), (14.0, 6.0)))
    ahead, looking = (person.act(acting, (256, 256)) for acting in (calm, aside))
    edit = look_at_camera(looking)

    def brought(motion: FaceMotion) -> np.ndarray:
        moved = [points + moves for points, moves, _ in footage_points(motion, look_at_camera(motion))]
        return np.stack(moved)[:, list(PUPILS)]

    width = np.ptp(screen_points(ahead)[0, list(LEFT_EYE), 0])
    away = np.linalg.norm(screen_points(looking)[:, list(PUPILS)] - brought(ahead), axis=-1)
    left = np.linalg.norm(brought(looking) - brought(ahead), axis=-1)
    assert away.min() > 0.08 * width and left.max() < 0.03 * width
    half = look_at_camera(looking, 0.5)
    np.testing.assert_allclose(half.gaze, edit.gaze / 2, atol=0.1)
    assert (np.abs(edit.gaze[:, 0] - edit.gaze[:, 1]) < 1e-3).all()  # both alike


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda frames, motion: warp_footage(frames, motion), "The motion carries no edit"),
        (lambda frames, motion: warp_footage(frames, motion, Controls.rest(3)), "has 24 frames, its edit 3"),
        (lambda frames, motion: list(warp_footage(frames[:5], motion, SMILE)), "clip has 5 frames, the motion 24"),
        (lambda frames, motion: list(warp_footage([*frames, frames[0]], motion, SMILE)), "more frames than the motion"),
        (lambda frames, motion: list(warp_footage([f[:99] for f in frames], motion, SMILE)), "Frame 0 is 256x99 pix"),
        (lambda frames, motion: look_at_camera(motion, 2.0), "Strength is 2.0; allowed: 0"),
    ],
)
def test_refused_footage(clip, make, message: str) -> None:
    frames, motion = clip
    with pytest.raises(InputError, match=message):
        make(frames, motion)
