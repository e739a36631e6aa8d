"""The denoiser as ComfyUI's MODEL, with what its own samplers need beside it."""

from __future__ import annotations

import comfy.model_management as management
import torch
from comfy_api.v0_0_2 import io

from ..followemoji_core.diffusion.covering import covered_input
from ..followemoji_core.diffusion.schedule import TRAIN_TIMESTEPS, trailing_timesteps
from ..followemoji_core.errors import InputError, check_range
from ..followemoji_core.model.config import LATENT_SCALE
from ..followemoji_core.walk.animate import plan_job
from ..followemoji_core.walk.settings import Settings
from .host.loading import LoadedModel
from .host.native_conds import KEY, Clip, Half
from .host.pictures import checked_landmarks
from .sockets import Aligned, Appearance, Model, schema, steps_input


class ApplyNative(io.ComfyNode):
    """Appearance, landmarks as AlignedMotion (T) or IMAGE (T,H,W,C) -> MODEL, CONDITIONING with and without the
    portrait, LATENT (T,c,h,w) of zeros or of the known frames, with a noise mask that keeps those.

    Raises InputError where portrait, landmarks, checkpoint and known frames do not go together.
    """

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "FollowEmojiApply",
            "Apply Follow-Your-Emoji",
            ["native model", "ksampler", "model", "lora", "context windows", "easycache"],
            description="Prepares ComfyUI's own samplers: gives the model, what tells it the portrait and the motion "
            "(positive, negative), and a latent for each frame. Connect all four outputs to KSampler. LoRAs, context "
            "windows, caches and merges go between model and sampler.",
            inputs=[
                Model.Input("model", tooltip="From Load Follow-Your-Emoji Model."),
                Appearance.Input("appearance", tooltip="The portrait, from Encode Portrait."),
                io.MultiType.Input(
                    "landmarks",
                    types=[Aligned, io.Image],
                    tooltip="The aligned motion, from Align Motion; or landmark images of your own, one a frame.",
                ),
                io.Latent.Input(
                    "known_frames",
                    optional=True,
                    tooltip="Optional: latents of frames that you have already, from VAE Encode: one for each frame of "
                    "the motion, or only the known ones in their order. Needs known_mask.",
                ),
                io.Mask.Input(
                    "known_mask",
                    optional=True,
                    tooltip="Optional: which frames are known, as one mask for each frame of the motion. White: known "
                    "and kept. Black: made new.",
                ),
            ],
            outputs=[
                io.Model.Output(
                    "native", display_name="model", tooltip="The model, for KSampler and every node that takes a model."
                ),
                io.Conditioning.Output(
                    "positive", display_name="positive", tooltip="For positive of the sampler: with the portrait."
                ),
                io.Conditioning.Output(
                    "negative",
                    display_name="negative",
                    tooltip="For negative of the sampler: without the portrait, with the same landmarks.",
                ),
                io.Latent.Output(
                    "latent",
                    display_name="latent",
                    tooltip="For latent_image of the sampler: a latent for each frame, empty or with the known frames.",
                ),
            ],
        )

    @classmethod
    def execute(cls, model: LoadedModel, appearance, landmarks, known_frames=None, known_mask=None) -> io.NodeOutput:
        landmarks = checked_landmarks(landmarks)
        config = model.network.config
        plan_job(config, appearance, landmarks, Settings(window_length=min(16, config.positions), overlap=0))
        shape = (len(landmarks), *appearance.latent_shape)
        latent, covered = _known(known_frames, known_mask, shape)
        clip = Clip(
            landmarks, model.landmark_encoder.model, appearance.latent_shape, covered if config.takes_covered else None
        )
        positive = [[appearance.tokens, {KEY: Half(clip, appearance.features)}]]
        negative = [[torch.zeros_like(appearance.tokens), {KEY: Half(clip, None)}]]
        return io.NodeOutput(model.denoiser.clone(), positive, negative, latent)


def _known(frames, mask, shape: tuple[int, int, int, int]) -> tuple[dict, torch.Tensor | None]:
    """LATENT and MASK of known frames, for a clip's latents of `shape` (T,c,h,w) -> the LATENT to begin from, and what
    the denoiser is told, (T,c+1,h,w) scaled; None without known frames. Raises InputError where they do not fit."""
    count = shape[0]
    samples = torch.zeros(shape, device=management.intermediate_device())
    if frames is None and mask is None:
        return {"samples": samples}, None
    if frames is None or mask is None:
        raise InputError(
            "Connect both known_frames, from VAE Encode, and known_mask, which says which they are; or neither."
        )
    masks = mask.reshape(-1, *mask.shape[-2:]).float()
    if len(masks) != count:
        raise InputError(
            f"The known mask has {len(masks)} frames, the motion has {count}. Give a mask for each frame, white where "
            f"it is known."
        )
    known = masks.flatten(1).mean(1).cpu() > 0.5
    given, wanted = frames["samples"], int(known.sum())
    if wanted in (0, count):
        which = "No frame is known" if wanted == 0 else "All frames are known: there is nothing to make"
        raise InputError(f"{which}. In the known mask, white is known and black is made.")
    if tuple(given.shape[1:]) != shape[1:] or len(given) not in (count, wanted):
        raise InputError(
            f"The known frames have the shape {tuple(given.shape)}; wanted are {wanted} or {count} latents of "
            f"{shape[1:]}. Encode pictures of the video's size with the VAE of Encode Portrait."
        )
    samples[known] = (given if len(given) == wanted else given[known]).to(samples)
    made = (~known).to(samples)[:, None, None, None].expand(-1, 1, *shape[2:])
    return {"samples": samples, "noise_mask": made}, covered_input(samples.cpu() * LATENT_SCALE, known)


class PublishedSigmas(io.ComfyNode):
    """MODEL with a table of sigmas -> SIGMAS (steps + 1,), the last 0.

    Raises InputError for a model of another kind of schedule, and settings out of range.
    """

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "FollowEmojiSigmas",
            "Follow-Your-Emoji Schedule",
            ["sigmas", "scheduler", "trailing", "zero terminal snr"],
            description="Gives the noise schedule of the paper's code: how much noise is left after each step, from "
            "nothing but noise on. Connect it to sigmas of SamplerCustomAdvanced.",
            inputs=[
                io.Model.Input("native", display_name="model", tooltip="From Apply Follow-Your-Emoji."),
                steps_input(),
                io.Float.Input(
                    "denoise",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="How much is made new; 1 is all. Lower it for latents that are pictures already: then only "
                    "the last part of a longer schedule is used.",
                ),
            ],
            outputs=[
                io.Sigmas.Output(
                    "sigmas", display_name="sigmas", tooltip="The schedule, for sigmas of SamplerCustomAdvanced."
                )
            ],
        )

    @classmethod
    def execute(cls, native, steps: int, denoise: float) -> io.NodeOutput:
        check_range("denoise", denoise, (0.0, 1.0))
        table = getattr(native.get_model_object("model_sampling"), "sigmas", ())
        if len(table) != TRAIN_TIMESTEPS:
            raise InputError(
                f"The model's schedule has {len(table)} noise levels, {TRAIN_TIMESTEPS} are needed. Connect the model "
                f"of Apply Follow-Your-Emoji."
            )
        if denoise == 0:
            return io.NodeOutput(torch.zeros(0))
        total = min(int(steps / denoise), TRAIN_TIMESTEPS)
        levels = [float(table[timestep]) for timestep in trailing_timesteps(total)]
        return io.NodeOutput(torch.tensor([*levels, 0.0])[-(steps + 1) :])
