"""The command line outside ComfyUI: the same core with diffusers' and transformers' models."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from followemoji_core.__main__ import main
from followemoji_core.commands import animation_options
from followemoji_core.diffusion import sampler, schedule
from followemoji_core.drawn import Acting, Person, paint
from followemoji_core.face.motion_file import save_motion
from followemoji_core.media import Clip, clip_info, read_frames, write_video
from followemoji_core.small import SMALL_MODEL, SMALL_VAE
from followemoji_core.training.synthesize import synthesize
from tests import weights
from tests.drawn_portrait import write_portrait


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> Path:
    """A drawn portrait and driver with their motions, and a models folder with small networks."""
    folder = tmp_path_factory.mktemp("inputs")
    write_portrait(folder, 7, 128)
    driver = Person.of(1)
    motion = driver.act(Acting.random(1, 6, from_rest=True), (96, 96))
    save_motion(folder / "driving.safetensors", motion)
    write_video(folder / "driving.mp4", iter(paint(driver, motion)), 25.0)
    weights.untrained_models(folder / "models")
    return folder


def arguments(inputs: Path, command: str, out: Path, **changes) -> list[str]:
    options = dict(
        portrait=inputs / "portrait.png",
        face=inputs / "face.safetensors",
        driving=inputs / "driving.safetensors",
        models=inputs / "models",
        size=64,
        out=out,
    )
    if command == "animate":
        options |= dict(weights=inputs / "models" / "followemoji" / "all.safetensors", steps=2, device="cpu")
    return [command, *(f"--{key.replace('_', '-')}={value}" for key, value in (options | changes).items())]


def test_the_demo_command(tmp_path, capsys):
    """README's first command, shortened: the small model, from nothing but this package."""
    assert main(["demo", "--out", str(tmp_path), "--frames", "5", "--steps", "1"]) == 0
    assert "the portrait alive" in capsys.readouterr().out
    for name in ("driving", "landmarks", "animation"):
        clip = Clip(tmp_path / f"{name}.mp4")
        assert len(list(read_frames(clip))) == 5 and clip_info(clip).fps == 25


def test_given_frames(tmp_path, capsys):
    """Two pictures in a clip of 20 frames: they come out as they are, but for the video's compression."""
    grey = np.full((128, 128, 3), 90, np.uint8)
    Image.fromarray(grey).save(tmp_path / "a.png")
    Image.fromarray(grey + 80).save(tmp_path / "b.png")
    given = [f"--given=3={tmp_path / 'a.png'}", f"--given=-1={tmp_path / 'b.png'}"]
    assert main(["demo", "--out", str(tmp_path), "--frames=20", "--steps=1", "--long", *given]) == 0
    made = np.stack(list(read_frames(Clip(tmp_path / "animation.mp4")))).astype(int)
    assert np.abs(made[3] - 90).mean() < 4 and np.abs(made[19] - 170).mean() < 4 < np.abs(made[10] - 90).mean()


def test_animate(inputs, tmp_path, capsys):
    frames = []
    for name in ("a.mp4", "b.mp4"):
        assert main(arguments(inputs, "animate", tmp_path / name, seed=3)) == 0
        frames.append(np.stack(list(read_frames(Clip(tmp_path / name)))))
    assert frames[0].shape == (6, 64, 64, 3) and np.array_equal(*frames)
    assert "6 frames at 25 fps" in capsys.readouterr().out


