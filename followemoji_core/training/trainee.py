"""The networks of a training run, and the loss of one batch: the figure of paper 4.2 and 4.3 in one forward pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from ..diffusion.covering import COVERED_CHANNELS, covered_input
from ..diffusion.schedule import NoiseLevel, alphas_cumprod
from ..errors import CheckpointError, InputError
from ..model.attention import Attention, FeedForward
from ..model.blocks import Resnet
from ..model.conditioning import condition
from ..model.config import ImageEncoderConfig, LandmarkEncoderConfig, UNetConfig
from ..model.denoiser import Denoiser
from ..model.ops import TORCH
from ..model.temporal import MotionModule
from ..model.weights.build import Networks
from ..model.weights.files import find_files
from ..model.weights.fill import grow_input, read_checkpoint
from ..model.weights.parts import PARTS
from ..model.weights.read import read_tensors
from ..types import AppearanceFeatures
from .batches import Batch
from .cast_ops import CAST, PRECISIONS
from .critic import Critic, balance, critic_losses
from .loss import facial_loss, picture_loss
from .remembered import Remembered
from .settings import ModelSettings, TrainSettings

_APART = 8  # every so many frames are decoded for the picture loss
_CRITIC = 0.05  # of the critic's own loss: small beside the others where gradients are clipped together


class Trainee(nn.Module):
    """All networks under one roof. `dtype`: of what flows through them; parameters are float32. decode: latents
    (n,c,h,w) to levels (n,3,H,W), for the picture loss alone; set where there is a VAE."""

    decode: Callable[[Tensor], Tensor] | None = None

    def __init__(self, networks: Networks, settings: TrainSettings):
        super().__init__()
        for part, network in vars(networks).items():
            if network is not None:
                self.add_module(part, network)
        if settings.critic_weight:
            self.critic = Critic()
        self.settings = settings
        self.dtype = PRECISIONS[settings.precision]
        self.register_buffer("alphas_cumprod", alphas_cumprod(), persistent=False)
        self.remembered = Remembered(settings.remember << 20)
        chosen = _trained(settings)
        for name, parameter in self.named_parameters():
            parameter.requires_grad_(chosen(name))
        if settings.gradient_checkpointing:
            _checkpoint_activations(self)

    @property
    def networks(self) -> Networks:
        """The same networks, as they are handed around."""
        return Networks(self.denoiser, self.appearance_net, self.landmark_encoder, getattr(self, "image_encoder", None))

    def forward(self, batch: Batch, portrait_latents: Tensor, latents: Tensor, tokens: Tensor | None) -> Tensor:
        """Losses (4,): total, diffusion, expression, face.

        portrait_latents (n,c,h,w), latents (n*k,c,h,w): scaled to unit variance, of n clips with k frames each; tokens
        (n,m,width) of CLIP, None where the networks bring their own image encoder.
        """
        settings, dtype, device = self.settings, self.dtype, latents.device
        shown, mapped, timesteps = (part.to(device) for part in (batch.shown, batch.mapped, batch.timesteps))
        # 1. The portrait: tokens and features, and neither for some.
        own = () if tokens is None else (tokens,)
        tokens, *maps = self._made("appearance_net", self._read, batch.portraits, portrait_latents, *own)
        appearance = AppearanceFeatures(tuple(maps))
        tokens = tokens.to(dtype) * shown[:, None, None]
        # 2. Noise, the same timestep for the frames of a clip.
        noise = batch.noise(latents)
        level = NoiseLevel.of(self.alphas_cumprod[timesteps].repeat_interleave(len(latents) // len(timesteps)))
        # 3. What the clip itself is known by: landmarks, and latents that are not covered.
        (features,) = self._made("landmark_encoder", self._look, batch.landmark_images)
        covered = None
        if self.denoiser.config.takes_covered:
            covered = covered_input(latents, batch.known.to(device)).to(dtype)
        prediction = self.denoiser(
            latents=level.noisy(latents, noise).to(dtype),
            timestep=timesteps,
            landmark_features=features,
            halves=(condition(self.denoiser, tokens, appearance, None if batch.mapped.all() else mapped),),
            clips=len(timesteps),
            covered=covered,
        )
        loss = facial_loss(
            prediction=prediction.float(),
            clean=latents,
            noise=noise,
            level=level,
            expression_mask=batch.masks[0].to(device),
            face_mask=batch.masks[1].to(device),
            weights=(settings.expression_weight, settings.face_weight),
        )
        total = loss.total
        if settings.picture_weight:
            few = slice(int(batch.timesteps[0]) % min(_APART, len(latents)), None, _APART)
            true, made = self.decode(latents[few]) / 255, self.decode(loss.recovered[few]) / 255
            distance = picture_loss(made, true)
            total = total + settings.picture_weight * distance
            if settings.critic_weight:
                fooled, own = critic_losses(self.critic, made, true)
                share = settings.picture_weight * settings.critic_weight * balance(distance, fooled, made)
                total = total + share * fooled + _CRITIC * own
        return torch.stack([total, loss.diffusion, loss.expression, loss.face])

    def _made(self, part: str, make, *rows: Tensor) -> tuple[Tensor, ...]:
        """make(*rows), from memory where the part does not learn and there is room."""
        if any(parameter.requires_grad for parameter in getattr(self, part).parameters()):
            return make(*rows)
        with torch.no_grad():
            return self.remembered(make, *rows) if self.settings.remember else make(*rows)

    def _read(self, portraits: Tensor, latents: Tensor, tokens: Tensor | None = None) -> tuple[Tensor, ...]:
        """Image tokens (n,m,width), and the appearance net's maps."""
        if tokens is None:
            tokens = self.image_encoder(_pixels(portraits, latents.device, self.dtype))
        tokens = chosen_tokens(tokens, self.settings.tokens).to(self.dtype)
        return tokens, *self.appearance_net(latents.to(self.dtype), tokens).maps

    def _look(self, images: Tensor) -> tuple[Tensor]:
        """Landmark features (n,channels,h,w)."""
        return (self.landmark_encoder(_pixels(images, self.alphas_cumprod.device, self.dtype)).contiguous(),)


