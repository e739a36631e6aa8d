from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from followemoji_core.drawn.acting import Acting
from followemoji_core.drawn.people import Person
from followemoji_core.errors import InputError
from followemoji_core.face.camera import project
from followemoji_core.face.controls import CHANNELS, GAZE_DEGREES, SHAPES, Controls, channel, find_channel
from followemoji_core.face.expression import ExpressionSpace, apply, apply_to_mesh, express, pupils_of
from followemoji_core.face.gaze import mixed_places, moved_pupils, pupil_places, pupil_points
from followemoji_core.face.geometry import CanonicalFace, face_frame, solve_geometry
from followemoji_core.face.motion import stack_frames
from followemoji_core.face.parting import EYES
from followemoji_core.face.pose import angles, in_camera, rotations
from followemoji_core.face.solving import neutralise, solve
from followemoji_core.face.topology import INNER_LIP_LOWER, INNER_LIP_UPPER, INNER_LIPS, LEFT_EYE, PUPILS, RIGHT_EYE
from followemoji_core.types import FaceFrame, FaceMotion
from tests.core.face.test_geometry import make_face, turn
from tests.parity.conftest import golden_files

WHOLE = ("jawLeft", "jawRight", "mouthLeft", "mouthRight")
LIP_SHAPES = ("mouthRollLower", "mouthRollUpper", "mouthPressLeft", "mouthPressRight", "mouthClose")
SOLVED = (
    "eyeBlinkLeft", "eyeBlinkRight", "eyeWideLeft", "eyeSquintRight", "eyeLookInLeft", "eyeLookOutRight",
    "eyeLookUpLeft", "eyeLookUpRight", "eyeLookDownLeft", "browDownLeft", "browDownRight", "browInnerUp",
    "browOuterUpLeft", "browOuterUpRight", "jawOpen", "mouthSmileLeft", "mouthSmileRight", "mouthPucker",
)  # fmt: skip


def golden_frame(path: Path, index: int | None = None) -> FaceFrame:
    with np.load(path, allow_pickle=False) as arrays:
        landmarks, scores = (arrays[name] if index is None else arrays[name][index] for name in ("lmks", "bs"))
        size = (512, 512) if index is None else tuple(int(side) for side in arrays["size"])
    return face_frame(landmarks, np.concatenate([[0.0], scores[-51:]]), size)


def real_faces() -> dict[str, FaceFrame]:
    """The portraits in which a face was found, and three frames of each clip, as far as they are here."""
    faces = {path.stem: golden_frame(path) for path in golden_files("golden_portrait")}
    for path in golden_files("golden_clip"):
        with np.load(path, allow_pickle=False) as arrays:
            frames = np.linspace(0, len(arrays["bs"]) - 1, 3).astype(int)
        faces |= {f"{path.stem} {frame}": golden_frame(path, frame) for frame in frames}
    return faces


REAL = real_faces()
DRAWN = {f"drawn {seed}": Person.of(seed).act(Acting.rest(), (512, 512)).frame(0) for seed in (3, 8)}
FACES = {**REAL, **DRAWN, "average": make_face(turn(15, 5, -10), (1.0, 0.0, -40.0))}


@pytest.fixture(params=FACES, scope="module")
def face(request: pytest.FixtureRequest) -> FaceFrame:
    return FACES[request.param]


def mixed(seed: int, frames: int = 40) -> Controls:
    """A few controls at a time, and a head that moves."""
    rng = np.random.default_rng(seed)
    values = np.zeros((frames, len(CHANNELS)))
    values[:, : len(SHAPES)] = np.where(rng.random((frames, len(SHAPES))) < 0.1, rng.random((frames, len(SHAPES))), 0)
    values[:, -6:-3], values[:, -3:] = rng.normal(0, 8, (frames, 3)), rng.normal(0, 1, (frames, 3))
    return Controls(values)


def gaps(mesh: np.ndarray, upper: tuple[int, ...], lower: tuple[int, ...]) -> np.ndarray:
    return mesh[..., list(upper[1:-1]), 1] - mesh[..., list(lower[1:-1]), 1]


