"""ComfyUI's progress bar, preview picture and Cancel, as the callbacks that the core's loops call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import comfy.latent_formats
import comfy.model_management as management
import comfy.utils
import latent_preview
import torch
from PIL import Image

from ...followemoji_core.walk.animate import Progress
from .loading import LoadedModel
from .user_settings import user_setting

Item = TypeVar("Item")
SETTING = "FollowEmoji.Preview"  # its id in ComfyUI's settings panel; web/preview_setting.js puts it there


def check_cancel() -> None:
    """Raises what ComfyUI raises when somebody pressed Cancel."""
    management.throw_exception_if_processing_interrupted()


def task_progress(total: int) -> Callable[[int], None]:
    """A callback for each item's index, from 0, that moves ComfyUI's progress bar and answers Cancel.

    total: of items; where it is only an estimate, the bar grows when there are more.
    """
    bar = comfy.utils.ProgressBar(max(total, 1))

    def on_item(index: int) -> None:
        management.throw_exception_if_processing_interrupted()
        bar.update_absolute(index + 1, max(total, index + 1))

    return on_item


def reported(frames: Iterable[Item], total: int) -> Iterator[Item]:
    """The frames, one by one, with a progress bar over `total` of them on the node; answers Cancel."""
    progress = task_progress(total)
    for index, frame in enumerate(frames):
        progress(index)
        yield frame


class Preview:
    """Quick pictures of latents, whatever ComfyUI's --preview-method says; the pack's own setting switches them off.

    A file's own table comes first, then the previewer that --preview-method names, then the table of SD 1.5.
    """

    def __init__(self, model: LoadedModel):
        self.on = bool(user_setting(SETTING, True))
        table, self._previewer = model.latent_rgb, None
        if self.on and table is None:
            latent_format = comfy.latent_formats.SD15()
            self._previewer = latent_preview.get_previewer(model.device, latent_format)
            factors = torch.tensor(latent_format.latent_rgb_factors)  # to colours in [-1,1]
            table = torch.cat([factors / 2, torch.full((1, 3), 0.5)])
        self._table = table

    def picture(self, latent: torch.Tensor) -> Image.Image | None:
        """One frame's latent (c,h,w) of unit variance -> a rough picture, 8 pixels a cell; None where there is none."""
        if not self.on or len(latent) != len(self._table) - 1:
            return None
        if self._previewer is not None:
            return self._previewer.decode_latent_to_preview(latent[None])
        table = self._table.to(latent)
        rgb = latent.movedim(0, -1) @ table[:-1] + table[-1]
        picture = Image.fromarray(rgb.clamp(0, 1).mul(255).byte().cpu().numpy())
        return picture.resize((rgb.shape[1] * 8, rgb.shape[0] * 8), Image.Resampling.BILINEAR)


class SamplingProgress:
    """ComfyUI's progress bar, preview picture and Cancel, as the sampler's two callbacks."""

    def __init__(self, model: LoadedModel):
        self._preview = Preview(model)
        self._bar: comfy.utils.ProgressBar | None = None

    def on_pass(self, done: int, total: int) -> None:
        """Before each of `total` passes through the denoiser; here Cancel is answered."""
        management.throw_exception_if_processing_interrupted()
        self._bar = self._bar or comfy.utils.ProgressBar(total)
        self._bar.update_absolute(done, total)

    def on_step(self, report: Progress) -> None:
        """After each step. The preview walks through the clip as the steps go on."""
        share = (report.step + 1) / report.steps
        picture = self._preview.picture(report.clean[round(share * (len(report.clean) - 1))])
        done = report.finished * report.steps + (report.step + 1) * report.together
        self._bar.update_absolute(done, report.windows * report.steps, jpeg(picture))


def jpeg(picture: Image.Image | None) -> tuple[str, Image.Image, int] | None:
    """What a progress bar takes as a preview: format, picture, longest side in pixels."""
    return picture and ("JPEG", picture, latent_preview.MAX_PREVIEW_RESOLUTION)
