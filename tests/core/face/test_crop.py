"""Framing that can be undone: a crop knows where it was cut from (issue 14, section 2)."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from followemoji_core.drawn import Acting, Person, paint
from followemoji_core.face.cover import face_cover
from followemoji_core.face.crop import crop_box, cut_out, eye_tilt, frame_clip, frame_portrait, rescaled
from followemoji_core.face.geometry import face_frame, screen_points
from followemoji_core.face.paste import Paster
from followemoji_core.face.patch import PasteOptions, Patch
from followemoji_core.types import FaceFrame

FRAMINGS = ("face", "centred", "fill", "fit")


@pytest.fixture(scope="module")
def portrait() -> tuple[np.ndarray, FaceFrame]:
    person = Person.of(20_000_007)
    motion = person.act(Acting.rest(), (360, 280))
    return paint(person, motion)[0], motion.frame(0)


def turned(picture: np.ndarray, face: FaceFrame, degrees: float) -> tuple[np.ndarray, FaceFrame]:
    """Both turned about the middle of the picture, which keeps its size."""
    size = picture.shape[1::-1]
    matrix = cv2.getRotationMatrix2D((size[0] / 2, size[1] / 2), degrees, 1.0)
    points = screen_points(face) @ matrix[:, :2].T + matrix[:, 2]
    landmarks = np.column_stack([points / size, face.landmarks[:, 2]]).astype(np.float32)
    middles = matrix.copy()
    middles[:, 2] += matrix[:, :2] @ (0.5, 0.5) - 0.5
    return cv2.warpAffine(picture, middles, size, flags=cv2.INTER_CUBIC), face_frame(landmarks, face.blendshapes, size)


def placed(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    return points @ matrix[:, :2].T + matrix[:, 2]


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("upright", [False, True])
def test_the_crop_leads_back_to_the_picture(portrait, framing, upright):
    """Landmarks of the crop, through its matrix, are those of the picture; eyes are level where that is asked."""
    picture, face = turned(*portrait, 25)
    framed = frame_portrait(picture, face, (192, 256), framing, upright=upright)
    crop = framed.crop
    assert framed.picture.shape == (256, 192, 3) and crop.size == (192, 256) and crop.picture_size == (360, 280)
    back = placed(screen_points(framed.face), crop.picture_from_crop)
    assert np.abs(back - screen_points(face)).max() < 1e-3
    assert np.abs(np.degrees(eye_tilt(screen_points(framed.face))) - (0 if upright else -25)) < 1
    # The geometry is that of the turned view: the head no longer rolls.
    roll = np.degrees(np.arctan2(*framed.face.camera_from_face[:2, 0][::-1]))
    assert abs(roll - (0 if upright else 25)) < 4


@pytest.mark.parametrize("degrees", [0, 40, 180])
def test_an_upright_crop_looks_the_same_however_the_picture_lay(portrait, degrees):
    picture, face = portrait
    straight = frame_portrait(picture, face, (160, 160), "centred", 1.6, upright=True).picture.astype(float)
    other = frame_portrait(*turned(picture, face, degrees), (160, 160), "centred", 1.6, upright=True).picture
    middle = slice(40, 120)
    assert np.abs(other - straight)[middle, middle].mean() < 4


def test_a_centred_crop_reaches_beyond_the_picture_and_its_edge_goes_on(portrait):
    picture, face = portrait
    points = screen_points(face)
    left = int(points[:, 0].min()) - 2
    cut = replace(face, landmarks=face.landmarks * (360 / (360 - left), 1, 1) - (left / (360 - left), 0, 0))
    cut = face_frame(cut.landmarks.astype(np.float32), face.blendshapes, (360 - left, 280))
    framed = frame_portrait(picture[:, left:], cut, (128, 128), "centred")
    box = crop_box(cut, (128, 128), "centred")
    assert box[0] < 0 and box[1] + box[3] > 0
    own = screen_points(framed.face)
    assert abs((own[:, 0].min() + own[:, 0].max()) / 2 - 64) < 1
    assert np.abs(np.diff(framed.picture[:, :8].astype(int), axis=1)).max() <= 1 and framed.picture[:, 0].any()


def test_a_crop_of_a_clip_follows_the_face(portrait):
    """A face that walks through the picture keeps its place in the crop."""
    motion = Person.of(20_000_007).act(Acting.random(3, 40, from_rest=True), (400, 300))
    walk = np.linspace(-0.2, 0.2, 40)[:, None, None] * (1, 0, 0)
    motion = replace(motion, landmarks=(motion.landmarks + walk).astype(np.float32))
    placed_motion, crop = frame_clip(motion, (128, 128), upright=True)
    assert crop.frames == 40 and len(placed_motion) == 40
    middles = screen_points(placed_motion).mean(axis=1)
    assert np.ptp(middles[:, 0]) < 0.3 * np.ptp(screen_points(motion).mean(axis=1)[:, 0])
    for index in (0, 39):
        back = placed(screen_points(placed_motion)[index], crop.matrix(index))
        assert np.abs(back - screen_points(motion)[index]).max() < 0.01
    assert cut_out(np.zeros((300, 400, 3), np.uint8), crop, index=39).shape == (128, 128, 3)


def test_masks_of_a_crop_show_one_face_in_both_pictures(portrait):
    picture, face = portrait
    crop = frame_portrait(*turned(picture, face, 15), (256, 256), "centred", 3.0, upright=True).crop
    inner = face_cover(crop, 0.2, 16)
    whole = Paster([Patch(crop)], crop.picture_size, PasteOptions(feather=16, margin=0.2), 25.0).mask()
    assert inner.shape == (256, 256) and whole.shape == (280, 360)
    points = np.rint(placed(crop.points.astype(float), crop.picture_from_crop)).astype(int)
    assert whole[points[:, 1], points[:, 0]].min() > 0.5 and inner[0, 0] == inner[-1, -1] == whole[0, 0] == 0
    shrink = np.linalg.det(crop.picture_from_crop[:, :2])
    assert whole.sum() == pytest.approx(inner.sum() * shrink, rel=0.1)


def test_a_crop_of_a_picture_at_another_size(portrait):
    crop = frame_portrait(*portrait, (128, 128)).crop
    assert np.allclose(placed(crop.points, rescaled(crop, (720, 560)).picture_from_crop),
                       2 * placed(crop.points, crop.picture_from_crop))  # fmt: skip


@pytest.mark.parametrize("size", [(20_000, 10), (10, 20_000), (8000, 8000)])
@pytest.mark.parametrize("upright", [False, True])
def test_crops_of_pictures_of_unusual_size_are_bounded(portrait, size, upright):
    """A face at the very border, and larger than the picture: no more is made than is seen."""
    _, face = portrait
    points = screen_points(face) * 10 - 1000
    landmarks = np.column_stack([points / size, face.landmarks[:, 2]]).astype(np.float32)
    big = face_frame(landmarks, face.blendshapes, size)
    picture = np.full((size[1], size[0], 3), 70, np.uint8)
    for framing in FRAMINGS if min(size) < 100 else ("centred", "fit"):
        framed = frame_portrait(picture, big, (128, 128), framing, 6.0, upright)
        assert framed.picture.shape == (128, 128, 3), framing
        assert framed.picture.max() == 70 or framing == "fit", framing
