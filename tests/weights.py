"""Seeded model files for tests: the networks in every published layout, a VAE, CLIP vision models.

The networks get the weights of the reference folder's `seeded_weights.py`, the ones behind the golden data. The other
files are made here: small or cheap to write, opened by the plain ComfyUI loaders of 0.3.64 and 0.33.
"""

from __future__ import annotations

import importlib.util
import json
import math
import struct
from pathlib import Path
from types import ModuleType

import pytest
import torch
from safetensors.torch import save_file

from tests.parity.conftest import reference_dir

State = dict[str, torch.Tensor]

SD15_SCALE, SDXL_SCALE = 0.18215, 0.13025  # latent of unit variance = raw latent * scale


def reference_folder() -> Path:
    """The folder of the golden data (tests/parity/conftest.py says which); skips the test when it has no weights."""
    folder = reference_dir()
    if not (folder / "seeded_weights.py").is_file():
        pytest.skip(f"no reference data: {folder} has no seeded_weights.py (set FOLLOWEMOJI_REFERENCE)")
    return folder


def seeded_state(network: str, size: str = "tiny", seed: int = 0) -> State:
    """State dict, float32, of `unet`, `referencenet` or `lmk_guider` as the golden data has it."""
    folder = reference_folder()
    return _seeded_weights(folder).seeded_state_dict(folder / "models" / f"{network}_{size}.json", seed)


def published_files(folder: Path, size: str = "tiny", seed: int = 0) -> dict[str, Path]:
    """Write unet.pth, referencenet.pth, lmk_guider.pth as the authors published them: bare state dicts, float32."""
    paths = {}
    for network in ("unet", "referencenet", "lmk_guider"):
        paths[network] = _parent(folder / f"{network}.pth")
        torch.save(seeded_state(network, size, seed), paths[network])
    return paths


def safetensors_split(folder: Path, size: str = "tiny", seed: int = 0, tables: bool = False) -> dict[str, Path]:
    """Write the four safetensors files in circulation. The `fp16` ones are float16, the UNet's projection `clip_fc`
    is a file of its own and no longer in the UNet, and positional tables are left out unless asked for."""
    unet = seeded_state("unet", size, seed)
    clip_fc = {name: unet.pop(f"clip_fc.{name}") for name in ("weight", "bias")}
    if not tables:
        unet = {key: value for key, value in unet.items() if not key.endswith("pos_encoder.pe")}
    files = {
        "FYE_unet-fp16": _half(unet),
        "FYE_referencenet-fp16": _half(seeded_state("referencenet", size, seed)),
        "FYE_lmk_guider": seeded_state("lmk_guider", size, seed),
        "FYE_clip_fc": clip_fc,
    }
    paths = {name: _parent(folder / f"{name}.safetensors") for name in files}
    for name, state in files.items():
        save_file(state, paths[name])
    return paths


def tiny_vae(path: Path, scale: float = SD15_SCALE, channels: int = 4) -> Path:
    """Write a VAE that is right at sight: 8 x 8 pixels become one cell that holds their mean colour, and back.

    TAESD layout, the only small one that VAELoader opens (5 MB). Cell values are 4 * (rgb - 0.5), of order one for a
    photograph, then the mean of the three; `scale` divides them, so raw latents have SD 1.5's spread (std about 5).
    The decoder squeezes values through 3 * tanh(x / 3), as every TAESD does: contrast drops slightly.
    """
    width = 64
    colour = torch.zeros(channels, width, 3, 3)
    colour_bias = torch.zeros(channels)
    for channel in range(channels):
        sources = range(3) if channel % 4 == 3 else [channel % 4]
        for source in sources:
            colour[channel, source, 1, 1] = 4.0 / len(sources)
        colour_bias[channel] = -2.0
    back = _identity(width, channels, count=3) / 4
    back_bias = torch.zeros(width)
    back_bias[:3] = 0.5

    encoder: State = {"0.weight": _identity(width, 3), "0.bias": torch.zeros(width)}
    encoder |= {f"{index}.weight": _halving(width) for index in (2, 6, 10)}
    for index in (1, 3, 4, 5, 7, 8, 9, 11, 12, 13):
        encoder |= _idle_block(index, width)
    encoder |= {"14.weight": colour, "14.bias": colour_bias}

    decoder: State = {"1.weight": back, "1.bias": back_bias}
    decoder |= {f"{index}.weight": _identity(width, width) for index in (7, 12, 17)}
    for index in (3, 4, 5, 8, 9, 10, 13, 14, 15, 18):
        decoder |= _idle_block(index, width)
    decoder |= {"19.weight": _identity(3, width), "19.bias": torch.zeros(3)}

    state = {f"taesd_encoder.{key}": value for key, value in encoder.items()}
    state |= {f"taesd_decoder.{key}": value for key, value in decoder.items()}
    state |= {"vae_scale": torch.tensor(scale), "vae_shift": torch.tensor(0.0)}
    save_file(state, _parent(path))
    return path


def wide_vae(path: Path) -> Path:
    """Write a VAE with 16 latent channels (as SD 3, Flux): the wrong one for this method."""
    return tiny_vae(path, scale=1.0, channels=16)


def sdxl_vae(path: Path) -> Path:
    """Write a 4 channel VAE with SDXL's factor. A real SDXL VAE has the keys and shapes of SD 1.5's."""
    return tiny_vae(path, scale=SDXL_SCALE)


