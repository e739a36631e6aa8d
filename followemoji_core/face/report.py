"""What may look wrong in an aligned motion, said before anything is sampled."""

from __future__ import annotations

import numpy as np

from ..types import AlignedMotion, FaceFrame, FaceMotion
from .align import AlignOptions, head_rotations, resting_frame
from .geometry import screen_points
from .motion import smooth
from .topology import BLENDSHAPE_NAMES

# A head that moves passes TURNED degrees now and then; what holds it there for the share OFTEN of the frames, or turns
# past PROFILE, asks for a side of the head that the portrait does not show.
TURNED, OFTEN = 12.0, 1 / 3
PROFILE = 35.0
RESTLESS = 3.5  # sum of blendshapes: the calmest frames of filmed people have 2 to 3, half of their frames 4 and more
_OUTSIDE = 0.5  # pixels


def alignment_report(
    portrait: FaceFrame, driving: FaceMotion, aligned: AlignedMotion, options: AlignOptions | None = None
) -> list[str]:
    """What may look wrong in `aligned`, which `align` made from the rest, and what helps, in short sentences: a node
    shows two lines without scrolling.

    Empty where all is well. Told are: a driving motion of one frame; a face that the portrait's picture cuts; the
    share of frames in which landmarks leave the picture farther than that; the share in which the head is turned by
    more than TURNED from the portrait's, if that is OFTEN or once more than PROFILE; a neutral frame whose blendshapes
    sum up to more than RESTLESS. A still that carries an edit is meant to be one.
    """
    options = options or AlignOptions()
    report = []
    if len(driving) == 1 and driving.edit is None:
        report.append("The driving motion has one frame: a still. Perhaps portrait and driving are swapped.")
    report += _edges(portrait, aligned, options)
    neutral = resting_frame(driving, options.neutral)
    report += _turns(portrait, driving, options, neutral)
    report += _rest(driving, neutral)
    return report


def _edges(portrait: FaceFrame, aligned: AlignedMotion, options: AlignOptions) -> list[str]:
    report = []
    own = screen_points(portrait)
    low, high = np.minimum(own.min(axis=0), 0), np.maximum(own.max(axis=0), portrait.size)
    if np.maximum(-low, high - portrait.size).max() > _OUTSIDE:
        report.append("The picture cuts the portrait's own face: frame it with more room.")
    beyond = np.maximum(low - aligned.points.min(axis=1), aligned.points.max(axis=1) - high).max(axis=-1)
    if (beyond > _OUTSIDE).any():
        way_out = "" if options.translation == "steady" else "translation steady, or "
        report.append(
            f"Landmarks leave the picture in {_share(beyond, _OUTSIDE)}: choose {way_out}a portrait with more room "
            "around the face."
        )
    return report


def _turns(portrait: FaceFrame, driving: FaceMotion, options: AlignOptions, neutral: int) -> list[str]:
    driving = smooth(driving, options.smoothing)
    rotation = head_rotations(portrait, driving, options.rotation, neutral)
    turn = portrait.camera_from_face[:3, :3].T.astype(np.float64) @ np.broadcast_to(rotation, (len(driving), 3, 3))
    degrees = np.degrees(np.arccos(np.clip((np.trace(turn, axis1=-2, axis2=-1) - 1) / 2, -1, 1)))
    if (degrees > TURNED).mean() <= OFTEN and degrees.max() <= PROFILE:
        return []
    way_out = "relative, from the portrait's pose" if options.rotation == "driving" else "none, for a still head"
    return [
        f"The head is turned over {TURNED:g} degrees from what the portrait shows in {_share(degrees, TURNED)} "
        f"({degrees.max():.0f} degrees): choose rotation {way_out}."
    ]


def _rest(driving: FaceMotion, neutral: int) -> list[str]:
    scores = driving.blendshapes[neutral, 1:]
    still = driving.edit is not None and not np.ptp(driving.metric, axis=0).any()
    if still or scores.sum() <= RESTLESS:
        return []
    strongest = ", ".join(f"{BLENDSHAPE_NAMES[1 + i]} {scores[i]:.2f}" for i in np.argsort(-scores)[:3])
    return [
        f"The driver is not at rest in neutral frame {neutral}: choose a calm one. (Score {scores.sum():.1f}, at rest "
        f"up to {RESTLESS:g}: {strongest}.)"
    ]


def _share(values: np.ndarray, limit: float) -> str:
    """[0, 3, 5, 2] over a limit of 1 -> '75 % of the frames, most in frame 2'."""
    percent = 100 * (values > limit).mean()
    share = f"{percent:.0f} %" if percent >= 1 else "less than 1 %"
    return f"{share} of the frames, most in frame {values.argmax()}"
