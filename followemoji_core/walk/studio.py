"""The walk without ComfyUI: diffusers' AutoencoderKL as the codec, transformers' CLIP as the image encoder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .. import __version__
from ..diffusion.progressive_sampler import WindowReport
from ..encoders.vae import Codec, fill, open_codec
from ..errors import CheckpointError
from ..model.weights.checkpoint import Networks, find_files, load_networks, read_tensors
from ..small import SMALL_MODEL, SMALL_MODELS, SMALL_VAE
from ..types import AlignedMotion
from .animate import Appearance, LandmarkFeatures, SamplingSettings, denoise, read_appearance
from .animate_long import LongSettings, denoise_long, plan_long
from .latent_store import LatentStore, job_key
from .places import CLIP_FILE, VAE_FILE

# How the small model is used: two steps are nearest to the truth, more are not sharper (`targets` measures it).
SMALL_SETTINGS = SamplingSettings(steps=2, guidance=1.0, shared_noise=1.0)
_DECODED_AT_ONCE = 4  # frames


@dataclass(frozen=True)
class Studio:
    """Everything that turns a framed portrait and an aligned motion into frames, on one device in one dtype.

    clip: CLIP's image encoder; None where the networks bring their own.
    """

    networks: Networks
    codec: Codec
    clip: torch.nn.Module | None
    device: torch.device
    dtype: torch.dtype
    identity: tuple = ()  # what the networks' files are known by

    @torch.no_grad()
    def see(self, portrait: np.ndarray) -> Appearance:
        """(H,W,3) uint8 RGB, sides multiples of 8 -> what the denoiser knows of the portrait."""
        pictures = torch.from_numpy(np.ascontiguousarray(portrait))[None]
        latents = self.codec.encode(pictures).to(self.device, self.dtype)
        if self.clip is None:
            pixels = pictures.to(self.device).movedim(-1, 1).to(self.dtype) / 255
            tokens = self.networks.image_encoder(pixels)
        else:
            tokens = clip_tokens(self.clip, portrait)
        return read_appearance(self.networks.appearance_net, latents, tokens)

    def animate(self, portrait: np.ndarray, motion: AlignedMotion, settings: SamplingSettings, **hooks) -> Tensor:
        """The latents (T,c,h,w) of the video; `hooks` are those of `animate.denoise`."""
        landmarks = LandmarkFeatures(self.networks.landmark_encoder, motion, motion.size, self.device, self.dtype)
        return denoise(self.networks.denoiser, landmarks, self.see(portrait), settings, **hooks)

    def animate_long(
        self,
        portrait: np.ndarray,
        motion: AlignedMotion,
        settings: SamplingSettings,
        long: LongSettings,
        folder: Path | None = None,
        on_step: Callable[[WindowReport], None] = lambda report: None,
    ) -> LatentStore:
        """Clips of any length: finished windows are kept under `folder`, where the same job finds them again."""
        appearance = self.see(portrait)
        plan = plan_long(self.networks.denoiser.config, appearance, motion, motion.size, settings, long)
        made_by = (__version__, self.identity, str(self.dtype))
        key = job_key(made_by, vars(settings), vars(long), motion.points, appearance.tokens, *appearance.features.maps)
        store = LatentStore(len(motion), appearance.latent_shape, folder and folder / key)
        landmarks = LandmarkFeatures(self.networks.landmark_encoder, motion, motion.size, self.device, self.dtype)
        denoise_long(self.networks.denoiser, landmarks, appearance, settings, long, plan, store, on_step=on_step)
        return store

    def frames(self, latents: Tensor) -> Iterator[np.ndarray]:
        """Decode latents to (H,W,3) uint8 RGB, a few at a time."""
        for chunk in latents.split(_DECODED_AT_ONCE):
            yield from self.codec.decode(chunk.float()).numpy()


def open_studio(
    models: Path, device: str, dtype: torch.dtype, weights: Path | None = None, vae: Path | None = None
) -> Studio:
    """The released weights from a models folder laid out as ComfyUI's: followemoji/, vae/, clip_vision/.

    weights, vae: files (weights: or a folder) to take instead of followemoji/ and vae/sd-vae-ft-mse.safetensors.
    """
    files = find_files(weights or models / "followemoji")
    networks = load_networks(files, device, dtype)
    codec = open_codec(vae or models / VAE_FILE).to(device, dtype)
    clip = None
    if networks.image_encoder is None:
        clip = load_clip(models / CLIP_FILE).eval().to(device, dtype)
    return Studio(networks, codec, clip, torch.device(device), dtype, files.identity)


def small_studio(device: str = "cpu", dtype: torch.dtype = torch.float32) -> Studio:
    """The small model that ships with this package, trained on drawn people at 128 x 128."""
    return open_studio(SMALL_MODELS, device, dtype, SMALL_MODEL, SMALL_VAE)


@torch.no_grad()
def clip_tokens(clip: torch.nn.Module, portrait: np.ndarray) -> Tensor:
    """(H,W,3) uint8 RGB -> CLIP's last hidden state (1,n,width), before the final norm."""
    import transformers

    like = next(clip.parameters())
    side = clip.config.image_size
    # Through PIL, as published; transformers 5 gives that a name of its own.
    kind = getattr(transformers, "CLIPImageProcessorPil", None) or transformers.CLIPImageProcessor
    processor = kind(size={"shortest_edge": side}, crop_size={"height": side, "width": side})
    picture = processor(images=portrait, return_tensors="pt").pixel_values.to(like)
    return clip(pixel_values=picture).last_hidden_state


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
    return fill(CLIPVisionModelWithProjection(config), state, path.name)