def clip_vision(path: Path, seed: int = 0) -> Path:
    """Write a CLIP ViT-L/14 image encoder (hidden 1024, 24 layers, float16, transformers keys), 610 MB."""
    hidden, inner = 1024, 4096
    shapes = _vision_shapes(hidden, inner, layers=24, positions=257)
    shapes["vision_model.embeddings.class_embedding"] = [hidden]
    shapes["visual_projection.weight"] = [768, hidden]
    for name in ("pre_layrnorm", "post_layernorm"):
        shapes |= {f"vision_model.{name}.{part}": [hidden] for part in ("weight", "bias")}
    # One pool of draws, read from another offset for every tensor: 50 times faster than drawing 300 M numbers.
    generator = torch.Generator().manual_seed(seed)
    pool = torch.randn(2 * hidden * inner, generator=generator)
    state = {}
    for number, (key, shape) in enumerate(shapes.items()):
        start = (number * 104729) % (hidden * inner)
        draw = pool[start : start + math.prod(shape)].reshape(shape)
        if "norm" in key:
            value = 1 + 0.1 * draw if key.endswith("weight") else 0.05 * draw
        elif len(shape) == 1 or "position" in key:
            value = 0.05 * draw
        else:
            value = draw / math.sqrt(math.prod(shape[1:]))
        state[key] = value.half().contiguous()
    save_file(state, _parent(path))
    return path


def wrong_clip_vision(path: Path) -> Path:
    """Write the smallest vision model of another width that CLIPVisionLoader opens: SigLIP so400m/14 at 384 px,
    hidden 1152, 27 layers. All zeros, and a sparse file: nothing but its header takes disk (856 MB by name).
    Encoding with it takes about ten seconds on two cores: refuse it before."""
    hidden, inner = 1152, 4304
    shapes = _vision_shapes(hidden, inner, layers=27, positions=729)
    shapes |= {f"vision_model.post_layernorm.{part}": [hidden] for part in ("weight", "bias")}
    shapes["vision_model.embeddings.patch_embedding.bias"] = [hidden]
    header, end = {}, 0
    for key, shape in shapes.items():
        start, end = end, end + 2 * math.prod(shape)
        header[key] = {"dtype": "F16", "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    with _parent(path).open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + end)
    return path


def untrained_models(models: Path) -> Path:
    """Small networks with random weights in models/followemoji/all.safetensors, with a VAE and a CLIP in diffusers' and
    transformers' layouts where the command line looks for them: every step of the walk runs, in seconds on a CPU."""
    from diffusers import AutoencoderKL
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    from followemoji_core.encoders.sd_vae import vae_sizes
    from followemoji_core.model.appearance_net import AppearanceNet
    from followemoji_core.model.config import LandmarkEncoderConfig, UNetConfig
    from followemoji_core.model.denoiser import Denoiser
    from followemoji_core.model.landmark_encoder import LandmarkEncoder
    from followemoji_core.model.weights.build import Networks, save_networks
    from followemoji_core.walk.studio import CLIP_FILE, VAE_FILE

    torch.manual_seed(0)
    config = UNetConfig(channels=(32, 64), attention=(True, False), layers=1, token_width=32, context_width=32)
    encoder = LandmarkEncoder(LandmarkEncoderConfig(widths=(8, 8, 16, 16), out_channels=32))
    clip = CLIPVisionConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, image_size=64, patch_size=16
    )
    save_networks(
        _parent(models / "followemoji" / "all.safetensors"), Networks(Denoiser(config), AppearanceNet(config), encoder)
    )
    for file, module in (
        (VAE_FILE, AutoencoderKL(**vae_sizes([8, 8, 16, 16]))),
        (CLIP_FILE, CLIPVisionModelWithProjection(clip)),
    ):
        save_file({key: value.contiguous() for key, value in module.state_dict().items()}, _parent(models / file))
    return models


def _seeded_weights(folder: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("seeded_weights", folder / "seeded_weights.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _parent(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _half(state: State) -> State:
    return {key: value.half() for key, value in state.items()}


def _vision_shapes(hidden: int, inner: int, layers: int, positions: int) -> dict[str, list[int]]:
    """Shapes that CLIP and SigLIP share, both with 14 px patches."""
    shapes = {
        "vision_model.embeddings.patch_embedding.weight": [hidden, 3, 14, 14],
        "vision_model.embeddings.position_embedding.weight": [positions, hidden],
    }
    for index in range(layers):
        layer = f"vision_model.encoder.layers.{index}"
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            shapes |= {f"{layer}.self_attn.{name}.weight": [hidden, hidden], f"{layer}.self_attn.{name}.bias": [hidden]}
        for name in ("layer_norm1", "layer_norm2"):
            shapes |= {f"{layer}.{name}.weight": [hidden], f"{layer}.{name}.bias": [hidden]}
        shapes |= {f"{layer}.mlp.fc1.weight": [inner, hidden], f"{layer}.mlp.fc1.bias": [inner]}
        shapes |= {f"{layer}.mlp.fc2.weight": [hidden, inner], f"{layer}.mlp.fc2.bias": [hidden]}
    return shapes


def _identity(outputs: int, inputs: int, count: int | None = None) -> torch.Tensor:
    """A 3 x 3 convolution that copies its first channels (`count` of them)."""
    weight = torch.zeros(outputs, inputs, 3, 3)
    for channel in range(count or min(outputs, inputs)):
        weight[channel, channel, 1, 1] = 1.0
    return weight


def _halving(width: int) -> torch.Tensor:
    """A 3 x 3 convolution of stride 2, padding 1, that takes the mean of 2 x 2 pixels."""
    weight = torch.zeros(width, width, 3, 3)
    for channel in range(width):
        weight[channel, channel, 1:, 1:] = 0.25
    return weight


def _idle_block(index: int, width: int) -> State:
    """A TAESD block that adds nothing to its input."""
    zeros: State = {}
    for layer in (0, 2, 4):
        zeros[f"{index}.conv.{layer}.weight"] = torch.zeros(width, width, 3, 3)
        zeros[f"{index}.conv.{layer}.bias"] = torch.zeros(width)
    return zeros
