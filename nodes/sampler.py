"""The denoising sampler."""

from __future__ import annotations

from comfy_api.v0_0_2 import io

from ..followemoji_core.diffusion.windows import STRATEGIES
from ..followemoji_core.walk.settings import Settings
from .host.encoders import latent_output
from .host.loading import LoadedModel
from .host.pictures import checked_landmarks
from .host.progress import SamplingProgress
from .host.run import run
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
            description="Makes the video as latents, one for each frame of the motion. VAE Decode turns them into "
            "pictures. For long clips use Long Video.",
            inputs=[
                Appearance.Input("appearance", tooltip="The portrait, from Encode Portrait."),
                Model.Input("model", tooltip="From Load Follow-Your-Emoji Model."),
                io.MultiType.Input(
                    "landmarks",
                    types=[Aligned, io.Image],
                    tooltip="The aligned motion, from Align Motion; or landmark images of your own, one a frame.",
                ),
                *solver_inputs(),
                io.Combo.Input(
                    "windows",
                    options=list(STRATEGIES),
                    default="gaussian",
                    tooltip="How clips longer than one window are made; a window is frames made together. gaussian: "
                    "windows overlap and blend. uniform: as in the paper's code, with hard borders and a last window "
                    "that goes on into the start of the clip. plain: without overlap.",
                ),
                *window_inputs(shortest=2),
            ],
            outputs=[
                io.Latent.Output("latent", display_name="latent", tooltip="One latent for each frame, for VAE Decode.")
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
        settings = Settings(
            steps=steps,
            guidance=guidance,
            scheduler=scheduler,
            seed=seed,
            windows=windows,
            window_length=window_length,
            overlap=overlap,
            shared_noise=shared_noise,
        )
        progress = SamplingProgress(model)
        store = run(model, appearance, checked_landmarks(landmarks), settings, progress.on_pass, progress.on_step)
        return io.NodeOutput(latent_output(store.latents))
