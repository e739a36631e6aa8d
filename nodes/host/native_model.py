"""The denoiser as ComfyUI's MODEL: in a class of core's, so that its samplers, patchers and wrappers take it."""

from __future__ import annotations

import functools
from collections.abc import Hashable

import comfy.latent_formats
import comfy.model_base
import comfy.model_sampling
import comfy.patcher_extension
import comfy.supported_models_base
import comfy.utils
import torch
from comfy_api.torch_helpers.torch_compile import TORCH_COMPILE_KWARGS
from torch import Tensor, nn

from ...followemoji_core.diffusion.schedule import SETTINGS, TRAIN_TIMESTEPS
from ...followemoji_core.errors import InputError
from ...followemoji_core.model.config import LATENT_CELL, LATENT_SCALE
from ...followemoji_core.model.denoiser import Denoiser
from .memory import activations
from .native_conds import KEY, HalfCond, frames_of

_WANTED = "Connect positive and negative of Apply Follow-Your-Emoji, made with this model, to the sampler."


class LatentFormat(comfy.latent_formats.SD15):
    """SD 1.5's latents, with as many channels as the checkpoint has; colours (c + 1, 3): what they look like, about,
    in [0,1]; None: as SD 1.5's do."""

    def __init__(self, channels: int, colours: Tensor | None):
        super().__init__(LATENT_SCALE)
        self.latent_channels = channels
        if channels != comfy.latent_formats.SD15.latent_channels:
            self.taesd_decoder_name, self.latent_rgb_factors = None, None
        if colours is not None:
            table = (colours.float() * 2).tolist()  # core's colours are in [-1,1]
            self.latent_rgb_factors, self.latent_rgb_factors_bias = table[:-1], [value - 1 for value in table[-1]]
            self.taesd_decoder_name = None


