"""The trainer as it is run: from drawn clips to checkpoints, interrupted, on two processes, and with mistakes in it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from followemoji_core.model.weights.build import load_networks
from followemoji_core.model.weights.files import find_files
from followemoji_core.training.batches import Batches
from followemoji_core.training.settings import load_settings
from followemoji_core.training.shards import find_clips, open_clip, read_part
from tests.training_run import SETTINGS, train

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def work(trained, tmp_path) -> Path:
    """The clips and settings of the run, without what it made."""
    shutil.copytree(trained.parents[1] / "clips", tmp_path / "clips")
    (tmp_path / "stage1.toml").write_text(SETTINGS)
    return tmp_path


def command(folder: Path, *changes: str, launcher: tuple[str, ...] = (sys.executable,)) -> list[str]:
    parts = [part for change in changes for part in ("--set", change)]
    return [*launcher, "-m", "followemoji_core", "train", str(folder / "stage1.toml"), *parts]


def weights(folder: Path, run: str, step: int) -> dict[str, torch.Tensor]:
    return load_file(folder / run / f"checkpoint-{step:07d}.safetensors")


def test_200_steps_lower_the_loss(trained, tmp_path):
    """Measured when written: to 0.45 of what it began with. Then stage 2 goes on from it."""
    run = trained.parent
    curve = [entry["loss"] for entry in json.loads((run / "record.json").read_text())["curve"]]
    assert np.mean(curve[-2:]) < 0.65 * curve[0]
    kept = sorted(path.name for path in run.glob("*.safetensors"))
    assert kept == ["checkpoint-0000200.safetensors", "state-0000200.safetensors"]
    networks = load_networks(find_files(trained))
    assert networks.denoiser.config.in_channels == 33 and networks.image_encoder.config.width == 32
    text = SETTINGS.split("[model]")[0].replace("stage = 1", "stage = 2").replace('out = "run"', 'out = "run2"')
    (tmp_path / "stage2.toml").write_text(f'{text}initial = "{trained}"\n')
    shutil.copytree(run.parent / "clips", tmp_path / "clips")
    assert train(tmp_path, "targets=8", "clips=1", file="stage2.toml") == 0
    before, after = load_file(trained), weights(tmp_path, "run2", 4)
    changed = {key for key in before if not torch.equal(before[key], after[key])}
    assert changed and all("motion_modules" in key or key.startswith("denoiser.conv_in") for key in changed)


def test_a_killed_run_ends_as_if_it_had_not_been(work):
    """Bit for bit: kill -9 after the first checkpoint, then the same command again."""
    whole = subprocess.run(command(work, "out=whole", "steps=6"), cwd=ROOT, capture_output=True, text=True)
    assert whole.returncode == 0, whole.stderr
    running = subprocess.Popen(command(work, "steps=100000"), cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 120
        while not list((work / "run").glob("state-*.safetensors")):
            assert time.monotonic() < deadline and running.poll() is None
            time.sleep(0.02)
    finally:
        running.send_signal(signal.SIGKILL)
        running.wait()
    for path in (work / "run").glob("*"):  # whatever it got to after step 2 is forgotten: half files too
        if path.suffix == ".partial" or path.name.endswith(".safetensors") and "0000002" not in path.name:
            path.unlink()
    again = subprocess.run(command(work, "steps=6"), cwd=ROOT, capture_output=True, text=True)
    assert again.returncode == 0 and "going on from step 2" in again.stdout, again.stderr
    first, second = weights(work, "whole", 6), weights(work, "run", 6)
    assert first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


def test_two_processes_agree_with_one(work):
    """Through torchrun: `accelerate launch --cpu` starts several processes with mpirun alone, else just one."""
    launcher = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2")
    changes = ("steps=3", "learning_rate=1e-3", 'optimizer="adamw"', "ema=0.0", "threads=1")
    env = {**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
    line = command(work, "out=two", "clips=2", *changes, launcher=launcher)
    two = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, env=env)
    assert two.returncode == 0, two.stderr[-3000:]
    assert json.loads((work / "two" / "record.json").read_text())["processes"] == 2
    assert train(work, "out=one", "clips=4", *changes) == 0
    one, both = weights(work, "one", 3), weights(work, "two", 3)
    far = [float((one[key] - both[key]).abs().mean()) for key in one if one[key].is_floating_point()]
    assert np.mean(far) < 1e-5 and max(far) < 2e-4  # a process on its own was seen 7e-4 away


def test_mistakes_are_explained(work, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert train(work) == 0
    for changes, words in (
        (('data="empty"',), "no training clips in"),
        (("learningrate=1e-4",), "Did you mean learning_rate?"),
        (("steps=many",), "steps is 'many'; a value of type int"),
        (("stage=3",), "allowed: 1, 2"),
        (("model.channels=[64, 64]",), "was made with other settings"),
        (("targets=9", "stage=2", "out=x"), "Clips of 9 frames are asked for; the longest"),
        (('initial="nothing.safetensors"', "out=x"), "nothing.safetensors to start from"),
    ):
        capsys.readouterr()
        assert train(work, *changes) == 1
        error = capsys.readouterr().err
        assert words in error and "Traceback" not in error
    # A checkpoint of another size in the folder: told by name and shape.
    state = work / "run" / "state-0000004.safetensors"
    from safetensors import safe_open
    from safetensors.torch import save_file

    with safe_open(state, "pt") as file:
        about, tensors = file.metadata(), {key: file.get_tensor(key) for key in file.keys()}
    name = next(key for key in tensors if key.startswith("parameter.") and tensors[key].ndim == 4)
    save_file({**tensors, name: tensors[name][:1]}, state, about)
    assert train(work, "steps=6") == 1
    assert "networks of another size" in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk_keeps_what_was_written(work, tmp_path, capsys):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=9m", "tmpfs", str(disk)], capture_output=True).returncode:
        pytest.skip("no tmpfs can be mounted here")
    try:
        assert train(work, f'out="{disk}/run"', "keep=9", "steps=40") == 1
        assert "kept: make room" in capsys.readouterr().err
        kept = sorted((disk / "run").glob("checkpoint-*.safetensors"))
        assert kept and not list((disk / "run").glob("*.partial"))
        load_networks(find_files(kept[0]))
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_samples_do_not_depend_on_how_they_are_shared_out(work):
    settings = load_settings(work / "stage1.toml", {"drop": 0.5})
    clips = find_clips(work / "clips")
    whole = Batches(clips, settings).at(3)
    halves = load_settings(work / "stage1.toml", {"drop": 0.5, "clips": 2})
    parts = [Batches(clips, halves, rank, 2).at(3) for rank in (0, 1)]
    assert torch.equal(whole.latents, torch.cat([part.latents for part in parts]))
    assert torch.equal(whole.noise(whole.latents), torch.cat([part.noise(part.latents) for part in parts]))
    assert torch.equal(whole.shown, torch.cat([part.shown for part in parts]))


def test_dropping_rate(work):
    batches = Batches(find_clips(work / "clips"), load_settings(work / "stage1.toml", {"drop": 0.25, "clips": 64}))
    shown = torch.cat([batches.at(step).shown for step in range(6)]).float().mean()
    assert shown == pytest.approx(0.75, abs=0.07)


def test_clips_are_what_was_drawn(work):
    clip = open_clip(next((work / "clips").glob("*.safetensors")))
    assert (clip.frames, clip.size, clip.latent_shape) == (8, 64, (16, 8, 8))
    part = read_part(clip, [5, 1])
    assert part["pictures"].shape == (2, 64, 64, 3) and part["points"].shape == (2, 478, 2)
    assert open_clip(work / "stage1.toml") is None
