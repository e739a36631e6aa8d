"""A part's state dict made complete and checked, strictly: what is missing or misshapen is an error with a way out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F

from ...errors import CheckpointError
from ...gate import LEAKS, short
from ..ops import TORCH
from ..temporal import sinusoids
from .files import CheckpointFiles
from .fit import Fit, fit
from .parts import HELPERS, PARTS, Part, title
from .read import State, read_tensors
from .recognise import BUNDLE, recognise
from .sizes import Config, check_sizes

log = logging.getLogger(__name__)

_COMPUTED = "pos_encoder.pe"  # positional tables, which files may lack


@dataclass(frozen=True)
class Weights:
    """A part's sizes and its complete, checked state dict. `build` empties `state`. name: of the file."""

    part: Part
    config: Config
    state: State
    name: str = "the weights file"


def read_checkpoint(files: CheckpointFiles, read: Callable[[Path], State] = read_tensors) -> dict[str, Weights]:
    """The parts of a checkpoint by name, checked one by one and against each other. `read`: how a file is read.

    Raises CheckpointError that names the file and what is wrong with it.
    """
    helpers = {name: read(path) for name in ("clip_fc", "base_unet", "motion_module") if (path := getattr(files, name))}
    for name in ("clip_fc", "motion_module"):
        if name in helpers and (kind := recognise(helpers[name])) not in HELPERS[name].kinds:
            raise CheckpointError(f"{getattr(files, name).name} was chosen as {name}, but it is {title(kind)}.")
    tables: dict[Path, State] = {}
    weights = {}
    for part in PARTS.values():
        # What has no file of its own comes along with another part: ComfyUI saves a denoiser alone.
        named = (getattr(files, part.name),) if part.file_names else (files.denoiser, files.appearance_net)
        for path in filter(None, named if any(named) else (files.denoiser,)):
            if path not in tables:
                tables[path] = read(path)
            state = entries_of(part, tables[path])
            if state or part.file_names:
                given = [HELPERS[name].entries(helpers[name]) for name in part.helpers if name in helpers]
                weights[part.name] = complete(part, state, path.name, given)
                break
    check_together(weights)
    return weights


def entries_of(part: Part, state: State) -> State:
    """What a file holds of a part: everything, or of a file with several networks what is under the part's name."""
    if part.file_names and recognise(state) != BUNDLE:
        return state
    prefix = f"{part.name}."
    return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}


@dataclass(frozen=True)
class Layout:
    """A part laid out at the sizes of its file. wanted: its state dict, without memory; state: what there is for it, of
    the file, of helpers and computed; given: the keys that the file itself gives."""

    part: Part
    config: Config
    wanted: State
    state: State
    given: frozenset[str]

    @property
    def fit(self) -> Fit:
        found = fit(self.wanted, self.state, self.given)
        return replace(found, missing=tuple(key for key in found.missing if not key.endswith(_COMPUTED)))


def lay_out(part: Part | str, state: State, name: str, helpers: Iterable[State] = ()) -> Layout:
    """What a part wants, beside what there is for it. `state` itself is left alone; the rest as for `complete`.

    Raises CheckpointError where the file is of another kind, or its sizes cannot be read.
    """
    part = PARTS[part] if isinstance(part, str) else part
    _check_kind(part, recognise(state), name)
    given, state = set(state), dict(state)
    for source in helpers:
        given -= source.keys()
        for key, value in source.items():
            state.setdefault(key, value)
    _refuse_missing(part, name, [keys[0] for keys in part.essential if not any(key in state for key in keys)])
    try:
        config = part.sizes(state)
        check_sizes(config)
        with torch.device("meta"):  # its tables as well
            wanted = part.network(config, TORCH.on("meta")).state_dict()
    except LEAKS as error:
        raise CheckpointError(f"{name} does not describe a {part.title}: {short(error)}. Download it again.") from error
    missing = [key for key in wanted if key not in state]
    if all(key.endswith(_COMPUTED) for key in missing):  # a file that lacks more may name tables as large as it likes
        state |= {key: sinusoids(*wanted[key].shape[1:]) for key in missing}
    return Layout(part, config, wanted, state, frozenset(given))


def complete(part: Part | str, state: State, name: str, helpers: Iterable[State] = ()) -> Weights:
    """A part's state dict made complete, with nothing that the part does not need. `state` itself is left alone.

    name: of the file, for messages. helpers: state dicts that give what the part lacks, first come first served.
    Raises CheckpointError where the file is of another kind, lacks parameters, or has one of a wrong shape. What is
    not needed is a warning.
    """
    laid = lay_out(part, state, name, helpers)
    part, wanted, state, found = laid.part, laid.wanted, laid.state, laid.fit
    _refuse_missing(part, name, list(found.missing))
    if wrong := found.misshapen:
        raise CheckpointError(
            f"{name}: {len(wrong)} of {len(wanted)} parameters have another shape than the rest of the file asks for, "
            f"such as {wrong[0]}: {tuple(state[wrong[0]].shape)}, expected {tuple(wanted[wrong[0]].shape)}. "
            f"The file mixes two models; download it again."
        )
    if wrong := found.foreign:
        raise CheckpointError(
            f"{name}: {wrong[0]} holds numbers of the type {state[wrong[0]].dtype}. The file is no plain "
            f"{part.title}; download it again."
        )
    if unused := found.unused:
        named = short(", ".join(unused[:8]))
        log.warning("%s: %d entries are not used by the %s: %s", name, len(unused), part.title, named)
    return Weights(part, laid.config, {key: state[key] for key in wanted}, name)


def grow_input(state: State, in_channels: int) -> State:
    """A denoiser's state dict with more input channels, for covered latents (paper 4.3): new ones start at zero.

    The grown denoiser computes exactly what it computed before, whatever the new channels hold. Raises CheckpointError
    where it has more than `in_channels` already.
    """
    weight = state["conv_in.weight"]
    more = in_channels - weight.shape[1]
    if more < 0:
        raise CheckpointError(f"The denoiser already has {weight.shape[1]} input channels, more than {in_channels}.")
    return {**state, "conv_in.weight": F.pad(weight, (0, 0, 0, 0, 0, more))}


def _check_kind(part: Part, kind: str, name: str) -> None:
    if part.kinds and kind not in part.kinds:
        found = f"the {title(kind)}" if kind in PARTS else title(kind)
        raise CheckpointError(
            f"{name} was chosen as the {part.title}, but it is {found}. The {part.title} is called {part.known_as}."
        )


def _refuse_missing(part: Part, name: str, missing: list[str]) -> None:
    if not missing:
        return
    remedies = [HELPERS[helper].advice for helper in part.helpers if any(map(HELPERS[helper].mends, missing))]
    way_out = "Download it again" + (f", or give {' and '.join(remedies)} to fill the gaps." if remedies else ".")
    raise CheckpointError(
        f"{name} is not complete: the {part.title} needs {', '.join(missing[:3])}"
        f"{f' and {len(missing) - 3} more parameters' if len(missing) > 3 else ''}, which it lacks. {way_out}"
    )


def check_together(weights: dict[str, Weights]) -> None:
    """Raises CheckpointError where the parts of a checkpoint, by name, are not of one model."""
    configs = {name: part.config for name, part in weights.items()}
    denoiser, appearance, encoder = (configs[name] for name in ("denoiser", "appearance_net", "landmark_encoder"))
    own = configs["image_encoder"].width if "image_encoder" in configs else denoiser.token_width
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
