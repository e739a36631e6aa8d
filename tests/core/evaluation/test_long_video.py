"""The comparison of strategies for long clips: intervals that can be checked, and a whole run of tiny networks."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from followemoji_core.errors import InputError
from followemoji_core.evaluation import long_video
from followemoji_core.evaluation.bootstrap import paired_ratio
from followemoji_core.evaluation.long_report import GIVEN, MADE, gains, ratios, verdict, write_report
from followemoji_core.evaluation.long_video import (
    BLOCKS,
    FADE,
    FIRST,
    WAYS,
    Clip,
    around,
    compare,
    cross_fade,
    jump,
    measure,
)
from followemoji_core.model.appearance_net import AppearanceNet
from followemoji_core.model.config import LandmarkEncoderConfig, UNetConfig
from followemoji_core.model.denoiser import Denoiser
from followemoji_core.model.landmark_encoder import LandmarkEncoder
from followemoji_core.walk.settings import Settings
from followemoji_core.walk.studio import small_studio

FRAMES, SETTINGS = 11, Settings(steps=1, guidance=1.0, window_length=5, overlap=1, shared_noise=1.0)


@pytest.fixture(scope="module")
def studio():
    """Seeded networks of 32 channels that take covered latents, between the small model's autoencoder and tokens."""
    small = small_studio()
    torch.manual_seed(0)
    own = small.networks.denoiser.config
    latent, tokens = own.out_channels, own.token_width
    denoiser = Denoiser(UNetConfig((32, 32), (True, False), 1, 2 * latent + 1, latent, tokens, 16)).eval()
    with torch.no_grad():  # so that frames of a window matter to each other
        for key, value in denoiser.named_parameters():
            if "proj_out" in key:
                value.normal_(0, 0.1)
    appearance_net = AppearanceNet(UNetConfig((32, 32), (True, False), 1, latent, latent, tokens, 16)).eval()
    encoder = LandmarkEncoder(LandmarkEncoderConfig((8, 8, 8, 8), 32)).eval()
    networks = replace(small.networks, denoiser=denoiser, appearance_net=appearance_net, landmark_encoder=encoder)
    return replace(small, networks=networks, identity=("tiny",))


@pytest.fixture(scope="module")
def clip(studio):
    return Clip.of(studio, 0, FRAMES, SETTINGS)


def test_paired_bootstrap_with_a_known_answer():
    """A tenth less for everyone is told apart however much people differ; noise around 1 is not."""
    people = np.random.default_rng(0).uniform(1, 100, 12)
    assert paired_ratio(0.9 * people, people) == pytest.approx((0.9, 0.9, 0.9))
    assert verdict(paired_ratio(0.9 * people, people)) == "better" and verdict((1.2, 1.1, 1.3)) == "worse"
    assert verdict((0.9, 0.9, 0.9), people=1) == "not told apart"
    swapped = people * np.tile((0.9, 1.1), 6)
    assert verdict(paired_ratio(swapped, people)) == "not told apart"


def test_jumps_by_hand():
    """Five frames that change by 1, but by 3 from frame 2 to 3; where no ground is, by 100."""
    levels = torch.tensor((0.0, 1.0, 2.0, 5.0, 6.0))
    latents = levels[:, None, None, None].expand(5, 4, 2, 2).clone()
    cells = torch.ones(5, 2, 2, dtype=torch.bool)
    latents[2, :, 0, 0], cells[:, 0, 0] = 100, False
    assert jump(latents, cells, frozenset({2})) == 3 and jump(latents, cells, frozenset()) == 1
    assert jump(latents, cells, around((3,), 5)) == 2 and around((0, 4), 5) == {0, 3}


def test_cross_fade_by_hand():
    keys = torch.tensor((0.0, 2.0, 8.0))[:, None, None, None]
    assert cross_fade(keys, (0, 1, 4)).flatten().tolist() == [0, 2, 4, 6, 8]


def test_measures_of_the_truth(studio, clip):
    """No error, no drift, borders as the truth's; its decoded pictures are a little softer, given ones are not."""
    found = measure(studio, clip, clip.latents, frozenset({3, 6}), given=True)
    assert found["error"] == found["ground error"] == found["drift"] == 0 and found["jump"] == 1
    assert found["key sharpness"] == 1 > found["sharpness"] > 0.8
    assert measure(studio, clip, clip.latents, frozenset(), given=False)["sharpness"] == pytest.approx(1, abs=0.05)


def test_the_comparison_goes_on_where_it_stopped(studio, tmp_path, monkeypatch):
    """Interrupted in its second person, the same command makes that one alone, and keeps the first one's numbers."""
    made, stops, really = [], [2, 4], long_video.measure_person

    def interrupted(studio, clip, settings):
        made.append(really if len(made) + 1 in stops else really(studio, clip, settings))
        if len(made) in stops:
            raise KeyboardInterrupt
        return made[-1]

    monkeypatch.setattr(long_video, "measure_person", interrupted)
    with pytest.raises(KeyboardInterrupt):
        compare(studio, tmp_path, 2, FRAMES, SETTINGS)
    whole = compare(studio, tmp_path, 2, FRAMES, SETTINGS)
    assert len(made) == 3
    for index, one in ((0, made[0]), (1, made[2])):
        assert {b: {w: {m: v[index] for m, v in ms.items()} for w, ms in ws.items()} for b, ws in whole.items()} == one
    assert compare(studio, tmp_path, 2, FRAMES, SETTINGS) == whole and len(made) == 3
    with pytest.raises(KeyboardInterrupt):
        compare(studio, tmp_path, 1, FRAMES, replace(SETTINGS, seed=1))
    assert len(made) == 4, "other settings are another comparison"
    # What it says.
    text = write_report(whole, tmp_path, 2, FRAMES, 2, "tiny")
    assert all(block.name in text for block in BLOCKS) and text.count(FADE) >= 3
    assert set(whole[MADE]) == set(whole[GIVEN]) == {*WAYS, FADE}
    kept = json.loads((tmp_path / "long_video.json").read_text("utf-8"))
    assert kept["each"] == whole and kept["ratios"][MADE]["plain"]["error"] == list(
        ratios(whole)[MADE]["plain"]["error"]
    )
    assert [row["what"].split(": ")[1][:4] for row in kept["rows"]] == ["jump", "shar"] * 2
    assert (tmp_path / "long_video.png").stat().st_size > 5000
    # What they cost: keyframes alone are a part of the frames, and given ones are for nothing.
    costs = {way: values["evaluated"][0] for way, values in whole[MADE].items()}
    assert costs[FADE] < costs["plain"] == 1 < costs[FIRST]
    assert whole[GIVEN][FADE]["calls"] == [0, 0] and min(whole[GIVEN][FIRST]["calls"]) > 0
    assert gains(whole)[FADE][2] < 1, "the true keyframes are nearer to the truth than those of untrained networks"


def test_a_clip_of_one_window_is_refused(studio):
    with pytest.raises(InputError, match="5 frames are one window of 5"):
        Clip.of(studio, 0, 5, SETTINGS)
