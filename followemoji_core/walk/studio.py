"""Everything that the walk needs, loaded, without ComfyUI: networks, codec and token encoder on one device."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..encoders.clip import open_clip_vision
from ..encoders.image_encoder import OwnImageEncoder
from ..encoders.interfaces import Codec, TokenEncoder
from ..encoders.opening import open_codec
from ..errors import InputError
from ..model.weights.build import Networks, load_networks
from ..model.weights.files import find_files, parts_in
from ..model.weights.read import check_file
from ..small import SMALL_MODEL, SMALL_MODELS, SMALL_VAE
from ..types import AlignedMotion
from .animate import Host, Progress, animate, new_store
from .appearance import Appearance, read_appearance
from .given import GivenFrames
from .job import job_key
from .latent_store import LatentStore
from .places import CLIP_FILE, NETWORK_FOLDERS, VAE_FILE
from .settings import Settings

_WIDE = 128  # channels
# How the small model is used: one step is nearest to the truth, more are hardly sharper (`targets` measures it).
SMALL_SETTINGS = Settings(steps=1, guidance=1.0, shared_noise=1.0)


@dataclass(frozen=True)
class Studio:
    """Turns a framed portrait and an aligned motion into frames. host: where and how it computes.

    codec: pictures to latents and back. token_encoder: CLIP, or the networks' own image encoder.
    """

    networks: Networks
    codec: Codec
    token_encoder: TokenEncoder
    host: Host
    identity: tuple = ()  # what the networks' files are known by

    def read(self, portrait: np.ndarray) -> Appearance:
        """(H,W,3) uint8 RGB, sides multiples of 8 -> what the denoiser will know of the portrait."""
        pictures = torch.from_numpy(np.ascontiguousarray(portrait))[None]
        latents = self.codec.encode(pictures).to(self.host.device, self.host.dtype)
        return read_appearance(self.networks.appearance_net, latents, self.token_encoder.tokens(pictures))

    def animate(
        self,
        portrait: np.ndarray | Appearance,
        landmarks: AlignedMotion | Tensor,
        settings: Settings,
        *,
        given: GivenFrames | None = None,
        folder: Path | None = None,
        on_pass: Callable[[int, int], None] = lambda done, total: None,
        on_step: Callable[[Progress], None] = lambda progress: None,
    ) -> LatentStore:
        """The latents of the video, see `animate.animate`. portrait: (H,W,3) uint8 RGB, or what `read` gave.

        given: frames from outside, see `given`. folder: where finished windows are kept, under the job's name, so that
        the same job finds them again.
        """
        appearance = portrait if isinstance(portrait, Appearance) else self.read(portrait)
        store = self.store(appearance, landmarks, settings, given, folder)
        host = replace(self.host, on_pass=on_pass, on_step=on_step)
        networks = self.networks
        parts = networks.denoiser, networks.landmark_encoder, appearance, landmarks, settings, host
        return animate(*parts, given=given, store=store)

    def store(
        self,
        appearance: Appearance,
        landmarks: AlignedMotion | Tensor,
        settings: Settings,
        given: GivenFrames | None = None,
        folder: Path | None = None,
    ) -> LatentStore:
        """Where the frames of a job go: in memory, and in `folder` under the job's name, where there is one."""
        if folder is not None:
            folder /= job_key(self.identity, self.host.dtype, settings, landmarks, appearance, given)
        return new_store(len(landmarks), appearance, settings, folder)

    def given(self, numbers: Sequence[int], pictures: Sequence[np.ndarray]) -> GivenFrames:
        """Frames of a clip, by their numbers from 0, as (H,W,3) uint8 RGB of the video's size."""
        order = np.argsort(numbers)
        ordered = np.stack([pictures[index] for index in order])
        latents = self.codec.encode(torch.from_numpy(ordered)).cpu()
        return GivenFrames(tuple(int(numbers[index]) for index in order), latents, ordered)

    def frames(self, latents: LatentStore | Tensor, given: GivenFrames | None = None) -> Iterator[np.ndarray]:
        """Decode latents (T,c,h,w) to (H,W,3) uint8 RGB, a few at a time; given frames as they were given."""
        latents = latents.latents if isinstance(latents, LatentStore) else latents
        chunks = latents.split(self.codec.at_once(latents))
        decoded = (frame for chunk in chunks for frame in self.codec.decode(chunk.float()).numpy())
        return given.in_place(decoded) if given else decoded


