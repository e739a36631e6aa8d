from __future__ import annotations

import numpy as np
import pytest

from followemoji_core.errors import InputError
from followemoji_core.face.draw import draw_landmarks, draw_motion, overlay
from followemoji_core.face.geometry import CanonicalFace, screen_points
from followemoji_core.face.masks import expression_mask, face_mask
from followemoji_core.face.topology import PUPIL_COLOUR, PUPILS
from followemoji_core.types import AlignedMotion
from tests.core.face.test_geometry import make_face

OUTSIDE = np.full((478, 2), -100.0)
RED = np.array(PUPIL_COLOUR)


def points_with(**places: tuple[float, float]) -> np.ndarray:
    """All landmarks far outside but for those named p<index>."""
    points = OUTSIDE.copy()
    for name, place in places.items():
        points[int(name[1:])] = place
    return points


def test_one_edge_and_one_pupil() -> None:
    image = draw_landmarks(points_with(p263=(10.9, 20.2), p249=(14.1, 20.8), p473=(40.0, 40.0)), (64, 64))
    lit = np.argwhere(image.any(axis=-1))
    assert image[20, 10:15].tolist() == [[180, 200, 10]] * 5  # row 20, from pixel 10 to pixel 14
    assert (image[37:43, 37:43] == RED).all() and len(lit) == 5 + 36


def test_an_edge_that_leaves_the_picture_is_left_out() -> None:
    assert not draw_landmarks(points_with(p263=(10, 20), p249=(64.1, 20)), (64, 64)).any()
    assert draw_landmarks(points_with(p263=(10, 20), p249=(64.0, 20)), (64, 64)).any()  # the border itself is inside


@pytest.mark.parametrize(
    ("place", "lit"),
    [((1, 1), 16), ((-2, 30), 6), ((63.5, 63.5), 16), ((-10, 30), 0), ((30, -4), 0), ((80, 80), 0), ((np.nan, 3), 0)],
)
def test_pupils_are_cut_at_the_border_and_never_wrap(place: tuple[float, float], lit: int) -> None:
    image = draw_landmarks(points_with(p468=place), (64, 64))
    rows, columns = np.nonzero(image.any(axis=-1))
    assert len(rows) == lit
    if lit:
        assert np.abs(rows - place[1]).max() <= 3.5 and np.abs(columns - place[0]).max() <= 3.5


def test_size_and_out_size() -> None:
    face = make_face(size=(640, 360))
    points = screen_points(face)
    assert draw_landmarks(points, (640, 360)).shape == (360, 640, 3)
    large = draw_landmarks(points, (640, 360), (1280, 720))
    np.testing.assert_array_equal(large, draw_landmarks(points * 2, (1280, 720)))
    x, y = (2 * points[PUPILS[0]]).astype(int)
    assert (large[y - 3 : y + 3, x - 3 : x + 3] == RED).all() and not (large[y, x + 3] == RED).all()


def test_draw_motion_and_overlay() -> None:
    points = screen_points(make_face()).astype(np.float32)
    aligned = AlignedMotion(np.stack([points, points + 5, points + 10]), (512, 512), 30.0)
    images = draw_motion(aligned, [2, 0], (256, 256))
    assert images.shape == (2, 256, 256, 3) and images.dtype == np.uint8
    np.testing.assert_array_equal(images[1], draw_landmarks(points, (512, 512), (256, 256)))
    assert draw_motion(aligned).shape == (3, 512, 512, 3) and draw_motion(aligned, []).shape == (0, 512, 512, 3)
    picture = np.full((512, 512, 3), 77, np.uint8)
    shown = overlay(picture, points)
    edges = draw_landmarks(points, (512, 512), pupil_halfwidth=1).any(axis=-1)  # overlays draw twice as wide
    near = draw_landmarks(points, (512, 512), line_width=5).any(axis=-1)
    assert (shown[~near] == 77).all() and (shown[edges] != 77).any(axis=-1).all() and (picture == 77).all()


def test_refused_drawings() -> None:
    with pytest.raises(InputError, match=r"shape \(468, 2\); expected \(478, 2\)"):
        draw_landmarks(np.zeros((468, 2)), (64, 64))
    with pytest.raises(InputError, match="0 x 64 pixels cannot be made"):
        draw_landmarks(OUTSIDE, (64, 64), (0, 64))


def test_masks_cover_what_they_say_at_every_resolution() -> None:
    points = screen_points(make_face())
    shares = []
    for side in (128, 512, 1024):
        around, face = (mask(points, (512, 512), (side, side)) for mask in (expression_mask, face_mask))
        for mask in (around, face):
            assert mask.shape == (side, side) and mask.dtype == np.float32 and set(np.unique(mask)) == {0, 1}
        drawn = draw_landmarks(points, (512, 512), (side, side), pupil_halfwidth=1).any(axis=-1)
        assert (around[drawn] == 1).all()
        nose, forehead = points[[1, 10]] * side / 512
        assert face[int(nose[1]), int(nose[0])] == 1 and face[int(forehead[1]), int(forehead[0])] == 0
        shares.append((around.mean(), face.mean()))
    np.testing.assert_allclose(shares[0], shares[1], rtol=0.25)  # a radius of 1.8 pixels is coarse
    np.testing.assert_allclose(shares[2], shares[1], rtol=0.05)
    assert shares[1][0] < shares[1][1]


def test_masks_of_a_face_outside_are_empty() -> None:
    points = screen_points(make_face()) + 1e9
    assert not expression_mask(points, (64, 48)).any() and not face_mask(points, (64, 48)).any()


def test_the_oval_is_as_wide_on_both_sides() -> None:
    """It ended one point short of the left temple: 5.7 % lopsided, on a face that is the same on both sides."""
    vertices = CanonicalFace.default().vertices[:, :2] * (64, -64) + (1024.5, 1024.5)
    points = np.concatenate([vertices, np.zeros((10, 2))])
    right, left = (face_mask(points, (2048, 2048))[:, half].sum() for half in (np.s_[:1024], np.s_[1025:]))
    assert left == pytest.approx(right, rel=0.01)