@pytest.mark.parametrize("changes", [{}, {"renderer": "warp", "height": 96}])
def test_animate_pastes_back(inputs, tmp_path, changes):
    """The crop is the size of the networks, the video that of the portrait; beside the shoulders it keeps still."""
    wanted = arguments(inputs, "animate", tmp_path / "whole.mp4", feather=4, **changes)
    assert main([*wanted, "--paste-back", "--upright"]) == 0
    frames = np.stack(list(read_frames(Clip(tmp_path / "whole.mp4")))).astype(int)
    side = changes.get("height", 128)
    assert frames.shape == (6, side, side, 3)
    portrait = np.asarray(Image.open(inputs / "portrait.png").convert("RGB").resize((side, side))).astype(int)
    change = np.abs(frames[3] - portrait)
    assert change[side * 7 // 8 : side * 15 // 16, : side // 32].mean() < 5 and change.max() > 20
    assert main([*wanted, "--paste-back", "--height=1"]) == 1 and main([*wanted, "--paste-back", "--feather=-1"]) == 1


def test_animate_long(inputs, tmp_path, capsys):
    """Stopped and started again: the finished windows are found, and nothing is left lying about at the end."""
    wanted = arguments(inputs, "animate", tmp_path / "long.mp4", window_length=3)
    assert main([*wanted, "--long"]) == 0
    assert "6 frames at 25 fps" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["long.mp4"]
    assert main([*wanted, "--long", "--known-frames=concat"]) == 1
    assert "not trained with covered latents" in capsys.readouterr().err


def test_landmarks(inputs, tmp_path, capsys):
    saved = tmp_path / "kept.safetensors"
    assert main(arguments(inputs, "landmarks", tmp_path / "out.mp4", save_motion=saved, rotation="relative")) == 0
    assert clip_info(Clip(tmp_path / "out.mp4")).frame_count == 6 and saved.is_file()
    assert "warning" not in capsys.readouterr().out
    # What may look wrong is said: portrait and driving are swapped.
    assert main(arguments(inputs, "landmarks", tmp_path / "still.mp4", driving=inputs / "face.safetensors")) == 0
    assert "warning: The driving motion has one frame" in capsys.readouterr().out
    # With the driver's pictures, and a detector for the portrait or not at all.
    assert main(arguments(inputs, "landmarks", tmp_path / "two.mp4", driving=inputs / "driving.mp4")) == 1


def test_mistakes_are_explained(inputs, tmp_path, capsys):
    for changes, words in (
        (dict(size="100"), "multiples of 8"),
        (dict(size="wide"), "512x640"),
        (dict(brows=9), "allowed: 0 to 3"),
        (dict(portrait=inputs / "driving.mp4"), "cannot be opened as a picture"),
        (dict(models=tmp_path, weights=tmp_path), "lacks the denoiser"),
        (dict(steps=0), "allowed: whole numbers from 1 to 1000"),
        (dict(overlap=9, window_length=9), "never move on"),
        (dict(out=tmp_path / "x.gif"), "must end in .mp4"),
        (dict(out="/proc/nowhere/x.mp4"), "Choose another folder or name"),
        (dict(face=inputs / "driving.mp4"), "not a motion file"),
        (dict(driving=inputs / "driving.mp4"), "There is no face detector at"),
    ):
        assert main(arguments(inputs, "animate", **{"out": tmp_path / "x.mp4", **changes})) == 1
        error = capsys.readouterr().err
        assert words in error and "Traceback" not in error
    assert not (tmp_path / "x.mp4").exists()


def test_stopped(inputs, tmp_path, monkeypatch, capsys):
    """Ctrl-C and SIGTERM in the middle of the work: codes of their own, the same clean-up, no file."""

    def stopped_by(number):
        def animate(*args, **kwargs):
            signal.raise_signal(number)
            time.sleep(5)
            raise AssertionError("not stopped")

        return animate

    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        monkeypatch.setattr("followemoji_core.walk.studio.Studio.animate", stopped_by(number))
        assert main([*arguments(inputs, "animate", tmp_path / "x.mp4"), "--json"]) == code
        captured = capsys.readouterr()
        assert reported(captured.out)["kind"] == "Stopped" and "No half file was left" in captured.err
        assert list(tmp_path.iterdir()) == []
    assert before == (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends processes without asking them")
def test_sigterm_with_workers(tmp_path):
    """A real process, with Ctrl-C ignored as shells do for jobs in the background: its workers end with it."""
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN);"
        "from followemoji_core.__main__ import main; sys.exit(main(sys.argv[1:]))"
    )
    line = [sys.executable, "-c", code, "synthesize", str(tmp_path / "clips"), "--people=100000", "--size=64"]
    pipes = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    running = subprocess.Popen([*line, "--workers=2", "--json"], **pipes)
    try:
        deadline = time.monotonic() + 120
        while not list(tmp_path.glob("clips/[0-9]*")) and time.monotonic() < deadline:
            time.sleep(0.1)
        running.terminate()
        out, _ = running.communicate(timeout=120)  # comes to its end only when the workers have closed it too
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
    assert running.returncode == 143 and reported(out.decode())["kind"] == "Stopped"
    names = [path.name for path in (tmp_path / "clips").iterdir()]
    assert names and all(name.endswith(".safetensors") and not name.startswith(".") for name in names)


# --- --json


def reported(out: str) -> dict:
    """The one line on stdout."""
    (line,) = out.splitlines()
    return json.loads(line)


def test_json_of_the_demo(tmp_path, capsys):
    line = ["demo", "--out", str(tmp_path), "--frames", "5", "--steps", "1", "--json"]
    started = time.monotonic()
    assert main(line) == 0
    facts = reported(capsys.readouterr().out)
    assert set(facts) == {"command", "seconds", "files", "frames", "fps"}
    assert facts["command"] == "demo" and facts["frames"] == 5 and facts["fps"] == 25
    assert 0 < facts["seconds"] <= time.monotonic() - started
    assert sorted(facts["files"]) == sorted(map(str, tmp_path.iterdir()))


def test_json_of_animate_and_landmarks(inputs, tmp_path, capsys):
    for command in ("animate", "landmarks"):
        out, motion = tmp_path / f"{command}.mp4", tmp_path / f"{command}.safetensors"
        assert main([*arguments(inputs, command, out, save_motion=motion), "--json"]) == 0
        captured = capsys.readouterr()
        facts = reported(captured.out)
        assert facts["command"] == command and facts["files"] == [str(out), str(motion)]
        assert out.is_file() and motion.is_file() and str(out) in captured.err
        info = clip_info(Clip(out))
        assert (facts["frames"], facts["fps"]) == (info.frame_count, info.fps) == (6, 25)


