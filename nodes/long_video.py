"""Clips of any length: planned coarse to fine, made window by window, kept as they are finished, streamed to a file."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path

import comfy.model_management as management
import folder_paths
import torch
from comfy_api.v0_0_2 import InputImpl, io

from ..followemoji_core import __version__
from ..followemoji_core.diffusion.progressive import KEYFRAMES
from ..followemoji_core.diffusion.progressive_sampler import CARRIERS
from ..followemoji_core.diffusion.windows import STRATEGIES
from ..followemoji_core.media import write_video
from ..followemoji_core.walk.animate import LandmarkFeatures, SamplingSettings, denoise, plan_job
from ..followemoji_core.walk.animate_long import AUTO, LongSettings, denoise_long, plan_long
from ..followemoji_core.walk.latent_store import LatentStore, job_key, sweep
from .host.encoders import decode_frames
from .host.job_progress import JobProgress
from .host.loading import LoadedModel
from .host.memory import activations, put_on_device, windows_at_once
from .host.pictures import landmark_size
from .host.progress import SamplingProgress
from .sockets import Aligned, Appearance, Model, advanced, schema, solver_inputs, window_inputs

PROGRESSIVE = "progressive"
_MOST_AT_ONCE = 8  # windows
log = logging.getLogger(__name__)


class LongVideo(io.ComfyNode):
    """Appearance, landmarks as AlignedMotion (T) or IMAGE (T,H,W,C) -> VIDEO of T frames, a file in the temp folder.

    Raises InputError where portrait, landmarks, checkpoint and settings do not go together.
    """

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "FollowEmojiLongVideo",
            "Follow-Your-Emoji Long Video",
            ["long video", "progressive", "keyframes", "scheduler"],
            description="Animates a clip of any length: keyframes over the whole clip first, then what lies between. "
            "Memory does not grow with the length; a job that was stopped goes on from its last finished window.",
            inputs=[
                Appearance.Input("appearance", tooltip="The portrait, from Encode Portrait."),
                Model.Input("model", tooltip="From Load Follow-Your-Emoji Model."),
                io.Vae.Input("vae", tooltip="The VAE of Encode Portrait; frames are decoded straight into the video."),
                io.MultiType.Input(
                    "landmarks",
                    types=[Aligned, io.Image],
                    tooltip="The aligned motion, drawn when needed; or landmark images of your own.",
                ),
                io.Float.Input("fps", default=25.0, min=1.0, max=240.0, tooltip="Frames per second of the video."),
                *solver_inputs(),
                io.Combo.Input(
                    "strategy",
                    options=[PROGRESSIVE, *STRATEGIES],
                    default=PROGRESSIVE,
                    tooltip="progressive: the paper's, coarse to fine, every frame made once. The others are for "
                    "comparison and hold the whole clip: gaussian and uniform as published, plain without overlap.",
                ),
                advanced(
                    io.Combo.Input(
                        "keyframes",
                        options=list(KEYFRAMES),
                        default="even",
                        tooltip="even: as in the paper. motion: closer where more happens.",
                    )
                ),
                advanced(
                    io.Combo.Input(
                        "known_frames",
                        options=[AUTO, *CARRIERS],
                        default=AUTO,
                        tooltip="How a window is told of the frames at its ends. concat: beside the noise, for "
                        "checkpoints trained so. replace: within the noise, for any. auto: what the checkpoint takes.",
                    )
                ),
                advanced(
                    io.Int.Input(
                        "resampling",
                        default=0,
                        min=0,
                        max=10,
                        tooltip="Further passes of each step with replace: smoother joints, as much slower. ddim only.",
                    )
                ),
                *window_inputs(shortest=3),
                io.Audio.Input("audio", optional=True, tooltip="Sound of the video, cut to its length."),
            ],
            outputs=[io.Video.Output("video", display_name="video", tooltip="For Save Video.")],
        )

    @classmethod
    def execute(
        cls,
        appearance,
        model: LoadedModel,
        vae,
        landmarks,
        fps: float,
        seed: int,
        steps: int,
        guidance: float,
        scheduler: str,
        strategy: str,
        keyframes: str = "even",
        known_frames: str = AUTO,
        resampling: int = 0,
        window_length: int = 16,
        overlap: int = 4,
        shared_noise: float = 0.0,
        audio=None,
    ) -> io.NodeOutput:
        progressive = strategy == PROGRESSIVE
        windows = "gaussian" if progressive else strategy
        settings = SamplingSettings(steps, guidance, scheduler, seed, windows, window_length, overlap, shared_noise)
        long = LongSettings(keyframes, known_frames, resampling)
        size = landmark_size(landmarks)
        landmarks = landmarks if not isinstance(landmarks, torch.Tensor) else landmarks[..., :3]
        job = _Job(appearance, model, landmarks, size, settings, long)
        latents = job.progressive() if progressive else job.windowed()
        path = _video_path()
        sound = audio and (audio["waveform"][0].float().cpu().numpy(), int(audio["sample_rate"]))
        write_video(path, decode_frames(vae, latents), fps, sound)
        if progressive:
            job.store.forget()
        return io.NodeOutput(InputImpl.VideoFromFile(str(path)))


class _Job:
    def __init__(self, appearance, model: LoadedModel, landmarks, size, settings, long):
        self.appearance, self.model, self.landmarks, self.size = appearance, model, landmarks, size
        self.settings, self.long = settings, long

    def progressive(self) -> torch.Tensor:
        model, settings, appearance = self.model, self.settings, self.appearance
        config = model.denoiser.model.config
        plan = plan_long(config, appearance, self.landmarks, self.size, settings, self.long)
        put_on_device(self._patchers, settings.window_length, appearance.latent_shape, model.dtype)
        at_once = windows_at_once(appearance.latent_shape, model, _MOST_AT_ONCE)
        jobs = Path(folder_paths.get_user_directory()) / "followemoji" / "jobs"
        key = self._key()
        sweep(jobs, keep=(key,))
        self.store = LatentStore(plan.frame_count, appearance.latent_shape, jobs / key)
        done = int(self.store.known.sum())
        length = settings.window_length
        memory = activations(length * at_once(length), appearance.latent_shape, model.dtype)
        memory += sum(patcher.model_size() for patcher in self._patchers) + self.store.latents.nbytes
        log.info(
            "Long video: %d frames in %d windows on %d levels, %.2f frames evaluated per frame, about %d MiB%s.",
            plan.frame_count,
            len(plan.windows),
            len(plan.levels),
            plan.cost,
            memory >> 20,
            f"; {done} frames are there from before" if done else "",
        )
        progress = JobProgress(model, plan, self.store, settings.steps, memory)
        denoise_long(
            model.denoiser.model,
            self._features(),
            appearance,
            settings,
            self.long,
            plan,
            self.store,
            at_once,
            progress,
            management.throw_exception_if_processing_interrupted,
        )
        return self.store.latents

    def windowed(self) -> torch.Tensor:
        model, settings, appearance = self.model, self.settings, self.appearance
        plan = plan_job(model.denoiser.model.config, appearance, len(self.landmarks), self.size, settings)
        longest = max(len(window.frames) for window in plan.windows)
        put_on_device(self._patchers, longest, appearance.latent_shape, model.dtype)
        progress = SamplingProgress(model)
        return denoise(
            model.denoiser.model, self._features(), appearance, settings, progress.on_step, progress.on_window
        )

    @property
    def _patchers(self) -> list:
        return [self.model.denoiser, self.model.landmark_encoder]

    def _features(self) -> LandmarkFeatures:
        model = self.model
        return LandmarkFeatures(model.landmark_encoder.model, self.landmarks, self.size, model.device, model.dtype)

    def _key(self) -> str:
        """Everything that the frames depend on."""
        motion = self.landmarks if isinstance(self.landmarks, torch.Tensor) else self.landmarks.points
        seen = (self.appearance.tokens, *self.appearance.features.maps)
        settings = (vars(self.settings), vars(self.long), self.size)
        return job_key(__version__, self.model.identity, str(self.model.dtype), repr(settings), motion, seen)


def _video_path() -> Path:
    folder, name, counter, _, _ = folder_paths.get_save_image_path(
        "followemoji/long", folder_paths.get_temp_directory(), 0, 0
    )
    return Path(folder) / f"{name}_{counter:05}_{os.getpid()}_{time.monotonic_ns() % 10**6}.mp4"
