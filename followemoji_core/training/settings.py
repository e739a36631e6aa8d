"""The settings of a training run: one TOML file per stage, every key of it known."""

from __future__ import annotations

import difflib
import math
import sys
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

from ..errors import InputError
from ..gate import Refused, check_depth, loading, parse_json, read_bytes, short

_LARGEST = 16 << 10  # bytes of a settings file
_DOTS = 500  # in numbers, paths, and keys, which take time by the square of them


@dataclass(frozen=True)
class ModelSettings:
    """Sizes of networks that start from nothing; read where `initial` is empty. See UNetConfig."""

    channels: tuple[int, ...] = (64, 64, 64)
    attention: tuple[bool, ...] = (True, True, False)
    layers: int = 1
    heads: int = 2
    groups: int = 32
    places: int = 16
    queries: int = 8
    query_layers: int = 4
    token_width: int = 64
    context_width: int = 32
    positions: int = 32
    landmark_widths: tuple[int, ...] = (16, 32, 48, 64)
    image_layers: int = 2
    image_size: int = 64


@dataclass(frozen=True)
class TrainSettings:
    """Paths are relative to the settings file. The defaults are the paper's (5.1), where it names a value.

    Raises InputError for values that are not allowed.

    stage: 1 trains on single frames everything but the temporal layers, 2 the temporal layers on clips.
    initial: a file with all networks, or a folder of the released ones; empty: from nothing, as [model] says.
    initial_unet: of a start from nothing, a UNet in diffusers' layout (SD image-variations, SD 1.5) that denoiser and
    appearance net begin as; the landmark encoder and what projects the image tokens are new, with [model] queries a
    Q-Former. motion_module: an AnimateDiff file from which the temporal layers are taken.
    vae, clip_vision: frozen; the VAE is not needed where the clips carry latents, CLIP not where the networks bring
    their own image encoder.
    clips: samples per step and process; targets: frames of each that are predicted (stage 2: neighbours).
    portrait: "any" frame of the clip, or its "first", which then is no target: what `synthesize --hidden` makes.
    shortest: stage 2 sees `targets` frames at once in half of the steps, else from so many to `targets`, and as many
    more clips; 0: always `targets`. longest_stride: half of the windows skip frames, up to this, as far as clips allow.
    whole_denoiser, whole_appearance: stage 2 trains all of the denoiser, and of the appearance net. remember: MiB for
    what networks that do not learn made of portraits and landmark images, so that it is made once.
    optimizer: adamw, or muon, which brings small networks from nothing further in the same time.
    new_projector: what projects the image tokens of `initial` is made anew, with [model] queries and query_layers.
    drop: share of the samples that see neither portrait nor image tokens, for guidance. drop_maps: of those that see
    the tokens, the share that sees no map of the appearance net beside them. tokens: which image tokens are seen,
    "all", their "mean" or "none".
    covered: whether the denoiser's input is widened by covered latents and their mask (4.3). known_ends,
    known_scattered: shares of the clips of which first and last frame are shown, or scattered ones (the paper's two
    strategies); of the rest nothing is, as of the keyframes of a long clip. Stage 1 has scattered ones alone.
    shared_noise: share of the clips whose frames all get the same noise, for steadier sampling with such noise.
    expression_weight, face_weight: of the facial loss (4.2). picture_weight: of the distance between decoded pictures
    and their edges, of every eighth frame (not the paper's; needs the VAE); critic_weight: of looking true to a network
    that learns to tell these from true ones (training/critic.py), as a share of that. high_noise: share of timesteps
    drawn from the last 150.
    """

    stage: int
    data: str
    out: str
    initial: str = ""
    initial_unet: str = ""
    motion_module: str = ""
    vae: str = ""
    clip_vision: str = ""
    clips: int = 8
    targets: int = 1
    portrait: str = "any"
    shortest: int = 0
    longest_stride: int = 1
    whole_denoiser: bool = False
    whole_appearance: bool = False
    steps: int = 30000
    learning_rate: float = 1e-5
    warmup: int = 500
    decay: str = "constant"
    optimizer: str = "adamw"
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    accumulation: int = 1
    gradient_checkpointing: bool = False
    precision: str = "bf16"
    ema: float = 0.9999
    drop: float = 0.1
    drop_maps: float = 0.0
    covered: bool = True
    known_ends: float = 0.4
    known_scattered: float = 0.3
    shared_noise: float = 0.0
    expression_weight: float = 0.5
    face_weight: float = 0.5
    picture_weight: float = 0.0
    critic_weight: float = 0.0
    expression_radius: float = 0.04
    high_noise: float = 0.0
    contour: bool = False  # ablations: draw the face contour as well,
    pupils: bool = True  # leave the pupils out,
    tokens: str = "all"
    new_projector: bool = False
    seed: int = 0
    save_every: int = 1000
    keep: int = 2
    log_every: int = 20
    sample_every: int = 1000
    threads: int = 0
    remember: int = 0
    model: ModelSettings = field(default_factory=ModelSettings)

    def __post_init__(self) -> None:
        allowed = dict(
            stage=(1, 2),
            precision=("bf16", "fp32"),
            decay=("constant", "cosine"),
            optimizer=("adamw", "muon"),
            portrait=("any", "first"),
            tokens=("all", "mean", "none"),
        )
        for name, values in allowed.items():
            if getattr(self, name) not in values:
                raise InputError(f"{name} is {getattr(self, name)!r}; allowed: {', '.join(map(str, values))}.")
        for name in (
            "clips",
            "targets",
            "steps",
            "accumulation",
            "save_every",
            "log_every",
            "sample_every",
            "keep",
            "longest_stride",
        ):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; it must be at least 1.")
        if self.initial and self.initial_unet:
            raise InputError("initial and initial_unet are two ways to begin. Leave one of them empty.")
        if self.critic_weight and not self.picture_weight:
            raise InputError("critic_weight is set, picture_weight is not: the critic sees the pictures of that loss.")
        if not 0 <= self.shortest <= self.targets:
            raise InputError(f"shortest is {self.shortest}; it must be from 0 to targets, {self.targets}.")
        if min(self.known_ends, self.known_scattered) < 0 or self.known_ends + self.known_scattered > 1:
            raise InputError(
                f"known_ends is {self.known_ends}, known_scattered {self.known_scattered}: shares of the clips, which "
                f"together are at most 1."
            )


