"""Noise schedules by name, and the algebra of a noise level, for training and sampling alike.

The published schedule is DDIM with v-prediction, zero terminal SNR and trailing timesteps. Of a clean latent x and
noise n a level (alpha, sigma) makes z = alpha x + sigma n; what the denoiser predicts is v = alpha n - sigma x
(Salimans & Ho 2022), from which x = alpha z - sigma v comes back at every level, the last one (alpha 0) included.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from ..errors import InputError

TRAIN_TIMESTEPS = 1000
# The paper's settings (5.1 and the released configuration); every solver below gets the same.
SETTINGS = dict(
    num_train_timesteps=TRAIN_TIMESTEPS,
    beta_start=0.00085,
    beta_end=0.012,
    beta_schedule="scaled_linear",
    prediction_type="v_prediction",
    rescale_betas_zero_snr=True,
    timestep_spacing="trailing",
    steps_offset=1,
)
# Diffusers class and what it needs beside SETTINGS. Solvers that draw noise of their own are left out: theirs would
# depend on the device.
_SOLVERS: dict[str, tuple[str, dict]] = {
    "ddim": ("DDIMScheduler", dict(clip_sample=False)),
    "euler": ("EulerDiscreteScheduler", {}),
    "dpm++ 2m": ("DPMSolverMultistepScheduler", {}),
    "unipc": ("UniPCMultistepScheduler", {}),
}
SCHEDULERS = tuple(_SOLVERS)


def make_scheduler(name: str = "ddim"):
    """A fresh diffusers scheduler for one sampling run: schedulers keep state, so one is never shared."""
    if name not in _SOLVERS:
        raise InputError(f'No scheduler is called "{name}". Choose one of: {", ".join(SCHEDULERS)}.')
    import diffusers

    solver, extra = _SOLVERS[name]
    return getattr(diffusers, solver)(**SETTINGS, **extra)


def trailing_timesteps(steps: int) -> list[int]:
    """The timesteps that the published schedule visits, from TRAIN_TIMESTEPS - 1 down; `steps` from 1 to as many."""
    return [round(TRAIN_TIMESTEPS - TRAIN_TIMESTEPS / steps * step) - 1 for step in range(steps)]


class NoiseLevel(NamedTuple):
    """alpha and sigma of some samples, (n,1,1,1) each or 0-d: alpha**2 + sigma**2 = 1."""

    alpha: Tensor
    sigma: Tensor

    @classmethod
    def of(cls, alpha_bar: Tensor) -> NoiseLevel:
        """From `alphas_cumprod` of the samples' timesteps: (n,) -> (n,1,1,1) each; 0-d stays 0-d."""
        shaped = alpha_bar.reshape(-1, 1, 1, 1) if alpha_bar.ndim else alpha_bar
        return cls(shaped.sqrt(), (1 - shaped).sqrt())

    def noisy(self, clean: Tensor, noise: Tensor) -> Tensor:
        """Clean latents (n,c,h,w) and noise like them -> z."""
        return self.alpha * clean + self.sigma * noise

    def velocity(self, clean: Tensor, noise: Tensor) -> Tensor:
        """What the denoiser is to predict of them: v."""
        return self.alpha * noise - self.sigma * clean

    def recovered(self, noisy: Tensor, velocity: Tensor) -> Tensor:
        """The clean latents that z and a prediction of v stand for."""
        return self.alpha * noisy - self.sigma * velocity


def alphas_cumprod() -> Tensor:
    """(TRAIN_TIMESTEPS,) float32: alpha**2 of every timestep; the last is 0."""
    return make_scheduler().alphas_cumprod.float()
