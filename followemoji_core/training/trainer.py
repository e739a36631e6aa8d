"""The training loop (paper 5.1): one settings file, one process or many, and after a kill on from where it was.

OUT/checkpoint-STEP.safetensors   averaged weights, which the ComfyUI loader and `animate` take as they are
OUT/state-STEP.safetensors        parameters, averages and moments, to go on from; the newest `keep` of both stay
OUT/samples/STEP.png              portrait, landmarks, what is made, the truth
OUT/record.json, OUT/logs         settings, steps and wall time; TensorBoard
"""

from __future__ import annotations

import json
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ..encoders.clip import open_clip_vision
from ..encoders.opening import open_codec
from ..errors import CheckpointError, InputError, MissingDependencyError, OutputError
from ..face.opencv import opencv
from ..files import write_whole, written_whole
from ..model.denoiser import Denoiser
from ..model.weights.build import Networks, save_networks
from ..walk.animate import SamplingSettings
from .batches import Batch, Batches
from .muon import Muon
from .sampling import Part, make
from .settings import TrainSettings, plain
from .shards import find_clips
from .trainee import build_trainee

_MAY_CHANGE = ("steps", "save_every", "keep", "log_every", "sample_every", "threads", "data", "out", "initial")
_MOMENTS = ("step", "exp_avg", "exp_avg_sq", "mean")  # what AdamW and Muon remember of a parameter
_SAMPLE_STEPS = 8
Say = Callable[[str], None]


def train(settings: TrainSettings, folder: Path, say: Say = lambda line: None) -> Path:
    """Run or continue a stage; returns the last checkpoint. `folder`: what paths in the settings are relative to."""
    return Trainer(settings, folder, say).run()


