"""A few numbers of what each network makes of a fixed input in float32: the same on every machine, but for rounding."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from ...model.config import LATENT_CELL
from ...model.denoiser import Denoiser
from ...types import AppearanceFeatures
from .report import Report

TOLERANCE = 2e-3  # of the deviation; other kernels and compilers differ by a tenth of it
_SAMPLES, _TOKENS, _FRAMES, _CELLS = 6, 16, 2, 16


def digest(*tensors: Tensor) -> list[float]:
    """Mean and deviation of all numbers, then a few of them, evenly spread."""
    flat = torch.cat([tensor.detach().float().flatten().cpu() for tensor in tensors])
    chosen = flat[torch.linspace(0, len(flat) - 1, _SAMPLES).long()]
    return [float(flat.mean()), float(flat.std()), *chosen.tolist()]


@dataclass(frozen=True)
class Inputs:
    """What is put into networks of a size: seeded, drawn on the CPU. cells: side of the latents."""

    device: str
    cells: int = _CELLS

    def normal(self, *shape: int, seed: int = 0) -> Tensor:
        draw = torch.randn(shape, generator=torch.Generator("cpu").manual_seed(seed + math.prod(shape)))
        return draw.to(self.device)

    def latents(self, channels: int, frames: int = _FRAMES) -> Tensor:
        return self.normal(frames, channels, self.cells, self.cells)

    def tokens(self, width: int) -> Tensor:
        return self.normal(1, _TOKENS, width)

    def features(self, channels: int, frames: int = _FRAMES) -> Tensor:
        """In the place of the landmark encoder's."""
        return self.normal(frames, channels, self.cells, self.cells, seed=1)

    def appearance(self, denoiser: Denoiser) -> AppearanceFeatures:
        """In the place of the appearance net's: normed numbers, as it hands over."""
        widths = [len(block.norm1.weight) for block in denoiser.transformer_blocks()]
        maps = (self.normal(1, _TOKENS, width, seed=2 + place) for place, width in enumerate(widths))
        return AppearanceFeatures(tuple(maps))

    def pictures(self) -> Tensor:
        """One smooth picture (1,H,W,3) uint8 on the CPU, of as many cells."""
        side = self.cells * LATENT_CELL
        steps = torch.arange(side)
        red, green = steps[:, None].expand(side, side), steps[None, :].expand(side, side)
        levels = torch.stack([red, green, (red + green) // 2], dim=-1) * 255 // side
        return levels.byte()[None]

    def landmark_images(self) -> Tensor:
        """(1,3,H,W) in [0,1], bright lines on black."""
        side = self.cells * LATENT_CELL
        image = torch.zeros(1, 3, side, side)
        image[:, 0, side // 4] = image[:, 1, :, side // 3] = image[:, 2, side // 2] = 1.0
        return image.to(self.device)


@contextmanager
def exact() -> Iterator[None]:
    """Within the block a GPU's convolutions and products do not round to TF32."""
    convolutions, products = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = convolutions, products


def compare(report: Report, earlier: Mapping, tolerance: float = TOLERANCE) -> None:
    """Digests against those of an earlier report's facts. tolerance: of what a network puts out, in its deviations."""
    before, now = earlier.get("digests"), report.facts.get("digests", {})
    if not isinstance(before, dict) or not before:
        report.failed("comparison", "digests", "the earlier report has none", "Give a verify.json of this command.")
        return
    for name, values in now.items():
        other = before.get(name)
        if not _is_digest(other, len(values)):
            report.left_out("comparison", name, "the earlier report has no such numbers")
            continue
        scale = max(abs(values[1]), 1e-12)
        off = max(abs(one - two) for one, two in zip(values, other, strict=True)) / scale
        same = _sha256_of(report.facts, name) == _sha256_of(earlier, name)
        way_out = (
            "The files are the same: compare torch's versions and devices, and report it where they are alike."
            if same
            else "The files differ by their SHA-256: compare reports of the same files."
        )
        said = f"off by {off:.1e} deviations, {'the same file' if same else 'another file'}"
        report.judge("comparison", name, off <= tolerance, said, way_out)


def _is_digest(values: object, length: int) -> bool:
    return (
        isinstance(values, list) and len(values) == length and all(isinstance(value, (int, float)) for value in values)
    )


def _sha256_of(facts: Mapping, network: str) -> str | None:
    """Of the file that a network was read from, in a report's facts; those may come from a stranger's file."""
    networks, files = facts.get("networks"), facts.get("found")
    row = networks.get(network.partition(",")[0]) if isinstance(networks, dict) else None
    if not isinstance(row, dict) or not isinstance(files, list):
        return None
    rows = (file for file in files if isinstance(file, dict) and file.get("name") == row.get("file"))
    return next((file.get("sha256") for file in rows), None)
