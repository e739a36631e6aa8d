"""Clips of any length: planned coarse to fine, made window by window, kept as they are finished, streamed to a file."""

from __future__ import annotations

import logging
from pathlib import Path

import folder_paths
from comfy_api.v0_0_2 import InputImpl, io

from ..followemoji_core.diffusion.progressive import KEYFRAMES
from ..followemoji_core.diffusion.sampler import CARRIERS
from ..followemoji_core.errors import check_range
from ..followemoji_core.files import check_place
from ..followemoji_core.media import write_video
from ..followemoji_core.walk.animate import landmark_size, new_store, plan_job
from ..followemoji_core.walk.job import job_key, only_one, sweep, video_bytes
from ..followemoji_core.walk.settings import AUTO, PROGRESSIVE, WINDOWS, Settings
from .footage import written_sound
from .host.encoders import check_decoder, decode_frames
from .host.job_progress import JobProgress
from .host.loading import LoadedModel
from .host.memory import activations
from .host.paths import new_video
from .host.pictures import checked_landmarks
from .host.progress import check_cancel
from .host.run import run
from .sockets import Aligned, Appearance, Model, advanced, schema, solver_inputs, window_inputs

log = logging.getLogger(__name__)


class LongVideo(io.ComfyNode):
    """Appearance, landmarks as AlignedMotion (T) or IMAGE (T,H,W,C) -> VIDEO of T frames, a file in the temp folder.

    Raises InputError where portrait, landmarks, checkpoint, VAE, sound and settings do not go together, OutputError
    where temp or user folder cannot be written to or the disk lacks room: before anything is sampled.
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
                    options=list(WINDOWS),
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
        settings = Settings(
            steps=steps,
            guidance=guidance,
            scheduler=scheduler,
            seed=seed,
            windows=strategy,
            window_length=window_length,
            overlap=overlap,
            shared_noise=shared_noise,
            keyframes=keyframes,
            known_frames=known_frames,
            resampling=resampling,
        )
        landmarks = checked_landmarks(landmarks)
        # 1. What can go wrong, before the work.
        plan = plan_job(model.denoiser.model.config, appearance, landmarks, settings)
        check_range("fps", fps, (1.0, 240.0))
        check_decoder(vae, appearance.latent_shape[0])
        sound = written_sound(audio)
        path = new_video("followemoji/long")
        check_place(path, video_bytes(plan.frame_count, landmark_size(landmarks)))
        jobs = Path(folder_paths.get_user_directory()) / "followemoji" / "jobs"
        key = job_key(model.identity, model.dtype, settings, landmarks, appearance)
        sweep(jobs, keep=(key,))
        with only_one(jobs / key):
            # 2. The plan, and what of it is there from before.
            store = new_store(plan.frame_count, appearance, settings, jobs / key)
            check_place(jobs / key / "latents", store.latents.nbytes)
            done = int(store.known.sum())
            memory = activations(plan.longest, appearance.latent_shape, model.dtype) + store.latents.nbytes
            memory += model.denoiser.model_size() + model.landmark_encoder.model_size()
            log.info(
                "Long video: %d frames in %d windows on %d levels, %.2f frames evaluated per frame, about %d MiB%s.",
                plan.frame_count,
                len(plan.windows),
                len(plan.levels),
                plan.cost,
                memory >> 20,
                f"; {done} frames are there from before" if done else "",
            )
            # 3. Latents, then frames straight into the file.
            progress = JobProgress(model, plan, store, settings.steps, memory)
            run(model, appearance, landmarks, settings, lambda done, total: check_cancel(), progress, store)
            write_video(path, decode_frames(vae, store.latents), fps, sound)
            store.clear_up()
        return io.NodeOutput(InputImpl.VideoFromFile(str(path)))
