"""Finite or refused: what is too large for fp16 is made again in fp32, once; else the job stops and names a way out."""

from __future__ import annotations

import copy
import logging
from dataclasses import replace

import numpy as np
import pytest
import torch

from followemoji_core.errors import InputError, NotFiniteError
from followemoji_core.model.appearance_net import AppearanceNet
from followemoji_core.model.config import LandmarkEncoderConfig, UNetConfig
from followemoji_core.model.denoiser import Denoiser
from followemoji_core.model.landmark_encoder import LandmarkEncoder
from followemoji_core.model.ops import TORCH
from followemoji_core.types import AlignedMotion
from followemoji_core.walk.animate import Host, animate, new_store, plan_job
from followemoji_core.walk.appearance import read_appearance
from followemoji_core.walk.precision import widened
from followemoji_core.walk.settings import Settings

SHAPE = (4, 8, 8)
SETTINGS = Settings(steps=2, guidance=2.0, window_length=4, overlap=1, windows="plain")


@pytest.fixture(scope="module")
def job():
    """Networks in half precision whose first layer answers with more than 65504; a portrait, and 8 frames."""
    torch.manual_seed(0)
    config = UNetConfig((32, 32), (True, False), 1, 4, 4, 12, 16)
    denoiser = Denoiser(config).eval()
    appearance_net = AppearanceNet(config).eval()
    encoder = LandmarkEncoder(LandmarkEncoderConfig((8, 8, 8, 8), 32)).eval().half()
    with torch.no_grad():
        appearance = read_appearance(appearance_net, torch.randn(1, *SHAPE), torch.randn(1, 3, 12))
        tame = copy.deepcopy(denoiser).half()
        denoiser.conv_in.weight.mul_(300_000)
    points = np.random.default_rng(0).uniform(5, 60, (8, 478, 2)).astype(np.float32)
    denoiser = denoiser.half()
    denoiser.fuse()
    return denoiser, tame, encoder, appearance, AlignedMotion(points, (64, 64), 25.0)


def run(job, denoiser=None, dtype=torch.float16, store=None, settings=SETTINGS, **host) -> torch.Tensor:
    wild, _, encoder, appearance, motion = job
    host = Host(dtype=dtype, **host)
    return animate(denoiser or wild, encoder, appearance, motion, settings, host, store=store).latents


@pytest.mark.parametrize("windows", ["plain", "gaussian", "progressive"])
def test_fp16_that_overflows_is_done_again_in_fp32_once(job, windows, caplog):
    denoiser, encoder = job[0], job[2]
    before = {name: (value.data_ptr(), value.clone()) for name, value in denoiser.named_parameters()}
    settings = replace(SETTINGS, windows=windows)
    with caplog.at_level(logging.WARNING):
        again = run(job, settings=settings)
    assert again.isfinite().all() and "made again in fp32" in caplog.text and "bf16" in caplog.text
    for name, value in denoiser.named_parameters():  # the weights are what and where they were
        assert (value.data_ptr(), value.dtype) == (before[name][0], torch.float16) and value.equal(before[name][1])
    # The same as if all had been float32 from the start.
    wide = copy.deepcopy(denoiser).float(), None, copy.deepcopy(encoder).float(), *job[3:]
    assert (again - run(wide, dtype=torch.float32, settings=settings)).abs().max() < 1e-2


def test_only_the_window_that_overflows_is_done_again(job, caplog):
    """Of two windows that go together."""
    tame, seen = job[1], []

    def overflow(module, inputs, output):
        seen.append((output.dtype, len(output)))
        return output.index_fill(0, torch.tensor([5]), torch.inf) if output.dtype == torch.float16 else output

    whole = run(job, tame)
    hook = tame.register_forward_hook(overflow)
    try:
        with caplog.at_level(logging.WARNING):
            mended = run(job, tame, at_once=lambda frames: 2)
    finally:
        hook.remove()
    assert seen == [(torch.float16, 16)] * 2 + [(torch.float32, 8)] * 2  # rows of both halves of guidance
    assert (mended[:4] - whole[:4]).abs().max() < 1e-2 and (mended[4:] - whole[4:]).abs().max() < 1e-1
    assert "Frames 4 to 7" in caplog.text and "0 to 3" not in caplog.text


