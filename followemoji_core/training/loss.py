"""The facial fine-grained loss (paper 4.2): the diffusion loss, and how far the recovered latent is off in the face.

The distance to the clean latent is taken inside the expression mask and inside the face mask. A v-prediction gives the
recovered latent at every timestep, the last one (zero terminal SNR) included.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from ..diffusion.schedule import NoiseLevel


@dataclass(frozen=True)
class FacialLoss:
    """The terms, each a scalar: total = diffusion + weights times the two masked distances. recovered (n,c,h,w): the
    clean latents that the prediction stands for."""

    total: Tensor
    diffusion: Tensor
    expression: Tensor
    face: Tensor
    recovered: Tensor


def facial_loss(
    prediction: Tensor,
    clean: Tensor,
    noise: Tensor,
    level: NoiseLevel,
    expression_mask: Tensor,
    face_mask: Tensor,
    weights: tuple[float, float] = (1.0, 1.0),
) -> FacialLoss:
    """prediction of v, clean, noise (n,c,h,w), latents scaled to unit variance; level: of their timesteps, (n,1,1,1).

    expression_mask, face_mask (n,H,W) in [0,1] at any resolution; weights of (expression, face).
    """
    diffusion = F.mse_loss(prediction, level.velocity(clean, noise))
    recovered = level.recovered(level.noisy(clean, noise), prediction)
    squares = (recovered - clean) ** 2
    expression, face = (masked_mean(squares, mask) for mask in (expression_mask, face_mask))
    total = diffusion + weights[0] * expression + weights[1] * face
    return FacialLoss(total, diffusion, expression, face, recovered)


def picture_loss(made: Tensor, true: Tensor) -> Tensor:
    """How far pictures (n,3,H,W) are from the true ones: the mean distance of their values, and of their edges at full
    and at half size. Squares ask for the mean of all that could be, which is blurred; distances for the median."""
    loss = (made - true).abs().mean()
    for size in (1, 2):
        error = F.avg_pool2d(made - true, size)
        loss = loss + error.diff(dim=2).abs().mean() + error.diff(dim=3).abs().mean()
    return loss


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """() mean of values (n,c,h,w) inside a mask (n,H,W) in [0,1], brought to their resolution by area; 0 for an empty
    mask.

    Each sample counts once, whatever the size of its mask, so that a batch means the same however it is split.
    """
    mask = F.interpolate(mask[:, None].to(values), values.shape[2:], mode="area")
    inside = (values * mask).sum((1, 2, 3)) / (mask.sum((1, 2, 3)) * values.shape[1]).clamp_min(1e-6)
    return inside.mean()
