"""animate --faces: several faces of one picture by the command line, pasted into one video."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from followemoji_core.__main__ import main
from followemoji_core.drawn import Acting, Person, paint
from followemoji_core.drawn.scenes import Scene
from followemoji_core.face.geometry import screen_points
from followemoji_core.face.motion_file import save_motion
from followemoji_core.media import Clip, clip_info, read_audio, read_frames, write_video
from tests import weights
from tests.detector import detector_file

SIZE = (576, 384)
SCENE = Scene.of(2, 3, SIZE)
REST = SCENE.act([Acting.rest()] * 3)


@pytest.fixture(scope="module")
def group(tmp_path_factory) -> Path:
    """A drawn group of three, a driver who moves for 8 frames and one who does for 3 at half the rate."""
    folder = tmp_path_factory.mktemp("group")
    Image.fromarray(SCENE.paint(REST)[0]).save(folder / "group.png")
    for name, number, frames, fps in (("a", 3, 8, 25.0), ("b", 4, 3, 12.5)):
        motion = Person.of(number).act(Acting.random(number, frames, from_rest=True), (256, 256))
        save_motion(folder / f"{name}.safetensors", replace(motion, fps=fps))
    return folder


def animate(group: Path, out: Path, *more: str, faces: str = "all", drivings: str = "ab") -> int:
    named = ", ".join(str(group / f"{name}.safetensors") for name in drivings)
    given = dict(portrait=group / "group.png", out=out, detector=detector_file(), faces=faces, drivings=named, size=128)
    return main(["animate", *(f"--{key}={value}" for key, value in given.items()), *more])


def frames_of(video: Path) -> np.ndarray:
    return np.stack(list(read_frames(Clip(video)))).astype(int)


def part_of(frames: np.ndarray, number: int) -> np.ndarray:
    """What of the frames the face of that number, from 1, covers."""
    points = screen_points(REST[number - 1])[0]
    (left, top), (right, bottom) = points.min(axis=0).astype(int), points.max(axis=0).astype(int)
    return frames[:, max(top, 0) : bottom, max(left, 0) : right]


def test_all_faces_of_a_group_by_their_drivers(group, tmp_path, capsys):
    """The last driver drives all further faces, at the first one's rate; the shorter motion holds its last frame."""
    assert animate(group, tmp_path / "all.mp4", "--paste-back", "--renderer=warp") == 0
    said = capsys.readouterr().out
    assert "8 frames at 25 fps, 3 of 3 faces alive" in said
    places = [re.search(rf"number {number} around (\d+), (\d+)", said).groups() for number in (1, 2, 3)]
    away = np.abs(np.array(places, int)[:, None] - [screen_points(motion)[0].mean(axis=0) for motion in REST]).max(-1)
    assert sorted(away.argmin(axis=1)) == [0, 1, 2] and away.min(axis=1).max() < 40, "which number is who"
    frames, picture = frames_of(tmp_path / "all.mp4"), SCENE.paint(REST)[0].astype(int)
    assert frames.shape == (8, *SIZE[::-1], 3) and clip_info(Clip(tmp_path / "all.mp4")).fps == 25
    assert np.abs(frames[:, :20] - picture[:20]).mean() < 4
    moved = [np.abs(part_of(frames, number)[4] - part_of(frames, number)[0]).mean() for number in (1, 2, 3)]
    held = [np.abs(part_of(frames, number)[7] - part_of(frames, number)[6]).mean() for number in (1, 2, 3)]
    held.sort()  # the detector may count faces that are as large otherwise than they were drawn
    assert min(moved) > 0.5 and held[1] < 0.5 < held[2]


def test_faces_by_number_leave_the_others_as_they_are(group, tmp_path):
    assert animate(group, tmp_path / "one.mp4", "--paste-back", "--renderer=warp", faces="3", drivings="a") == 0
    frames = frames_of(tmp_path / "one.mp4")
    moved = [np.abs(part_of(frames, number)[4] - part_of(frames, number)[0]).mean() for number in (1, 2, 3)]
    moved.sort()
    assert moved[1] < 0.5 < moved[2]


def test_faces_by_the_networks(group, tmp_path, capsys):
    """Loaded once for all of them; with --long nothing is left lying about."""
    weights.untrained_models(tmp_path / "models")
    networks = [f"--models={tmp_path / 'models'}", f"--weights={tmp_path / 'models/followemoji/all.safetensors'}"]
    networks += ["--steps=1", "--device=cpu", "--size=64", "--window-length=4", "--overlap=2"]
    out = tmp_path / "out"
    for more in ([], ["--long"]):
        assert animate(group, out / "made.mp4", "--paste-back", *networks, *more, faces="1,2") == 0
        assert frames_of(out / "made.mp4").shape == (8, *SIZE[::-1], 3)
        assert [path.name for path in out.iterdir()] == ["made.mp4"]


