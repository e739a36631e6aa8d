"""Faces on MediaPipe's canonical mesh that take on expressions and poses, exact by construction."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..face.camera import NEAR, near_plane, project
from ..face.geometry import CanonicalFace, fit_similarity
from ..face.named_expressions import ease
from ..face.pose import PIVOT, rotations
from ..face.topology import (
    BLENDSHAPE_NAMES,
    LEFT_BROW,
    LEFT_EYE,
    LEFT_EYE_LOWER,
    LEFT_EYE_UPPER,
    LIPS,
    RIGHT_BROW,
    RIGHT_EYE,
    RIGHT_EYE_LOWER,
    RIGHT_EYE_UPPER,
)
from ..types import BLENDSHAPES, FaceMotion

_EYE_RADIUS, _IRIS_RADIUS = 1.15, 0.58  # cm
_CLOSED = -0.19  # share of `jawOpen` that brings the lips of the canonical face together
_SMILE = ("mouthSmileLeft", "mouthSmileRight")
_BROWS_UP = ("browInnerUp", "browOuterUpLeft", "browOuterUpRight")
_BROWS_DOWN = ("browDownLeft", "browDownRight")


def shape_face(
    cheeks: float,
    jaw: float,
    chin: float,
    nose: float,
    lips: float,
    eyes: float,
    opening: tuple[float, float],
) -> np.ndarray:
    """(468,3) float64 cm from proportions in [-1,1]; `opening`: how much wider and higher everybody's eyes are."""
    shape = CanonicalFace.default().vertices.astype(np.float64)
    x, y, z = shape.T.copy()
    low = _smoothstep((-1.0 - y) / 6.0)
    shape[:, 0] = x * (1 + 0.03 * cheeks + low * (0.05 * jaw - 0.03))
    shape[:, 1] = y - low * 0.5 * chin
    near_nose = np.exp(-((x / 1.6) ** 2) - ((y + 0.6) / 1.8) ** 2)[:, None]
    shape += near_nose * ((shape - shape[168]) * (0.14 * nose - 0.08, 0.05 * nose, 0.05 * nose - 0.04))
    near_lips = _near(shape, LIPS, 0.6)[:, None]
    shape += near_lips * (shape - shape[[13, 14]].mean(axis=0)) * (0.06 * lips - 0.02, 0.16 * lips + 0.05, 0.0)
    wide, high = opening[0] + 0.04 * eyes, opening[1] + 0.12 * eyes
    for eye in (LEFT_EYE, RIGHT_EYE):
        near_eye = _near(shape, eye, 0.8)[:, None]
        shape += near_eye * (shape - shape[list(eye)].mean(axis=0)) * (wide, high, 0.0)
    return shape + _CLOSED * _fields(shape)["jaw"]


class Rig:
    """A face shape (468,3) cm that takes on expressions and poses, many at once."""

    def __init__(self, shape: np.ndarray):
        self.shape = shape
        fields = _fields(shape)
        self.names = tuple(fields)
        self.fields = np.stack(list(fields.values()))

    def pose(
        self,
        weights: Mapping[str, np.ndarray],
        turns: np.ndarray,
        gazes: np.ndarray,
        places: np.ndarray,
        size: tuple[int, int],
        fps: float,
        eyeballs: tuple[float, float],
    ) -> FaceMotion:
        """T frames in a picture of `size` (width, height), exact: no detector had a part in it.

        weights: shares (T,), 1 in full, of "jaw", "smile", "pucker", "brows_up", "brows_down", "blink_left" and
        "blink_right". turns (T,3): yaw, pitch, roll of the head in degrees; gazes (T,2,2): yaw, pitch of right eye and
        left, relative to the head. + is the person's left, up, and the picture's anticlockwise. places (T,3): cm, of
        the head before the camera. eyeballs: size of them, and of the irises on them.
        """
        count = len(turns)

        # 1. Expression: linear blendshapes; then the eyes in their sockets.
        shares = np.stack([np.broadcast_to(weights[name], count) for name in self.names], axis=-1)
        mesh = self.shape + np.tensordot(shares, self.fields, 1)
        irises = [self._irises(eye, gazes[:, side], eyeballs) for side, eye in enumerate((RIGHT_EYE, LEFT_EYE))]

        # 2. What the geometry solver calls head pose is in the mesh too: taken out, so that both agree.
        canonical = CanonicalFace.default()
        source = canonical.vertices[canonical.basis].astype(np.float64)
        own, scale, offset = fit_similarity(source, mesh[:, canonical.basis], canonical.weights.astype(np.float64))
        scale, offset = scale[:, None, None], offset[:, None]
        metric, head = ((part - offset) @ own / scale for part in (mesh, np.concatenate([mesh, *irises], axis=1)))

        # 3. Head pose: on the neck, in front of the camera.
        rotation = rotations(turns)
        linear = rotation @ own
        translation = PIVOT - rotation @ PIVOT + places + (rotation @ (offset / scale).swapaxes(1, 2))[..., 0]
        camera = head @ linear.swapaxes(1, 2) + translation[:, None]

        # 4. Screen landmarks; depth in picture widths, 0 on average.
        depth = -camera[..., 2]
        z = (depth / depth[:, : len(self.shape)].mean(axis=1, keepdims=True) - 1) * NEAR / near_plane(size)[0]
        landmarks = np.concatenate([project(camera, size) / size, z[..., None]], axis=-1)
        camera_from_face = np.tile(np.eye(4), (count, 1, 1))
        camera_from_face[:, :3, :3], camera_from_face[:, :3, 3] = linear, translation
        blendshapes = _blendshapes(dict(zip(self.names, shares.T, strict=True)), gazes)
        arrays = (array.astype(np.float32) for array in (landmarks, metric, camera_from_face, blendshapes))
        return FaceMotion(*arrays, tuple(size), np.ones(count, bool), float(fps))

    def _irises(self, eye: tuple[int, ...], gaze: np.ndarray, sizes: tuple[float, float]) -> np.ndarray:
        """(T,5,3) cm: pupil, and the iris towards the picture's right, top, left and bottom, on an eyeball in its
        socket, for gaze (T,2) yaw, pitch."""
        lids = self.shape[list(eye)]
        middle = (lids.min(axis=0) + lids.max(axis=0)) / 2
        ball, r = _EYE_RADIUS * sizes[0], _IRIS_RADIUS * sizes[1] * np.ptp(lids[:, 0]) / 2.6
        middle[2] = lids[:, 2].max() - ball
        local = np.array([(0, 0, 0), (r, 0, 0), (0, r, 0), (-r, 0, 0), (0, -r, 0)]) + (0, 0, ball)
        return middle + local @ rotations(np.pad(gaze, [(0, 0), (0, 1)])).swapaxes(1, 2)


