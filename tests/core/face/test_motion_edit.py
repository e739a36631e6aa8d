from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from followemoji_core.drawn.acting import Acting
from followemoji_core.drawn.people import Person
from followemoji_core.errors import InputError
from followemoji_core.face import motion_edit as edit
from followemoji_core.face.controls import SHAPES, Controls
from followemoji_core.face.expression import apply
from followemoji_core.face.geometry import solve_geometry
from followemoji_core.face.motion import stack_frames
from followemoji_core.face.named_expressions import blend, expression, named_expressions, sequence
from followemoji_core.face.pose import angles
from followemoji_core.face.solving import solve
from followemoji_core.face.topology import (
    LEFT_EYE,
    LEFT_IRIS,
    REGIONS,
    RIGHT_EYE,
    RIGHT_EYE_LOWER,
    RIGHT_EYE_UPPER,
    RIGHT_IRIS,
)
from followemoji_core.types import FaceMotion
from tests.core.face.test_expression import FACES, gaps
from tests.core.face.test_geometry import make_face

ASKED = (
    "smile_wide laugh frown pout kiss surprise anger disgust fear sadness wink_left wink_right crossed_eyes eyes_wide "
    "squint snarl cheeks_puffed lips_rolled_in mouth_left mouth_right yawn brow_raise_left brow_raise_right look_left "
    "look_right look_up look_down sleepy"
).split()


@pytest.fixture(scope="module")
def motion() -> FaceMotion:
    return Person.of(5).act(Acting.random(4, 30), (256, 256))


def consistent(motion: FaceMotion) -> None:
    metric, camera_from_face = solve_geometry(motion.landmarks, motion.size)
    np.testing.assert_allclose(metric, motion.metric, atol=0.01)
    np.testing.assert_allclose(camera_from_face, motion.camera_from_face, atol=0.01)
    count = len(motion)
    assert motion.found.shape == (count,) and motion.blendshapes.shape == (count, 52)
    assert np.isfinite(motion.landmarks).all() and motion.landmarks.dtype == np.float32


def steps(motion: FaceMotion) -> np.ndarray:
    """(T-1,) how far the points go from frame to frame, in pixels."""
    return np.abs(np.diff(motion.landmarks[..., :2], axis=0)).max(axis=(1, 2)) * motion.size[0]


def test_trim_and_reverse(motion: FaceMotion) -> None:
    part = edit.trim(motion, 5, -5)
    assert len(part) == 20
    np.testing.assert_array_equal(part.metric, motion.metric[5:25])
    np.testing.assert_array_equal(edit.reverse(edit.reverse(motion)).landmarks, motion.landmarks)
    np.testing.assert_array_equal(edit.reverse(motion).landmarks[0], motion.landmarks[-1])


def test_loops_have_no_jump(motion: FaceMotion) -> None:
    largest = steps(motion).max()
    looped = edit.loop(motion, 3, 8)
    assert len(looped) == 3 * (30 - 8) and steps(looped).max() < 1.5 * largest
    consistent(looped)
    np.testing.assert_array_equal(looped.landmarks[:22], looped.landmarks[22:44])
    np.testing.assert_array_equal(looped.landmarks[8:22], motion.landmarks[8:22])
    swung = edit.ping_pong(motion, 2)
    assert len(swung) == 2 * 58 and steps(swung).max() <= largest
    again = np.concatenate([swung.landmarks[-1:], swung.landmarks[:1]])
    assert np.abs(np.diff(again[..., :2], axis=0)).max() * 256 <= largest  # and from its end to its start
    assert len(edit.ping_pong(edit.trim(motion, 0, 1), 3)) == 3


def test_retime(motion: FaceMotion) -> None:
    slower = edit.retime(motion, 59)
    assert len(slower) == 59 and slower.fps == motion.fps
    np.testing.assert_array_equal(slower.landmarks[::2], motion.landmarks)
    consistent(slower)
    other = edit.retime(motion, fps=50.0)
    assert len(other) == 60 and other.fps == 50.0
    np.testing.assert_array_equal(other.landmarks[[0, -1]], motion.landmarks[[0, -1]])
    assert len(edit.retime(motion, 1)) == 1 and len(edit.retime(edit.trim(motion, 3, 4), 10)) == 10


def test_concatenate_with_easing(motion: FaceMotion) -> None:
    joined = edit.concatenate([motion, edit.trim(motion, 10), edit.retime(motion, fps=50.0)], 5)
    assert len(joined) == 30 + 20 + 30 - 10
    consistent(joined)
    assert steps(joined).max() < 2 * steps(motion).max()
    np.testing.assert_array_equal(joined.landmarks[:25], motion.landmarks[:25])
    np.testing.assert_array_equal(joined.landmarks[30:40], motion.landmarks[15:25])
    assert len(edit.concatenate([motion, motion])) == 60


