"""The folder of a run: checkpoints to use, and states from which an interrupted run goes on as if nothing had happened.

OUT/checkpoint-STEP.safetensors   the networks as they are used
OUT/state-STEP.safetensors        `parameter.NAME`, `average.NAME`, and the optimisers' moments: `exp_avg.NAME`, ...;
                                  in the header: step, seconds, settings, the curve so far
OUT/record.json                   settings, steps, wall time, curve
The newest `keep` of each kind stay.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from ..errors import CheckpointError, InputError, OutputError
from ..files import write_whole, written_whole
from ..gate import MOST_WEIGHTS, loading, parse_json, safetensors_header
from ..model.weights.build import Networks, save_networks
from .settings import TrainSettings, plain
from .weight_average import WeightAverage

_MAY_CHANGE = (
    "steps",
    "save_every",
    "keep",
    "log_every",
    "sample_every",
    "threads",
    "remember",
    "data",
    "out",
    "initial",
    "initial_unet",
)
_MOMENTS = ("step", "exp_avg", "exp_avg_sq", "mean")  # what AdamW and Muon remember of a parameter
_HEADER = 64 << 20  # bytes; the curve so far lies there
_ADVICE = "The checkpoints before are kept: make room, and run the same command to go on from them."


@dataclass
class Progress:
    """How far a run is. seconds: wall time of all its parts. curve: what was logged, an entry each time."""

    step: int = 0
    seconds: float = 0.0
    curve: list[dict[str, float]] = field(default_factory=list)


@dataclass(frozen=True)
class Learned:
    """What changes in a run: parameters by name, their average (None: there is none), the optimisers' moments."""

    parameters: dict[str, nn.Parameter]
    average: WeightAverage | None
    optimizers: Sequence[torch.optim.Optimizer]

    def in_use(self) -> dict[str, Tensor]:
        """The values to give away, shaped as the parameters: averaged, where there is an average."""
        values = self.average.values if self.average else [p.detach() for p in self.parameters.values()]
        return dict(zip(self.parameters, values, strict=True))

    def tensors(self) -> dict[str, Tensor]:
        """What a state file holds, by key, on the CPU."""
        found = {f"parameter.{name}": parameter.detach() for name, parameter in self.parameters.items()}
        if self.average:
            found |= {f"average.{name}": value for name, value in self.in_use().items()}
        for name, parameter in self.parameters.items():
            for optimizer in self.optimizers:
                found |= {f"{key}.{name}": value for key, value in optimizer.state.get(parameter, {}).items()}
        return {key: value.contiguous().cpu() for key, value in found.items()}

    @torch.no_grad()
    def restore(self, tensors: dict[str, Tensor], step: int, path: Path) -> None:
        """Set all of it from a state file's tensors. Raises CheckpointError for networks of other sizes."""
        for name, parameter in self.parameters.items():
            saved = tensors.get(f"parameter.{name}")
            if saved is None or saved.shape != parameter.shape:
                got = "nothing" if saved is None else tuple(saved.shape)
                raise CheckpointError(
                    f"{path} is of networks of another size: {name} is {tuple(parameter.shape)} here, {got} there. "
                    f"Choose another `out`, or the sizes that it was begun with."
                )
            parameter.copy_(saved)
            moments = {key: tensors[f"{key}.{name}"] for key in _MOMENTS if f"{key}.{name}" in tensors}
            for optimizer in self.optimizers:
                if moments and any(parameter is p for group in optimizer.param_groups for p in group["params"]):
                    optimizer.state[parameter] = {key: value.to(parameter.device) for key, value in moments.items()}
        if self.average:
            for name, value in self.in_use().items():
                value.copy_(tensors[f"average.{name}"])
            self.average.goes_on_after(step)


class RunFolder:
    """OUT of the settings. `say` learns of files that are passed over."""

    def __init__(self, out: Path, settings: TrainSettings, say: Callable[[str], None]):
        self.out, self.settings, self.say = out, settings, say

    def checkpoint(self, step: int) -> Path:
        """The file of a step's networks."""
        return self.out / f"checkpoint-{step:07d}.safetensors"

    def state(self, step: int) -> Path:
        """The file that a step goes on from."""
        return self.out / f"state-{step:07d}.safetensors"

    def make(self, clean: bool) -> None:
        """The folder. clean: without the half files of a run that was killed. Raises OutputError where it cannot be."""
        try:
            (self.out / "samples").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{self.out} cannot be made ({error.strerror}). Choose another `out`.") from error
        for half in self.out.glob(".*.partial") if clean else ():
            half.unlink()

    def save(self, networks: Networks, learned: Learned, progress: Progress, processes: int) -> None:
        """Checkpoint, state and record of a step. Raises OutputError where the disk is full."""
        from safetensors.torch import save_file

        settings = plain(self.settings)
        about = {"step": str(progress.step), "seconds": repr(progress.seconds), "settings": json.dumps(settings)}
        about["record"] = json.dumps(progress.curve)
        with written_whole(self.checkpoint(progress.step), _ADVICE) as partial:
            save_networks(partial, networks)
        with written_whole(self.state(progress.step), _ADVICE) as partial:
            save_file(learned.tensors(), partial, about)
        record = {
            "settings": settings,
            "steps": progress.step,
            "seconds": round(progress.seconds, 1),
            "processes": processes,
            "curve": progress.curve,
        }
        write_whole(self.out / "record.json", json.dumps(record, indent=1))
        for kind in ("checkpoint", "state"):
            for old in sorted(self.out.glob(f"{kind}-*.safetensors"))[: -self.settings.keep]:
                old.unlink()

    def resume(self, learned: Learned) -> Progress:
        """What is learned set to the newest whole state, and how far that is; step 0 where there is none.

        Raises InputError where it was made with other settings, CheckpointError where its networks differ in size.
        """
        from safetensors import SafetensorError, safe_open

        for path in sorted(self.out.glob("state-*.safetensors"), reverse=True):
            try:
                with loading(path, "State", CheckpointError, "The one before is taken.", more=(SafetensorError,)):
                    about = safetensors_header(path, MOST_WEIGHTS, _HEADER).metadata
                    before = dict(parse_json(about["settings"].encode()))
                    curve = list(parse_json(about["record"].encode()))
                    progress = Progress(int(about["step"]), float(about["seconds"]), curve)
                    with safe_open(path, "pt") as file:
                        tensors = {key: file.get_tensor(key) for key in file.keys()}
            except CheckpointError as error:
                self.say(str(error))
                continue
            self._check_same(before, path)
            learned.restore(tensors, progress.step, path)
            self.say(f"going on from step {progress.step}")
            return progress
        return Progress()

    def _check_same(self, before: dict, path: Path) -> None:
        now = json.loads(json.dumps(plain(self.settings)))
        # A setting that came later than the checkpoint had its default then.
        before = json.loads(json.dumps(plain(TrainSettings(self.settings.stage, "", "")))) | before
        changed = [key for key in now if key not in _MAY_CHANGE and now[key] != before.get(key)]
        if changed:
            listed = ", ".join(f"{key} was {before.get(key)!r}, is {now[key]!r}" for key in changed)
            raise InputError(
                f"{path} was made with other settings: {listed}. Set them back to go on, or choose another `out`."
            )
