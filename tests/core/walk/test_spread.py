"""The windows of a long video on the workers of a cluster or of this machine: as one process makes them."""

from __future__ import annotations

from pathlib import Path

import torch

from followemoji_core import jobs
from followemoji_core.diffusion.progressive import plan_progressive
from followemoji_core.diffusion.windows import plan_windows
from followemoji_core.drawn import Acting, Person, paint
from followemoji_core.face.align import AlignOptions, align
from followemoji_core.jobs import Local
from followemoji_core.small import SMALL_MODEL, SMALL_MODELS, SMALL_VAE
from followemoji_core.walk.settings import PROGRESSIVE, Settings
from followemoji_core.walk.spread import Opening, animate_spread
from followemoji_core.walk.studio import small_studio

README = Path(jobs.__file__).with_name("README.md")


def test_long_windows_on_a_cluster_are_those_of_one_process(tmp_path):
    """20 frames, one window of keyframes and three between them, of which the first is there already."""
    person, size = Person.of(3), (128, 128)
    rest = person.act(Acting.rest(), size)
    aligned = align(rest.frame(0), Person.of(4).act(Acting.random(5, 20), size), AlignOptions())
    portrait = paint(person, rest)[0]
    settings = Settings(steps=2, guidance=1.5, windows=PROGRESSIVE, window_length=8, seed=11)
    studio = small_studio()
    given = studio.given([9], [portrait])
    alone = studio.animate(portrait, aligned, settings, given=given, folder=tmp_path)
    (folder,) = tmp_path.iterdir()
    kept = sorted(folder.iterdir(), key=lambda file: file.stat().st_mtime_ns)
    for file in kept[2:]:
        file.unlink()
    passes = []
    opening = Opening(Path(SMALL_MODELS), "cpu", "float32", Path(SMALL_MODEL), Path(SMALL_VAE))
    parts = studio, opening, Local(2), portrait, aligned, settings
    many = animate_spread(
        *parts, given=given, folder=tmp_path, on_pass=lambda done, total: passes.append((done, total))
    )
    # Kept in half precision, where a difference of 1e-7 may be the next number.
    one, other = many.latents.float(), alone.latents.float()
    assert torch.allclose(one, other, rtol=2**-10, atol=1e-5) and many.known.all()
    assert (one - other).abs().mean() < 1e-5
    assert torch.equal(many.latents[9], given.latents[0].half())
    assert sorted(file.name for file in folder.iterdir()) == sorted(file.name for file in kept)
    assert passes[0][0] == 6 and passes[-1][0] == passes[-1][1] == 2 * len(kept) and len(passes) == len(kept) - 2


def test_cluster_efficiency_by_hand():
    """16 frames in windows of 6: 4 anchors, then windows of 6 that share their ends."""
    plan = plan_progressive(16, 6)
    assert [[len(window.frames) for window in level] for level in plan.levels] == [[4], [6, 6, 6]]
    assert plan.evaluated == 22 and plan.efficiency(1) == 1
    assert plan.efficiency(2) == 22 / (2 * (4 + 12)) and plan.efficiency(8) == 22 / (8 * (4 + 6))
    assert plan_windows(40, "gaussian", 16, 4).efficiency(2) == 0.5  # windows that overlap are one solver's


def test_cluster_table_is_of_the_plan():
    """The table in jobs/README.md."""
    counts = (1, 2, 4, 8, 16, 32, 64)
    plans = {frames: plan_progressive(frames, 16) for frames in (300, 4500, 45000)}
    table = ["| Frames | Windows, level by level | " + " | ".join(map(str, counts)) + " |", "| --- " * 9 + "|"]
    for frames, plan in plans.items():
        shares = " | ".join(f"{100 * plan.efficiency(workers):.0f} %" for workers in counts)
        table.append(f"| {frames:,} | {', '.join(str(len(level)) for level in plan.levels)} | {shares} |")
    assert "\n".join(table) in README.read_text("utf-8"), "\n".join(table)
