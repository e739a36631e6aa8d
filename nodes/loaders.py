"""Load the networks."""

from __future__ import annotations

from comfy_api.v0_0_2 import io

from ..followemoji_core.model.weights.files import CheckpointFiles
from ..followemoji_core.model.weights.parts import CLIP_FC_NAME
from . import folders
from .host.encoders import OwnImageEncoder
from .host.loading import PRECISIONS, load_model
from .sockets import Model, advanced, schema


class LoadModel(io.ComfyNode):
    """File names in models/followemoji -> `LoadedModel`, and the file's own image encoder or None.

    Raises CheckpointError for a file that is absent, broken or lacks something; it says what to download.
    """

    @classmethod
    def define_schema(cls) -> io.Schema:
        files, with_denoiser = folders.options(), folders.options(folders.WITH_DENOISER)
        return schema(
            "FollowEmojiLoadModel",
            "Load Follow-Your-Emoji Model",
            ["load follow your emoji", "checkpoint", "referencenet", "unet"],
            description="Loads the denoiser, the appearance net and the landmark encoder from models/followemoji.",
            inputs=[
                io.Combo.Input(
                    "denoiser",
                    options=files,
                    default=folders.default(files, "FYE_unet-fp16.safetensors", "unet.pth"),
                    tooltip="The denoising UNet with its motion modules: unet.pth as released, "
                    "FYE_unet-fp16.safetensors, or one file that holds all three networks.",
                ),
                io.Combo.Input(
                    "appearance_net",
                    options=with_denoiser,
                    default=folders.default(with_denoiser, "FYE_referencenet-fp16.safetensors", "referencenet.pth"),
                    tooltip="The net that reads the portrait: referencenet.pth or FYE_referencenet-fp16.safetensors.",
                ),
                io.Combo.Input(
                    "landmark_encoder",
                    options=with_denoiser,
                    default=folders.default(with_denoiser, "lmk_guider.pth", "FYE_lmk_guider.safetensors"),
                    tooltip="The net that reads the landmark images: lmk_guider.pth or FYE_lmk_guider.safetensors.",
                ),
                io.Combo.Input(
                    "precision",
                    options=list(PRECISIONS),
                    default="auto",
                    tooltip="Number format of the weights in memory. auto: ComfyUI decides by your graphics card. Try "
                    "bf16 or fp32 if frames come out black.",
                ),
                *(
                    advanced(
                        io.Combo.Input(
                            name,
                            options=folders.options(folders.NONE),
                            default=folders.NONE,
                            tooltip=tooltip,
                        )
                    )
                    for name, tooltip in (
                        (
                            "clip_fc",
                            "Leave it at none: FYE_clip_fc.safetensors is found beside the denoiser. Name it if it "
                            "lies elsewhere and an error says that clip_fc is lacking.",
                        ),
                        (
                            "base_unet",
                            "UNet of SD image-variations, only if an error says that parameters are lacking.",
                        ),
                        ("motion_module", "mm_sd_v15_v2.ckpt of AnimateDiff, only if an error asks for it."),
                    )
                ),
            ],
            outputs=[
                Model.Output("model", display_name="model", tooltip="The networks, for the other nodes."),
                io.ClipVision.Output(
                    "image_encoder",
                    display_name="image encoder",
                    tooltip="For Encode Portrait, if the file brings an image encoder of its own, as the small model "
                    "does. The released weights have none: they need Load CLIP Vision.",
                ),
            ],
        )

    @classmethod
    def execute(
        cls,
        denoiser: str,
        appearance_net: str,
        landmark_encoder: str,
        precision: str,
        clip_fc: str = folders.NONE,
        base_unet: str = folders.NONE,
        motion_module: str = folders.NONE,
    ) -> io.NodeOutput:
        names = dict(
            denoiser=denoiser,
            appearance_net=appearance_net,
            landmark_encoder=landmark_encoder,
            clip_fc=clip_fc,
            base_unet=base_unet,
            motion_module=motion_module,
        )
        found = {part: folders.find(name) for part, name in names.items()}
        found["clip_fc"] = found["clip_fc"] or folders.beside(found["denoiser"], CLIP_FC_NAME)
        files = CheckpointFiles(**found)
        model = load_model(files, precision)
        return io.NodeOutput(model, OwnImageEncoder(model) if model.image_encoder else None)