def chosen_tokens(tokens: Tensor, which: str) -> Tensor:
    """Image tokens (n,m,width) as `tokens` of the settings says: all, their mean (n,1,width), or zeros."""
    if which == "mean":
        return tokens.mean(1, keepdim=True)
    return torch.zeros_like(tokens) if which == "none" else tokens


def _pixels(pictures: Tensor, device, dtype: torch.dtype) -> Tensor:
    """(n,H,W,3) uint8 -> (n,3,H,W) in [0,1], channels last in memory as they came: full size layers are faster so."""
    return pictures.to(device).movedim(-1, 1).to(dtype) / 255


def _trained(settings: TrainSettings):
    """Paper 5.1: stage 1 all but the temporal layers, stage 2 these, and the input that learns what is covered; or
    whole networks, where they are so small that fewer layers learn less."""

    def chosen(name: str) -> bool:
        if name.startswith("critic."):
            return True
        temporal = "motion_modules" in name
        if settings.stage == 1:
            return not temporal
        if name.startswith("appearance_net."):
            return settings.whole_appearance
        if settings.whole_denoiser:
            return name.startswith("denoiser.")
        return temporal or (settings.covered and name.startswith("denoiser.conv_in"))

    return chosen


def _checkpoint_activations(trainee: nn.Module) -> None:
    """Gradient checkpointing: what these modules computed is computed again instead of kept."""
    from torch.utils.checkpoint import checkpoint

    for module in trainee.modules():
        if isinstance(module, (Resnet, MotionModule, FeedForward, Attention)):
            plain = module.forward

            def again(*inputs, plain=plain, **named):
                return checkpoint(plain, *inputs, use_reentrant=False, **named)

            module.forward = again


# --- building


