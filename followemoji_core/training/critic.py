"""Which of two pictures was decoded of true latents? A small network that judges patches, trained beside the others.

Where landmarks and portrait leave something open, the mean of all that could be is blurred. A blurred outline is told
from a true one at once, so what is made becomes one of those that could be. The two are judged beside each other, place
by place (relativistic pairs, Jolicoeur-Martineau 2019), most where the true picture has outlines: of single patches,
most of which are plain, the critic learned nothing in 60 steps, of pairs within 20. Not the paper's: its networks start
from Stable Diffusion, which is sharp.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..model.ops import TORCH

_WIDTHS = (32, 64, 64)
_SLOPE = 0.2
_FINE = 8.0  # what is finer than three pixels is shown so much stronger


class Critic(nn.Module):
    """Pictures (n,3,H,W) about in [0,1] -> (n,1,H/8,W/8): larger for patches of 22 pixels that look true."""

    def __init__(self) -> None:
        super().__init__()
        widths = (6, *_WIDTHS)
        self.layers = nn.ModuleList(
            TORCH.Conv2d(below, width, 4, stride=2, padding=1) for below, width in zip(widths, widths[1:], strict=False)
        )
        self.judge = TORCH.Conv2d(widths[-1], 1, 1)

    def forward(self, pictures: Tensor) -> Tensor:
        coarse = F.avg_pool2d(pictures, 3, 1, 1, count_include_pad=False)
        x = torch.cat([pictures * 2 - 1, _FINE * (pictures - coarse)], dim=1)
        for layer in self.layers:
            x = F.leaky_relu(layer(x), _SLOPE)
        return self.judge(x)


def critic_losses(critic: Critic, made: Tensor, true: Tensor) -> tuple[Tensor, Tensor]:
    """() of what made the pictures (n,3,H,W), () of the critic itself; each has a gradient for its own side alone."""
    frozen = {name: parameter.detach() for name, parameter in critic.named_parameters()}
    judged = critic(true)
    weights = _outlines(true, judged.shape[2:])
    fooled = F.softplus(judged.detach() - torch.func.functional_call(critic, frozen, (made,)))
    own = F.softplus(critic(made.detach()) - judged)
    return (fooled * weights).mean(), (own * weights).mean()


def balance(loss: Tensor, other: Tensor, at: Tensor) -> Tensor:
    """() factor that makes the gradient of `other` at those values as long as that of `loss` (Esser et al. 2021)."""
    lengths = (torch.autograd.grad(part, at, retain_graph=True)[0].norm() for part in (loss, other))
    one, two = lengths
    return (one / two.clamp_min(1e-8)).detach()


def _outlines(pictures: Tensor, shape: tuple[int, int]) -> Tensor:
    """(n,1,h,w) where pictures (n,3,H,W) have edges, 1 on average."""
    edges = pictures.diff(dim=2).abs()[..., 1:] + pictures.diff(dim=3).abs()[..., 1:, :]
    found = F.adaptive_avg_pool2d(edges.mean(1, keepdim=True), shape)
    return found / found.mean().clamp_min(1e-6)
