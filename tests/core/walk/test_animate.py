"""The one door: the same frames however windows are batched, interrupted or shared; nothing finished is lost."""

from __future__ import annotations

import copy
import os
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from followemoji_core.errors import InputError, OutputError
from followemoji_core.model.appearance_net import AppearanceNet
from followemoji_core.model.config import LandmarkEncoderConfig, UNetConfig
from followemoji_core.model.denoiser import Denoiser
from followemoji_core.model.landmark_encoder import LandmarkEncoder
from followemoji_core.types import AlignedMotion
from followemoji_core.walk.animate import Host, animate, new_store, plan_job
from followemoji_core.walk.appearance import Appearance
from followemoji_core.walk.given import GivenFrames, check_given_size, frame_numbers
from followemoji_core.walk.job import digest, job_key, sweep
from followemoji_core.walk.latent_store import LatentStore
from followemoji_core.walk.settings import Settings

SIZE, SHAPE = (64, 64), (4, 8, 8)
SETTINGS = Settings(steps=2, guidance=2.0, window_length=5, windows="progressive")


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
    job, count=30, folder: Path | None = None, stop_after=None, settings=SETTINGS, host: Host | None = None, **changes
) -> torch.Tensor:
    denoiser, encoder, appearance, points = job
    motion, settings = AlignedMotion(points[:count], SIZE, 25.0), replace(settings, **changes)
    store = new_store(count, appearance, settings, folder)

    def on_step(progress) -> None:
        if stop_after is not None and progress.finished >= stop_after:
            raise Stop

    host = replace(host or Host(), on_step=on_step)
    animate(denoiser, encoder, appearance, motion, settings, host, store=store)
    assert store.known.all() and torch.isfinite(store.latents).all()
    return store.latents.float()


def at_once(count: int) -> Host:
    return Host(at_once=lambda frames: count)


def test_batching_changes_nothing(job):
    one, three = run(job), run(job, host=at_once(3))
    assert (one - three).abs().max() / one.abs().max() < 1e-3  # float16 is what is kept
    assert (one - three).abs().mean() / one.abs().mean() < 1e-4
    # Windows that overlap, and halves of guidance one after the other: float32 is kept there.
    one = run(job, windows="gaussian", overlap=2)
    for host in (at_once(3), Host(halves_together=False)):
        assert (one - run(job, windows="gaussian", overlap=2, host=host)).abs().max() < 1e-5


@pytest.mark.parametrize("windows", ["progressive", "gaussian"])
def test_too_little_memory_makes_fewer_at_once(job, windows):
    """Fewer windows at once, and where that is not enough one half of guidance after the other."""
    seen = []

    def narrow(module, inputs) -> None:
        seen.append(len(inputs[0]))
        if seen[-1] > 5:  # rows at the finest level: two windows, or two halves
            raise torch.cuda.OutOfMemoryError("as a GPU says it")

    hook = job[0].down_blocks[0].downsamplers[0].register_forward_pre_hook(narrow)
    try:
        few = run(job, host=at_once(8), windows=windows, overlap=2)
    finally:
        hook.remove()
    assert max(seen) > 10 and (few - run(job, windows=windows, overlap=2)).abs().mean() / few.abs().mean() < 1e-4


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
    other.clear_up()
    assert torch.equal(run(job, folder=tmp_path / "job"), run(job))


def test_known_frames_are_used(job):
    """The frames between depend on the keyframes: with other ones they come out differently."""
    denoiser, encoder, appearance, points = job
    motion = AlignedMotion(points[:9], SIZE, 25.0)
    plan = plan_job(denoiser.config, appearance, motion, SETTINGS)
    keyframes = plan.levels[0][0].frames
    found = []
    for value in (0.0, 1.0):
        store = LatentStore(9, SHAPE)
        store.put(keyframes, torch.full((len(keyframes), *SHAPE), value))
        found.append(animate(denoiser, encoder, appearance, motion, SETTINGS, store=store).get([1]))
    assert (found[0] - found[1]).abs().mean() > 1e-3


