"""Video and audio files through PyAV: frames one by one in, frames one by one out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import IO

import numpy as np

from .errors import InputError
from .files import written_whole

log = logging.getLogger(__name__)
Source = str | Path | IO[bytes]


@dataclass(frozen=True)
class Clip:
    """A stretch of a video: from `start` seconds, `duration` seconds long (0: to the end)."""

    source: Source
    start: float = 0.0
    duration: float = 0.0

    @property
    def name(self) -> str:
        return Path(self.source).name if isinstance(self.source, (str, Path)) else "the video"


@dataclass(frozen=True)
class ClipInfo:
    """fps: average frames per second. frame_count: as the container says, an estimate meant for progress bars."""

    fps: float
    frame_count: int


def _open(clip: Clip):
    import av

    if hasattr(clip.source, "seek"):
        clip.source.seek(0)
    try:
        container = av.open(str(clip.source) if isinstance(clip.source, Path) else clip.source)
    except (av.FFmpegError, OSError) as error:
        raise InputError(
            f"{clip.name} cannot be opened as a video ({error}). Choose another file or re-encode it."
        ) from error
    if not container.streams.video:
        container.close()
        raise InputError(f"{clip.name} holds no video stream. Choose a video file.")
    return container


def clip_info(clip: Clip) -> ClipInfo:
    """Frame rate and approximate frame count, without decoding. Raises InputError for what is no video."""
    with _open(clip) as container:
        stream = container.streams.video[0]
        fps = float(stream.average_rate or stream.guessed_rate or 25)
        seconds = clip.duration or max((container.duration or 0) / 1_000_000 - clip.start, 0.0)
        count = stream.frames if stream.frames and not (clip.start or clip.duration) else round(seconds * fps)
    return ClipInfo(fps, count)


def read_frames(clip: Clip, check: Callable[[], None] = lambda: None) -> Iterator[np.ndarray]:
    """The frames of a clip, (H,W,3) uint8 RGB, upright, decoded one at a time; damaged ones are left out.

    Each frame is an array of its own. A trim takes the frames that ComfyUI's own reader takes. `check` runs before
    every packet and may raise. Raises InputError for what is no video, and where no frame can be decoded.
    """
    import av
    from av.video.reformatter import VideoReformatter

    count, damaged = 0, 0
    to_rgb = VideoReformatter()  # one for the clip: it keeps the tables that each frame's own would make again
    with _open(clip) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        first, last = (int(time / stream.time_base) for time in (clip.start, clip.start + clip.duration))
        if first:
            container.seek(first, stream=stream)
        for packet in _packets(container, stream, clip.name):
            check()
            try:
                frames = packet.decode()
            except av.FFmpegError:
                damaged += 1
                continue
            for frame in frames:
                if clip.duration and frame.pts is not None and frame.pts >= last:
                    break
                if frame.pts is None or frame.pts >= first:
                    count += 1
                    picture = to_rgb.reformat(frame, format="rgb24").to_ndarray()
                    yield np.rot90(picture, round(getattr(frame, "rotation", 0) / 90))
            else:
                continue
            break
    if damaged:
        log.warning("%s: %d damaged packets are left out.", clip.name, damaged)
    if not count:
        raise InputError(f"{clip.name} has no frame that can be decoded. Re-encode it, or check its trim settings.")


def _packets(container, stream, name: str) -> Iterator:
    """Up to where the file can be read."""
    import av

    try:
        yield from container.demux(stream)
    except av.FFmpegError as error:
        log.warning("%s cannot be read to its end (%s).", name, error)


def read_audio(clip: Clip, check: Callable[[], None] = lambda: None) -> tuple[np.ndarray, int] | None:
    """The clip's sound as (channels, samples) float32 in [-1,1] and its sample rate, beginning with the picture.

    None without a track that can be decoded: a video is not refused for its sound.
    """
    import av

    with _open(clip) as container:
        # A codec that FFmpeg does not know (spatial audio of phones) has no context, and decoding it would crash.
        stream = next((stream for stream in container.streams.audio if stream.codec_context is not None), None)
        if stream is None:
            return None
        try:
            return _sound(container, stream, clip, check), stream.rate
        except (av.FFmpegError, ValueError) as error:
            log.warning("%s: its sound cannot be read (%s) and is left out.", clip.name, error)
            return None


def _sound(container, stream, clip: Clip, check: Callable[[], None]) -> np.ndarray:
    import av

    if clip.start:
        container.seek(int(clip.start / stream.time_base), stream=stream)
    wanted = round(clip.duration * stream.rate) if clip.duration else None
    resampler = av.AudioResampler(format="fltp", rate=stream.rate)
    chunks: list[np.ndarray] = []
    length = 0
    for frame in chain(container.decode(stream), (None,)):  # None: what the resampler still holds
        check()
        for piece in resampler.resample(frame):
            samples = piece.to_ndarray()
            if not chunks and frame is not None and frame.time is not None:
                early = round((clip.start - frame.time) * stream.rate)
                if early >= samples.shape[1]:
                    continue  # before the trim
                samples = samples[:, early:] if early > 0 else np.pad(samples, ((0, 0), (-early, 0)))
            chunks.append(samples)
            length += samples.shape[1]
        if wanted is not None and length >= wanted:
            break
    if not chunks:
        raise ValueError("it is empty")
    return np.ascontiguousarray(np.concatenate(chunks, axis=1)[:, :wanted])


def write_video(path: Path | str, frames: Iterable[np.ndarray], fps: float, audio: tuple | None = None) -> int:
    """An H.264 mp4 of (H,W,3) uint8 RGB frames with even sides, and `read_audio`'s sound cut to its length.

    Returns the number of frames. The file appears under its name only when it is whole: an error or Ctrl-C leaves none.
    """
    import av

    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    rate = Fraction(fps).limit_denominator(100_000)
    count = 0
    with written_whole(path, "Check that the disk has room and that the folder can be written to.") as partial:
        with av.open(str(partial), "w", format="mp4", options={"movflags": "+faststart"}) as container:
            # Without mbtree, whose assembly reads past its rows in pictures that are no multiple of 128 wide: the same
            # frames would not always give the same file (seen with MALLOC_PERTURB_ at 1 and 170).
            video = container.add_stream("libx264", rate=rate, options={"crf": "17", "x264-params": "mbtree=0"})
            video.pix_fmt = "yuv420p"
            sound = container.add_stream("aac", rate=audio[1]) if audio else None
            for count, frame in enumerate(frames, 1):
                if count == 1:
                    video.height, video.width = frame.shape[:2]
                picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
                container.mux(video.encode(picture))
            if not count:
                raise InputError("There are no frames to write.")
            container.mux(video.encode(None))
            if sound is not None:
                _write_sound(container, sound, audio, seconds=float(count / rate))
    return count


def _write_sound(container, stream, audio: tuple[np.ndarray, int], seconds: float) -> None:
    import av

    samples, rate = audio
    samples = samples[:2, : round(seconds * rate)]
    frame = av.AudioFrame.from_ndarray(
        np.ascontiguousarray(samples), format="fltp", layout="mono" if len(samples) == 1 else "stereo"
    )
    frame.sample_rate = rate
    container.mux(stream.encode(frame))
    container.mux(stream.encode(None))
