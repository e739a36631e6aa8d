"""Video and audio files through PyAV: frames one by one in, frames one by one out, at a steady rate."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import IO, Any

import numpy as np

from .errors import InputError, OutputError
from .files import check_place, written_whole
from .gate import FASTEST, LEAKS, MOST_PIXELS, SLOWEST, Refused, check_rate, check_size, loading, short

log = logging.getLogger(__name__)
Source = str | Path | IO[bytes]

# FFmpeg's names of what is opened: containers of films, bare films, and pictures as films of one frame. No playlists
# and no scripts, which would open further files.
_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,flv,asf,mpeg,mpegts,mpegvideo,m4v,h264,hevc,av1,obu,ivf,ogg,gif,apng,"
    "mxf,nut,dv,wtv,png_pipe,jpeg_pipe,webp_pipe,bmp_pipe"
)
QUICK = "superfast"  # x264's preset for what is only looked at: a quarter of the time, larger files
WIDEST = 16_384  # pixels of a side that x264 takes
_JUDGED = 20_000  # packets by which a clip's pace is judged: 11 minutes at 30 frames per second
_STEADY = 1.0  # frames by which a steady clip's times may be off
_LONGEST_PAUSE = 600  # seconds
_FASTEST_SOUND = 768_000  # samples per second
_MOST_CHANNELS = 64
_MOST_SOUND = 128 << 20  # bytes of decoded sound that any file may give, and so many times its size beside:
_SOUND_OF_SIZE = 64  # AAC at 128 kbit/s gives 24 times
_LAYOUTS = {3: "3.0", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}  # by the number of channels
_AAC_RATES = (7350, 8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)


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
    """fps: of the frames that `read_frames` gives, the average where the clip's own rate varies. frame_count: an
    estimate, meant for progress bars."""

    fps: float
    frame_count: int


def _loading(clip: Clip):
    import av

    advice = "Choose another file, or re-encode it: ffmpeg -i FILE -r 25 NEW.mp4"
    return loading(clip.name, "Video", InputError, advice, more=(av.FFmpegError,))


def _open(clip: Clip):
    import av

    if hasattr(clip.source, "seek"):
        clip.source.seek(0)
    # Titles are not always UTF-8; from 19 on PyAV minds that no longer, and refuses the argument.
    titles = {"metadata_errors": "ignore"} if int(av.__version__.split(".")[0]) < 19 else {}
    try:
        # Only containers of films are tried, on this machine's own files.
        container = av.open(
            str(clip.source) if isinstance(clip.source, Path) else clip.source,
            **titles,
            options={"format_whitelist": _FORMATS, "protocol_whitelist": "file,pipe"},
        )
    except (*LEAKS, av.FFmpegError) as error:
        raise InputError(
            f"{clip.name} cannot be opened as a video ({getattr(error, 'strerror', None) or short(error, 100)}). "
            "Choose another file or re-encode it."
        ) from error
    try:
        with _loading(clip):
            stream = _film(container)
            if stream is None:
                raise InputError(f"{clip.name} holds no video stream. Choose a video file.")
            check_size(stream.codec_context.width or 1, stream.codec_context.height or 1)
    except InputError:
        container.close()
        raise
    return container


def _film(container):
    """The video stream; a cover picture is none, and neither is one that FFmpeg knows no decoder of."""
    from av.stream import Disposition

    streams = (stream for stream in container.streams.video if stream.codec_context is not None)
    return next((stream for stream in streams if not stream.disposition & Disposition.attached_pic), None)


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
    with _open(clip) as container, _loading(clip):
        stream = _film(container)
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
    with _open(clip) as container, _loading(clip):
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
    with _open(clip) as container:
        with _loading(clip):
            stream = _film(container)
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
        if beat - due > _LONGEST_PAUSE * pace.fps:
            log.warning("%s shows nothing for longer than %d s, and ends there.", clip.name, _LONGEST_PAUSE)
            break
        while held is not None and due < beat:
            yield held
            held, due = held.copy(), due + 1
        held, last = picture, max(last, beat)
    end = round(clip.duration * pace.fps) if clip.duration else last + 1
    while held is not None and due < min(end, last + 1 + _LONGEST_PAUSE * pace.fps):
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


def read_audio(clip: Clip, check: Callable[[], None] = lambda: None) -> tuple[np.ndarray, int] | None:
    """The clip's sound as (channels, samples) float32 in [-1,1] and its sample rate, beginning with the picture.

    One or two channels: more are mixed down to two. Cut, with a warning, where a file holds more sound than its size
    explains. None without a track that can be decoded: a video is not refused for its sound.
    """
    with _open(clip) as container:
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

    film = _film(container)
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
                if -early > min(_LONGEST_PAUSE * rate, most):
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


def even_sides(frame: np.ndarray) -> np.ndarray:
    """A picture (H,W,3) without its last row or column where there is an odd number of them, as videos must be."""
    return frame[: len(frame) // 2 * 2, : frame.shape[1] // 2 * 2]


def write_video(
    path: Path | str,
    frames: Iterable[np.ndarray],
    fps: float,
    audio: tuple | None = None,
    preset: str = "medium",
    lossless: bool = False,
) -> int:
    """An H.264 mp4 of (H,W,3) uint8 RGB frames with even sides, and `read_audio`'s sound cut to its length.

    fps: 0.1 to 1000. preset: x264's, such as QUICK. lossless: `read_frames` gives the same pixels back; browsers do not
    show it. Sound at a rate that AAC does not know is resampled; one that cannot be written is left out with a warning.
    Returns the number of frames. The file appears under its name only when it is whole: an error or Ctrl-C leaves none.
    Raises InputError for such a rate, OutputError where the file cannot be written.
    """
    import av

    path = Path(path)
    with loading(path, "The video", InputError, f"Choose {SLOWEST:g} to {FASTEST:g} frames per second."):
        rate = Fraction(check_rate(fps)).limit_denominator(100_000)
    check_place(path)
    audio = None if audio is None else _writable_sound(path.name, *audio)
    count = 0
    with written_whole(path, "Check that the disk has room and that the folder can be written to.") as partial:
        try:
            with av.open(str(partial), "w", format="mp4", options={"movflags": "+faststart"}) as container:
                # Without mbtree, whose assembly reads past its rows in pictures that are no multiple of 128 wide: the
                # same frames would not always give the same file (seen with MALLOC_PERTURB_ at 1 and 170).
                options = {"crf": "0" if lossless else "17", "x264-params": "mbtree=0", "preset": preset}
                video = container.add_stream("libx264rgb" if lossless else "libx264", rate=rate, options=options)
                video.pix_fmt = "rgb24" if lossless else "yuv420p"
                sound = container.add_stream("aac", rate=audio[1]) if audio else None
                for count, frame in enumerate(frames, 1):
                    if count == 1:
                        video.height, video.width = frame.shape[:2]
                        _check_codec_size(path.name, video.width, video.height)
                    picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
                    container.mux(video.encode(picture))
                if not count:
                    raise InputError("There are no frames to write.")
                container.mux(video.encode(None))
                if sound is not None:
                    _write_sound(container, sound, audio, seconds=float(count / rate))
        except av.FFmpegError as error:
            if isinstance(error, OSError):  # of the disk
                raise
            raise OutputError(f"{path.name} cannot be encoded ({error.strerror}).") from error
    return count


def _check_codec_size(name: str, width: int, height: int) -> None:
    if width % 2 or height % 2 or not 2 <= min(width, height) <= max(width, height) <= WIDEST:
        raise OutputError(
            f"{name} cannot have {width} x {height} pixels: H.264 takes even sides, 2 to {WIDEST}. Choose another size."
        )


def _writable_sound(name: str, samples: np.ndarray, rate: int) -> tuple[np.ndarray, int] | None:
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


def _write_sound(container, stream, audio: tuple[np.ndarray, int], seconds: float) -> None:
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
