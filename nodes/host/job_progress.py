"""Progress of a long job: over windows and steps, the time that is left, and the clip filling in above its plan."""

from __future__ import annotations

import logging
import time

import comfy.utils
from PIL import Image, ImageDraw

from ...followemoji_core.diffusion.plan import WindowPlan
from ...followemoji_core.walk.animate import Progress
from ...followemoji_core.walk.latent_store import LatentStore
from .loading import LoadedModel
from .plan_picture import draw_plan
from .progress import Preview, jpeg

log = logging.getLogger(__name__)


class JobProgress:
    """What a job calls after each step of its windows, with a `Progress`.

    store: read for which windows are finished. steps: of each window. memory: bytes, for the text alone.
    """

    _SLOTS = (6, 2)  # thumbnails across and down: the clip's timeline

    def __init__(self, model: LoadedModel, plan: WindowPlan, store: LatentStore, steps: int, memory: int):
        self._preview, self._plan, self._store, self._steps = Preview(model), plan, store, steps
        self._bar = comfy.utils.ProgressBar(len(plan.windows) * steps)
        self._thumbnails: dict[int, Image.Image] = {}
        self._away: dict[int, float] = {}  # of each thumbnail's frame, from the middle of its place
        self._started: float | None = None
        self._timed = 0  # window-steps
        self._memory = f"about {memory >> 20} MiB"
        self._show(f"{len(plan.windows)} windows, each frame computed {plan.cost:.2f} times, {self._memory}")

    def __call__(self, report: Progress) -> None:
        total = report.windows * report.steps
        now = report.finished * report.steps + (report.step + 1) * report.together
        text = f"window {report.finished + report.together} of {report.windows}"
        if self._started is None:  # the first step is not timed: it loads and warms up
            self._started = time.monotonic()
        else:
            self._timed += report.together
            left = (time.monotonic() - self._started) / self._timed * (total - now)
            text += f", about {round(left)} s left, {self._memory}"
            if self._timed == report.together or report.step + 1 == report.steps:
                log.info("Long video: %s.", text)
        self._collect(report)
        self._show(text, now)

    def _collect(self, report: Progress) -> None:
        """Each place of the sheet shows the frame that is nearest to its middle, of all that were seen."""
        slots = self._SLOTS[0] * self._SLOTS[1]
        share = self._plan.frame_count / slots
        nearest: dict[int, int] = {}  # place -> index in the report
        for index, frame in enumerate(report.frames):
            slot = min(int(frame / share), slots - 1)
            away = abs(frame - (slot + 0.5) * share)
            if away <= self._away.get(slot, share):
                self._away[slot], nearest[slot] = away, index
        for slot, index in nearest.items():
            if picture := self._preview.picture(report.clean[index]):
                self._thumbnails[slot] = picture

    def _show(self, text: str, now: int = 0) -> None:
        done = [n for n, window in enumerate(self._plan.windows) if self._store.has(window.made)]
        bars = Image.fromarray(draw_plan(self._plan, 480, done))
        across, down = self._SLOTS
        side = 480 // across
        tall = side
        if self._thumbnails:
            some = next(iter(self._thumbnails.values()))
            tall = round(side * some.height / some.width)
        sheet = Image.new("RGB", (480, tall * down + bars.height + 14), (28, 28, 32))
        for slot, picture in self._thumbnails.items():
            sheet.paste(picture.resize((side, tall)), (slot % across * side, slot // across * tall))
        sheet.paste(bars, (0, tall * down))
        ImageDraw.Draw(sheet).text((4, sheet.height - 13), text, fill=(220, 220, 220))
        shown = jpeg(sheet) if self._preview.on else None
        self._bar.update_absolute(now, len(self._plan.windows) * self._steps, shown)
