"""From a portrait and an aligned motion to frames without networks: where such a sketch is not to be trusted."""

from __future__ import annotations

import numpy as np

from ..face.geometry import screen_points
from ..face.report import PROFILE
from ..face.warp import LARGEST_TURN, beyond_sketch
from ..face.warp_eyes import dark_eyes
from ..types import AlignedMotion, FaceFrame


def sketch_report(portrait: np.ndarray, face: FaceFrame, aligned: AlignedMotion) -> list[str]:
    """What a warp of portrait (H,W,3) uint8 in that motion cannot show, and what helps, in short sentences.

    Empty where all is well. Told are: a head that is itself turned by more than PROFILE degrees from the camera; eyes
    that are dark or covered; the number of frames that turn by more than LARGEST_TURN from the portrait's pose.
    """
    report = []
    look = face.camera_from_face[:3, 2].astype(np.float64)
    turned = np.degrees(np.arccos(np.clip(look[2] / max(np.linalg.norm(look), 1e-9), -1, 1)))
    if turned > PROFILE:
        report.append(
            f"The portrait's head is itself turned by {turned:.0f} degrees: beyond {PROFILE:g} this preview is wrong. "
            "Take a portrait that looks to the camera."
        )
    if dark := dark_eyes(portrait, screen_points(face)):
        which = "Both eyes of the portrait show" if dark == 2 else "One eye of the portrait shows"
        report.append(
            f"{which} no white: dark, in shadow or covered. Gaze, blinks and wide eyes look wrong there. "
            "Take a portrait with open, lit eyes, or leave the eyes still."
        )
    if beyond := int(beyond_sketch(aligned).sum()):
        report.append(
            f"{beyond} of {len(aligned)} frames turn the head more than {LARGEST_TURN:g} degrees from the portrait's "
            "pose: there this preview is wrong. Rotation none keeps the pose; the model can turn heads farther."
        )
    return report
