"""Several faces of one picture or clip, with the real detector: drawn groups whose faces are known exactly."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import pytest

from followemoji_core.drawn import Acting
from followemoji_core.drawn.scenes import Scene
from followemoji_core.errors import InputError, NoFaceError
from followemoji_core.face.choice import pick
from followemoji_core.face.detector import MANY, FaceDetector
from followemoji_core.face.extraction import extract_face, extract_faces, extract_motions, number_of
from followemoji_core.face.geometry import screen_points
from tests.parity.conftest import face_task


@pytest.fixture(scope="module")
def finder() -> Iterator[FaceDetector]:
    """Of many faces at once; skips where the detector's file or mediapipe is absent."""
    task = face_task()
    pytest.importorskip("mediapipe")
    with FaceDetector(task, max_faces=MANY) as found:
        yield found


def whose(face, true) -> tuple[int, float]:
    """Which of the true faces (n,478,2) it is, and how far from it, in sizes of that face."""
    points = screen_points(face)
    away = [np.abs(points - other).mean() / np.ptp(other, axis=0).max() for other in true]
    return int(np.argmin(away)), min(away)


def resting(scene: Scene) -> tuple[np.ndarray, list[np.ndarray]]:
    motions = scene.act([Acting.rest()] * len(scene.people))
    return scene.paint(motions)[0], [screen_points(motion)[0] for motion in motions]


def test_a_crowd_of_12_in_4k_is_found_whole(finder):
    """3840 x 2160; at first sight two or three of them are seen. One of these shows from very near alone."""
    picture, true = resting(Scene.of(20, 12, (3840, 2160)))
    assert len(finder.find(picture)) < 6
    said: list[str] = []
    found = extract_faces(picture, finder, said.append)
    matches = [whose(face, true) for face in found]
    assert sorted(number for number, _ in matches) == list(range(12)) and max(away for _, away in matches) < 0.03
    sizes = [np.ptp(screen_points(face), axis=0).max() for face in found]
    assert sizes == sorted(sizes, reverse=True) or np.diff(sizes).max() < 1
    assert said == []


def test_small_faces_of_a_crowd_far_away_are_found(finder):
    """A crowd that fills half of the width: faces of a twentieth of it."""
    small, true = resting(Scene.of(4, 12, (1536, 864)))
    picture = np.full((1728, 3072, 3), 150, np.uint8)
    picture[500 : 500 + 864, 900 : 900 + 1536] = small
    found = extract_faces(picture, finder)
    matches = [whose(face, [points + (900, 500) for points in true]) for face in found]
    assert sorted(number for number, _ in matches) == list(range(12)) and max(away for _, away in matches) < 0.04


def test_faces_of_a_group_by_number_box_and_mask(finder):
    picture, true = resting(Scene.of(2, 3, (768, 512)))
    found = extract_faces(picture, finder)
    numbers = [whose(found[pick(found, number)], true)[0] for number in (1, 2, 3)]
    assert sorted(numbers) == [0, 1, 2] and whose(extract_face(picture, finder, 3), true)[0] == numbers[2]
    for number, points in enumerate(true):
        x, y = points.mean(axis=0).tolist()
        box = (*points.min(axis=0).tolist(), *np.ptp(points, axis=0).tolist())
        mask = np.zeros((512, 768), np.float32)
        mask[round(y) - 4 : round(y) + 4, round(x) - 4 : round(x) + 4] = 1
        assert whose(found[pick(found, box)], true)[0] == number
        assert whose(found[pick(found, mask)], true)[0] == number
    with pytest.raises(InputError, match=r"Face number 4 is not there: the picture \(768 x 512 pixels\) has 3 faces"):
        extract_face(picture, finder, 4)


def test_two_faces_of_a_clip_are_followed_at_once_and_stay_apart(finder):
    scene = Scene.of(21, 2, (640, 416))
    motions = scene.act([Acting.random(80 + number, 40) for number in range(2)])
    looks = []

    class Counted:
        max_faces = finder.max_faces

        def find(self, image):
            looks.append(image.shape)
            return finder.find(image)

    said: list[str] = []
    found = extract_motions(scene.frames(motions), 25.0, Counted(), say=said.append)
    assert len(found) == 2 and [len(motion) for motion in found] == [40, 40]
    assert sum(shape == (416, 640, 3) for shape in looks) == 40 and len(looks) < 40 + 30  # and tiles of the first
    true = [screen_points(motion) for motion in motions]
    for motion in found:
        seen = [
            whose(motion.frame(index), [points[index] for points in true]) for index in np.flatnonzero(motion.found)
        ]
        assert len({number for number, _ in seen}) == 1 and max(away for _, away in seen) < 0.06
        assert motion.found.mean() > 0.9
    assert {whose(motion.frame(0), [points[0] for points in true])[0] for motion in found} == {0, 1}
    assert "2 followed" in said[0] and number_of(found, 2) == 1


def test_an_upside_down_face_of_a_group_is_told(finder):
    """The detector lays an upright face on it, or finds none."""
    picture, _ = resting(Scene.of(2, 1, (384, 384)))
    said: list[str] = []
    extract_face(picture, finder, say=said.append)
    assert len(said) == 1
    turned = np.ascontiguousarray(picture[::-1, ::-1])
    try:
        extract_face(turned, finder, say=said.append)
        assert "seems to be upside down" in said[-1]
    except NoFaceError as error:
        assert "upside down" in str(error)


@pytest.mark.parametrize("size", [(20_000, 10), (8_000, 8_000)])
def test_huge_pictures_of_a_group_are_bounded(finder, size):
    """Looked at a bounded number of times; a face in them is found."""
    looks = 0

    class Counted:
        max_faces = finder.max_faces

        def find(self, image):
            nonlocal looks
            looks += 1
            return finder.find(image)

    picture = np.full((size[1], size[0], 3), 120, np.uint8)
    if size[1] > 10:
        drawn, true = resting(Scene.of(2, 1, (512, 512)))
        picture[3000 : 3000 + 1024, 4000 : 4000 + 1024] = cv2.resize(drawn, (1024, 1024))
        (face,) = extract_faces(picture, Counted())
        assert whose(face, [points * 2 + (4000, 3000) for points in true])[1] < 0.03
    else:
        with pytest.raises(NoFaceError, match="20000 x 10 pixels"):
            extract_faces(picture, Counted())
    assert looks < 420