def test_zero_controls_change_nothing(face: FaceFrame) -> None:
    same = apply(face, Controls.rest())
    for name in ("landmarks", "metric", "camera_from_face", "blendshapes"):
        np.testing.assert_array_equal(getattr(same, name), getattr(face, name))
    nearly = apply(face, Controls(np.full((1, len(CHANNELS)), 1e-5)))  # and there is no step next to zero
    np.testing.assert_allclose(nearly.metric, face.metric, atol=1e-3)
    np.testing.assert_allclose(nearly.landmarks, face.landmarks, atol=1e-4)


def test_a_face_with_an_expression_is_consistent(face: FaceFrame) -> None:
    motion = apply(face, mixed(1))
    metric, camera_from_face = solve_geometry(motion.landmarks, motion.size)
    np.testing.assert_allclose(metric, motion.metric, atol=0.01)
    np.testing.assert_allclose(camera_from_face, motion.camera_from_face, atol=0.01)
    assert motion.landmarks.dtype == motion.metric.dtype == np.float32 and len(motion) == 40


def test_many_frames_are_what_each_is_alone(face: FaceFrame) -> None:
    controls = mixed(2, 300)
    motion = apply(face, controls)
    for index in (0, 127, 128, 299):
        alone = apply(face, controls.frame(index))
        np.testing.assert_allclose(alone.landmarks, motion.landmarks[index], atol=1e-6)


@pytest.mark.parametrize("name", [name for name in SHAPES if name.endswith(("Left", "Right")) and name not in WHOLE])
def test_one_side_leaves_the_other_alone(name: str) -> None:
    x = CanonicalFace.default().vertices[:, 0]
    other = x < -0.8 if name.endswith("Left") else x > 0.8
    field = ExpressionSpace.default().fields[SHAPES.index(name)]
    assert np.linalg.norm(field[other], axis=-1).max() <= 0.02
    mirrored = ExpressionSpace.default().fields[SHAPES.index(Controls.of({name: 1}).mirrored().named().popitem()[0])]
    assert np.linalg.norm(field, axis=-1).max() == pytest.approx(np.linalg.norm(mirrored, axis=-1).max(), abs=2e-3)


def test_fields_add_up(face: FaceFrame) -> None:
    """But for lids and lips, which are clamped after the sum."""
    one, other = Controls.of({"browInnerUp": 0.7}), Controls.of({"mouthSmileLeft": 0.4, "cheekPuff": 0.3})
    both = apply_to_mesh(face.metric, one.plus(other)) - face.metric
    apart = [apply_to_mesh(face.metric, part) - face.metric for part in (one, other)]
    lips = list(INNER_LIP_LOWER + INNER_LIP_UPPER)
    free = np.linalg.norm(CanonicalFace.default().vertices[:, None] - CanonicalFace.default().vertices[lips], axis=-1)
    free = free.min(axis=1) > 2.0
    np.testing.assert_allclose(both[0, free], (apart[0] + apart[1])[0, free], atol=1e-3)


@pytest.mark.parametrize("also", [None, "eyeWide", "eyeLookUp", "eyeLookDown", "eyeSquint", "browOuterUp"])
def test_a_blink_shuts_any_eye(face: FaceFrame, also: str | None) -> None:
    for side, name in enumerate(("Right", "Left")):
        given = {f"eyeBlink{name}": 1.0} | ({f"{also}{name}": 1.0} if also else {})
        mesh = apply(face, Controls.of(given)).metric
        upper, lower = EYES[side]
        assert np.linalg.norm(mesh[list(upper[1:-1])] - mesh[list(lower[1:-1])], axis=-1).max() < 0.05
        open_upper, open_lower = EYES[1 - side]
        mine, was = gaps(mesh, open_upper, open_lower), gaps(face.metric, open_upper, open_lower)
        np.testing.assert_allclose(mine, was, atol=0.1)  # geometry is solved anew: a little of everything moves


def test_lips_never_cross(face: FaceFrame) -> None:
    """With a jaw open from 0 to 1, and any two of the others."""
    given = [
        {"jawOpen": jaw, one: a, other: b}
        for jaw in (0.0, 0.3, 1.0)
        for one, other in itertools.combinations(LIP_SHAPES, 2)
        for a, b in ((0.5, 1.0), (1.0, 1.0), (1.0, 0.3))
    ]
    shapes = np.concatenate([Controls.of(one).shapes for one in given])
    was = np.minimum(gaps(face.metric, INNER_LIP_UPPER, INNER_LIP_LOWER), 0)
    assert (gaps(apply_to_mesh(face.metric, shapes), INNER_LIP_UPPER, INNER_LIP_LOWER) - was).min() > -1e-6