def test_any_plan_goes_on_where_it_stopped(job, tmp_path):
    """The store is on the disk whatever the plan: plain windows are finished one by one."""
    whole = run(job, windows="plain")
    with pytest.raises(Stop):
        run(job, folder=tmp_path / "job", stop_after=2, windows="plain")
    assert len(list((tmp_path / "job").glob("*.safetensors"))) == 2
    assert torch.equal(run(job, folder=tmp_path / "job", windows="plain"), whole)


def test_weights_that_change_in_mid_run_are_noticed(job):
    """A patch that comes at the second step: the portrait is projected anew, and it shows."""
    denoiser = job[0]
    layer = denoiser.down_blocks[0].attentions[0].transformer_blocks[0].attn1.to_v
    kept = layer.weight.detach().clone()

    def patch(progress) -> None:
        with torch.no_grad():
            layer.weight.mul_(3)

    results = []
    try:
        for on_step in (lambda progress: None, patch):
            denoiser_, encoder, appearance, points = job
            motion = AlignedMotion(points[:5], SIZE, 25.0)
            store = animate(denoiser_, encoder, appearance, motion, SETTINGS, Host(on_step=on_step))
            results.append(store.latents.float())
            with torch.no_grad():
                layer.weight.copy_(kept)
    finally:
        with torch.no_grad():
            layer.weight.copy_(kept)
    assert (results[0] - results[1]).abs().mean() > 1e-4


@pytest.mark.parametrize("carrier", ["concat", "replace"])
def test_given_keyframes(job, carrier, tmp_path):
    """They stay as they are, in latents and in pictures; those beside them are made from them; a job goes on."""
    denoiser, encoder, appearance, points = job
    if carrier == "concat" and not denoiser.config.takes_covered:
        pytest.skip("not trained with covered latents")
    motion, settings = AlignedMotion(points, SIZE, 25.0), replace(SETTINGS, known_frames=carrier)
    generator = torch.Generator().manual_seed(3)
    latents = torch.randn(2, *SHAPE, generator=generator).half().float()
    pictures = np.random.default_rng(1).integers(0, 255, (2, *SIZE[::-1], 3), np.uint8)
    given = GivenFrames((4, 20), latents, pictures)
    results = []
    for shown in (None, given, replace(given, latents=latents + 1)):
        results.append(animate(denoiser, encoder, appearance, motion, settings, given=shown).latents.float())
    without, made, other = results
    assert torch.equal(made[[4, 20]], latents) and not torch.equal(without[[4, 20]], latents)
    assert (made - other)[[3, 5, 19, 21]].abs().mean() > 1e-4, "their neighbours see them"
    frames = list(given.in_place(np.zeros((*SIZE[::-1], 3), np.uint8) for _ in range(30)))
    assert np.array_equal(frames[4], pictures[0]) and np.array_equal(frames[20], pictures[1]) and not frames[5].any()
    store = new_store(30, appearance, settings, tmp_path / "job")
    again = animate(denoiser, encoder, appearance, motion, settings, given=given, store=store).latents.float()
    kept = new_store(30, appearance, settings, tmp_path / "job")
    assert torch.equal(again, made) and not kept.has((4, 20)), "who comes back brings them again"
    keys = {job_key("x", torch.float32, settings, motion, appearance, one) for one in (None, given)}
    assert len(keys) == 2


@pytest.mark.parametrize("windows", ["gaussian", "uniform", "plain"])
@pytest.mark.parametrize("carrier", ["concat", "replace"])
def test_windows_side_by_side_take_given_keyframes(job, windows, carrier):
    """Wherever in a window they are, and in several at once; their neighbours see them."""
    denoiser, encoder, appearance, points = job
    if carrier == "concat" and not denoiser.config.takes_covered:
        pytest.skip("not trained with covered latents")
    motion = AlignedMotion(points, SIZE, 25.0)
    settings = replace(SETTINGS, known_frames=carrier, windows=windows, overlap=2)
    latents = torch.randn(2, *SHAPE, generator=torch.Generator().manual_seed(3))
    given = GivenFrames((4, 20), latents, np.zeros((2, *SIZE[::-1], 3), np.uint8))
    made, other = (
        animate(denoiser, encoder, appearance, motion, settings, given=one).latents
        for one in (given, replace(given, latents=latents + 1))
    )
    assert torch.equal(made[[4, 20]], latents) and torch.isfinite(made).all()
    assert (made - other)[[3, 21]].abs().mean() > 1e-4
    keys = {
        job_key("x", torch.float32, replace(settings, known_frames=known), motion, appearance, given)
        for known in ("concat", "replace")
    }
    assert len(keys) == 2


