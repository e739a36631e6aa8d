"""The noise that a clip begins from, as a function of frame numbers: drawn when asked for, on the CPU, so that a seed
means the same on every device."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ..errors import InputError

Noise = Callable[[Sequence[int]], Tensor]  # frame numbers (n) -> (n,c,h,w) float32
_GROUP = 16  # torch draws normal numbers in groups of so many
_REMEMBERED = 64  # pieces of the stream between two states of the generator that are kept (5 KB each)


def frame_noise(shape: tuple[int, int, int], seed: int, sharing: float = 0.0) -> Noise:
    """Every frame has a seed of its own: the same noise whichever window asks for it, whatever the clip's length.

    shape (c,h,w) of a frame's latents; sharing: see `share_noise`. Used by progressive plans.
    """

    def noise(frames: Sequence[int]) -> Tensor:
        drawn = []
        for frame in frames:
            generator = torch.Generator("cpu").manual_seed((seed * 1_000_003 + frame) % 2**63)
            drawn.append(torch.randn(shape, generator=generator))
        return share_noise(torch.stack(drawn), seed, sharing)

    return noise


class ClipNoise:
    """One stream of numbers for the whole clip, as torch.randn((frame_count, *shape)) draws it.

    Frames come first, so a longer clip of the same seed starts with the same noise. It is drawn piece by piece, and
    gone back to by states of the generator that are kept now and then: a clip's noise is never in memory as a whole.
    Used by windows that overlap.
    """

    def __init__(self, frame_count: int, shape: tuple[int, int, int], seed: int, sharing: float = 0.0):
        self.frame_count, self.shape, self.seed, self.sharing = frame_count, shape, seed, sharing
        each = math.prod(shape)
        # A piece is as many frames as end on a group of numbers; the last one takes what is left, which is then drawn
        # as torch draws the end of a longer tensor, as long as it is a group at least.
        self.piece = _GROUP // math.gcd(each, _GROUP)
        count = max(math.ceil(frame_count / self.piece), 1)
        if count > 1 and (frame_count - (count - 1) * self.piece) * each < _GROUP:
            count -= 1
        self.starts = [index * self.piece for index in range(count)] + [frame_count]
        self._generator = torch.Generator("cpu").manual_seed(seed)
        self._next = 0  # the piece that the generator is at
        self._states = {0: self._generator.get_state()}
        self._drawn: tuple[int, Tensor] | None = None

    def __call__(self, frames: Sequence[int]) -> Tensor:
        """(n,c,h,w) float32 of those frames."""
        drawn = [self._piece_of(frame)[frame - self.starts[self._index_of(frame)]] for frame in frames]
        return share_noise(torch.stack(drawn), self.seed, self.sharing)

    def _index_of(self, frame: int) -> int:
        return min(frame // self.piece, len(self.starts) - 2)

    def _piece_of(self, frame: int) -> Tensor:
        index = self._index_of(frame)
        if self._drawn is None or self._drawn[0] != index:
            if not index - _REMEMBERED <= self._next <= index:
                self._next = max(kept for kept in self._states if kept <= index)
                self._generator.set_state(self._states[self._next])
            while self._next <= index:
                if self._next % _REMEMBERED == 0:
                    self._states.setdefault(self._next, self._generator.get_state())
                size = self.starts[self._next + 1] - self.starts[self._next]
                self._drawn = self._next, torch.randn((size, *self.shape), generator=self._generator)
                self._next += 1
        return self._drawn[1]


def share_noise(noise: Tensor, seed: int, sharing: float) -> Tensor:
    """Noise (n,c,h,w) mixed with one draw of the same seed for all frames, `sharing` of the variance: 0 none, 1 all.

    Raises InputError for a share outside of 0 to 1.
    """
    if not 0.0 <= sharing <= 1.0:
        raise InputError(f"Shared noise is {sharing}; allowed: 0 (every frame its own) to 1 (the same for all).")
    if sharing == 0:
        return noise
    generator = torch.Generator("cpu").manual_seed((seed * 1_000_003 - 1) % 2**63)
    common = torch.randn(noise.shape[1:], generator=generator).to(noise)
    return sharing**0.5 * common + (1 - sharing) ** 0.5 * noise
