from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from followemoji_core.drawn import Acting, Person
from followemoji_core.errors import InputError
from followemoji_core.face.align import AlignOptions, align, vertex_strengths
from followemoji_core.face.controls import Controls
from followemoji_core.face.expression import apply
from followemoji_core.face.geometry import CanonicalFace, screen_points
from followemoji_core.face.motion import stack_frames
from followemoji_core.face.parting import EYES
from followemoji_core.face.topology import INNER_LIPS, LEFT_EYE, LEFT_EYE_UPPER, PUPILS, REGIONS, RIGHT_IRIS
from followemoji_core.types import FaceFrame, FaceMotion
from tests.core.face.test_geometry import make_face, turn


def mouth_open(amount: float) -> np.ndarray:
    """Offsets (468,3) in cm that move the lips (and nothing else) down."""
    offsets = np.zeros((468, 3))
    offsets[list(REGIONS["mouth"]), 1] = -amount
    return offsets


@pytest.fixture(scope="module")
def driving() -> FaceMotion:
    """Neutral, turned, nearer with an open mouth, looking right."""
    frames = [
        make_face(activity=0.1),
        make_face(turn(20, 5, -10), (2.0, 0.0, -30.0), activity=0.2),
        make_face(turn(10), (2.0, 1.0, -25.0), offsets=mouth_open(1.0), activity=0.5),
        make_face(activity=0.3),
    ]
    frames[3].landmarks[list(RIGHT_IRIS), 0] += 0.005
    return stack_frames(frames, 25.0)


@pytest.fixture(scope="module")
def portrait() -> FaceFrame:
    rng = np.random.default_rng(1)
    return make_face(turn(-15, 5, 8), (1.0, -1.0, -40.0), (640, 480), 0.2 * rng.normal(size=(468, 3)))


def test_a_motion_aligned_to_its_own_neutral_frame_is_itself(driving: FaceMotion) -> None:
    for rotation in ("driving", "relative"):
        options = dataclasses.replace(AlignOptions.published(), rotation=rotation)
        aligned = align(driving.frame(0), driving, options)
        assert aligned.points.dtype == np.float32 and aligned.size == (512, 512) and aligned.fps == 25.0
        np.testing.assert_allclose(aligned.points, screen_points(driving), atol=1e-3)


def test_published_is_what_the_defaults_were() -> None:
    published = AlignOptions.published()
    assert (published.rotation, published.translation, published.pupil_anchor) == ("driving", "driving", "box")
    defaults = AlignOptions()
    assert (defaults.rotation, defaults.translation, defaults.pupil_anchor) == ("relative", "steady", "corners")
    assert published == dataclasses.replace(defaults, rotation="driving", translation="driving", pupil_anchor="box")


@pytest.mark.parametrize(("anchor", "least", "most"), [("corners", 0.0, 0.005), ("box", 0.05, 0.15)])
def test_a_head_that_rolls_pushes_pupils_only_by_the_box(anchor: str, least: float, most: float) -> None:
    """rotation none, a driver who looks aside and rolls by 30 degrees: error in eye widths."""
    face = Person.of(3).act(Acting.rest(), (512, 512)).frame(0)
    aside = apply(face, Controls.of({"eyeLookOutRight": 0.8, "eyeLookInLeft": 0.8}))
    rolled = [apply(aside, Controls.of({"headRoll": degrees})) for degrees in (0.0, 15.0, 30.0)]
    options = AlignOptions(rotation="none", translation="none", pupil_anchor=anchor)
    points = align(face, stack_frames(rolled, 25.0), options).points
    width = np.linalg.norm(points[0, LEFT_EYE_UPPER[0]] - points[0, LEFT_EYE_UPPER[-1]])
    error = np.linalg.norm(points[2, list(PUPILS)] - points[0, list(PUPILS)], axis=-1).max() / width
    assert least <= error <= most


def smiling(frames: int, of: slice = slice(None), **also: float) -> Controls:
    """T frames of a smile, in some of them."""
    values = Controls.rest(frames).values
    values[of] = Controls.of({"mouthSmileLeft": 0.8, "mouthSmileRight": 0.8, "headYaw": 5.0, **also}).values
    return Controls(values)


