"""The small autoencoder's training, a few steps of it."""

from __future__ import annotations

import pytest
import torch

from followemoji_core.encoders.autoencoder import TinyAutoencoder
from followemoji_core.training.train_autoencoder import AutoencoderSettings, train_autoencoder


def test_bfloat16_learns_as_float32_does():
    """The same losses but for rounding, float32 parameters; the second half goes on from a copy of what it is given."""
    few = dict(latent_channels=4, depths=(0, 0, 1, 0), size=64, crop=32, people=1, frames=2, batch=2)
    curves, begun = {}, TinyAutoencoder(4, (0, 0, 1, 0))
    before = {key: value.clone() for key, value in begun.state_dict().items()}
    for precision in ("fp32", "bf16"):
        losses = curves[precision] = []
        settings = AutoencoderSettings(**few, steps=4, decoder_steps=2, precision=precision)
        made = train_autoencoder(settings, lambda step, scalars, losses=losses: losses.append(scalars["loss"]))
        assert len(losses) == 6
        assert {value.dtype for value in made.parameters()} == {torch.float32}
        assert not any(value.requires_grad for value in made.parameters())
        made = train_autoencoder(settings, lambda step, scalars: None, begun)
        assert all(torch.equal(value, before[key]) for key, value in begun.state_dict().items())
        moved = {key for key, value in made.state_dict().items() if not torch.equal(value, before[key])}
        assert moved and all(key.startswith("taesd_decoder") for key in moved)
    assert curves["bf16"] == pytest.approx(curves["fp32"], rel=0.03) and curves["bf16"] != curves["fp32"]
