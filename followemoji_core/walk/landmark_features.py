"""Landmark images and what the landmark encoder makes of them, when a window asks: no clip of them is ever held."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..face.draw import draw_motion
from ..model.landmark_encoder import LandmarkEncoder
from ..types import AlignedMotion

_CACHE_BYTES = 2**30  # on the device of the run; features beyond it are made again at every step instead of kept


class LandmarkFeatures:
    """The landmark encoder's output for any frames of a clip, made when asked for and kept while there is room.

    images: an AlignedMotion, drawn at `size` (width, height); or landmark images (T,H,W,3 or 1), uint8 or in [0,1].
    """

    def __init__(
        self,
        encoder: LandmarkEncoder,
        images: AlignedMotion | Tensor,
        size: tuple[int, int],
        device: torch.device | str,
        dtype: torch.dtype,
    ):
        self.encoder, self.images, self.size, self.device, self.dtype = encoder, images, size, device, dtype
        self._kept: dict[int, Tensor] = {}
        self._room = _CACHE_BYTES
        self._last: tuple[list[int], Tensor] | None = None

    def like(self, dtype: torch.dtype) -> LandmarkFeatures:
        """The same in another dtype, with nothing kept yet."""
        return LandmarkFeatures(self.encoder, self.images, self.size, self.device, dtype)

    def __len__(self) -> int:
        return len(self.images)

    @torch.no_grad()
    def __call__(self, frames: Sequence[int]) -> Tensor:
        """Features (n, channels, h, w) of the frames, in that order."""
        frames = list(frames)
        if self._last is not None and self._last[0] == frames:  # the same window at the next step
            return self._last[1]
        new = list(dict.fromkeys(frame for frame in frames if frame not in self._kept))
        made = dict(zip(new, self.encoder(self._draw(new)) if new else (), strict=True))
        for frame, feature in made.items():
            if (size := feature.numel() * feature.element_size()) <= self._room:
                self._kept[frame] = feature
                self._room -= size
        if new == frames and len(new) == len(frames):
            features = torch.stack(list(made.values()))
        else:
            features = torch.stack([made[frame] if frame in made else self._kept[frame] for frame in frames])
        self._last = frames, features
        return features

    def forget(self) -> None:
        """Make room: windows of a long job come to each frame once or twice only."""
        self._kept.clear()
        self._last, self._room = None, _CACHE_BYTES

    def _draw(self, frames: list[int]) -> Tensor:
        if isinstance(self.images, AlignedMotion):
            images = torch.from_numpy(draw_motion(self.images, frames, self.size))
        else:
            images = self.images[frames].expand(-1, -1, -1, 3)  # grey becomes colour
        scale = 255 if images.dtype == torch.uint8 else 1
        return (images.to(self.device).to(self.dtype) / scale).movedim(-1, 1).contiguous()
