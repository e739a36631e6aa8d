"""What Compare Frames measures, against torchmetrics and cases with a known answer."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from followemoji_core.evaluation.frame_errors import frame_errors, landmark_errors, ssim


def clips(sizes=((40, 56), (11, 11), (64, 12)), seed=3):
    rng = np.random.default_rng(seed)
    for height, width in sizes:
        one = rng.random((4, height, width, 3), np.float32)
        yield one, np.clip(one + rng.normal(0, 0.2, one.shape), 0, 1).astype(np.float32)


def test_metrics_of_frames_are_those_of_torchmetrics():
    image = pytest.importorskip("torchmetrics.functional.image")
    for one, other in clips():
        found = frame_errors(zip(one, other, strict=True))
        x, y = (torch.from_numpy(part).permute(0, 3, 1, 2).double() for part in (one, other))
        wanted = image.structural_similarity_index_measure(x, y, data_range=1.0, reduction="none")
        assert found.ssim == pytest.approx(wanted.numpy(), abs=1e-6)
        psnr = image.peak_signal_noise_ratio(x, y, data_range=1.0, reduction="none", dim=(1, 2, 3))
        assert found.psnr == pytest.approx(psnr.numpy(), abs=1e-4)
        assert found.of_clip["psnr"] == pytest.approx(
            float(image.peak_signal_noise_ratio(x, y, data_range=1.0)), abs=1e-4
        )
        assert found.of_clip["l1"] == pytest.approx(float((x - y).abs().mean()), abs=1e-7)


def test_metrics_of_equal_frames_and_of_a_known_shift():
    """A tenth brighter everywhere: L1 0.1, PSNR 20 dB; equal frames 0, 100 dB, 1."""
    grey = np.full((2, 16, 16, 3), 0.5)
    found = frame_errors(zip(grey, grey + 0.1, strict=True))
    assert found.l1 == pytest.approx(0.1) and found.psnr == pytest.approx(20) and found.landmarks is None
    assert found.ssim == pytest.approx((2 * 0.5 * 0.6 + 1e-4) / (0.5**2 + 0.6**2 + 1e-4))
    same = frame_errors(zip(grey, grey, strict=True))
    assert (same.of_clip["l1"], same.of_clip["psnr"], same.of_clip["ssim"]) == pytest.approx((0, 100, 1))
    assert ssim(grey[0, :1, :3], grey[0, :1, :3]) == 1


def test_the_landmark_metric_counts_in_eye_distances():
    """Everything moved by 3 and 4 pixels, eyes 50 pixels apart: a tenth."""
    expected = np.random.default_rng(1).random((3, 478, 2)) * 100
    for corner, across in ((33, 0), (133, 20), (362, 50), (263, 70)):
        expected[:, corner] = across, 40
    assert landmark_errors(expected + (3, 4), expected) == pytest.approx([0.1] * 3)
