"""The sound of a video: read with what it is worth, written as mp4 takes it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..gate import LEAKS, Refused, short
from .clip import Clip, film_of, open_clip
from .frames import LONGEST_PAUSE

log = logging.getLogger(__name__)

_FASTEST_SOUND = 768_000  # samples per second
_MOST_CHANNELS = 64
_MOST_SOUND = 128 << 20  # bytes of decoded sound that any file may give, and so many times its size beside:
_SOUND_OF_SIZE = 64  # AAC at 128 kbit/s gives 24 times
_LAYOUTS = {3: "3.0", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}  # by the number of channels
_AAC_RATES = (7350, 8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)


def read_audio(clip: Clip, check: Callable[[], None] = lambda: None) -> tuple[np.ndarray, int] | None:
    """The clip's sound as (channels, samples) float32 in [-1,1] and its sample rate, beginning with the picture.

    One or two channels: more are mixed down to two. Cut, with a warning, where a file holds more sound than its size
    explains. None without a track that can be decoded: a video is not refused for its sound.
    """
    with open_clip(clip) as container:
        # A codec that FFmpeg does not know (spatial audio of phones) has no context, and decoding it would crash.
        stream = next((stream for stream in container.streams.audio if stream.codec_context is not None), None)
        if stream is None:
            return None
        try:
            return _sound(container, stream, clip, check)
        except Refused as error:
            log.warning("%s: its sound cannot be read (%s) and is left out.", clip.name, error)
            return None


@contextmanager
def _hearing() -> Iterator[None]:
    """What goes wrong with a sound costs only the sound."""
    import av

    try:
        yield
    except (*LEAKS, av.FFmpegError) as error:
        raise Refused(short(error, 100) or "it is damaged") from error


def _sound(container, stream, clip: Clip, check: Callable[[], None]) -> tuple[np.ndarray, int]:
    import av

    film = film_of(container)
    begin = clip.start
    with _hearing():
        rate = stream.rate
        if not 1 <= rate <= _FASTEST_SOUND:
            raise Refused(f"it claims {rate} samples per second")
        if clip.start:
            container.seek(int(clip.start / stream.time_base), stream=stream)
        elif film.start_time is not None:
            begin = float(film.start_time * film.time_base)
        wanted = round(clip.duration * rate) if clip.duration else None
        most = (_MOST_SOUND + _SOUND_OF_SIZE * max(container.size, 0)) // 8  # samples of two channels
        # Packed: of planes PyAV counts as many as it finds pointers, past the end from eight channels on.
        resampler = av.AudioResampler(format="flt", layout="mono" if stream.channels == 1 else "stereo", rate=rate)
        decoded = container.decode(stream)
    chunks: list[np.ndarray] = []
    length = 0
    frame: Any = True
    while frame is not None and (wanted is None or length < wanted):
        check()
        if length > most:
            log.warning(
                "%s: its sound is longer than its size explains, and ends after %d s.", clip.name, length / rate
            )
            break
        with _hearing():
            frame = next(decoded, None)  # None: what the resampler still holds
            if frame is not None and frame.layout.nb_channels > _MOST_CHANNELS:
                raise Refused(f"it has {frame.layout.nb_channels} channels")
            pieces = [_by_channel(piece) for piece in resampler.resample(frame)]
            time = None if frame is None else frame.time
        for samples in pieces:
            if not chunks and time is not None:
                early = round((begin - time) * rate)
                if early >= samples.shape[1]:
                    continue  # before the trim
                if -early > min(LONGEST_PAUSE * rate, most):
                    raise Refused(f"it begins {-early / rate:.0f} s after the picture")
                samples = samples[:, early:] if early > 0 else np.pad(samples, ((0, 0), (-early, 0)))
            chunks.append(samples)
            length += samples.shape[1]
    if not length:
        raise Refused("it is empty")
    with _hearing():
        sound = np.ascontiguousarray(np.concatenate(chunks, axis=1)[:, :wanted])
    if not np.isfinite(sound).all():
        raise Refused("it holds numbers that are not finite")
    return sound, rate


def _by_channel(piece) -> np.ndarray:
    """A packed piece of sound as (channels, samples)."""
    return piece.to_ndarray().reshape(-1, piece.layout.nb_channels).T


def writable_sound(name: str, samples: np.ndarray, rate: int) -> tuple[np.ndarray, int] | None:
    """One or two channels at a rate that AAC knows; None, with a warning, for what cannot be made so."""
    import av

    samples = np.asarray(samples, np.float32)
    if samples.ndim != 2 or not samples.size or not 1 <= rate <= _FASTEST_SOUND or not np.isfinite(samples).all():
        wrong = f"shape {samples.shape}, {rate} samples per second" if samples.size else "no samples"
        log.warning("%s: its sound (%s) cannot be written and is left out.", name, wrong)
        return None
    rate = int(rate)
    if len(samples) > 2 and len(samples) not in _LAYOUTS:
        log.warning("%s: its sound has %d channels, whose places are not known; mixed to one.", name, len(samples))
        samples = samples.mean(axis=0, keepdims=True)
    if rate in _AAC_RATES and len(samples) <= 2:
        return np.ascontiguousarray(samples), rate
    to = rate if rate in _AAC_RATES else next((known for known in _AAC_RATES if rate < known <= 48_000), 48_000)
    if to != rate:
        log.warning(
            "%s: its sound has %d samples per second, which mp4 does not take; resampled to %d.", name, rate, to
        )
    given = {1: "mono", 2: "stereo", **_LAYOUTS}[len(samples)]
    resampler = av.AudioResampler(format="fltp", layout="mono" if given == "mono" else "stereo", rate=to)
    pieces = []
    for start in range(0, samples.shape[1], 1 << 16):
        packed = np.ascontiguousarray(samples[:, start : start + (1 << 16)].T).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(packed, format="flt", layout=given)
        frame.sample_rate = rate
        pieces += resampler.resample(frame)
    pieces += resampler.resample(None)
    return np.concatenate([piece.to_ndarray() for piece in pieces], axis=1), to


def write_sound(container, stream, audio: tuple[np.ndarray, int], seconds: float) -> None:
    import av

    samples, rate = audio
    samples = samples[:, : round(seconds * rate)]
    if not samples.size:
        return
    frame = av.AudioFrame.from_ndarray(
        np.ascontiguousarray(samples), format="fltp", layout="mono" if len(samples) == 1 else "stereo"
    )
    frame.sample_rate = rate
    container.mux(stream.encode(frame))
    container.mux(stream.encode(None))
