"""Drawn groups: exact landmarks in the picture, nobody's face covered, the ground untouched."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from followemoji_core.drawn import Acting
from followemoji_core.drawn.scenes import Scene
from followemoji_core.errors import InputError
from followemoji_core.face.choice import by_size
from followemoji_core.face.geometry import screen_points, solve_geometry


def acted(scene: Scene, frames: int) -> list:
    return scene.act([Acting.random(40 + number, frames) for number in range(len(scene.people))])


def alone(scene: Scene, index: int) -> Scene:
    return replace(scene, people=scene.people[index : index + 1], stands=scene.stands[index : index + 1], order=(0,))


@pytest.mark.parametrize("people, size", [(3, (768, 512)), (12, (960, 540)), (2, (320, 480))])
def test_landmarks_of_a_group_are_those_of_each_person_in_the_picture(people, size):
    scene = Scene.of(5, people, size)
    for person, stand, motion in zip(scene.people, scene.stands, acted(scene, 3), strict=True):
        own = person.act(Acting.random(40 + scene.people.index(person), 3), (stand.side, stand.side))
        expected = screen_points(own) + (stand.left, stand.top)
        assert np.abs(screen_points(motion) - expected).max() < 1e-3 and motion.size == size
        metric, pose = solve_geometry(motion.landmarks, size)
        assert np.array_equal(metric, motion.metric) and np.array_equal(pose, motion.camera_from_face)
        again = stand.in_view(motion)
        assert np.abs(again.landmarks - own.landmarks).max() < 1e-5
        assert np.abs(again.camera_from_face - own.camera_from_face).max() < 0.03  # cm


def test_a_group_is_the_same_again_and_its_people_come_by_size():
    one, again, other = (Scene.of(seed, 3, (384, 256)) for seed in (7, 7, 8))
    rest = [Acting.rest()] * 3
    pictures = [scene.paint(scene.act(rest)) for scene in (one, again, other)]
    assert pictures[0].shape == (1, 256, 384, 3) and np.array_equal(pictures[0], pictures[1])
    assert np.abs(pictures[0].astype(int) - pictures[2]).mean() > 5
    assert by_size([motion.frame(0) for motion in one.act(rest)]) == [0, 1, 2]
    assert len({person.seed for person in one.people}) == 3 and len({person.light for person in one.people}) == 1


@pytest.mark.parametrize("people, size, seeds", [(3, (768, 512), 4), (12, (960, 540), 2), (5, (640, 640), 2)])
def test_no_face_of_a_group_covers_another(people, size, seeds):
    """What is inside of a face is as it is when its person stands there alone; faces are in the picture, whole."""
    for seed in range(seeds):
        scene = Scene.of(seed, people, size)
        motions = acted(scene, 1)
        together = scene.paint(motions)
        for index, motion in enumerate(motions):
            points = screen_points(motion)
            assert (points > 0).all() and (points < size).all()
            single = alone(scene, index).paint([motion])
            for frame, landmarks in enumerate(points):
                middle = landmarks.mean(axis=0)
                hull = cv2.convexHull((middle + 0.85 * (landmarks - middle)).astype(np.int32))
                inside = cv2.fillConvexPoly(np.zeros(size[::-1], np.uint8), hull, 1) > 0
                differs = (together[frame] != single[frame]).any(axis=-1) & inside
                assert differs.sum() < 0.003 * inside.sum(), f"seed {seed}: face {index} in frame {frame}"


def test_the_ground_of_a_group_stays_where_nobody_is():
    """Grain of a painted or stone person is the person's alone."""
    for style in ("painted", "stone", "soft"):
        scene = Scene.of(3, 2, (512, 320), style)
        first, second = scene.paint(acted(scene, 2))
        ground = scene.ground()
        assert (first[:40, :40] == ground[:40, :40]).all() and (first != ground).any(axis=-1).mean() > 0.2
        still = (first == ground).all(axis=-1) & (second == ground).all(axis=-1)
        assert still.mean() > 0.2


def test_a_group_that_cannot_be_drawn_is_refused():
    with pytest.raises(InputError, match="allowed: 1 to 48"):
        Scene.of(1, 0, (512, 512))
    with pytest.raises(InputError, match="12 people do not fit in a picture of 128 x 96 pixels"):
        Scene.of(1, 12, (128, 96))
    scene = Scene.of(1, 2, (512, 320))
    with pytest.raises(InputError, match="1 actings for a group of 2 people"):
        scene.act([Acting.rest()])
    short, long = acted(scene, 2)[0], acted(scene, 3)[1]
    with pytest.raises(InputError, match=r"\[2, 3\] frames"):
        scene.paint([short, long])
