"""Warp: a portrait and 478 points to a picture, without a network (issue 10, section 4)."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from followemoji_core.commands import main
from followemoji_core.drawn import Acting, Person, paint
from followemoji_core.drawn.acting import SHARES
from followemoji_core.errors import InputError
from followemoji_core.face.align import AlignOptions, align
from followemoji_core.face.geometry import screen_points
from followemoji_core.face.motion_file import save_motion
from followemoji_core.face.topology import INNER_LIP_LOWER, INNER_LIP_UPPER, LEFT_EYE, RIGHT_EYE, RIGHT_IRIS
from followemoji_core.face.warp import LARGEST_TURN, WarpPortrait, beyond_sketch, mesh_depth, warp_motion
from followemoji_core.face.warp_mesh import OVAL
from followemoji_core.media import Clip, clip_info, read_frames, write_video
from followemoji_core.types import AlignedMotion
from tests.core.face.test_geometry import turn
from tests.detector import detector_file

SIZE = (256, 256)
LOWER_FACE = (2, 58, 288, 152)
ROOT = Path(__file__).resolve().parents[3]


def acted(person: Person, turns: tuple[float, float, float] = (0, 0, 0), size: tuple[int, int] = SIZE, **shares: float):
    """One frame of the person with these shares of expressions."""
    rest = Acting.rest()
    given = {name: np.full(1, shares.get(name, 0.0)) for name in SHARES}
    return person.act(replace(rest, shares=given, turns=np.array([turns], float)), size)


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / max(np.square(a.astype(float) - b).mean(), 1e-9)))


def around(points: np.ndarray, parts: tuple[int, ...], margin: int = 4) -> tuple[slice, slice]:
    low, high = (
        points[list(parts)].min(axis=0).astype(int) - margin,
        points[list(parts)].max(axis=0).astype(int) + margin,
    )
    return slice(low[1], high[1]), slice(low[0], high[0])


@pytest.fixture(scope="module", params=[3, 20_000_021])
def person(request) -> Person:
    return Person.of(request.param)


@pytest.fixture(scope="module")
def portrait(person: Person) -> tuple[np.ndarray, np.ndarray, WarpPortrait]:
    """Picture, points, and both ready."""
    rest = acted(person)
    picture, points = paint(person, rest)[0], screen_points(rest)[0]
    return picture, points, WarpPortrait(picture, points)


def test_its_own_points_give_the_portrait_back(portrait):
    """Exactly but at the rim of the eyes, where two layers meet."""
    picture, points, warped = portrait
    off = np.abs(warped.render(points).astype(int) - picture).max(axis=-1)
    assert off.max() <= 6
    for eye in (LEFT_EYE, RIGHT_EYE):
        off[around(points, eye)] = 0
    assert off.max() == 0 and warped.folds(points) < 1e-4


@pytest.mark.parametrize(
    ("shares", "part", "better"),
    [
        (dict(smile=0.8), LOWER_FACE, 2.0),
        (dict(jaw=1.0), LOWER_FACE, 0.4),
        (dict(blink_left=1.0, blink_right=1.0), LEFT_EYE, 2.0),
        (dict(blink_left=0.5), LEFT_EYE, 2.0),
    ],
)
def test_an_expression_looks_as_the_person_does(person, portrait, shares, part, better):
    """Where it happens, by so many dB nearer to the truth than the portrait as it is; without a fold."""
    picture, _, warped = portrait
    motion = acted(person, **shares)
    points, truth = screen_points(motion)[0], paint(person, motion)[0]
    box = around(points, part, 8)
    made = warped.render(points, mesh_depth(motion)[0])
    assert psnr(made[box], truth[box]) > psnr(picture[box], truth[box]) + better
    assert warped.folds(points) < 0.01


def test_a_shut_lid_hides_the_eye(person, portrait):
    """Nothing is left as bright as the white was, and there is a line of lashes."""
    _, own, warped = portrait
    points = screen_points(acted(person, blink_left=1.0))[0]
    box = around(points, LEFT_EYE, 0)
    open_, shut = (picture[box].min(axis=-1) for picture in (warped.picture, warped.render(points)))
    white = np.percentile(open_, 90)
    assert (open_ > 0.9 * white).mean() > 0.1 and (shut > 0.9 * white).mean() < 0.02
    assert shut.min() < 0.7 * np.median(shut)


def test_gaze_moves_the_iris_and_nothing_else(portrait):
    picture, points, warped = portrait
    looking = points.copy()
    looking[list(RIGHT_IRIS), 0] += 4
    off = np.abs(warped.render(looking).astype(int) - warped.render(points)).max(axis=-1)
    box = around(points, RIGHT_EYE, 5)
    assert off[box].max() > 60
    off[box] = 0
    assert off.max() == 0


def test_background_is_quiet(portrait):
    """A wobble of the rim, and a head that moves, leave what is farther than the head alone."""
    picture, points, _ = portrait
    picture = cv2.copyMakeBorder(picture, 128, 128, 128, 128, cv2.BORDER_REFLECT)
    points = points + 128
    warped = WarpPortrait(picture, points)
    noisy = points.copy()
    noisy[list(OVAL)] += np.random.default_rng(0).normal(0, 0.4, (len(OVAL), 2))
    rim = points[list(OVAL)]
    y, x = np.mgrid[: picture.shape[0], : picture.shape[1]]
    away = np.hypot(x - rim[:, 0].mean(), y - rim[:, 1].mean()) / np.ptp(rim, axis=0).max()
    for target in (noisy, points + (12, -5)):
        off = np.abs(warped.render(target).astype(int) - picture).max(axis=-1)
        assert off[away > 0.95].max() == 0 and off[away < 0.4].max() > 20
    assert off[(away > 0.6) & (away < 0.8)].mean() < off[away < 0.4].mean()


def test_the_edge_of_the_picture_stays(portrait):
    """Nothing from outside is dragged in, however near the face is."""
    picture, points, warped = portrait
    edge = np.ones(picture.shape[:2], bool)
    edge[1:-1, 1:-1] = False
    assert np.array_equal(warped.render(points + (6, -4))[edge], picture[edge])


def test_a_closed_mouth_opens_on_a_dark_cavity(portrait):
    """With teeth toned from the skin; without them where the upper lip is thin."""
    picture, points, warped = portrait
    open_ = points.copy()
    below = points[:, 1] > (points[78, 1] + points[308, 1]) / 2
    below[[*INNER_LIP_LOWER[1:-1]]], below[[*INNER_LIP_UPPER]] = True, False
    open_[below, 1] += 16
    middle = points[13, 0].astype(int)
    column = slice(int(open_[13, 1]) + 2, int(open_[14, 1]) - 1), slice(middle - 6, middle + 7)
    skin = picture[points[[50, 280, 151]].astype(int)[:, 1], points[[50, 280, 151]].astype(int)[:, 0]].mean()
    down = warped.render(open_)[column].mean(axis=(1, 2))  # through the middle of the mouth, from lip to lip
    teeth, throat = down[: len(down) // 2].max(), down[len(down) // 2 :].min()
    assert warped.mouth.teeth and 0.6 * skin < teeth < 1.15 * skin and throat < 0.4 * skin
    thin = points.copy()
    thin[[37, 0, 267]] += 0.6 * (points[13] - points[0])
    without = WarpPortrait(picture, thin)
    assert not without.mouth.teeth and without.render(open_)[column].mean(axis=(1, 2))[2:-2].max() < 0.5 * skin


def test_teeth_that_the_portrait_shows_stay_in_its_skull():
    """A toothy smile opens wide and moves across the picture: its teeth come along, as large as they were, and below
    them it is dark; of a mouth that is dark inside nothing is taken for teeth."""
    person = Person.of(20_000_021)
    rest = acted(person, size=(512, 512), jaw=1.0)
    picture, points = paint(person, rest)[0], screen_points(rest)[0]
    inner = np.rint(points[[*INNER_LIP_UPPER, *INNER_LIP_LOWER[::-1]]]).astype(np.int32)
    toothy, colour = picture.copy(), np.array((236, 228, 214))
    cv2.fillPoly(toothy, [inner], colour.tolist())
    top, bottom = (int(points[number, 1]) for number in (13, 14))
    assert bottom - top > 8
    open_ = points + (7, -3)
    below = points[:, 1] > (points[78, 1] + points[308, 1]) / 2
    below[[*INNER_LIP_LOWER[1:-1]]], below[[*INNER_LIP_UPPER]] = True, False
    open_[below, 1] += 40
    made = WarpPortrait(toothy, points).render(open_)
    column = slice(int(open_[13, 0]) - 3, int(open_[13, 0]) + 4)
    assert np.abs(made[top : bottom - 6, column].astype(float) - colour).max() < 30
    assert made[bottom + 2 : bottom + 15, column].mean() < 0.5 * colour.mean()
    dark = picture.copy()
    cv2.fillPoly(dark, [inner], (40, 20, 20))
    assert WarpPortrait(dark, points).mouth.shown == 0


def test_lids_and_lips_that_cross_meet(portrait):
    picture, points, warped = portrait
    crossed = points.copy()
    crossed[[159, 158, 160, 386, 385, 387, 13, 312, 82]] += (0, 30)
    made = warped.render(crossed)
    assert made.shape == picture.shape and warped.folds(crossed) < 0.06


def test_near_triangles_cover_far_ones(person):
    """A turned head: with depth no worse than without, and nearer to the truth than the portrait."""
    rest, turned = acted(person), acted(person, turns=(10, 0, 0))
    picture, truth = paint(person, rest)[0], paint(person, turned)[0]
    warped = WarpPortrait(picture, screen_points(rest)[0])
    points = screen_points(turned)[0]
    face = np.zeros(SIZE[::-1], np.uint8)
    cv2.fillConvexPoly(face, cv2.convexHull(points[:468].astype(np.float32)).astype(np.int32), 1)
    with_depth, without = (warped.render(points, depth) for depth in (mesh_depth(turned)[0], None))
    scores = [psnr(made[face > 0], truth[face > 0]) for made in (with_depth, without, picture)]
    assert scores[0] > scores[1] - 0.2 and scores[0] > scores[2] + 1


def test_any_size_and_a_face_at_the_edge():
    """Portrait format, a face half outside, points far away: a picture of the portrait's size, no crash."""
    rng = np.random.default_rng(1)
    for width, height in ((96, 161), (333, 200), (40, 40)):
        motion = acted(Person.of(3), size=(width, height))
        picture = paint(Person.of(3), motion)[0]
        for offset in ((0, 0), (-0.5 * width, 0), (0, 0.7 * height), (3 * width, 0)):
            points = screen_points(motion)[0] + offset
            warped = WarpPortrait(picture, points)
            for target in (points, points + rng.normal(0, 5, (478, 2)), points * 40, np.zeros((478, 2))):
                made = warped.render(target)
                assert made.shape == picture.shape and made.dtype == np.uint8