def load_settings(path: Path, changes: dict[str, Any] | None = None) -> TrainSettings:
    """A settings file, with `changes` on top. Raises InputError for unknown keys and values of a wrong type."""
    table = read_file(path)
    for key, value in (changes or {}).items():
        table[key] = {**table.get(key, {}), **value} if isinstance(value, dict) else value
    return read_table(TrainSettings, table, path.name)


def read_file(path: Path) -> dict[str, Any]:
    """The table in a TOML file. Raises InputError for a file that cannot be read or is none."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    with loading(path, "Settings file", InputError, "Check it against the examples in followemoji_core/training."):
        text = read_bytes(path, _LARGEST)
        check_depth(text)
        if text.count(b".") > _DOTS:
            raise Refused("its keys lie in more tables than there are")
        try:
            return tomllib.loads(text.decode("utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise InputError(f"{path.name} is not a TOML file: {short(error)}.") from error


def parse_changes(pairs: list[str]) -> dict[str, Any]:
    """["steps=200", "model.layers=2", "out=runs/a"] -> a table; values are read as JSON where they are some.

    Raises InputError for what is not KEY=VALUE.
    """
    table: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals:
            raise InputError(f"{pair!r} is not KEY=VALUE.")
        try:
            value = parse_json(text.encode())
        except (ValueError, Refused):
            value = text
        *path, last = key.split(".")
        target = table
        for part in path:
            target = target.setdefault(part, {})
        target[last] = value
    return table


def read_table(kind: type, table: dict[str, Any], name: str) -> Any:
    """A dataclass from a table of plain values; lists become tuples. name: of the file, for messages.

    Raises InputError for unknown keys, values of a wrong type, and required keys that are missing.
    """
    known = {entry.name: entry for entry in fields(kind)}
    hints = get_type_hints(kind)
    values = {}
    for key, value in table.items():
        if key not in known:
            close = difflib.get_close_matches(key[:60], known, 1)
            hint = f" Did you mean {close[0]}?" if close else f" Known keys: {', '.join(known)}."
            raise InputError(f"{name}: there is no setting {short(key, 60)}.{hint}")
        if is_dataclass(hints[key]) and isinstance(value, dict):
            value = read_table(hints[key], value, f"{name} [{key}]")
        elif isinstance(value, list):
            value = tuple(value)
        elif hints[key] is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value) if abs(value) < 1e300 else math.inf
        wanted = getattr(hints[key], "__origin__", hints[key])
        if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
            raise InputError(f"{name}: {key} is {_shown(value)}; a value of type {wanted.__name__} is needed.")
        if wanted is tuple and not all(type(entry) is hints[key].__args__[0] for entry in value):
            kind_of = hints[key].__args__[0].__name__
            raise InputError(f"{name}: {key} is {_shown(value)}; a list of values of type {kind_of} is needed.")
        if wanted is float and not math.isfinite(value):
            raise InputError(f"{name}: {key} is {value}; a finite number is needed.")
        values[key] = value
    missing = [key for key in ("stage", "data", "out") if key in known and key not in values]
    if missing:
        raise InputError(f"{name}: {' and '.join(missing)} must be set.")
    try:
        return kind(**values)
    except InputError as error:
        raise InputError(f"{name}: {error}") from error


def _shown(value: Any) -> str:
    try:
        return short(repr(value), 60)
    except (RecursionError, ValueError):  # a table in tables, a number of thousands of digits
        return "too long to show"


def plain(settings: TrainSettings) -> dict[str, Any]:
    """For records and comparisons: nested plain values."""
    return asdict(settings)
