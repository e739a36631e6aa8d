"""JSON of the pack's own routes under /followemoji/: read in bounds, answered with errors as JSON.

ComfyUI's own rules for origins hold: its middleware stands before every route.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from ...followemoji_core.errors import FollowEmojiError, InputError
from ...followemoji_core.face.checked_json import CheckedObject
from ...followemoji_core.gate import Refused, parse_json, short
from .error_texts import relative
from .newest import Busy, Newest, Result, Superseded

log = logging.getLogger(__name__)
_LARGE = 200_000  # bytes that are parsed in a thread: the event loop has others to serve
_newest: Newest | None = None


class Absent(FollowEmojiError):
    """What a request is about is not kept, or no more: 404."""


async def newest(who: str, work: Callable[[], Result]) -> Result:
    """What `work` gives, in one of the few threads that all routes share; see Newest.run."""
    global _newest
    _newest = _newest or Newest()
    return await _newest.run(who, work)


def answered_by(work: Callable[[CheckedObject], dict[str, Any]], most: int, way_out: str):
    """A handler that answers with what `work` makes of the request's JSON, of at most so many bytes; of the requests of
    a `node` the newest wins."""

    async def respond(request: web.Request) -> web.Response:
        asked = CheckedObject(await read_json(request, most, way_out), "", "a request")
        return web.json_response(await newest(asked.text("node", 100), lambda: work(asked)))

    return answering(respond)


async def read_json(request: web.Request, most: int, way_out: str) -> Any:
    """The body as JSON, of at most so many bytes; way_out: what to do where it is larger. Raises InputError for that,
    and for another kind of body."""
    if request.content_type != "application/json":
        raise InputError("The request is not JSON. Send it as application/json.")
    body = bytearray()
    async for part in request.content.iter_chunked(1 << 16):
        body += part
        if len(body) > most:
            raise InputError(f"The request has more than {most / 1e6:g} MB. {way_out}")
    try:
        return parse_json(bytes(body)) if len(body) < _LARGE else await asyncio.to_thread(parse_json, bytes(body))
    except (ValueError, Refused, RecursionError) as error:
        raise InputError(f"The request is not JSON ({short(error)}).") from error


def answering(respond: Callable[[web.Request], Awaitable[web.StreamResponse]]):
    """A handler that never shows a traceback: what is wrong with the request is said with status 400, what is Absent
    with 404, what is wrong with us with 500 and in the log."""

    async def handler(request: web.Request) -> web.StreamResponse:
        try:
            return await respond(request)
        except FollowEmojiError as error:
            return _refused(404 if isinstance(error, Absent) else 400, relative(str(error)))
        except Superseded:
            return _refused(409, "Something newer was asked for.")
        except Busy:
            return _refused(503, "Too much is asked for at once. It is asked for again.")
        except web.HTTPException:
            raise
        except Exception:
            log.exception("%s failed", request.path)
            return _refused(500, "The preview failed; ComfyUI's log says why.")

    return handler


def _refused(status: int, text: str) -> web.Response:
    """{"error": text}, which the editors show."""
    return web.json_response({"error": text}, status=status)
