"""Clips of any length: planned coarse to fine, made window by window, kept as they are finished, streamed to a file."""

from __future__ import annotations

import logging
from pathlib import Path

import folder_paths
import torch
from comfy_api.v0_0_2 import InputImpl, io

from ..followemoji_core.diffusion.progressive import KEYFRAMES
from ..followemoji_core.diffusion.sampler import CARRIERS
from ..followemoji_core.errors import InputError, check_range
from ..followemoji_core.face.patch import PasteOptions, Patch
from ..followemoji_core.files import check_place
from ..followemoji_core.lock import only_one
from ..followemoji_core.media import WIDEST, even_sides, write_video
from ..followemoji_core.types import AlignedMotion
from ..followemoji_core.walk import given as outside
from ..followemoji_core.walk.animate import landmark_size, new_store, plan_job
from ..followemoji_core.walk.job import job_key, sweep, video_bytes
from ..followemoji_core.walk.settings import AUTO, PROGRESSIVE, WINDOWS, Settings
from .footage import written_sound
from .host.encoders import check_decoder, decode_frames, encode_given
from .host.job_progress import JobProgress
from .host.loading import LoadedModel
from .host.memory import activations
from .host.paths import new_video
from .host.pictures import checked_landmarks
from .host.progress import check_cancel
from .host.run import run
from .original import Original, open_original, pasted
from .sockets import Aligned, Appearance, Crop, Model, advanced, schema, solver_inputs, window_inputs

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
            description="Animates a clip of any length without filling the memory: first keyframes over the whole "
            "clip, then the frames between them. If it was stopped, run it again: it goes on after the last finished "
            "part. Connect it to Save Video.",
            inputs=[
                Appearance.Input("appearance", tooltip="The portrait, from Encode Portrait."),
                Model.Input("model", tooltip="From Load Follow-Your-Emoji Model."),
                io.Vae.Input(
                    "vae",
                    tooltip="The same VAE as for Encode Portrait. The frames are decoded straight into the video.",
                ),
                io.MultiType.Input(
                    "landmarks",
                    types=[Aligned, io.Image],
                    tooltip="The aligned motion, from Align Motion; or landmark images of your own, one a frame.",
                ),
                io.Float.Input(
                    "fps",
                    default=25.0,
                    min=1.0,
                    max=240.0,
                    tooltip="Frames per second of the video. Connect fps of Extract Face Landmarks to keep the speed "
                    "of the driving clip.",
                ),
                *solver_inputs(),
                io.Combo.Input(
                    "strategy",
                    options=list(WINDOWS),
                    default=PROGRESSIVE,
                    tooltip="How the clip is cut into windows, which are frames made together. progressive: keyframes "
                    "first, as in the paper; for clips of any length. The others hold the whole clip in memory and "
                    "are for comparison: gaussian and uniform as in the Sampler, plain without overlap.",
                ),
                advanced(
                    io.Combo.Input(
                        "keyframes",
                        options=list(KEYFRAMES),
                        default="even",
                        tooltip="Where the keyframes are. even: at equal distances, as in the paper. motion: closer "
                        "together where more happens.",
                    )
                ),
                advanced(
                    io.Combo.Input(
                        "known_frames",
                        options=[AUTO, *CARRIERS],
                        default=AUTO,
                        tooltip="How the model is told of frames that are made already. auto: as the checkpoint was "
                        "trained, the right choice for most. concat: as further channels, only for checkpoints "
                        "trained for it. replace: put into the picture that is being made, for any.",
                    )
                ),
                advanced(
                    io.Int.Input(
                        "resampling",
                        default=0,
                        min=0,
                        max=10,
                        tooltip="Extra passes in each step, for smoother joints between windows; each costs the time "
                        "of the step again. Only for known_frames replace, with scheduler ddim.",
                    )
                ),
                *window_inputs(shortest=3),
                io.Audio.Input("audio", optional=True, tooltip="Optional: the sound of the video, cut to its length."),
                io.Image.Input(
                    "given_frames",
                    optional=True,
                    tooltip="Optional: frames of this video that you have already, such as retouched ones, or the end "
                    "of another clip. They stay as they are; with progressive, the other frames are made to fit them.",
                ),
                io.String.Input(
                    "frame_numbers",
                    default="",
                    optional=True,
                    tooltip="Where the given frames belong: a number for each, counted from 0, such as 0, 40, -1. -1 "
                    "is the last frame.",
                ),
                Crop.Input(
                    "crop",
                    optional=True,
                    tooltip="Optional, together with original: crop of Frame Portrait. The face is put back, and the "
                    "video shows the whole picture.",
                ),
                io.MultiType.Input(
                    "original",
                    types=[io.Image, io.Video],
                    optional=True,
                    tooltip="Optional, together with crop: the whole picture that went into Frame Portrait. For more "
                    "settings, or several faces, use Paste Back.",
                ),
            ],
            outputs=[io.Video.Output("video", display_name="video", tooltip="The video, for Save Video.")],
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
        given_frames=None,
        frame_numbers: str = "",
        crop=None,
        original=None,
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
        numbers, pictures = _given(given_frames, frame_numbers, landmarks)
        plan = plan_job(model.network.config, appearance, landmarks, settings, numbers)
        check_range("fps", fps, (1.0, 240.0))
        check_decoder(vae, appearance.latent_shape[0])
        sound = written_sound(audio)
        whole, patch = _whole(crop, original, landmarks)
        path = new_video("followemoji/long")
        check_place(path, video_bytes(plan.frame_count, whole.size if whole else landmark_size(landmarks)))
        jobs = Path(folder_paths.get_user_directory()) / "followemoji" / "jobs"
        given = encode_given(vae, numbers, pictures) if numbers else None
        key = job_key(model.identity, model.dtype, settings, landmarks, appearance, given)
        sweep(jobs, keep=(key,))
        with only_one(jobs / key):
            # 2. The plan, and what of it is there from before.
            store = new_store(plan.frame_count, appearance, settings, jobs / key)
            check_place(jobs / key / "latents", store.latents.nbytes)
            done = int(store.known.sum())
            memory = activations(plan.longest, appearance.latent_shape, model.dtype) + store.latents.nbytes
            memory += model.denoiser.model_size() + model.landmark_encoder.model_size()
            log.info(
                "Long video: %d frames in %d windows on %d levels, each frame computed %.2f times, about %d MiB%s.",
                plan.frame_count,
                len(plan.windows),
                len(plan.levels),
                plan.cost,
                memory >> 20,
                f"; {done} frames are there from before" if done else "",
            )
            # 3. Latents, then frames straight into the file.
            progress = JobProgress(model, plan, store, settings.steps, memory)
            run(model, appearance, landmarks, settings, lambda done, total: check_cancel(), progress, store, given)
            frames = decode_frames(vae, store.latents)
            frames = given.in_place(frames) if given else frames
            if whole is not None:
                made = pasted(whole, [patch], [frames], PasteOptions(), fps)[1]
                frames = (even_sides(full[..., :3]) for full, _, _ in made)
            written = write_video(path, frames, fps, sound)
            if written < plan.frame_count:
                raise InputError(
                    f"The original has {written} frames, the motion {plan.frame_count}: what is made does not fit into "
                    f"it. Connect a longer original, or one picture, and run again: nothing is sampled twice."
                )
            store.clear_up()
        return io.NodeOutput(InputImpl.VideoFromFile(str(path)))