class Trainer:
    def __init__(self, settings: TrainSettings, folder: Path, say: Say):
        try:
            from accelerate import Accelerator
            from accelerate.utils import DistributedDataParallelKwargs
        except ImportError as error:
            raise MissingDependencyError("Training needs accelerate: pip install accelerate tensorboard") from error

        if settings.threads:
            torch.set_num_threads(settings.threads)
        self.settings, self.folder, self.say = settings, folder, say
        self.out = folder / settings.out
        unused = DistributedDataParallelKwargs(find_unused_parameters=True)
        self.accelerator = Accelerator(mixed_precision="no", kwargs_handlers=[unused])
        clips = find_clips(folder / settings.data)
        accelerator = self.accelerator
        self.batches = Batches(clips, settings, accelerator.process_index, accelerator.num_processes)
        self.codec = open_codec(folder / settings.vae).to(accelerator.device, torch.float32) if settings.vae else None
        shape = clips[0].latent_shape
        if shape is None and self.codec is None:
            raise InputError(
                "The clips carry no latents. Name a VAE in the settings (vae = ...), or run "
                "`python -m followemoji_core encode` on them."
            )
        clip = settings.clip_vision
        self.clip = open_clip_vision(folder / clip).to(accelerator.device, torch.float32) if clip else None
        built = build_trainee(
            settings, folder, shape[0] if shape else self.codec.channels, self.clip.width if self.clip else None
        )
        self.built = built
        if self.clip is None and not hasattr(built.trainee, "image_encoder"):
            raise InputError("These networks read CLIP's tokens. Name CLIP in the settings (clip_vision = ...).")
        self.trainee, *self.optimizers = accelerator.prepare(built.trainee, *_optimizers(built.trainee, settings))
        self.names = [name for name, p in self.bare.named_parameters() if p.requires_grad]
        self.learned = [p for p in self.bare.parameters() if p.requires_grad]
        self.average = [p.detach().clone() for p in self.learned] if settings.ema else []
        self.step, self.seconds = 0, 0.0
        self.record: list[dict[str, float]] = []

    @property
    def bare(self):
        return self.accelerator.unwrap_model(self.trainee)

    @property
    def leads(self) -> bool:
        return self.accelerator.is_main_process

    # The loop.

    def run(self) -> Path:
        settings, accelerator = self.settings, self.accelerator
        self._prepare_folder()
        self._resume()
        found = accelerator.gather(torch.tensor([self.step], device=accelerator.device)).tolist()
        if len(set(found)) > 1:
            raise InputError(
                f"The processes go on from different steps: {sorted(set(found))}. `out` must be one folder that all "
                f"machines see."
            )
        board = self._open_board() if self.leads else None
        feed = _feed(self.batches, self.step * settings.accumulation)
        started, sums, count = time.monotonic(), torch.zeros(4), 0
        before = self.seconds
        with _interruptible() as interrupted, board or nullcontext():
            while self.step < settings.steps:
                self._set_rate()
                for micro in range(settings.accumulation):
                    batch = next(feed)
                    last = micro + 1 == settings.accumulation
                    with nullcontext() if last else accelerator.no_sync(self.trainee):
                        losses = self.trainee(batch, *self._encoded(batch))
                        accelerator.backward(losses[0] / settings.accumulation)
                    sums += losses.detach().cpu()
                    count += 1
                norm = accelerator.clip_grad_norm_(self.learned, settings.clip_norm)
                if not math.isfinite(float(norm)):
                    raise InputError(
                        f"The gradient is not finite at step {self.step + 1}. Lower learning_rate, or set precision to "
                        f"fp32; the newest checkpoint is from before."
                    )
                for optimizer in self.optimizers:
                    optimizer.step()
                    optimizer.zero_grad(set_to_none=True)
                self._follow()
                self.step += 1
                self.seconds = before + time.monotonic() - started
                if self.step % settings.log_every == 0 or self.step == settings.steps:
                    means = accelerator.reduce((sums / count).to(accelerator.device), "mean").tolist()
                    self._log(board, dict(zip(("loss", "diffusion", "expression", "face"), means, strict=True)))
                    sums, count = torch.zeros(4), 0
                if self.step % settings.sample_every == 0 or self.step == settings.steps:
                    self._sample(board)
                if self.step % settings.save_every == 0 or self.step == settings.steps or interrupted:
                    self._save()
                if interrupted:
                    raise KeyboardInterrupt
        accelerator.wait_for_everyone()
        return self._checkpoint(self.step)

    def _set_rate(self) -> None:
        settings = self.settings
        rate = min((self.step + 1) / max(settings.warmup, 1), 1.0)
        if settings.decay == "cosine":
            rate *= 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * self.step / settings.steps))
        for group in (group for optimizer in self.optimizers for group in optimizer.param_groups):
            group["lr"] = settings.learning_rate * rate

    @torch.no_grad()
    def _follow(self) -> None:
        """The average of the parameters; young averages follow faster."""
        if self.average:
            decay = min(self.settings.ema, (1 + self.step) / (10 + self.step))
            torch._foreach_lerp_(self.average, self.learned, 1 - decay)

    def _encoded(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor | None]:
        """Latents of portraits and targets, and CLIP's tokens."""
        device = self.accelerator.device
        if batch.latents is not None:
            latents = batch.portrait_latents.to(device, torch.float32), batch.latents.to(device, torch.float32)
        else:
            latents = self.codec.encode(batch.portraits), self.codec.encode(batch.pictures)
        return *latents, self.clip.tokens(batch.portraits) if self.clip else None

    # What is kept.

    def _prepare_folder(self) -> None:
        try:
            (self.out / "samples").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{self.out} cannot be made ({error.strerror}). Choose another `out`.") from error
        if self.leads:
            for half in self.out.glob(".*.partial"):  # of a run that was killed while it wrote
                half.unlink()

    def _checkpoint(self, step: int) -> Path:
        return self.out / f"checkpoint-{step:07d}.safetensors"

    def _state(self, step: int) -> Path:
        return self.out / f"state-{step:07d}.safetensors"

    def _save(self) -> None:
        if not self.leads:
            return
        from safetensors.torch import save_file

        tensors = {f"parameter.{name}": p.detach() for name, p in zip(self.names, self.learned, strict=True)}
        if self.average:
            tensors |= {f"average.{name}": value for name, value in zip(self.names, self.average, strict=True)}
        for name, parameter in zip(self.names, self.learned, strict=True):
            for optimizer in self.optimizers:
                for key, value in optimizer.state.get(parameter, {}).items():
                    tensors[f"{key}.{name}"] = value
        tensors = {name: value.contiguous().cpu() for name, value in tensors.items()}
        about = {"step": str(self.step), "seconds": repr(self.seconds), "settings": json.dumps(plain(self.settings))}
        about["record"] = json.dumps(self.record)
        advice = "The checkpoints before are kept: make room, and run the same command to go on from them."
        with written_whole(self._checkpoint(self.step), advice) as partial:
            save_networks(partial, self._averaged())
        with written_whole(self._state(self.step), advice) as partial:
            save_file(tensors, partial, about)
        record = {
            "settings": plain(self.settings),
            "steps": self.step,
            "seconds": round(self.seconds, 1),
            "processes": self.accelerator.num_processes,
            "curve": self.record,
        }
        write_whole(self.out / "record.json", json.dumps(record, indent=1))
        for kind in ("checkpoint", "state"):
            for old in sorted(self.out.glob(f"{kind}-*.safetensors"))[: -self.settings.keep]:
                old.unlink()

    def _averaged(self, device: torch.device | str = "cpu") -> Networks:
        """The networks as they are used: averaged, and with temporal layers in every stage."""
        bare = self.bare
        values = dict(zip(self.names, self.average or self.learned, strict=True))
        state = {name: values.get(name, value).detach() for name, value in bare.state_dict().items()}
        networks = {}
        for part, network in vars(bare.networks).items():
            if network is None:
                continue
            own = {k.removeprefix(f"{part}."): v for k, v in state.items() if k.startswith(f"{part}.")}
            config = network.config
            if part == "denoiser" and self.built.motion:
                own |= self.built.motion
                table = next(value for key, value in own.items() if key.endswith("pos_encoder.pe"))
                config = type(config)(**{**asdict(config), "positions": table.shape[1]})
            copy = type(network)(config) if part != "denoiser" else Denoiser(config)
            copy.load_state_dict(own)
            networks[part] = copy.eval().requires_grad_(False).to(device)
        return Networks(**networks)

    def _resume(self) -> None:
        from safetensors import SafetensorError, safe_open

        for path in sorted(self.out.glob("state-*.safetensors"), reverse=True):
            try:
                with safe_open(path, "pt") as file:
                    about = file.metadata()
                    tensors = {key: file.get_tensor(key) for key in file.keys()}
            except (SafetensorError, OSError) as error:
                self.say(f"{path.name} is damaged ({error}); the one before is taken.")
                continue
            self._check_same(json.loads(about["settings"]), path)
            self._restore(tensors, path)
            self.step, self.seconds = int(about["step"]), float(about["seconds"])
            self.record = json.loads(about["record"])
            self.say(f"going on from step {self.step}")
            return

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

    @torch.no_grad()
    def _restore(self, tensors: dict[str, Tensor], path: Path) -> None:
        for index, (name, parameter) in enumerate(zip(self.names, self.learned, strict=True)):
            saved = tensors.get(f"parameter.{name}")
            if saved is None or saved.shape != parameter.shape:
                got = "nothing" if saved is None else tuple(saved.shape)
                raise CheckpointError(
                    f"{path} is of networks of another size: {name} is {tuple(parameter.shape)} here, {got} there. "
                    f"Choose another `out`, or the sizes that it was begun with."
                )
            parameter.copy_(saved)
            if self.average:
                self.average[index].copy_(tensors[f"average.{name}"])
            moments = {key: tensors[f"{key}.{name}"] for key in _MOMENTS if f"{key}.{name}" in tensors}
            for optimizer in self.optimizers:
                if moments and any(parameter is p for group in optimizer.param_groups for p in group["params"]):
                    optimizer.state[parameter] = {key: value.to(parameter.device) for key, value in moments.items()}

    # What is shown.

    def _open_board(self):
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            self.say("TensorBoard is not installed: curves go to record.json alone (pip install tensorboard).")
            return None
        return SummaryWriter(str(self.out / "logs"), purge_step=self.step)

    def _log(self, board, scalars: dict[str, float]) -> None:
        if not self.leads:
            return
        self.record.append({"step": self.step, **{key: round(value, 5) for key, value in scalars.items()}})
        if board is not None:
            for name, value in scalars.items():
                board.add_scalar(f"loss/{name}" if name != "loss" else "loss", value, self.step)
            board.add_scalar("learning_rate", self.optimizers[0].param_groups[0]["lr"], self.step)
        losses = ", ".join(f"{name} {value:.4f}" for name, value in scalars.items())
        self.say(f"step {self.step}: {losses}; {self.seconds / max(self.step, 1):.2f} s a step")

    @torch.no_grad()
    def _sample(self, board, count: int = 4) -> None:
        """A grid: portrait, landmarks, what is made of them, the truth; of the first samples of the run."""
        if not self.leads or self.codec is None:
            return
        batch = self.batches.at(0)
        _, latents, _ = encoded = self._encoded(batch)
        networks, targets = self._averaged(self.accelerator.device), len(batch.landmark_images) // len(batch.seeds)
        rows = []
        for clip in range(min(count, len(batch.seeds))):
            chosen = slice(clip * targets, (clip + 1) * targets)
            part = Part(batch.portraits[clip : clip + 1], encoded[0][clip : clip + 1], batch.landmark_images[chosen])
            tokens = encoded[2][clip : clip + 1] if encoded[2] is not None else None
            made = make(networks, part, self.codec, tokens, SamplingSettings(_SAMPLE_STEPS, 1.0, shared_noise=1.0))
            truth = self.codec.decode(latents[chosen])
            for index in range(min(targets, 4)):
                row = (part.portrait[0], part.images[index], made[index], truth[index])
                rows.append(np.concatenate([np.asarray(picture) for picture in row], axis=1))
        grid = np.concatenate(rows)
        opencv().imwrite(str(self.out / "samples" / f"{self.step:07d}.png"), grid[..., ::-1])
        if board is not None:
            board.add_image("samples", grid, self.step, dataformats="HWC")


