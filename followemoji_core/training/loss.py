"""The facial fine-grained loss (paper 4.2): the diffusion loss, and how far the recovered latent is off in the face.

The distance to the clean latent is taken inside the expression mask and inside the face mask. A v-prediction gives
the recovered latent at every timestep. An epsilon-prediction gives it only after division by alpha, which zero
terminal SNR makes 0: there both latents are compared times alpha, which is the same as a weight of alpha squared, and
stays finite.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch.nn.functional as F
from torch import Tensor

from ..errors import InputError

Kind = Literal["v_prediction", "epsilon"]


@dataclass(frozen=True)
class FacialLoss:
    """The terms, each a scalar: total = diffusion + weights times the two masked distances."""

    total: Tensor
    diffusion: Tensor
    expression: Tensor
    face: Tensor


def diffusion_target(clean: Tensor, noise: Tensor, alpha: Tensor, sigma: Tensor, kind: Kind = "v_prediction") -> Tensor:
    """What the denoiser is asked for: v = alpha noise - sigma clean (Salimans & Ho 2022), or the noise itself."""
    if kind not in ("v_prediction", "epsilon"):
        raise InputError(f'No prediction is called "{kind}". Choose v_prediction or epsilon.')
    return alpha * noise - sigma * clean if kind == "v_prediction" else noise


def facial_loss(
    prediction: Tensor,
    clean: Tensor,
    noise: Tensor,
    alpha_bar: Tensor,
    expression_mask: Tensor,
    face_mask: Tensor,
    weights: tuple[float, float] = (1.0, 1.0),
    kind: Kind = "v_prediction",
) -> FacialLoss:
    """prediction, clean, noise (n,c,h,w), latents scaled to unit variance; alpha_bar (n,) of their timesteps.

    expression_mask, face_mask (n,H,W) in [0,1] at any resolution; weights of (expression, face).
    """
    alpha, sigma = (value.sqrt().reshape(-1, 1, 1, 1).to(clean) for value in (alpha_bar, 1 - alpha_bar))
    diffusion = F.mse_loss(prediction, diffusion_target(clean, noise, alpha, sigma, kind))
    noisy = alpha * clean + sigma * noise
    if kind == "v_prediction":
        error = alpha * noisy - sigma * prediction - clean
    else:
        error = noisy - sigma * prediction - alpha * clean
    expression, face = (masked_mean(error**2, mask) for mask in (expression_mask, face_mask))
    total = diffusion + weights[0] * expression + weights[1] * face
    return FacialLoss(total, diffusion, expression, face)


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of values (n,c,h,w) inside a mask (n,H,W), brought to their resolution by area; 0 for an empty mask.

    Each sample counts once, whatever the size of its mask, so that a batch means the same however it is split.
    """
    mask = F.interpolate(mask[:, None].to(values), values.shape[2:], mode="area")
    inside = (values * mask).sum((1, 2, 3)) / (mask.sum((1, 2, 3)) * values.shape[1]).clamp_min(1e-6)
    return inside.mean()
