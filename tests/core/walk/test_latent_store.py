"""What was kept of a job is what was made, or it is made again."""

from __future__ import annotations

import logging
import os

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from followemoji_core.errors import OutputError
from followemoji_core.walk import latent_store
from followemoji_core.walk.latent_store import ASIDE, LatentStore

SHAPE = (4, 8, 8)


@pytest.fixture
def folder(tmp_path):
    """Two windows of a job of 10 frames."""
    torch.manual_seed(0)
    store = LatentStore(10, SHAPE, tmp_path / "job")
    store.put([0, 4, 9], torch.randn(3, *SHAPE))
    store.put([1, 2, 3], torch.randn(3, *SHAPE))
    return tmp_path / "job"


def rewrite(path, latents=None, **about):
    with safe_open(path, "pt") as file:
        about = file.metadata() | about
    save_file({"latents": load_file(path)["latents"] if latents is None else latents}, path, about)


def test_what_was_kept_comes_back(folder):
    store = LatentStore(10, SHAPE, folder)
    assert store.known.tolist() == [True] * 5 + [False] * 4 + [True] and torch.equal(store.known, store.kept)
    torch.manual_seed(0)
    assert torch.equal(store.latents[[0, 4, 9]], torch.randn(3, *SHAPE).half())


@pytest.mark.parametrize(
    "damage",
    [
        "a bit",
        "half",
        "nan",
        "other frames",
        "frames outside",
        "another shape",
        "no checksum",
        "the version before",
        "text",
    ],
)
def test_a_file_that_does_not_fit_is_put_aside_and_its_window_made_again(folder, caplog, damage):
    victim = next(path for path in folder.glob("*.safetensors") if load_file(path)["latents"].shape[0] == 3)
    frames = [0, 4, 9] if "[0, 4, 9]" in victim.read_bytes().decode("latin1") else [1, 2, 3]
    latents = load_file(victim)["latents"]
    data = bytearray(victim.read_bytes())
    if damage == "a bit":
        data[-100] ^= 1
        victim.write_bytes(data)
    elif damage == "half":
        victim.write_bytes(data[: len(data) // 2])
    elif damage == "nan":  # with a checksum that is right: as an older version, or another program, would keep it
        latents[0, 0, 0, 0] = float("nan")
        rewrite(victim, latents, **LatentStore(10, SHAPE)._about(frames, latents))
    elif damage == "other frames":
        rewrite(victim, frames="[5, 6, 7]")
    elif damage == "frames outside":
        rewrite(victim, frames="[5, 6, 10]")
    elif damage == "another shape":
        rewrite(victim, latents[:, :, :4].contiguous())
    elif damage == "no checksum":
        save_file({"latents": latents}, victim)
    elif damage == "the version before":
        save_file({"latents": latents, "frames": torch.tensor(frames)}, victim)
    else:
        victim.write_text("text")
    with caplog.at_level(logging.WARNING):
        store = LatentStore(10, SHAPE, folder)
    assert int(store.known.sum()) == 3 and not store.known[frames].any()
    assert victim.name in caplog.text and "made again" in caplog.text
    assert not victim.exists() and victim.with_name(victim.name + ASIDE).exists()
    store.put(frames, torch.zeros(3, *SHAPE))
    assert int(LatentStore(10, SHAPE, folder).known.sum()) == 6


@pytest.mark.parametrize("count, shape", [(11, SHAPE), (10, (4, 8, 16))])
def test_windows_of_another_job_are_not_taken(folder, count, shape):
    store = LatentStore(count, shape, folder)
    assert not store.known.any() and len(list(folder.glob(f"*{ASIDE}"))) == 2


def test_it_goes_on_from_what_is_on_the_disk(folder, monkeypatch):
    """Not from what is about to be: the window whose writing failed is not counted."""

    def full(partial, target):
        raise OSError(28, "No space left on device")

    store = LatentStore(10, SHAPE, folder)
    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OutputError, match="it goes on from the 6 of 10 frames that are kept"):
        store.put([5, 6], torch.zeros(2, *SHAPE))
    monkeypatch.undo()
    assert int(LatentStore(10, SHAPE, folder).known.sum()) == 6 and latent_store.FORMAT == "followemoji.latents"
