"""Video and audio files through PyAV: frames one by one in, frames one by one out, at a steady rate."""

from .clip import Clip, Source
from .frames import ClipInfo, clip_info, read_frames
from .sound import read_audio
from .write import QUICK, WIDEST, even_sides, write_video

__all__ = [
    "QUICK",
    "WIDEST",
    "Clip",
    "ClipInfo",
    "Source",
    "clip_info",
    "even_sides",
    "read_audio",
    "read_frames",
    "write_video",
]