@dataclass(frozen=True)
class Built:
    """trainee, and `motion`: temporal layers that stage 1 does not touch but its checkpoints carry on, by key."""

    trainee: Trainee
    motion: dict[str, Tensor]

    def in_use(self, values: dict[str, Tensor], device: torch.device | str = "cpu") -> Networks:
        """Copies of the networks as they are used: frozen, with plain layers, and with temporal ones in every stage.

        values: by the trainee's names and shaped as there, instead of the parameters that it has now.
        """
        state = {name: values.get(name, value).detach() for name, value in self.trainee.state_dict().items()}
        networks = {}
        for part, network in vars(self.trainee.networks).items():
            if network is None:
                continue
            own = {key.removeprefix(f"{part}."): v for key, v in state.items() if key.startswith(f"{part}.")}
            config = network.config
            if part == "denoiser" and self.motion:
                own |= self.motion
                table = next(value for key, value in own.items() if key.endswith("pos_encoder.pe"))
                config = replace(config, positions=table.shape[1])
            copy = type(network)(config)
            copy.load_state_dict(own)
            networks[part] = copy.eval().requires_grad_(False).to(device)
        return Networks(**networks)


def build_trainee(settings: TrainSettings, folder: Path, latent_channels: int, token_width: int | None) -> Built:
    """Networks from `settings.initial`, or from nothing. token_width: of CLIP, None without one.

    Raises CheckpointError for a file to start from that is missing, damaged or of other sizes, InputError for sizes in
    [model] that make no network.
    """
    torch.manual_seed(settings.seed)
    if settings.initial:
        states, configs = _read_initial(settings, folder)
    else:
        states, configs = {}, _new_configs(settings.model, latent_channels, token_width)
        if settings.initial_unet:
            states = _read_unet(folder / settings.initial_unet, configs)
    if settings.new_projector and states:
        _renew_projector(states, configs, settings.model)
    config = configs["denoiser"]
    if config.out_channels != latent_channels:
        raise CheckpointError(
            f"{settings.initial} works on latents of {config.out_channels} channels, the clips have {latent_channels}. "
            f"Encode them with the autoencoder that belongs to it."
        )
    wanted = latent_channels + (latent_channels + COVERED_CHANNELS) * settings.covered
    if states and config.in_channels < wanted:
        states["denoiser"] = grow_input(states["denoiser"], wanted)
    config = configs["denoiser"] = replace(config, in_channels=max(wanted, config.in_channels))
    networks: dict[str, nn.Module] = {part: PARTS[part].network(c, CAST) for part, c in configs.items()}
    for part, state in states.items():
        networks[part].load_state_dict(state, strict=False)  # complete, but for what is new: checked where it was read
    motion = _temporal_layers(networks["denoiser"], states.get("denoiser", {}), settings, folder)
    if settings.stage == 1:  # they take no part, and are carried along
        bare = Denoiser(replace(config, positions=0), CAST)
        bare.load_state_dict({k: v for k, v in networks["denoiser"].state_dict().items() if k not in motion})
        networks["denoiser"] = bare
    if not states:
        _share_queries(networks)
    return Built(Trainee(Networks(**networks), settings), motion if settings.stage == 1 else {})


@torch.no_grad()
def _temporal_layers(denoiser: Denoiser, given: dict, settings: TrainSettings, folder: Path) -> dict[str, Tensor]:
    """Of an AnimateDiff file, else of the checkpoint, else new ones that change nothing yet; set in the denoiser."""
    own = {key: value for key, value in denoiser.state_dict().items() if "motion_modules" in key}
    if not any(key in given for key in own):
        for key, value in own.items():
            if ".temporal_transformer.proj_out." in key:
                value.zero_()
    if settings.motion_module:
        file = read_tensors(folder / settings.motion_module)
        fits = {key: file[key] for key, value in own.items() if key in file and file[key].shape == value.shape}
        lacking = [key for key in own if key not in fits and not key.endswith("pos_encoder.pe")]
        if lacking:
            raise CheckpointError(
                f"{settings.motion_module} does not fill the temporal layers: of {len(own)} entries it has {len(fits)} "
                f"that fit, and lacks such as {lacking[0]}. Take the AnimateDiff module of this UNet "
                f"(mm_sd_v15_v2.ckpt for SD 1.5), and download it again if it is that."
            )
        denoiser.load_state_dict(fits, strict=False)
    return {key: value.detach().clone() for key, value in denoiser.state_dict().items() if key in own}


