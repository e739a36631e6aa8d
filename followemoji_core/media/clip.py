"""A stretch of a video file, opened through the one gate."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ..errors import InputError
from ..gate import LEAKS, check_size, loading, short

Source = str | Path | IO[bytes]

# FFmpeg's names of what is opened: containers of films, bare films, and pictures as films of one frame. No playlists
# and no scripts, which would open further files.
_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,flv,asf,mpeg,mpegts,mpegvideo,m4v,h264,hevc,av1,obu,ivf,ogg,gif,apng,"
    "mxf,nut,dv,wtv,png_pipe,jpeg_pipe,webp_pipe,bmp_pipe"
)


@dataclass(frozen=True)
class Clip:
    """A stretch of a video: from `start` seconds, `duration` seconds long (0: to the end)."""

    source: Source
    start: float = 0.0
    duration: float = 0.0

    @property
    def name(self) -> str:
        return Path(self.source).name if isinstance(self.source, (str, Path)) else "the video"


def loading_clip(clip: Clip):
    import av

    advice = "Choose another file, or re-encode it: ffmpeg -i FILE -r 25 NEW.mp4"
    return loading(clip.name, "Video", InputError, advice, more=(av.FFmpegError,))


def open_clip(clip: Clip):
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
        with loading_clip(clip):
            stream = film_of(container)
            if stream is None:
                raise InputError(f"{clip.name} holds no video stream. Choose a video file.")
            check_size(stream.codec_context.width or 1, stream.codec_context.height or 1)
    except InputError:
        container.close()
        raise
    return container


def film_of(container):
    """The video stream; a cover picture is none, and neither is one that FFmpeg knows no decoder of."""
    from av.stream import Disposition

    streams = (stream for stream in container.streams.video if stream.codec_context is not None)
    return next((stream for stream in streams if not stream.disposition & Disposition.attached_pic), None)
