"""Several faces of a picture: chosen by number, box and mask; each followed through a clip in one pass over it."""

from __future__ import annotations

import numpy as np
import pytest

from followemoji_core.drawn import Acting, Person
from followemoji_core.drawn.scenes import Scene
from followemoji_core.errors import InputError, NoFaceError
from followemoji_core.face.choice import by_size, pick
from followemoji_core.face.extraction import extract_face, extract_faces, extract_motion, extract_motions, number_of
from followemoji_core.face.geometry import ScreenFace, screen_points
from followemoji_core.face.motion import stack_frames

SIZE = (768, 512)
SCENE = Scene.of(11, 3, SIZE)
FACES = [motion.frame(0) for motion in SCENE.act([Acting.rest()] * 3)]  # by size
MIXED = [FACES[index] for index in (2, 0, 1)]  # as a detector may give them
BOXES = [(*points.min(axis=0), *np.ptp(points, axis=0)) for points in map(screen_points, FACES)]


def box(index: int, grown: float = 0.0) -> tuple[float, float, float, float]:
    x, y, width, height = map(float, BOXES[index])
    return x - grown, y - grown, width + 2 * grown, height + 2 * grown


def mask(*boxes, size=SIZE) -> np.ndarray:
    white = np.zeros(size[::-1], np.float32)
    for x, y, width, height in boxes:
        white[round(y) : round(y + height), round(x) : round(x + width)] = 1
    return white


def dot(index: int, size=SIZE) -> tuple[float, float, float, float]:
    """Three pixels in the middle of a face."""
    scale = size[0] / SIZE[0]
    x, y = (screen_points(FACES[index]).mean(axis=0) * scale).tolist()
    return x, y, 3, 3


def test_faces_have_numbers_by_size():
    assert [MIXED[index] for index in by_size(MIXED)] == FACES
    assert [MIXED[pick(MIXED, number)] for number in (1, 2, 3)] == FACES
    assert MIXED[pick(MIXED, "largest")] is FACES[0]
    same = [FACES[1], FACES[1]]
    assert by_size(same) == [0, 1]
    columns = [screen_points(face)[:, 0].mean() for face in FACES]
    assert MIXED[pick(MIXED, "leftmost")] is FACES[int(np.argmin(columns))]
    with pytest.raises(InputError, match=r"Face number 4 is not there: the picture \(768 x 512 pixels\) has 3 faces"):
        pick(MIXED, 4)
    with pytest.raises(InputError, match=r"allowed: 1 \(the largest\) and up"):
        pick(MIXED, 0)


@pytest.mark.parametrize("index", range(3))
def test_a_box_means_the_face_in_it(index):
    x, y, width, height = box(index)
    for given in (
        box(index),
        box(index, 40),
        (x + width / 3, y + height / 3, width / 3, height / 3),
        (x, y, width / 4, height / 4),  # a corner of it, without its middle
        (-50, -50, x + width / 2 + 60, y + height) if x < 100 else box(index, 10),
    ):
        assert MIXED[pick(MIXED, given)] is FACES[index]


def test_a_box_that_holds_all_faces_means_the_one_it_fits_best():
    assert MIXED[pick(MIXED, (0, 0, *map(float, SIZE)))] is FACES[0]


def test_a_box_beside_the_faces_says_where_they_are():
    with pytest.raises(InputError, match=r"holds no face: the picture .* has 3 faces: number 1 around \d+, \d+; num"):
        pick(MIXED, (1.0, 1.0, 5.0, 5.0))
    for wrong in ((0, 0, 0, 5), (0, 0, float("nan"), 5), (0, 0, 5)):
        with pytest.raises(InputError, match="expected x, y, width, height"):
            pick(MIXED, wrong)


@pytest.mark.parametrize("index", range(3))
def test_a_mask_means_the_face_that_it_touches(index):
    for size in (SIZE, (384, 256), (1536, 1024)):  # a mask of the picture in another size
        assert MIXED[pick(MIXED, mask(dot(index, size), size=size))] is FACES[index]
    assert MIXED[pick(MIXED, mask(box(index)))] is FACES[index]


