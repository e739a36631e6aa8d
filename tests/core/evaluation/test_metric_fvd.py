"""FVD: with an I3D that has learned nothing, since the one of Kinetics is in no package."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from followemoji_core.errors import CheckpointError, InputError, MissingDependencyError
from followemoji_core.evaluation.emojibench.cases import BenchCase
from followemoji_core.evaluation.emojibench.metrics import METRICS, Tools
from followemoji_core.evaluation.emojibench.metrics.frechet import Moments, frechet_distance
from followemoji_core.evaluation.emojibench.metrics.shown import Given, Shown
from followemoji_core.evaluation.emojibench.metrics.video import FEWEST, I3d


def test_metric_fvd_without_its_network_says_what_to_do(tmp_path):
    with pytest.raises(MissingDependencyError, match="networks --fetch i3d"):
        METRICS["fvd"].open(Tools(networks=tmp_path))
    with pytest.raises(InputError, match="there is no file"):
        METRICS["fvd"].open(Tools(networks=tmp_path, files={"i3d": tmp_path / "none.pt"}))


def whole(features: list[np.ndarray]) -> Moments:
    moments = Moments()
    for rows in features:
        moments.add(rows)
    return moments


def test_metric_fvd_of_a_set_against_itself_and_shuffled(tmp_path):
    i3d = pytest.importorskip("cdfvd.third_party.i3d.pytorch_i3d", reason="pip install cd-fvd")
    torch.manual_seed(0)
    path = tmp_path / "i3d.pt"
    torch.save(i3d.InceptionI3d(400, in_channels=3).state_dict(), path)
    rng = np.random.default_rng(0)
    videos = [rng.integers(0, 255, (FEWEST, 64, 64, 3)).astype(np.uint8) for _ in range(2)]

    class Known(Given):
        """A case whose truth is that."""

        def __init__(self, frames: np.ndarray) -> None:
            super().__init__(BenchCase("c", "self", "p", "d", Path(), FEWEST, 25.0, 64), 64, lambda frames: None)
            self.truth = Shown(frames, self, lambda frames: None)

    measure = METRICS["fvd"].open(Tools(files={"i3d": path}))
    givens = [Known(frames) for frames in videos]
    wanted = [measure.wanted(given) for given in givens]
    assert wanted[0].shape == (1, 400)
    made = [measure.of(Shown(255 - given.truth.frames, given, lambda frames: None)) for given in givens]
    assert measure.between(whole(wanted), whole(wanted)).number == pytest.approx(0, abs=1e-6)
    assert measure.between(whole(wanted[::-1]), whole(wanted)).number == pytest.approx(0, abs=1e-6)
    value = measure.between(whole(made), whole(wanted))
    assert value.number == frechet_distance(whole(made), whole(wanted)) > 0
    assert "of 2 videos: fewer than" in value.reason
    assert measure.between(whole(made[:1]), whole(wanted[:1])).number is None
    assert measure.of(Shown(videos[0][:5], givens[0], lambda frames: None)) is None
    path.write_bytes(b"no weights")
    with pytest.raises(CheckpointError, match="I3D"):
        I3d(path)
