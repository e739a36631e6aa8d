"""Which files there are, and what is known of each before a network is built."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ...errors import CheckpointError
from ...fetching import digest_of
from ...model.weights.files import clip_fc_in, parts_in
from ...model.weights.read import read_tensors
from ...model.weights.recognise import recognise
from ...walk.places import CLIP_FILE, KNOWN_SHA256, VAE_FILE
from ...walk.studio import networks_in
from .report import Report

EXTENSIONS = (".safetensors", ".pth", ".pt", ".ckpt", ".bin", ".task")
_ANNOUNCED = ".download/.cache/huggingface/download"  # beside the networks, where `download` fetches to
_SHA256 = 64  # digits


@dataclass(frozen=True)
class Files:
    """models: the folder. networks: a folder, or one file that holds all of them. vae, clip: may not be there."""

    models: Path
    networks: Path
    vae: Path
    clip: Path

    @classmethod
    def of(cls, models: Path, weights: Path | None = None, vae: Path | None = None) -> Files:
        """Of a folder laid out as ComfyUI's models, or one that holds the networks themselves. weights, vae: as for
        `open_studio`."""
        return cls(models, weights or networks_in(models), vae or models / VAE_FILE, models / CLIP_FILE)

    def parts(self) -> dict[str, Path | None]:
        """The file of each part by its name, None where there is none."""
        if self.networks.is_file():
            return dict.fromkeys(parts_in(self.networks.parent), self.networks)
        return parts_in(self.networks)

    @property
    def clip_fc(self) -> Path | None:
        return None if self.networks.is_file() else clip_fc_in(self.networks)

    def all(self) -> list[Path]:
        """Every file that is looked at, the networks' folder first."""
        folder = self.networks
        beside = [folder] if folder.is_file() else sorted(folder.iterdir()) if folder.is_dir() else []
        listed = [file for file in (*beside, self.vae, self.clip) if file.suffix.lower() in EXTENSIONS]
        return [file for file in dict.fromkeys(listed) if file.is_file()]

    def name(self, file: Path) -> str:
        """Of a file, relative to the models folder where it lies in it."""
        return file.relative_to(self.models).as_posix() if file.is_relative_to(self.models) else file.name


def look_at_files(report: Report, files: Files, say: Callable[[str], None]) -> None:
    """Notes every file with its SHA-256 and what it is; a folder without any fails."""
    there = files.all()
    size = sum(file.stat().st_size for file in there)
    say(f"{len(there)} files, {size / 2**30:.2f} GiB: reading them for their SHA-256, about a minute for 10 GiB")
    known = {**KNOWN_SHA256, **announced(files.networks)}
    report.facts["found"] = rows = []
    for file in there:
        row = {"name": files.name(file), "bytes": file.stat().st_size, "sha256": "", "known": "", "kind": "not read"}
        rows.append(row)
        with report.isolated("files", row["name"]):
            row["sha256"] = digest_of(file)
            row["known"] = known.get(row["sha256"], "")
            try:
                row["kind"] = "a face detector" if file.suffix == ".task" else recognise(read_tensors(file))
            except CheckpointError as error:  # the part that it is for will fail; nobody may need it
                report.noted("files", row["name"], str(error))
    if not there:
        way_out = "Point --models at ComfyUI's models folder, or run `python -m followemoji_core download` first."
        report.failed("files", "networks", "there is no weights file in the folder", way_out)


def announced(networks: Path) -> dict[str, str]:
    """SHA-256 -> file, as Hugging Face announced what `download` has fetched; {} where it was not used."""
    found = {}
    for note in sorted((networks / _ANNOUNCED).rglob("*.metadata")) if networks.is_dir() else ():
        with note.open(encoding="utf-8", errors="replace") as lines:  # commit, hash, time: a line each
            words = lines.read(1000).split()
        if len(words) > 1 and len(words[1]) == _SHA256:
            found[words[1].lower()] = f"{note.name.removesuffix('.metadata')} as announced by Hugging Face"
    return found
