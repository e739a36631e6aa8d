"""The knobs of a run, for clips of one frame and of an hour."""

from __future__ import annotations

from dataclasses import dataclass

from ..diffusion.progressive import KEYFRAMES
from ..diffusion.sampler import CARRIERS, check_steps
from ..diffusion.schedule import SCHEDULERS
from ..diffusion.windows import STRATEGIES
from ..errors import InputError, check_range

AUTO = "auto"
PROGRESSIVE = "progressive"
WINDOWS = (PROGRESSIVE, *STRATEGIES)
# What each may be; steps: see `check_steps`. How long a window may be is the checkpoint's to say, see `plan_job`.
RANGES = {
    "guidance": (0.0, 100.0),
    "seed": (0, 2**64 - 1),  # ComfyUI's
    "window_length": (1, 1000),
    "overlap": (0, 1000),
    "shared_noise": (0.0, 1.0),
    "resampling": (0, 100),
}
CHOICES = {
    "scheduler": SCHEDULERS,
    "windows": WINDOWS,
    "keyframes": KEYFRAMES,
    "known_frames": (AUTO, *CARRIERS),
}


@dataclass(frozen=True)
class Settings:
    """steps, guidance, scheduler: as published (the released call). seed: of the noise.

    windows: how a clip is cut: "progressive" (paper 4.3: keyframes first, then what lies between), or side by side as
    `plan_windows` says. window_length: frames made together; overlap: of windows side by side, with "gaussian".
    shared_noise: of the variance, 0 as published; 1 keeps still what does not move, for models trained with it.
    Of "progressive" alone: keyframes "even" (paper) or by "motion"; known_frames: how a window is told of the frames at
    its ends, "concat", "replace", or "auto": as the checkpoint was trained; resampling: passes of "replace".
    Raises InputError for a value outside RANGES and CHOICES.
    """

    steps: int = 30
    guidance: float = 3.5
    scheduler: str = "ddim"
    seed: int = 0
    windows: str = "gaussian"
    window_length: int = 16
    overlap: int = 4
    shared_noise: float = 0.0
    keyframes: str = "even"
    known_frames: str = AUTO
    resampling: int = 0

    def __post_init__(self) -> None:
        check_steps(self.steps)
        for name, allowed in RANGES.items():
            check_range(name, getattr(self, name), allowed)
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise InputError(f'{name} is "{getattr(self, name)}"; allowed: {", ".join(choices)}.')

    @property
    def progressive(self) -> bool:
        return self.windows == PROGRESSIVE

    @property
    def matters(self) -> dict[str, object]:
        """Those that frames depend on: overlap says nothing to a progressive plan, keyframes nothing to the others."""
        others = ("overlap",) if self.progressive else ("keyframes", "known_frames", "resampling")
        return {name: value for name, value in vars(self).items() if name not in others}

    def carrier(self, covered_input: bool) -> str:
        """How known frames are told of, by a checkpoint that was trained with covered latents or not.

        Raises InputError for what the checkpoint or the solver cannot do.
        """
        chosen = self.known_frames
        if chosen == AUTO:
            chosen = "concat" if covered_input else "replace"
        if chosen == "replace" and self.resampling and self.scheduler != "ddim":
            raise InputError(
                f"Resampling goes back a step, which {self.scheduler} cannot. Set the scheduler to ddim, or resampling "
                f"to 0."
            )
        if chosen == "concat" and not covered_input:
            raise InputError(
                'This checkpoint was not trained with covered latents, which known frames by "concat" need. Set known '
                'frames to "replace", or to "auto".'
            )
        return chosen
