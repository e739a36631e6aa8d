"""The editor's routes under /followemoji/, outside the queue: JSON in, JSON out."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web

from ..followemoji_core.face.checked_json import CheckedObject
from ..followemoji_core.face.controls import CHANNELS, limits
from ..followemoji_core.face.edit_file import Edit, parse_edit
from ..followemoji_core.face.handles import HANDLES
from ..followemoji_core.face.live import LiveFace, answer, expression_of
from ..followemoji_core.face.named_expressions import LONGEST, named_expressions
from .host.requests import Absent, answered_by
from .live_faces import live_face, picture_face

MOST_BYTES = 13_000_000  # of a request: a photo that is sent whole; edits are smaller
_LETTERS = 4_000_000  # of an edit
_PLACES = 100_000.0  # pixels from the picture within which a handle can be dragged


def register() -> None:
    """Add the routes to ComfyUI's server, where there is one."""
    from server import PromptServer  # ComfyUI's own

    server = getattr(PromptServer, "instance", None)
    if server is None:
        return
    server.routes.get("/followemoji/editor")(_about)
    for name, work in (("preview", _preview), ("curve", _curve), ("expression", _expression)):
        server.routes.post(f"/followemoji/{name}")(answered_by(work, MOST_BYTES, "Choose a smaller picture."))


async def _about(_: web.Request) -> web.Response:
    """Handles and the controls of each, and the names of expressions."""
    return web.json_response(await asyncio.to_thread(_known))


def _known() -> dict[str, Any]:
    handles = [
        {"name": each.name, "label": each.label, "twin": each.twin, "controls": each.controls}
        for each in HANDLES.values()
    ]
    names = {name: limits(name) for name in CHANNELS}
    return {"handles": handles, "expressions": list(named_expressions()), "limits": names}


def _preview(asked: CheckedObject) -> dict[str, Any]:
    """The edit at a frame; with `drag` also the key that brings a handle there."""
    asked.known("node", "key", "portrait", "edit", "frame", "drag", "plain", "landmarks")
    text = asked.text("edit", _LETTERS, "")
    edit = parse_edit(text) if text.strip() else Edit()
    frame, drag = asked.whole("frame", 0, LONGEST, 0), asked.object("drag")
    if drag is not None:
        drag.known("handle", "x", "y", "mirror")
        target = drag.number("x", -_PLACES, _PLACES), drag.number("y", -_PLACES, _PLACES)
        drag = drag.text("handle", 60), target, drag.flag("mirror")
    live = _live(asked)
    return answer(live, edit, frame, drag, asked.flag("plain"), asked.flag("landmarks"))


def _curve(asked: CheckedObject) -> dict[str, Any]:
    """What the driving motion does, frame by frame."""
    asked.known("node", "key", "portrait")
    return {"curves": _live(asked).curves()}


def _expression(asked: CheckedObject) -> dict[str, Any]:
    """The controls of a face: of a `picture`, else of a `frame` of the driving motion."""
    asked.known("node", "key", "portrait", "picture", "frame")
    picture = asked.object("picture")
    if picture is not None:
        return {"controls": expression_of(picture_face(picture))}
    return {"controls": _live(asked).copied(asked.whole("frame", 0, LONGEST))}


def _live(asked: CheckedObject) -> LiveFace:
    live = live_face(asked)
    if live is None:
        raise Absent("The portrait is not here yet. Press Run once, or connect Load Image and its face.")
    return live
