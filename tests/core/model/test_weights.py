"""Weights files, good and bad, on a network small enough to write dozens of them."""

from __future__ import annotations

import os
import pickle
import zipfile

import pytest
import torch
from safetensors.torch import save_file

from followemoji_core.errors import CheckpointError
from followemoji_core.model.appearance_net import AppearanceNet
from followemoji_core.model.config import LandmarkEncoderConfig, UNetConfig
from followemoji_core.model.denoiser import Denoiser
from followemoji_core.model.landmark_encoder import LandmarkEncoder
from followemoji_core.model.weights.build import load_networks, save_networks
from followemoji_core.model.weights.files import CheckpointFiles, find_files
from followemoji_core.model.weights.read import read_tensors

CONFIG = UNetConfig(channels=(32, 64), attention=(True, False), layers=1, token_width=12, context_width=6)
ENCODER = LandmarkEncoderConfig(widths=(4, 4, 8, 8), out_channels=32)


@pytest.fixture(scope="module")
def states():
    torch.manual_seed(0)
    return {
        "unet": Denoiser(CONFIG).state_dict(),
        "referencenet": AppearanceNet(CONFIG).state_dict(),
        "lmk_guider": LandmarkEncoder(ENCODER).state_dict(),
    }


@pytest.fixture
def folder(tmp_path, states):
    for name, state in states.items():
        torch.save(state, tmp_path / f"{name}.pth")
    return tmp_path


def files(folder, **changes):
    chosen = dict(denoiser="unet.pth", appearance_net="referencenet.pth", landmark_encoder="lmk_guider.pth")
    return CheckpointFiles(**{part: folder / name for part, name in {**chosen, **changes}.items()})


def same(network, state):
    return all(torch.equal(value, state[key]) for key, value in network.state_dict().items())


def test_published_files(folder, states):
    networks = load_networks(find_files(folder))
    assert networks.denoiser.config == CONFIG and networks.landmark_encoder.config == ENCODER
    assert same(networks.denoiser, states["unet"]) and same(networks.appearance_net, states["referencenet"])
    half = load_networks(find_files(folder), dtype=torch.float16)
    assert {parameter.dtype for parameter in half.denoiser.parameters()} == {torch.float16}


def test_one_file_of_ours(folder, states):
    save_networks(folder / "all.safetensors", load_networks(find_files(folder)))
    assert same(load_networks(find_files(folder / "all.safetensors")).denoiser, states["unet"])


def test_a_denoiser_that_comfyui_saved_native_with_the_rest_from_a_file_of_ours(folder, states):
    """Save Model writes the denoiser alone, under our keys, beside entries that say something by being there."""
    save_networks(folder / "all.safetensors", load_networks(find_files(folder)))
    saved = {f"denoiser.{key}": value + 1 for key, value in states["unet"].items()}
    save_file(saved | {"v_pred": torch.tensor([]), "ztsnr": torch.tensor([])}, folder / "saved.safetensors")
    whole = "all.safetensors"
    networks = load_networks(files(folder, denoiser="saved.safetensors", appearance_net=whole, landmark_encoder=whole))
    assert torch.equal(networks.denoiser.conv_in.bias, states["unet"]["conv_in.bias"] + 1)
    assert same(networks.appearance_net, states["referencenet"]) and same(
        networks.landmark_encoder, states["lmk_guider"]
    )


def test_the_split_in_circulation(folder, states):
    """Without clip_fc and positional tables in the UNet's file, and with an entry that nobody needs."""
    unet = {key: value.half() for key, value in states["unet"].items() if "clip_fc" not in key and ".pe" not in key}
    save_file(unet | {"extra": torch.zeros(1)}, folder / "FYE_unet-fp16.safetensors")
    save_file({key: states["unet"][f"clip_fc.{key}"] for key in ("weight", "bias")}, folder / "fc.safetensors")
    with pytest.raises(CheckpointError, match="needs clip_fc.weight.*FYE_clip_fc.safetensors as clip_fc"):
        load_networks(files(folder, denoiser="FYE_unet-fp16.safetensors"))
    with pytest.raises(CheckpointError, match="lmk_guider.pth was chosen as clip_fc, but it is landmark encoder"):
        load_networks(files(folder, denoiser="FYE_unet-fp16.safetensors", clip_fc="lmk_guider.pth"))
    networks = load_networks(files(folder, denoiser="FYE_unet-fp16.safetensors", clip_fc="fc.safetensors"))
    assert torch.equal(networks.denoiser.clip_fc.weight, states["unet"]["clip_fc.weight"])
    tables = [key for key in states["unet"] if key.endswith(".pe")]
    assert tables and torch.allclose(networks.denoiser.state_dict()[tables[0]], states["unet"][tables[0]])


def test_unused_entries_are_named(folder, states, caplog):
    torch.save({**states["unet"], "surplus.weight": torch.zeros(1)}, folder / "unet.pth")
    load_networks(find_files(folder))
    assert "surplus.weight" in caplog.text


