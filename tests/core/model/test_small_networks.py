"""What only our own files have - image encoder, heads, places, autoencoder - and what training asks of a network."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

from followemoji_core.encoders.autoencoder import TinyAutoencoder
from followemoji_core.encoders.image_encoder import OwnImageEncoder
from followemoji_core.encoders.opening import open_codec
from followemoji_core.errors import CheckpointError
from followemoji_core.model.appearance_net import AppearanceNet
from followemoji_core.model.conditioning import condition, unconditional
from followemoji_core.model.config import ImageEncoderConfig, LandmarkEncoderConfig, UNetConfig
from followemoji_core.model.denoiser import Denoiser
from followemoji_core.model.image_encoder import ImageEncoder
from followemoji_core.model.landmark_encoder import LandmarkEncoder
from followemoji_core.model.weights.build import Networks, load_networks, save_networks
from followemoji_core.model.weights.files import find_files
from followemoji_core.model.weights.read import latent_table
from followemoji_core.training.cast_ops import CAST
from followemoji_core.training.muon import Muon, orthogonal

CONFIG = UNetConfig((32, 32), (True, False), 1, 33, 16, 24, 16, queries=4, query_layers=2, heads=2, places=8)


@pytest.fixture(scope="module")
def networks() -> Networks:
    torch.manual_seed(0)
    parts = (
        Denoiser(CONFIG),
        AppearanceNet(replace(CONFIG, in_channels=16)),
        LandmarkEncoder(LandmarkEncoderConfig((8, 8, 8, 8), 32)),
        ImageEncoder(ImageEncoderConfig(24, 2, 8, 32, 2)),
    )
    return Networks(*(part.eval().requires_grad_(False) for part in parts))


def arguments(clips=2, frames=3):
    generator = torch.Generator().manual_seed(1)

    def randn(*shape):
        return torch.randn(shape, generator=generator)

    return randn(clips * frames, 16, 8, 8), torch.full((clips,), 600), randn(clips * frames, 32, 8, 8)


def test_everything_is_read_off_the_file(networks, tmp_path):
    save_networks(tmp_path / "all.safetensors", networks, torch.float16, {"latent_rgb": torch.ones(17, 3)})
    loaded = load_networks(find_files(tmp_path / "all.safetensors"), dtype=torch.float32)
    assert loaded.denoiser.config == CONFIG
    assert loaded.image_encoder.config == networks.image_encoder.config
    pictures = torch.rand(1, 3, 50, 40)
    tokens = networks.image_encoder(pictures)
    assert tokens.shape == (1, 16, 24) and torch.allclose(loaded.image_encoder(pictures), tokens, atol=1e-2)
    portrait = torch.randn(1, 16, 8, 8)
    for ours, theirs in zip(
        networks.appearance_net(portrait, tokens).maps, loaded.appearance_net(portrait, tokens).maps, strict=True
    ):
        assert torch.allclose(ours, theirs, atol=2e-2)
    assert latent_table(tmp_path / "all.safetensors").equal(torch.ones(17, 3))


def test_an_image_encoder_of_another_width_is_refused(networks, tmp_path):
    other = replace(networks, image_encoder=ImageEncoder(ImageEncoderConfig(32, 1, 8, 32, 2)))
    save_networks(tmp_path / "mixed.safetensors", other)
    with pytest.raises(CheckpointError, match="image encoder does not belong.*token width 32, the denoiser has 24"):
        load_networks(find_files(tmp_path / "mixed.safetensors"))


def test_unshown_clips_are_computed_as_without_a_portrait(networks):
    """Training drops the portrait of some clips of a batch; sampling leaves it out of a half: the same numbers."""
    latents, timestep, features = arguments()
    tokens = torch.randn(2, 5, 24)
    appearance = networks.appearance_net(torch.randn(2, 16, 8, 8), tokens)
    shown = torch.tensor([True, False])
    denoiser = networks.denoiser

    def call(*halves):
        return denoiser(latents, timestep, features, halves, clips=2)

    mixed = call(condition(denoiser, tokens * shown[:, None, None], appearance, shown))
    halves = unconditional(denoiser, tokens), condition(denoiser, tokens, appearance)
    without, with_portrait = call(*halves).chunk(2)
    assert torch.allclose(mixed[:3], with_portrait[:3], atol=1e-5)
    assert torch.allclose(mixed[3:], without[3:], atol=1e-5)
    assert not torch.allclose(with_portrait, without, atol=1e-3)


def test_training_layers_compute_the_same(networks):
    """Float32 exactly, but for the order of sums; bfloat16 with float32 parameters about."""
    cast = Denoiser(CONFIG, CAST).eval()
    cast.load_state_dict(networks.denoiser.state_dict())
    latents, timestep, features = arguments()

    def call(denoiser, dtype=torch.float32):
        parts = latents.to(dtype), timestep, features.to(dtype)
        return denoiser(*parts, (unconditional(denoiser, parts[0]),), clips=2)

    plain = call(networks.denoiser)
    with torch.no_grad():
        assert torch.allclose(call(cast), plain, atol=1e-5)
        low = call(cast, torch.bfloat16)
    assert low.dtype == torch.bfloat16 and (low.float() - plain).norm() / plain.norm() < 0.05


def test_places_follow_the_size(networks):
    """The table is stretched to pictures of other sizes."""
    assert networks.appearance_net(torch.randn(1, 16, 6, 10), torch.randn(1, 4, 24)).maps[0].shape == (1, 60, 32)


def test_a_shallow_autoencoder_is_a_whole_file(tmp_path):
    """Places without a block are written as blocks of zeros: the full layout computes the same."""
    torch.manual_seed(0)
    shallow = TinyAutoencoder(16, (0, 1, 0, 2)).eval()
    with torch.no_grad():
        for name, value in shallow.named_parameters():
            if name.endswith("conv.4.weight"):
                value.normal_(0, 0.02)
    state = shallow.full_state()
    full = TinyAutoencoder(16).eval()
    full.load_state_dict({key: value for key, value in state.items() if key.startswith("taesd_")})
    pictures = torch.rand(2, 3, 32, 48)
    with torch.no_grad():
        latents = shallow.encode(pictures)
        assert latents.shape == (2, 16, 4, 6) and torch.allclose(full.encode(pictures), latents, atol=1e-5)
        assert torch.allclose(full.decode(latents), shallow.decode(latents), atol=1e-5)
    save_file({key: value.contiguous() for key, value in state.items()}, tmp_path / "vae.safetensors")
    codec = open_codec(tmp_path / "vae.safetensors")
    assert codec.channels == 16 and codec.module.depths == (0, 1, 0, 2)
    seen = (pictures * 255).byte().movedim(1, -1)
    assert codec.decode(codec.encode(seen)).shape == (2, 32, 48, 3)
    with torch.no_grad():  # folding changes nothing but the order of sums, at the borders too
        assert torch.allclose(codec.to_levels(latents), shallow.decode(latents) * 255, atol=255e-5)
    assert codec.decode(latents.repeat(40, 1, 1, 1))[-1].equal(codec.decode(latents)[-1])  # 80 are several batches
    save_file({key: value for key, value in state.items() if "14." not in key}, tmp_path / "half.safetensors")
    with pytest.raises(CheckpointError, match="not a whole autoencoder"):
        open_codec(tmp_path / "half.safetensors")


def test_tokens_of_uint8_pictures(networks):
    """A codec's and a token encoder's pictures are the same (n,H,W,3) uint8."""
    encoder = OwnImageEncoder(networks.image_encoder)
    pictures = torch.randint(0, 256, (2, 50, 40, 3), dtype=torch.uint8)
    tokens = encoder.tokens(pictures)
    assert tokens.shape == (2, 16, encoder.width)
    assert tokens.equal(networks.image_encoder(pictures.movedim(-1, 1) / 255))


def test_muon():
    torch.manual_seed(0)
    for shape in ((4, 6, 9), (3, 9, 5)):
        singular = torch.linalg.svdvals(orthogonal(torch.randn(shape)))
        assert (singular > 0.5).all() and (singular < 1.3).all()
    weight = torch.nn.Parameter(torch.randn(8, 4, 3, 3))
    target = torch.randn(8, 4, 3, 3)
    optimizer = Muon([weight], lr=0.2)
    first = None
    for _ in range(60):
        loss = (weight - target).square().mean()
        first = first or loss.item()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1 * first