@pytest.mark.parametrize(
    "dtype, words",
    [
        (torch.float16, "bf16, or fp32"),
        (torch.bfloat16, "precision fp32"),
        (torch.float32, "lower the guidance"),
    ],
)
def test_what_is_not_finite_stops_the_job_and_names_the_precision(job, dtype, words, tmp_path):
    """float16: on a host that has no room for float32. Nothing is kept."""

    def no_room(*networks):
        raise torch.cuda.OutOfMemoryError("as a GPU says it")

    denoiser = copy.deepcopy(job[1]).to(dtype)
    with torch.no_grad():
        denoiser.conv_out.bias.fill_(torch.nan)
    other = None, None, copy.deepcopy(job[2]).to(dtype), *job[3:]
    store = new_store(8, job[3], SETTINGS, tmp_path / "job")
    with pytest.raises(NotFiniteError, match=f"Frames 0 to 3.*{words}"):
        run(other, denoiser, dtype, store, widened=no_room)
    assert not store.known.any() and not list((tmp_path / "job").glob("*.safetensors"))
    if dtype == torch.float16:
        with pytest.raises(NotFiniteError, match="More precision does not help"):
            run(other, denoiser, dtype, store)


def test_a_portrait_that_is_not_finite_is_refused(job):
    network = AppearanceNet(job[0].config).eval()
    latents, tokens = torch.randn(1, *SHAPE), torch.randn(1, 3, 12)
    with pytest.raises(NotFiniteError, match="VAE made of the portrait are not finite"):
        read_appearance(network, latents * torch.nan, tokens)
    with pytest.raises(NotFiniteError, match="image encoder's tokens"):
        read_appearance(network, latents, tokens / 0)
    with torch.no_grad():
        network.conv_in.weight.mul_(300_000)
        with pytest.raises(NotFiniteError, match="appearance net.*bf16, or fp32"):
            read_appearance(network.half(), latents.half(), tokens.half())


def test_landmarks_that_are_not_finite_are_refused(job):
    motion = AlignedMotion(job[4].points.copy(), (64, 64), 25.0)
    motion.points[3, 7] = np.nan
    with pytest.raises(InputError, match="landmarks are not all finite"):
        plan_job(job[0].config, job[3], motion, SETTINGS)


def test_widened_ends_with_the_weights_as_they_were():
    layer = TORCH.Linear(2, 2).half()
    before = layer.weight.data_ptr()
    with pytest.raises(RuntimeError), widened(layer):
        assert layer(torch.ones(1, 2)).dtype == torch.float32
        layer(torch.ones(1, 3))
    assert layer.weight.data_ptr() == before and layer.weight.dtype == torch.float16
    assert layer(torch.ones(1, 2).half()).dtype == torch.float16


NAN, INFINITY = float("nan"), float("inf")


@pytest.mark.parametrize(
    "changes",
    [
        *({"guidance": value} for value in (NAN, INFINITY, -INFINITY, -1.0, 101.0)),
        *({"seed": value} for value in (-1, 2**64, 0.5, NAN)),
        *({"steps": value} for value in (0, -1, 1001, 2.5, NAN, INFINITY)),
        *({"window_length": value} for value in (0, -1, 10**9, NAN)),
        *({"overlap": value} for value in (-1, NAN)),
        *({"shared_noise": value} for value in (-0.1, 1.1, NAN)),
        *({"resampling": value} for value in (-1, 10**6, NAN)),
        *({name: "pigeon"} for name in ("scheduler", "windows", "keyframes", "known_frames")),
    ],
    ids=str,
)
def test_settings_are_in_their_range_or_refused(changes):
    (name,) = changes
    with pytest.raises(InputError, match=f"^{name} is .*allowed: "):
        Settings(**changes)


@pytest.mark.parametrize("windows", ["gaussian", "progressive"])
def test_every_seed_of_comfyui_samples(job, windows):
    for seed in (0, 2**63, 2**64 - 1):
        settings = replace(SETTINGS, windows=windows, steps=1, seed=seed, shared_noise=0.5)
        assert run(job, job[1], settings=settings).isfinite().all()
