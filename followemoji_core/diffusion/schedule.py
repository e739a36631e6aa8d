"""Noise schedules by name. The published one is DDIM with v-prediction, zero terminal SNR and trailing timesteps."""

from __future__ import annotations

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
