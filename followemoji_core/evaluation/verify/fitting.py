"""Keys, shapes and numbers of the files against the networks, each part on its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from ...encoders import clip
from ...encoders.opening import codec_kind
from ...encoders.sd_vae import SDVAE
from ...encoders.strict import laid_out
from ...model.config import UNetConfig
from ...model.temporal import sinusoids
from ...model.weights.fill import Weights, check_together, complete, entries_of, lay_out
from ...model.weights.fit import Fit, fit
from ...model.weights.parts import CLIP_FC_NAME, HELPERS, PARTS
from ...model.weights.read import State, finite, read_tensors
from ...model.weights.sizes import Config
from .found import Files
from .report import Report, named

AGAIN = "Download the file again."
_FETCH = "`python -m followemoji_core download` fetches it."
_TABLE = 2e-3  # what float16 leaves of numbers up to 1


def fit_networks(report: Report, files: Files) -> dict[str, Weights]:
    """The parts that are whole, by name; the rest is said in the report."""
    tables: dict[Path, State] = {}
    whole: dict[str, Weights] = {}
    named_files, beside = files.parts(), next((file for file in files.parts().values() if file), None)
    for part in PARTS.values():
        with report.isolated(part.title, "keys and shapes"):
            path = named_files[part.name] if part.file_names else beside
            if path is None:
                if part.file_names:
                    way_out = f"It is called {part.known_as}; {_FETCH}"
                    report.failed(part.title, "file", f"the {part.title} is missing", way_out)
                continue
            if path not in tables:
                tables[path] = read_tensors(path)
            state = entries_of(part, tables[path])
            if not state and not part.file_names:
                continue  # CLIP's tokens are read instead
            helpers = []
            if "clip_fc" in part.helpers and files.clip_fc:
                helpers.append(HELPERS["clip_fc"].entries(read_tensors(files.clip_fc)))
            laid = lay_out(part, state, path.name, helpers)
            _note(report, part.title, files.name(path), laid.fit, laid.wanted, laid.state, _told(laid.config))
            if laid.fit.whole and report.ok(part.title):
                whole[part.name] = complete(part, state, path.name, helpers)
                if part.name == "denoiser":
                    _check_tables(report, state)
    if {"denoiser", "appearance_net", "landmark_encoder"} <= whole.keys():
        with report.isolated("networks", "belong together"):
            check_together(whole)
            report.passed("networks", "belong together")
    return whole


def fit_vae(report: Report, files: Files) -> None:
    """The VAE's file against its module."""
    _fit_encoder(report, "VAE", files, files.vae, lambda state, name: codec_kind(state).layout(state, name))


def fit_clip(report: Report, files: Files) -> None:
    """The image encoder's file (CLIP) against its module."""
    _fit_encoder(report, "image encoder", files, files.clip, clip.layout)


def _fit_encoder(report: Report, part: str, files: Files, path: Path, layout: Callable) -> None:
    with report.isolated(part, "keys and shapes"):
        if not path.is_file():
            where = f"It belongs to {files.name(path)} in the models folder; {_FETCH}"
            report.failed(part, "file", f"the {part} is missing", where)
            return
        make, state = layout(read_tensors(path), path.name)
        module, wanted = laid_out(make)
        idle = codec_kind(state) is not SDVAE and part == "VAE"
        _note(report, part, files.name(path), fit(wanted, state), wanted, state, _sizes(module), idle)


