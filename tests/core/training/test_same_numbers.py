"""Ways to train the same in less memory or time: accumulation, gradient checkpointing, what frozen networks made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests.training_run import SETTINGS, draw, train


@pytest.fixture(scope="module")
def work(tmp_path_factory) -> Path:
    return draw(tmp_path_factory.mktemp("same"))


def weights(folder: Path, run: str, step: int) -> dict[str, torch.Tensor]:
    return load_file(folder / run / f"checkpoint-{step:07d}.safetensors")


def test_accumulation_and_checkpointing_change_nothing(work):
    """Two micro batches of two clips are one of four; what is computed again is what was; another seed differs."""
    same = ("steps=2", 'optimizer="adamw"', "learning_rate=1e-3", "ema=0.0", "save_every=2")
    ways = {"plain": (), "micro": ("clips=2", "accumulation=2"), "again": ("gradient_checkpointing=true",)}
    for name, changes in {**ways, "other": ("seed=1",)}.items():
        assert train(work, f"out={name}", *same, *changes) == 0
    plain, *others = (weights(work, name, 2) for name in (*ways, "other"))
    far = [np.mean([float((plain[key].float() - other[key]).abs().mean()) for key in plain]) for other in others]
    assert max(far[:2]) < 1e-5 < 1e-4 < far[2]


def test_frozen_networks_are_asked_once(work):
    """With `remember` the same numbers come out, and the landmark encoder is run on every picture once."""
    import followemoji_core.training.trainee as trainee

    seen = []
    plain = trainee.Trainee._look

    def look(self, images):
        seen.append(len(images))
        return plain(self, images)

    assert train(work, "out=first", "steps=1") == 0
    trained = work / "first" / "checkpoint-0000001.safetensors"
    text = SETTINGS.split("[model]")[0].replace("stage = 1", "stage = 2")
    (work / "stage2.toml").write_text(f'{text}initial = "{trained}"\nwhole_denoiser = true\n')
    runs = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainee.Trainee, "_look", look)
        for room in (0, 64):
            seen.clear()
            assert train(work, f"out=run{room}", f"remember={room}", "targets=8", "clips=2", file="stage2.toml") == 0
            runs.append((weights(work, f"run{room}", 4), sum(seen)))
    (first, often), (second, once) = runs
    assert often == 4 * 16 > once and max(float((first[key].float() - second[key]).abs().max()) for key in first) < 2e-3
    before = load_file(trained)
    assert {key.split(".")[0] for key in first if not torch.equal(before[key], first[key])} == {"denoiser"}