def _optimizers(trainee: nn.Module, settings: TrainSettings) -> list[torch.optim.Optimizer]:
    learned = {name: p for name, p in trainee.named_parameters() if p.requires_grad}
    # Muon is for matrices between features; what meets pictures, latents or tables is left to AdamW.
    edges = ("conv_in.", "conv_out.", "places", "patches.", "queries")
    inner = [p for name, p in learned.items() if p.ndim > 1 and not any(edge in name for edge in edges)]
    inner = inner if settings.optimizer == "muon" else []
    within = {id(p) for p in inner}
    others = [p for p in learned.values() if id(p) not in within]
    rate, decay = settings.learning_rate, settings.weight_decay
    adamw = torch.optim.AdamW(others, rate, weight_decay=decay, fused=others[0].device.type != "mps")
    return [adamw, *([Muon(inner, rate, weight_decay=decay)] if inner else [])]


@contextmanager
def _interruptible() -> Iterator[list[int]]:
    """A list that Ctrl-C fills, so that a step is finished before the run stops; a second Ctrl-C acts at once."""
    asked: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return

    def ask(number: int, frame) -> None:
        asked.append(number)
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)


def _feed(batches: Batches, step: int):
    """Batches, made one ahead in a thread: reading and drawing release the interpreter."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(batches.at, step)
        while True:
            batch = coming.result()
            step += 1
            coming = pool.submit(batches.at, step)
            yield batch
