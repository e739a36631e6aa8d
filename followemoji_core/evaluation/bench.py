"""What the walk costs: counted on the meta device, where nothing is computed, and timed on this machine.

Plain form: the portrait is projected in every call, the halves of guidance go one after the other, nothing is laid out
for speed. Optimised form: as the walk does it. Both are counted and timed in the same run.
Counted: FLOPs by torch's own counter; tensor operations that are no views, attention as one; bytes that elementwise and
copying operations read and write, and beside them those of norms.
"""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from ..diffusion.guidance import guide
from ..model.appearance_net import AppearanceNet
from ..model.conditioning import condition, unconditional
from ..model.config import LATENT_CELL, LandmarkEncoderConfig, UNetConfig
from ..model.denoiser import Denoiser
from ..model.landmark_encoder import LandmarkEncoder
from ..model.ops import TORCH, Ops

GUIDANCE = 3.5
_PRODUCTS = ("mm", "addmm", "bmm", "baddbmm", "convolution")
_NORMS = ("native_layer_norm", "native_group_norm")
_NOTHING = {
    f"aten::{name}"
    for name in (
        "view reshape expand transpose permute t unsqueeze squeeze slice select split split_with_sizes chunk unbind "
        "alias as_strided detach _unsafe_view narrow _reshape_alias lift_fresh empty empty_like new_empty empty_strided"
    ).split()
}


