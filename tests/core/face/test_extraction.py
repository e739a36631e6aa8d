"""Clips in threads: order, bounds, errors and leaving, with stand-ins for the detector."""

from __future__ import annotations

import threading
import time
from contextlib import closing

import numpy as np
import pytest

from followemoji_core.drawn import Acting, Person
from followemoji_core.errors import InputError, NoFaceError
from followemoji_core.face import extraction
from followemoji_core.face.extraction import extract_face, extract_motion, in_order
from followemoji_core.face.geometry import ScreenFace
from followemoji_core.face.motion import stack_frames


@pytest.fixture(autouse=True)
def four_threads(monkeypatch):
    """As many on every machine, and none of them left behind."""
    monkeypatch.setattr(extraction, "THREADS", 4)
    before = threading.active_count()
    yield
    assert threading.active_count() == before


def pictures(count, side=4):
    return [np.full((side, side, 3), index, np.uint8) for index in range(count)]


def uneven(image):
    """The later of two neighbours is done first."""
    time.sleep(0.004 if image[0, 0, 0] % 2 == 0 else 0.001)
    return int(image[0, 0, 0])


def test_results_come_in_order_from_several_threads():
    threads = set()

    def look(image):
        threads.add(threading.get_ident())
        return uneven(image)

    assert list(in_order(look, iter(pictures(50)))) == list(range(50))
    assert len(threads) > 1 and threading.get_ident() not in threads
    assert list(in_order(look, [])) == []


@pytest.mark.parametrize("largest, ahead", [(1 << 30, 12), (5 * 48, 5), (1, 1)])
def test_few_pictures_are_read_ahead(monkeypatch, largest, ahead):
    """12 = 3 for each of 4 threads; or as many pictures of 48 bytes as may be held; one always."""
    monkeypatch.setattr(extraction, "LARGEST", largest)
    read = 0

    def reading():
        nonlocal read
        for image in pictures(40):
            read += 1
            yield image

    most = 0
    with closing(in_order(uneven, reading())) as results:
        for taken, _ in enumerate(results):
            most = max(most, read - taken)
            time.sleep(0.001)
    assert 1 <= most <= ahead and read == 40


class Cancelled(BaseException):
    """What ComfyUI raises is no Exception."""


def test_errors_come_out_and_nothing_goes_on():
    looked = []

    def look(image):
        looked.append(uneven(image))
        if looked[-1] == 7:
            raise InputError("picture 7")

    with pytest.raises(InputError, match="picture 7"):
        list(in_order(look, iter(pictures(100))))
    assert len(looked) < 7 + 2 * 12

    def reading():
        yield from pictures(5)
        raise Cancelled

    with pytest.raises(Cancelled):
        list(in_order(uneven, reading()))


# --- a clip

MOTION = Person.of(1).act(Acting.rest(9), (320, 256))


class Finder:
    """Sees the drawn face whose number the picture bears, and a smaller one beside it; nobody in number 4."""

    max_faces = 4

    def find(self, image):
        index = uneven(image)
        if index == 4:
            return []
        beside = (MOTION.landmarks[index] - 0.5) * 0.3 + (0.1, 0.1, 0)
        faces = [beside.astype(np.float32), MOTION.landmarks[index]]
        return [ScreenFace(face, MOTION.blendshapes[index], MOTION.size) for face in faces]


def test_a_clip_is_followed_in_order():
    seen = []
    motion = extract_motion(iter(pictures(9)), 24.0, Finder(), on_frame=lambda *frame: seen.append(frame))
    expected = stack_frames([None if index == 4 else MOTION.frame(index) for index in range(9)], 24.0)
    assert np.array_equal(motion.landmarks, expected.landmarks) and motion.found.tolist() == expected.found.tolist()
    faces = [Finder().find(image) for image in pictures(9)]
    expected = stack_frames([found[1].solved() if found else None for found in faces], 24.0)
    for name in ("landmarks", "metric", "camera_from_face", "blendshapes", "found"):
        assert np.array_equal(getattr(motion, name), getattr(expected, name)), name
    assert seen == [(index, index != 4) for index in range(9)]


def test_a_clip_can_be_left_and_refused():
    def leave(index, found):
        raise Cancelled

    read = iter(pictures(100))
    with pytest.raises(Cancelled):
        extract_motion(read, 24.0, Finder(), on_frame=leave)
    assert len(list(read)) > 80
    with pytest.raises(InputError, match="no frames"):
        extract_motion([], 24.0, Finder())
    with pytest.raises(NoFaceError, match="frame 4 of 9"):
        extract_motion(pictures(9), 24.0, Finder(), missing="error")


def test_a_portrait():
    assert np.array_equal(extract_face(pictures(3)[2], Finder()).landmarks, MOTION.landmarks[2])
    with pytest.raises(NoFaceError, match="4 x 4 pixels"):
        extract_face(pictures(5)[4], Finder())
