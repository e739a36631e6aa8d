"""The metrics of EmojiBench: one concept a file, each with what its number says and what it needs."""

from .expression import EXPRESSION, GAZE, POSE
from .flicker import FLICKER
from .frechet import ACCELERATION, VELOCITY
from .identity import IDENTITY, IDENTITY_DLIB
from .landmarks import LANDMARK_ACCURACY, LANDMARK_ERROR, THRESHOLDS
from .metric import BOTH, Metric, Tools, Value
from .perceptual import LPIPS
from .pixels import L1, PSNR, SSIM
from .quality import HYPERIQA
from .video import FVD

# In the order of the table: the paper's first.
METRICS = {
    metric.name: metric
    for metric in (L1, SSIM, LPIPS, FVD, IDENTITY, HYPERIQA, LANDMARK_ACCURACY)
    + (PSNR, IDENTITY_DLIB, LANDMARK_ERROR, EXPRESSION, POSE, GAZE, FLICKER, VELOCITY, ACCELERATION)
}
__all__ = ["BOTH", "METRICS", "THRESHOLDS", "Metric", "Tools", "Value"]