class Counting(TorchDispatchMode):
    """Operations by name, and the bytes that each kind reads and writes, of what runs inside."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: Counter[str] = Counter()
        self.bytes: Counter[str] = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        name = func._schema.name
        if name not in _NOTHING:
            self.note(name.removeprefix("aten::"), *tree_leaves((args, kwargs, result)))
        return result

    def note(self, name: str, *involved: Any) -> None:
        """An operation, and what it reads and writes."""
        kind = "products" if name in _PRODUCTS else "norms" if name in _NORMS else "attention"
        kind = kind if name in (*_PRODUCTS, *_NORMS, "attention") else "elementwise and copies"
        self.operations[name] += 1
        self.bytes[kind] += sum(x.numel() * x.element_size() for x in involved if isinstance(x, Tensor))

    def ops(self, ops: Ops) -> Ops:
        """The same layers with an attention that counts as one operation."""

        def attention(q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
            with _disable_current_modes():
                answer = torch.empty_like(q, memory_format=torch.contiguous_format)
            self.note("attention", q, k, v, answer)
            return answer

        return replace(ops, attention=attention)


class GuidedCall:
    """The networks at a size with random weights, and one guided call of the denoiser on a window of frames."""

    def __init__(
        self,
        size: int,
        frames: int,
        device: str,
        dtype: torch.dtype,
        config: UNetConfig | None = None,
        ops: Ops = TORCH,
    ):
        config = config or UNetConfig()
        layers = ops.on(device, dtype)
        torch.manual_seed(0)
        self.denoiser = Denoiser(config, layers).eval().requires_grad_(False)
        self.appearance_net = AppearanceNet(config, layers).eval().requires_grad_(False)
        encoder = LandmarkEncoderConfig(out_channels=config.channels[0])
        self.landmark_encoder = LandmarkEncoder(encoder, layers).eval().requires_grad_(False)
        for network in (self.denoiser, self.appearance_net, self.landmark_encoder):
            network.to(device, dtype)
        cells = size // LATENT_CELL

        def random(*shape: int) -> Tensor:
            if device == "meta":
                return torch.empty(shape, device=device, dtype=dtype)
            return torch.randn(shape, generator=torch.Generator().manual_seed(1)).to(device, dtype)

        self.latents, self.portrait = random(frames, 4, cells, cells), random(1, 4, cells, cells)
        self.tokens, self.timestep = random(1, 257, config.token_width), torch.tensor(500)
        self.images = random(frames, 3, size, size)
        self.features = random(frames, config.channels[0], cells, cells)
        with torch.no_grad():
            self.appearance = self.appearance_net(self.portrait, self.tokens)
        self.halves = None

    @torch.no_grad()
    def make_conditioning(self) -> tuple:
        """Both halves of guidance, the unconditional first."""
        known = condition(self.denoiser, self.tokens, self.appearance)
        return unconditional(self.denoiser, self.tokens), known

    def optimise(self) -> None:
        """Lay the weights out as the walk does, and keep the conditioning."""
        self.denoiser.fuse()
        if self.latents.device.type == "cpu":
            self.denoiser.to(memory_format=torch.channels_last)
        self.halves = self.make_conditioning()

    @torch.no_grad()
    def __call__(self, together: bool = True) -> Tensor:
        halves = self.halves or self.make_conditioning()
        both = self.denoiser(self.latents, self.timestep, self.features, halves, together=together)
        return guide(both, 2, GUIDANCE)


def count_guided_call(size: int, frames: int, config: UNetConfig | None = None) -> dict[str, dict[str, float]]:
    """Form -> tflop, operations, elementwise_and_copies_gb, norms_gb of one guided call in float16, on the meta device.

    Forms: plain; halves apart; halves together. In the last two the conditioning is made beforehand.
    """
    found = {}
    for form in ("plain", "halves apart", "halves together"):
        counting = Counting()
        call = GuidedCall(size, frames, "meta", torch.float16, config, counting.ops(TORCH))
        flops = GuidedCall(size, frames, "meta", torch.float16, config)
        if form != "plain":
            call.optimise()
            flops.optimise()
        with FlopCounterMode(display=False) as counter:
            flops(form == "halves together")
        counting.operations.clear()
        counting.bytes.clear()
        with counting:
            call(form == "halves together")
        found[form] = {
            "tflop": counter.get_total_flops() / 1e12,
            "operations": sum(counting.operations.values()),
            "elementwise_and_copies_gb": counting.bytes["elementwise and copies"] / 1e9,
            "norms_gb": counting.bytes["norms"] / 1e9,
        }
    return found


def time_parts(
    size: int, frames: int, device: str, dtype: torch.dtype, repeats: int, config: UNetConfig | None = None
) -> dict[str, dict[str, float]]:
    """Part -> seconds, the median of `repeats` calls after one that is not counted; of the plain and the optimised
    guided call by turns. On a GPU also "peak_gb" of memory."""
    call = GuidedCall(size, frames, device, dtype, config)
    parts: dict[str, Callable[[], Any]] = {
        "appearance net, once a portrait": lambda: call.appearance_net(call.portrait, call.tokens),
        "conditioning, once a portrait": call.make_conditioning,
        "landmark encoder, a window": lambda: call.landmark_encoder(call.images),
        "guided call, plain": lambda: call(False),
    }
    found = {name: _timed(part, device, repeats) for name, part in parts.items()}
    call.optimise()
    for name, together in (("guided call, halves apart", False), ("guided call, halves together", True)):
        found[name] = _timed(lambda together=together: call(together), device, repeats)
    return found


def _timed(part: Callable[[], Any], device: str, repeats: int) -> dict[str, float]:
    with torch.no_grad(), memory_counted(device) as peak:
        part()
        seconds = []
        for _ in range(repeats):
            wait(device)
            started = time.perf_counter()
            part()
            wait(device)
            seconds.append(time.perf_counter() - started)
    return {"seconds": statistics.median(seconds), **({"peak_gb": peak() / 1e9} if peak() else {})}


@contextmanager
def memory_counted(device: str) -> Iterator[Callable[[], int]]:
    """Within the block what is yielded says how many bytes of a GPU were in use at most; 0 on other devices."""
    cuda = device.startswith("cuda")
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    yield torch.cuda.max_memory_allocated if cuda else (lambda: 0)


def wait(device: str) -> None:
    """Until the device has done what it was asked to."""
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def machine(device: str) -> str:
    """The name of what computes, with torch's version and number of threads."""
    if device.startswith("cuda"):
        name = torch.cuda.get_device_name(device)
    else:
        name = f"{_cpu_name()}, {torch.get_num_threads()} of {os.cpu_count()} cores"
    return f"{name}, torch {torch.__version__}"


def _cpu_name() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def table(report: dict[str, Any]) -> str:
    """The report as Markdown."""
    lines = [f"{report['size']}x{report['size']}, {report['frames']} frames"]
    lines += ["", "| one guided call | TFLOP | operations | elementwise and copies, GB | norms, GB |"]
    lines += ["| --- | --- | --- | --- | --- |"]
    for form, row in report["counts"].items():
        traffic = f"{row['elementwise_and_copies_gb']:.1f} | {row['norms_gb']:.1f}"
        lines.append(f"| {form} | {row['tflop']:.2f} | {row['operations']:.0f} | {traffic} |")
    if report.get("times"):
        lines += ["", f"{report['machine']}, {report['precision']}", "", "| | seconds |", "| --- | --- |"]
        lines += [f"| {name} | {row['seconds']:.4f} |" for name, row in report["times"].items()]
    return "\n".join(lines)
