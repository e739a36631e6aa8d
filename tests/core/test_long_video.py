"""Long clips: the same frames however windows are batched, interrupted or shared; nothing finished is lost."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from followemoji_core.diffusion.progressive_sampler import frame_noise
from followemoji_core.errors import InputError, OutputError
from followemoji_core.evaluation.long_video import MEASURES, STRATEGIES, compare, seam_ratio, write_report
from followemoji_core.model.appearance_net import AppearanceNet
from followemoji_core.model.config import LandmarkEncoderConfig, UNetConfig
from followemoji_core.model.denoiser import Denoiser
from followemoji_core.model.landmark_encoder import LandmarkEncoder
from followemoji_core.types import AlignedMotion
from followemoji_core.walk.animate import Appearance, LandmarkFeatures, SamplingSettings
from followemoji_core.walk.animate_long import LongSettings, denoise_long, plan_long
from followemoji_core.walk.latent_store import LatentStore, job_key, sweep
from followemoji_core.walk.studio import small_studio

SIZE, SHAPE = (64, 64), (4, 8, 8)
SETTINGS = SamplingSettings(steps=2, guidance=2.0, window_length=5)


class Stop(Exception):
    pass


@pytest.fixture(scope="module", params=["concat", "replace"])
def job(request):
    """Random networks, with and without an input for covered latents, and a motion of 30 frames."""
    torch.manual_seed(0)
    config = UNetConfig((32, 32), (True, False), 1, 9 if request.param == "concat" else 4, 4, 12, 16)
    denoiser = Denoiser(config).eval()
    with torch.no_grad():  # so that frames of a window matter to each other
        for key, value in denoiser.named_parameters():
            if "proj_out" in key:
                value.normal_(0, 0.1)
    appearance_net = AppearanceNet(UNetConfig((32, 32), (True, False), 1, 4, 4, 12, 16)).eval()
    encoder = LandmarkEncoder(LandmarkEncoderConfig((8, 8, 8, 8), 32)).eval()
    tokens = torch.randn(1, 3, 12)
    with torch.no_grad():
        appearance = Appearance(appearance_net(torch.randn(1, *SHAPE), tokens), tokens, SHAPE)
    points = np.random.default_rng(0).uniform(5, 60, (30, 478, 2)).astype(np.float32)
    return denoiser, encoder, appearance, points


def run(
    job, count=30, folder: Path | None = None, at_once=1, stop_after=None, settings=SETTINGS, **long
) -> torch.Tensor:
    denoiser, encoder, appearance, points = job
    motion = AlignedMotion(points[:count], SIZE, 25.0)
    landmarks = LandmarkFeatures(encoder, motion, SIZE, "cpu", torch.float32)
    choice = LongSettings(**long)
    plan = plan_long(denoiser.config, appearance, motion, SIZE, settings, choice)
    store = LatentStore(count, SHAPE, folder)

    def on_step(report) -> None:
        if stop_after is not None and report.window >= stop_after:
            raise Stop

    denoise_long(denoiser, landmarks, appearance, settings, choice, plan, store, lambda frames: at_once, on_step)
    assert store.known.all() and torch.isfinite(store.latents).all()
    return store.latents.float()


def test_batching_changes_nothing(job):
    one, three = run(job), run(job, at_once=3)
    assert (one - three).abs().max() / one.abs().max() < 1e-3  # float16 is what is kept
    assert (one - three).abs().mean() / one.abs().mean() < 1e-4


def test_too_little_memory_makes_fewer_at_once(job):
    seen = []

    def narrow(module, inputs) -> None:
        seen.append(len(inputs[0]))
        if seen[-1] > 10:  # frames: two windows
            raise torch.cuda.OutOfMemoryError("as a GPU says it")

    hook = job[0].register_forward_pre_hook(narrow)
    try:
        few = run(job, at_once=8)
    finally:
        hook.remove()
    assert max(seen) > 10 and (few - run(job)).abs().mean() / few.abs().mean() < 1e-4


def test_lengths(job):
    for count in (1, 2, 5, 6, 17):
        assert run(job, count).shape == (count, *SHAPE)
    assert torch.equal(run(job, 6)[:1].isfinite(), torch.ones(1, *SHAPE, dtype=torch.bool))


def test_it_goes_on_where_it_stopped(job, tmp_path):
    whole = run(job)
    for windows in (1, 3, 4):
        with pytest.raises(Stop):
            run(job, folder=tmp_path / "job", stop_after=windows)
    assert len(list((tmp_path / "job").glob("*.safetensors"))) == 4
    # A damaged file is made again, and a half one is none.
    next(iter(sorted((tmp_path / "job").glob("*.safetensors")))).write_bytes(b"x")
    (tmp_path / "job" / "y.123.partial").write_bytes(b"x")
    assert torch.equal(run(job, folder=tmp_path / "job"), whole)


def test_two_jobs_of_one_name(job, tmp_path):
    """One ends and clears up while the other is at work."""
    with pytest.raises(Stop):
        run(job, folder=tmp_path / "job", stop_after=2)
    other = LatentStore(30, SHAPE, tmp_path / "job")
    other.forget()
    assert torch.equal(run(job, folder=tmp_path / "job"), run(job))


def test_known_frames_are_used(job):
    """The frames between depend on the keyframes: with other ones they come out differently."""
    denoiser, encoder, appearance, points = job
    motion = AlignedMotion(points[:9], SIZE, 25.0)
    plan = plan_long(denoiser.config, appearance, motion, SIZE, SETTINGS, LongSettings())
    found = []
    for value in (0.0, 1.0):
        landmarks = LandmarkFeatures(encoder, motion, SIZE, "cpu", torch.float32)
        store = LatentStore(9, SHAPE)
        store.put(plan.levels[0][0].frames, torch.full((len(plan.levels[0][0].frames), *SHAPE), value))
        denoise_long(denoiser, landmarks, appearance, SETTINGS, LongSettings(), plan, store)
        found.append(store.get([1]))
    assert (found[0] - found[1]).abs().mean() > 1e-3


def test_options(job):
    more = replace(SETTINGS, steps=3)  # the first of them begins from noise alone, where there is nothing to resample
    once, again = (run(job, 9, settings=more, carrier="replace", resampling=count) for count in (0, 2))
    assert not torch.equal(once, again)
    assert run(job, keyframes="motion").shape == (30, *SHAPE)
    if job[0].config.in_channels == 4:
        with pytest.raises(InputError, match="not trained with covered latents"):
            run(job, carrier="concat")
    with pytest.raises(InputError, match="euler cannot"):
        run(job, settings=replace(SETTINGS, scheduler="euler"), carrier="replace", resampling=1)
    with pytest.raises(InputError, match="auto, concat, replace"):
        run(job, carrier="pigeon")


def test_seams_by_hand():
    """Five frames that change by 1, but by 3 into frame 3, where a window begins: borders change by (3 + 1) / 2."""
    pictures = np.full((5, 4, 4, 3), 100, np.uint8) + np.array((0, 1, 2, 5, 6), np.uint8)[:, None, None, None]
    assert seam_ratio(pictures, frozenset({3})) == 2.0 and seam_ratio(pictures, frozenset()) == 1.0


def test_the_comparison(tmp_path):
    """Every strategy, over a clip of two windows; the report says what each costs."""
    result = compare(small_studio(), people=1, frames=18)
    assert set(result) == set(STRATEGIES)
    costs = {name: row["frames evaluated per frame"] for name, row in result.items()}
    assert costs["plain"] == 1 < costs["progressive, concat"] < costs["gaussian"]
    assert all(np.isfinite([row[name] for name in MEASURES]).all() for row in result.values())
    table = write_report(result, tmp_path, people=1, frames=18)
    assert table.count("\n") == len(STRATEGIES) + 1 and (tmp_path / "long_video.png").stat().st_size > 5000


def test_noise_belongs_to_the_frame():
    assert torch.equal(frame_noise(SHAPE, 5, [3, 9])[1], frame_noise(SHAPE, 5, [9])[0])
    assert not torch.equal(frame_noise(SHAPE, 5, [3]), frame_noise(SHAPE, 6, [3]))
    one, two = frame_noise(SHAPE, 5, [3, 9], sharing=1.0)
    assert torch.equal(one, two)
    many = frame_noise((4, 32, 32), 5, range(20), sharing=0.5)
    assert many.var() == pytest.approx(1, abs=0.05)
    assert (many[0] * many[1]).mean() == pytest.approx(0.5, abs=0.05)


def test_keys_and_old_jobs(tmp_path):
    base = (vars(SETTINGS), np.zeros(3), torch.ones(2))
    assert job_key(*base) == job_key(*base)
    assert (
        len({job_key(*base), job_key({**vars(SETTINGS), "seed": 1}, *base[1:]), job_key(*base[:2], torch.zeros(2))})
        == 3
    )
    for name, age in (("old", 10 * 86400), ("new", 0)):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    sweep(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_a_full_disk_keeps_what_is_done(job, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24k", "tmpfs", str(disk)], capture_output=True).returncode:
        pytest.skip("no tmpfs can be mounted here")
    try:
        with pytest.raises(OutputError, match="it goes on from the"):
            run(job, folder=disk / "job")
        kept = len(list((disk / "job").glob("*.safetensors")))
        assert kept and not list((disk / "job").glob("*.partial"))
        subprocess.run(["mount", "-o", "remount,size=4m", str(disk)], check=True)
        assert torch.equal(run(job, folder=disk / "job"), run(job))
    finally:
        subprocess.run(["umount", str(disk)], check=True)
