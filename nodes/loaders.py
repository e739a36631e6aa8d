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
            description="Loads the model from models/followemoji: three networks, the denoiser, the appearance net and "
            "the landmark encoder. Connect it to Encode Portrait and to a sampler.",
            inputs=[
                io.Combo.Input(
                    "denoiser",
                    options=files,
                    default=folders.default(files, "FYE_unet-fp16.safetensors", "unet.pth"),
                    tooltip="The network that makes the frames: unet.pth or FYE_unet-fp16.safetensors; or one file "
                    "that holds all three networks.",
                ),
                io.Combo.Input(
                    "appearance_net",
                    options=with_denoiser,
                    default=folders.default(with_denoiser, "FYE_referencenet-fp16.safetensors", "referencenet.pth"),
                    tooltip="The network that reads the portrait: referencenet.pth or "
                    "FYE_referencenet-fp16.safetensors.",
                ),
                io.Combo.Input(
                    "landmark_encoder",
                    options=with_denoiser,
                    default=folders.default(with_denoiser, "lmk_guider.pth", "FYE_lmk_guider.safetensors"),
                    tooltip="The network that reads the landmark images: lmk_guider.pth or FYE_lmk_guider.safetensors.",
                ),
                io.Combo.Input(
                    "precision",
                    options=list(PRECISIONS),
                    default="auto",
                    tooltip="Number format of the model in memory. auto: ComfyUI chooses for your graphics card. Try "
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
                            "Leave it at none: FYE_clip_fc.safetensors is found beside the denoiser. Choose the file "
                            "only if an error says that clip_fc is missing.",
                        ),
                        (
                            "base_unet",
                            "Leave it at none, unless an error says that parameters are missing. Then choose the UNet "
                            "of SD image-variations.",
                        ),
                        (
                            "motion_module",
                            "Leave it at none, unless an error asks for it. Then choose mm_sd_v15_v2.ckpt of "
                            "AnimateDiff.",
                        ),
                    )
                ),
            ],
            outputs=[
                Model.Output("model", display_name="model", tooltip="The model, for Encode Portrait and the samplers."),
                io.ClipVision.Output(
                    "image_encoder",
                    display_name="image encoder",
                    tooltip="The model's own image encoder, for Encode Portrait. The small model has one; the released "
                    "model has none and needs Load CLIP Vision.",
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
