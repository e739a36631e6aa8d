"""What alignment_report says, and that it is silent where all is well."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from followemoji_core.drawn import Acting, Person
from followemoji_core.face.align import AlignOptions, align
from followemoji_core.face.controls import Controls
from followemoji_core.face.report import RESTLESS, alignment_report
from followemoji_core.face.topology import BLENDSHAPE_NAMES
from followemoji_core.types import FaceFrame, FaceMotion


def act(turns=(0, 0, 0), places=(0, 0, 0), frames: int = 50) -> FaceMotion:
    share = np.linspace(0, 1, frames)[:, None]
    acting = dataclasses.replace(Acting.rest(frames), turns=share * turns, places=share * places)
    return Person.of(3).act(acting, (256, 256))


@pytest.fixture(scope="module")
def portrait() -> FaceFrame:
    return Person.of(4).act(Acting.rest(), (256, 256)).frame(0)


def report(portrait: FaceFrame, driving: FaceMotion, options: AlignOptions | None = None) -> str:
    return "\n".join(alignment_report(portrait, driving, align(portrait, driving, options), options))


def test_silent_where_all_is_well(portrait: FaceFrame) -> None:
    assert report(portrait, act((10, 0, 0), (1, 0, -2))) == ""


def test_landmarks_that_leave_the_picture(portrait: FaceFrame) -> None:
    walk = act(places=(20, 0, 0))
    assert report(portrait, walk) == ""
    said = report(portrait, walk, AlignOptions.published())
    outside = (align(portrait, walk, AlignOptions.published()).points > 256.5).any(axis=(1, 2))
    assert f"Landmarks leave the picture in {100 * outside.mean():.0f} % of the frames, most in frame 49:" in said
    assert "choose translation steady" in said and 0.2 < outside.mean() < 0.9
    cut = Person.of(4).act(dataclasses.replace(Acting.rest(), places=np.array([(0, -6, 0)])), (256, 256)).frame(0)
    assert report(cut, walk) == "The picture cuts the portrait's own face: frame it with more room."


def test_a_head_turned_from_what_the_portrait_shows(portrait: FaceFrame) -> None:
    aside = Person.of(4).act(dataclasses.replace(Acting.rest(), turns=np.array([(30, 0, 0)])), (256, 256)).frame(0)
    assert report(aside, act((10, 0, 0))) == ""
    said = report(aside, act((10, 0, 0)), AlignOptions(rotation="driving"))
    assert "turned over 12 degrees from what the portrait shows in 100 % of the frames" in said
    assert "choose rotation relative" in said
    said = report(portrait, act((24, 0, 0)))
    assert "50 % of the frames, most in frame 49 (24 degrees): choose rotation none" in said
    assert report(portrait, act((15, 0, 0))) == ""  # over 12 degrees in a fifth of the frames


def test_a_driver_who_is_not_at_rest(portrait: FaceFrame) -> None:
    driving = act()
    driving.blendshapes[:, 1:9] = 0.5
    driving.blendshapes[:, BLENDSHAPE_NAMES.index("jawOpen")] = 0.9
    driving.blendshapes[7, 1:9] = 0.49
    said = report(portrait, driving)
    assert "not at rest in neutral frame 7:" in said and f"at rest up to {RESTLESS:g}: jawOpen 0.90" in said
    driving.blendshapes[7] = 0.05
    assert report(portrait, driving) == ""
    assert "not at rest in neutral frame 48:" in report(portrait, driving, AlignOptions(neutral=-2))


def test_a_driving_motion_of_one_frame(portrait: FaceFrame) -> None:
    said = report(portrait, act(frames=1))
    assert said == "The driving motion has one frame: a still. Perhaps portrait and driving are swapped."


def test_a_still_that_carries_an_edit_is_meant_to_be_one(portrait: FaceFrame) -> None:
    """A smiling portrait with an edit: neither one frame nor its own smile is amiss."""
    still = act(frames=1)
    still.blendshapes[:, 1:9] = 0.9
    assert "not at rest" in report(portrait, still)
    assert report(portrait, dataclasses.replace(still, edit=Controls.of({"jawOpen": 0.5}))) == ""
