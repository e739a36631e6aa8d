"""What a training step is given. Sample i of step s depends on the seed, s and i alone: not on the number of
processes, nor on where a run was interrupted."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..diffusion.covering import draw_known
from ..diffusion.schedule import TRAIN_TIMESTEPS
from ..errors import InputError
from ..face.draw import draw_landmarks
from ..face.masks import expression_mask, face_mask
from ..face.opencv import opencv
from ..face.topology import FACE_CONTOUR, PUPILS
from ..model.config import LATENT_CELL
from .settings import TrainSettings
from .shards import Clip, left_out, read_part

log = logging.getLogger(__name__)
_SPREAD = (5**0.5 - 1) / 2
_HIGH = 150  # timesteps at the noisy end from which `high_noise` draws


@dataclass(frozen=True)
class Batch:
    """n clips of k target frames each, clips first; pictures are RGB, latents of unit variance, masks in [0,1].

    portraits (n,H,W,3) uint8; portrait_latents (n,c,h,w) and latents (n*k,c,h,w), or None and `pictures`
    (n*k,H,W,3) uint8 instead; landmark_images (n*k,H,W,3) uint8; masks (2,n*k,h,w) of expression and face; timesteps
    (n,); known (n*k,) bool; shown, mapped (n,) bool: by tokens, by maps; shared (n,)
    bool: clips whose frames all get the same noise; seeds (n,).
    """

    portraits: Tensor
    portrait_latents: Tensor | None
    latents: Tensor | None
    pictures: Tensor | None
    landmark_images: Tensor
    masks: Tensor
    timesteps: Tensor
    known: Tensor
    shown: Tensor
    mapped: Tensor
    shared: Tensor
    seeds: Tensor

    def noise(self, like: Tensor) -> Tensor:
        """(n*k,c,h,w) Gaussian noise of unit variance, like these latents, of the samples' own seeds."""
        per_clip = like.shape[0] // len(self.seeds)
        shape = (per_clip, *like.shape[1:])
        drawn = [torch.randn(shape, generator=torch.Generator().manual_seed(int(seed))) for seed in self.seeds]
        pairs = zip(drawn, self.shared.tolist(), strict=True)
        return torch.cat([noise[:1].expand_as(noise) if shared else noise for noise, shared in pairs]).to(like)


