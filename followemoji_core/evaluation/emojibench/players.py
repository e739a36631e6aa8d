"""Videos of a few cases as a web page holds them: small H.264 files, side by side, in step."""

from __future__ import annotations

import base64
import io
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import islice
from pathlib import Path

import numpy as np

from ...errors import FollowEmojiError, InputError
from ...face.crop import resize
from ...gate import short
from ...media import Clip, read_frames, write_video
from .cases import Bench, BenchCase

_PRESET = "fast"
_LARGEST = 1_000_000  # bytes of a video in a page: 64 frames of a face take 0.2 MB, of noise 4 MB


@dataclass(frozen=True)
class Tile:
    """A video, a picture, or why there is none. content: a data URI, None where reason says why."""

    label: str
    content: str | None
    reason: str = ""
    still: bool = False
    strong: bool = False


def small(frames: Iterable[np.ndarray], side: int, count: int) -> list[np.ndarray]:
    """The first `count` frames (H,W,3) uint8, as they are measured: `side` x `side`, made even, as videos must be."""
    side = max(side // 2 * 2, 2)
    return [resize(frame, (side, side)) for frame in islice(frames, count)]


def output_frames(bench: Bench, method: str, case: BenchCase) -> list[np.ndarray]:
    """What a method made of a case, small. Raises InputError where there is no such video, or it is too short."""
    path = bench.output(method, case)
    if not path.is_file():
        raise InputError(f"{method} has no video of {case.id}.")
    frames = small(read_frames(Clip(path)), bench.size, case.frames)
    if len(frames) < case.frames:
        raise InputError(f"{method}'s video of {case.id} has {len(frames)} of {case.frames} frames.")
    return frames


def as_video(frames: Sequence[np.ndarray], fps: float) -> bytes:
    """An mp4 (H.264, yuv420p) of small frames."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        write_video(path, frames, fps, preset=_PRESET)
        return path.read_bytes()


def as_picture(picture: np.ndarray, side: int) -> bytes:
    """A JPEG of (H,W,3) uint8 RGB."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(small([picture], side, 1)[0]).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def tiles(bench: Bench, case: BenchCase, methods: Sequence[tuple[str, str]], strong: str) -> list[Tile]:
    """Portrait, driving, truth where it is known and every method (name, label), whatever cannot be had with its
    reason."""
    side = bench.size

    def video(label: str, frames, mark: bool = False) -> Tile:
        try:
            content = as_video(frames(), case.fps)
            if len(content) > _LARGEST:
                size = f"{len(content) / 1e6:.1f} MB"
                return Tile(label, None, f"It takes {size}, too much for this page; it lies in the benchmark's folder.")
            return Tile(label, _uri("video/mp4", content), strong=mark)
        except FollowEmojiError as error:
            return Tile(label, None, short(error), strong=mark)

    try:
        portrait = Tile("Portrait", _uri("image/jpeg", as_picture(case.picture(), side)), still=True)
    except FollowEmojiError as error:
        portrait = Tile("Portrait", None, short(error), still=True)
    driving = "Driving and truth" if case.kind == "self" else "Driving"
    found = [portrait, video(driving, lambda: small(case.driving_frames(), side, case.frames))]
    if case.kind != "self" and case.files[-1].exists():
        found.append(video("Truth", lambda: small(case.truth_frames(), side, case.frames)))
    for name, label in methods:
        found.append(video(label, lambda name=name: output_frames(bench, name, case), name == strong))
    return found


def _uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def player(case: BenchCase, found: Sequence[Tile], chosen: Sequence[str], number: int) -> str:
    """The HTML of one case. chosen: why it is shown."""
    title = f"{case.id}: {case.portrait} moved as {case.driving}"
    parts = [
        f'<section class="player" role="group" aria-labelledby="case-{number}" data-frames="{case.frames}" '
        f'data-fps="{case.fps:g}">',
        f'<h3 id="case-{number}" tabindex="-1">{escape(title)}</h3>',
        '<ul class="chosen">' + "".join(f"<li>{escape(line)}</li>" for line in chosen) + "</ul>",
        '<div class="tiles">',
    ]
    for tile in found:
        label, kind = escape(tile.label), "tile strong" if tile.strong else "tile"
        if tile.content is None:
            inner = f'<p class="absent">{escape(tile.reason)}</p>'
        elif tile.still:
            inner = f'<img src="{tile.content}" alt="{label}, {escape(case.portrait)}">'
        else:
            inner = f'<video data-src="{tile.content}" muted playsinline preload="auto" aria-label="{label}"></video>'
        parts.append(f'<figure class="{kind}">{inner}<figcaption>{label}</figcaption></figure>')
    parts += [
        '</div><div class="controls">',
        '<button type="button" class="play">Play</button>',
        '<button type="button" class="back" aria-label="One frame back">&#9664;</button>',
        '<button type="button" class="forward" aria-label="One frame forward">&#9654;</button>',
        f'<input type="range" class="seek" min="0" max="{case.frames - 1}" value="0" step="1" aria-label="Frame">',
        f'<output class="frame">1 / {case.frames}</output>',
        "</div></section>",
    ]
    return "".join(parts)
