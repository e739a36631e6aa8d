"""One file from one address, on the user's word only: resumed where it broke off, checked, there when it is whole."""

from __future__ import annotations

import hashlib
import os
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from .errors import FollowEmojiError

_CHUNK = 2**20


class DownloadError(FollowEmojiError):
    """A file could not be fetched whole; what arrived is kept and the next try goes on from there."""


def fetch_file(
    url: str, target: Path, whole: Callable[[Path], bool], say: Callable[[str], None] = lambda line: None
) -> bool:
    """`url` as `target`, resumed where an earlier try ended; False where it was there already.

    whole(path): whether that is the file. Raises DownloadError where it cannot be fetched whole.
    """
    if whole(target):
        say(f"{target.parent.name}/{target.name} is there")
        return False
    say(f"{target.parent.name}/{target.name} <- {url}")
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".partial")
    have = partial.stat().st_size if partial.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            mode = "ab" if answer.status == 206 else "wb"
            with partial.open(mode) as file:
                while chunk := answer.read(_CHUNK):
                    file.write(chunk)
            expected = int(answer.headers.get("Content-Length") or 0) + (have if mode == "ab" else 0)
            if partial.stat().st_size < expected:
                raise DownloadError(f"{url} broke off. Run the command again to go on.")
    except urllib.error.HTTPError as error:
        if error.code != 416:  # the part is already as long as the file, or longer
            raise DownloadError(f"{url} answered {error.code}. Download it with a browser to {target}.") from error
    except OSError as error:
        raise DownloadError(f"{url} could not be fetched: {error}. Run the command again to go on.") from error
    if not whole(partial):
        partial.unlink()
        raise DownloadError(f"{target.name} arrived damaged (its hash differs). Run the command again.")
    os.replace(partial, target)
    return True


def digest_of(path: Path, kind: str = "sha256", begin: bytes = b"") -> str:
    """The hash of `begin` and what a file holds, as hashlib calls it, in hexadecimal."""
    digest = hashlib.new(kind, begin, usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
