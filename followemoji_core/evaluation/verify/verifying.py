"""All checks in order, each on its own: files, keys, numbers, networks one at a time, and what they make together."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch
from torch import nn

from ...encoders.clip import open_clip_vision
from ...encoders.image_encoder import OwnImageEncoder
from ...encoders.opening import open_codec
from ...model.conditioning import condition
from ...model.config import LATENT_CELL
from ...model.ops import TORCH
from ...model.weights.build import build
from ...model.weights.fill import Weights
from ...walk.settings import Settings
from ...walk.studio import SMALL_SETTINGS, open_studio
from ..bench import machine, wait
from .digest import Inputs, compare, digest, exact
from .fitting import fit_clip, fit_networks, fit_vae
from .found import Files, look_at_files
from .guarantees import check_denoiser, check_half, check_landmark_encoder, check_schedule
from .report import Report
from .sampled import WINDOW, Subject, judge_frames, process_peak, sample_frames

_ON_GPU, _ON_CPU = (512, 30), (256, 4)  # side in pixels, steps: what is sampled where nothing else is asked for
_PACKAGES = ("torch", "diffusers", "transformers", "safetensors", "numpy", "mediapipe")
_PARTS = ("denoiser", "appearance_net", "landmark_encoder")


@dataclass(frozen=True)
class Wishes:
    """What is asked for. pack: its version. size, steps: of what is sampled; None: as the device allows.
    untrained: whether nobody trained the networks, so that what they show is not judged. small: the model that ships.
    subject: makes what is animated at a size; None: a drawn person."""

    pack: str
    device: str = "cpu"
    dtype: torch.dtype = torch.float32
    size: int | None = None
    steps: int | None = None
    untrained: bool = False
    small: bool = False
    subject: Callable[[int], Subject] | None = None


def verify(
    files: Files, wishes: Wishes, earlier: Mapping | None = None, say: Callable[[str], None] = lambda line: None
) -> Report:
    """The report of some files. earlier: facts of another report, to compare digests with. say: gets a line before
    whatever takes long."""
    report = Report((files.models, files.networks if files.networks.is_dir() else files.networks.parent, Path.home()))
    report.facts["versions"] = {"pack": wishes.pack, **versions(wishes.device, wishes.dtype)}
    look_at_files(report, files, say)
    check_schedule(report)
    say("Comparing keys, shapes and numbers with the networks")
    whole = fit_networks(report, files)
    fit_vae(report, files)
    own = "image_encoder" in whole
    if not own:
        fit_clip(report, files)
    with exact(), torch.no_grad():
        pace = _each_network(report, whole, wishes, say)
        _each_encoder(report, files, own, wishes, say)
    _sample(report, files, whole, wishes, pace, say)
    if earlier is not None:
        compare(report, earlier)
    return report


def versions(device: str, dtype: torch.dtype) -> dict[str, str]:
    """Of what the pack stands on, by name."""
    found = {"Python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    if device.startswith("cuda"):
        found["CUDA"] = str(torch.version.cuda or torch.version.hip)
    system = f"{platform.system()} {platform.release()} {platform.machine()}"
    return {**found, "device": f"{device}: {machine(device)}", "precision": _name(dtype), "system": system}


# --- networks, one at a time: none is in memory with another


def _each_network(report: Report, whole: dict[str, Weights], wishes: Wishes, say: Callable) -> float | None:
    """Digests and guarantees. Returns seconds of the denoiser for a latent cell of a frame, None without one."""
    pace = None
    for name, weights in whole.items():
        part = weights.part.title
        size = sum(value.numel() for value in weights.state.values()) * 4 / 2**30
        say(f"{part}: computing in float32 on {wishes.device}, {size:.1f} GiB of weights")
        with report.isolated(part, "computes"):
            try:
                pace = _one_network(report, name, weights, wishes, wishes.device) or pace
            except torch.cuda.OutOfMemoryError:  # half precision may still do
                report.noted(part, "float32", f"does not fit into the memory of {wishes.device}; computed on the CPU")
                _one_network(report, name, weights, replace(wishes, dtype=torch.float32), "cpu")
    return pace


def _one_network(report: Report, name: str, weights: Weights, wishes: Wishes, device: str) -> float | None:
    # `build` empties what it is given, and these are needed again for sampling's sizes.
    network = build(replace(weights, state=dict(weights.state)), TORCH, device, torch.float32)
    inputs, part = Inputs(device), weights.part.title
    if name == "denoiser":
        return _run_denoiser(report, network, inputs, wishes)
    if name == "appearance_net":
        _run_appearance_net(report, network, inputs)
    elif name == "landmark_encoder":
        check_landmark_encoder(report, network, inputs)
        _digest(report, part, network(inputs.landmark_images()))
    else:
        _digest(report, part, OwnImageEncoder(network).tokens(inputs.pictures()))
    return None


def _run_denoiser(report: Report, denoiser: nn.Module, inputs: Inputs, wishes: Wishes) -> float:
    shown, guided = check_denoiser(report, denoiser, inputs)
    _digest(report, "denoiser", guided)
    config = denoiser.config

    half = condition(denoiser, inputs.tokens(config.token_width), inputs.appearance(denoiser))
    latents, features = inputs.latents(config.out_channels), inputs.features(config.channels[0])
    wait(inputs.device)
    started = time.perf_counter()
    denoiser(latents, torch.tensor(601), features, (half,))
    wait(inputs.device)
    seconds = (time.perf_counter() - started) / (len(latents) * inputs.cells**2)
    if wishes.dtype != torch.float32:
        check_half(report, denoiser, inputs, wishes.dtype, shown)
    return seconds


def _run_appearance_net(report: Report, network: nn.Module, inputs: Inputs) -> None:
    config, part = network.config, "appearance net"
    portrait, tokens = inputs.latents(config.in_channels, 1), inputs.tokens(config.token_width)
    maps = network(portrait, tokens).maps
    wanted = len(network.transformer_blocks())
    finite = len(maps) == wanted and all(bool(features.isfinite().all()) for features in maps)
    widths = "/".join(str(features.shape[-1]) for features in maps)
    way_out = "Its numbers are damaged: download the file again."
    report.judge(part, "hands over finite maps", finite, f"{len(maps)} of widths {widths}", way_out)
    _digest(report, part, *maps)


def _each_encoder(report: Report, files: Files, own: bool, wishes: Wishes, say: Callable) -> None:
    inputs = Inputs(wishes.device)
    if report.ok("VAE"):
        with report.isolated("VAE", "computes"):
            say("VAE: there and back")
            codec = open_codec(files.vae).to(wishes.device, torch.float32)
            _digest(report, "VAE", latents := codec.encode(inputs.pictures()))
            _digest(report, "VAE, decoded", codec.to_levels(latents))
            _check_vae(report, codec, wishes)
    if not own and report.ok("image encoder"):
        with report.isolated("image encoder", "computes"):
            say("image encoder: reading a picture")
            encoder = open_clip_vision(files.clip).to(wishes.device, torch.float32)
            tokens = encoder.tokens(inputs.pictures())
            _digest(report, "image encoder", tokens)
            finite = bool(tokens.isfinite().all())
            said = f"{tokens.shape[1]} of width {tokens.shape[2]}"
            report.judge("image encoder", "tokens", finite, said, "Download the file again.")


def _check_vae(report: Report, codec, wishes: Wishes) -> None:
    """A drawn portrait through it."""
    portrait = torch.from_numpy(Subject.drawn(256 if wishes.size is None else wishes.size, 1).portrait)[None]
    latents = codec.encode(portrait)
    error = float((codec.decode(latents.to(wishes.device)).float() - portrait.float()).square().mean())
    spread, quality = float(latents.std()), 10 * torch.log10(torch.tensor(255**2 / max(error, 1e-9))).item()
    said = f"{quality:.1f} dB there and back, latents of deviation {spread:.2f}"
    if wishes.untrained:
        report.noted("VAE", "a portrait", said)
        return
    way_out = "It is not SD 1.5's VAE, or damaged: `python -m followemoji_core download` fetches sd-vae-ft-mse."
    report.judge("VAE", "a portrait", quality > 20 and 0.3 < spread < 3, said, way_out)


def _digest(report: Report, name: str, *tensors: torch.Tensor) -> None:
    report.facts.setdefault("digests", {})[name] = [float(f"{value:.7g}") for value in digest(*tensors)]


# --- together


def _sample(
    report: Report, files: Files, whole: dict[str, Weights], wishes: Wishes, pace: float | None, say: Callable
) -> None:
    lacking = [line.part for line in report.failures if line.part not in ("files", "schedule")]
    if lacking or not set(_PARTS) <= whole.keys():
        why = f"something failed before: {', '.join(dict.fromkeys(lacking)) or 'networks'}"
        report.left_out("one frame", "sampled", why)
        report.left_out("window", "sampled", why)
        return
    with report.isolated("sampling", "opens"):
        config = whole["denoiser"].config
        size, settings = _chosen(config, wishes)
        subject = (wishes.subject or Subject.drawn)(size)
        say(f"Loading everything in {_name(wishes.dtype)}")
        studio = open_studio(files.models, wishes.device, wishes.dtype, files.networks, files.vae)
        halves = 1 if settings.guidance == 1.0 else 2
        expected = pace and pace * (size // LATENT_CELL) ** 2 * settings.steps * halves
        for name, frames in (("one frame", 1), ("window", min(WINDOW, config.positions))):
            part = subject.first(frames)
            _announce(say, name, part, settings, expected)
            with report.isolated(name, "sampled"):
                made = sample_frames(report, name, studio, part, settings)
                report.passed(name, "sampled", f"{len(made)} of {size}x{size}, finite")
                judge_frames(report, name, made, part, not wishes.untrained)
                took = report.facts["samples"][name]
                expected = took["seconds_before"] + (took["seconds"] - took["seconds_before"]) * WINDOW
    report.facts["process_peak_gib"] = None if (peak := process_peak()) is None else round(peak / 2**30, 2)


def _chosen(config, wishes: Wishes) -> tuple[int, Settings]:
    """Side in pixels, and settings."""
    size, steps = _ON_CPU if wishes.device == "cpu" else _ON_GPU
    settings = replace(SMALL_SETTINGS) if wishes.small else Settings(steps=steps)
    size = config.places * LATENT_CELL or size
    return wishes.size or size, replace(settings, steps=wishes.steps or settings.steps)


def _announce(say: Callable, name: str, subject: Subject, settings: Settings, seconds: float | None) -> None:
    about = ""
    if seconds:
        about = f", about {seconds / 60:.0f} minutes" if seconds > 90 else f", about {seconds:.0f} seconds"
    width, height = subject.size
    frames = len(subject.motion)
    say(f"Sampling {name}: {frames} x {width}x{height}, {settings.steps} steps{about}; --size and --steps change it")


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
