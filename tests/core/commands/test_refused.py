"""Rough hands at the command line: one-line errors, before the work; one job at a time; stopped at any moment."""

from __future__ import annotations

import argparse
import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from followemoji_core.commands import main, shared
from followemoji_core.drawn import Acting, Person, paint
from followemoji_core.errors import InputError, OutputError, check_range
from followemoji_core.evaluation.targets import contact_sheet
from followemoji_core.face.crop import ROOMS, crop_box
from followemoji_core.face.motion_file import save_motion
from followemoji_core.files import check_place
from followemoji_core.lock import only_one
from followemoji_core.media import Clip, read_frames, write_video
from followemoji_core.walk.job import video_bytes
from tests import weights
from tests.drawn_portrait import write_portrait

NO_WORK = "followemoji_core.walk.studio.open_studio"


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> Path:
    """A drawn portrait with its face, and a driver's motion; a models folder with small networks."""
    folder = tmp_path_factory.mktemp("inputs")
    write_portrait(folder, 7, 128)
    save_motion(folder / "driving.safetensors", Person.of(1).act(Acting.random(1, 6), (128, 128)))
    weights.untrained_models(folder / "models")
    return folder


def line(inputs: Path, out: Path, *more: str) -> list[str]:
    files = [f"--{name}={inputs / file}" for name, file in (("portrait", "portrait.png"), ("face", "face.safetensors"))]
    files += [f"--driving={inputs / 'driving.safetensors'}", f"--models={inputs / 'models'}"]
    files.append(f"--weights={inputs / 'models' / 'followemoji' / 'all.safetensors'}")
    return ["animate", *files, f"--out={out}", "--size=64", "--device=cpu", "--steps=1", *more]


@pytest.mark.parametrize(
    "option, words",
    [
        (
            "--seed=18446744073709551616",
            "seed is 18446744073709551616; allowed: whole numbers from 0 to 18446744073709",
        ),
        ("--seed=-1", "seed is -1"),
        ("--steps=1001", "steps is 1001; allowed: whole numbers from 1 to 1000"),
        ("--steps=0", "steps is 0"),
        ("--guidance=nan", "guidance is nan; allowed: 0.0 to 100.0"),
        ("--guidance=inf", "guidance is inf"),
        ("--shared-noise=nan", "shared_noise is nan"),
        ("--window-length=0", "window_length is 0"),
        ("--overlap=-1", "overlap is -1"),
        ("--resampling=-1", "resampling is -1"),
        ("--room=nan", "--room is nan; allowed: 0.5 to 20.0"),
        ("--room=-1", "--room is -1.0"),
        ("--confidence=nan", "--confidence is nan; allowed: 0.0 to 1.0"),
        ("--brows=nan", "brows is nan; allowed: 0 to 3"),
        ("--smoothing=nan", "smoothing is nan; allowed: 0 to 1"),
        ("--neutral=99999999999999999999", "Neutral frame 99999999999999999999 is not in the driving motion"),
        ("--device=foo", "--device foo cannot be used here"),
        ("--device=cuda:99", "--device cuda:99 cannot be used here"),
        ("--device=meta", "--device meta cannot be used here"),
        ("--size=1000000", "64 to 2048"),
        ("--size=64x100000", "64 to 2048"),
        ("--size=-64", "64 to 2048"),
        ("--out=FOLDER", "is a folder. Name a file in it."),
        ("--out=FOLDER/" + 300 * "x" + ".mp4", "cannot be written to"),
        ("--out=FOLDER/file/x.mp4", "cannot be written to"),
        ("--save-motion=FOLDER", "is a folder. Name a file in it."),
    ],
)
def test_one_line_before_the_work(inputs, tmp_path, capsys, monkeypatch, option, words):
    def work(*args, **options):
        raise AssertionError("the networks were loaded")

    monkeypatch.setattr(NO_WORK, work)
    folder = tmp_path / "out.mp4"
    folder.mkdir()
    (folder / "file").touch()
    assert main(line(inputs, tmp_path / "x.mp4", option.replace("FOLDER", str(folder)))) == 1
    error = capsys.readouterr().err
    assert words in error and error.startswith("Error: ") and error.count("\n") == 1
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "out.mp4"]


