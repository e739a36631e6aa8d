"""The latents of a job: in memory, and on disk as they are finished, so that a job goes on where it stopped.

A job's folder is named by everything that its frames depend on (`job.job_key`). What lies in it can be trusted: files
are written beside and moved into place, so two jobs of one name cannot harm each other, and half a file is never found.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from ..errors import OutputError
from ..files import written_whole


class LatentStore:
    """Clean latents (c,h,w), scaled, of `frame_count` frames; 32 KB a frame at 512 x 512 in float16.

    folder: where finished windows are kept; None: nowhere. dtype: in which they are kept.
    """

    def __init__(
        self,
        frame_count: int,
        shape: tuple[int, int, int],
        folder: Path | None = None,
        dtype: torch.dtype = torch.float16,
    ):
        self.latents = torch.zeros(frame_count, *shape, dtype=dtype)
        self.known = torch.zeros(frame_count, dtype=torch.bool)
        self.folder = folder
        if folder is not None:
            _make_folder(folder)
            self._recall()

    def __len__(self) -> int:
        return len(self.known)

    def get(self, frames: Sequence[int]) -> Tensor:
        """(n,c,h,w) float32 of those frames."""
        return self.latents[list(frames)].float()

    def has(self, frames: Sequence[int]) -> bool:
        """Whether all of them are finished."""
        return bool(self.known[list(frames)].all())

    def put(self, frames: Sequence[int], latents: Tensor) -> None:
        """Finished latents (n,c,h,w). Raises OutputError where they cannot be written; what was kept before stays."""
        frames = list(frames)
        self.latents[frames] = latents.to("cpu", self.latents.dtype)
        self.known[frames] = True
        if self.folder is not None:
            self._keep(frames)

    def clear_up(self) -> None:
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


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder} cannot be made ({error.strerror}); a long job keeps its windows there.") from error