class Config(comfy.supported_models_base.BASE):
    """What core asks a model's configuration for: the published schedule (v, zero terminal SNR), no network of its own.

    Core writes 4.9e-8 where the last alpha_bar is 0, and so a sigma of 4,519 where it is infinite.
    """

    unet_config = {"disable_unet_model_creation": True}
    unet_extra_config = {}
    sampling_settings = dict(
        beta_schedule="linear",  # core's name of "scaled_linear"
        linear_start=SETTINGS["beta_start"],
        linear_end=SETTINGS["beta_end"],
        timesteps=TRAIN_TIMESTEPS,
        zsnr=True,
    )

    def process_unet_state_dict_for_saving(self, state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
        """The keys of our files, so that Load Follow-Your-Emoji Model takes what Save Model wrote."""
        return comfy.utils.state_dict_prefix_replace(state_dict, {"": "denoiser."})


class DiffusionModel(nn.Module):
    """The denoiser with the call that core makes. Its parts are the network's own, under the same names: keys of LoRAs
    and of saved files are the published ones."""

    def __init__(self, network: Denoiser, dtype: torch.dtype):
        super().__init__()
        self._modules, self._parameters, self._buffers = network._modules, network._parameters, network._buffers
        vars(self)["network"] = network  # not as a part, which would put its name before every key
        self.dtype = dtype

    def forward(self, x, timesteps, context=None, control=None, transformer_options=None, **conds) -> Tensor:
        """x (halves * frames,c,h,w), noisy, scaled; timesteps (rows,) -> v like x. conds: KEY, a HalfCond for each."""
        options = transformer_options or {}
        _check_patches(options)
        wrappers = comfy.patcher_extension.get_all_wrappers(comfy.patcher_extension.WrappersMP.DIFFUSION_MODEL, options)
        call = comfy.patcher_extension.WrapperExecutor.new_class_executor(self._predict, self, wrappers)
        return call.execute(x, timesteps, context, options, **conds)

    def _predict(self, x: Tensor, timesteps: Tensor, context, options: dict, **conds) -> Tensor:
        halves: tuple[HalfCond, ...] = conds[KEY]
        parts = x.chunk(len(halves))
        frames = frames_of(halves[0], len(parts[0]))
        if len(frames) > self.network.config.positions:
            raise InputError(
                f"{len(frames)} frames at once: this checkpoint can make {self.network.config.positions} together. Put "
                f"Context Windows (Manual) between model and sampler, with dim 0 and a context length of 16."
            )
        clip = halves[0].half.clip
        features, ways = self._given(halves, frames, x)
        covered = None if clip.covered is None else clip.covered[frames].to(x)
        if all(torch.equal(part, parts[0]) for part in parts[1:]):  # as core makes them: one stem for all
            return self.network(parts[0], timesteps[:1], features, ways, covered=covered)
        alone = (
            self.network(part, timesteps[:1], features, [way], covered=covered)
            for part, way in zip(parts, ways, strict=True)
        )
        return torch.cat(list(alone))

    def _given(self, halves: tuple[HalfCond, ...], frames: list[int], x: Tensor) -> tuple[Tensor, list]:
        """Landmark features of the frames, and what each half is given of the portrait."""
        return halves[0].features(frames), [half.conditioning(self.network, x) for half in halves]


@functools.cache
def compile_the_network_alone() -> None:
    """From now on TorchCompileModel compiles the network, and not how its inputs are found, made and kept.

    Not said where they are defined, as torch's compiler takes a second to load.
    """
    for name, inside in (("forward", False), ("_predict", False), ("_given", True)):
        setattr(DiffusionModel, name, torch.compiler.disable(getattr(DiffusionModel, name), recursive=inside))


class NativeModel(comfy.model_base.BaseModel):
    """Core's model around the denoiser. It knows no clip: appearance and landmarks come with the conditioning, so that
    one model serves several in a graph."""

    def __init__(
        self, network: Denoiser, dtype: torch.dtype, compute: torch.dtype, device: torch.device, colours: Tensor | None
    ):
        # The number of channels is for FreeU, which else stops on its own, without a word that helps.
        config = Config(Config.unet_config | {"model_channels": network.config.channels[0]})
        config.set_inference_dtype(dtype, compute if compute != dtype else None)
        config.latent_format = LatentFormat(network.config.out_channels, colours)
        super().__init__(config, comfy.model_base.ModelType.V_PREDICTION, device=device)
        self.diffusion_model = DiffusionModel(network, dtype)

    def extra_conds(self, **kwargs) -> dict[str, HalfCond]:
        """Of one entry of a CONDITIONING, for noise (T,c,h,w). Raises InputError for entries that are not made with
        this model, for a schedule of another kind of model, and for latents that are not the clip's."""
        half, noise = kwargs.get(KEY), kwargs["noise"]
        if half is None:
            raise InputError(f"The model is Follow-Your-Emoji's, which reads no text. {_WANTED}")
        if not any(half.clip.encoder is patcher.model for patcher in self._beside()):
            raise InputError(f"The conditioning was made with another Follow-Your-Emoji model. {_WANTED}")
        if kwargs.get("control") is not None:
            raise InputError(
                "ControlNets do not work with Follow-Your-Emoji: landmarks take their place. Take Apply ControlNet out."
            )
        _check_schedule(self.model_sampling)
        if TORCH_COMPILE_KWARGS in self.current_patcher.model_options:
            compile_the_network_alone()
        _check_latents(tuple(noise.shape), (len(half.clip), *half.clip.latent_shape))
        dtype = self.manual_cast_dtype or self.get_dtype()
        features = half.clip.features(kwargs["device"], dtype)
        frames = torch.arange(len(half.clip))
        return {KEY: HalfCond(frames, half, kwargs["cross_attn"], features, self._revision)}

    def memory_required(self, input_shape, cond_shapes=None) -> int:
        """Bytes of activations for latents (rows,c,h,w)."""
        frames, *latent_shape = input_shape
        return activations(frames, tuple(latent_shape), self.manual_cast_dtype or self.get_dtype())

    def _beside(self) -> list:
        """Patchers that are loaded with this model: its landmark encoder, or that of the first of merged ones."""
        return self.current_patcher.get_additional_models_with_key(KEY)

    def _revision(self) -> Hashable | None:
        if self.current_patcher.current_hooks is not None:
            return None
        return (getattr(self, "current_weight_patches_uuid", None),)


def _check_patches(options: dict) -> None:
    """Raises InputError for changes inside of core's own UNet, which have no place in this network: ignored, a node
    that makes them would do nothing, without a word."""
    kinds = ("patches", "patches_replace")
    names = sorted(name for kind in kinds for name, there in options.get(kind, {}).items() if there)
    if names:
        raise InputError(
            f"A node between model and sampler changes the inside of ComfyUI's own UNet ({', '.join(names)}), and "
            f"Follow-Your-Emoji's network is another. Take that node out: FreeU, HyperTile, Kohya Deep Shrink, "
            f"attention guidance (PAG, SAG, NAG), Hypernetwork, GLIGEN or IP-Adapter."
        )


def _check_schedule(sampling) -> None:
    """Raises InputError for a model_sampling with which the network's answer would be read as something else."""
    kinds = comfy.model_sampling.V_PREDICTION, comfy.model_sampling.ModelSamplingDiscrete
    if not all(isinstance(sampling, kind) for kind in kinds):
        raise InputError(
            "A Model Sampling node between model and sampler is for another kind of model. Take it out; or in Model "
            "Sampling Discrete choose v_prediction, with zsnr on."
        )


def _check_latents(got: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    """Shapes (T,c,h,w). Raises InputError where they differ, which says how."""
    if got == wanted:
        return
    if len(got) != 4 or got[1] != wanted[1]:
        raise InputError(
            f"The latents have the shape {got}; this checkpoint works on {wanted[1]} channels. Encode with the VAE of "
            f"Encode Portrait, or connect the latent of Apply Follow-Your-Emoji."
        )
    if got[0] != wanted[0]:
        raise InputError(
            f"There are {got[0]} latents and landmarks of {wanted[0]} frames. Connect the latent of Apply "
            f"Follow-Your-Emoji, or encode as many frames as the motion has."
        )
    sizes = (f"{shape[3] * LATENT_CELL}x{shape[2] * LATENT_CELL}" for shape in (got, wanted))
    raise InputError(
        "The latents are of {} pixels, portrait and landmarks of {}. Connect the latent of Apply Follow-Your-Emoji, or "
        "encode pictures of that size.".format(*sizes)
    )
