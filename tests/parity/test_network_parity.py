"""The networks and the sampling loops against what the published code computes under the same seeded weights."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from followemoji_core.diffusion.noise import ClipNoise
from followemoji_core.diffusion.schedule import make_scheduler
from followemoji_core.model.conditioning import condition, unconditional
from followemoji_core.model.weights.build import Networks, build
from followemoji_core.model.weights.fill import complete
from followemoji_core.walk.animate import Host, animate
from followemoji_core.walk.appearance import Appearance, read_appearance
from followemoji_core.walk.settings import Settings

MANIFESTS = {"denoiser": "unet", "appearance_net": "referencenet", "landmark_encoder": "lmk_guider"}
CALL, LOOP = 1e-4, 1e-3
# The README of the golden data: steps and windows of each loop.
LOOPS = {
    "ddim": Settings(steps=5, windows="uniform", window_length=32, overlap=0),
    "windows": Settings(steps=3, windows="uniform", window_length=24, overlap=0),
    "gaussian": Settings(steps=3, windows="gaussian", window_length=6, overlap=2),
}


def read(golden: Path) -> dict[str, torch.Tensor]:
    """The golden tensors with frames before channels and no batch of one."""
    data = {name: value.transpose(1, 2) if value.ndim == 5 else value for name, value in load_file(golden).items()}
    return {name: value[0] if len(value) == 1 else value for name, value in data.items()}


def networks_of(golden: Path) -> Networks:
    """The networks under the weights that made the golden tensors."""
    size, seed = re.fullmatch(r"golden_(.+)_seed(\d+)", golden.stem).groups()
    spec = importlib.util.spec_from_file_location("seeded_weights", golden.parents[1] / "seeded_weights.py")
    seeded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(seeded)
    networks = {
        part: build(complete(part, seeded.seeded_state_dict(golden.parent / f"{name}_{size}.json", int(seed)), name))
        for part, name in MANIFESTS.items()
    }
    return Networks(**networks)


def deviation(got: torch.Tensor, wanted: torch.Tensor) -> float:
    return float((got.float() - wanted).norm() / wanted.norm())


def appearance(data: dict, networks: Networks, dtype: torch.dtype = torch.float32) -> Appearance:
    latents, tokens = data["ref_latents"][None].to(dtype), data["clip_tokens"][None].to(dtype)
    return read_appearance(networks.appearance_net.to(dtype), latents, tokens)


def test_single_calls(golden_network):
    data, networks = read(golden_network), networks_of(golden_network)
    with torch.no_grad():
        features = networks.landmark_encoder(data["landmark_images"])
        assert deviation(features, data["landmark_features"]) < CALL
        known = appearance(data, networks)
        handed = {f"reference_{index:02d}": features for index, features in enumerate(known.features.maps)}
        assert len(handed) == 16
        compared = [key for key in data if key.startswith("reference_")]
        assert compared
        for key in compared:
            assert deviation(handed[key][0], data[key]) < CALL, key
        halves = both_halves(networks, known)
        for fused in (False, True):
            if fused:
                networks.denoiser.fuse()
            for together in (True, False):
                both = networks.denoiser(data["noise"], torch.tensor(601), features, halves, together=together)
                for got, wanted in zip(both.chunk(2), data["prediction_t601"], strict=True):
                    assert deviation(got, wanted) < CALL
        alone = networks.denoiser(data["noise"], torch.tensor(601), features, halves[1:])
        assert deviation(alone, data["prediction_t601"][1]) < CALL
        check_half_precision(data, networks)


def both_halves(networks: Networks, known: Appearance) -> tuple:
    return unconditional(networks.denoiser, known.tokens), condition(networks.denoiser, known.tokens, known.features)


def check_half_precision(data: dict, networks: Networks) -> None:
    """bf16 at the published size (fp16 takes half a minute on a CPU, and comes ten times closer), fp16 below it.

    A network of 32 channels has 2.5e-2 in bf16, half of it from rounding the weights alone; it is not for use.
    """
    dtype = torch.bfloat16 if networks.denoiser.config.channels[0] >= 320 else torch.float16
    known = appearance(data, networks, dtype)
    features = networks.landmark_encoder.to(dtype)(data["landmark_images"].to(dtype))
    noise = data["noise"].to(dtype)
    networks.denoiser.to(dtype)
    half = networks.denoiser(noise, torch.tensor(601), features, both_halves(networks, known)[1:])
    assert deviation(half, data["prediction_t601"][1]) < 2e-2


@pytest.mark.parametrize("loop", LOOPS)
def test_loops(golden_network, loop):
    data = read(golden_network)
    if f"{loop}_latents" not in data:
        pytest.skip(f"{golden_network.stem} holds no {loop}_* loop")
    networks = networks_of(golden_network)
    images = data[f"{loop}_landmarks_u8"].float() / 255
    noise = data[f"{loop}_noise"]
    for halves_together in (True, False):
        store = animate(
            networks.denoiser,
            networks.landmark_encoder,
            appearance(data, networks),
            images,
            LOOPS[loop],
            Host(halves_together=halves_together),
            noise=lambda frames: noise.reshape(len(images), *noise.shape[-3:])[list(frames)],
        )
        assert deviation(store.latents, data[f"{loop}_latents"]) < LOOP


def test_schedule(golden_network):
    data = read(golden_network)
    if "timesteps_30" not in data:
        pytest.skip(f"{golden_network.stem} holds no schedule")
    scheduler = make_scheduler()
    scheduler.set_timesteps(30)
    assert torch.equal(scheduler.timesteps, data["timesteps_30"])
    assert torch.allclose(scheduler.alphas_cumprod, data["alphas_cumprod"], atol=1e-6)
    assert data["alphas_cumprod"][-1] == 0  # zero terminal SNR: the first step starts from noise alone
    assert ClipNoise(3, (4, 2, 2), 7)(range(3)).equal(ClipNoise(5, (4, 2, 2), 7)(range(3)))
