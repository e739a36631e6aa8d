"""What a step is given: noise and covering that know nothing of each other, timesteps spread evenly, windows of many
lengths and strides, and drawn clips that carry something through time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from followemoji_core.drawn import Acting, Person, paint
from followemoji_core.drawn.hidden import Hidden, ground_mask, paint_hidden, read_light, read_pans
from followemoji_core.errors import InputError
from followemoji_core.evaluation.reenactment import cases
from followemoji_core.training.batches import Batches
from followemoji_core.training.settings import TrainSettings
from followemoji_core.training.shards import find_clips, save_clip
from followemoji_core.training.synthesize import draw_clip, expressive_controls

SETTINGS = TrainSettings(stage=2, data="", out="", clips=1, targets=16)


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """One clip of 33 frames whose latents are the number of the frame."""
    folder = tmp_path_factory.mktemp("clips")
    points = np.random.default_rng(0).uniform(5, 60, (33, 478, 2)).astype(np.float32)
    latents = np.broadcast_to(np.arange(33, dtype=np.float16)[:, None, None, None], (33, 1, 8, 8))
    import cv2

    image = cv2.imencode(".png", np.zeros((64, 64, 3), np.uint8))[1]
    about = dict(size="64", fps="25.0", video="x", first="0", last="33")
    save_clip(folder / "a.safetensors", [image] * 33, points, about, latents=np.ascontiguousarray(latents))
    return find_clips(folder)


def test_covering_tells_nothing_of_the_noise(clips):
    """Of one seed both were drawn, and some noise cells followed the mask with a correlation of -0.58."""
    batches = Batches(clips, replace(SETTINGS, known_ends=0.0, known_scattered=1.0))
    known, noise = [], []
    for step in range(400):
        batch = batches.at(step)
        known.append(batch.known.float())
        noise.append(batch.noise(torch.zeros(16, 1, 1, 2)).flatten())
    both = torch.cat([torch.stack(known), torch.stack(noise)], dim=1)
    assert both.T.corrcoef()[:16, 16:].abs().max() < 0.22  # of 512 pairs of 400 draws, four standard deviations


def test_timesteps_are_spread_evenly(clips):
    """Any stretch of samples meets each tenth of the timesteps as often; a quarter more lies from 850 to 999."""
    plain = Batches(clips, SETTINGS)
    tenths = np.bincount([int(plain.at(step).timesteps[0]) // 100 for step in range(37, 137)], minlength=10)
    assert tenths.min() >= 8 and tenths.max() <= 12
    high = Batches(clips, replace(SETTINGS, high_noise=0.25))
    drawn = np.array([int(high.at(step).timesteps[0]) for step in range(300)])
    assert (drawn >= 850).mean() == pytest.approx(0.25 + 0.75 * 0.15, abs=0.08) and drawn.max() <= 999


def test_windows_of_many_lengths_and_strides(clips):
    """3 to 16 frames of a clip, side by side or up to 15 apart, as many frames a step; the portrait stays apart."""
    settings = replace(SETTINGS, shortest=3, longest_stride=20, portrait="first")
    batches, lengths, strides = Batches(clips, settings), set(), set()
    for step in range(300):
        batch = batches.at(step)
        count = len(batch.seeds)
        frames = batch.latents[:, 0, 0, 0].numpy().reshape(count, -1)
        lengths.add(frames.shape[1])
        strides |= {int(gap) for row in frames for gap in np.diff(row)}
        assert frames.min() >= 1 and (batch.portrait_latents == 0).all() and count == 16 // frames.shape[1]
    assert lengths == set(range(3, 17)) and strides >= set(range(1, 12)) and max(strides) <= 15
    assert all(len(Batches(clips, SETTINGS).at(step).known) == 16 for step in range(5))
    with pytest.raises(InputError, match="shortest is 17"):
        replace(settings, shortest=17)
    with pytest.raises(InputError, match="at most 1"):
        replace(settings, known_ends=0.8)


def test_nothing_known_is_trained_on_what_landmarks_tell(clips, monkeypatch):
    """Samples without a known frame come from clips in which nothing is hidden, where there are any; others from all.
    In stage 1 no frame tells another of it."""
    settings = replace(SETTINGS, known_ends=0.3, known_scattered=0.3)
    plain, marked = clips[0], replace(clips[0], hidden=True)
    monkeypatch.setattr(Batches, "_sample_of", lambda self, clip, rng, index, known: (known.any(), clip.hidden))
    mixed, alone = Batches([marked, plain, marked], settings), Batches([marked, marked], settings)
    assert {mixed._sample(index, 16) for index in range(120)} == {(False, False), (True, True), (True, False)}
    assert {alone._sample(index, 16) for index in range(120)} == {(False, True), (True, True)}
    single = Batches([marked, plain, marked], replace(settings, stage=1))
    assert {single._sample(index, 16)[1] for index in range(60)} == {False}


def test_damaged_clips_end_a_run_that_has_no_others(clips, tmp_path):
    """Nothing is known, and the one clip without a hidden state is damaged: the run says so and does not look on."""
    broken = tmp_path / "b.safetensors"
    broken.write_bytes(b"")
    both = [replace(clips[0], file=broken), replace(clips[0], hidden=True)]
    batches = Batches(both, replace(SETTINGS, covered=False))
    with pytest.raises(InputError):
        batches.at(0)


def test_the_hidden_state_is_read_from_a_picture():
    """Pan and light of true pictures, by the probe."""
    away, fits = [], []
    for number in range(31_000_000, 31_000_006):
        person, hidden = Person.of(number), Hidden.of(number, 12, stride=4)
        motion = person.act(Acting.random(number, 48).every(4), (128, 128))
        pictures, ground = paint_hidden(person, motion, hidden), ground_mask(person, motion)
        pans, fit = read_pans(person, pictures, ground)
        away.append(np.abs(pans - hidden.pans)[:, 0])
        fits.append(fit)
        light = read_light(pictures, ground) - np.log(hidden.light.mean(1))
        plain = read_light(paint_hidden(person, motion, replace(hidden, light=np.ones((12, 3)))), ground)
        assert np.abs(light - plain).max() < 0.04  # what is left: levels that are clipped
        assert np.abs(np.diff(hidden.pans, axis=0)).max() < 5 and np.ptp(hidden.pans[:, 0]) > 1
    assert np.mean(away) < 0.5 and np.min(fits) > 0.9  # pixels of 128


def test_without_hidden_state_the_cases_are_those_of_the_first_table():
    """Levels of the pictures and places of the landmarks when the first model card was measured."""
    pictures = [case.truth.mean() for case in cases(24)]
    assert np.mean(pictures) == pytest.approx(141.16403, abs=1e-3)
    assert np.mean([c.truth.mean() for c in cases(24, still_head=True)]) == pytest.approx(141.12503, abs=1e-3)


def test_expressions_of_the_space_are_in_hidden_clips():
    """A third of the clips; many controls, and a portrait that is at rest or not."""
    drawn = [expressive_controls(number, 25).values for number in range(60)]
    moving = np.mean([np.abs(values).max(0) > 0.2 for values in drawn], axis=0)
    assert (moving[:51] > 0).sum() > 40 and (np.abs(drawn)[:, 0].max(1) == 0).sum() in range(20, 45)
    assert len({values.tobytes() for values in drawn}) == 60


def test_hidden_clips_begin_with_a_portrait_apart(tmp_path):
    """Frame 0 is in plain light without a pan, whatever follows; strides differ; some grounds are still."""
    for number in range(6):
        draw_clip(tmp_path, number, frames=4, size=64, most_stride=20, hidden=True)
    from safetensors import safe_open

    fps = set()
    assert {clip.hidden for clip in find_clips(tmp_path)} == {True, False}
    for clip in find_clips(tmp_path):
        with safe_open(clip.file, "np") as file:
            fps.add(float(file.metadata()["fps"]))
        assert clip.frames == 4
    assert len(fps) > 2 and min(fps) >= 25 / 20
    person = Person.of(3)
    rest = person.act(Acting.rest(2), (64, 64))
    still = paint_hidden(person, rest, Hidden.none(2))
    assert np.array_equal(still[0], still[1]) and not np.array_equal(still[0], paint(person, rest)[0])