def test_mouth_close_closes_what_the_jaw_opened(face: FaceFrame) -> None:
    still = gaps(face.metric, INNER_LIP_UPPER, INNER_LIP_LOWER)[4]
    open_, closed, alone = (
        gaps(apply_to_mesh(face.metric, Controls.of(given))[0], INNER_LIP_UPPER, INNER_LIP_LOWER)[4]
        for given in ({"jawOpen": 0.6}, {"jawOpen": 0.6, "mouthClose": 1.0}, {"mouthClose": 1.0})
    )
    assert open_ - still > 1.0 and closed < 0.05 and alone < 0.05


@pytest.mark.parametrize("names", [*[(name,) for name in SOLVED], *itertools.combinations(SOLVED[::2], 2)])
def test_what_was_applied_is_solved(names: tuple[str, ...]) -> None:
    for label in ("average", *list(REAL)[:2]):
        face = FACES[label]
        for value in (0.2, 0.9):
            given = {name: value for name in names} | {"headYaw": 12, "headPitch": -6, "headRoll": 4, "headX": 1.5}
            controls = Controls.of(given)
            if given.keys() >= {"eyeLookUpLeft", "eyeLookDownLeft"}:
                continue  # an eye cannot look up and down
            found = solve(apply(face, controls), face)
            np.testing.assert_allclose(found.shapes, controls.shapes, atol=0.05)
            np.testing.assert_allclose(found.turns, controls.turns, atol=0.3)
            np.testing.assert_allclose(found.places, controls.places, atol=0.1)


def test_the_rest_of_the_named_shapes_are_told_apart_from_the_drawn() -> None:
    """Drawn people smile by their own rig: what is solved of it is a smile, and nothing of the brows."""
    person = Person.of(8)
    calm = person.act(Acting.rest(), (512, 512))
    acting = Acting.rest()
    smiling = person.act(Acting({**acting.shares, "smile": np.ones(1)}, acting.turns, acting.gazes, acting.places))
    found = solve(smiling.frame(0), calm.frame(0))
    assert min(found["mouthSmileLeft"][0], found["mouthSmileRight"][0]) > 0.4
    assert max(found[name][0] for name in SHAPES if name.startswith("brow")) < 0.2


def test_gaze_is_the_eye_look_shapes() -> None:
    controls = Controls.of({"eyeLookInLeft": 0.5, "eyeLookOutRight": 0.5, "eyeLookUpLeft": 1.0, "eyeLookUpRight": 1.0})
    right, left = controls.gaze[0]
    assert left[0] == pytest.approx(-0.5 * GAZE_DEGREES["eyeLookIn"])  # both to the person's right
    assert right[0] == pytest.approx(-0.5 * GAZE_DEGREES["eyeLookOut"])
    assert left[1] == right[1] == pytest.approx(GAZE_DEGREES["eyeLookUp"])
    np.testing.assert_allclose(Controls.rest().with_gaze(controls.gaze).values, controls.values, atol=1e-6)
    assert 25 < GAZE_DEGREES["eyeLookIn"] < 40 and 10 < GAZE_DEGREES["eyeLookUp"] < 20


def test_gaze_moves_the_pupil_and_the_lid_follows_by_its_share(face: FaceFrame) -> None:
    look = Controls.of({"eyeLookUpLeft": 1.0, "eyeLookUpRight": 1.0})
    follows, stays = apply(face, look), apply(face, look.plus(Controls.of({"lidsStill": 1.0})))
    up = np.array(face.camera_from_face[:2, 1]) * (1, -1)
    for looking in (follows, stays):
        assert ((looking.landmarks - face.landmarks)[list(PUPILS), :2] @ up > 0).all()
    np.testing.assert_allclose(stays.metric, face.metric, atol=1e-4)
    upper, lower = EYES[1]
    assert gaps(follows.metric, upper, lower)[3] > gaps(face.metric, upper, lower)[3] + 0.1


