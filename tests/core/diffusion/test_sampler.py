"""The one loop: solvers are followed exactly, windows blend, known rows are told of, nothing is computed twice."""

import pytest
import torch

from followemoji_core.diffusion.guidance import guide
from followemoji_core.diffusion.noise import ClipNoise
from followemoji_core.diffusion.sampler import Known, Rows, sample
from followemoji_core.diffusion.schedule import SCHEDULERS, NoiseLevel, make_scheduler, trailing_timesteps
from followemoji_core.diffusion.windows import plan_windows
from followemoji_core.errors import InputError

TARGET = torch.linspace(-1, 1, 40 * 4).reshape(40, 4, 1, 1)


def noise(frames: int, shape=(4, 1, 1), seed: int = 0) -> torch.Tensor:
    return ClipNoise(frames, shape, seed)(range(frames))


def windows(strategy: str = "gaussian") -> list[Rows]:
    return [Rows(window.frames, window.weights) for window in plan_windows(40, strategy, 16, 4).windows]


def knows_the_answer(scheduler):
    """A perfect denoiser: the v that leads from what it sees to TARGET (Salimans & Ho 2022, eq. 10)."""

    def predict(noisy, timestep, rows, clips, covered):
        alpha = scheduler.alphas_cumprod[int(timestep)].sqrt()
        sigma = (1 - alpha**2).sqrt()
        return (alpha * noisy - TARGET[rows]) / sigma

    return predict


@pytest.mark.parametrize("strategy", ["gaussian", "uniform"])
@pytest.mark.parametrize("at_once", [1, 2, 9])
def test_a_perfect_denoiser_is_followed_exactly(strategy, at_once):
    scheduler = make_scheduler()
    latents = sample(knows_the_answer(scheduler), noise(40), windows(strategy), scheduler, 8, at_once=at_once)
    assert torch.allclose(latents, TARGET, atol=1e-4)


@pytest.mark.parametrize("steps", [1, 7, 30, 1000])
def test_native_sigmas_are_of_the_timesteps_that_the_schedulers_visit(steps):
    scheduler = make_scheduler("euler")
    scheduler.set_timesteps(steps)
    assert scheduler.timesteps.int().tolist() == trailing_timesteps(steps)


@pytest.mark.parametrize("name", SCHEDULERS)
@pytest.mark.parametrize("steps", [1, 2, 30])
def test_every_scheduler_stays_finite_from_pure_noise(name, steps):
    """Zero terminal SNR makes sigma infinite at the first step; solvers with memory must step once per timestep."""

    def predict(x, *_):
        return 0.1 * x

    latents = sample(predict, noise(40, (4, 2, 2)), windows(), make_scheduler(name), steps)
    assert latents.isfinite().all() and latents.std() > 0


def test_a_stop_comes_before_every_pass():
    seen = []

    def stop(together):
        seen.append(together)
        if len(seen) == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sample(lambda x, *_: x, noise(40), windows(), make_scheduler(), 5, on_pass=stop)
    assert len(windows()) == 3 and seen == [1] * 5
    seen.clear()
    sample(lambda x, *_: x, noise(40), windows(), make_scheduler(), 1, at_once=2, on_pass=seen.append)
    assert seen == [2, 1]


def test_known_rows_by_concat_and_by_replace():
    """concat: the clean rows stand beside the noise, with a mask. replace: they are in it, as noisy as the step is."""
    clean = torch.arange(4.0).reshape(4, 1, 1, 1).expand(4, 4, 1, 1)
    seen = []

    def predict(noisy, timestep, rows, clips, covered):
        seen.append((noisy.clone(), timestep, covered))
        return torch.zeros_like(noisy)

    whole = [Rows((0, 1, 2, 3), (1.0,) * 4)]
    sample(predict, noise(4), whole, make_scheduler(), 2, known=Known(clean, (0, 3)))
    for _, _, covered in seen:
        assert covered[:, -1, 0, 0].tolist() == [1, 0, 0, 1] and covered[:, 0, 0, 0].tolist() == [0, 0, 0, 3]
    seen.clear()
    scheduler = make_scheduler()
    known = Known(clean, (0, 3), "replace", resampling=1, fresh=lambda number: noise(4, seed=7 + number))
    sample(predict, noise(4), whole, scheduler, 2, known=known)
    assert len(seen) == 3, "every step but the last once more"
    assert torch.equal(seen[1][0], noise(4, seed=7)), "the first timestep is noise alone: new noise, or nothing is new"
    for (noisy, timestep, covered), drawn in zip(seen, (noise(4), noise(4, seed=7), noise(4, seed=7)), strict=True):
        level = NoiseLevel.of(scheduler.alphas_cumprod[int(timestep)])
        assert covered is None and torch.equal(noisy[[0, 3]], level.noisy(clean, drawn)[[0, 3]])


def test_guidance():
    both = torch.tensor([[1.0], [3.0]])
    assert guide(both, 2, 3.5).item() == 8.0 and guide(both, 2, 0.0).item() == 1.0
    assert guide(both[1:], 1, 3.5).item() == 3.0  # a half alone is what it is


def test_the_algebra_of_a_noise_level():
    """x and n come back from z and v, also where alpha is 0."""
    alpha_bar = torch.tensor([1.0, 0.3, 0.0])
    level, clean, drawn = NoiseLevel.of(alpha_bar), torch.randn(3, 4, 2, 2), torch.randn(3, 4, 2, 2)
    noisy, velocity = level.noisy(clean, drawn), level.velocity(clean, drawn)
    assert torch.allclose(level.recovered(noisy, velocity), clean, atol=1e-6)
    assert torch.allclose(level.sigma * noisy + level.alpha * velocity, drawn, atol=1e-6)
    assert torch.equal(noisy[2], drawn[2]) and torch.equal(velocity[2], -clean[2])


def test_refused():
    whole = [Rows((0, 1, 2, 3), (1.0,) * 4)]
    with pytest.raises(InputError, match="steps is 0"):
        sample(lambda x, *_: x, noise(4), whole, make_scheduler(), 0)
    with pytest.raises(InputError, match="do not cover"):
        sample(lambda x, *_: x, noise(5), whole, make_scheduler(), 1)
    with pytest.raises(InputError, match="concat, replace"):
        Known(noise(4), (0,), "pigeon")
    with pytest.raises(InputError, match="ddim, euler"):
        make_scheduler("magic")
