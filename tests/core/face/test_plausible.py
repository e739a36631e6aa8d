"""What is refused as no face, and what must not be."""

from __future__ import annotations

import numpy as np
import pytest

from followemoji_core.drawn import Acting, Person
from followemoji_core.errors import NoFaceError
from followemoji_core.face.extraction import extract_face, extract_motion
from followemoji_core.face.geometry import ScreenFace
from followemoji_core.face.plausible import flaw

SCORES = np.zeros(52, np.float32)


def drawn(seed: int, size=(320, 256)) -> ScreenFace:
    motion = Person.of(seed).act(Acting.random(seed, 1), size)
    return ScreenFace(motion.landmarks[0], SCORES, size)


@pytest.mark.parametrize("value", [0.5, np.nan])
def test_points_in_one_place_or_nowhere(value):
    """An answer, not an error, which would end a whole clip for one bad detection."""
    points = np.full((478, 3), value, np.float32)
    assert "do not form a face" in flaw(ScreenFace(points, SCORES, (512, 512)))


def test_drawn_people_with_large_eyes_pass():
    assert [flaw(drawn(seed)) for seed in range(60)] == [None] * 60


def mirrored(landmarks, random):
    return landmarks * (-1, 1, 1) + (1, 0, 0)


def upside_down_but_not_turned(landmarks, random):
    return landmarks * (1, -1, 1) + (0, 1, 0)


def shuffled(landmarks, random):
    return landmarks[random.permutation(len(landmarks))]


def inside_out(landmarks, random):
    return landmarks * (1, 1, -1)


def collapsed(landmarks, random):
    return 0.5 + random.normal(0, 1e-3, landmarks.shape)


def flattened(landmarks, random):
    return (landmarks - 0.5) * (0.05, 1, 1) + 0.5


def half_of_it_at_one_point(landmarks, random):
    return np.where(np.arange(len(landmarks))[:, None] % 2, landmarks, landmarks[:1])


def an_eye_outside(landmarks, random):
    moved = landmarks.copy()
    moved[[33, 133]] += (-0.25, 0, 0)
    return moved


NONSENSE = (mirrored, upside_down_but_not_turned, shuffled, inside_out, collapsed, flattened)
NONSENSE += (half_of_it_at_one_point, an_eye_outside)


@pytest.mark.parametrize("spoil", NONSENSE)
def test_nonsense_is_refused(spoil):
    for seed in range(10):
        face = drawn(seed)
        bad = spoil(face.landmarks.astype(np.float64), np.random.default_rng(seed)).astype(np.float32)
        assert flaw(ScreenFace(bad, SCORES, face.size)), f"person {seed}"


def test_where_the_face_is_in_a_wide_picture_does_not_matter():
    """A camera of 63 degrees skews what is far to the side; the shape is that of the face in the middle."""
    face = drawn(3, (256, 256))
    moved = face.landmarks * (0.2, 0.6, 0.2) + (0.78, 0.1, 0)
    corner = ScreenFace(moved.astype(np.float32), SCORES, (768, 256))
    assert np.abs(corner.shape - face.shape).max() < 0.01


class Finder:
    """Finds the same faces in every picture, one of them twice, as MediaPipe may."""

    max_faces = 1

    def __init__(self, *faces):
        self.faces = list(faces)

    def find(self, image):
        return [*self.faces, *self.faces[:1]]


PICTURE = np.zeros((256, 320, 3), np.uint8)


def test_the_refusal_points_to_a_closer_crop():
    face = drawn(1)
    bad = ScreenFace(mirrored(face.landmarks, None).astype(np.float32), SCORES, face.size)
    for extract in (
        lambda: extract_face(PICTURE, Finder(bad)),
        lambda: extract_motion([PICTURE] * 3, 25.0, Finder(bad)),
    ):
        with pytest.raises(NoFaceError, match="not shaped like .*: it is .* cm from.*Crop closer") as caught:
            extract()
        assert "lower confidence finds nothing more" in str(caught.value)


def test_the_implausible_one_is_not_taken_and_that_is_said():
    face = drawn(1)
    nonsense = ScreenFace(face.landmarks[::-1].copy(), SCORES, face.size)
    said: list[str] = []
    assert np.array_equal(extract_face(PICTURE, Finder(nonsense, face), say=said.append).landmarks, face.landmarks)
    assert len(said) == 2 and said[0].startswith("1 face seen: ") and "cm from the shape of a face" in said[1]
    said.clear()
    motion = extract_motion([PICTURE] * 3, 25.0, Finder(nonsense, face), say=said.append)
    assert motion.found.all() and "not shaped like one in frames 0-2: left out" in said[-1]
