"""How a run begins: from a UNet of Stable Diffusion and an AnimateDiff module, which must fill what they are for; and
as `accelerate launch` says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from followemoji_core.errors import CheckpointError, InputError
from followemoji_core.model.config import UNetConfig
from followemoji_core.model.denoiser import Denoiser
from followemoji_core.model.weights.build import save_networks
from followemoji_core.model.weights.read import read_tensors
from followemoji_core.training.batches import Batch
from followemoji_core.training.settings import ModelSettings, TrainSettings, load_settings
from followemoji_core.training.trainee import build_trainee, chosen_tokens
from followemoji_core.training.trainer import as_launched

MODEL = ModelSettings(
    channels=(32, 64), attention=(True, False), heads=2, groups=16, places=0, queries=3, query_layers=1,
    context_width=16, landmark_widths=(8, 8, 16, 32),
)  # fmt: skip
SETTINGS = TrainSettings(stage=1, data="", out="", initial_unet="unet.safetensors", motion_module="m.ckpt", model=MODEL)


@pytest.fixture
def files(tmp_path) -> Path:
    """A UNet as it was before this method, and temporal layers."""
    torch.manual_seed(1)
    config = UNetConfig(
        channels=(32, 64), attention=(True, False), layers=1, heads=2, groups=16, context_width=16, positions=24
    )
    state = Denoiser(config).state_dict()
    motion = {key: value for key, value in state.items() if "motion_modules" in key}
    unet = {key: value for key, value in state.items() if key not in motion and "clip_fc" not in key}
    save_file(unet, tmp_path / "unet.safetensors")
    torch.save(motion, tmp_path / "m.ckpt")
    return tmp_path


def test_a_start_from_stable_diffusion_and_animatediff(files):
    """Both networks are that UNet, with a new Q-Former and an input widened by zeros; the module is in place."""
    from safetensors.torch import load_file

    unet, motion = load_file(files / "unet.safetensors"), read_tensors(files / "m.ckpt")
    for stage in (1, 2):
        built = build_trainee(replace(SETTINGS, stage=stage), files, 4, 12)
        denoiser, appearance = built.trainee.denoiser.state_dict(), built.trainee.appearance_net.state_dict()
        for key, value in unet.items():
            if key == "conv_in.weight":
                assert torch.equal(denoiser[key][:, :4], value) and not denoiser[key][:, 4:].any()
            else:
                assert torch.equal(denoiser[key], value)
                assert key not in appearance or torch.equal(appearance[key], value)
        assert "q_former.queries" in denoiser and "q_former.queries" in appearance and "clip_fc.weight" not in denoiser
        held = built.motion if stage == 1 else denoiser
        assert all(torch.equal(held[key], value) for key, value in motion.items() if not key.endswith(".pe"))
        assert built.in_use({}).denoiser.config.positions == 32


def test_files_that_do_not_fill_what_they_are_for(files):
    """3 of its entries were taken for a whole motion module, and the other layers stayed as they were."""
    three = dict(list(read_tensors(files / "m.ckpt").items())[:3])
    torch.save({key: value.clone() for key, value in three.items()}, files / "few.ckpt")
    (files / "few.ckpt").replace(files / "m.ckpt")  # not into the file that is mapped
    with pytest.raises(CheckpointError, match=r"does not fill the temporal layers: of \d+ entries it has 3"):
        build_trainee(SETTINGS, files, 4, 12)
    with pytest.raises(CheckpointError, match="does not fill the denoiser.*such as"):
        build_trainee(replace(SETTINGS, model=replace(MODEL, channels=(32, 32))), files, 4, 12)
    with pytest.raises(CheckpointError, match="There is no .*other.safetensors"):
        build_trainee(replace(SETTINGS, initial_unet="other.safetensors"), files, 4, 12)
    with pytest.raises(InputError, match="two ways to begin"):
        replace(SETTINGS, initial="released")


def test_the_papers_settings():
    """Both files are read; batch 32 is 8 processes times clips times accumulation; Adam has no weight decay."""
    import followemoji_core.training as training

    for stage in (1, 2):
        settings = load_settings(Path(training.__file__).parent / "paper" / f"stage{stage}.toml")
        assert settings.stage == stage and 8 * settings.clips * settings.accumulation == 32
        assert settings.optimizer == "adamw" and settings.weight_decay == 0 and settings.known_scattered > 0
        assert settings.model.queries > 0 or stage == 2


def test_mixed_precision_of_the_launch_is_used(monkeypatch):
    """`accelerate launch --mixed_precision` says it in the environment; it was ignored."""
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
    assert as_launched(replace(SETTINGS, precision="fp32")).precision == "bf16"
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "no")
    assert as_launched(replace(SETTINGS, precision="fp32")).precision == "fp32"
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "fp16")
    with pytest.raises(InputError, match="--mixed_precision fp16"):
        as_launched(SETTINGS)


def test_a_new_projector_of_another_kind(files):
    """Only what projects the image tokens is new; which tokens and maps are seen is what learns."""
    first = build_trainee(replace(SETTINGS, stage=1), files, 4, None)
    save_networks(files / "first.safetensors", first.in_use({}))
    again = replace(SETTINGS, stage=1, initial="first.safetensors", initial_unet="", motion_module="", precision="fp32")
    model = replace(MODEL, queries=0)
    built = build_trainee(replace(again, new_projector=True, model=model), files, 4, None).trainee
    kept = first.trainee.state_dict()
    for key, value in built.state_dict().items():
        assert "clip_fc" in key if key not in kept else torch.equal(kept[key], value)
    assert not any("q_former" in key for key in built.state_dict())

    def learns(mapped: bool, **changes) -> tuple[bool, bool]:
        """Whether the appearance net and the image encoder do."""
        trainee = build_trainee(replace(again, **changes), files, 4, None).trainee
        pictures, two = torch.randint(255, (2, 64, 64, 3), dtype=torch.uint8), torch.ones(2, dtype=torch.bool)
        batch = Batch(
            pictures, None, None, None, pictures, torch.ones(2, 2, 8, 8), timesteps=torch.tensor([500, 900]),
            known=~two, shown=two, mapped=two & mapped, shared=~two, seeds=torch.arange(2),
        )  # fmt: skip
        trainee(batch, torch.randn(2, 4, 8, 8), torch.randn(2, 4, 8, 8), None)[0].backward()
        parts = trainee.appearance_net, trainee.image_encoder
        return tuple(any(p.grad is not None and p.grad.any() for p in part.parameters()) for part in parts)

    assert learns(True) == (True, True) and learns(False) == (False, True)
    assert learns(True, tokens="none") == (True, False) and learns(False, tokens="mean") == (False, True)
    assert torch.equal(chosen_tokens(torch.arange(6.0).reshape(1, 3, 2), "mean"), torch.tensor([[[2.0, 3.0]]]))
    assert not chosen_tokens(torch.ones(1, 3, 2), "none").any()
