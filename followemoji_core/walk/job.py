"""What a job is known by, where its windows are kept so that it goes on where it stopped, and what room it needs."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Hashable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .. import __version__
from ..types import AlignedMotion
from .appearance import Appearance
from .given import GivenFrames
from .settings import Settings

_DAYS = 3  # after which a job that nobody came back to is forgotten
# Of a video as `media.write_video` makes it: 0.01 to 0.03 for people at 512 pixels, 0.03 to 0.08 for drawn ones.
_BYTES_PER_PIXEL = 0.05


def job_key(
    made_by: Hashable,
    dtype: torch.dtype,
    settings: Settings,
    landmarks: AlignedMotion | Tensor,
    appearance: Appearance,
    given: GivenFrames | None = None,
) -> str:
    """A name for everything that the frames of a job depend on. made_by: what the networks' weights are known by."""
    motion = landmarks if isinstance(landmarks, Tensor) else (landmarks.points, landmarks.size)
    seen = (appearance.tokens, *appearance.features.maps)
    outside = () if given is None else ((given.numbers, given.latents),)
    matters = settings.matters if given is None else vars(settings)  # then every strategy has known frames
    return digest(__version__, made_by, str(dtype), repr(matters), motion, seen, *outside)


def digest(*parts: Any) -> str:
    """32 letters of a hash over numbers, strings, arrays, tensors, and tuples of them."""
    whole = hashlib.sha256()
    for part in parts:
        _add(whole, part)
    return whole.hexdigest()[:32]


def _add(whole, part: Any) -> None:
    if isinstance(part, Tensor):
        part = part.detach().cpu().contiguous().flatten().view(torch.uint8).numpy()
    if isinstance(part, (tuple, list)):
        whole.update(b"(")
        for entry in part:
            _add(whole, entry)
        whole.update(b")")
    elif hasattr(part, "tobytes"):
        whole.update(repr((part.shape, str(part.dtype))).encode())
        whole.update(part if part.flags.c_contiguous else part.copy())
    else:
        whole.update(repr(part).encode() + b";")


def sweep(folder: Path, keep: Iterable[str] = ()) -> None:
    """Delete the jobs in a folder that nothing was added to for some days."""
    oldest = time.time() - _DAYS * 86400
    for job in folder.iterdir() if folder.is_dir() else ():
        if job.is_dir() and job.name not in set(keep) and job.stat().st_mtime < oldest:
            shutil.rmtree(job, ignore_errors=True)


def video_bytes(frame_count: int, size: tuple[int, int]) -> int:
    """About how large a video of so many frames of `size` (width, height) becomes."""
    return round(frame_count * size[0] * size[1] * _BYTES_PER_PIXEL)