@pytest.mark.parametrize("rotation", ["driving", "relative", "none"])
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("anchor", ["corners", "box"])
def test_a_constant_edit_on_a_smiling_portrait_shows_in_full(
    portrait: FaceFrame, driving: FaceMotion, rotation: str, smoothing: float, anchor: str
) -> None:
    """In every frame it does what it does to the face that alignment alone gives, whatever the strengths."""
    smiles = apply(portrait, Controls.of({"mouthSmileLeft": 0.5, "mouthSmileRight": 0.5}))
    options = AlignOptions(rotation=rotation, translation="driving", smoothing=smoothing, pupil_anchor=anchor)
    edit = smiling(1, eyeLookUpLeft=0.8)
    for strengths in ({}, {"mouth": 0.0, "whole": 0.3, "pupils": 0.0}):
        given = dataclasses.replace(options, **strengths)
        plain = align(smiles, driving, given)
        edited = align(smiles, dataclasses.replace(driving, edit=edit), given)
        moved = np.linalg.norm(edited.points - plain.points, axis=-1) / np.ptp(plain.points[..., 0], axis=1)[:, None]
        assert (moved[:, [61, 291]] > 0.03).all()  # corners of the mouth, in widths of the face
        assert (edited.points[:, PUPILS[0], 1] - plain.points[:, PUPILS[0], 1] < -0.5).all()  # left pupil: up
        assert edited.turn.shape == (4,) and edited.depth.shape == (4, 468)
    zero = align(smiles, dataclasses.replace(driving, edit=Controls.rest(4)), options)
    np.testing.assert_allclose(zero.points, align(smiles, driving, options).points, atol=1e-3)


def test_an_edit_of_one_frame_on_a_still_portrait_shows(portrait: FaceFrame) -> None:
    still = dataclasses.replace(stack_frames([portrait], 25.0), edit=smiling(1))
    one = align(portrait, still).points[0]
    assert one[61, 1] < screen_points(portrait)[61, 1] - 2 and one[291, 1] < screen_points(portrait)[291, 1] - 2
    moving = dataclasses.replace(stack_frames([portrait] * 9, 25.0), edit=smiling(9, of=slice(4, 5)))
    points = align(portrait, moving, AlignOptions(smoothing=0.3)).points
    np.testing.assert_allclose(points[4], one, atol=0.01)
    np.testing.assert_allclose(points[[0, 3, 5, 8]], points[[0] * 4], atol=1e-3)
    np.testing.assert_allclose(points[4], apply(portrait, smiling(1)).landmarks[:, :2] * portrait.size, atol=0.05)


