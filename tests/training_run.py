"""A training run that is small enough for a test: drawn people at 64 pixels, networks of 32 channels."""

from __future__ import annotations

from pathlib import Path

from followemoji_core.__main__ import main
from followemoji_core.small import SMALL_VAE
from followemoji_core.training.synthesize import synthesize

SETTINGS = """
stage = 1
data = "clips"
out = "run"
clips = 4
targets = 2
steps = 4
learning_rate = 2e-3
optimizer = "muon"
warmup = 1
decay = "constant"
precision = "fp32"
ema = 0.9
save_every = 2
log_every = 2
sample_every = 1000
[model]
channels = [32, 32]
attention = [true, false]
heads = 2
groups = 16
places = 8
queries = 4
query_layers = 1
token_width = 32
context_width = 32
landmark_widths = [8, 8, 16, 32]
image_layers = 1
image_size = 32
"""


def draw(folder: Path) -> Path:
    """12 clips of 8 frames in FOLDER/clips, with latents of the autoencoder that ships, and the settings."""
    synthesize(folder / "clips", people=12, frames=8, size=64, stride=3)
    assert main(["encode", str(folder / "clips"), "--vae", str(SMALL_VAE)]) == 0
    (folder / "stage1.toml").write_text(SETTINGS)
    return folder


def train(folder: Path, *changes: str, file: str = "stage1.toml") -> int:
    return main(["train", str(folder / file), *(part for change in changes for part in ("--set", change))])
