"""What the published code guarantees whatever the weights are, computed with the weights that are there.

Nothing here is compared with stored numbers: each check computes one thing in two ways. Deviations are relative,
|one - other| / |other|, in float32.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ...diffusion.guidance import guide
from ...diffusion.sampler import Rows, sample
from ...diffusion.schedule import SETTINGS, TRAIN_TIMESTEPS, make_scheduler
from ...model.conditioning import Conditioning, condition, unconditional
from ...model.denoiser import Denoiser
from ...model.landmark_encoder import LandmarkEncoder
from .digest import Inputs
from .report import OURS, Report

CALL, LOOP = (
    1e-4,
    1e-3,
)  # of a call, and after a sampling loop: what float32 reaches on the published golden data
HALF = 5e-2  # of a call in half precision; in bf16 networks of 32 channels have 2.5e-2, of full width under 2e-2
_TIMESTEP, _GUIDANCE, _STEPS = 601, 3.5, 3
_WINDOWS = (((0, 1), (1.0, 0.5)), ((1, 2), (0.5, 1.0)))  # frames, weights
_CELLS = 8  # side of latents in the loop: windows are what counts there
_KERNELS = "This machine's kernels do not compute as they should: try --device cpu, update torch, report it."


def deviation(got: Tensor, wanted: Tensor) -> float:
    """|got - wanted| / |wanted|; of a wanted zero |got|."""
    size = float(wanted.float().norm())
    return float((got.float() - wanted.float()).norm()) / (size or 1.0)


def published_alphas() -> Tensor:
    """(1000,) float64, of the paper's settings: scaled linear betas, shifted and scaled so that the last is 0."""
    ends = (SETTINGS["beta_start"] ** 0.5, SETTINGS["beta_end"] ** 0.5)
    betas = torch.linspace(*ends, TRAIN_TIMESTEPS, dtype=torch.float64) ** 2
    roots = (1 - betas).cumprod(0).sqrt()
    first, last = roots[0], roots[-1]
    return ((roots - last) * first / (first - last)) ** 2


def check_schedule(report: Report) -> None:
    """The installed diffusers against the published numbers; no weights are needed."""
    part, way_out = "schedule", "Another diffusers computes another schedule: pip install 'diffusers>=0.35'."
    with report.isolated(part, "30 trailing steps"):
        scheduler = make_scheduler()
        scheduler.set_timesteps(30)
        steps = scheduler.timesteps.tolist()
        wanted = [round(TRAIN_TIMESTEPS * (30 - step) / 30) - 1 for step in range(30)]
        said = f"{steps[0]}, {steps[1]}, {steps[2]}, ... {steps[-1]}"
        report.judge(part, "30 trailing steps", steps == wanted, said, way_out)
        last = float(scheduler.alphas_cumprod[-1])
        report.judge(part, "alphas_cumprod[999] is 0", last == 0.0, f"{last:g}", way_out)
        off = float((scheduler.alphas_cumprod.double() - published_alphas()).abs().max())
        report.judge(part, "alphas_cumprod from its formula", off < 1e-6, f"off by {off:.1e} at most", way_out)


def check_denoiser(report: Report, denoiser: Denoiser, inputs: Inputs) -> tuple[Tensor, Tensor]:
    """Guidance, constants and windows of a denoiser in float32. Returns what it predicts of the inputs with the
    portrait, and guided."""
    part, config = "denoiser", denoiser.config
    tokens, maps = inputs.tokens(config.token_width), inputs.appearance(denoiser)
    latents, features = inputs.latents(config.out_channels), inputs.features(config.channels[0])
    timestep = torch.tensor(_TIMESTEP)
    halves = (unconditional(denoiser, tokens), condition(denoiser, tokens, maps))
    both = denoiser(latents, timestep, features, halves)
    apart = denoiser(latents, timestep, features, halves, together=False)
    # As published: a plain call with the portrait, and one with 257 image tokens of zeros and without it.
    zeros = tokens.new_zeros(1, 257, config.token_width)
    plain = [denoiser(latents, timestep, features, (half,)) for half in (condition(denoiser, zeros, None), halves[1])]
    finite = bool(both.isfinite().all())
    report.judge(part, "answers with finite numbers", finite, f"deviation {float(both.std()):.3g}", _damaged(report))
    off = max(deviation(got, wanted) for got, wanted in zip((*both.chunk(2), *apart.chunk(2)), plain * 2, strict=True))
    report.judge(part, "a guided pass is two plain calls", off < CALL, f"off by {off:.1e}", _KERNELS)
    if not config.queries:
        off = _constants_off(denoiser, halves[0], zeros, inputs)
        said = f"{len(halves[0].layers)} layers, off by {off:.1e}"
        report.judge(part, "cross-attention without a portrait is constant", off < CALL, said, OURS)
    _check_windows(report, denoiser, Inputs(inputs.device, _CELLS), halves)
    return both.chunk(2)[1], guide(both, 2, _GUIDANCE)


