"""The denoising sampler."""

from __future__ import annotations

import torch
from comfy_api.v0_0_2 import io

from ..followemoji_core.diffusion.windows import STRATEGIES
from ..followemoji_core.walk.animate import LandmarkFeatures, SamplingSettings, denoise, plan_job
from .host.encoders import latent_output
from .host.loading import LoadedModel
from .host.memory import put_on_device
from .host.pictures import landmark_size
from .host.progress import SamplingProgress
from .sockets import Aligned, Appearance, Model, schema, solver_inputs, window_inputs


class SampleVideo(io.ComfyNode):
    """Appearance, landmarks as AlignedMotion (T) or IMAGE (T,H,W,C) -> LATENT (T,c,h,w), one for each frame.

    Raises InputError where portrait, landmarks, checkpoint and settings do not go together.
    """

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "FollowEmojiSampler",
            "Follow-Your-Emoji Sampler",
            ["sampler", "ksampler", "denoise", "animate portrait"],
            description="Makes the latents of the video, one per frame of the motion. Decode them with VAE Decode.",
            inputs=[
                Appearance.Input("appearance", tooltip="The portrait, from Encode Portrait."),
                Model.Input("model", tooltip="From Load Follow-Your-Emoji Model."),
                io.MultiType.Input(
                    "landmarks",
                    types=[Aligned, io.Image],
                    tooltip="The aligned motion, drawn when needed so that long clips take no memory; or landmark "
                    "images of your own.",
                ),
                *solver_inputs(),
                io.Combo.Input(
                    "windows",
                    options=list(STRATEGIES),
                    default="gaussian",
                    tooltip="Clips longer than one window. gaussian: overlapping windows melt into each other. "
                    "uniform: the published default, with hard borders and a last window that runs on into the clip's "
                    "start.",
                ),
                *window_inputs(shortest=2),
            ],
            outputs=[
                io.Latent.Output("latent", display_name="latent", tooltip="One latent per frame, for VAE Decode.")
            ],
        )

    @classmethod
    def execute(
        cls,
        appearance,
        model: LoadedModel,
        landmarks,
        seed: int,
        steps: int,
        guidance: float,
        scheduler: str,
        windows: str,
        window_length: int = 16,
        overlap: int = 4,
        shared_noise: float = 0.0,
    ) -> io.NodeOutput:
        settings = SamplingSettings(steps, guidance, scheduler, seed, windows, window_length, overlap, shared_noise)
        size = landmark_size(landmarks)
        if isinstance(landmarks, torch.Tensor):
            landmarks = landmarks[..., :3]
        plan = plan_job(model.denoiser.model.config, appearance, len(landmarks), size, settings)
        longest = max(len(window.frames) for window in plan.windows)
        put_on_device([model.denoiser, model.landmark_encoder], longest, appearance.latent_shape, model.dtype)
        features = LandmarkFeatures(model.landmark_encoder.model, landmarks, size, model.device, model.dtype)
        progress = SamplingProgress(model)
        latents = denoise(model.denoiser.model, features, appearance, settings, progress.on_step, progress.on_window)
        return io.NodeOutput(latent_output(latents))
