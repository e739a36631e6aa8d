"""The small model that ships, as a models folder like ComfyUI's; trained on drawn people by the commands in README."""

from pathlib import Path

SMALL_MODELS = Path(__file__).parent
SMALL_MODEL = SMALL_MODELS / "followemoji" / "followemoji_small.safetensors"
SMALL_VAE = SMALL_MODELS / "vae" / "followemoji_small_vae.safetensors"
SMALL_MOTIONS = SMALL_MODELS / "motions"
SMALL_SIDE = 128  # pixels: the only size of pictures that it knows