def _fields(shape: np.ndarray) -> dict[str, np.ndarray]:
    """Where each vertex goes in cm at full strength of each expression: name -> (468,3)."""
    x, y, z = shape.T
    side = np.sign(x)
    zero = np.zeros_like(x)

    # 1. Jaw: what lies below the parting of the lips turns about the hinge under the ears; corners go half way.
    spread = 0.3 + 3.5 * _smoothstep((np.abs(x) - 1.2) / 2.6)
    below = _smoothstep(0.5 + (shape[[13, 14], 1].mean() - y) / spread)
    jaw = 0.36 * below[:, None] * np.stack([zero, -(z + 2.0), 0.7 * y], axis=-1)

    # 2. Lips: corners out and up with the cheeks; or together and forwards.
    smile = _near(shape, (61, 291), 1.7)[:, None] * np.stack([0.7 * side, zero + 0.75, zero - 0.4], axis=-1)
    smile += _near(shape, (205, 425), 1.7)[:, None] * np.stack([0.15 * side, zero + 0.3, zero + 0.3], axis=-1)
    lips = _near(shape, LIPS, 1.0)[:, None]
    pucker = lips * np.stack([-0.42 * x, -0.12 * (y - shape[13, 1]), zero + 0.45], axis=-1)

    # 3. Brows: up as a whole, down and together.
    brows = _near(shape, LEFT_BROW + RIGHT_BROW, 1.0)[:, None]
    inner = np.exp(-((np.abs(x) / 3.5) ** 2))
    fields = {"jaw": jaw, "smile": smile, "pucker": pucker, "brows_up": brows * (0.0, 0.75, 0.0)}
    fields["brows_down"] = brows * np.stack([-0.25 * side, -0.25 - 0.4 * inner, zero], axis=-1)

    # 4. Lids: the upper one comes down to the lower one, which rises a little; the skin above follows.
    for name, upper, lower in (
        ("blink_left", LEFT_EYE_UPPER, LEFT_EYE_LOWER),
        ("blink_right", RIGHT_EYE_UPPER, RIGHT_EYE_LOWER),
    ):
        gap = shape[list(lower)] - shape[list(upper)]
        distance = np.linalg.norm(shape[:, None] - shape[list(upper)], axis=-1)
        field = np.exp(-((distance.min(axis=1) / 0.4) ** 2))[:, None] * 0.8 * gap[distance.argmin(axis=1)]
        field[list(upper)], field[list(lower)] = 0.86 * gap, -0.1 * gap
        fields[name] = field
    return fields


def _blendshapes(weights: Mapping[str, np.ndarray], gazes: np.ndarray) -> np.ndarray:
    """(T,52) what MediaPipe would say of it, about. gazes (T,2,2): right eye and left, yaw and pitch in degrees."""
    scores = {"jawOpen": weights["jaw"], "mouthPucker": weights["pucker"]}
    scores |= dict.fromkeys(_SMILE, weights["smile"])
    scores |= dict.fromkeys(_BROWS_UP, weights["brows_up"])
    scores |= dict.fromkeys(_BROWS_DOWN, weights["brows_down"])
    for side, index, inwards in (("Left", 1, -1), ("Right", 0, 1)):
        yaw, pitch = gazes[:, index, 0] / 30 * inwards, gazes[:, index, 1] / 20
        scores[f"eyeBlink{side}"] = weights[f"blink_{side.lower()}"]
        scores |= {f"eyeLookIn{side}": yaw, f"eyeLookOut{side}": -yaw}
        scores |= {f"eyeLookUp{side}": pitch, f"eyeLookDown{side}": -pitch}
    values = np.zeros((len(gazes), BLENDSHAPES))
    for name, value in scores.items():
        values[:, BLENDSHAPE_NAMES.index(name)] = value
    return np.clip(values, 0.0, 1.0)


def _near(shape: np.ndarray, points: tuple[int, ...], radius: float) -> np.ndarray:
    """(468,) 1 at the vertices `points`, falling off smoothly over `radius` cm."""
    distance = np.linalg.norm(shape[:, None] - shape[list(points)], axis=-1).min(axis=1)
    return np.exp(-((distance / radius) ** 2))


def _smoothstep(t: np.ndarray) -> np.ndarray:
    return ease(np.clip(t, 0.0, 1.0))