def test_mistakes_are_explained(portrait):
    picture, points, warped = portrait
    with pytest.raises(InputError, match=r"expected \(478, 2\) pixels of the portrait"):
        warped.render(points[:468])
    with pytest.raises(InputError, match="all finite"):
        WarpPortrait(picture, np.full((478, 2), np.nan))
    with pytest.raises(InputError, match=r"Depth has shape \(3,\)"):
        warped.render(points, np.zeros(3))
    with pytest.raises(InputError, match="A picture has shape"):
        WarpPortrait(picture[:, :, :2], points)
    face = acted(Person.of(3)).frame(0)
    with pytest.raises(InputError, match="Align the motion to this portrait"):
        warp_motion(picture, face, AlignedMotion(points[None], (64, 64), 25.0))


def test_aligned_motions_carry_depth_and_turn():
    """Depth is that of the driver's own mesh where the portrait is the driver; turn is the angle it was turned by."""
    person = Person.of(3)
    turns = [(0, 0, 0), (20, 0, 0), (0, 9, 0), (0, 0, 25)]
    acting = replace(Acting.rest(4), turns=np.array(turns, float))
    motion = person.act(acting, SIZE)
    aligned = align(motion.frame(0), motion, AlignOptions(rotation="driving", translation="driving"))
    assert aligned.depth.shape == (4, 468) and aligned.depth.dtype == aligned.turn.dtype == np.float32
    np.testing.assert_allclose(aligned.depth, mesh_depth(motion), atol=0.01)
    np.testing.assert_allclose(aligned.turn, (0, 20, 9, 0), atol=0.4)  # what rolls keeps looking where it looked
    assert beyond_sketch(aligned).tolist() == [False, True, False, False] and LARGEST_TURN == 12
    still = align(motion.frame(0), motion, AlignOptions(rotation="none"))
    assert still.turn.max() < 0.1 and not beyond_sketch(replace(still, turn=None)).any()
    pose = motion.camera_from_face[0].copy()
    pose[:3, :3] = turn(20) @ pose[:3, :3]
    tilted = replace(motion.frame(0), camera_from_face=pose)
    assert align(tilted, motion, AlignOptions(rotation="relative")).turn[0] < 0.1


