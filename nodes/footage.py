"""IMAGE and VIDEO inputs as one thing: frames one by one, a rate, a count, a sound."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import comfy.model_management as management
import numpy as np
import torch
from comfy_api.v0_0_2 import Input

from ..followemoji_core import media
from ..followemoji_core.errors import InputError
from .host.pictures import to_numpy

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Footage:
    """frames: (H,W,C) uint8, read when asked for. count: of frames, an estimate for streams. sound: makes an AUDIO."""

    frames: Iterable[np.ndarray]
    fps: float
    count: int
    sound: Callable[[], dict[str, Any] | None]


def open_footage(source, image_fps: float = 25.0) -> Footage:
    """`source`: an IMAGE batch at `image_fps`, a VIDEO file (streamed, trim kept), or a VIDEO made from images."""
    if isinstance(source, torch.Tensor):
        if len(source) == 0:
            raise InputError("The image batch is empty. Connect at least one image.")
        return Footage((to_numpy(source, index) for index in range(len(source))), image_fps, len(source), lambda: None)
    if type(source).get_stream_source is Input.Video.get_stream_source:
        # It has no file; asking for a stream would encode one, with losses.
        parts = source.get_components()
        return replace(open_footage(parts.images, float(parts.frame_rate)), sound=lambda: parts.audio)
    clip = media.Clip(source.get_stream_source(), *getattr(source, "get_active_trim_window", lambda: (0.0, 0.0))())
    info = media.clip_info(clip)
    check = management.throw_exception_if_processing_interrupted

    def sound() -> dict[str, Any] | None:
        found = media.read_audio(clip, check)
        return found and {"waveform": torch.from_numpy(found[0])[None], "sample_rate": found[1]}

    return Footage(media.read_frames(clip, check), info.fps, info.frame_count, sound)


def written_sound(audio) -> tuple[np.ndarray, int] | None:
    """AUDIO, the first of its batch, as `write_video` takes it; None without samples. Raises InputError for a sound
    that is none."""
    if audio is None:
        return None
    waveform, rate = audio["waveform"], int(audio["sample_rate"])
    if not waveform.numel():
        log.warning("The sound has no samples: the video goes without.")
        return None
    samples = waveform[0].float().cpu().numpy()
    if rate < 1 or not np.isfinite(samples).all():
        raise InputError(f"The sound is damaged: {rate} samples per second, or some are not numbers. Load it again.")
    return samples, rate
