"""The portrait: framed, and read by VAE, CLIP and appearance net."""

from __future__ import annotations

from typing import get_args

import comfy.model_management as management
import numpy as np
import torch
from comfy_api.v0_0_2 import io

from ..followemoji_core.errors import InputError
from ..followemoji_core.face.cover import face_cover
from ..followemoji_core.face.crop import (
    ROOM,
    Framing,
    check_same_picture,
    cut_out,
    frame_clip,
    frame_portrait,
    shown_box,
)
from ..followemoji_core.face.motion import stack_frames
from ..followemoji_core.face.paste import Paster
from ..followemoji_core.face.patch import PasteOptions, Patch
from ..followemoji_core.model.config import LATENT_CELL
from ..followemoji_core.small import SMALL_SIDE
from ..followemoji_core.walk.appearance import read_appearance
from .host.encoders import encode_picture
from .host.loading import LoadedModel
from .host.memory import put_on_device
from .host.notice import tell
from .host.pictures import one_picture
from .host.progress import reported
from .host.stitcher import stitcher
from .sockets import Appearance, BoundingBox, Crop, Model, Motion, Stitcher, schema


class PreparePortrait(io.ComfyNode):
    """image IMAGE (1,h,w,C), face FaceMotion of one frame -> IMAGE (1,height,width,3) and its FaceMotion; the Crop, its
    face as MASK (1,height,width) in it and (1,h,w) in the picture, and its box. A clip of T pictures and faces: T.

    Raises InputError unless there are as many pictures as faces, and both sides are multiples of 8.
    """

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "FollowEmojiPreparePortrait",
            "Frame Portrait",
            ["crop face", "resize portrait", "prepare portrait"],
            description="Cuts the portrait around the face, at the size of the video, and moves its landmarks along. "
            "Connect portrait to Encode Portrait, and face to Align Motion.",
            inputs=[
                io.Image.Input(
                    "image",
                    tooltip="The portrait: one picture of any size. A clip works too, with the landmarks of the same "
                    "clip: the face is then followed.",
                ),
                Motion.Input("face", tooltip="The landmarks of the same picture, from Extract Face Landmarks."),
                io.Int.Input(
                    "width",
                    default=512,
                    min=64,
                    max=2048,
                    step=8,
                    tooltip="Width of the video in pixels. The released model was trained with 512; less takes less "
                    "memory.",
                ),
                io.Int.Input(
                    "height",
                    default=512,
                    min=64,
                    max=2048,
                    step=8,
                    tooltip="Height of the video in pixels. The released model was trained with 512; less takes less "
                    "memory.",
                ),
                io.Combo.Input(
                    "framing",
                    options=list(get_args(Framing)),
                    default="face",
                    tooltip="face: around the face, as the model expects it. fill: the middle of the picture. fit: the "
                    "whole picture, with black bars, as in the paper's code. centred: as face, but the face stays in "
                    "the middle; if the crop reaches beyond the picture, the colours of its edge go on.",
                ),
                io.Float.Input(
                    "room",
                    default=ROOM,
                    min=1.2,
                    max=6.0,
                    step=0.1,
                    tooltip="Height of the crop in face heights, for the framings face and centred. Raise it for hair, "
                    "hats and large moves.",
                ),
                io.Boolean.Input(
                    "upright",
                    default=False,
                    optional=True,
                    tooltip="Turns the crop so that the eyes are level, as in the pictures the model was trained with. "
                    "Paste Back turns it back.",
                ),
            ],
            outputs=[
                io.Image.Output(
                    "portrait",
                    display_name="portrait",
                    tooltip="The framed portrait, for Encode Portrait or Warp Preview.",
                ),
                Motion.Output("portrait_face", display_name="face", tooltip="Its landmarks, for Align Motion."),
                Crop.Output("crop", display_name="crop", tooltip="Where the face was cut, for Paste Back."),
                io.Mask.Output(
                    "crop_mask", display_name="mask", tooltip="White: the face with some hair, in the framed portrait."
                ),
                io.Mask.Output(
                    "picture_mask",
                    display_name="mask in picture",
                    tooltip="White: what Paste Back would change, in the whole picture.",
                ),
                BoundingBox.Output(
                    "box", display_name="box", tooltip="The part of the picture that is shown, as a bounding box."
                ),
                Stitcher.Output(
                    "stitcher",
                    display_name="stitcher",
                    tooltip="For the node Inpaint Stitch of the pack Inpaint-CropAndStitch, if it is installed. Not "
                    "for a crop that is turned.",
                ),
            ],
        )

    @classmethod
    def execute(
        cls, image, face, width: int, height: int, framing: str, room: float, upright: bool = False
    ) -> io.NodeOutput:
        for name, side in (("width", width), ("height", height)):
            if side % LATENT_CELL:
                low = side // LATENT_CELL * LATENT_CELL
                raise InputError(f"The {name} is {side}; it must be a multiple of 8. Set {low} or {low + LATENT_CELL}.")
        if len(face) == 1:
            picture = one_picture(image, "portrait")[0].float().cpu().numpy()
            framed = frame_portrait(picture, face.frame(0), (width, height), framing, room, upright)
            pictures, moved, crop = [framed.picture], stack_frames([framed.face], face.fps), framed.crop
        else:
            pictures, moved, crop = cls._clip(image, face, (width, height), framing, room, upright)
        portrait = torch.from_numpy(np.ascontiguousarray(np.stack(pictures)))
        masks = _masks(crop, face.fps)
        boxes = [dict(zip(("x", "y", "width", "height"), shown_box(crop, i), strict=True)) for i in _frames(crop)]
        where = boxes if len(boxes) > 1 else boxes[0]
        return io.NodeOutput(portrait, moved, crop, *masks, where, stitcher(image, crop, masks[0]))

    @classmethod
    def _clip(cls, image, face, size: tuple[int, int], framing: str, room: float, upright: bool):
        """Pictures, FaceMotion and Crop of a clip."""
        if len(image) != len(face):
            raise InputError(
                f"There are {len(image)} pictures and landmarks of {len(face)} frames. For a portrait, extract the "
                f"landmarks from the single picture; for a clip, from that clip."
            )
        moved, crop = frame_clip(face, size, framing, room, upright)
        clip = image.expand(-1, -1, -1, 3) if image.shape[-1] == 1 else image[..., :3]
        check_same_picture(clip[0], face.size)
        cut = (cut_out(each.float().cpu().numpy(), crop, framing, index) for index, each in enumerate(clip))
        return list(reported(cut, len(clip))), moved, crop


