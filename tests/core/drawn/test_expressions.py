"""Drawn people in the expression space: one definition of a smile (issue 10)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from followemoji_core.drawn import Acting, Person, paint
from followemoji_core.drawn.acting import SHARES
from followemoji_core.face.controls import SHAPES, Controls
from followemoji_core.face.expression import apply
from followemoji_core.face.geometry import solve_geometry
from followemoji_core.face.named_expressions import named_expressions, sequence
from followemoji_core.face.solving import solve

PERSON = Person.of(42)


def acted(**shares: float) -> Acting:
    rest = Acting.rest()
    return replace(rest, shares=rest.shares | {name: np.full(1, share) for name, share in shares.items()})


@pytest.mark.parametrize("seed", [3, 42, 20_000_007])
def test_a_drawn_person_takes_any_control_as_every_face_does(seed: int) -> None:
    person = Person.of(seed)
    values = Controls.rest(len(SHAPES)).values
    np.fill_diagonal(values, 0.8)
    motion = person.express(Controls(values, 30.0), (256, 256))
    assert len(motion) == len(SHAPES) and motion.fps == 30.0 and motion.found.all()
    metric, pose = solve_geometry(motion.landmarks, motion.size)
    np.testing.assert_allclose(metric, motion.metric, atol=0.01)
    np.testing.assert_allclose(pose, motion.camera_from_face, atol=0.01)
    calm = person.act(Acting.rest(), (256, 256)).frame(0)
    np.testing.assert_allclose(motion.landmarks, apply(calm, Controls(values)).landmarks, atol=1e-6)
    assert person.express(Controls.rest(), (256, 256)).landmarks.tolist() == calm.landmarks[None].tolist()


def test_named_expressions_are_drawn_apart() -> None:
    names = list(named_expressions())
    controls = sequence(", ".join(f"{name} 12" for name in names), cross_fade=0.1)
    frames = paint(PERSON, PERSON.express(Controls(controls.values[6::12]), (128, 128))).astype(int)
    calm = paint(PERSON, PERSON.express(Controls.rest(), (128, 128)))[0]
    assert len(frames) == len(names)
    for index, frame in enumerate(frames):
        apart = np.abs(frames - frame).mean(axis=(1, 2, 3))
        assert (np.delete(apart, index) > 0.05).all(), names[index]
        assert np.abs(frame - calm).mean() > 0.1, names[index]


@pytest.mark.parametrize("share", SHARES)
def test_a_motion_of_a_drawn_person_keeps_its_meaning_in_the_space(share: str) -> None:
    """The same parts move the same way, as far."""
    acting = acted(**{share: 1.0})
    calm = PERSON.act(Acting.rest()).frame(0).metric
    by_rig, by_space = PERSON.act(acting).metric[0] - calm, PERSON.express(acting.controls()).metric[0] - calm
    similarity = (by_rig * by_space).sum() / np.linalg.norm(by_rig) / np.linalg.norm(by_space)
    assert similarity > 0.6 and 0.5 < np.linalg.norm(by_space) / np.linalg.norm(by_rig) < 1.6


def test_head_gaze_and_place_keep_theirs() -> None:
    acting = Acting.random(5, 40)
    controls = acting.controls()
    assert len(controls) == 40 and controls.fps == acting.fps
    np.testing.assert_allclose(controls.turns, acting.turns, atol=1e-4)
    np.testing.assert_allclose(controls.places, acting.places, atol=1e-5)
    np.testing.assert_allclose(controls.gaze, acting.gazes, atol=1e-3)
    by_rig, by_space = PERSON.act(acting, (256, 256)), PERSON.express(controls, (256, 256))
    apart = np.linalg.norm((by_rig.landmarks - by_space.landmarks)[..., :2], axis=-1) * 256
    assert np.median(apart) < 4 and apart[:, [10, 168, 33, 263]].max() < 8  # pixels; forehead, nose and outer corners


def test_what_is_read_of_a_drawn_smile_is_the_smile() -> None:
    calm = PERSON.act(Acting.rest(), (512, 512)).frame(0)
    found = solve(PERSON.express(acted(smile=0.6).controls(), (512, 512)).frame(0), calm)
    assert found["mouthSmileLeft"][0] == pytest.approx(0.63, abs=0.05)
