"""Tiles, their way back into the picture, and each face once; with a stand-in that is as short-sighted as MediaPipe."""

from __future__ import annotations

import numpy as np
import pytest

from followemoji_core.drawn import Acting, Person
from followemoji_core.face.closer import apart, look_closer, square_around, tiles
from followemoji_core.face.extraction import EVERY, extract_face, extract_motion
from followemoji_core.face.geometry import ScreenFace, screen_points

FACE = Person.of(1).act(Acting.rest(), (512, 512))
SCORES = FACE.blendshapes[0]
SIZE = (1536, 512)


def small(x: float, y: float, side: float) -> ScreenFace:
    """A face in a square of that side, its middle at x, y, in a picture of 3:1."""
    flat = (FACE.landmarks[0] - (0.5, 0.5, 0)) * side
    landmarks = (flat + (x, y, 0)) / (SIZE[0], SIZE[1], SIZE[0])
    return ScreenFace(landmarks.astype(np.float32), SCORES, SIZE)


class ShortSighted:
    """Sees the faces of a picture whose pixels say where they were in the whole one; not those under a fifth of it."""

    max_faces = 4

    def __init__(self, *faces):
        self.faces = faces

    def corner(self, image):
        low, high, row = (int(value) for value in image[0, 0])
        return low + (high % 16 << 8), row + (high >> 4 << 8)

    def find(self, image):
        height, width = image.shape[:2]
        left, top = self.corner(image)
        found = []
        for face in self.faces:
            points = screen_points(face)
            if np.ptp(points, axis=0).max() < max(width, height) / 5:
                continue
            if (points < (left, top)).any() or (points > (left + width, top + height)).any():
                continue
            moved = (face.landmarks * (SIZE[0], SIZE[1], SIZE[0]) - (left, top, 0)) / (width, height, width)
            found.append(ScreenFace(moved.astype(np.float32), face.blendshapes, (width, height)))
        return found


def picture() -> np.ndarray:
    rows, columns = np.mgrid[: SIZE[1], : SIZE[0]]
    return np.stack([columns % 256, (columns >> 8) + (rows >> 8 << 4), rows % 256], axis=-1).astype(np.uint8)


@pytest.mark.parametrize("size", [(512, 512), (1536, 512), (300, 900), (641, 480), (97, 96), (50, 40)])
def test_tiles_cover_the_picture_and_overlap_by_half(size):
    boxes = tiles(size)
    for side in {box[2] for box in boxes}:
        covered = np.zeros(size[::-1], int)
        same = [box for box in boxes if box[2] == side]
        for left, top, width, height in same:
            assert width == height == side and 0 <= left <= size[0] - side and 0 <= top <= size[1] - side
            covered[top : top + side, left : left + side] += 1
        assert covered.min() >= 1
        for axis in (0, 1):
            starts = sorted({box[axis] for box in same})
            assert all(b - a <= side / 2 + 1 for a, b in zip(starts, starts[1:], strict=False))
    assert len(boxes) == {(512, 512): 9, (1536, 512): 38, (50, 40): 0}.get(size, len(boxes))


def test_small_faces_are_found_once_and_in_their_place():
    faces = [small(100, 250, 160), small(500, 130, 100), small(1450, 400, 90), small(900, 256, 120)]
    finder = ShortSighted(*faces)
    image = picture()
    assert finder.find(image) == []
    found = look_closer(finder.find, image, tiles(SIZE), [])
    assert len(found) == 4
    for face in faces:
        nearest = min(found, key=lambda other: np.abs(screen_points(other) - screen_points(face)).max())
        assert np.abs(screen_points(nearest) - screen_points(face)).max() < 0.01
        assert np.abs(nearest.landmarks[:, 2] - face.landmarks[:, 2]).max() < 1e-5 and nearest.size == SIZE
    assert len(look_closer(finder.find, image, tiles(SIZE), faces[:2])) == 4
    assert len(apart([*faces, faces[0]])) == 4


def test_a_face_that_is_not_found_again_from_nearer_is_none():
    class Flickering(ShortSighted):
        def find(self, image):
            return super().find(image) if len(image) == 256 else []

    finder = Flickering(small(640, 192, 100))
    box = (512, 64, 256, 256)
    assert finder.find(picture()[64:320, 512:768])
    assert look_closer(finder.find, picture(), [box], []) == []


@pytest.mark.parametrize("which, number", [("largest", 0), ("rightmost", 2), ("leftmost", 1)])
def test_rightmost_is_the_rightmost_of_all_and_it_is_said(which, number):
    faces = [small(700, 250, 500), small(100, 130, 100), small(1400, 400, 100)]
    said: list[str] = []
    face = extract_face(picture(), ShortSighted(*faces), which, said.append)
    assert np.abs(screen_points(face) - screen_points(faces[number])).max() < 0.01
    assert said[0].startswith(f"3 faces seen, the {which} taken: ")


class Walking(ShortSighted):
    """A small face that goes to the right; nothing is there before frame 5. Coarser pixels leave room for a number."""

    def corner(self, image):
        return int(image[0, 0, 0]) * 8, int(image[0, 0, 1]) * 8

    def find(self, image):
        index = int(image[0, 0, 2])
        if index < 5:
            return []
        walked = Walking(small(100 + 6 * index, 250, 100))
        return ShortSighted.find(walked, image)


def test_a_small_face_is_followed_through_a_clip():
    """It walks out of where it was first seen, and the square around it goes along."""
    rows, columns = np.mgrid[: SIZE[1], : SIZE[0]] // 8
    frames = (np.stack([columns, rows, 0 * rows + index], axis=-1).astype(np.uint8) for index in range(100))
    said: list[str] = []
    motion = extract_motion(frames, 25.0, Walking(), say=said.append)
    assert motion.found.tolist() == [index >= EVERY for index in range(100)]
    centres = screen_points(motion)[EVERY:, :, 0].mean(axis=1)
    expected = screen_points(small(0, 250, 100))[:, 0].mean() + 100 + 6 * np.arange(EVERY, 100)
    assert np.abs(centres - expected).max() < 8  # so coarsely the pixels tell their place
    assert "in frame 8; most faces at once: 1" in said[0] and said[1] == "It is missing in frames 0-7 of 100."


def test_a_small_face_that_jumps_is_found_again():
    class Jumping(Walking):
        def find(self, image):
            index = int(image[0, 0, 2])
            return ShortSighted.find(Walking(small(300 if index < 30 else 1200, 250, 100)), image)

        corner = Walking.corner

    rows, columns = np.mgrid[: SIZE[1], : SIZE[0]] // 8
    frames = (np.stack([columns, rows, 0 * rows + index], axis=-1).astype(np.uint8) for index in range(100))
    motion = extract_motion(frames, 25.0, Jumping())
    assert motion.found[:30].all() and not motion.found[30:54].any() and motion.found[75:].all()


def test_the_square_around_a_face_stays_in_the_picture():
    for face in (small(30, 30, 100), small(1500, 500, 100), small(700, 250, 500)):
        left, top, width, height = square_around(face)
        assert left >= 0 and top >= 0 and left + width <= SIZE[0] and top + height <= SIZE[1] and min(width, height) > 1
