"""How a run descends: Muon for matrices between features, AdamW for the rest, and the learning rate over the steps."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import torch
from torch import nn

from .muon import Muon

_EDGES = ("conv_in.", "conv_out.", "places", "patches.", "queries", "critic.")  # what meets pictures, latents or tables


def split_optimizers(
    named: Iterable[tuple[str, nn.Parameter]],
    rate: float,
    muon: bool = True,
    weight_decay: float = 0.0,
    betas: tuple[float, float] = (0.9, 0.999),
    fused: bool = False,
) -> list[torch.optim.Optimizer]:
    """AdamW, and Muon where it is asked for, over the parameters that require a gradient, each in one of them.

    named: (name, parameter), as of `named_parameters`. rate: of both, until `set_rate`. betas, fused: of AdamW.
    """
    learned = [(name, parameter) for name, parameter in named if parameter.requires_grad]

    def is_inner(name: str, parameter: nn.Parameter) -> bool:
        return muon and parameter.ndim > 1 and not any(edge in name for edge in _EDGES)

    inner = [parameter for name, parameter in learned if is_inner(name, parameter)]
    others = [parameter for name, parameter in learned if not is_inner(name, parameter)]
    optimizers: list[torch.optim.Optimizer] = [
        torch.optim.AdamW(others, rate, betas=betas, weight_decay=weight_decay, fused=fused)
    ]
    if inner:
        optimizers.append(Muon(inner, rate, weight_decay=weight_decay))
    return optimizers


def rate_share(step: int, steps: int, warmup: int, decay: str = "cosine", last: float = 0.02) -> float:
    """The share (0,1] of the peak learning rate at step 0, 1, ... `steps` - 1.

    Linear over the first `warmup` steps; then constant, or half a cosine from 1 to `last` over all steps.
    """
    share = min((step + 1) / max(warmup, 1), 1.0)
    if decay == "cosine":
        share *= last + (1 - last) * 0.5 * (1 + math.cos(math.pi * step / steps))
    return share


def set_rate(optimizers: Sequence[torch.optim.Optimizer], rate: float) -> None:
    """The learning rate of the next step, for all parameters."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = rate
