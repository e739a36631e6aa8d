"""The training loop (paper 5.1): one settings file, one process or many, and after a kill on from where it was.

OUT/checkpoint-STEP.safetensors   averaged weights, which the ComfyUI loader and `animate` take as they are
OUT/state-STEP.safetensors        parameters, averages and moments, to go on from; the newest `keep` of both stay
OUT/samples/STEP.png              portrait, landmarks, what is sampled of them, the truth
OUT/record.json, OUT/logs         settings, steps and wall time; TensorBoard
"""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from ..encoders.image_encoder import OwnImageEncoder
from ..errors import InputError, MissingDependencyError
from ..face.opencv import opencv
from ..walk.animate import Host
from ..walk.studio import Studio
from .batches import Batch, Batches
from .cast_ops import PRECISIONS
from .frozen_encoders import FrozenEncoders
from .optimizers import rate_share, set_rate, split_optimizers
from .sample_grid import sample_grid
from .saved_state import Learned, Progress, RunFolder
from .settings import TrainSettings
from .shards import find_clips
from .trainee import build_trainee
from .weight_average import WeightAverage

Say = Callable[[str], None]


def train(settings: TrainSettings, folder: Path, say: Say = lambda line: None) -> Path:
    """Run or continue a stage; returns the last checkpoint. `folder`: what paths in the settings are relative to.

    Raises InputError for settings, clips or a folder that do not go together, and where the gradient is not finite;
    CheckpointError for files that do not fit; OutputError where the disk is full; MissingDependencyError.
    """
    return Trainer(settings, folder, say).run()


