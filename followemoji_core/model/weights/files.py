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
    found = parts_in(path)
    missing = [f"the {PARTS[name].title} ({PARTS[name].known_as})" for name, file in found.items() if not file]
    if missing:
        raise CheckpointError(
            f"{path} lacks {', '.join(missing)}. `python -m followemoji_core download` fetches the released weights."
        )
    return CheckpointFiles(**found, clip_fc=clip_fc_in(path))


def parts_in(folder: Path) -> dict[str, Path | None]:
    """The file of each part that has one of its own, by the part's name; None where the folder holds none."""
    return {part.name: _first(folder, part.file_names) for part in PARTS.values() if part.file_names}


def clip_fc_in(folder: Path) -> Path | None:
    """A separate projection, where the folder holds one."""
    return _first(folder, (CLIP_FC_NAME,))


def _first(folder: Path, names: Iterable[str]) -> Path | None:
    return next((folder / name for name in names if (folder / name).is_file()), None)