def test_a_motion_frame_by_frame():
    person = Person.of(3)
    rest, motion = acted(person), person.act(Acting.random(2, 5, from_rest=True), SIZE)
    picture = paint(person, rest)[0]
    aligned = align(rest.frame(0), motion)
    frames = list(warp_motion(picture, rest.frame(0), aligned))
    assert len(frames) == 5 and all(frame.shape == picture.shape for frame in frames)
    assert len(list(warp_motion(picture, rest.frame(0), replace(aligned, depth=None, turn=None)))) == 5


# --- the command


def inputs(folder: Path, size: tuple[int, int]) -> tuple[list[str], list[str]]:
    """Arguments with files of faces, and with pictures alone."""
    person, driver = Person.of(3), Person.of(11)
    face = acted(person, size=size)
    Image.fromarray(paint(person, face)[0]).save(folder / "portrait.png")
    save_motion(folder / "face.safetensors", face)
    acting = Acting.random(4, 6, from_rest=True)
    motion = driver.act(replace(acting, turns=acting.turns * 0 + np.linspace(0, 30, 6)[:, None] * (1, 0, 0)), size)
    save_motion(folder / "driving.safetensors", motion)
    write_video(folder / "driving.mp4", iter(paint(driver, motion)), 25.0)
    shared = [
        f"--portrait={folder / 'portrait.png'}",
        f"--out={folder / 'out.mp4'}",
        "--framing=fill",
        "--renderer=warp",
    ]
    files = [f"--face={folder / 'face.safetensors'}", f"--driving={folder / 'driving.safetensors'}"]
    return [*shared, *files], [*shared, f"--driving={folder / 'driving.mp4'}"]