class Batches:
    """The batches of one of `processes` processes, number `rank`.

    Raises InputError where no clip is long enough, or clips differ in size or latents.
    """

    def __init__(self, clips: list[Clip], settings: TrainSettings, rank: int = 0, processes: int = 1):
        self.settings, self.rank, self.processes = settings, rank, processes
        self.damaged: dict[Path, str] = {}  # clips that could not be read, and why
        wanted = max(settings.targets + (settings.portrait == "first"), 2)
        self.clips = [clip for clip in clips if clip.frames >= wanted]
        if not self.clips:
            raise InputError(
                f"Clips of {wanted} frames are asked for; the longest in {settings.data} has "
                f"{max(clip.frames for clip in clips)}. Prepare longer ones, or lower targets."
            )
        if len(sizes := {clip.size for clip in self.clips}) > 1:
            raise InputError(f"The clips differ in size: {sorted(sizes)}. Train on one size at a time.")
        if len(shapes := {clip.latent_shape for clip in self.clips}) > 1:
            raise InputError(
                f"The clips' latents differ: {', '.join(map(str, shapes))} (None: there are none). Run "
                f"`python -m followemoji_core encode {settings.data} --vae FILE` to its end."
            )
        self.still = [clip for clip in self.clips if not clip.hidden] or self.clips

    def at(self, step: int) -> Batch:
        """The batch of a step, which counts micro batches: with accumulation, several to an update."""
        settings = self.settings
        length = self._length(step)
        count = settings.clips * settings.targets // length
        most = settings.clips * settings.targets // (settings.shortest or settings.targets)
        first = (step * self.processes + self.rank) * most
        samples = [self._sample(first + index, length) for index in range(count)]
        parts = {name: np.concatenate([sample[name] for sample in samples]) for name in samples[0]}
        tensors = {name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in parts.items()}
        masks = torch.stack([tensors.pop("expression"), tensors.pop("face")])
        return Batch(
            portraits=tensors["portrait"],
            portrait_latents=tensors.get("portrait_latents"),
            latents=tensors.get("latents"),
            pictures=tensors.get("pictures"),
            landmark_images=tensors["landmark_images"],
            masks=masks,
            timesteps=tensors["timestep"],
            known=tensors["known"],
            shown=tensors["shown"],
            mapped=tensors["mapped"],
            shared=tensors["shared"],
            seeds=tensors["seed"],
        )

    def _length(self, step: int) -> int:
        """Frames of the windows of a step, the same in all processes."""
        settings = self.settings
        rng = np.random.default_rng([settings.seed, 6, step])
        if settings.stage == 1 or not settings.shortest or rng.random() < 0.5:
            return settings.targets
        return int(rng.integers(settings.shortest, settings.targets + 1))

    def _sample(self, index: int, length: int) -> dict[str, np.ndarray]:
        settings = self.settings
        rng = np.random.default_rng([settings.seed, 5, index])
        known = self._known(index, length)
        # What is hidden, known frames tell their neighbours; where none is, a network would learn the mean of it.
        clips = self.clips if known.any() and settings.stage == 2 else self.still
        while True:
            clip = clips[rng.integers(len(clips))]
            try:
                return self._sample_of(clip, rng, index, known)
            except InputError as error:  # a damaged clip: another one, the same in every process and after a restart
                if clip.file not in self.damaged:
                    self.damaged[clip.file] = str(error)
                    log.warning("left out: %s", error)
                    if all(other.file in self.damaged for other in clips):
                        raise
                    left_out(list(self.damaged.values()), len(self.clips), Path(settings.data), lambda line: None)

    def _known(self, index: int, length: int) -> np.ndarray:
        """Which frames of that sample are shown, (length,) bool. By seeds of their own: of one seed, masks would follow
        the noise."""
        settings = self.settings
        if not settings.covered:
            return np.zeros(length, bool)
        seed = int(np.random.default_rng([settings.seed, 7, index]).integers(2**62))
        ends = settings.known_ends if settings.stage == 2 else 0.0
        return draw_known(length, torch.Generator().manual_seed(seed), ends, settings.known_scattered).numpy()

    def _sample_of(self, clip: Clip, rng: np.random.Generator, index: int, known: np.ndarray) -> dict[str, np.ndarray]:
        settings, length = self.settings, len(known)
        # 1. Which frames: single ones from anywhere, or neighbours; the portrait is any frame of the clip, or apart.
        apart = int(settings.portrait == "first")
        there = clip.frames - apart
        if settings.stage == 1:
            frames = rng.choice(there, length, replace=there < length)
        else:
            stride, most = 1, min(settings.longest_stride, (there - 1) // max(length - 1, 1))
            if most > 1 and rng.random() < 0.5:
                stride = int(rng.integers(2, most + 1))
            frames = rng.integers(there - stride * (length - 1)) + stride * np.arange(length)
        frames += apart
        portrait = 0 if apart else rng.integers(clip.frames)
        latents = clip.latent_shape is not None
        target = read_part(clip, frames, pictures=not latents)
        source = read_part(clip, [portrait])
        # 2. What is drawn of the landmarks: images, and masks at latent resolution.
        size, out = (clip.size, clip.size), (clip.size // LATENT_CELL, clip.size // LATENT_CELL)
        images = [draw(points, clip.size, settings) for points in target["points"]]
        cv2 = opencv()
        masks = [
            [cv2.resize(mask, out, interpolation=cv2.INTER_AREA) for mask in (expression, face_mask(points, size))]
            for points in target["points"]
            for expression in [expression_mask(points, size, radius=settings.expression_radius)]
        ]
        expression, face = np.stack(masks).astype(np.float32).swapaxes(0, 1)
        # 3. Chances.
        low = TRAIN_TIMESTEPS - _HIGH if rng.random() < settings.high_noise else 0
        # Spread evenly over any stretch of samples, by the golden ratio.
        timestep = int(low + (TRAIN_TIMESTEPS - low) * ((settings.seed * _SPREAD**2 + index * _SPREAD) % 1.0))
        sample = {
            "portrait": source["pictures"],
            "landmark_images": np.stack(images),
            "expression": expression,
            "face": face,
            "timestep": np.array([timestep]),
            "known": known,
            "shown": np.array([rng.random() >= settings.drop]),
            "shared": np.array([rng.random() < settings.shared_noise]),
            "seed": rng.integers(2**62, size=1),
        }
        if latents:
            sample |= {"latents": target["latents"], "portrait_latents": source["latents"]}
        else:
            sample["pictures"] = target["pictures"]
        sample["mapped"] = sample["shown"] & (rng.random() >= settings.drop_maps)
        return sample


def draw(points: np.ndarray, size: int, settings: TrainSettings) -> np.ndarray:
    """(size,size,3) uint8 RGB: the landmark image that a run is trained on, as everywhere, or as an ablation asks.

    points (478,2) pixels of that image.
    """
    if not settings.pupils:
        points = points.copy()
        points[list(PUPILS)] = np.nan
    image = draw_landmarks(points, (size, size))
    if settings.contour:
        contour = np.round(points[list(FACE_CONTOUR)]).astype(np.int32)
        opencv().polylines(image, [contour], isClosed=False, color=(255, 255, 255))
    return image
