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
from ...followemoji_core.gate import Refused, parse_json, short
from .error_texts import relative

log = logging.getLogger(__name__)
_LARGE = 200_000  # bytes that are parsed in a thread: the event loop has others to serve


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
    """A handler that never shows a traceback: what is wrong with the request is said with status 400, what is wrong
    with us with 500 and in the log."""

    async def handler(request: web.Request) -> web.StreamResponse:
        try:
            return await respond(request)
        except FollowEmojiError as error:
            return refused(400, relative(str(error)))
        except web.HTTPException:
            raise
        except Exception:
            log.exception("%s failed", request.path)
            return refused(500, "The preview failed; ComfyUI's log says why.")

    return handler


def refused(status: int, text: str) -> web.Response:
    """{"error": text}, which the editors show."""
    return web.json_response({"error": text}, status=status)
