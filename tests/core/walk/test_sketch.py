"""Where a warp of a portrait is not to be trusted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from followemoji_core.drawn import Acting, Animal, Person, paint, paint_animal
from followemoji_core.drawn.people import STYLES
from followemoji_core.face.align import AlignOptions, align
from followemoji_core.face.controls import Controls
from followemoji_core.face.geometry import screen_points
from followemoji_core.face.place import Placement, placed_face
from followemoji_core.face.warp_eyes import EYES, dark_eyes
from followemoji_core.walk.sketch import sketch_report


@pytest.mark.parametrize("portrait, edit, words", [(0, 0, []), (60, 0, ["turned by 6"]), (0, 20, ["1 of 2 frames"])])
def test_warp_of_turned_heads_is_told(portrait, edit, words):
    person, rest = Person.of(3), Acting.rest(2)
    face = person.act(replace(rest, turns=rest.turns + np.array([portrait, 0, 0])), (256, 256)).frame(0)
    still = person.act(rest, (256, 256))
    turned = align(face, replace(still, edit=Controls.of({"headYaw": np.array([0, edit])}, 2)), AlignOptions())
    report = sketch_report(paint(person, still)[0], face, turned)
    assert len(report) == len(words) and all(word in sentence for word, sentence in zip(words, report, strict=True))


def covered(picture: np.ndarray, points: np.ndarray, eyes: int, size: float, light: int) -> np.ndarray:
    """The first eyes behind discs of `size` eye widths, as of dark glasses, or all iris."""
    rows, columns = np.mgrid[: picture.shape[0], : picture.shape[1]]
    picture = picture.copy()
    for outline, *_ in EYES[:eyes]:
        (x, y), wide = points[list(outline)].mean(axis=0), np.ptp(points[list(outline), 0])
        picture[np.hypot(columns - x, rows - y) < size * wide] = light
    return picture


@pytest.mark.parametrize("style", STYLES)
def test_eyes_that_are_dark_or_covered_are_told(style):
    for number in range(20_000_000, 20_000_008):
        person = Person.of(number, style)
        rest = person.act(Acting.rest(2), (128, 128))
        picture, points = paint(person, rest)[0], screen_points(rest)[0]
        assert dark_eyes(picture, points) == 0
        # As dark as dark glasses were on photographs: a sixth of the skin.
        cheek = int(np.median(picture[tuple(np.rint(points[[50, 280]]).astype(int).T[::-1])]))
        for eyes in (1, 2):
            assert dark_eyes(covered(picture, points, eyes, 0.6, cheek // 6), points) == eyes
    aligned = align(rest.frame(0), rest, AlignOptions())
    assert sketch_report(picture, rest.frame(0), aligned) == []
    (told,) = sketch_report(covered(picture, points, 1, 0.6, 0), rest.frame(0), aligned)
    assert told.startswith("One eye of the portrait shows no white")


def test_eyes_of_animals_and_small_or_lost_ones_are_no_false_alarm():
    for number in range(6):
        animal = Animal.of(number)
        points = screen_points(placed_face(Placement((256, 256), animal.points(256))))
        assert dark_eyes(paint_animal(animal, 256), points) == 0
    assert dark_eyes(np.zeros((64, 64, 3), np.uint8), points / 100) == 0  # a face of three pixels
    assert dark_eyes(np.full((64, 64, 3), 90, np.uint8), points - 900) == 0  # outside of the picture
