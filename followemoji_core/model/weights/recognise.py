"""What a file is, by its keys, so that a wrong slot gets a clear answer."""

from __future__ import annotations

from collections.abc import Iterable

BUNDLE = "a file with all three networks"
BARE_UNET = "a UNet without motion modules"  # a denoiser that gets them from a file beside it, or an appearance net
CLIP_FC = "a clip_fc projection"
MOTION_MODULE = "an AnimateDiff motion module"


def recognise(keys: Iterable[str]) -> str:
    """The name of a part ("denoiser", "appearance_net", "landmark_encoder"), or a phrase for the error message."""
    keys = set(keys)

    def has(*needles: str) -> bool:
        return all(any(needle in key for key in keys) for needle in needles)

    kinds = (  # the first that fits
        (BUNDLE, any(key.startswith("denoiser.") for key in keys)),
        ("an SD 1.5 checkpoint (single file)", has("model.diffusion_model.input_blocks")),
        ("a LoRA", has("lora")),
        ("a CLIP vision model", has("vision_model.")),
        ("a VAE", has("decoder.conv_in") or has("taesd_decoder")),
        ("denoiser", has("motion_modules", "conv_in.weight")),
        (MOTION_MODULE, has("motion_modules")),
        ("landmark_encoder", has("conv_in.weight", "conv_out.weight") and "blocks.0.weight" in keys),
        (CLIP_FC, keys == {"weight", "bias"}),
        (BARE_UNET, (has("clip_fc.weight") or has("q_former.")) and has("conv_in.weight", "conv_out.weight")),
        ("a plain SD 1.5 UNet (diffusers layout)", has("conv_in.weight", "down_blocks.", "conv_out.weight")),
        ("appearance_net", has("conv_in.weight", "down_blocks.")),
    )
    return next((name for name, fits in kinds if fits), "an unknown kind of model")
