"""The method of training, by hand-computed cases: loss, covering, the input that grows, the Q-Former."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from followemoji_core.diffusion.covering import covered_input, draw_known
from followemoji_core.diffusion.schedule import NoiseLevel, alphas_cumprod
from followemoji_core.errors import CheckpointError
from followemoji_core.model.appearance_net import AppearanceNet
from followemoji_core.model.conditioning import condition
from followemoji_core.model.config import UNetConfig
from followemoji_core.model.denoiser import Denoiser
from followemoji_core.model.ops import TORCH
from followemoji_core.model.weights.build import build
from followemoji_core.model.weights.fill import complete, grow_input
from followemoji_core.training.critic import Critic, balance, critic_losses
from followemoji_core.training.loss import facial_loss, masked_mean, picture_loss
from followemoji_core.training.optimizers import rate_share, set_rate, split_optimizers
from followemoji_core.training.weight_average import WeightAverage

CONFIG = UNetConfig(channels=(32, 64), attention=(True, False), layers=1, token_width=12, context_width=16)


def case(alpha_bar, off=0.0):
    """Latents of ones and noise of twos, 4x4; a perfect prediction plus `off`; masks: one cell, left half."""
    clean, noise = torch.ones(1, 1, 4, 4), torch.full((1, 1, 4, 4), 2.0)
    level = NoiseLevel.of(torch.tensor([alpha_bar]))
    prediction = level.velocity(clean, noise)
    prediction[..., 0, 0] += off
    expression, face = torch.zeros(1, 32, 32), torch.zeros(1, 32, 32)
    expression[:, :8, :8] = 1
    face[:, :, :16] = 1
    return facial_loss(prediction, clean, noise, level, expression, face, weights=(0.5, 0.25))


def test_loss_by_hand():
    """alpha_bar 0.36: alpha 0.6, sigma 0.8. v off by 1 in one cell: x0 is off by 0.8 there, its square is 0.64."""
    loss = case(0.36, off=1.0)
    assert loss.diffusion == pytest.approx(1 / 16)
    assert loss.expression == pytest.approx(0.64, rel=1e-5)  # the one cell of the mask
    assert loss.face == pytest.approx(0.64 / 8, rel=1e-5)  # one of eight
    assert loss.total == pytest.approx(1 / 16 + 0.5 * 0.64 + 0.25 * 0.08, rel=1e-5)
    perfect = case(0.36)
    assert float(perfect.total) == pytest.approx(0.0, abs=1e-10)


def test_loss_stays_finite_at_zero_terminal_snr():
    terminal = float(alphas_cumprod()[-1])
    assert terminal == 0.0
    loss = case(terminal, off=1.0)
    assert torch.isfinite(loss.total) and loss.expression == pytest.approx(1.0)  # sigma is 1: off by 1


def test_the_average_by_hand():
    """Decay after n steps: n / (9 + n), at most `most`. Frozen parameters have no part in it."""
    followed = torch.nn.Parameter(torch.zeros(2))
    average = WeightAverage([followed], most=0.15)
    found = []
    for value in (10.0, 20.0, 30.0):
        with torch.no_grad():
            followed.fill_(value)
        average.follow()
        found.append(average.values[0][0].item())
    first = 10 * 0.9
    second = first * 0.15 + 20 * 0.85
    assert found == pytest.approx([first, second, second * 0.15 + 30 * 0.85])
    later = WeightAverage([followed], most=0.9)
    later.goes_on_after(9)  # the tenth step: 10 / 19
    with torch.no_grad():
        followed.fill_(11.0)
    later.follow()
    assert later.values[0].tolist() == pytest.approx([30 * 10 / 19 + 11 * 9 / 19] * 2)


def test_rates():
    """Half of a warm-up of four; the last step of a cosine; a constant."""
    assert rate_share(1, 100, 4, "constant") == 0.5 and rate_share(50, 100, 4, "constant") == 1
    assert rate_share(50, 100, 0) == pytest.approx(0.02 + 0.98 / 2)
    assert rate_share(99, 100, 0, last=0.1) == pytest.approx(0.1, abs=3e-4)


def test_each_parameter_has_one_optimizer():
    """Matrices and inner convolutions go to Muon, edges and vectors to AdamW, frozen ones nowhere."""
    network = torch.nn.ModuleDict({"conv_in": TORCH.Conv2d(3, 4, 3), "inner": TORCH.Conv2d(4, 4, 3)})
    network["frozen"] = TORCH.Linear(4, 4).requires_grad_(False)
    adamw, muon = split_optimizers(network.named_parameters(), 1e-3)
    assert [id(p) for p in muon.param_groups[0]["params"]] == [id(network["inner"].weight)]
    rest = {id(p) for p in (*network["conv_in"].parameters(), network["inner"].bias)}
    assert {id(p) for p in adamw.param_groups[0]["params"]} == rest
    assert len(split_optimizers(network.named_parameters(), 1e-3, muon=False)) == 1
    set_rate([adamw, muon], 0.5)
    assert adamw.param_groups[0]["lr"] == muon.param_groups[0]["lr"] == 0.5


def test_masks_at_latent_resolution():
    values = torch.arange(16.0).reshape(1, 1, 4, 4)
    mask = torch.zeros(1, 8, 8)
    mask[:, :2, :1] = 1  # half of the first cell
    mask[:, 6:, 6:] = 1  # all of the last
    assert masked_mean(values, mask) == pytest.approx((0.5 * 0 + 1 * 15) / 1.5)
    assert masked_mean(values, torch.zeros(1, 8, 8)) == 0


def test_covering_statistics():
    generator = torch.Generator().manual_seed(0)
    draws = torch.stack([draw_known(16, generator, ends=0.4, scattered=0.3) for _ in range(4000)])
    ends = torch.zeros(16, dtype=torch.bool)
    ends[[0, -1]] = True
    shares = [(draws == pattern).all(1).float().mean() for pattern in (ends, torch.zeros_like(ends))]
    assert shares[0] == pytest.approx(0.4, abs=0.03)
    assert shares[1] == pytest.approx(0.3, abs=0.03), "keyframes are made with nothing known: training knows that too"
    scattered = draws[~(draws == ends).all(1) & draws.any(1)].float()
    shown = scattered.mean(1)
    assert {round(float(part.mean()), 1) for part in (shown[shown > 0.34], shown[shown < 0.34])} == {0.5, 0.2}
    assert torch.stack([draw_known(9, generator, 1.0, 0.0) for _ in range(20)])[:, [0, -1]].all()
    clean = torch.randn(16, 4, 3, 3)
    covered = covered_input(clean, ends)
    assert covered.shape == (16, 5, 3, 3) and covered[[0, -1], :4].equal(clean[[0, -1]])
    assert covered[1:-1].eq(0).all() and covered[[0, -1], 4].eq(1).all()
    assert draw_known(1).shape == (1,)


def arguments(frames=3):
    torch.manual_seed(1)
    return torch.randn(frames, 4, 8, 8), torch.tensor(500), torch.randn(frames, 32, 8, 8)


def test_the_grown_input_computes_what_it_did():
    torch.manual_seed(0)
    small = Denoiser(CONFIG).eval()
    grown = build(complete("denoiser", grow_input(small.state_dict(), 9), "grown.safetensors"))
    assert grown.config == replace(CONFIG, in_channels=9) and grown.conv_in.weight.shape == (32, 9, 3, 3)
    with torch.no_grad():
        halves = (condition(small, torch.randn(1, 5, 12), None),)
        before = small(*arguments(), halves)
        # The same sums with zeros among them; a convolution may add them up in another order.
        assert torch.allclose(grown(*arguments(), halves), before, atol=1e-6)
        covered = covered_input(torch.randn(3, 4, 8, 8), torch.tensor([True, False, True]))
        assert torch.allclose(grown(*arguments(), halves, covered=covered), before, atol=1e-6)
        grown.conv_in.weight[:, 4:] += 0.1
        assert not torch.allclose(grown(*arguments(), halves, covered=covered), before, atol=1e-3)
    with pytest.raises(CheckpointError, match="already has 9 input channels"):
        grow_input(grown.state_dict(), 4)


def test_q_former_is_read_off_the_keys():
    config = replace(CONFIG, queries=7, query_layers=4)
    torch.manual_seed(0)
    for part, network in (("denoiser", Denoiser(config)), ("appearance_net", AppearanceNet(config))):
        state = network.eval().state_dict()
        assert "clip_fc.weight" not in state and state["q_former.queries"].shape == (1, 7, 16)
        loaded = build(complete(part, state, "q.safetensors"))
        assert (loaded.config.queries, loaded.config.query_layers, loaded.config.token_width) == (7, 4, 12)
    tokens = torch.randn(2, 5, 12)
    with torch.no_grad():
        out = network.q_former(tokens)
        assert out.shape == (2, 7, 16) and not torch.allclose(out[0], out[1])
        assert torch.allclose(network.q_former(tokens.flip(1)), out, atol=1e-5), "a set of tokens, not a sequence"


def test_picture_loss_counts_values_and_edges():
    """By hand: a brighter picture has no other edges; one bright column of four has two, and two at half the size."""
    true = torch.zeros(1, 3, 4, 4)
    assert picture_loss(true + 0.5, true) == 0.5
    column = true.clone()
    column[..., 2] = 1.0
    assert float(picture_loss(column, true)) == pytest.approx(1 / 4 + 2 / 3 + 1 / 2)


def test_the_critic_asks_for_sharper_outlines():
    """Trained beside a blur, it tells it from the truth; its gradient leads the blur to the truth, and each of the two
    losses moves its own side alone."""
    torch.manual_seed(0)
    critic, true = Critic(), torch.zeros(2, 3, 32, 32)
    true[:, :, 8:24, 8:24] = 1.0
    blurred = F.avg_pool2d(true, 5, 1, 2, count_include_pad=False).requires_grad_()
    optimizer = torch.optim.AdamW(critic.parameters(), 1e-3)
    for _ in range(60):
        optimizer.zero_grad()
        critic_losses(critic, blurred, true)[1].backward()
        optimizer.step()
    fooled, own = critic_losses(critic, blurred, true)
    assert own < 0.1 < fooled and blurred.grad is None
    optimizer.zero_grad(set_to_none=True)
    (balance(picture_loss(blurred, true), fooled, blurred) * fooled).backward()
    assert all(parameter.grad is None for parameter in critic.parameters())
    asked = torch.autograd.grad(picture_loss(blurred, true), blurred)[0]
    assert float(blurred.grad.norm() / asked.norm()) == pytest.approx(1.0, abs=1e-3)
    towards = -(blurred.grad * (true - blurred).detach()).sum()
    assert towards > 0