def best_device() -> str:
    """CUDA, else MPS, else the CPU."""
    return "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"


def best_dtype(device: str) -> torch.dtype:
    """Half precision where it is faster: float16 on graphics cards, bfloat16 on CPUs that multiply in it.

    AVX512 alone does not: oneDNN then emulates bfloat16, slower than float32.
    """
    if device != "cpu":
        return torch.float16
    tests = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")  # of torch.cpu, by version
    fast = any(getattr(torch.cpu, test, lambda: False)() for test in tests)
    return torch.bfloat16 if fast else torch.float32


def device_and_dtype(device: str = "auto", precision: str = "auto") -> tuple[str, torch.dtype]:
    """Where networks compute, and in what: as given, or decided here where it is "auto". Raises InputError for a device
    that does not compute here.

    device: torch's name; auto: CUDA, else MPS, else the CPU. precision: fp32, fp16, bf16; auto: see `best_dtype`.
    """
    if device == "auto":
        device = best_device()
    try:
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError, ImportError, ValueError) as error:  # by kind of device
        why = str(error).strip().partition("\n")[0]
        raise InputError(f"--device {device} cannot be used here ({why}). Use --device cpu, or auto.") from error
    if precision == "auto":
        return device, best_dtype(device)
    return device, {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}[precision]


def laid_out(networks: Networks, device: str) -> Networks:
    """The networks with their weights as torch's own kernels like them best; the numbers do not change.

    Queries, keys and values side by side. On a CPU channels last: convolutions of wide networks take 0.8 to 0.85 of the
    time (320 to 1,280 channels, float32), of narrow ones as long, and their group norms longer.
    """
    networks.denoiser.fuse()
    if device == "cpu":
        networks.landmark_encoder.to(memory_format=torch.channels_last)
        if networks.denoiser.config.channels[0] >= _WIDE:
            networks.denoiser.to(memory_format=torch.channels_last)
            networks.appearance_net.to(memory_format=torch.channels_last)
    return networks


def networks_in(models: Path) -> Path:
    """The folder that holds the networks, or most of them: one of NETWORK_FOLDERS in a models folder, or that folder
    itself; of equals the first."""
    places = [*(models / name for name in NETWORK_FOLDERS), models]
    return max(places, key=lambda place: sum(file is not None for file in parts_in(place).values()))


def open_studio(
    models: Path,
    device: str,
    dtype: torch.dtype,
    weights: Path | None = None,
    vae: Path | None = None,
    compiled: bool = False,
) -> Studio:
    """The released weights from a models folder laid out as ComfyUI's: see `networks_in`; vae/, clip_vision/.

    weights, vae: files (weights: or a folder) to take instead of the networks and vae/sd-vae-ft-mse.safetensors.
    compiled: the denoiser through torch.compile, for the sizes that it meets. Raises CheckpointError for files that are
    absent, damaged, or of another kind.
    """
    files = find_files(weights or networks_in(models))
    networks = laid_out(load_networks(files, device, dtype), device)
    if compiled:
        networks.denoiser.compile(dynamic=False)
    codec = open_codec(vae or models / VAE_FILE).to(device, dtype)
    own = networks.image_encoder
    token_encoder = open_clip_vision(models / CLIP_FILE).to(device, dtype) if own is None else OwnImageEncoder(own)
    return Studio(networks, codec, token_encoder, Host(torch.device(device), dtype), files.identity)


def check_files(models: Path, weights: Path | None = None) -> None:
    """What can be said of the files that `open_studio` will read, before anything is built from them. Raises
    CheckpointError."""
    files = find_files(weights or networks_in(models))
    for path in (*vars(files).values(), models / VAE_FILE, models / CLIP_FILE):
        if path is not None and (path != models / CLIP_FILE or path.is_file()):  # not all networks need it
            check_file(path)


def small_studio(device: str = "cpu", dtype: torch.dtype = torch.float32) -> Studio:
    """The small model that ships with this package, trained on drawn people at 128 x 128."""
    return open_studio(SMALL_MODELS, device, dtype, SMALL_MODEL, SMALL_VAE)
