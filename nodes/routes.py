"""The editor's routes under /followemoji/, outside the queue: JSON in, JSON out, in bounds; errors as JSON.

ComfyUI's own rules for origins hold: its middleware stands before every route.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from aiohttp import web

from ..followemoji_core.errors import FollowEmojiError, InputError
from ..followemoji_core.face.checked_json import CheckedObject
from ..followemoji_core.face.controls import CHANNELS, limits
from ..followemoji_core.face.edit_file import Edit, parse_edit
from ..followemoji_core.face.handles import HANDLES
from ..followemoji_core.face.live import LiveFace, answer, expression_of
from ..followemoji_core.face.named_expressions import LONGEST, named_expressions
from ..followemoji_core.gate import Refused, parse_json, short
from .host.error_texts import relative
from .host.newest import Newest, Superseded
from .live_faces import live_face, picture_face

log = logging.getLogger(__name__)

MOST_BYTES = 13_000_000  # of a request: a photo that is sent whole; edits are smaller
_LARGE = 200_000
_LETTERS = 4_000_000  # of an edit
_PLACES = 100_000.0  # pixels from the picture within which a handle can be dragged
_newest: Newest | None = None


def register() -> None:
    """Add the routes to ComfyUI's server, where there is one."""
    from server import PromptServer  # ComfyUI's own

    server = getattr(PromptServer, "instance", None)
    if server is None:
        return
    server.routes.get("/followemoji/editor")(_about)
    for name, work in (("preview", _preview), ("curve", _curve), ("expression", _expression)):
        server.routes.post(f"/followemoji/{name}")(_answering(work))


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


class _Absent(FollowEmojiError):
    """What an editor has run with is not kept."""


def _live(asked: CheckedObject) -> LiveFace:
    live = live_face(asked)
    if live is None:
        raise _Absent("The portrait is not here yet. Press Run once, or connect Load Image and its face.")
    return live


def _answering(work: Callable[[CheckedObject], dict[str, Any]]):
    """A handler that answers with what `work` makes of the request's JSON, in a thread; the newest of a node wins."""

    async def handler(request: web.Request) -> web.Response:
        global _newest
        _newest = _newest or Newest()
        try:
            asked = CheckedObject(await _json(request), "", "a request")
            who = asked.text("node", 100)
            return web.json_response(await _newest.run(who, lambda: work(asked)))
        except Superseded:
            return _wrong(409, "Something newer was asked for.")
        except _Absent as error:
            return _wrong(404, str(error))
        except FollowEmojiError as error:
            return _wrong(400, relative(str(error)))
        except web.HTTPException:
            raise
        except Exception:
            log.exception("Expression Editor: %s failed", request.path)
            return _wrong(500, "The preview failed; ComfyUI's log says why.")

    return handler


async def _json(request: web.Request) -> Any:
    """The body as JSON. Raises InputError for another kind of body, and for one that is too large."""
    if request.content_type != "application/json":
        raise InputError("The request is not JSON. Send it as application/json.")
    body = bytearray()
    async for part in request.content.iter_chunked(1 << 16):
        body += part
        if len(body) > MOST_BYTES:
            raise InputError(f"The request has more than {MOST_BYTES // 1_000_000} MB. Choose a smaller picture.")
    try:  # what is large, in a thread: the event loop has others to serve
        return parse_json(bytes(body)) if len(body) < _LARGE else await asyncio.to_thread(parse_json, bytes(body))
    except (ValueError, Refused, RecursionError) as error:
        raise InputError(f"The request is not JSON ({short(error)}).") from error


def _wrong(status: int, text: str) -> web.Response:
    return web.json_response({"error": text}, status=status)
