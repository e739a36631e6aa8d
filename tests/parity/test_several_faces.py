"""Small faces, several faces and what is none, with the real detector."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

from followemoji_core.drawn import Acting, Person, paint
from followemoji_core.errors import NoFaceError
from followemoji_core.face.closer import apart, look_closer, tiles
from followemoji_core.face.detector import FaceDetector
from followemoji_core.face.extraction import extract_face, extract_motion
from followemoji_core.face.geometry import ScreenFace, screen_points
from followemoji_core.face.plausible import flaw
from followemoji_core.media import Clip, read_frames
from tests.parity.conftest import require_reference


def column(face) -> float:
    return float(screen_points(face)[..., 0].mean())


# --- shape


def test_golden_portraits_have_the_shape_of_a_face(golden_portrait: Path) -> None:
    golden = np.load(golden_portrait)
    size = tuple(golden["size"].tolist()) if "size" in golden else golden["image"].shape[1::-1]
    assert flaw(ScreenFace(golden["lmks"], np.zeros(52, np.float32), size)) is None


def test_golden_clips_have_the_shape_of_a_face(golden_clip: Path) -> None:
    golden = np.load(golden_clip)
    size = tuple(golden["size"].tolist())
    assert {flaw(ScreenFace(face, np.zeros(52, np.float32), size)) for face in golden["lmks"]} == {None}


def test_drawn_people_as_detected_have_the_shape_of_a_face(detector: FaceDetector) -> None:
    for seed in range(12):
        person = Person.of(30_000_000 + seed)
        (picture,) = paint(person, person.act(Acting.random(seed, 1), (320, 320)))
        (face,) = apart(detector.find(picture))
        assert flaw(face) is None, f"person {seed}"


def test_nothing_is_found_in_noise(detector: FaceDetector) -> None:
    """Looking closer, at many tiles, does not make faces up."""
    random = np.random.default_rng(0)
    for grain in (1, 8, 32):
        noise = random.integers(0, 256, (512 // grain, 768 // grain, 3)).astype(np.uint8)
        with pytest.raises(NoFaceError, match="Crop closer"):
            extract_face(cv2.resize(noise, (768, 512), interpolation=cv2.INTER_CUBIC), detector)


# --- small


def crowd(sides: tuple[int, ...], seed: int) -> tuple[np.ndarray, list[float]]:
    """Drawn people of those sizes side by side in a picture of 3:1, and the columns of their faces."""
    picture = np.tile(np.linspace(90, 170, 1536).astype(np.uint8)[None, :, None], (512, 1, 3))
    columns, left = [], 20
    for number, side in enumerate(sides):
        person = Person.of(80_000_000 + 10 * seed + number)
        motion = person.act(Acting.rest(), (256, 256))
        top = 37 * number * 7 % (512 - side)
        drawn = cv2.resize(paint(person, motion)[0], (side, side), interpolation=cv2.INTER_AREA)
        picture[top : top + side, left : left + side] = drawn
        columns.append(left + side * float(motion.landmarks[0, :, 0].mean()))
        left += side + (1496 - sum(sides)) // len(sides)
    return picture, columns


@pytest.mark.parametrize("seed", range(4))
def test_small_people_in_a_wide_picture_are_all_found(detector: FaceDetector, seed: int) -> None:
    """Faces of a ninth to a twentieth of the width; at first sight nobody is seen."""
    picture, columns = crowd((220, 160, 130, 110, 100), seed)
    assert detector.find(picture) == []
    found = look_closer(detector.find, picture, tiles((1536, 512)), [])
    assert np.allclose(sorted(map(column, found)), columns, atol=8)
    said: list[str] = []
    for which, expected in (("largest", columns[0]), ("leftmost", columns[0]), ("rightmost", columns[-1])):
        assert column(extract_face(picture, detector, which, said.append)) == pytest.approx(expected, abs=8)
        assert said[-1].startswith(f"5 faces seen, the {which} taken: ")


def test_a_small_face_is_followed_as_it_walks(detector: FaceDetector) -> None:
    person = Person.of(80_000_010)
    drawn = paint(person, person.act(Acting.random(3, 40, from_rest=True), (256, 256)))
    frames = []
    for index, picture in enumerate(drawn):
        frames.append(np.full((512, 1536, 3), 140, np.uint8))
        small = cv2.resize(picture, (120, 120), interpolation=cv2.INTER_AREA)
        frames[-1][200:320, 100 + 8 * index : 220 + 8 * index] = small
    motion = extract_motion(iter(frames), 25.0, detector)
    assert motion.found.all()
    steps = np.diff(screen_points(motion)[..., 0].mean(axis=1))
    assert abs(steps.mean() - 8) < 1


# --- several


@pytest.mark.parametrize("pair", range(4))
def test_two_drawn_people_cross(detector: FaceDetector, pair: int) -> None:
    """The followed one goes behind the other; his track does not become hers."""
    count, side = 60, 220
    across = np.linspace(0, 640 - side, count).astype(int)
    films = []
    for number in (0, 1):
        person = Person.of(70_000_000 + 2 * pair + number)
        films.append(paint(person, person.act(Acting.random(pair + number, count), (side, side))))
    frames = []
    for behind, before, x in zip(*films, across, strict=True):
        frames.append(np.full((256, 640, 3), 200, np.uint8))
        frames[-1][18 : 18 + side, x : x + side] = behind
        frames[-1][18 : 18 + side, 640 - side - x : 640 - x] = before
    said: list[str] = []
    motion = extract_motion(iter(frames), 25.0, detector, "leftmost", say=said.append)
    places = screen_points(motion)[..., 0].mean(axis=1)
    hers = np.abs(places - (640 - side / 2 - across)) + 20 < np.abs(places - (across + side / 2))
    assert not (hers & motion.found).any()
    assert motion.found[:18].all() and not motion.found[26:34].any() and motion.found[-10:].all()
    assert said[0].startswith("2 faces seen, the leftmost taken") and said[1].startswith("It is missing in frames ")


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_two_clips_side_by_side_that_change_places(detector: FaceDetector, order: tuple[int, int]) -> None:
    """The face is followed to the other side, by its proportions."""
    files = sorted(require_reference().glob("media/*.mp4"))
    if len(files) < 2:
        pytest.skip("two clips are needed")
    films = [[cv2.resize(frame, (320, 320)) for frame in islice(read_frames(Clip(files[i])), 60)] for i in order]
    frames = [
        np.concatenate(pair if index < 30 else pair[::-1], axis=1)
        for index, pair in enumerate(zip(*films, strict=True))
    ]
    motion = extract_motion(iter(frames), 25.0, detector, "leftmost")
    places = screen_points(motion)[..., 0].mean(axis=1)
    assert motion.found[:30].all() and (places[:30] < 320).all()
    assert not (motion.found & (places < 320))[30:].any(), "the track became the other one's"
    assert motion.found[33:].all(), "and he is found again"
