"""Noise is a function of frame numbers: drawn piece by piece, it is what one draw of the whole clip would be."""

import pytest
import torch

from followemoji_core.diffusion.noise import ClipNoise, frame_noise
from followemoji_core.errors import InputError

SHAPE = (4, 8, 8)


@pytest.mark.parametrize(
    "frames, shape", [(40, SHAPE), (33, (4, 9, 9)), (130, (4, 9, 7)), (1, (1, 3, 3)), (5, (4, 1, 1)), (34, (2, 1, 2))]
)
def test_one_stream_for_the_clip(frames, shape):
    """Also where a frame's numbers are no whole groups of torch's sixteen; in any order, and again."""
    whole = torch.randn((frames, *shape), generator=torch.Generator().manual_seed(3))
    drawn = ClipNoise(frames, shape, 3)
    assert torch.equal(drawn(range(frames)), whole)
    backwards = list(range(frames))[::-1]
    assert torch.equal(drawn(backwards), whole[backwards]) and torch.equal(drawn([0]), whole[:1])


def test_a_long_clip_is_gone_back_to_by_kept_states():
    drawn = ClipNoise(100_000, SHAPE, 5)
    late = drawn([700])
    assert torch.equal(drawn([3]), ClipNoise(8, SHAPE, 5)([3]))
    assert torch.equal(drawn([700]), late) and len(drawn._states) < 20


def test_noise_belongs_to_the_frame():
    def noise(seed, frames, sharing=0.0, shape=SHAPE):
        return frame_noise(shape, seed, sharing)(frames)

    assert torch.equal(noise(5, [3, 9])[1], noise(5, [9])[0])
    assert not torch.equal(noise(5, [3]), noise(6, [3]))
    one, two = noise(5, [3, 9], 1.0)
    assert torch.equal(one, two)
    many = noise(5, range(20), 0.5, (4, 32, 32))
    assert many.var() == pytest.approx(1, abs=0.05)
    assert (many[0] * many[1]).mean() == pytest.approx(0.5, abs=0.05)
    with pytest.raises(InputError, match="allowed: 0"):
        noise(5, [3], 1.5)