def test_a_mask_that_touches_none_or_two_faces_says_so():
    with pytest.raises(InputError, match="mask touches no face: the picture .* has 3 faces: number 1 around"):
        pick(MIXED, mask((2, 2, 5, 5)))
    with pytest.raises(InputError, match=r"touches 2 of 3 faces: number 1 around \d+, \d+; number 3 around \d+, \d+\."):
        pick(MIXED, mask(dot(0), dot(2)))
    with pytest.raises(InputError, match="mask is empty"):
        pick(MIXED, mask())
    with pytest.raises(InputError, match="mask is of another picture: it has 512 x 512 pixels"):
        pick(MIXED, mask((2, 2, 5, 5), size=(512, 512)))


# --- clips, with a stand-in for the detector

COUNT = 24
MOTIONS = SCENE.act([Acting.random(60 + number, COUNT) for number in range(3)])


def frames(count: int = COUNT) -> list[np.ndarray]:
    """Pictures that bear their number."""
    return [np.full((*SIZE[::-1], 3), index, np.uint8) for index in range(count)]


class Finder:
    """Sees the faces of `motions` in the picture whose number it bears, but in tiles nothing; not those of `hidden`."""

    max_faces = 16

    def __init__(self, motions, hidden=()):
        self.motions, self.hidden, self.looks = motions, set(hidden), 0

    def find(self, image):
        if image.shape[1::-1] != SIZE:
            return []
        self.looks += 1
        index = int(image[0, 0, 0])
        shown = [motion for number, motion in enumerate(self.motions) if (number, index) not in self.hidden]
        return [
            ScreenFace(motion.landmarks[index], motion.blendshapes[index], SIZE)
            for motion in (shown if index % 2 else shown[::-1])
        ]


def test_every_face_of_a_clip_is_followed_in_one_pass():
    hidden = [(1, index) for index in (7, 8, 9)] + [(2, 23)]
    finder, said, seen = Finder(MOTIONS, hidden), [], []
    found = extract_motions(iter(frames()), 24.0, finder, on_frame=lambda *each: seen.append(each), say=said.append)
    assert finder.looks == COUNT and len(seen) == COUNT and len(found) == 3
    order = by_size([motion.frame(0) for motion in MOTIONS])
    for motion, number in zip(found, order, strict=True):
        there = [None if (number, index) in hidden else MOTIONS[number].frame(index) for index in range(COUNT)]
        expected = stack_frames(there, 24.0)
        for name in ("landmarks", "metric", "camera_from_face", "blendshapes", "found"):
            assert np.array_equal(getattr(motion, name), getattr(expected, name)), name
    assert "3 faces seen, the largest taken" in said[0] and "3 followed" in said[0]
    assert any(f"Face {order.index(1) + 1} is missing in frames 7-9 of 24" in text for text in said)


@pytest.mark.parametrize("number", (1, 2, 3))
def test_one_face_of_a_clip_by_number_box_and_mask(number):
    all_of_them = extract_motions(frames(), 24.0, Finder(MOTIONS))
    first = all_of_them[number - 1].frame(0)
    points = screen_points(first)
    around = (*points.min(axis=0).tolist(), *np.ptp(points, axis=0).tolist())
    x, y = points.mean(axis=0).tolist()
    for which in (number, around, mask((x, y, 3, 3))):
        alone = extract_motion(frames(), 24.0, Finder(MOTIONS), which)
        assert np.array_equal(alone.landmarks, all_of_them[number - 1].landmarks)
        assert number_of(all_of_them, which) == number - 1


def test_a_number_that_a_clip_has_not_is_told_at_once():
    for extract in (extract_motion, extract_motions):
        finder = Finder(MOTIONS)
        with pytest.raises(InputError, match=r"Face number 5 is not there: frame 0 \(768 x 512 pixels\) has 3 faces"):
            extract(iter(frames()), 24.0, finder, which=5)
        assert finder.looks == 1
    number = by_size([motion.frame(0) for motion in MOTIONS]).index(1) + 1
    with pytest.raises(NoFaceError, match=rf"Face {number} of 3: The face is not seen in frames 7-9 of 24"):
        hidden = [(1, index) for index in (7, 8, 9)]
        extract_motions(frames(), 24.0, Finder(MOTIONS, hidden), missing="error")
    with pytest.raises(NoFaceError, match="No face in any of the 24 frames"):
        extract_motions(frames(), 24.0, Finder([]))