def _read_initial(settings: TrainSettings, folder: Path) -> tuple[dict, dict]:
    path = folder / settings.initial
    if not path.exists():
        raise CheckpointError(f"There is no {path} to start from. Check `initial` in the settings.")
    weights = read_checkpoint(find_files(path))
    states = {part: {key: value.float() if value.is_floating_point() else value for key, value in w.state.items()}
              for part, w in weights.items()}  # fmt: skip
    return states, {part: w.config for part, w in weights.items()}


_PROJECTORS = ("clip_fc.", "q_former.")
_NEW = ("motion_modules", *_PROJECTORS)  # what a UNet of Stable Diffusion has not


def _read_unet(path: Path, configs: dict) -> dict[str, dict[str, Tensor]]:
    """The same UNet for denoiser and appearance net, by part. Raises CheckpointError where it is no such UNet."""
    if not path.exists():
        raise CheckpointError(f"There is no {path} to start from. Check `initial_unet` in the settings.")
    file = {key: value.float() for key, value in read_tensors(path).items() if value.is_floating_point()}
    states = {}
    for part in ("denoiser", "appearance_net"):
        network = PARTS[part].network(configs[part], TORCH.on("meta")).state_dict()
        learned = {key: value for key, value in network.items() if value.is_floating_point()}
        wanted = {key: value for key, value in learned.items() if not any(new in key for new in _NEW)}
        lacking = [key for key, value in wanted.items() if key not in file or file[key].shape != value.shape]
        if lacking:
            raise CheckpointError(
                f"{path.name} does not fill the {PARTS[part].title}: {len(lacking)} of {len(wanted)} parameters are "
                f"missing or of another shape, such as {lacking[0]}. It must be a UNet in diffusers' layout "
                f"(unet/diffusion_pytorch_model.safetensors), of the sizes in [model]."
            )
        states[part] = {key: file[key] for key in wanted}
    return states


def _new_configs(model: ModelSettings, latent_channels: int, token_width: int | None) -> dict:
    config = UNetConfig(
        channels=model.channels,
        attention=model.attention,
        layers=model.layers,
        in_channels=latent_channels,
        out_channels=latent_channels,
        token_width=token_width or model.token_width,
        context_width=model.context_width,
        positions=model.positions,
        queries=model.queries,
        query_layers=model.query_layers,
        heads=model.heads,
        groups=model.groups,
        places=model.places,
    )
    if len(model.attention) != len(model.channels) or not model.attention[0]:
        raise InputError(
            f"[model] attention is {model.attention} for channels {model.channels}: one entry for each, the first true."
        )
    configs = {
        "denoiser": config,
        "appearance_net": replace(config, positions=0),
        "landmark_encoder": LandmarkEncoderConfig(model.landmark_widths, model.channels[0]),
    }
    if token_width is None:
        configs["image_encoder"] = ImageEncoderConfig(model.token_width, model.image_layers, size=model.image_size)
    return configs


def _renew_projector(states: dict, configs: dict, model: ModelSettings) -> None:
    """Without what projected the image tokens, so that it starts from nothing, of the kind that [model] asks for."""
    for part in ("denoiser", "appearance_net"):
        states[part] = {k: v for k, v in states[part].items() if not k.startswith(_PROJECTORS)}
        configs[part] = replace(configs[part], queries=model.queries, query_layers=model.query_layers)


@torch.no_grad()
def _share_queries(networks: dict[str, nn.Module]) -> None:
    """From nothing, self-attention starts by looking where things are alike: queries equal keys."""
    for network in networks.values():
        for name, module in network.named_modules():
            if isinstance(module, Attention) and name.endswith("attn1"):
                module.to_q.weight.copy_(module.to_k.weight)
