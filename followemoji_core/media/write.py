"""Frames one by one into a video file, with their sound."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import numpy as np

from ..errors import InputError, OutputError
from ..files import check_place, written_whole
from ..gate import FASTEST, SLOWEST, check_rate, loading
from .sound import writable_sound, write_sound

QUICK = "superfast"  # x264's preset for what is only looked at: a quarter of the time, larger files
WIDEST = 16_384  # pixels of a side that x264 takes


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
    audio = None if audio is None else writable_sound(path.name, *audio)
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
                    write_sound(container, sound, audio, seconds=float(count / rate))
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
