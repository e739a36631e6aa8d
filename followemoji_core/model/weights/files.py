"""Which files a checkpoint is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ...errors import CheckpointError
from .parts import CLIP_FC_NAME, PARTS


@dataclass(frozen=True)
class CheckpointFiles:
    """Where the parts are. `appearance_net` and `landmark_encoder` as None: the denoiser's file holds all three.

    clip_fc: a separate projection, for networks that lack one. base_unet, motion_module: the SD image-variations UNet
    (diffusers layout) and an AnimateDiff module, from which parameters that the parts lack are taken, as published.
    """

    denoiser: Path
    appearance_net: Path | None = None
    landmark_encoder: Path | None = None
    clip_fc: Path | None = None
    base_unet: Path | None = None
    motion_module: Path | None = None

    @property
    def identity(self) -> tuple[tuple[str, int, int], ...]:
        """What the weights are known by without reading them: name, size in bytes and time in ns of each file."""
        named = [path for path in vars(self).values() if path is not None]
        return tuple((str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in named)


def find_files(path: Path | str) -> CheckpointFiles:
    """A file with all three networks, or a folder with one file per part under any of its known names.

    Raises CheckpointError that names the parts which a folder lacks.
    """
    path = Path(path)
    if path.is_file():
        return CheckpointFiles(path)
    wanted = [part for part in PARTS.values() if part.file_names]
    found = {part.name: _first(path, part.file_names) for part in wanted}
    missing = [f"the {part.title} ({part.known_as})" for part in wanted if not found[part.name]]
    if missing:
        raise CheckpointError(
            f"{path} lacks {', '.join(missing)}. `python -m followemoji_core download` fetches the released weights."
        )
    return CheckpointFiles(**found, clip_fc=_first(path, (CLIP_FC_NAME,)))


def _first(folder: Path, names: Iterable[str]) -> Path | None:
    return next((folder / name for name in names if (folder / name).is_file()), None)