def _frames(crop) -> range:
    return range(crop.frames or 1)


def _masks(crop, fps: float) -> tuple[torch.Tensor, torch.Tensor]:
    """MASK of the face in the crop, of each frame that the face was framed by; and in the picture, as Paste Back would
    cover it, one or one a frame."""
    options = PasteOptions(match_colours=False)
    paster = Paster([Patch(crop)], crop.picture_size, options, fps)
    count = len(crop.points) if crop.points.ndim == 3 else 1
    (width, height), (wide, tall) = crop.size, crop.picture_size
    own, whole = torch.empty(count, height, width), torch.empty(len(_frames(crop)), tall, wide)
    for index in reported(range(count), count):
        own[index] = torch.from_numpy(face_cover(crop, options.margin, options.feather, index))
        if index < len(whole):
            whole[index] = torch.from_numpy(paster.mask(index))
    return own, whole


class EncodeAppearance(io.ComfyNode):
    """image IMAGE (1,H,W,C) -> Appearance, on the device where ComfyUI keeps results. A picture larger than the small
    model knows is said on the node and in the log.

    Raises InputError unless there is one picture with sides that are multiples of 8, and VAE and image encoder fit
    the checkpoint.
    """

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "FollowEmojiEncodePortrait",
            "Encode Portrait",
            ["appearance net", "reference net", "identity"],
            description="Reads how the portrait looks, for the sampler. This is done once for each portrait. Connect "
            "the result to a sampler, Long Video or Apply Follow-Your-Emoji.",
            inputs=[
                io.Vae.Input(
                    "vae",
                    tooltip="The VAE, which turns pictures into latents and back. Any SD 1.5 VAE, such as "
                    "sd-vae-ft-mse.",
                ),
                io.ClipVision.Input(
                    "clip_vision",
                    tooltip="From Load CLIP Vision, with sd-image-variations-encoder-fp16. For the small model: image "
                    "encoder of Load Follow-Your-Emoji Model.",
                ),
                io.Image.Input(
                    "image", tooltip="The portrait, from Frame Portrait. Both sides must be multiples of 8 pixels."
                ),
                Model.Input("model", tooltip="From Load Follow-Your-Emoji Model."),
            ],
            outputs=[
                Appearance.Output(
                    "appearance",
                    display_name="appearance",
                    tooltip="What was read of the portrait, for a sampler or Long Video.",
                )
            ],
            hidden=[io.Hidden.unique_id],
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
        told = tell("Encode Portrait", getattr(cls.hidden, "unique_id", None), _too_large(model, width, height))
        latents = encode_picture(vae, picture)
        tokens = clip_vision.encode_image(picture)["last_hidden_state"]
        put_on_device([model.appearance_net], 1, tuple(latents.shape[1:]), model.dtype)
        where = dict(device=model.device, dtype=model.dtype)
        appearance = read_appearance(model.appearance_net.model, latents.to(**where), tokens.to(**where))
        return io.NodeOutput(appearance.to(management.intermediate_device()), ui=told)


def _too_large(model: LoadedModel, width: int, height: int) -> list[str]:
    """What is to be said before a long run for nothing."""
    if not model.small or max(width, height) <= SMALL_SIDE:
        return []
    return [
        f"The small model knows pictures of {SMALL_SIDE}x{SMALL_SIDE} pixels, and this portrait is {width}x{height}: "
        f"it takes long and comes out wrong. Set size of Drawn Portrait, or width and height of Frame Portrait, to "
        f"{SMALL_SIDE}; or load the released model."
    ]
