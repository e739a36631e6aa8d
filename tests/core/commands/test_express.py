"""expressions and express: one picture and a few words become a video, without a network and without a driver."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from followemoji_core.__main__ import main
from followemoji_core.drawn import Acting, Person, paint
from followemoji_core.face.capture import write_live_link_csv
from followemoji_core.face.edit_file import Edit, Keyframe, save_edit
from followemoji_core.face.motion_file import load_motion, save_motion
from followemoji_core.face.named_expressions import expression, named_expressions, sequence
from followemoji_core.media import Clip, clip_info, read_audio, read_frames, write_video
from tests import weights
from tests.drawn_portrait import write_portrait


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("express")
    write_portrait(folder, 20_000_018, 256)
    return folder


def express(inputs: Path, out: Path, *more: object) -> int:
    line = ["express", "--portrait", inputs / "portrait.png", "--face", inputs / "face.safetensors", "--size", 128]
    return main([str(part) for part in (*line, "--out", out, *more)])


def frames(file: Path) -> np.ndarray:
    return np.stack(list(read_frames(Clip(file)))).astype(int)


def test_expressions_are_listed(capsys):
    assert main(["expressions", "--list"]) == 0
    assert "smile_wide" in capsys.readouterr().out
    assert main(["expressions", "--list", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert [one["name"] for one in facts["expressions"]] == list(named_expressions())
    assert facts["expressions"][0]["controls"]["mouthSmileLeft"] > 1 and "jawOpen" in facts["controls"]


def test_express_makes_a_video_from_one_picture(inputs, tmp_path, capsys):
    out, kept = tmp_path / "a.mp4", tmp_path / "a.safetensors"
    wanted = "laugh 8, wink_left 6, rest 2"
    assert express(inputs, out, "--sequence", wanted, "--save-motion", kept, "--json") == 0
    facts = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert facts["files"] == [str(out), str(kept)] and facts["renderer"] == "warp" and facts["beyond_sketch"] == 0
    made = frames(out)
    assert facts["frames"] == len(made) == 16 and clip_info(Clip(out)).fps == 25
    assert np.abs(made[4] - made[-1]).max() > 60 > 10 * np.abs(made[-1] - made[-2]).mean()
    motion = load_motion(kept)
    assert np.allclose(motion.edit.values, sequence(wanted).values) and np.ptp(motion.landmarks, axis=0).max() == 0


def test_express_adds_up_sequence_edit_and_capture(inputs, tmp_path):
    """At the capture's rate, as long as the longest."""
    write_live_link_csv(tmp_path / "take.csv", expression("wink_left", 60, fps=50.0))
    save_edit(tmp_path / "edit.json", Edit((Keyframe(0, {"jawOpen": 0.4}),), frames=10, fps=25.0))
    kept = tmp_path / "kept.safetensors"
    sources = ("--capture", tmp_path / "take.csv", "--edit", tmp_path / "edit.json", "--sequence", "frown 66")
    assert express(inputs, tmp_path / "sum.mp4", *sources, "--strength", 0.5, "--save-motion", kept) == 0
    motion = load_motion(kept)
    assert len(motion) == 66 and motion.fps == 50 == clip_info(Clip(tmp_path / "sum.mp4")).fps
    assert motion.edit["jawOpen"][5] == pytest.approx(0.2, abs=0.01) and motion.edit["jawOpen"][30] == 0
    assert motion.edit["eyeBlinkLeft"].max() == pytest.approx(0.5, abs=0.02)
    assert motion.edit["mouthFrownLeft"].max() == pytest.approx(0.45, abs=0.02)


def test_express_with_the_networks(inputs, tmp_path):
    weights.untrained_models(tmp_path / "models")
    networks = ("--renderer", "model", "--models", tmp_path / "models", "--steps", 1, "--device", "cpu")
    networks = (*networks, "--weights", tmp_path / "models" / "followemoji" / "all.safetensors", "--size", 64)
    assert express(inputs, tmp_path / "m.mp4", "--sequence", "laugh 4", *networks) == 0
    assert frames(tmp_path / "m.mp4").shape == (4, 64, 64, 3)


def test_express_explains_mistakes(inputs, tmp_path, capsys):
    for more, words in (
        ((), "There is nothing to express. Give --sequence, --edit or --capture"),
        (("--sequence", "smle 12"), "Did you mean smile"),
        (("--sequence", "smile twelve"), "cannot be read. Write a name and a number of frames"),
        (("--sequence", "smile 12", "--strength", "nan"), "--strength is nan; allowed: 0.0 to 2.0"),
        (("--sequence", "smile 12", "--fps", "0"), "--fps is 0.0; allowed"),
        (("--edit", tmp_path / "none.json"), "none.json"),
        (("--capture", inputs / "portrait.png"), "portrait.png"),
        (("--sequence", "smile 12", "--renderer", "model", "--models", tmp_path), "lacks the denoiser"),
    ):
        assert express(inputs, tmp_path / "x.mp4", *more) == 1, more
        error = capsys.readouterr().err
        assert words in error and "Traceback" not in error, error
    assert express(inputs, tmp_path / "x.gif", "--sequence", "smile 12") == 1
    assert "must end in .mp4" in capsys.readouterr().err
    assert not list(tmp_path.glob("x.*"))


def test_express_changes_the_face_of_footage(inputs, tmp_path, capsys):
    """A key that lasts, through the whole clip, sound and all; what lies away from the mouth stays."""
    person = Person.of(20_000_018)
    motion = person.act(Acting.random(3, 8, still_head=True, from_rest=True), (192, 160))
    pictures = paint(person, motion)
    tone = np.sin(np.arange(16_000) / 20)[None].astype(np.float32)
    write_video(tmp_path / "clip.mp4", iter(pictures), 20.0, (tone, 16_000))
    save_motion(tmp_path / "face.safetensors", replace(motion, fps=20.0))
    save_edit(tmp_path / "smile.json", Edit((Keyframe(0, {"mouthSmileLeft": 1, "mouthSmileRight": 1}),), base="motion"))
    line = ["express", "--portrait", tmp_path / "clip.mp4", "--face", tmp_path / "face.safetensors"]
    line += ["--out", tmp_path / "out.mp4", "--edit", tmp_path / "smile.json", "--json"]
    assert main([*map(str, line)]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["frames"] == 8
    before, after = frames(tmp_path / "clip.mp4"), frames(tmp_path / "out.mp4")
    moved = np.abs(after - before).mean(axis=-1)
    assert after.shape == before.shape and read_audio(Clip(tmp_path / "out.mp4")) is not None
    assert moved[:, 90:140].max(axis=(1, 2)).min() > 25 and moved[:, :40].mean() < 4  # the encoder
    for more, words in ((("--renderer", "model"), "warp alone"), (("--look-at-camera", "2"), "allowed: 0.0 to 1.0")):
        assert main([*map(str, line), *more]) == 1
        assert words in capsys.readouterr().err