def test_the_sound_is_of_the_driver_that_is_named(group, tmp_path):
    tone = np.sin(np.arange(16_000) / 5)[None].astype(np.float32)
    for name, sound in (("loud", (tone, 16_000)), ("quiet", None)):
        driver = Person.of(5)
        motion = driver.act(Acting.random(5, 4, from_rest=True), (256, 256))
        write_video(tmp_path / f"{name}.mp4", iter(paint(driver, motion)), 25.0, sound)
    for number, heard in (("1", True), ("2", False)):
        out = tmp_path / f"{number}.mp4"
        given = dict(portrait=group / "group.png", out=out, detector=detector_file(), size=128, faces="1,2")
        given |= dict(drivings=f"{tmp_path / 'loud.mp4'},{tmp_path / 'quiet.mp4'}", renderer="warp")
        more = ["--paste-back", f"--sound-of={number}"]
        assert main(["animate", *(f"--{key}={value}" for key, value in given.items()), *more]) == 0
        assert (read_audio(Clip(out)) is not None) == heard


GROUPS = """portrait;driving;drivings;faces;paste_back;out
group.png;;a.safetensors | b.safetensors;1,3;yes;two
group.png;b.safetensors;;all;yes;same
group.png;;a.safetensors | nobody.safetensors;all;yes;absent
group.png;;a.safetensors;;yes;unsaid
group.png;a.safetensors;;all;no;not_put_back
group.png;;a.safetensors|b.safetensors;2;yes;too_many
group.png;;;all;yes;nobody
"""


def test_batch_of_groups_each_face_by_its_driver(group, tmp_path, capsys):
    """Rows of several faces as a table; a decimal comma is not what 1,3 is."""
    table, out = group / "groups.csv", tmp_path / "out"
    table.write_text(GROUPS, "utf-8")
    told = ["batch", str(table), f"--out={out}", "--renderer=warp", "--size=128", f"--detector={detector_file()}"]
    assert main([*told, "--json"]) == 1
    facts = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert facts["done"] == 2 and len(frames_of(out / "two.mp4")) == 8 and len(frames_of(out / "same.mp4")) == 3
    assert frames_of(out / "two.mp4").shape[1:] == (*SIZE[::-1], 3)
    for key, words in {
        "absent.mp4": "nobody.safetensors",
        "unsaid.mp4": "add --faces all",
        "not_put_back.mp4": "add --paste-back",
        "too_many.mp4": "2 drivers for 1 face",
        "row 8": "driving is empty",
    }.items():
        assert words in facts["failed"][key], key
    assert main([*told, "--json"]) == 1
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["skipped"] == 2, "what is there is not made again"


@pytest.mark.parametrize(
    "more, changes, words",
    [
        ([], {}, "add --paste-back"),
        (["--paste-back"], dict(faces="1,4"), "Face number 4 is not there: the picture (576 x 384 pixels) has 3 faces"),
        (["--paste-back"], dict(faces="one"), "expected all, or numbers such as 1,3"),
        (["--paste-back"], dict(faces="1,1"), "Name each number once"),
        (["--paste-back"], dict(faces="1"), "2 drivers for 1 face. Name fewer"),
        (["--paste-back", "--sound-of=3"], {}, "--sound-of is 3; allowed: 1 to 2"),
        (["--paste-back", "--height=12000"], {}, "The video would have 18000 x 12000 pixels; sides from 2 to 16384"),
        (["--paste-back", "--margin=2"], {}, "margin is 2"),
        (["--paste-back", "--driving=a.mp4"], {}, "--driving for all of them, or --drivings for one each"),
        (["--paste-back", "--given=0=a.png"], {}, "--given is for one face"),
    ],
)
def test_faces_that_cannot_be_pasted_are_refused(group, tmp_path, capsys, more, changes, words):
    assert animate(group, tmp_path / "no.mp4", "--renderer=warp", *more, **changes) == 1
    error = capsys.readouterr().err
    assert words in error and "Traceback" not in error and not (tmp_path / "no.mp4").exists()


def test_drivings_without_faces_and_no_driver_at_all(group, tmp_path, capsys):
    alone = ["animate", f"--portrait={group / 'group.png'}", f"--out={tmp_path / 'no.mp4'}"]
    assert main([*alone, "--drivings=a.mp4"]) == 1 and "add --faces all" in capsys.readouterr().err
    assert main(alone) == 2 and "arguments are required: --driving" in capsys.readouterr().err