def test_who_comes_later_is_not_followed_and_that_is_said():
    said: list[str] = []
    hidden = [(2, index) for index in range(5)]
    found = extract_motions(frames(), 24.0, Finder(MOTIONS, hidden), say=said.append)
    assert len(found) == 2 and any("Up to 3 faces are seen at once" in text for text in said)


def test_two_faces_that_pass_each_other_stay_apart():
    """Of each frame no face is given to both, and none to the wrong one."""
    wide, side, count = (768, 512), 240, 60
    xs = np.linspace(0, 500, count)
    people = []
    for seed, left in ((700, xs), (701, 500 - xs)):
        motion = Person.of(seed).act(Acting.random(seed, count), (256, 256))
        moved = motion.landmarks * np.array((side / wide[0], side / wide[1], side / wide[0]))
        moved[..., 0] += left[:, None] / wide[0]
        moved[..., 1] += 0.2
        people.append([ScreenFace(face.astype(np.float32), motion.blendshapes[0], wide) for face in moved])

    class Passing:
        max_faces = 16

        def find(self, image):
            if image.shape[1::-1] != wide:
                return []
            index = int(image[0, 0, 0])
            first, second = (person[index] for person in people)
            gap = abs(screen_points(first)[:, 0].mean() - screen_points(second)[:, 0].mean())
            return [second] if gap < 100 else [first, second]  # the second one goes in front

    found = extract_motions(frames(count), 25.0, Passing())
    assert len(found) == 2
    own = [sorted(people, key=lambda person: np.abs(person[0].landmarks - m.landmarks[0]).max())[0] for m in found]
    assert own[0] is not own[1]
    for motion, mine, others in zip(found, own, own[::-1], strict=True):
        for index in np.flatnonzero(motion.found):
            assert np.array_equal(motion.landmarks[index], mine[index].landmarks), index
            assert not np.array_equal(motion.landmarks[index], others[index].landmarks)
    assert found[0].found[:20].all() and found[1].found[:20].all() and min(m.found.mean() for m in found) > 0.6


# --- upside down


DRAWN = Person.of(1).act(Acting.rest(), (240, 240))


class Standing:
    """Sees an upright face where a part of the picture is light above and dark below; the other way round too, a
    distorted one, as the detector does."""

    max_faces = 16

    def find(self, image):
        height, width = image.shape[:2]
        top, low = image[: height // 2].mean(), image[height // 2 :].mean()
        if abs(top - low) < 60:
            return []
        wider = 0.6 if top < low else 1.0
        landmarks = DRAWN.landmarks[0] * (wider, 1, 1)
        return [ScreenFace(landmarks.astype(np.float32), DRAWN.blendshapes[0], (width, height))]


def test_a_face_that_is_found_upside_down_is_said_to_be():
    upright = np.full((240, 240, 3), 200, np.uint8)
    upright[120:] = 40
    said: list[str] = []
    assert len(extract_faces(upright, Standing(), said.append)) == 1 and said == []
    extract_face(upright[::-1], Standing(), say=said.append)
    assert said[0].startswith("1 face seen") and "seems to be upside down: turn the picture by 180" in said[1]


def test_a_picture_whose_only_face_is_upside_down_says_so():
    class Upright(Standing):
        def find(self, image):
            return super().find(image) if image[: len(image) // 2].mean() > image[len(image) // 2 :].mean() else []

    upright = np.full((240, 240, 3), 200, np.uint8)
    upright[120:] = 40
    assert extract_faces(upright, Upright())
    with pytest.raises(NoFaceError, match="it is upside down. Turn the picture"):
        extract_faces(upright[::-1], Upright())