def test_blend_two_motions(motion: FaceMotion) -> None:
    other = edit.reverse(motion)
    np.testing.assert_array_equal(edit.blend(motion, other, 0.0).landmarks, motion.landmarks)
    np.testing.assert_array_equal(edit.blend(motion, other, 1.0).landmarks, other.landmarks)
    half = edit.blend(motion, other, 0.5)
    np.testing.assert_allclose(half.landmarks, (motion.landmarks + other.landmarks) / 2, atol=1e-6)
    consistent(half)


def test_mirror(motion: FaceMotion) -> None:
    mirrored = edit.mirror(motion)
    consistent(mirrored)
    np.testing.assert_allclose(edit.mirror(mirrored).landmarks, motion.landmarks, atol=1e-6)
    left, right = SHAPES.index("eyeBlinkLeft") + 1, SHAPES.index("eyeBlinkRight") + 1
    np.testing.assert_array_equal(mirrored.blendshapes[:, left], motion.blendshapes[:, right])
    yaw, was = (angles(m.camera_from_face[:, :3, :3].astype(float))[:, 0] for m in (mirrored, motion))
    np.testing.assert_allclose(yaw, -was, atol=1.5)  # the drawn shape itself is symmetric
    for face in FACES.values():  # irises stay on their side, and their points in their order
        before, after = face.landmarks, edit.mirror(stack_frames([face], 25)).landmarks[0]
        for iris, eye in ((LEFT_IRIS, LEFT_EYE), (RIGHT_IRIS, RIGHT_EYE)):
            assert np.abs(after[iris[0]] - after[list(eye)].mean(axis=0)).max() < 0.05
            for point, axis in ((1, 0), (2, 1)):  # to the picture's right, and up
                ways = (after - after[iris[0]], before - before[iris[0]])
                assert np.ptp(np.sign([way[iris[point], axis] for way in ways])) == 0


def test_amplify_each_region() -> None:
    calm = make_face()
    given = {"browInnerUp": 0.5, "jawOpen": 0.3, "eyeLookInLeft": 0.4, "eyeBlinkRight": 0.5, "headYaw": 10.0}
    motion = apply(calm, Controls(np.concatenate([Controls.rest().values, Controls.of(given).values])))
    np.testing.assert_allclose(edit.amplify(motion).landmarks, motion.landmarks, atol=1e-5)
    louder = edit.amplify(motion, brows=2.0, pupils=1.5, head=0.5, neutral=0)
    consistent(louder)
    found = solve(louder, calm).named(1)
    assert found["browInnerUp"] == pytest.approx(0.95, abs=0.1) and found["jawOpen"] == pytest.approx(0.3, abs=0.05)
    assert found["eyeLookInLeft"] == pytest.approx(0.6, abs=0.05)
    assert found["headYaw"] == pytest.approx(5.0, abs=0.5)
    silent = edit.amplify(motion, mouth=0.0, neutral=0)
    lips = list(REGIONS["mouth"])
    assert np.abs(silent.metric[1, lips] - silent.metric[0, lips]).max() < 0.2
    shut = edit.amplify(motion, eyes=3.0, neutral=0)  # lids would cross
    assert gaps(shut.metric[1], RIGHT_EYE_UPPER, RIGHT_EYE_LOWER).min() > -1e-3


def test_an_edit_goes_with_its_motion(motion: FaceMotion) -> None:
    values = Controls.of({"mouthSmileLeft": np.linspace(0, 1, 30)}, 30)
    edited = replace(motion, edit=values)
    np.testing.assert_array_equal(edit.reverse(edited).edit["mouthSmileLeft"], values["mouthSmileLeft"][::-1])
    assert len(edit.trim(edited, 5).edit) == 25 and edit.mirror(edited).edit["mouthSmileRight"].max() == 1
    slower = edit.retime(edited, 59, 50.0).edit
    np.testing.assert_allclose(slower["mouthSmileLeft"], np.linspace(0, 1, 59), atol=1e-6)
    assert slower.fps == 50
    joined = edit.concatenate([edited, motion], 4).edit
    assert len(joined) == 56 and not joined["mouthSmileLeft"][30:].any()
    constant = replace(motion, edit=Controls.of({"jawOpen": 0.5}))
    assert (edit.concatenate([constant, edited]).edit["jawOpen"][:30] == 0.5).all()
    assert edit.loop(motion, 2).edit is None


