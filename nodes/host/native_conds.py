"""What travels in ComfyUI's CONDITIONING for the native MODEL: how each half of guidance sees a clip, held once.

Core repeats a tensor of a cond for every frame (740 MB of appearance maps at 512x512 and 16 frames), so no map is one:
the only tensor is the numbers of the frames. Context windows slice it, and by it everything else is looked up.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

import comfy.conds
import torch
from torch import Tensor

from ...followemoji_core.errors import InputError
from ...followemoji_core.model.conditioning import Conditioning, condition, unconditional, weights_of
from ...followemoji_core.model.denoiser import Denoiser
from ...followemoji_core.model.landmark_encoder import LandmarkEncoder
from ...followemoji_core.types import AlignedMotion, AppearanceFeatures
from ...followemoji_core.walk.animate import landmark_size
from ...followemoji_core.walk.landmark_features import LandmarkFeatures

KEY = "followemoji"  # in the dictionaries of a CONDITIONING, and among the conds of a model


@dataclass(frozen=True, eq=False)
class Clip:
    """What both halves share. landmarks: an AlignedMotion or images (T,H,W,3); latent_shape (c,h,w) of a frame.

    covered (T,c+1,h,w): what is known of the frames, see `covered_input`; None: nothing, or nothing is told.
    """

    landmarks: AlignedMotion | Tensor
    encoder: LandmarkEncoder
    latent_shape: tuple[int, int, int]
    covered: Tensor | None = None
    _open: weakref.WeakValueDictionary = field(default_factory=weakref.WeakValueDictionary, repr=False)

    def __len__(self) -> int:
        return len(self.landmarks)

    def features(self, device: torch.device, dtype: torch.dtype) -> LandmarkFeatures:
        """Made when a window asks; both halves of a run get the same, which is gone when the run's conds are."""
        features = self._open.get((device, dtype))
        if features is None:
            features = LandmarkFeatures(self.encoder, self.landmarks, landmark_size(self.landmarks), device, dtype)
            self._open[device, dtype] = features
        return features


@dataclass(frozen=True, eq=False)
class Half:
    """One half of guidance, on the wire. portrait: maps of the appearance net; None: no portrait, which maps of zeros
    are not, as keys of zeros take their share of the attention. The image tokens travel where core has its own."""

    clip: Clip
    portrait: AppearanceFeatures | None


class HalfCond(comfy.conds.CONDRegular):
    """One half during a run. cond (frames,) int64: numbers of the frames, of the clip or of a window of it. tokens:
    image tokens of the half that has a portrait. revision: answers what changes when core changes weights in ways that
    torch does not see, or None where they change all the time."""

    def __init__(
        self,
        cond: Tensor,
        half: Half,
        tokens: Tensor,
        features: LandmarkFeatures,
        revision: Callable[[], Hashable | None],
    ):
        super().__init__(cond)
        self.half, self.tokens, self.features, self.revision = half, tokens, features, revision
        self._made: list[tuple[Hashable, Conditioning]] = []  # one at most, shared with the cond's slices

    def _copy_with(self, cond: Tensor) -> HalfCond:
        copy = HalfCond(cond, self.half, self.tokens, self.features, self.revision)
        copy._made = self._made
        return copy

    def process_cond(self, batch_size, area=None, **kwargs) -> HalfCond:
        if area is not None:
            raise InputError(
                "Follow-Your-Emoji sees whole frames: a conditioning with an area does not go with it. Take "
                "Conditioning (Set Area) out; Conditioning (Set Mask) works."
            )
        return self

    def can_concat(self, other) -> bool:
        return isinstance(other, HalfCond) and self.half.clip is other.half.clip and torch.equal(self.cond, other.cond)

    def concat(self, others) -> tuple[HalfCond, ...]:
        return (self, *others)  # of a tuple core converts nothing

    def size(self) -> list[int]:
        return [1]

    def conditioning(self, network: Denoiser, like: Tensor) -> Conditioning:
        """Projected by the network's weights of now, where and in what `like` is; again when they have changed."""
        revision = self.revision()
        made_with = weights_of(network), revision, like.device, like.dtype
        if revision is not None and self._made and self._made[0][0] == made_with:
            return self._made[0][1]
        if self.half.portrait is None:
            made = unconditional(network, like)
        else:
            maps = tuple(features.to(like) for features in self.half.portrait.maps)
            made = condition(network, self.tokens.to(like), AppearanceFeatures(maps))
        self._made[:] = [(made_with, made)]
        return made


def frames_of(half: HalfCond, rows: int) -> list[int]:
    """The numbers of the frames in `rows` latents. Raises InputError where the latents are not the clip's."""
    if len(half.cond) != rows:
        raise InputError(
            f"{rows} latents for {len(half.cond)} frames of landmarks. Connect the latent of Apply Follow-Your-Emoji; "
            f"in Context Windows set dim to 0."
        )
    return half.cond.tolist()
