"""Metrics of pictures against cases with a known answer, or a second implementation."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from followemoji_core.errors import CheckpointError, MissingDependencyError
from followemoji_core.evaluation.emojibench.metrics import METRICS, Tools
from followemoji_core.evaluation.emojibench.metrics.flicker import flicker, unrest
from followemoji_core.evaluation.emojibench.metrics.perceptual import Lpips
from followemoji_core.evaluation.emojibench.metrics.pixels import l1, ssim
from followemoji_core.evaluation.emojibench.networks import network
from followemoji_core.evaluation.reenactment import psnr


def pictures(frames: int = 3, side: int = 64, seed: int = 0) -> np.ndarray:
    """Smooth patterns of middling brightness: room for what is added."""
    rng = np.random.default_rng(seed)
    coarse = torch.from_numpy(rng.uniform(60, 190, (frames, 3, side // 8, side // 8)))
    fine = torch.nn.functional.interpolate(coarse, (side, side), mode="bicubic")
    return fine.clamp(40, 210).round().byte().permute(0, 2, 3, 1).numpy()


def test_metric_of_equal_pictures_and_of_a_known_shift():
    truth = pictures()
    assert (l1(truth, truth), psnr(truth, truth), ssim(truth, truth)) == (0, 100, pytest.approx(1))
    brighter = truth + 10
    assert l1(brighter, truth) == pytest.approx(10 / 255)
    assert psnr(brighter, truth) == pytest.approx(20 * np.log10(255 / 10))
    assert ssim(brighter, truth) > 0.98, "structure is more than brightness"


def test_metric_of_known_noise():
    """Of a normal distribution the mean absolute value is sigma sqrt(2 / pi)."""
    truth, sigma = pictures(side=128), 8.0
    noise = np.random.default_rng(1).normal(0, sigma, truth.shape)
    noisy = np.rint(truth + noise).clip(0, 255).astype(np.uint8)
    assert l1(noisy, truth) == pytest.approx(sigma * np.sqrt(2 / np.pi) / 255, rel=0.01)
    assert psnr(noisy, truth) == pytest.approx(20 * np.log10(255 / np.hypot(sigma, 12**-0.5)), abs=0.05)


def test_metric_ssim_is_wangs():
    """A second implementation, of the formula in Wang et al. 2004; pictures are mirrored at their border."""
    from scipy.ndimage import correlate1d

    truth = pictures()
    other = np.clip(truth + np.random.default_rng(2).normal(0, 20, truth.shape), 0, 255).astype(np.uint8)
    line = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))

    def blur(x: np.ndarray) -> np.ndarray:
        return correlate1d(correlate1d(x, line / line.sum(), 0, mode="mirror"), line / line.sum(), 1, mode="mirror")

    values = []
    for a, b in zip(other.astype(float), truth.astype(float), strict=True):
        for x, y in zip(np.moveaxis(a, -1, 0), np.moveaxis(b, -1, 0), strict=True):
            mean_x, mean_y = blur(x), blur(y)
            xx, yy, xy = blur(x * x) - mean_x**2, blur(y * y) - mean_y**2, blur(x * y) - mean_x * mean_y
            one, two = (0.01 * 255) ** 2, (0.03 * 255) ** 2
            found = (2 * mean_x * mean_y + one) * (2 * xy + two)
            found /= (mean_x**2 + mean_y**2 + one) * (xx + yy + two)
            values.append(found.mean())
    assert ssim(other, truth) == pytest.approx(np.mean(values), abs=1e-5)


def test_metric_flicker_by_hand():
    """A picture that alternates by two levels above and below has 2; what fades, rests or moves as the truth has 0."""
    still = np.full((9, 32, 32, 3), 100, np.uint8)
    signs = np.where(np.arange(9) % 2, 2, -2).reshape(-1, 1, 1, 1)
    alternating = (still + signs).astype(np.uint8)
    fading = (still + 3 * np.arange(9).reshape(-1, 1, 1, 1)).astype(np.uint8)
    assert unrest(alternating) == pytest.approx(2) and not unrest(fading).any()
    assert flicker(alternating, still) == pytest.approx(2)
    assert flicker(fading, still) == flicker(alternating, alternating) == flicker(still, alternating) == 0
    half = still.copy()
    half[:, :16] = alternating[:, :16]
    assert flicker(half, still) == pytest.approx(1), "unrest in one place is not made up for in another"
    odd = np.random.default_rng(0).integers(0, 255, (4, 37, 53, 3)).astype(np.uint8)
    second = np.abs(np.diff(odd.astype(float), n=2, axis=0)).mean() / 4
    assert unrest(odd, 1)[0, 0] == pytest.approx(second)


@pytest.fixture
def backbone(tmp_path):
    """An AlexNet that has learned nothing: that of ImageNet is in no package."""
    torchvision = pytest.importorskip("torchvision")
    torch.manual_seed(0)
    file = tmp_path / network("alexnet").file
    file.parent.mkdir()
    net = torchvision.models.alexnet(weights=None)
    torch.save(net.state_dict(), file)
    return file, net.features.eval()


def test_metric_lpips_is_zhangs(backbone):
    """Against the formula of Zhang et al. 2018 with torchmetrics' own heads and the same network."""
    import torchmetrics

    file, features = backbone
    truth, other = pictures(), pictures(seed=1)
    before = torch.hub.get_dir()
    lpips = Lpips(file)
    assert torch.hub.get_dir() == before
    assert lpips(truth, truth) == 0
    elsewhere = shutil.copy(file, file.parent / "own.pth")
    assert Lpips(Path(elsewhere))(other, truth) == lpips(other, truth)
    heads = Path(torchmetrics.__file__).parent / "functional/image/lpips_models/alex.pth"
    heads = [head.flatten() for head in torch.load(heads, map_location="cpu", weights_only=True).values()]
    shift, scale = (torch.tensor(v).view(1, 3, 1, 1) for v in ((-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)))

    def maps(frames: np.ndarray) -> list[torch.Tensor]:
        x = (torch.from_numpy(frames).permute(0, 3, 1, 2) / 127.5 - 1 - shift) / scale
        found = []
        for index, layer in enumerate(features):
            x = layer(x)
            if index in (1, 4, 7, 9, 11):
                found.append(x / x.norm(dim=1, keepdim=True))
        return found

    with torch.inference_mode():
        pairs = zip(maps(other), maps(truth), heads, strict=True)
        expected = sum((((a - b) ** 2) * head.view(1, -1, 1, 1)).sum(1).mean((1, 2)) for a, b, head in pairs).mean()
    assert lpips(other, truth) == pytest.approx(float(expected), rel=1e-4)


def test_metric_lpips_fetches_nothing(tmp_path, backbone):
    """Without its network the column says which command brings it; another file is not taken for it."""
    with pytest.raises(MissingDependencyError, match="networks --fetch alexnet"):
        METRICS["lpips"].open(Tools(networks=tmp_path / "none"))
    file, _ = backbone
    with pytest.raises(CheckpointError, match="hash differs"):
        METRICS["lpips"].open(Tools(networks=file.parent.parent))
    file.write_bytes(b"PK no weights")
    with pytest.raises(CheckpointError, match="AlexNet"):
        Lpips(file)


def test_metric_hyperiqa_is_only_a_plug():
    """Its package is licensed for non-commercial use: nobody gets it by measuring."""
    with pytest.raises(MissingDependencyError, match="non-commercial.*pip install pyiqa.*--plug pyiqa"):
        METRICS["hyperiqa"].open(Tools())