def test_idle_life_is_seeded_and_small() -> None:
    controls = edit.idle(500, 25.0, seed=3)
    np.testing.assert_array_equal(controls.values, edit.idle(500, 25.0, seed=3).values)
    assert np.abs(controls.values - edit.idle(500, 25.0, seed=4).values).max() > 0.1
    assert np.abs(controls.turns).max() < 4 and np.abs(controls.turns).max() > 0.5
    blinks = np.diff((controls["eyeBlinkLeft"] > 0.5).astype(int)) == 1
    assert 1 <= blinks.sum() <= 12  # 20 seconds, 15 a minute
    assert not edit.idle(100, blinks=0, head=0, gaze=0).values.any()
    still = stack_frames([make_face()] * 50, 25)
    lively = edit.add_idle(still, seed=1)
    consistent(lively)
    assert len(lively) == 50 and steps(lively).max() > 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: edit.trim(m, 10, 5), "Frames 10 to 5 are not in the motion; it has 30"),
        (lambda m: edit.trim(m, 0, 31), "it has 30, counted from 0"),
        (lambda m: edit.loop(m, 2, 16), "Easing is 16 frames; allowed: 0 to 15"),
        (lambda m: edit.loop(m, 0), "times is 0; allowed: 1 to"),
        (lambda m: edit.retime(m, 0), "frames is 0; allowed: 1 to"),
        (lambda m: edit.retime(m, fps=float("inf")), "Frame rate is inf"),
        (lambda m: edit.concatenate([]), "no motion to join"),
        (lambda m: edit.concatenate([m, m], 31), "Easing is 31 frames; motion 2 or what comes before it has only 30"),
        (lambda m: edit.concatenate([m, stack_frames([make_face()], 25)]), "Motion 2 is of a picture of"),
        (lambda m: edit.blend(m, edit.trim(m, 1)), "of 30 and 29 frames cannot be blended"),
        (lambda m: edit.blend(m, m, 1.5), "Share is 1.5; allowed: 0"),
        (lambda m: edit.amplify(m, mouth=4), "mouth is 4; allowed: 0 to 3"),
        (lambda m: edit.amplify(m, neutral=30), "Neutral frame 30 is not in the motion"),
        (lambda m: edit.idle(10, blinks=-1), "blinks is -1; allowed: 0 to 120"),
    ],
)
def test_refused_changes(motion: FaceMotion, change, message: str) -> None:
    with pytest.raises(InputError, match=message):
        change(motion)


# Named expressions, which are motions of controls.


def test_the_named_expressions_that_were_asked_for_are_there() -> None:
    known = named_expressions()
    assert set(ASKED) <= set(known) and len(known) >= 20
    for name, found in known.items():
        controls = expression(name)
        assert len(controls) == round(found.seconds * 25) and 5 <= len(controls) <= 100, name
        assert np.abs(controls.values[[0, -1]]).max() < 0.5 * np.abs(controls.values).max(), name  # from rest and back
        assert len(expression(name, 7)) == 7 and not expression(name, 7, 0.0).values.any()


@pytest.mark.parametrize("label", FACES)
def test_named_expressions_do_something_on_every_face(label: str) -> None:
    face = FACES[label]
    for name in named_expressions():
        controls = expression(name, 9)
        motion = apply(face, controls)
        assert np.abs(motion.landmarks - face.landmarks).max() * face.size[0] > 1, name
        assert np.isfinite(motion.landmarks).all() and len(motion) == 9


def test_a_sequence_is_as_long_as_it_says_and_does_not_jump() -> None:
    controls = sequence("smile 12, wink_left 8, rest 6")
    assert len(controls) == 26
    assert controls["mouthSmileLeft"].max() > 1 and controls["eyeBlinkLeft"].max() > 0.95
    assert controls["eyeBlinkLeft"][:9].max() < 0.05 and np.abs(controls.values[-3:]).max() < 1e-6
    assert np.abs(np.diff(controls["mouthSmileLeft"])).max() < 0.35 and np.abs(controls.values[0]).max() < 0.2
    both = sequence("Smile Wide + wink-left 20 0.5\nrest 3")
    assert len(both) == 23 and both["eyeBlinkLeft"].max() == pytest.approx(0.5, abs=0.01)
    held = sequence("anger 10; anger 10", cross_fade=0.2)
    np.testing.assert_allclose(held["browDownLeft"][5:15], held["browDownLeft"][8], atol=1e-5)
    assert len(sequence("surprise 1")) == 1


def test_expressions_are_blended() -> None:
    total = blend([("smile", 0.5), ("brow_raise_left", 1.0)], 20)
    np.testing.assert_allclose(total["mouthSmileLeft"], 0.5 * expression("smile", 20)["mouthSmileLeft"], atol=1e-6)
    assert total["browOuterUpLeft"].max() > 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("smil 12", "Entry 1 of the sequence, 'smil 12': 'smil' is not a named expression. Did you mean smile"),
        ("rest 5, smile", "Entry 2 of the sequence, 'smile', cannot be read. Write a name and a number of frames"),
        ("smile 0", "smile has 0 frames; allowed: 1 to"),
        ("smile 5 3", "The strength of smile is 3.0; allowed: 0 to 2"),
        ("smile 5 1.2.3", "Entry 1"),
        ("smile " + "9" * 5000, "Entry 1"),
        (" , ", "The sequence is empty"),
        ("smile 99999, smile 99999", "at most 100000"),
    ],
)
def test_refused_sequences(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        sequence(text)