def test_gaps_are_filled_from_base_files(folder, states):
    """As published: base UNet and AnimateDiff module first, the checkpoint over them."""
    motion = {f"module.{key}": value for key, value in states["unet"].items() if "motion_modules" in key}
    torch.save({"state_dict": motion}, folder / "mm_sd_v15_v2.ckpt")
    torch.save({k: v for k, v in states["unet"].items() if "motion_modules" not in k}, folder / "still.pth")
    with pytest.raises(CheckpointError, match="AnimateDiff motion module"):
        load_networks(files(folder, denoiser="still.pth"))
    filled = load_networks(files(folder, denoiser="still.pth", motion_module="mm_sd_v15_v2.ckpt"))
    assert same(filled.denoiser, states["unet"])
    base = {key: torch.ones_like(value) for key, value in states["unet"].items() if "motion_modules" not in key}
    torch.save(base, folder / "base.bin")
    torch.save({k: v for k, v in states["unet"].items() if k != "conv_in.bias"}, folder / "gap.pth")
    filled = load_networks(files(folder, denoiser="gap.pth", base_unet="base.bin"))
    assert filled.denoiser.conv_in.bias.eq(1).all() and not filled.denoiser.conv_in.weight.eq(1).all()


@pytest.mark.parametrize(
    "slot, wrong, words",
    [
        ("denoiser", "referencenet.pth", "it is the appearance net.*unet.pth"),
        ("appearance_net", "unet.pth", "it is the denoiser.*referencenet.pth"),
        ("landmark_encoder", "unet.pth", "it is the denoiser.*lmk_guider.pth"),
        ("denoiser", "sd15.pth", "SD 1.5 checkpoint"),
        ("denoiser", "sd15_unet.pth", "plain SD 1.5 UNet"),
        ("appearance_net", "vae.pth", "a VAE"),
        ("landmark_encoder", "clip.pth", "CLIP vision"),
        ("denoiser", "lora.pth", "a LoRA"),
        ("denoiser", "nowhere.pth", "no file"),
    ],
)
def test_wrong_file_in_a_slot(folder, slot, wrong, words):
    keys = {
        "sd15.pth": ["model.diffusion_model.input_blocks.0.0.weight"],
        "sd15_unet.pth": ["conv_in.weight", "conv_out.weight", "down_blocks.0.resnets.0.conv1.weight"],
        "vae.pth": ["encoder.conv_in.weight", "decoder.conv_in.weight"],
        "clip.pth": ["vision_model.embeddings.class_embedding"],
        "lora.pth": ["lora_unet_down_blocks_0.lora_up.weight"],
    }.get(wrong)
    if keys:
        torch.save({key: torch.zeros(1) for key in keys}, folder / wrong)
    with pytest.raises(CheckpointError, match=words):
        load_networks(files(folder, **{slot: wrong}))


def test_misshapen_and_foreign_parts(folder, states):
    torch.save({**states["unet"], "conv_out.bias": torch.zeros(7)}, folder / "bent.pth")
    with pytest.raises(CheckpointError, match=r"conv_out.bias: \(7,\), expected \(4,\)"):
        load_networks(files(folder, denoiser="bent.pth"))
    torch.save(LandmarkEncoder(LandmarkEncoderConfig((4, 4, 8, 8), 16)).state_dict(), folder / "other.pth")
    with pytest.raises(CheckpointError, match="output channels 16, the denoiser has 32"):
        load_networks(files(folder, landmark_encoder="other.pth"))


@pytest.mark.parametrize("name", ["unet.pth", "unet.safetensors"])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_truncated_download(folder, states, name, share):
    if name.endswith("safetensors"):
        save_file(states["unet"], folder / name)
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(CheckpointError, match="damaged or incomplete.*download it again"):
        load_networks(files(folder, denoiser=name))


class Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_code_is_refused_and_does_not_run(tmp_path):
    crater = str(tmp_path / "crater")
    torch.save({"conv_in.weight": Bomb(crater)}, tmp_path / "zip.pth")
    (tmp_path / "bare.pth").write_bytes(pickle.dumps(Bomb(crater)))
    for name in ("zip.pth", "bare.pth"):
        with pytest.raises(CheckpointError, match="asks for code to be run, which is refused"):
            read_tensors(tmp_path / name)
    with zipfile.ZipFile(tmp_path / "photos.pth", "w") as archive:
        archive.writestr("a.txt", "not weights")
    with pytest.raises(CheckpointError):
        read_tensors(tmp_path / "photos.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(CheckpointError, match="no table of named weights"):
        read_tensors(tmp_path / "list.pth")
    assert not os.path.exists(crater)


def test_incomplete_folder(tmp_path, states):
    torch.save(states["unet"], tmp_path / "unet.pth")
    with pytest.raises(CheckpointError, match="lacks the appearance net .*, the landmark encoder"):
        find_files(tmp_path)
