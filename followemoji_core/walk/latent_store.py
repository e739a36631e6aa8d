"""The latents of a long job: in memory, and on disk as they are finished, so that a job goes on where it stopped.

A job's folder is named by everything that its frames depend on. What lies in it can be trusted: files are written
beside and moved into place, so two jobs of one name cannot harm each other, and half a file is never found.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import OutputError
from ..files import written_whole

_DAYS = 3  # after which a job that nobody came back to is forgotten


class LatentStore:
    """Clean latents (c,h,w) of `frame_count` frames, float16: 32 KB a frame at 512 x 512.

    folder: where finished windows are kept; None: nowhere.
    """

    def __init__(self, frame_count: int, shape: tuple[int, int, int], folder: Path | None = None):
        self.latents = torch.zeros(frame_count, *shape, dtype=torch.float16)
        self.known = torch.zeros(frame_count, dtype=torch.bool)
        self.folder = folder
        if folder is not None:
            _make_folder(folder)
            self._recall()

    def get(self, frames: Sequence[int]) -> Tensor:
        return self.latents[list(frames)].float()

    def has(self, frames: Sequence[int]) -> bool:
        return bool(self.known[list(frames)].all())

    def put(self, frames: Sequence[int], latents: Tensor) -> None:
        frames = list(frames)
        self.latents[frames] = latents.to("cpu", torch.float16)
        self.known[frames] = True
        if self.folder is not None:
            self._keep(frames)

    def forget(self) -> None:
        """The job is done: its folder is no longer needed."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _keep(self, frames: list[int]) -> None:
        from safetensors.torch import save_file

        name = hashlib.sha256(repr(frames).encode()).hexdigest()[:24]
        advice = (
            f"Make room on that disk and run it again: it goes on from the {int(self.known.sum())} of "
            f"{len(self.known)} frames that are done."
        )
        for again in (False, True):
            _make_folder(self.folder)
            try:
                with written_whole(self.folder / f"{name}.safetensors", advice) as partial:
                    save_file({"frames": torch.tensor(frames), "latents": self.latents[frames]}, partial)
                return
            except OutputError:
                if again or self.folder.exists():  # else another job of this name ended meanwhile
                    raise

    def _recall(self) -> None:
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        for file in sorted(self.folder.glob("*.safetensors")):
            try:
                kept = load_file(file)
                frames, latents = kept["frames"].tolist(), kept["latents"]
                if latents.shape[1:] == self.latents.shape[1:] and max(frames) < len(self.known):
                    self.latents[frames], self.known[frames] = latents, True
            except (SafetensorError, OSError, KeyError, ValueError):
                file.unlink(missing_ok=True)  # damaged: made again


def job_key(*parts: Any) -> str:
    """A name for everything that a job's frames depend on: numbers, strings, arrays, tensors, and tuples of them."""
    digest = hashlib.sha256()
    for part in parts:
        _add(digest, part)
    return digest.hexdigest()[:32]


def _add(digest, part: Any) -> None:
    if isinstance(part, Tensor):
        part = part.detach().cpu().contiguous().flatten().view(torch.uint8).numpy()
    if isinstance(part, (tuple, list)):
        digest.update(b"(")
        for entry in part:
            _add(digest, entry)
        digest.update(b")")
    elif hasattr(part, "tobytes"):
        digest.update(repr((part.shape, str(part.dtype))).encode())
        digest.update(part if part.flags.c_contiguous else part.copy())
    else:
        digest.update(repr(part).encode() + b";")


def sweep(folder: Path, keep: Iterable[str] = ()) -> None:
    """Delete the jobs in a folder that nothing was added to for some days."""
    oldest = time.time() - _DAYS * 86400
    for job in folder.iterdir() if folder.is_dir() else ():
        if job.is_dir() and job.name not in set(keep) and job.stat().st_mtime < oldest:
            shutil.rmtree(job, ignore_errors=True)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder} cannot be made ({error.strerror}); a long job keeps its windows there.") from error