def test_animate_with_the_warp_needs_no_torch(tmp_path):
    """And no model; it says in its result where the sketch ends."""
    arguments, _ = inputs(tmp_path, SIZE)
    code = (
        "import sys\nfrom followemoji_core.__main__ import main\ncode = main(sys.argv[1:])\n"
        "print(sorted({'torch', 'diffusers', 'transformers', 'mediapipe'} & set(sys.modules)), code)"
    )
    line = [sys.executable, "-c", code, "animate", *arguments, "--size=256", "--rotation=relative", "--json"]
    run = subprocess.run(line, capture_output=True, text=True, cwd=ROOT)
    lines = run.stdout.splitlines()
    assert lines[-1] == "[] 0", run.stderr
    assert '"frames": 6' in lines[0] and '"renderer": "warp"' in lines[0] and '"beyond_sketch": 3' in lines[0]
    assert "3 of 6 frames turn the head more than 12 degrees" in run.stderr
    frames = list(read_frames(Clip(tmp_path / "out.mp4")))
    assert frames[0].shape == (256, 256, 3) and len(frames) == 6 and clip_info(Clip(tmp_path / "out.mp4")).fps == 25


def test_animate_with_the_warp_and_the_detector_alone(tmp_path, capsys):
    _, arguments = inputs(tmp_path, (512, 512))
    assert main(["animate", *arguments, f"--detector={detector_file()}", "--confidence=0.3"]) == 0
    assert "6 frames at 25 fps, a sketch without networks" in capsys.readouterr().out


# --- expressions on real faces


def portraits() -> list[Path]:
    from tests.parity.conftest import golden_files

    return golden_files("golden_portrait")


@pytest.mark.parametrize("file", portraits(), ids=lambda file: file.stem)
def test_no_fold_for_any_expression(file):
    """Every control of the measured basis, alone (mouthClose, which shuts an open jaw, with one), on the golden
    portraits' faces: under one percent of the face's area is turned round. Only the mesh counts: the picture is
    grey."""
    from followemoji_core.face.camera import project
    from followemoji_core.face.geometry import face_frame
    from tests.parity.conftest import reference_dir

    basis = reference_dir() / "expressions" / "blendshape_fields.npz"
    if not basis.is_file():
        pytest.skip(f"no measured basis: {basis} is not there (set FOLLOWEMOJI_REFERENCE)")
    with np.load(file) as golden:
        face = face_frame(golden["lmks"], np.zeros(52, np.float32), (512, 512))
    own = screen_points(face)
    warped = WarpPortrait(np.full((512, 512, 3), 128, np.uint8), own)
    with np.load(basis) as arrays:
        fields, names = arrays["fields"], arrays["names"]
    worst = {}
    for name, field in zip(names, fields, strict=True):
        for share in (0.25, 0.5) if name == "mouthShrugUpper" else (0.5, 1.0):  # too strong in that basis
            moved = field + (fields[list(names).index("jawOpen")] if name == "mouthClose" else 0)
            mesh = (face.metric + share * moved) @ face.camera_from_face[:3, :3].T + face.camera_from_face[:3, 3]
            target = np.concatenate([project(mesh, face.size), own[468:]])
            worst[str(name), share] = warped.folds(target)
    assert len(worst) == 2 * len(names) and max(worst.values()) < 0.008, max(worst.items(), key=lambda item: item[1])