def test_pupils_stay_while_lids_close_and_the_head_rolls(face: FaceFrame) -> None:
    def places(frame: FaceFrame) -> np.ndarray:
        mesh = in_camera(frame.metric, frame.camera_from_face)[None]
        return pupil_places(frame.landmarks[None, :, :2] * frame.size, mesh, frame.camera_from_face, frame.size)

    own = places(face)
    moved = places(apply(face, Controls.of({"eyeBlinkLeft": 1.0, "headRoll": 30.0, "headYaw": 10.0})))
    np.testing.assert_allclose(moved, own, atol=0.01)
    mesh = in_camera(face.metric, face.camera_from_face)[None]
    points = pupil_points(own, mesh, face.camera_from_face)
    np.testing.assert_allclose(pupil_places_of(points, mesh, face), own, atol=1e-9)


def pupil_places_of(points: np.ndarray, mesh: np.ndarray, face: FaceFrame) -> np.ndarray:
    seen = np.zeros((1, 478, 2))
    seen[:, 468:] = project(points, face.size)
    return pupil_places(seen, mesh, face.camera_from_face, face.size)


def test_head_controls_turn_as_they_say() -> None:
    face = make_face()
    nose = 4
    for name, axis, sign in (("headYaw", 0, 1), ("headPitch", 1, -1)):  # to the person's left, seen on the right; up
        moved = apply(face, Controls.of({name: 15.0}))
        assert (moved.landmarks - face.landmarks)[nose, axis] * sign > 0.01
    rolled = apply(face, Controls.of({"headRoll": 15.0}))
    assert rolled.landmarks[33, 1] > rolled.landmarks[263, 1]  # anticlockwise: the eye on the left goes down
    nearer = apply(face, Controls.of({"headZ": 5.0}))
    assert np.ptp(nearer.landmarks[:, 0]) > np.ptp(face.landmarks[:, 0])
    degrees = np.random.default_rng(0).uniform(-40, 40, (20, 3))
    np.testing.assert_allclose(angles(rotations(degrees)), degrees, atol=1e-9)


def test_controls_may_go_beyond_one_as_far_as_nothing_folds() -> None:
    space = ExpressionSpace.default()
    assert (space.lowest >= -1).all() and (space.highest <= 2).all() and (space.highest >= 1).all()
    face = FACES["average"]
    smile = [apply_to_mesh(face.metric, Controls.of({"mouthSmileLeft": v}))[0, 291, 1] for v in (0, 1, 1.5, 2)]
    assert smile[0] < smile[1] < smile[2] <= smile[3]
    wide = Controls.of({"eyeBlinkLeft": -0.5})
    upper, lower = EYES[1]
    assert gaps(apply_to_mesh(face.metric, wide)[0], upper, lower)[3] > gaps(face.metric, upper, lower)[3]


def test_a_control_turns_over_no_more_than_small_triangles_of_the_lips(face: FaceFrame) -> None:
    """From 0 to 1 each: at most 8 of the 898, mostly in the corners of the mouth, none larger than 0.25 square cm."""
    values = np.concatenate([np.eye(len(SHAPES)) * value for value in (0.5, 1.0)])
    values[SHAPES.index("mouthClose") :: len(SHAPES), SHAPES.index("jawOpen")] = (0.5, 1.0)
    covers = [
        np.isin(CanonicalFace.default().triangles, part).all(axis=1) for part in (INNER_LIPS, LEFT_EYE, RIGHT_EYE)
    ]
    triangles = CanonicalFace.default().triangles[~np.any(covers, axis=0)]

    def areas(mesh: np.ndarray) -> np.ndarray:
        a, b, c = (mesh[..., triangles[:, corner], :2] for corner in range(3))
        return ((b - a)[..., 0] * (c - a)[..., 1] - (b - a)[..., 1] * (c - a)[..., 0]) / 2

    turned_over = areas(apply_to_mesh(face.metric, values)) * np.sign(areas(face.metric))
    seen = turned_over < -0.02
    assert seen.sum(axis=1).max() <= 8 and turned_over.min() > -0.25


def test_an_edit_on_the_aligned_portrait_is_what_apply_makes_of_it(face: FaceFrame) -> None:
    edit = mixed(7, 6)
    mesh, linear, translation = express(
        face.metric, face.camera_from_face[:3, :3], face.camera_from_face[:3, 3], edit, face.metric
    )
    in_space = mesh @ linear.swapaxes(1, 2) + translation[:, None]
    own = pupils_of(face.landmarks[None], face.metric[None], face.camera_from_face[None], face.size)
    irises = pupil_points(moved_pupils(mixed_places(own, own, 1.0), edit), in_space, linear)
    points = project(np.concatenate([in_space, irises], axis=1), face.size) / face.size
    np.testing.assert_allclose(points, apply(face, edit).landmarks[..., :2], atol=1e-5)