def test_frame_numbers():
    assert frame_numbers("0, 40 -1", 100, 3) == frame_numbers("0 40, 99", 100) == [0, 40, 99]
    with pytest.raises(InputError, match="no frame numbers"):
        frame_numbers(" ", 100)
    wrong = (("0,x", "whole numbers"), ("0", "2 given frames and 1"), ("0, 100", "0 to 99"), ("1,-99", "twice"))
    for text, words in wrong:
        with pytest.raises(InputError, match=words):
            frame_numbers(text, 100, 2)
    with pytest.raises(InputError, match="64x64 pixels, the video has 128x64"):
        check_given_size((64, 64), (128, 64))


def test_options(job):
    two = replace(SETTINGS, steps=2)  # at the first of them there is noise alone: a pass with the same does nothing
    results = [run(job, 9, settings=two, known_frames="replace", resampling=count) for count in (0, 1, 2, 2)]
    assert not torch.equal(results[0], results[1]) and not torch.equal(results[1], results[2])
    assert torch.equal(results[2], results[3])
    assert run(job, keyframes="motion").shape == (30, *SHAPE)
    if job[0].config.in_channels == 4:
        with pytest.raises(InputError, match="not trained with covered latents"):
            run(job, known_frames="concat")
    with pytest.raises(InputError, match="euler cannot"):
        run(job, settings=SETTINGS, scheduler="euler", known_frames="replace", resampling=1)
    with pytest.raises(InputError, match="auto, concat, replace"):
        run(job, known_frames="pigeon")


def test_keys_and_old_jobs(job, tmp_path):
    _, _, appearance, points = job
    motion = AlignedMotion(points, SIZE, 25.0)

    def key(made_by=("a", 1), motion=motion, appearance=appearance, **changes) -> str:
        return job_key(made_by, torch.float32, replace(SETTINGS, **changes), motion, appearance)

    assert key() == key() == key(overlap=1), "a progressive job does not read the overlap"
    assert key(windows="gaussian") != key(windows="gaussian", overlap=1)
    other = replace(appearance, tokens=appearance.tokens + 1)
    moved = AlignedMotion(points + 1, SIZE, 25.0)
    assert len({key(), key(("b", 1)), key(seed=1), key(appearance=other), key(motion=moved)}) == 5
    assert digest((1, "2")) != digest(1, "2") and digest(np.zeros(3)) != digest(np.zeros(4))
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


@pytest.mark.parametrize("windows, known_frames", [("gaussian", "auto"), ("progressive", "auto"), ("plain", "auto")])
def test_no_step_waits_for_the_device(job, windows, known_frames, monkeypatch):
    """The whole walk on the meta device, where every number that a step asked for would be an error."""

    class Nowhere(LatentStore):
        def get(self, frames):
            return torch.zeros(len(frames), *SHAPE)

        def put(self, frames, latents):
            assert latents.is_meta
            self.known[list(frames)] = True

    # Once a batch, after its last step, it is looked at.
    monkeypatch.setattr("followemoji_core.walk.animate.finite_rows", lambda latents: [True] * len(latents))
    denoiser, encoder, appearance, points = (copy.deepcopy(part) for part in job)
    denoiser, encoder, appearance = (part.to("meta") for part in (denoiser, encoder, appearance))
    motion = AlignedMotion(points[:12], SIZE, 25.0)
    settings = replace(SETTINGS, windows=windows, known_frames=known_frames, overlap=2)
    store = animate(denoiser, encoder, appearance, motion, settings, Host(device="meta"), store=Nowhere(12, SHAPE))
    assert store.known.all()
