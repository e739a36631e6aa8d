"""The live fit of Place Face, outside the queue: points in, landmarks out. No picture is needed for it."""

from __future__ import annotations

from typing import Any

import numpy as np
from aiohttp import web

from ..followemoji_core.drawn import Animal, paint_animal
from ..followemoji_core.errors import InputError, check_range
from ..followemoji_core.face.checked_json import CheckedObject
from ..followemoji_core.face.geometry import face_frame, screen_points
from ..followemoji_core.face.opencv import opencv
from ..followemoji_core.face.place import frame_of_face, placed_face, placed_points
from ..followemoji_core.face.place_file import placement_request
from ..followemoji_core.face.placement import OUTLINES
from ..followemoji_core.face.topology import DRAWN_PATHS
from ..followemoji_core.types import BLENDSHAPES, FaceFrame
from .host.kept import Kept
from .host.requests import answered_by, answering, newest

MOST_BYTES = 150_000  # of a request: points, and the landmarks of a face to correct
_ALLOWED = {"animal": (0, 0x7FFFFFFF), "size": (64, 1024)}
_animals: Kept[bytes] = Kept(16, 16 << 20)  # PNG files


def register() -> None:
    """Add the routes to ComfyUI's server, where there is one."""
    from server import PromptServer  # ComfyUI's own

    server = getattr(PromptServer, "instance", None)
    if server is None:
        return
    server.routes.post("/followemoji/place")(answered_by(_fitted, MOST_BYTES, "A placed face is smaller."))
    server.routes.get("/followemoji/animal")(answering(animal))


async def animal(request: web.Request) -> web.Response:
    """?animal=NUMBER&size=SIDE -> the picture of Drawn Animal, so that the editor shows it before the first run."""
    number, size = (_whole(request, name, *allowed) for name, allowed in _ALLOWED.items())
    picture = _animals.get((number, size))
    if picture is None:
        picture = await newest(f"animal {number} {size}", lambda: _painted(number, size))
    return web.Response(body=picture, content_type="image/png", headers={"Cache-Control": "max-age=3600"})


def _fitted(asked: CheckedObject) -> dict[str, Any]:
    """{"placement": ..., "face": landmarks of a face to correct, or null} -> points, lines to draw, frame."""
    placement, landmarks = placement_request(asked)
    guess = None
    if landmarks is not None:
        guess = face_frame(landmarks, np.zeros(BLENDSHAPES), placement.size)
    return _told(placed_face(placement, guess))


def _told(face: FaceFrame) -> dict[str, Any]:
    pixels, frame = screen_points(face), frame_of_face(face)
    paths = [*(path for path, _ in DRAWN_PATHS), *OUTLINES]
    return {
        "points": {name: [round(x, 2), round(y, 2)] for name, (x, y) in placed_points(face).items()},
        "lines": [np.round(pixels[list(path)], 1).tolist() for path in paths],
        "frame": {"centre": list(frame.centre), "height": frame.height, "turn": frame.turn},
    }


def _whole(request: web.Request, name: str, low: int, high: int) -> int:
    text = request.query.get(name, "")
    try:
        value = int(text[:20])
    except ValueError as error:
        raise InputError(f"{name} is {text[:20]!r}; it must be a whole number.") from error
    check_range(name, value, (low, high))
    return value


def _painted(number: int, size: int) -> bytes:
    picture = paint_animal(Animal.of(number), size)
    content = opencv().imencode(".png", np.ascontiguousarray(picture[..., ::-1]))[1].tobytes()
    return _animals.put((number, size), content, len(content))