def check_half(report: Report, denoiser: Denoiser, inputs: Inputs, dtype: torch.dtype, wanted: Tensor) -> None:
    """A prediction with the portrait in half precision against float32's. The denoiser is left in `dtype`."""
    config, kind = denoiser.config, str(dtype).removeprefix("torch.")
    denoiser.to(dtype)
    tokens, maps = inputs.tokens(config.token_width).to(dtype), inputs.appearance(denoiser)
    maps = type(maps)(tuple(features.to(dtype) for features in maps.maps))
    latents, features = inputs.latents(config.out_channels).to(dtype), inputs.features(config.channels[0]).to(dtype)
    got = denoiser(latents, torch.tensor(_TIMESTEP), features, (condition(denoiser, tokens, maps),))
    off = deviation(got, wanted)
    way_out = f"Use --precision {'bf16 or fp32' if dtype == torch.float16 else 'fp32'}."
    report.judge("denoiser", f"{kind} is near float32", off < HALF, f"off by {off:.1e}", way_out)


def check_landmark_encoder(report: Report, encoder: LandmarkEncoder, inputs: Inputs) -> None:
    """Frames do not see each other, and of black nothing but the edge differs: it is made of convolutions alone."""
    images = inputs.landmark_images()
    black = encoder(torch.zeros_like(images))
    edge = 4  # cells; the picture that one cell sees ends before
    inner = black[..., edge:-edge, edge:-edge]
    alike = deviation(inner, inner.mean((2, 3), keepdim=True).expand_as(inner))
    together = encoder(torch.cat([images, torch.zeros_like(images)]))
    off = max(alike, deviation(together[:1], encoder(images)))
    report.judge("landmark encoder", "frames apart, black alike", off < CALL, f"off by {off:.1e}", _KERNELS)


def _damaged(report: Report) -> str:
    return "Its numbers are damaged: download the file again." if report.ok("denoiser") else "See what failed above."


def _constants_off(denoiser: Denoiser, without: Conditioning, zeros: Tensor, inputs: Inputs) -> float:
    read, worst = denoiser.project(zeros), 0.0
    for block, layer in zip(denoiser.transformer_blocks(), without.layers, strict=True):
        asked = inputs.normal(1, 5, len(block.norm2.weight), seed=3)
        answer = block.attn2(asked, block.attn2.keys_values(read))
        worst = max(worst, deviation(answer, layer.constant.expand_as(answer)))
    return worst


def _check_windows(report: Report, denoiser: Denoiser, inputs: Inputs, halves: tuple[Conditioning, ...]) -> None:
    """DDIM over two windows that share a frame: one by one, both at once, and as the published code does it, which
    steps every window by itself and blends what comes out; there in the other order, which is to make no difference."""
    config, frames = denoiser.config, 1 + max(frame for window, _ in _WINDOWS for frame in window)
    noise, features = inputs.latents(config.out_channels, frames), inputs.features(config.channels[0], frames)

    def predict(noisy: Tensor, timestep: Tensor, rows: list[int], clips: int, covered: Tensor | None) -> Tensor:
        return guide(denoiser(noisy, timestep, features[rows], halves, clips), 2, _GUIDANCE)

    windows = [Rows(*window) for window in _WINDOWS]
    first = sample(predict, noise, windows, make_scheduler(), _STEPS)
    off = deviation(sample(predict, noise, windows, make_scheduler(), _STEPS, at_once=2), first)
    report.judge("denoiser", "windows together or one by one", off < LOOP, f"off by {off:.1e}", _KERNELS)
    off = deviation(first, _published_loop(predict, noise, windows[::-1]))
    report.judge("denoiser", "DDIM as published, windows in any order", off < LOOP, f"off by {off:.1e}", OURS)


def _published_loop(predict, noise: Tensor, windows: list[Rows]) -> Tensor:
    """_STEPS steps of DDIM for v, written out; its rounded list of timesteps and its own previous timestep included."""
    alphas = published_alphas()
    latents = noise
    for step in range(_STEPS):
        timestep = round(TRAIN_TIMESTEPS - step * TRAIN_TIMESTEPS / _STEPS) - 1
        earlier = timestep - TRAIN_TIMESTEPS // _STEPS
        now, then = float(alphas[timestep]), float(alphas[earlier]) if earlier >= 0 else 1.0
        total, weight = torch.zeros_like(latents), latents.new_zeros(len(latents), 1, 1, 1)
        for window in windows:
            rows, noisy = list(window.rows), latents[list(window.rows)]
            v = predict(noisy, torch.tensor(timestep), rows, 1, None)
            clean = now**0.5 * noisy - (1 - now) ** 0.5 * v
            noise_seen = now**0.5 * v + (1 - now) ** 0.5 * noisy
            share = latents.new_tensor(window.weights)[:, None, None, None]
            total[rows] += share * (then**0.5 * clean + (1 - then) ** 0.5 * noise_seen)
            weight[rows] += share
        latents = total / weight
    return latents
