"""ComfyUI's VAE and image encoders as the networks need them: pictures to latents and tokens, latents to frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import comfy.latent_formats
import comfy.model_management as management
import numpy as np
import torch

from ...followemoji_core.errors import InputError
from ...followemoji_core.model.config import LATENT_CELL, LATENT_SCALE
from ...followemoji_core.walk.given import GivenFrames
from .loading import LoadedModel
from .pictures import one_picture, to_numpy

_SDXL_SCALE = comfy.latent_formats.SDXL.scale_factor
_DECODED_AT_ONCE = 8  # frames


@dataclass(frozen=True)
class OwnImageEncoder:
    """The image encoder that a checkpoint brings along, on the wire where ComfyUI has a CLIP_VISION."""

    model: LoadedModel

    def encode_image(self, image: torch.Tensor, crop: bool | str = True) -> dict[str, torch.Tensor]:
        """Pictures (n,H,W,3) RGB in [0,1], alpha ignored -> tokens (n,m,width) on the model's device, under the one key
        that the nodes read. The whole picture is seen, whatever `crop` says."""
        patcher, device = self.model.image_encoder, self.model.device
        management.load_models_gpu([patcher])
        pixels = image[..., :3].movedim(-1, 1).to(device, self.model.dtype)
        with torch.no_grad():
            return {"last_hidden_state": patcher.model(pixels)}


def encode_picture(vae, picture: torch.Tensor) -> torch.Tensor:
    """Picture (1,H,W,3) RGB in [0,1], sides multiples of 8 -> latents (1,c,h,w) of unit variance.

    vae: ComfyUI's. Raises InputError for a VAE of another family: of videos, of other cells, of SDXL.
    """
    latents = vae.encode(picture)
    if latents.ndim != 4:
        raise InputError("The VAE is a video VAE. Load an SD 1.5 VAE, such as sd-vae-ft-mse.")
    h, w = picture.shape[1] // LATENT_CELL, picture.shape[2] // LATENT_CELL
    if tuple(latents.shape[2:]) != (h, w):
        raise InputError(
            f"The VAE makes {latents.shape[3]}x{latents.shape[2]} latents of a {picture.shape[2]}x{picture.shape[1]} "
            f"picture, {w}x{h} are needed. Load an SD 1.5 VAE, such as sd-vae-ft-mse."
        )
    scale = getattr(vae.first_stage_model, "vae_scale", None)  # small autoencoders carry their factor
    if looks_like_sdxl(latents, picture) if scale is None else abs(float(scale) - _SDXL_SCALE) < 1e-3:
        raise InputError(
            "The VAE is an SDXL VAE: its latents have another meaning, and the video would have wrong colours and "
            "shapes. Load an SD 1.5 VAE, such as sd-vae-ft-mse."
        )
    return latents * LATENT_SCALE


def encode_given(vae, numbers: Sequence[int], pictures: Sequence[torch.Tensor]) -> GivenFrames:
    """Pictures (H,W,C) in [0,1] of those frames of a clip. Answers Cancel; raises InputError as `encode_picture`."""
    latents = []
    for picture in pictures:
        management.throw_exception_if_processing_interrupted()
        latents.append(encode_picture(vae, one_picture(picture[None], "given frame").float()).float().cpu())
    shown = np.stack([to_numpy(one_picture(picture[None], "given frame"), 0) for picture in pictures])
    return GivenFrames(tuple(numbers), torch.cat(latents), shown)


def looks_like_sdxl(latents: torch.Tensor, picture: torch.Tensor) -> bool:
    """Whether SDXL's latent-to-RGB table explains the picture much better than SD 1.5's (both are ComfyUI's own).

    latents (1,c,h,w) as the VAE made them, unscaled, of picture (1,H,W,3) in [0,1]; False unless c is 4. The two VAEs
    have the same layers, so nothing but what they compute tells them apart.
    """
    if latents.shape[1] != 4:
        return False
    target = torch.nn.functional.interpolate(
        picture[..., :3].movedim(-1, 1).float().cpu(), latents.shape[2:], mode="area"
    )

    def unexplained(latent_format) -> float:
        factors = torch.tensor(latent_format.latent_rgb_factors)
        bias = latent_format.latent_rgb_factors_bias or [0.0, 0.0, 0.0]
        guess = latent_format.process_in(latents.float().cpu()).movedim(1, -1) @ factors + torch.tensor(bias)
        return float((((guess + 1) / 2).clamp(0, 1) - target.movedim(1, -1)).abs().mean())

    sdxl = unexplained(comfy.latent_formats.SDXL())
    return sdxl < 0.1 and sdxl < 0.5 * unexplained(comfy.latent_formats.SD15())


def latent_output(latents: torch.Tensor) -> dict[str, torch.Tensor]:
    """Latents (T,c,h,w) of unit variance -> ComfyUI's LATENT: in the VAE's own scale, where ComfyUI keeps results."""
    return {"samples": (latents / LATENT_SCALE).to(management.intermediate_device())}


def check_decoder(vae, channels: int) -> None:
    """Raises InputError for a VAE that decodes no pictures from latents of so many channels, as far as it says so."""
    theirs, dimensions = getattr(vae, "latent_channels", channels), getattr(vae, "latent_dim", 2)
    if theirs != channels or dimensions != 2:
        raise InputError(
            f"The VAE decodes latents of {theirs} channels{'' if dimensions == 2 else ', of videos or sound'}; the "
            f"portrait was encoded to {channels}. Connect the VAE of Encode Portrait."
        )


def decode_frames(vae, latents: torch.Tensor) -> Iterator[np.ndarray]:
    """Latents (T,c,h,w) of unit variance -> frames (H,W,3) uint8 RGB, one by one, decoded a few at a time.

    vae: ComfyUI's. Answers Cancel between the few.
    """
    for chunk in latents.split(_DECODED_AT_ONCE):
        management.throw_exception_if_processing_interrupted()
        images = vae.decode(chunk.float() / LATENT_SCALE)
        yield from (to_numpy(images, index) for index in range(len(images)))
