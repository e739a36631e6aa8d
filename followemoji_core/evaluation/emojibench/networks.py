"""The networks that some metrics look with: where their files lie, what they must be, and fetching them when asked.

Nothing is fetched by measuring: a metric whose network is not here leaves its column empty and says which command
brings it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ...errors import CheckpointError, InputError, MissingDependencyError
from ...fetching import digest_of, fetch_file

FOLDER = "followemoji/evaluate"  # of a models folder, as ComfyUI's
_COMMAND = "python -m followemoji_core evaluate networks"


@dataclass(frozen=True)
class Network:
    """A file of weights. size: bytes, 0 where nobody says. sha256 of the file; or git_blob: the SHA-1 by which the
    commit in its address holds it, which git counts over "blob SIZE", a zero byte and the file."""

    name: str
    label: str
    file: str
    address: str
    licence: str
    size: int = 0
    sha256: str = ""
    git_blob: str = ""

    def is_whole(self, path: Path) -> bool:
        """Whether that file is this network, by its hash."""
        if not path.is_file() or (self.size and path.stat().st_size != self.size):
            return False
        if self.sha256:
            return digest_of(path) == self.sha256
        return digest_of(path, "sha1", b"blob %d\0" % path.stat().st_size) == self.git_blob


# Hashes of the first two: as several independent projects state them that fetched these addresses (torchvision's file
# name says the first eight digits); of the third: as the commit's own tree names it. Fetched from none of them here.
NETWORKS = {
    network.name: network
    for network in (
        # Not `glintr100.onnx`, its name there: InsightFace's non-commercial network has the same.
        Network(
            "auraface",
            "AuraFace v1 (ArcFace, ResNet 100)",
            "auraface_v1_glintr100.onnx",
            "https://huggingface.co/fal/AuraFace-v1/resolve/af6d057c9b0ec4071d4c49c80e3539258798b609/glintr100.onnx",
            "Apache-2.0",
            260_694_151,
            "a7933ea5330113b01c9b60351d8f4c33003f145d8470ac5f0e52ee2effe25c60",
        ),
        # In the folder and by the name where torchvision looks, once torch.hub is sent to FOLDER.
        Network(
            "alexnet",
            "AlexNet, what LPIPS looks with",
            "checkpoints/alexnet-owt-7be5be79.pth",
            "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
            "BSD-3-Clause",
            244_408_911,
            "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
        ),
        Network(
            "i3d",
            "I3D of Kinetics-400, what FVD looks with",
            "i3d_pretrained_400.pt",
            "https://github.com/songweige/TATS/raw/03bbce1daa3da7e9bff8221e9ec433df9484817f/tats/fvd/i3d_pretrained_400.pt",
            "Apache-2.0",
            git_blob="a867b87ac3a9097d200598b1d48a1b890d8ec744",
        ),
    )
}


def network(name: str) -> Network:
    """Raises InputError for a name that is none of NETWORKS."""
    if name not in NETWORKS:
        raise InputError(f"There is no network {name!r} to measure with; known: {', '.join(NETWORKS)}.")
    return NETWORKS[name]


def folder_of(models: Path) -> Path:
    """Where the networks of a models folder lie."""
    return models / FOLDER


def find_network(name: str, folder: Path, given: Mapping[str, Path] | None = None) -> Path:
    """The file of a network in a folder; or the one that is `given` under its name, whatever it holds.

    Raises MissingDependencyError, with the command, where it is not there, CheckpointError where the one in the folder
    is another file, InputError where a given one does not exist or the name is not known.
    """
    wanted = network(name)
    if given and name in given:
        if not given[name].is_file():
            raise InputError(f"{wanted.label}: there is no file {given[name]}.")
        return given[name]
    path = folder / wanted.file
    models = f" --models {folder.parents[1]}" if folder.match(FOLDER) else ""
    command = f"{_COMMAND} --fetch {name}{models}"
    if not path.is_file():
        raise MissingDependencyError(f"{wanted.label} is not in {folder}. {command}")
    if not wanted.is_whole(path):
        raise CheckpointError(f"{path} is not {wanted.label} (its hash differs). Delete it, then: {command}")
    return path


def fetch_network(
    name: str, folder: Path, say: Callable[[str], None] = lambda line: None, address: str | None = None
) -> bool:
    """Fetch a network into a folder, resumed and checked by its hash; False where it was there already.

    address: another than its own. Raises DownloadError where it cannot be fetched whole, InputError for another name.
    """
    wanted = network(name)
    return fetch_file(address or wanted.address, folder / wanted.file, wanted.is_whole, say)


def listed(folder: Path) -> list[str]:
    """A line a network: its name, what it is, its licence, and whether it is there."""
    lines = []
    for wanted in NETWORKS.values():
        path = folder / wanted.file
        state = "not there" if not path.is_file() else "there" if wanted.is_whole(path) else "ANOTHER FILE"
        lines.append(f"{wanted.name:10s} {wanted.label} ({wanted.licence}): {state}; {wanted.address}")
    return lines