class Trainer:
    """A stage of training on this process's share of the samples; see `train`."""

    def __init__(self, settings: TrainSettings, folder: Path, say: Say):
        try:
            from accelerate import Accelerator
            from accelerate.utils import DistributedDataParallelKwargs
        except ImportError as error:
            raise MissingDependencyError("Training needs accelerate: pip install accelerate tensorboard") from error

        settings = as_launched(settings)
        if settings.threads:
            torch.set_num_threads(settings.threads)
        self.settings, self.say = settings, say
        self.run_folder = RunFolder(folder / settings.out, settings, say)
        unused = DistributedDataParallelKwargs(find_unused_parameters=True)
        self.accelerator = accelerator = Accelerator(mixed_precision="no", kwargs_handlers=[unused])
        clips = find_clips(folder / settings.data, say)
        self.batches = Batches(clips, settings, accelerator.process_index, accelerator.num_processes)
        self.encoders = FrozenEncoders(settings, folder, clips[0].latent_shape, accelerator.device)
        self.built = build_trainee(settings, folder, self.encoders.channels, self.encoders.token_width)
        if self.encoders.clip_vision is None and not hasattr(self.built.trainee, "image_encoder"):
            raise InputError("These networks read CLIP's tokens. Name CLIP in the settings (clip_vision = ...).")
        if settings.picture_weight:
            if self.encoders.codec is None:
                raise InputError("picture_weight compares decoded pictures. Name a VAE in the settings (vae = ...).")
            self.built.trainee.decode = self.encoders.codec.to_levels
        self.trainee, *self.optimizers = accelerator.prepare(
            self.built.trainee,
            *split_optimizers(
                self.built.trainee.named_parameters(),
                settings.learning_rate,
                muon=settings.optimizer == "muon",
                weight_decay=settings.weight_decay,
                fused=accelerator.device.type != "mps",
            ),
        )
        bare = accelerator.unwrap_model(self.trainee)
        learned = {name: parameter for name, parameter in bare.named_parameters() if parameter.requires_grad}
        average = WeightAverage(learned.values(), settings.ema) if settings.ema else None
        self.learned = Learned(learned, average, self.optimizers)
        self.progress = Progress()
        self.losses: list[Tensor] = []  # since the last entry of the curve

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes and says."""
        return self.accelerator.is_main_process

    # The loop.

    def run(self) -> Path:
        """All steps that are left; returns the last checkpoint. Raises what `train` does, and after Ctrl-C
        KeyboardInterrupt, once the step is saved."""
        settings = self.settings
        self.run_folder.make(clean=self.leads)
        self.progress = progress = self.run_folder.resume(self.learned)
        self._check_together()
        board = self._open_board() if self.leads else None
        feed = _feed(self.batches, progress.step * settings.accumulation)
        started, before = time.monotonic(), progress.seconds
        with _interruptible() as interrupted, board or nullcontext():
            while progress.step < settings.steps:
                self._step(feed)
                progress.step += 1
                progress.seconds = before + time.monotonic() - started
                ends = progress.step == settings.steps
                if progress.step % settings.log_every == 0 or ends:
                    self._log(board)
                if progress.step % settings.sample_every == 0 or ends:
                    self._sample(board)
                if (progress.step % settings.save_every == 0 or ends or interrupted) and self.leads:
                    networks = self.built.in_use(self.learned.in_use())
                    self.run_folder.save(networks, self.learned, progress, self.accelerator.num_processes)
                if interrupted:
                    raise KeyboardInterrupt
        self.accelerator.wait_for_everyone()
        return self.run_folder.checkpoint(progress.step)

    def _check_together(self) -> None:
        mine = torch.tensor([self.progress.step], device=self.accelerator.device)
        if len(found := set(self.accelerator.gather(mine).tolist())) > 1:
            raise InputError(
                f"The processes go on from different steps: {sorted(found)}. `out` must be one folder that all "
                f"machines see."
            )

    def _step(self, feed: Iterator[Batch]) -> None:
        settings, accelerator, step = self.settings, self.accelerator, self.progress.step
        set_rate(
            self.optimizers, settings.learning_rate * rate_share(step, settings.steps, settings.warmup, settings.decay)
        )
        for micro in range(settings.accumulation):
            batch = next(feed)
            last = micro + 1 == settings.accumulation
            with nullcontext() if last else accelerator.no_sync(self.trainee):
                losses = self.trainee(batch, *self.encoders.latents(batch), self.encoders.tokens(batch))
                accelerator.backward(losses[0] / settings.accumulation)
            self.losses.append(losses.detach().cpu())
        norm = accelerator.clip_grad_norm_(list(self.learned.parameters.values()), settings.clip_norm)
        if not math.isfinite(float(norm)):
            raise InputError(
                f"The gradient is not finite at step {step + 1}. Lower learning_rate, or set precision to fp32; the "
                f"newest checkpoint is from before."
            )
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        if self.learned.average:
            self.learned.average.follow()

    # What is shown.

    def _open_board(self):
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            self.say("TensorBoard is not installed: curves go to record.json alone (pip install tensorboard).")
            return None
        return SummaryWriter(str(self.run_folder.out / "logs"), purge_step=self.progress.step)

    def _log(self, board) -> None:
        """An entry of the curve: the losses since the last one, averaged over all processes."""
        mean = sum(self.losses, torch.zeros(4)) / len(self.losses)
        self.losses.clear()
        means = self.accelerator.reduce(mean.to(self.accelerator.device), "mean").tolist()
        if not self.leads:
            return
        step, seconds = self.progress.step, self.progress.seconds
        scalars = dict(zip(("loss", "diffusion", "expression", "face"), means, strict=True))
        self.progress.curve.append({"step": step, **{key: round(value, 5) for key, value in scalars.items()}})
        if board is not None:
            for name, value in scalars.items():
                board.add_scalar(f"loss/{name}" if name != "loss" else "loss", value, step)
            board.add_scalar("learning_rate", self.optimizers[0].param_groups[0]["lr"], step)
        losses = ", ".join(f"{name} {value:.4f}" for name, value in scalars.items())
        self.say(f"step {step}: {losses}; {seconds / max(step, 1):.2f} s a step")

    def _sample(self, board) -> None:
        """A grid of the first samples of the run, where there is a VAE to show it."""
        encoders, device = self.encoders, self.accelerator.device
        if not self.leads or encoders.codec is None:
            return
        networks = self.built.in_use(self.learned.in_use(), device)
        token_encoder = encoders.clip_vision or OwnImageEncoder(networks.image_encoder)
        studio = Studio(networks, encoders.codec, token_encoder, Host(device))
        batch = self.batches.at(0)
        grid = sample_grid(studio, batch, encoders.latents(batch)[1])
        opencv().imwrite(str(self.run_folder.out / "samples" / f"{self.progress.step:07d}.png"), grid[..., ::-1])
        if board is not None:
            board.add_image("samples", grid, self.progress.step, dataformats="HWC")


def as_launched(settings: TrainSettings) -> TrainSettings:
    """The settings with the precision that `accelerate launch --mixed_precision` asks for; "no" is also what it says
    when nobody asked. Raises InputError for one that these runs cannot train in."""
    asked = os.environ.get("ACCELERATE_MIXED_PRECISION", "no").lower()
    if asked == "no":
        return settings
    if asked not in PRECISIONS:
        raise InputError(
            f"accelerate was launched with --mixed_precision {asked}; these runs compute in bf16, or with `no` in what "
            f"`precision` in the settings says."
        )
    return replace(settings, precision=asked)


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


def _feed(batches: Batches, step: int) -> Iterator[Batch]:
    """Batches, drawn one ahead in a thread: reading and drawing release the interpreter."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(batches.at, step)
        while True:
            batch = coming.result()
            step += 1
            coming = pool.submit(batches.at, step)
            yield batch