@pytest.mark.parametrize(
    "command",
    [["targets", "--people=0"], ["long-video", "--frames=0"], ["demo", "--frames=0"], ["demo", "--person=-1"]],
)
def test_counts_are_checked(command, tmp_path, capsys):
    assert main([*command, f"--out={tmp_path}"]) == 1
    assert "allowed: whole numbers from" in capsys.readouterr().err


def test_a_report_that_cannot_be_written_is_refused_before_the_measuring(tmp_path, capsys):
    (tmp_path / "out").touch()
    for command in (["targets"], ["long-video"]):
        assert main([*command, f"--out={tmp_path / 'out'}"]) == 1
        assert "cannot be written to" in capsys.readouterr().err


def test_ranges():
    assert shared.RANGES["room"] == ROOMS
    shared.check_numbers(argparse.Namespace(people=1, room=0.5, other=-1))
    for value, allowed in ((0, (0, 1)), (1.0, (0, 1)), (1.0, (0.0, 1.0)), (2**64 - 1, (0, 2**64 - 1))):
        check_range("x", value, allowed)
    for value, allowed in ((float("nan"), (0, 1)), (0.5, (0, 1)), (-0.1, (0.0, 1.0)), (float("inf"), (0.0, 1.0))):
        with pytest.raises(InputError, match=r"^x is .*; allowed: .*\. See there\.$"):
            check_range("x", value, allowed, "See there.")
    face = Person.of(7).act(Acting.rest(), (128, 128)).frame(0)
    for room in (float("nan"), -1.0, 0.0):
        with pytest.raises(InputError, match="room is"):
            crop_box(face, (64, 64), "face", room)


def test_disk_space_is_asked_for_before_the_work(inputs, tmp_path, capsys, monkeypatch):
    """The estimate is of the size that videos have: within three times of one that is made."""
    usage = type("usage", (), {"free": 1000})
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    assert main(line(inputs, tmp_path / "x.mp4")) == 1
    assert "needs about 0 MB, its disk has 0 MB left. Make room" in capsys.readouterr().err
    monkeypatch.undo()
    person = Person.of(3)
    frames = paint(person, person.act(Acting.random(1, 25), (256, 256)))
    write_video(tmp_path / "x.mp4", iter(frames), 25.0)
    made, estimate = (tmp_path / "x.mp4").stat().st_size, video_bytes(25, (256, 256))
    assert made / 3 < estimate < made * 3
    assert video_bytes(300, (512, 512)) == pytest.approx(3.9e6, rel=0.02)


def test_a_place_is_tried(tmp_path, monkeypatch):
    check_place(tmp_path / "new" / "x.mp4")
    assert list((tmp_path / "new").iterdir()) == []
    with pytest.raises(OutputError, match="needs about 1,000,000,000,000 MB"):
        check_place(tmp_path / "x.mp4", 10**18)

    def read_only(*args, **options):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "touch", read_only)
    with pytest.raises(OutputError, match="Read-only file system.*another folder"):
        check_place(tmp_path / "x.mp4")


# --- one job at a time


