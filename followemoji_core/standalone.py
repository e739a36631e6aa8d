"""The walk without ComfyUI: diffusers' AutoencoderKL as the codec, transformers' CLIP as the image encoder."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .animate import Appearance, LandmarkFeatures, SamplingSettings, denoise, read_appearance
from .errors import CheckpointError
from .model.appearance_net import AppearanceNet
from .model.checkpoint import Networks, find_files, load_networks, read_tensors
from .model.config import LATENT_SCALE, LandmarkEncoderConfig, UNetConfig
from .model.denoiser import Denoiser
from .model.landmark_encoder import LandmarkEncoder
from .types import AlignedMotion

VAE_FILE = "vae/sd-vae-ft-mse.safetensors"
CLIP_FILE = "clip_vision/sd-image-variations-encoder-fp16.safetensors"
_DECODED_AT_ONCE = 4  # frames


@dataclass(frozen=True)
class Studio:
    """Everything that turns a framed portrait and an aligned motion into frames, on one device in one dtype."""

    networks: Networks
    vae: torch.nn.Module
    clip: torch.nn.Module
    device: torch.device
    dtype: torch.dtype

    @torch.no_grad()
    def see(self, portrait: np.ndarray) -> Appearance:
        """(H,W,3) uint8 RGB, sides multiples of 8 -> what the denoiser knows of the portrait."""
        import transformers

        pixels = torch.from_numpy(portrait).to(self.device, self.dtype).movedim(-1, 0)[None] / 127.5 - 1
        latents = self.vae.encode(pixels).latent_dist.mean * LATENT_SCALE
        side = self.clip.config.image_size
        # Through PIL, as published; transformers 5 gives that a name of its own.
        kind = getattr(transformers, "CLIPImageProcessorPil", None) or transformers.CLIPImageProcessor
        processor = kind(size={"shortest_edge": side}, crop_size={"height": side, "width": side})
        picture = processor(images=portrait, return_tensors="pt").pixel_values.to(self.device, self.dtype)
        tokens = self.clip(pixel_values=picture).last_hidden_state
        return read_appearance(self.networks.appearance_net, latents, tokens)

    def animate(self, portrait: np.ndarray, motion: AlignedMotion, settings: SamplingSettings, **hooks) -> Tensor:
        """The latents (T,c,h,w) of the video; `hooks` are those of `animate.denoise`."""
        landmarks = LandmarkFeatures(self.networks.landmark_encoder, motion, motion.size, self.device, self.dtype)
        return denoise(self.networks.denoiser, landmarks, self.see(portrait), settings, **hooks)

    @torch.no_grad()
    def frames(self, latents: Tensor) -> Iterator[np.ndarray]:
        """Decode latents to (H,W,3) uint8 RGB, a few at a time."""
        for chunk in (latents / LATENT_SCALE).split(_DECODED_AT_ONCE):
            pixels = self.vae.decode(chunk.to(self.dtype)).sample.float().add(1).mul(127.5).round().clamp(0, 255)
            yield from pixels.byte().movedim(1, -1).cpu().numpy()


def open_studio(models: Path, device: str, dtype: torch.dtype, weights: Path | None = None) -> Studio:
    """The released weights from a models folder laid out as ComfyUI's: followemoji/, vae/, clip_vision/.

    weights: a file or folder to take the three networks from instead of followemoji/.
    """
    networks = load_networks(find_files(weights or models / "followemoji"), device, dtype)
    vae = load_vae(models / VAE_FILE)
    clip = load_clip(models / CLIP_FILE)
    for module in (vae, clip):
        torch.nn.Module.to(module.eval(), device, dtype)  # diffusers' own `to` warns where there is nothing to warn of
    return Studio(networks, vae, clip, torch.device(device), dtype)


def load_vae(path: Path) -> torch.nn.Module:
    """An SD VAE in diffusers' layout (one .safetensors); its sizes are read off the file."""
    from diffusers import AutoencoderKL

    state = read_tensors(path)
    if "decoder.up_blocks.0.resnets.0.norm1.weight" not in state:
        raise CheckpointError(
            f"{path.name} is not an SD VAE in diffusers' layout. `python -m followemoji_core download` fetches one."
        )
    widths = [len(state[f"encoder.down_blocks.{level}.resnets.0.conv1.weight"]) for level in range(4)]
    # Older files name the attention's parameters differently.
    old = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
    state = {re.sub(r"\b(query|key|value|proj_attn)\b", lambda m: old[m[1]], k): v for k, v in state.items()}
    return _filled(AutoencoderKL(**_vae_sizes(widths)), state, path.name)


def _vae_sizes(widths: list[int]) -> dict:
    return dict(
        block_out_channels=widths,
        down_block_types=["DownEncoderBlock2D"] * len(widths),
        up_block_types=["UpDecoderBlock2D"] * len(widths),
        layers_per_block=2,
        norm_num_groups=min(32, widths[0]),
        latent_channels=4,
    )


def load_clip(path: Path) -> torch.nn.Module:
    """The image encoder of SD image-variations (CLIP ViT-L/14) in transformers' layout, one .safetensors."""
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    state = read_tensors(path)
    patches = state.get("vision_model.embeddings.patch_embedding.weight")
    if patches is None or "vision_model.embeddings.class_embedding" not in state:
        raise CheckpointError(
            f"{path.name} is not a CLIP image encoder. `python -m followemoji_core download` fetches it."
        )
    width, _, patch, _ = patches.shape
    places = len(state["vision_model.embeddings.position_embedding.weight"]) - 1
    config = CLIPVisionConfig(
        hidden_size=width,
        intermediate_size=len(state["vision_model.encoder.layers.0.mlp.fc1.weight"]),
        num_hidden_layers=len([key for key in state if key.endswith("mlp.fc1.weight")]),
        num_attention_heads=max(width // 64, 1),
        projection_dim=len(state["visual_projection.weight"]) if "visual_projection.weight" in state else 768,
        patch_size=patch,
        image_size=patch * round(places**0.5),
    )
    state.setdefault("visual_projection.weight", torch.zeros(config.projection_dim, width))  # never read here
    return _filled(CLIPVisionModelWithProjection(config), state, path.name)


def _filled(module: torch.nn.Module, state: dict[str, Tensor], name: str) -> torch.nn.Module:
    try:
        missing, _ = module.load_state_dict(state, strict=False)
    except RuntimeError as error:
        raise CheckpointError(f"{name} does not fit its own sizes: {error}. Download it again.") from error
    if missing := [key for key in missing if not key.endswith("position_ids")]:
        raise CheckpointError(f"{name} lacks {len(missing)} parameters, such as {missing[0]}. Download it again.")
    return module.requires_grad_(False)


def untrained_studio(seed: int = 0) -> Studio:
    """Small networks with random weights: every step of the walk runs, in seconds on a CPU, and the video is noise."""
    from diffusers import AutoencoderKL
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    torch.manual_seed(seed)
    config = UNetConfig(channels=(32, 64), attention=(True, False), layers=1, token_width=32, context_width=32)
    networks = Networks(
        Denoiser(config),
        AppearanceNet(replace(config)),
        LandmarkEncoder(LandmarkEncoderConfig(widths=(8, 8, 16, 16), out_channels=32)),
    )
    clip = CLIPVisionConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, image_size=64, patch_size=16
    )
    modules = (AutoencoderKL(**_vae_sizes([8, 8, 16, 16])), CLIPVisionModelWithProjection(clip))
    for module in (*modules, networks.denoiser, networks.appearance_net, networks.landmark_encoder):
        module.eval().requires_grad_(False)
    return Studio(networks, *modules, torch.device("cpu"), torch.float32)
