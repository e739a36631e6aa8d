"""The portrait: framed, and read by VAE, CLIP and appearance net."""

from __future__ import annotations

from typing import get_args

import comfy.model_management as management
import numpy as np
import torch
from comfy_api.v0_0_2 import io

from ..followemoji_core.errors import InputError
from ..followemoji_core.face.crop import ROOM, Framing, crop_portrait
from ..followemoji_core.face.motion import stack_frames
from ..followemoji_core.model.config import LATENT_CELL
from ..followemoji_core.walk.appearance import read_appearance
from .host.encoders import encode_picture
from .host.loading import LoadedModel
from .host.memory import put_on_device
from .host.pictures import one_picture
from .sockets import Appearance, Model, Motion, schema


class PreparePortrait(io.ComfyNode):
    """image IMAGE (1,h,w,C), face FaceMotion of one frame -> IMAGE (1,height,width,3) and its FaceMotion.

    Raises InputError unless there is one picture, one face, and both sides are multiples of 8.
    """

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "FollowEmojiPreparePortrait",
            "Frame Portrait",
            ["crop face", "resize portrait", "prepare portrait"],
            description="Brings the portrait to the size of the video, framed around the face, and moves its "
            "landmarks along.",
            inputs=[
                io.Image.Input("image", tooltip="The portrait: one picture of any size."),
                Motion.Input("face", tooltip="Its face, from Extract Face Landmarks on the same picture."),
                io.Int.Input(
                    "width", default=512, min=64, max=2048, step=8, tooltip="Width of the video; 512 as trained."
                ),
                io.Int.Input(
                    "height", default=512, min=64, max=2048, step=8, tooltip="Height of the video; 512 as trained."
                ),
                io.Combo.Input(
                    "framing",
                    options=list(get_args(Framing)),
                    default="face",
                    tooltip="face: cut around the face, as the networks know it from training. fill: the middle of "
                    "the picture. fit: the whole picture with black bars (published).",
                ),
                io.Float.Input(
                    "room",
                    default=ROOM,
                    min=1.2,
                    max=6.0,
                    step=0.1,
                    tooltip="Height of the cut in face heights, for framing by face. Raise it for hair, hats and wide "
                    "moves.",
                ),
            ],
            outputs=[
                io.Image.Output("portrait", display_name="portrait", tooltip="The picture to animate."),
                Motion.Output("portrait_face", display_name="face", tooltip="Its face."),
            ],
        )

    @classmethod
    def execute(cls, image, face, width: int, height: int, framing: str, room: float) -> io.NodeOutput:
        picture = one_picture(image, "portrait")
        for name, side in (("width", width), ("height", height)):
            if side % LATENT_CELL:
                low = side // LATENT_CELL * LATENT_CELL
                raise InputError(f"The {name} is {side}; it must be a multiple of 8. Set {low} or {low + LATENT_CELL}.")
        if len(face) != 1:
            raise InputError(f"The portrait's landmarks have {len(face)} frames. Extract them from the single picture.")
        pixels, moved = crop_portrait(picture[0].float().cpu().numpy(), face.frame(0), (width, height), framing, room)
        portrait = torch.from_numpy(np.ascontiguousarray(pixels))[None]
        return io.NodeOutput(portrait, stack_frames([moved], face.fps))


class EncodeAppearance(io.ComfyNode):
    """image IMAGE (1,H,W,C) -> Appearance, on the device where ComfyUI keeps results.

    Raises InputError unless there is one picture with sides that are multiples of 8, and VAE and image encoder fit
    the checkpoint.
    """

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "FollowEmojiEncodePortrait",
            "Encode Portrait",
            ["appearance net", "reference net", "identity"],
            description="What the sampler needs to know of the portrait: the appearance net's features and CLIP's "
            "tokens. Computed once per portrait.",
            inputs=[
                io.Vae.Input("vae", tooltip="An SD 1.5 VAE, such as sd-vae-ft-mse."),
                io.ClipVision.Input(
                    "clip_vision",
                    tooltip="The image encoder of SD image-variations (sd-image-variations-encoder-fp16); for the "
                    "small model the loader's own image encoder.",
                ),
                io.Image.Input(
                    "image", tooltip="The portrait from Frame Portrait, with sides that are multiples of 8."
                ),
                Model.Input("model", tooltip="From Load Follow-Your-Emoji Model."),
            ],
            outputs=[Appearance.Output("appearance", display_name="appearance", tooltip="For the sampler.")],
        )

    @classmethod
    def execute(cls, vae, clip_vision, image, model: LoadedModel) -> io.NodeOutput:
        picture = one_picture(image, "portrait")
        if clip_vision is None:
            raise InputError(
                "This checkpoint brings no image encoder of its own. Connect Load CLIP Vision with "
                "sd-image-variations-encoder-fp16.safetensors instead of the loader's image encoder."
            )
        height, width = picture.shape[1:3]
        if height % LATENT_CELL or width % LATENT_CELL:
            raise InputError(
                f"The portrait is {width}x{height} pixels; both sides must be multiples of {LATENT_CELL}. "
                f"Put Frame Portrait before this node."
            )
        latents = encode_picture(vae, picture)
        tokens = clip_vision.encode_image(picture)["last_hidden_state"]
        put_on_device([model.appearance_net], 1, tuple(latents.shape[1:]), model.dtype)
        where = dict(device=model.device, dtype=model.dtype)
        appearance = read_appearance(model.appearance_net.model, latents.to(**where), tokens.to(**where))
        return io.NodeOutput(appearance.to(management.intermediate_device()))