def test_two_identical_long_jobs_at_once(inputs, tmp_path, capsys):
    """The second says so, with the first one's number; the first is not harmed. Who was killed holds nothing."""
    code = (
        "import sys, time; from pathlib import Path; from followemoji_core.lock import only_one\n"
        "with only_one(Path(sys.argv[1])): print('in', flush=True); time.sleep(60)"
    )
    folder, wanted = tmp_path / ".x.windows", line(inputs, tmp_path / "x.mp4", "--long")
    first = subprocess.Popen([sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, text=True)
    try:
        assert first.stdout.readline() == "in\n"
        assert main(wanted) == 1
        assert f"is being done already, by process {first.pid}." in capsys.readouterr().err
    finally:
        first.kill()  # no chance to clean up
        first.wait()
    assert (folder / "lock").exists()
    assert main(wanted) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["x.mp4"]
    assert len(list(read_frames(Clip(tmp_path / "x.mp4")))) == 6


def test_the_lock_lets_go(tmp_path):
    folder = tmp_path / "job"
    with pytest.raises(ZeroDivisionError), only_one(folder):
        assert (folder / "lock").read_text() == f"{os.getpid()}\n"
        with pytest.raises(InputError, match=f"process {os.getpid()}"), only_one(folder):
            raise AssertionError("two at once")
        assert (folder / "lock").exists()
        (folder / "window.safetensors").touch()
        raise ZeroDivisionError
    assert [path.name for path in folder.iterdir()] == ["window.safetensors"]
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="what is finished is kept there"), only_one(tmp_path / "file"):
        pass


# --- stopped


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no Ctrl-C to one process")
def test_ctrl_c_during_imports(tmp_path):
    """Whenever it comes once our own code runs: its exit code, one line, no traceback, no file."""
    code = (
        "import builtins, os, signal, sys\n"
        "name, real = sys.argv.pop(1), builtins.__import__\n"
        "def imported(wanted, *args, **options):\n"
        "    if wanted == name: os.kill(os.getpid(), signal.SIGINT)\n"
        "    return real(wanted, *args, **options)\n"
        "builtins.__import__ = imported\n"
        "import runpy; runpy.run_module('followemoji_core', run_name='__main__', alter_sys=True)"
    )
    for module in ("argparse", "numpy", "torch", "diffusers", "av"):
        command = [sys.executable, "-c", code, module, "demo", f"--out={tmp_path / 'out'}", "--frames=2", "--steps=1"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == 130 and "Stopped." in done.stderr and "Traceback" not in done.stderr, module
        assert not list(tmp_path.rglob("*.partial"))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGTERM to one process")
def test_sigterm_in_code_that_runs_from_a_string(tmp_path):
    """As namedtuple and dataclass make classes: Python then ends itself by SIGINT, unless the interrupt is ours."""
    code = (
        "import os, signal, sys, threading\n"
        "from followemoji_core.commands import animate, main\n"
        "def run(options):\n"
        "    threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGTERM)).start()\n"
        "    exec('import time\\nwhile True: time.sleep(0.01)')\n"
        "animate._demo = run\n"
        "sys.exit(main(['demo']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert done.returncode == 143 and "Stopped." in done.stderr


def test_an_import_that_words_ctrl_c_as_its_own_error(tmp_path, monkeypatch, capsys):
    """Some packages answer Ctrl-C with an ImportError: it is the stop that counts."""

    def interrupted(*args):
        try:
            signal.raise_signal(signal.SIGINT)
            time.sleep(5)
        except KeyboardInterrupt:
            raise ImportError("cannot import name 'x' from partially initialized module") from None

    monkeypatch.setattr("followemoji_core.commands.animate.write_animation", interrupted)
    before = signal.getsignal(signal.SIGINT)
    assert main(["demo", f"--out={tmp_path}", "--frames=2"]) == 130
    assert "Stopped." in capsys.readouterr().err and signal.getsignal(signal.SIGINT) is before


def test_a_contact_sheet_of_any_number_of_people():
    """`targets --people 1` ended in an error."""
    picture = np.zeros((4, 4, 3), np.uint8)
    case = type("Case", (), {"portrait": picture, "truth": np.zeros((15, 4, 4, 3), np.uint8)})
    for people, shape in ((1, (8, 16)), (2, (8, 32)), (3, (24, 16)), (4, (16, 32))):
        assert contact_sheet([case] * people, [case.truth] * people).shape == (*shape, 3)
