"""Weights files to networks: the published .pth, the safetensors split in circulation, one file or folder of ours.

1. read tensors, never code; 2. name what a file holds, so that a wrong slot gets a clear answer; 3. read the sizes off
the state dict; 4. complete and check it, strictly; 5. hand the tensors over one by one, so that nothing is held twice.
"""

from __future__ import annotations

import logging
import pickle
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ...errors import CheckpointError
from ..appearance_net import AppearanceNet
from ..config import ImageEncoderConfig, LandmarkEncoderConfig, UNetConfig
from ..denoiser import Denoiser
from ..image_encoder import ImageEncoder
from ..landmark_encoder import LandmarkEncoder
from ..ops import TORCH, Ops
from ..temporal import sinusoids
from ..unet import NUMBERS

log = logging.getLogger(__name__)
State = dict[str, Tensor]
Config = UNetConfig | LandmarkEncoderConfig | ImageEncoderConfig

# Part name -> network class, and the file names under which the part is known (published, split, ours).
PARTS: dict[str, type[nn.Module]] = {
    "denoiser": Denoiser,
    "appearance_net": AppearanceNet,
    "landmark_encoder": LandmarkEncoder,
}
OWN_ENCODER = "image_encoder"  # a part that only files of ours have; others read CLIP's tokens
FILE_NAMES = {
    "denoiser": ("unet.pth", "FYE_unet-fp16.safetensors", "denoiser.safetensors"),
    "appearance_net": ("referencenet.pth", "FYE_referencenet-fp16.safetensors", "appearance_net.safetensors"),
    "landmark_encoder": ("lmk_guider.pth", "FYE_lmk_guider.safetensors", "landmark_encoder.safetensors"),
}
CLIP_FC_NAME = "FYE_clip_fc.safetensors"
_POSITIONS = 32  # of the published motion modules, when a file leaves the computed table out


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
        """What the weights are known by without reading them: name, size and time of each file."""
        named = [path for path in vars(self).values() if path is not None]
        return tuple((str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in named)


@dataclass(frozen=True)
class Weights:
    """A part's sizes and its complete, checked state dict. `build` empties `state`."""

    part: str
    config: Config
    state: State


@dataclass(frozen=True)
class Networks:
    denoiser: Denoiser
    appearance_net: AppearanceNet
    landmark_encoder: LandmarkEncoder
    image_encoder: ImageEncoder | None = None


# --- 1. reading


def read_tensors(path: Path | str) -> State:
    """The tensors of a .safetensors, .pth, .pt, .ckpt or .bin file, memory-mapped where the format allows it.

    Errors: CheckpointError for a file that is absent, damaged, or holds anything but tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"There is no file {path}. Check the name, or download it again.")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=_is_zip(path))
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path.name} is not a plain table of weights: it is damaged, or asks for code to be run, which is "
            f"refused. Download the file again from the authors' page."
        ) from error
    except (SafetensorError, RuntimeError, EOFError) as error:
        raise CheckpointError(
            f"{path.name} is damaged or incomplete ({path.stat().st_size / 2**20:.1f} MiB on disk). "
            f"Delete it and download it again."
        ) from error
    state = state.get("state_dict", state) if isinstance(state, dict) else state
    if not isinstance(state, dict) or not state or not all(isinstance(value, Tensor) for value in state.values()):
        raise CheckpointError(f"{path.name} holds no table of named weights. Choose a Follow-Your-Emoji weights file.")
    return {key.removeprefix("module."): value for key, value in state.items()}


def _is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"PK"  # the format before torch 1.6 cannot be mapped


# --- 2. naming


_UNET = "a UNet without motion modules"
# A denoiser may get its motion modules from a file beside it; an appearance net may keep a head that nobody reads.
_ACCEPTED = {"denoiser": ("denoiser", _UNET), "appearance_net": ("appearance_net", _UNET)}


def identify(keys: Iterable[str]) -> str:
    """What a state dict is, by its keys: the name of a part, "bundle", or a phrase for the error message."""
    keys = set(keys)

    def has(*needles: str) -> bool:
        return all(any(needle in key for key in keys) for needle in needles)

    kinds = (
        ("bundle", any(key.startswith("denoiser.") for key in keys)),
        ("an SD 1.5 checkpoint (single file)", has("model.diffusion_model.input_blocks")),
        ("a LoRA", has("lora")),
        ("a CLIP vision model", has("vision_model.")),
        ("a VAE", has("decoder.conv_in") or has("taesd_decoder")),
        ("denoiser", has("motion_modules", "conv_in.weight")),
        ("an AnimateDiff motion module", has("motion_modules")),
        ("landmark_encoder", has("conv_in.weight", "conv_out.weight") and "blocks.0.weight" in keys),
        ("a clip_fc projection", keys == {"weight", "bias"}),
        (_UNET, (has("clip_fc.weight") or has("q_former.")) and has("conv_in.weight", "conv_out.weight")),
        ("a plain SD 1.5 UNet (diffusers layout)", has("conv_in.weight", "down_blocks.", "conv_out.weight")),
        ("appearance_net", has("conv_in.weight", "down_blocks.")),
    )
    return next((name for name, fits in kinds if fits), "an unknown kind of model")


# --- 3. sizes


def read_config(part: str, state: State) -> Config:
    """The sizes of a part, from the shapes of its parameters."""
    if part == "landmark_encoder":
        strided = [key for key in state if key.startswith("blocks.") and key.endswith(".weight")][1::2]
        widths = (len(state["conv_in.weight"]), *(len(state[key]) for key in sorted(strided, key=_block_number)))
        return LandmarkEncoderConfig(widths, len(state["conv_out.weight"]))

    if part == OWN_ENCODER:
        _, places, width = state["places"].shape
        patch = state["patches.weight"].shape[-1]
        layers = len([key for key in state if key.endswith("norm1.weight")])
        return ImageEncoderConfig(width, layers, patch, round(places**0.5) * patch, int(state["heads"]))

    def count(pattern: str) -> int:
        number = 0
        while pattern.format(number) in state:
            number += 1
        return number

    levels = range(count("down_blocks.{}.resnets.0.conv1.weight"))
    table = next((value for key, value in state.items() if key.endswith("pos_encoder.pe")), None)
    if "q_former.queries" in state:
        _, queries, context_width = state["q_former.queries"].shape
        token_width = state["q_former.layers.0.attn2.to_k.weight"].shape[1]
    else:
        queries, (context_width, token_width) = 0, state["clip_fc.weight"].shape
    latent_channels = state["conv_in.weight"].shape[1]
    return UNetConfig(
        channels=tuple(len(state[f"down_blocks.{level}.resnets.0.conv1.weight"]) for level in levels),
        attention=tuple(f"down_blocks.{level}.attentions.0.norm.weight" in state for level in levels),
        layers=count("down_blocks.0.resnets.{}.conv1.weight"),
        in_channels=latent_channels,
        out_channels=len(state["conv_out.weight"]) if "conv_out.weight" in state else latent_channels,
        token_width=token_width,
        context_width=context_width,
        queries=queries,
        query_layers=count("q_former.layers.{}.norm1.weight") or 4,
        **{name: int(state.get(name, published)) for name, published in NUMBERS.items()},
        places=state["places"].shape[-1] if "places" in state else 0,
        positions=(_POSITIONS if table is None else table.shape[1]) if part == "denoiser" else 0,
    )


def _block_number(key: str) -> int:
    return int(key.split(".")[1])


# --- 4. completing and checking


def prepare(part: str, state: State, name: str, clip_fc: State | None = None, base: Iterable[State] = ()) -> Weights:
    """A part's state dict made complete, or a CheckpointError that says what is wrong with the file `name`.

    base: state dicts that give what the part lacks, first come first served (published loading order reversed).
    """
    kind = identify(state)
    if part != OWN_ENCODER and kind not in _ACCEPTED.get(part, (part,)):
        found = f"the {_title(kind)}" if kind in PARTS else _title(kind)
        raise CheckpointError(
            f"{name} was chosen as the {_title(part)}, but it is {found}. "
            f"The {_title(part)} is called {' or '.join(FILE_NAMES[part][:2])}."
        )
    state = dict(state)
    sources = [*base]
    if clip_fc is not None:
        sources.insert(0, {f"clip_fc.{key.removeprefix('clip_fc.')}": value for key, value in clip_fc.items()})
    for source in sources:
        for key, value in source.items():
            state.setdefault(key, value)
    given = set(state) - {key for source in sources for key in source}
    essential = {
        "landmark_encoder": {"conv_in.weight", "conv_out.weight"},
        OWN_ENCODER: {"places", "patches.weight", "heads"},
    }.get(part, {"conv_in.weight"})
    if part in ("denoiser", "appearance_net") and "q_former.queries" not in state:
        essential.add("clip_fc.weight")
    _refuse_missing(part, name, sorted(essential - set(state)))
    config = read_config(part, state)
    try:
        wanted = network_class(part)(config, TORCH.on("meta")).state_dict()
    except (ValueError, IndexError, ZeroDivisionError) as error:
        raise CheckpointError(f"{name} does not describe a {_title(part)}: {error}. Download it again.") from error
    for key in wanted:
        if key.endswith("pos_encoder.pe") and key not in state:
            state[key] = sinusoids(*wanted[key].shape[1:])
    _refuse_missing(part, name, [key for key in wanted if key not in state])
    wrong = [key for key in wanted if state[key].shape != wanted[key].shape]
    if wrong:
        raise CheckpointError(
            f"{name}: {len(wrong)} of {len(wanted)} parameters have another shape than the rest of the file asks for, "
            f"such as {wrong[0]}: {tuple(state[wrong[0]].shape)}, expected {tuple(wanted[wrong[0]].shape)}. "
            f"The file mixes two models; download it again."
        )
    unused = sorted(given - set(wanted))
    if unused:
        log.warning("%s: %d entries are not used by the %s: %s", name, len(unused), _title(part), ", ".join(unused[:8]))
    return Weights(part, config, {key: state[key] for key in wanted})


def network_class(part: str) -> type[nn.Module]:
    return ImageEncoder if part == OWN_ENCODER else PARTS[part]


def _refuse_missing(part: str, name: str, missing: list[str]) -> None:
    if not missing:
        return
    remedies = []
    if any("motion_modules" in key for key in missing):
        remedies.append("an AnimateDiff motion module (mm_sd_v15_v2.ckpt) as motion module")
    if any("clip_fc" in key for key in missing):
        remedies.append(f"{CLIP_FC_NAME} as clip_fc (the command line finds it beside the networks)")
    if any("motion_modules" not in key and "clip_fc" not in key for key in missing) and part != "landmark_encoder":
        remedies.append("the SD image-variations UNet (diffusers layout) as base UNet")
    way_out = "Download it again" + (f", or give {' and '.join(remedies)} to fill the gaps." if remedies else ".")
    raise CheckpointError(
        f"{name} is not complete: the {_title(part)} needs {', '.join(missing[:3])}"
        f"{f' and {len(missing) - 3} more parameters' if len(missing) > 3 else ''}, which it lacks. {way_out}"
    )


def _title(part: str) -> str:
    return {"bundle": "a file with all three networks"}.get(part, part.replace("_", " "))


# --- 5. from files to networks


def prepare_all(files: CheckpointFiles, read: Callable[[Path], State] = read_tensors) -> dict[str, Weights]:
    """The three parts of a checkpoint, checked one by one and against each other."""
    optional = {
        name: read(path) for name in ("clip_fc", "base_unet", "motion_module") if (path := getattr(files, name))
    }
    kinds = {"clip_fc": "a clip_fc projection", "motion_module": "an AnimateDiff motion module"}
    for name, kind in kinds.items():
        if name in optional and (got := identify(optional[name])) not in (kind, "denoiser"):
            raise CheckpointError(f"{getattr(files, name).name} was chosen as {name}, but it is {_title(got)}.")
    base_unet = optional.get("base_unet", {})
    motion_module = {key: value for key, value in optional.get("motion_module", {}).items() if "motion_modules" in key}
    first = read(files.denoiser)
    weights = {}
    for part in PARTS:
        path = getattr(files, part) or files.denoiser
        if identify(first) == "bundle" and path == files.denoiser:
            state = {k.removeprefix(f"{part}."): v for k, v in first.items() if k.startswith(f"{part}.")}
        else:
            state = first if part == "denoiser" else read(path)
        base = {"denoiser": (motion_module, base_unet), "appearance_net": (base_unet,), "landmark_encoder": ()}[part]
        clip_fc = None if part == "landmark_encoder" else optional.get("clip_fc")
        weights[part] = prepare(part, state, path.name, clip_fc, base)
    own = {k.removeprefix(f"{OWN_ENCODER}."): v for k, v in first.items() if k.startswith(f"{OWN_ENCODER}.")}
    if own:
        weights[OWN_ENCODER] = prepare(OWN_ENCODER, own, files.denoiser.name)
    _check_together(weights)
    return weights


def _check_together(weights: dict[str, Weights]) -> None:
    denoiser, appearance, encoder = (weights[part].config for part in PARTS)
    own = weights[OWN_ENCODER].config.width if OWN_ENCODER in weights else denoiser.token_width
    pairs = (
        ("appearance net", "channels", appearance.channels, denoiser.channels),
        ("appearance net", "token width", appearance.token_width, denoiser.token_width),
        ("landmark encoder", "output channels", encoder.out_channels, denoiser.channels[0]),
        ("image encoder", "token width", own, denoiser.token_width),
    )
    for part, what, got, wanted in pairs:
        if got != wanted:
            raise CheckpointError(
                f"The {part} does not belong to this denoiser: {what} {got}, the denoiser has {wanted}. "
                f"Choose files of one release."
            )


LATENT_RGB = "latent_rgb"  # (c + 1, 3) float: a linear guess at the picture behind a latent, for previews


def latent_table(path: Path) -> Tensor | None:
    """What a file says of how its latents look; None where it says nothing."""
    if path.suffix != ".safetensors":
        return None
    try:
        with safe_open(path, "pt") as file:
            return file.get_tensor(LATENT_RGB).float() if LATENT_RGB in file.keys() else None
    except (SafetensorError, OSError):
        return None


def build(weights: Weights, ops: Ops = TORCH, device: str = "cpu", dtype: torch.dtype | None = None) -> nn.Module:
    """The network with its weights, in `dtype` (None: as stored), in evaluation mode. Empties `weights.state`."""
    network = network_class(weights.part)(weights.config, ops.on("meta"))
    # Converted one by one and taken from the source at once: never two copies of more than a parameter.
    state = {key: weights.state.pop(key) for key in list(weights.state)}
    for key, value in state.items():
        state[key] = value.to(device=device, dtype=dtype if value.is_floating_point() else None)
    network.load_state_dict(state, assign=True)
    return network.eval().requires_grad_(False)


def load_networks(files: CheckpointFiles, device: str = "cpu", dtype: torch.dtype | None = None) -> Networks:
    """The three networks of a checkpoint, ready for use with plain torch."""
    return Networks(**{part: build(weights, TORCH, device, dtype) for part, weights in prepare_all(files).items()})


def find_files(path: Path | str) -> CheckpointFiles:
    """A file with all three networks, or a folder with one file per part under any of its known names."""
    path = Path(path)
    if path.is_file():
        return CheckpointFiles(path)
    found = {part: _first(path, names) for part, names in FILE_NAMES.items()}
    missing = [f"the {_title(part)} ({' or '.join(FILE_NAMES[part][:2])})" for part, file in found.items() if not file]
    if missing:
        raise CheckpointError(
            f"{path} lacks {', '.join(missing)}. `python -m followemoji_core download` fetches the released weights."
        )
    return CheckpointFiles(**found, clip_fc=_first(path, (CLIP_FC_NAME,)))


def grow_input(state: State, in_channels: int) -> State:
    """A denoiser's state dict with more input channels, for covered latents (paper 4.3): new ones start at zero.

    The grown denoiser computes exactly what it computed before, whatever the new channels hold.
    """
    weight = state["conv_in.weight"]
    more = in_channels - weight.shape[1]
    if more < 0:
        raise CheckpointError(f"The denoiser already has {weight.shape[1]} input channels, more than {in_channels}.")
    return {**state, "conv_in.weight": F.pad(weight, (0, 0, 0, 0, 0, more))}


def _first(folder: Path, names: Iterable[str]) -> Path | None:
    return next((folder / name for name in names if (folder / name).is_file()), None)


def save_networks(
    path: Path | str, networks: Networks, dtype: torch.dtype | None = None, extra: State | None = None
) -> None:
    """One .safetensors with all networks, which `load_networks` and the ComfyUI loader take as it is. `dtype`: of the
    parameters in the file; `extra`: further tensors, such as LATENT_RGB."""
    state = {
        f"{part}.{key}": value.to(dtype=dtype if value.is_floating_point() else None).contiguous()
        for part, network in vars(networks).items()
        if network is not None
        for key, value in network.state_dict().items()
    }
    save_file({**state, **(extra or {})}, path, metadata={"format": "followemoji", "version": "1"})