def _note(
    report: Report, part: str, file: str, found: Fit, wanted: State, state: State, sizes: Mapping, idle: bool = False
) -> None:
    """One network in the report. idle: whether blocks of zeros belong to the layout."""
    there = {key: state[key] for key in wanted if key in state}
    kinds = sorted({str(value.dtype).removeprefix("torch.") for value in there.values() if value.is_floating_point()})
    report.facts.setdefault("networks", {})[part] = {
        "file": file,
        "parameters": sum(value.numel() for value in there.values()),
        "tensors": found.parameters,
        "missing": list(found.missing),
        "misshapen": list(found.misshapen),
        "unused": list(found.unused),
        "stored_as": ", ".join(kinds),
        "sizes": ", ".join(f"{name} {_short(value)}" for name, value in sizes.items()),
    }
    if found.missing:
        hint = f" With {CLIP_FC_NAME} beside it clip_fc may be apart." if "clip_fc" in found.missing[0] else ""
        report.failed(
            part, "keys", f"{len(found.missing)} of {found.parameters} missing: {named(found.missing)}", AGAIN + hint
        )
    if wrong := found.misshapen:
        shapes = [f"{key} {tuple(state[key].shape)}, expected {tuple(wanted[key].shape)}" for key in wrong]
        said = f"{len(wrong)} of {found.parameters} misshapen: {named(shapes)}"
        report.failed(part, "shapes", said, f"The file mixes two models. {AGAIN}")
    if wrong := found.foreign:
        report.failed(part, "kinds of numbers", f"{len(wrong)} are no such numbers: {named(wrong)}", AGAIN)
    if found.whole:
        report.passed(part, "keys and shapes", f"all {found.parameters}")
    if found.unused:
        report.noted(part, "left over", f"{len(found.unused)} entries are not used: {named(found.unused)}")
    _check_numbers(report, part, there, idle)


def _check_numbers(report: Report, part: str, state: State, idle: bool) -> None:
    broken = [key for key, value in state.items() if not finite(value)]
    if broken:
        said = f"{len(broken)} hold NaN or infinity: {named(broken)}"
        report.failed(part, "finite numbers", said, f"The file is damaged. {AGAIN}")
    zero = [key for key, value in state.items() if value.is_floating_point() and not _any(value)]
    matrices = [key for key in zero if state[key].ndim > 1]
    if matrices and not idle:
        said = f"{len(matrices)} weights are zero throughout: {named(matrices)}"
        report.failed(part, "live weights", said, f"The download may have ended early. {AGAIN}")
    if not broken and (idle or not matrices):
        vectors = len(zero) - len(matrices)
        report.passed(part, "numbers", "all finite" + (f"; {vectors} vectors are zero" if vectors else ""))


def _any(value: Tensor) -> bool:
    return bool((value.half() if value.element_size() == 1 else value).any())


def _check_tables(report: Report, state: State) -> None:
    """Positions in a published file are computed numbers: here from their formula."""
    tables = {key: value for key, value in state.items() if key.endswith("pos_encoder.pe")}
    if not tables:
        report.noted("denoiser", "positions", "not in the file; computed")
        return
    worst = max(float((value.float() - sinusoids(*value.shape[1:])).abs().max()) for value in tables.values())
    way_out = "These are no published motion modules, or the file is damaged. " + AGAIN
    said = f"{len(tables)} tables, off by {worst:.1e} at most"
    report.judge("denoiser", "positions are the published sines", worst <= _TABLE, said, way_out)


def _told(config: Config) -> dict:
    """Channels, motion modules, and what differs from the published sizes."""
    published = type(config)()
    differs = {name: value for name, value in vars(config).items() if value != getattr(published, name)}
    if not isinstance(config, UNetConfig):
        return differs or {"as": "published"}
    differs.pop("positions", None)
    motion = f"of {config.positions} positions" if config.positions else "none"
    return {"channels": config.channels, "motion modules": motion, **(differs or {"else as": "published"})}


def _sizes(module: torch.nn.Module) -> dict:
    """What is worth saying of diffusers' and transformers' configurations."""
    config = getattr(module, "config", None)
    if config is None:
        return {"latent channels": module.latent_channels}
    names = ("block_out_channels", "latent_channels", "hidden_size", "num_hidden_layers", "patch_size", "image_size")
    pairs = ((name, getattr(config, name, None)) for name in names)
    return {name: value for name, value in pairs if value is not None}


def _short(value: object) -> str:
    return "/".join(map(str, value)) if isinstance(value, (tuple, list)) else str(value)
