"""What the networks of a run make by now: a picture for the eye, and the clips behind it for ablations."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..walk.settings import Settings
from ..walk.studio import Studio
from .batches import Batch

SAMPLING = Settings(steps=8, guidance=1.0, shared_noise=1.0)
_CLIPS, _FRAMES = 4, 4  # at most so many clips, and frames of each


def sample_grid(studio: Studio, batch: Batch, latents: Tensor) -> np.ndarray:
    """(rows*H,4*W,3) uint8 RGB, a row for each frame: portrait, landmarks, what is sampled of them, the truth.

    latents (n*k,c,h,w): of the batch's true frames, unit variance.
    """
    clips = len(batch.seeds)
    frames = len(batch.landmark_images) // clips
    rows = []
    for clip in range(min(clips, _CLIPS)):
        own = slice(clip * frames, (clip + 1) * frames)
        portrait, images = batch.portraits[clip].numpy(), batch.landmark_images[own].numpy()
        sampled = animate_images(studio, portrait, images, SAMPLING)
        truth = studio.codec.decode(latents[own]).numpy()
        for frame in range(min(frames, _FRAMES)):
            rows.append(np.concatenate([portrait, images[frame], sampled[frame], truth[frame]], axis=1))
    return np.concatenate(rows)


def animate_images(studio: Studio, portrait: np.ndarray, images: np.ndarray, settings: Settings) -> np.ndarray:
    """(T,H,W,3) uint8 RGB from a portrait (H,W,3) and landmark images (T,H,W,3), both uint8 RGB.

    The walk draws landmarks itself; here they come drawn as the run was trained (`batches.draw`), which ablations vary.
    Raises InputError where portrait, landmarks and networks do not go together.
    """
    store = studio.animate(portrait, torch.from_numpy(np.ascontiguousarray(images)), settings)
    return np.stack(list(studio.frames(store)))