def test_json_of_training(tmp_path, capsys):
    clips = tmp_path / "clips"
    synthesize(clips, people=1, frames=2, size=64)
    options = [str(clips), "--people=3", "--frames=2", "--size=64", "--workers=1"]
    assert main(["synthesize", *options, "--json"]) == 0
    facts = reported(capsys.readouterr().out)
    assert (facts["clips"], facts["drawn"]) == (3, 2) == (len(list(clips.iterdir())), 2)
    assert main(["encode", str(clips), "--vae", str(SMALL_VAE), "--json"]) == 0
    assert reported(capsys.readouterr().out)["clips"] == 3
    out = tmp_path / "given.safetensors"
    assert main(["export", str(SMALL_MODEL), str(out), "--clips", str(clips), "--json"]) == 0
    facts = reported(capsys.readouterr().out)
    assert facts["files"] == [str(out)] and facts["bytes"] == out.stat().st_size


def test_json_of_the_evaluation(tmp_path, monkeypatch, capsys):
    """The numbers are those of the file, the table goes to stderr."""
    from followemoji_core.evaluation.ablation_tables import TABLES
    from followemoji_core.evaluation.ablations import Found

    values = {"with pupils": 0.5, "without pupils": 0.25}
    rows = {
        row.name: [dict.fromkeys(TABLES["pupils"].differences, [values[row.name]] * 2)] for row in TABLES["pupils"].rows
    }
    found = Found({"pupils": rows}, 0.4, {})
    monkeypatch.setattr("followemoji_core.evaluation.ablations.ablate", lambda *args, **options: found)
    assert main(["ablations", f"--out={tmp_path}", "--json"]) == 0
    captured = capsys.readouterr()
    facts = reported(captured.out)
    assert facts["report"] == json.loads((tmp_path / "ablations.json").read_text())
    cell = facts["report"]["tables"]["pupils"]["without pupils"]["gaze, vertical"]
    assert (cell["against"], cell["verdict"]) == (-0.25, "worse") and "| with pupils | 0.50 | 0.50 |" in captured.err
    assert facts["files"] == [str(tmp_path / name) for name in ("ablations.json", "ablations.md")]


def test_json_of_errors(inputs, tmp_path, capsys):
    assert main([*arguments(inputs, "animate", tmp_path / "x.mp4", size="wide"), "--json"]) == 1
    captured = capsys.readouterr()
    assert captured.err == f"Error: {reported(captured.out)['error']}\n"
    assert reported(captured.out)["kind"] == "InputError" and "512x640" in reported(captured.out)["error"]
    for wrong in (["animate", "--json"], ["demo", "--scheduler=x", "--json"], ["dmeo", "--json"], ["--json"]):
        assert main(wrong) == 2
        captured = capsys.readouterr()
        assert reported(captured.out)["kind"] == "UsageError" and captured.err.startswith("usage: python -m")
    assert main(["demo", "--scheduler=x"]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and "invalid choice: 'x'" in captured.err


def test_json_of_our_own_mistakes(tmp_path, monkeypatch, capsys):
    def broken(*args):
        raise ZeroDivisionError("seven by nothing")

    monkeypatch.setattr("followemoji_core.commands.animate.write_animation", broken)
    with pytest.raises(ZeroDivisionError):  # a traceback for us, and Python's exit code 1
        main(["demo", "--out", str(tmp_path), "--frames", "2", "--json"])
    assert reported(capsys.readouterr().out) == {"error": "seven by nothing", "kind": "ZeroDivisionError"}


# --- help


def test_help_is_light():
    """Neither help nor wrong usage waits for a heavy package; help says what the exit codes mean."""
    heavy = {"torch", "diffusers", "transformers", "mediapipe", "cv2", "av", "PIL", "safetensors", "tqdm"}
    code = (
        "import sys\nfrom followemoji_core.__main__ import main\n"
        "try: main(sys.argv[1:])\nexcept SystemExit: pass\n"
        f"print('loaded', sorted({heavy} & set(sys.modules)))"
    )
    for line in (["--help"], ["animate", "--help"], ["long-video", "--help"], ["train"], ["--version"]):
        run = subprocess.run([sys.executable, "-c", code, *line], capture_output=True, text=True, check=True)
        assert run.stdout.splitlines()[-1] == "loaded []", line
        if line == ["--help"]:
            assert "130 stopped by Ctrl-C" in run.stdout and "--json" in run.stdout


def test_choices_are_those_of_the_core():
    assert animation_options.SCHEDULERS == schedule.SCHEDULERS
    assert animation_options.CARRIERS == sampler.CARRIERS