def _whole(crop, original, landmarks) -> tuple[Original | None, Patch | None]:
    """What the face is put back into, and its place there; None where it is not. Raises InputError where crop and
    original do not go together, or the landmarks are not the crop's."""
    if crop is None and original is None:
        return None, None
    if crop is None or original is None:
        raise InputError("To put the face back, connect both crop and original; or neither.")
    if tuple(crop.size) != tuple(landmark_size(landmarks)):
        raise InputError(
            f"The crop has {crop.size[0]}x{crop.size[1]} pixels, the landmarks are of {landmark_size(landmarks)}. "
            "Connect the crop of the Frame Portrait that the motion was aligned to."
        )
    if crop.frames not in (None, len(landmarks)):
        raise InputError(f"The crop has {crop.frames} frames, the motion {len(landmarks)}. Trim one of them.")
    whole = open_original(original)
    if max(whole.size) > WIDEST:
        raise InputError(
            f"The original has {whole.size[0]}x{whole.size[1]} pixels; a video takes sides up to {WIDEST}. Leave crop "
            f"and original out here, and use Paste Back with a height."
        )
    if isinstance(original, torch.Tensor) and 1 < len(original) < len(landmarks):
        raise InputError(
            f"The original has {len(original)} frames, the motion {len(landmarks)}. Connect one picture, or as many."
        )
    patch = Patch(crop, landmarks if isinstance(landmarks, AlignedMotion) else None)
    pasted(whole, [patch], [], PasteOptions(), 25.0)  # what does not fit is refused before the work
    return whole, patch


def _given(images, text: str, landmarks) -> tuple[list[int], list[torch.Tensor]]:
    """IMAGE and their frame numbers -> both in the clip's order. Raises InputError where they do not fit it."""
    if images is None:
        if text.strip():
            raise InputError("There are frame numbers, but no given frames. Connect the pictures, or empty the field.")
        return [], []
    outside.check_given_size((images.shape[2], images.shape[1]), landmark_size(landmarks))
    numbers = outside.frame_numbers(text, len(landmarks), len(images))
    order = sorted(range(len(numbers)), key=numbers.__getitem__)
    return [numbers[index] for index in order], [images[index] for index in order]