def test_neutralise_takes_the_mean_expression_out() -> None:
    calm = make_face()
    values = Controls.of({"mouthSmileLeft": 0.6, "mouthSmileRight": 0.6, "browInnerUp": 0.4}, 20).values
    talking = apply(calm, Controls(values).plus(Controls.of({"jawOpen": np.linspace(0.0, 0.5, 20)}, 20)))
    assert isinstance(talking, FaceMotion)
    calmed = neutralise(talking, calm)
    left = solve(calmed, calm)
    assert left["mouthSmileLeft"].max() < 0.08 and left["browInnerUp"].max() < 0.08
    assert np.ptp(left["jawOpen"]) == pytest.approx(0.5, abs=0.3) and len(calmed) == 20
    half = solve(neutralise(talking, calm, 0.5), calm)
    assert half["mouthSmileLeft"].mean() == pytest.approx(0.3, abs=0.06)
    with pytest.raises(InputError, match="Strength is 2; allowed: 0"):
        neutralise(talking, calm, 2)


def test_a_single_picture_gives_the_detectors_scores_and_the_gaze() -> None:
    face = apply(make_face(), Controls.of({"mouthSmileLeft": 0.6, "eyeLookInLeft": 0.7, "jawOpen": 0.3}))
    found = solve(face)
    assert found["mouthSmileLeft"][0] == pytest.approx(0.6, abs=0.01)
    assert found["eyeLookInLeft"][0] == pytest.approx(0.7, abs=0.1) and len(found) == 1
    assert not found.turns.any() and not found.places.any()


def test_names_of_other_tools_are_understood() -> None:
    for spelling in (
        "EyeBlinkLeft",
        "eye_blink_left",
        "eyeBlink_L",
        "eyeBlinkL",
        "Eye Blink Left",
        "ARKit_eyeBlinkLeft",
    ):
        assert find_channel(spelling) == "eyeBlinkLeft", spelling
    assert channel("HeadYaw") == "headYaw" and find_channel("Timecode") is None
    with pytest.raises(InputError, match="'mouthSmilLeft' is not a control. Did you mean mouthSmileLeft"):
        channel("mouthSmilLeft")


def test_mirrored_controls_mirror_the_face() -> None:
    controls = mixed(4, 12)
    face = make_face()
    plain, mirrored = apply(face, controls).metric, apply(face, controls.mirrored()).metric
    vertices = CanonicalFace.default().vertices
    twin = np.linalg.norm((vertices * (-1, 1, 1))[:, None] - vertices, axis=-1).argmin(axis=1)
    np.testing.assert_allclose(mirrored, plain[:, twin] * (-1, 1, 1), atol=0.01)
    np.testing.assert_array_equal(controls.mirrored().mirrored().values, controls.values)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Controls.of({"jawOpen": float("nan")}), "jawOpen is nan in frame 0; allowed: -1 to 2"),
        (lambda: Controls.of({"jawOpen": 2.5}), "jawOpen is 2.5 in frame 0; allowed: -1 to 2"),
        (lambda: Controls.of({"headYaw": 100}), "headYaw is 100 in frame 0; allowed: -90 to 90"),
        (lambda: Controls.of({"jawOpen": "wide"}), "jawOpen is 'wide'; it must be a number"),
        (lambda: Controls(np.zeros((3, 52))), r"Controls have shape \(3, 52\); expected \(T, 59\)"),
        (lambda: Controls(np.zeros((3, 59)), 0), "Frame rate is 0; it must be a positive number"),
        (lambda: apply(stack_frames([make_face()] * 3, 25), Controls.rest(4)), "of 4 frames do not fit a motion of 3"),
        (lambda: apply_to_mesh(np.zeros((3, 468, 3)), Controls.rest(4)), "of 4 frames do not fit a motion of 3"),
        (lambda: Controls.rest(3).plus(Controls.rest(4)), "Controls of 3 and of 4 frames cannot be added"),
    ],
)
def test_refused_controls(make, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()
