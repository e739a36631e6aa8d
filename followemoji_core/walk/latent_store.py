"""The latents of a job: in memory, and on disk as they are finished, so that a job goes on where it stopped.

A job's folder is named by everything that its frames depend on (`job.job_key`). Files are written beside and moved into
place, so two jobs of one name cannot harm each other, and half a file is never found. Each says in its header how many
frames the job has, of which shape, and a checksum of what it holds: one that does not fit is put aside and made again.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from ..errors import InputError, OutputError
from ..files import written_whole
from ..gate import Refused, loading, parse_json, safetensors_header
from .job import digest

log = logging.getLogger(__name__)
FORMAT = "followemoji.latents"
ASIDE = ".unfit"  # what the names of files that do not fit end in
_DTYPES = {torch.float16: "F16", torch.float32: "F32", torch.bfloat16: "BF16"}
_LARGEST = 8 << 30  # bytes of a window: far more than any has


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
        self.kept = torch.zeros(frame_count, dtype=torch.bool)  # on the disk
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

    def give(self, frames: Sequence[int], latents: Tensor) -> None:
        """Latents (n,c,h,w) from outside, known from now on; whoever comes back brings them again."""
        frames = list(frames)
        self.latents[frames] = latents.to("cpu", self.latents.dtype)
        self.known[frames] = True

    def clear_up(self) -> None:
        """The job is done: its folder is no longer needed."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _keep(self, frames: list[int]) -> None:
        from safetensors.torch import save_file

        name = hashlib.sha256(repr(frames).encode()).hexdigest()[:24]
        advice = (
            f"Make room on that disk and run it again: it goes on from the {int(self.kept.sum())} of "
            f"{len(self.kept)} frames that are kept there."
        )
        latents = self.latents[frames].contiguous()
        about = self._about(frames, latents)
        for again in (False, True):
            _make_folder(self.folder)
            try:
                with written_whole(self.folder / f"{name}.safetensors", advice) as partial:
                    save_file({"latents": latents}, partial, about)
                self.kept[frames] = True
                return
            except OutputError:
                if again or self.folder.exists():  # else another job of this name ended meanwhile
                    raise

    def _about(self, frames: Sequence[int], latents: Tensor) -> dict[str, str]:
        """The header of a file with those frames (n,c,h,w)."""
        return {
            "format": FORMAT,
            "version": "1",
            "frame_count": str(len(self)),
            "shape": repr(tuple(self.latents.shape[1:])),
            "frames": repr(list(frames)),
            "checksum": digest(list(frames), latents),
        }

    def _recall(self) -> None:
        unfit = 0
        for file in sorted(self.folder.glob("*.safetensors")):
            try:
                frames, latents = self._read(file)
            except InputError as error:
                log.warning("%s It is put aside.", error)
                unfit += 1
                try:
                    file.replace(file.with_name(file.name + ASIDE))
                except OSError:  # another job of this name did so already, or nothing can be written there
                    pass
                continue
            self.latents[frames] = latents
            self.known[frames] = self.kept[frames] = True
        if unfit:
            log.warning("%s: %d kept windows do not fit and are made again.", self.folder.name, unfit)

    def _read(self, file: Path) -> tuple[list[int], Tensor]:
        """The frames of a kept file and their latents. Raises InputError for one that does not fit this job."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        with loading(file, "Kept window", InputError, "Its frames are made again.", more=(SafetensorError,)):
            header = safetensors_header(file, _LARGEST)
            frames = parse_json(header.metadata["frames"].encode(), 1)
            if not all(type(frame) is int and 0 <= frame < len(self) for frame in frames):
                raise Refused("its frames are none of this job's")
            header.check("latents", _DTYPES[self.latents.dtype], (len(frames), *self.latents.shape[1:]))
            latents = load_file(file)["latents"]
            if dict(header.metadata) != self._about(frames, latents):
                raise Refused("it is not what was kept")
            if not latents.isfinite().all():
                raise Refused("it holds numbers that are not finite")
        return frames, latents


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder} cannot be made ({error.strerror}); a long job keeps its windows there.") from error
