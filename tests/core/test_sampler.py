import pytest
import torch

from followemoji_core.diffusion.guidance import guided
from followemoji_core.diffusion.sampler import draw_noise, sample
from followemoji_core.diffusion.schedule import SCHEDULERS, make_scheduler
from followemoji_core.diffusion.windows import plan_windows
from followemoji_core.errors import InputError

TARGET = torch.linspace(-1, 1, 40 * 4).reshape(40, 4, 1, 1)


def knows_the_answer(scheduler):
    """A perfect denoiser: the v that leads from what it sees to TARGET (Salimans & Ho 2022, eq. 10)."""

    def predict(noisy, timestep, frames):
        alpha = scheduler.alphas_cumprod[int(timestep)].sqrt()
        sigma = (1 - alpha**2).sqrt()
        return (alpha * noisy - TARGET[frames]) / sigma

    return predict


@pytest.mark.parametrize("windows", ["gaussian", "uniform"])
def test_a_perfect_denoiser_is_followed_exactly(windows):
    scheduler = make_scheduler()
    plan = plan_windows(40, windows, 16, 4)
    latents = sample(knows_the_answer(scheduler), draw_noise((40, 4, 1, 1), 0), plan, scheduler, steps=8)
    assert torch.allclose(latents, TARGET, atol=1e-4)


@pytest.mark.parametrize("name", SCHEDULERS)
@pytest.mark.parametrize("steps", [1, 2, 30])
def test_every_scheduler_stays_finite_from_pure_noise(name, steps):
    """Zero terminal SNR makes sigma infinite at the first step; solvers with memory must step once per timestep."""
    plan = plan_windows(40, "gaussian", 16, 4)
    latents = sample(lambda x, t, frames: 0.1 * x, draw_noise((40, 4, 2, 2), 0), plan, make_scheduler(name), steps)
    assert latents.isfinite().all() and latents.std() > 0


def test_callbacks_count_windows_and_stop_the_run():
    seen, plan = [], plan_windows(40, "gaussian", 16, 4)

    def stop(index, total):
        seen.append((index, total))
        if index == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sample(lambda x, t, frames: x, draw_noise((40, 4, 1, 1), 0), plan, make_scheduler(), 5, on_window=stop)
    assert len(plan.windows) == 3 and seen == [(index, 15) for index in range(5)]


def test_guidance():
    three, one = (lambda: 3.0), (lambda: 1.0)
    assert guided(three, one, 3.5)() == 8.0 and guided(three, one, 0.0)() == 1.0
    assert guided(three, None, 1.0)() == 3.0  # the unconditional half is not even computed


def test_refused():
    plan = plan_windows(4)
    with pytest.raises(InputError, match="at least 1"):
        sample(lambda *a: a[0], draw_noise((4, 4, 1, 1), 0), plan, make_scheduler(), steps=0)
    with pytest.raises(InputError, match="covers 4 frames"):
        sample(lambda *a: a[0], draw_noise((5, 4, 1, 1), 0), plan, make_scheduler())
    with pytest.raises(InputError, match="ddim, euler"):
        make_scheduler("magic")
