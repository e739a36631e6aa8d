"""Frames of a video one by one, at a steady rate."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np

from ..errors import InputError
from ..gate import LEAKS, MOST_PIXELS, Refused, check_rate, check_size, short
from .clip import Clip, film_of, loading_clip, open_clip

log = logging.getLogger(__name__)

_JUDGED = 20_000  # packets by which a clip's pace is judged: 11 minutes at 30 frames per second
_STEADY = 1.0  # frames by which a steady clip's times may be off
LONGEST_PAUSE = 600  # seconds


@dataclass(frozen=True)
class ClipInfo:
    """fps: of the frames that `read_frames` gives, the average where the clip's own rate varies. frame_count: an
    estimate, meant for progress bars."""

    fps: float
    frame_count: int


@dataclass(frozen=True)
class _Pace:
    """fps: of the frames that are given. begin: seconds, of the first one. count: of frames (0: not known)."""

    fps: float
    steady: bool
    begin: float
    count: int


def _pace(clip: Clip) -> _Pace:
    """How a clip's pictures follow each other, by the times of its first packets, without decoding.

    A steady clip keeps the rate that it claims, where that is near what it shows. Raises InputError for a rate that is
    not believed.
    """
    with open_clip(clip) as container, loading_clip(clip):
        stream = film_of(container)
        claimed = float(stream.average_rate or stream.guessed_rate or 25)
        begin = float((stream.start_time or 0) * stream.time_base)
        packets = (packet for packet in _packets(container, stream, clip.name) if packet.size)
        stamps = [None if packet.pts is None else packet.pts for packet in islice(packets, _JUDGED)]
        if len(stamps) < 3 or None in stamps:
            return _Pace(check_rate(claimed), True, begin, len(stamps))
        times = np.sort(np.array(stamps, np.float64)) * float(stream.time_base)
        seconds = times[-1] - times[0]
        if not seconds > 0:
            return _Pace(check_rate(claimed), True, begin, len(stamps))
        fps = (len(times) - 1) / seconds
        off = np.abs(times - times[0] - np.arange(len(times)) / fps).max() * fps
        count = len(times) if len(times) < _JUDGED else 0
        if off <= _STEADY:
            near = abs(claimed / fps - 1) < 0.05
            return _Pace(check_rate(claimed if near else fps), True, times[0], count)
        return _Pace(check_rate(round(fps, 3)), False, times[0], count)


def clip_info(clip: Clip) -> ClipInfo:
    """Frame rate and approximate frame count, without decoding. Raises InputError for what is no video."""
    pace = _pace(clip)
    with open_clip(clip) as container, loading_clip(clip):
        seconds = clip.duration or max((container.duration or 0) / 1_000_000 - clip.start, 0.0)
    trimmed = clip.start or clip.duration
    return ClipInfo(pace.fps, pace.count if pace.count and not trimmed else min(round(seconds * pace.fps), 1 << 31))


def read_frames(clip: Clip, check: Callable[[], None] = lambda: None) -> Iterator[np.ndarray]:
    """The frames of a clip, (H,W,3) uint8 RGB, upright, decoded one at a time; damaged ones are left out.

    Each frame is an array of its own. A trim takes the frames that ComfyUI's own reader takes. Where the clip's frame
    rate varies, as phones and screen recorders make it, frames are repeated and left out so that they follow each other
    at `clip_info`'s steady rate, and stay with the sound. `check` runs before every packet and may raise. Raises
    InputError for what is no video, and where no frame can be decoded.
    """
    pace = _pace(clip)
    count = 0
    decoded = _decode(clip, check)
    for picture in (picture for _, picture in decoded) if pace.steady else _steady(decoded, clip, pace):
        count += 1
        yield picture
    if not count:
        raise InputError(f"{clip.name} has no frame that can be decoded. Re-encode it, or check its trim settings.")


def _decode(clip: Clip, check: Callable[[], None]) -> Iterator[tuple[float | None, np.ndarray]]:
    """(seconds, frame) as they lie in the file."""
    import av
    from av.video.reformatter import VideoReformatter

    damaged = 0
    to_rgb = VideoReformatter()  # one for the clip: it keeps the tables that each frame's own would make again
    with open_clip(clip) as container:
        with loading_clip(clip):
            stream = film_of(container)
            stream.thread_type = "AUTO"
            stream.codec_context.options = {"max_pixels": str(MOST_PIXELS)}
            first, last = (int(time / stream.time_base) for time in (clip.start, clip.start + clip.duration))
            if first:
                container.seek(first, stream=stream)
        for packet in _packets(container, stream, clip.name):
            check()
            try:
                frames = packet.decode()
            except (*LEAKS, av.FFmpegError):
                damaged += 1
                continue
            for frame in frames:
                if clip.duration and frame.pts is not None and frame.pts >= last:
                    break
                if frame.pts is None or frame.pts >= first:
                    try:
                        check_size(frame.width, frame.height)
                        picture = to_rgb.reformat(frame, format="rgb24").to_ndarray()
                        turned = np.rot90(picture, round(getattr(frame, "rotation", 0) / 90))
                    except (Refused, *LEAKS, av.FFmpegError):
                        damaged += 1
                        continue
                    yield frame.time, turned
            else:
                continue
            break
    if damaged:
        log.warning("%s: %d damaged packets are left out.", clip.name, damaged)


def _steady(decoded: Iterable[tuple[float | None, np.ndarray]], clip: Clip, pace: _Pace) -> Iterator[np.ndarray]:
    """Frames at a steady rate: at every beat the frame whose time is nearest before it, by half a beat."""
    begin = clip.start or pace.begin
    held, due, last = None, 0, -1
    for time, picture in decoded:
        beat = last + 1 if time is None else round((time - begin) * pace.fps)
        if beat - due > LONGEST_PAUSE * pace.fps:
            log.warning("%s shows nothing for longer than %d s, and ends there.", clip.name, LONGEST_PAUSE)
            break
        while held is not None and due < beat:
            yield held
            held, due = held.copy(), due + 1
        held, last = picture, max(last, beat)
    end = round(clip.duration * pace.fps) if clip.duration else last + 1
    while held is not None and due < min(end, last + 1 + LONGEST_PAUSE * pace.fps):
        yield held
        held, due = held.copy(), due + 1


def _packets(container, stream, name: str) -> Iterator:
    """Up to where the file can be read."""
    import av

    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except (*LEAKS, av.FFmpegError) as error:
            log.warning("%s cannot be read to its end (%s).", name, short(error, 100))
            return
        if packet is None:
            return
        yield packet