def test_lids_that_an_edit_shuts_are_shut_whatever_the_driver_does(portrait: FaceFrame, driving: FaceMotion) -> None:
    edit = Controls.of({"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0})
    options = AlignOptions(eyes=1.5)
    points = align(portrait, dataclasses.replace(driving, edit=edit), options).points
    for upper, lower in EYES:
        gap = points[:, list(upper[1:-1])] - points[:, list(lower[1:-1])]
        width = np.linalg.norm(points[:, upper[0]] - points[:, upper[-1]], axis=-1).min()
        assert np.abs(gap).max() < 0.02 * width


def test_steady_damps_the_driver_and_not_the_edit(portrait: FaceFrame, driving: FaceMotion) -> None:
    """A head that an edit moves goes where it says, even out of the picture."""
    edit = Controls.of({"headX": 30.0})
    plain = align(portrait, driving).points
    moved = align(portrait, dataclasses.replace(driving, edit=edit)).points
    cm = portrait.size[1] / (2 * np.tan(np.radians(31.5))) / 40.0  # pixels, 40 cm away
    assert ((moved - plain)[..., 0] > 20 * cm).all() and moved[..., 0].max() > portrait.size[0]


def test_strength_zero_is_a_still(portrait: FaceFrame, driving: FaceMotion) -> None:
    options = AlignOptions(rotation="none", translation="none", whole=0.0)
    points = align(portrait, driving, options).points
    np.testing.assert_allclose(points, np.broadcast_to(screen_points(portrait), points.shape), atol=1e-3)


def test_one_frame_clip(portrait: FaceFrame, driving: FaceMotion) -> None:
    clip = stack_frames([driving.frame(2)], 25.0)
    options = AlignOptions(rotation="none", smoothing=1.0)  # its only frame is the first and the neutral one
    np.testing.assert_allclose(align(portrait, clip, options).points[0, :468], screen_points(portrait)[:468], atol=1e-3)


def test_regions_have_strengths_of_their_own(portrait: FaceFrame, driving: FaceMotion) -> None:
    still = {"rotation": "none", "translation": "none"}
    full, half, without = (
        align(portrait, driving, AlignOptions(mouth=mouth, **still)).points[2] for mouth in (1.0, 0.5, 0.0)
    )
    lips, own = list(INNER_LIPS), screen_points(portrait)
    assert (full - own)[lips, 1].min() > 5  # pixels downwards
    np.testing.assert_allclose(without[lips], own[lips], atol=0.1)
    np.testing.assert_allclose((half - own)[lips], (full - own)[lips] / 2, atol=0.5)
    only_mouth = align(portrait, driving, AlignOptions(brows=0.0, eyes=0.0, pupils=0.0, **still)).points[2]
    np.testing.assert_allclose(only_mouth[lips], full[lips], atol=1e-3)


def test_vertex_strengths_are_exact_in_regions_and_do_not_tear() -> None:
    strengths = vertex_strengths(AlignOptions(brows=0.0, eyes=2.0, mouth=3.0, whole=0.5))
    for region, expected in (("brows", 0.0), ("eyes", 1.0), ("mouth", 1.5)):
        np.testing.assert_allclose(strengths[list(REGIONS[region])], expected, atol=1e-3)
    assert strengths[10] == pytest.approx(0.5, abs=0.02)  # top of the forehead: `whole` alone
    vertices = CanonicalFace.default().vertices
    distances = np.linalg.norm(vertices[:, None] - vertices, axis=-1) + np.eye(468)
    assert (np.abs(strengths[:, None] - strengths) / distances).max() < 3  # per cm


@pytest.mark.parametrize("anchor", ["corners", "box"])
def test_pupils_keep_their_place_in_the_eye(portrait: FaceFrame, driving: FaceMotion, anchor: str) -> None:
    options = {"rotation": "none", "translation": "none", "pupil_anchor": anchor}
    ahead, *_, looking = align(portrait, driving, AlignOptions(**options)).points
    not_looking = align(portrait, driving, AlignOptions(pupils=0.0, **options)).points[3]
    right, left = PUPILS[1], PUPILS[0]
    assert looking[right, 0] - ahead[right, 0] > 0.5 and abs(looking[left, 0] - ahead[left, 0]) < 0.1
    np.testing.assert_allclose(not_looking[[right, left]], screen_points(portrait)[[right, left]], atol=0.5)
    far = align(portrait, driving, AlignOptions(pupils=3.0, whole=3.0, **options)).points[3]
    assert (far[right, 0] > looking[right, 0]) and np.isfinite(far).all()


@pytest.mark.parametrize("anchor", ["corners", "box"])
def test_a_shut_eye_keeps_the_pupil_near(portrait: FaceFrame, driving: FaceMotion, anchor: str) -> None:
    landmarks = driving.landmarks.copy()
    heights = landmarks[:, list(LEFT_EYE), 1].mean(axis=1, keepdims=True)
    for frame, openness in enumerate((1.0, 0.05, 1e-6, 0.0)):
        eye = landmarks[frame, list(LEFT_EYE), 1]
        landmarks[frame, list(LEFT_EYE), 1] = heights[frame] + openness * (eye - heights[frame])
    shut = dataclasses.replace(driving, landmarks=landmarks)
    points = align(portrait, shut, AlignOptions(rotation="none", translation="none", pupil_anchor=anchor)).points
    own = screen_points(portrait)
    assert np.isfinite(points).all()
    assert np.abs(points[:, PUPILS[0]] - own[PUPILS[0]]).max() <= np.ptp(own[list(LEFT_EYE)], axis=0).max()


def test_rotation_modes(portrait: FaceFrame, driving: FaceMotion) -> None:
    none, relative, theirs = (
        align(portrait, driving, AlignOptions(rotation=mode, translation="none")).points
        for mode in ("none", "relative", "driving")
    )
    np.testing.assert_allclose(relative[0], none[0], atol=0.1)  # the neutral frame turns nothing
    assert np.abs(theirs[0] - none[0]).max() > 5  # published: the portrait takes the driver's own rotation
    assert np.abs(relative[1] - none[1]).max() > 5


def test_an_explicit_neutral_frame(portrait: FaceFrame, driving: FaceMotion) -> None:
    still = {"rotation": "none", "translation": "none"}
    first, last = (align(portrait, driving, AlignOptions(neutral=n, **still)).points for n in (2, -2))
    np.testing.assert_array_equal(first, last)
    np.testing.assert_allclose(first[2, :468], screen_points(portrait)[:468], atol=1e-3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rotation": "sideways"}, "rotation is 'sideways'; allowed: driving, relative, none"),
        ({"translation": "relative"}, "translation is 'relative'; allowed: driving, none, steady"),
        ({"pupil_anchor": "lids"}, "pupil_anchor is 'lids'; allowed: corners, box"),
        ({"mouth": -0.1}, "mouth is -0.1; allowed: 0 to 3"),
        ({"whole": float("nan")}, "whole is nan; allowed: 0 to 3"),
        ({"smoothing": 1.5}, "smoothing is 1.5; allowed: 0 to 1"),
    ],
)
def test_refused_options(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        AlignOptions(**options)


def test_an_edit_of_other_frames_is_refused(portrait: FaceFrame, driving: FaceMotion) -> None:
    with pytest.raises(InputError, match="The motion has 4 frames, its edit 3. Retime one of them"):
        align(portrait, dataclasses.replace(driving, edit=Controls.rest(3)))


def test_refused_neutral_frames(portrait: FaceFrame, driving: FaceMotion) -> None:
    for index in (4, -5):
        with pytest.raises(InputError, match=f"Neutral frame {index} is not in the driving motion; it has 4 frames"):
            align(portrait, driving, AlignOptions(neutral=index))
