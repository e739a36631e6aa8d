"""Ablations: where they look, what they conclude, and a small one from its base to the report."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from followemoji_core.__main__ import main
from followemoji_core.commands.evaluation import ABLATIONS
from followemoji_core.drawn import Acting, Person
from followemoji_core.drawn.painting import head_outline
from followemoji_core.errors import InputError
from followemoji_core.evaluation.ablation_report import compare, write_report
from followemoji_core.evaluation.ablation_tables import (
    CONTOURS,
    DRIVERS,
    FLAT,
    TABLES,
    TRAININGS,
    Made,
    beard_and_glasses,
    beside_the_expression,
    inside_the_mouth,
    masked_error,
    outline_band,
)
from followemoji_core.evaluation.ablations import Found, ablate
from followemoji_core.evaluation.reenactment import HELD_OUT, case_of
from followemoji_core.face.geometry import screen_points
from followemoji_core.face.topology import FACE_CONTOUR
from followemoji_core.training.settings import load_settings
from tests.training_run import draw


def act(person: Person, driver: Person, away=(0.0, 0.0, 0.0)):
    acting = Acting.random(HELD_OUT, 8, from_rest=True).every(4)
    return case_of(person, driver, replace(acting, shares=acting.shares | {"jaw": np.ones(2)}), away=away)


def test_each_mask_is_where_its_part_acts():
    person = replace(Person.of(HELD_OUT + 1), beard=True, glasses=np.array((10.0, 10, 10)))
    case = act(person, Person.of(1))
    face, mouth, worn, band = (
        beside_the_expression(case, 0.06),
        inside_the_mouth(case),
        beard_and_glasses(case),
        outline_band(case),
    )
    assert not (face & mouth).any() and 0 < mouth.mean() < face.mean() < 0.4
    assert not beard_and_glasses(act(replace(person, beard=False, glasses=None), Person.of(1))).any()
    assert worn[:, :, 40:88].any() and not worn[:, :10].any() and 0 < band.mean() < 0.2
    # A mistake counts there and nowhere else; a mask of hardly anything counts for nobody.
    wrong = case.truth.copy()
    wrong[mouth] = 255 - wrong[mouth]
    assert masked_error(case, wrong, face) == 0 < masked_error(case, wrong, mouth)
    assert np.isnan(masked_error(case, wrong, np.zeros_like(mouth)))


def test_heads_unlike_the_mesh():
    """Landmarks are as before; the outline is not, and it is what is painted: skin inside, none outside."""
    plain = replace(Person.of(HELD_OUT), style="soft", hair="bald", glasses=None, earrings=None, collar="round")
    wide = replace(plain, jowls=(0.3, 0.2))
    cases = [act(person, plain) for person in (plain, wide)]
    contours = [screen_points(case.motion)[:, list(FACE_CONTOUR)] for case in cases]
    assert np.array_equal(*contours)
    like, unlike = (head_outline(case.person, case.motion) for case in cases)
    assert np.abs(like - contours[0]).max() < 1e-3 and np.abs(unlike - contours[0]).max() > 5
    new = np.abs(cases[0].truth.astype(int) - cases[1].truth).max(-1) > 10
    between = outline_band(cases[0]) | outline_band(cases[1])
    assert new.any() and (new & between).sum() > 0.3 * new.sum()
    assert all(Person.of(n).unlike_the_mesh(n).jowls != (0, 0) for n in range(3))
    moved = {name: place(unlike, np.random.default_rng(0)) for name, place in CONTOURS.items()}
    assert np.array_equal(moved.pop("contour, exact"), unlike)
    assert all(1 < np.abs(points - unlike).max() < 25 for points in moved.values())


def test_flat_landmarks_by_hand():
    """A driver like the portrait is aligned in every way; one who is farther away looks smaller, unless fitted."""
    person = Person.of(HELD_OUT)
    same = act(person, person)
    own = screen_points(same.motion)
    for points in (same.aligned.points, *(flat(same) for flat in FLAT.values())):
        assert np.abs(points[:, :468] - own[:, :468]).max() < 0.5
    far = act(person, person, away=(3.0, 0.0, -11.0))
    fitted, plain = (FLAT[name](far) for name in FLAT)
    assert np.ptp(plain[0, :, 1]) < 0.75 * np.ptp(own[0, :, 1])
    errors = [np.abs(points[0, :468] - own[0, :468]).mean() for points in (far.aligned.points, fitted, plain)]
    assert errors[0] < 0.01 < errors[1] < 0.3 * errors[2]
    shape = Person.of(3)
    exaggerated, mean = shape.exaggerated(4.0).shape, shape.exaggerated(0.0).shape
    assert np.allclose(exaggerated - mean, 4 * (shape.shape - mean))
    assert {tuple(map(bool, away)) for away, _ in (DRIVERS["elsewhere"](n) for n in range(2))} == {(True, True, False)}


def test_what_is_separated():
    """An interval that excludes equality, and every seed on its side."""
    rng = np.random.default_rng(0)
    reference = rng.uniform(5, 10, (2, 20))
    worse = compare(1.2 * reference, reference)
    assert worse.verdict == "worse" and worse.against == pytest.approx(1.2) and worse.seeds == pytest.approx((1.2, 1.2))
    assert compare(0.9 * reference, reference).verdict == "better"
    assert compare(reference + 0.2, reference, difference=True).verdict == "better"
    assert compare(reference, reference).verdict == ""
    chance = compare(reference * np.array([[1.4], [0.98]]), reference)
    assert chance.low > 1 and chance.verdict == "", "one seed says otherwise"
    unseen = reference.copy()
    unseen[0, 0] = np.nan
    assert compare(unseen, reference).seeds == (1, 1) and compare(np.full((2, 3), np.nan), np.ones((2, 3))) is None


def test_the_report_says_what_goes_against_the_paper(tmp_path):
    row = {name: {"outline": [10.0, 12.0, 11.0]} for name in (r.name for r in TABLES["contour"].rows)}
    better, worse = "contour, of the mesh", "contour, shifted"
    row[better], row[worse] = {"outline": [8.0, 9.0, 8.5]}, {"outline": [15.0, 18.0, 17.0]}
    found = Found({"contour": {name: [values, values] for name, values in row.items()}}, 0.4, {"training": 60.0})
    text = write_report(found, tmp_path, {"steps": 5})
    assert f"- Against the paper, better: {better} (outline)." in text
    assert f"- As the paper says, worse: {worse} (outline)." in text
    assert "| no contour | 11.00 |" in text and "steps 5" in text
    facts = json.loads((tmp_path / "ablations.json").read_text())
    assert facts["tables"]["contour"][worse]["outline"]["verdict"] == "worse"
    assert facts["core_minutes"] == {"training": 1}


def test_every_row_has_a_training():
    used = {name for table in TABLES.values() for name in table.trainings()}
    assert used == set(TRAININGS) and tuple(TABLES) == ABLATIONS


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    folder = draw(tmp_path_factory.mktemp("ablations"))
    (folder / "clips").rename(folder / "data")
    return folder


def test_two_rows_end_to_end(work, capsys):
    """A base, two trainings, a report; given again, nothing is done anew; more people are measured on what is there."""
    settings = load_settings(work / "stage1.toml", {"steps": 2})
    said: list[str] = []

    def go(people: int = 2, **more):
        options = {"base_steps": 2, "seeds": 1, "tables": ("pupils",), "clips": 12, "worst": 99.0} | more
        return ablate(settings, work, people=people, say=said.append, **options)

    found = go()
    checkpoints = {path: path.stat().st_mtime_ns for path in work.glob("runs/*/checkpoint-*.safetensors")}
    assert sorted(path.parent.name for path in checkpoints) == ["full-0", "no-pupils-0"]
    rows = found.rows["pupils"]
    assert all(len(values["gaze, horizontal"]) == 2 for seeds in rows.values() for values in seeds)
    assert found.seconds["training"] > 0 and any("no-pupils-0: trained" in line for line in said)
    assert repr(go()) == repr(found)
    assert len(go(people=3).rows["pupils"]["with pupils"][0]["gaze, vertical"]) == 3
    assert checkpoints == {path: path.stat().st_mtime_ns for path in checkpoints}
    with pytest.raises(InputError, match="at most 0.7 is allowed"):
        go(worst=0.7)
    (base,) = work.glob("base/checkpoint-*.safetensors")
    line = ["ablations", str(work / "stage1.toml"), f"--out={work}", f"--base={base}", "--clips=12", "--people=2"]
    assert main([*line, "--steps=3"]) == 1
    assert "steps was 2, is 3" in capsys.readouterr().err


def test_image_tokens_alone(work):
    """Without maps of the appearance net: a picture of the size, that depends on the tokens."""
    from followemoji_core.walk.studio import small_studio

    made = Made(small_studio(), load_settings(work / "stage1.toml"), 1, 128)
    case = act(Person.of(HELD_OUT), Person.of(1))
    pictures = made.by_tokens(case)
    assert pictures.shape == case.truth.shape and pictures.dtype == np.uint8
    with_maps = made.animate(case)
    assert masked_error(case, with_maps, np.ones(pictures.shape[:3], bool)) < masked_error(
        case, pictures, np.ones(pictures.shape[:3], bool)
    )
