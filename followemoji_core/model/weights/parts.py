"""The table: what is known of each part of a checkpoint, and of the files that may fill its gaps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from ..appearance_net import AppearanceNet
from ..denoiser import Denoiser
from ..image_encoder import ImageEncoder
from ..landmark_encoder import LandmarkEncoder
from .read import State
from .recognise import BARE_UNET, CLIP_FC, MOTION_MODULE
from .sizes import Config, appearance_net_sizes, denoiser_sizes, image_encoder_sizes, landmark_encoder_sizes

CLIP_FC_NAME = "FYE_clip_fc.safetensors"


@dataclass(frozen=True)
class Helper:
    """A file beside the parts that may fill their gaps.

    kinds: what `recognise` may call it; empty: anything. entries: what it gives, under the parts' keys. mends: whether
    a key is one that it is for. advice: how a message asks for it.
    """

    kinds: tuple[str, ...]
    entries: Callable[[State], State]
    mends: Callable[[str], bool]
    advice: str


def _is_motion(key: str) -> bool:
    return "motion_modules" in key


def _is_projection(key: str) -> bool:
    return "clip_fc" in key


# By their names in CheckpointFiles.
HELPERS = {
    "motion_module": Helper(
        kinds=(MOTION_MODULE, "denoiser"),
        entries=lambda state: {key: value for key, value in state.items() if _is_motion(key)},
        mends=_is_motion,
        advice="an AnimateDiff motion module (mm_sd_v15_v2.ckpt) as motion module",
    ),
    "clip_fc": Helper(
        kinds=(CLIP_FC, "denoiser"),
        entries=lambda state: {f"clip_fc.{key.removeprefix('clip_fc.')}": value for key, value in state.items()},
        mends=_is_projection,
        advice=f"{CLIP_FC_NAME} as clip_fc (beside the networks it is found by itself)",
    ),
    "base_unet": Helper(
        kinds=(),
        entries=lambda state: state,
        mends=lambda key: not _is_motion(key) and not _is_projection(key),
        advice="the SD image-variations UNet (diffusers layout) as base UNet",
    ),
}


@dataclass(frozen=True)
class Part:
    """A network of a checkpoint.

    name: in Networks and CheckpointFiles, and the prefix of its keys in one file of ours. file_names: published, split,
    ours; empty for a part that only files of ours have, or leave out. kinds: what `recognise` may call its file; empty:
    anything. essential: keys without which `sizes` cannot be read, each with its alternatives. helpers: names of those
    that may fill it, first come first served (published loading order reversed).
    """

    name: str
    network: type[nn.Module]
    sizes: Callable[[State], Config]
    file_names: tuple[str, ...]
    kinds: tuple[str, ...]
    essential: tuple[tuple[str, ...], ...]
    helpers: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        return title(self.name)

    @property
    def known_as(self) -> str:
        """How the authors, and the split in circulation, call its file."""
        return " or ".join(self.file_names[:2])


def title(kind: str) -> str:
    """What `recognise` says, as a person reads it."""
    return kind.replace("_", " ")


_TOKENS = ("clip_fc.weight", "q_former.queries")
PARTS = {
    part.name: part
    for part in (
        Part(
            name="denoiser",
            network=Denoiser,
            sizes=denoiser_sizes,
            file_names=("unet.pth", "FYE_unet-fp16.safetensors", "denoiser.safetensors"),
            kinds=("denoiser", BARE_UNET),
            essential=(_TOKENS, ("conv_in.weight",)),
            helpers=("motion_module", "clip_fc", "base_unet"),
        ),
        Part(
            name="appearance_net",
            network=AppearanceNet,
            sizes=appearance_net_sizes,
            file_names=("referencenet.pth", "FYE_referencenet-fp16.safetensors", "appearance_net.safetensors"),
            kinds=("appearance_net", BARE_UNET),  # it may keep a head that nobody reads
            essential=(_TOKENS, ("conv_in.weight",)),
            helpers=("clip_fc", "base_unet"),
        ),
        Part(
            name="landmark_encoder",
            network=LandmarkEncoder,
            sizes=landmark_encoder_sizes,
            file_names=("lmk_guider.pth", "FYE_lmk_guider.safetensors", "landmark_encoder.safetensors"),
            kinds=("landmark_encoder",),
            essential=(("conv_in.weight",), ("conv_out.weight",)),
        ),
        Part(
            name="image_encoder",
            network=ImageEncoder,
            sizes=image_encoder_sizes,
            file_names=(),
            kinds=(),
            essential=(("heads",), ("patches.weight",), ("places",)),
        ),
    )
}
