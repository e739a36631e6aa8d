"""The editor's face: an edit at a frame as a picture and handles, a drag solved for the handle's own controls."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from followemoji_core.drawn import Acting, Person, paint
from followemoji_core.errors import InputError
from followemoji_core.face.align import align
from followemoji_core.face.controls import CHANNELS, Controls, other_side
from followemoji_core.face.edit_file import Added, Edit, Keyframe, edit_text, parse_edit
from followemoji_core.face.handles import HANDLES
from followemoji_core.face.live import LiveFace, answer
from followemoji_core.face.named_expressions import find

SIZE = (512, 512)
SIDED = [name for name in HANDLES if name.endswith("Left")]


@pytest.fixture(scope="module")
def person() -> Person:
    return Person.of(20_000_018)


@pytest.fixture(scope="module")
def still(person) -> LiveFace:
    face = person.act(Acting.rest(), SIZE)
    return LiveFace(paint(person, face)[0], face.frame(0))


@pytest.fixture(scope="module")
def driven(person, still) -> LiveFace:
    driving = Person.of(20_000_001).act(Acting.random(7, 40, from_rest=True), (256, 256))
    return LiveFace(still.picture, still.face, driving)


def rest() -> np.ndarray:
    return Controls.rest().values[0].astype(np.float64)


def dragged(live: LiveFace, name: str, dx: float, dy: float, mirror: bool = False, frame: int = 0):
    """Controls that changed, by how much, and where the handle came."""
    controls = rest()
    start = np.array(live.handles(live.pose(controls, frame))[name])
    after = live.drag(controls, frame, name, start + (dx, dy), mirror)
    end = np.array(live.handles(live.pose(after, frame))[name])
    changed = {CHANNELS[i]: after[i] for i in np.flatnonzero(np.abs(after) > 1e-4)}
    return changed, end - start


def test_there_are_21_handles_and_two_for_the_head(still):
    assert len(HANDLES) == 23 and len(SIDED) == 10
    assert all(HANDLES[HANDLES[name].twin].twin == name for name in HANDLES if HANDLES[name].twin)
    places = still.handles(still.pose(rest(), 0))
    x, y, radius = still.ring(still.pose(rest(), 0))
    for name, place in places.items():
        assert np.hypot(place[0] - x, place[1] - y) < radius, f"{name} is outside of the ring"


@pytest.mark.parametrize(
    "name, dx, dy",
    [
        ("cornerLeft", 4, -9), ("cornerRight", -4, 9), ("upperLidLeft", 0, 6), ("upperLidRight", 0, -4),
        ("lowerLidLeft", 0, -3), ("pupilLeft", 5, 0), ("pupilRight", -4, 2), ("browOuterLeft", 2, -8),
        ("browInnerRight", 0, -5), ("upperLipLeft", 1, -5), ("lowerLipRight", 0, 7), ("jaw", 6, 20),
        ("noseLeft", 0, -4), ("cheekLeft", 3, 0), ("head", 12, -8), ("roll", 20, 0),
    ],
)  # fmt: skip
def test_a_dragged_handle_goes_where_it_is_dragged(still, name, dx, dy):
    """Its own controls alone move it; most of the way, and never the other way."""
    changed, way = dragged(still, name, dx, dy)
    assert set(changed) <= set(HANDLES[name].controls) and changed
    share = way @ (dx, dy) / (dx * dx + dy * dy)
    assert 0.6 < share < 1.25, (changed, way)


def test_the_left_mouth_corner_moves_the_left_side_only(still):
    """Issue 12: only left-side controls change, and the picture changes there and not on the right half."""
    controls = rest()
    start = np.array(still.handles(still.pose(controls, 0))["cornerLeft"])
    after = still.drag(controls, 0, "cornerLeft", start + (4, -10))
    assert {CHANNELS[i] for i in np.flatnonzero(after)} <= {"mouthSmileLeft", "mouthFrownLeft", "mouthStretchLeft"}
    before, now = (decoded(still.jpeg(still.pose(values, 0))) for values in (controls, after))
    changed = np.abs(before.astype(int) - now).max(axis=2) > 24
    middle = int(still.pose(controls, 0).points[1, 0])
    assert changed[:, middle + 20 :].sum() > 1000 and changed[:, : middle - 40].sum() == 0


@pytest.mark.parametrize("name", SIDED)
def test_mirrored_drags_move_both_sides_as_much(still, name):
    changed, _ = dragged(still, name, 0, -4, mirror=True)
    for control, value in changed.items():
        if control.startswith("eyeLook"):
            continue
        assert changed[other_side(control)] == pytest.approx(value, abs=1e-6)


def test_mirrored_pupils_look_the_same_way(still):
    changed, _ = dragged(still, "pupilLeft", 5, 0, mirror=True)
    gaze = Controls.of(changed).gaze[0]
    assert gaze[0] == pytest.approx(gaze[1], abs=0.3) and gaze[0, 0] > 5


def test_one_inner_brow_leaves_the_other_nearly_alone(still):
    """browInnerUp moves both brows, in ARKit and here: it is used as little as it can be."""
    controls = rest()
    places = still.handles(still.pose(controls, 0))
    after = still.drag(controls, 0, "browInnerLeft", np.array(places["browInnerLeft"]) + (0, -8))
    now = still.handles(still.pose(after, 0))
    ways = [places[name][1] - now[name][1] for name in ("browInnerLeft", "browInnerRight")]
    assert ways[0] > 4 and ways[1] < 0.4 * ways[0]


def test_a_drag_beyond_all_bounds_stops_at_them(still):
    changed, _ = dragged(still, "jaw", 0, 5000)
    assert 0.9 < changed["jawOpen"] <= 2
    with pytest.raises(InputError, match="'ear' is not a handle. Known: browOuterLeft"):
        still.drag(rest(), 0, "ear", (0, 0))


def test_the_preview_on_a_driving_motion_is_what_align_gives(driven):
    """Frame by frame the same points as the whole clip aligned with the edit on it."""
    edit = parse_edit(
        '{"format": "followemoji.edit", "version": 1, "base": "motion", "keyframes": '
        '[{"frame": 0, "controls": {"mouthSmileLeft": 0.2}},'
        ' {"frame": 30, "controls": {"mouthSmileLeft": 1, "headYaw": 5}}]}'
    )
    motion = driven.motion.with_edit_added(edit.controls(len(driven.motion)))
    whole = align(driven.face, motion)
    for frame in (0, 17, 39):
        pose = driven.pose(edit.frame(frame).values[0], frame)
        assert np.abs(pose.points - whole.points[frame]).max() < 0.05
        assert np.abs(pose.depth - whole.depth[frame]).max() < 1e-3


def test_a_still_face_is_shown_as_it_is(still):
    pose = still.pose(rest(), 0)
    assert np.abs(pose.points - still.face.landmarks[:, :2] * SIZE).max() < 0.1
    assert np.abs(decoded(still.jpeg(pose)).astype(int) - still.picture).mean() < 2


def test_the_answer_to_the_editor(driven):
    told = answer(driven, Edit(), 12, ("jaw", (256.0, 470.0), False), landmarks=True)
    assert told["driven"] and told["frames"] == 40 and set(told["handles"]) == set(HANDLES)
    assert set(told["controls"]) <= {"jawOpen", "jawLeft", "jawRight"}
    assert told["picture"].startswith("data:image/jpeg;base64,/9j/") and len(told["landmarks"]) == 14
    assert "controls" not in answer(driven, Edit(), 12) and "landmarks" not in answer(driven, Edit(), 12)
    edit = Edit((Keyframe(0.0, {"jawOpen": 1.0}),))
    assert answer(driven, edit, 0, plain=True)["picture"] == answer(driven, Edit(), 0)["picture"]


def test_a_key_says_what_was_dragged_beyond_what_is_added(still):
    """A drag on top of a named expression changes the key, not the expression."""
    edit = Edit((Keyframe(0.0, {"mouthSmileLeft": 0.1}),), (Added(0, "smile_wide", frames=1, strength=0.5),))
    before = edit.frame(0).values[0].astype(float)
    after = before.copy()
    after[CHANNELS.index("mouthSmileLeft")] += 0.25
    assert still.keyed(edit, 0, before, after) == {"mouthSmileLeft": 0.35}


def test_a_large_portrait_is_shown_small(person):
    face = person.act(Acting.rest(), (1200, 900))
    live = LiveFace(paint(person, face)[0], face.frame(0))
    assert live.size == (640, 480) and live.picture.shape == (480, 640, 3)
    with pytest.raises(InputError, match="Connect the face of this picture"):
        LiveFace(live.picture, face.frame(0))


def test_expressions_in_keyframes_are_keyed_as_controls_are():
    """Version 2: dials that add up, eased between keys; an edit without any is written as version 1."""
    edit = Edit((Keyframe(0.0, {}, "linear", {"smile": 0.0}), Keyframe(10.0, {"jawOpen": 0.3}, "hold", {"smile": 1.0})))
    edit = parse_edit(edit_text(edit))
    assert '"version": 2' in edit_text(edit) and '"version": 1' in edit_text(Edit((Keyframe(0.0, {"jawOpen": 0.3}),)))
    assert edit.keyframes[1].expressions == {"smile_wide": 1.0}
    smile = find("smile").held(np.zeros(1))[0]
    values = edit.controls().values
    assert np.allclose(values[5] - Controls.of({"jawOpen": 0.3}).values[0], 0.5 * smile, atol=1e-6)
    assert all(np.array_equal(edit.frame(t).values[0], values[t]) for t in (0, 5, 10))
    for wrong, text in (({"grin_": 1}, "'grin_' is not a named"), ({"smile": 3}, "allowed: 0 to 2")):
        with pytest.raises(InputError, match=f"keyframes.0..expressions.*{text}"):
            parse_edit(
                f'{{"format": "followemoji.edit", "version": 2, "keyframes": [{{"frame": 0, "expressions": '
                f"{str(wrong).replace(chr(39), chr(34))}}}]}}"
            )


def test_copying_a_frame_of_the_driver(driven):
    frame = int(np.argmax(driven.motion.blendshapes[:, CHANNELS.index("jawOpen") + 1]))
    copied = driven.copied(frame)
    assert copied["jawOpen"] > 0.1 and not any(name.startswith("head") for name in copied)
    curves = driven.curves()
    assert set(curves) == {"mouth", "lids", "head"} and {len(curve) for curve in curves.values()} == {40}
    assert int(np.argmax(curves["mouth"])) == frame
    long = replace(driven.motion.taken(np.zeros(5000, int)), fps=25.0)
    assert len(LiveFace(driven.picture, driven.face, long).curves()["lids"]) == 2000


def decoded(jpeg: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
