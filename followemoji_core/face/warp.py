"""A portrait and 478 target points -> a picture, without a network: what an edit looks like, in milliseconds.

A sketch: wrinkles neither come nor go, what the portrait does not show is painted plainly, and beyond LARGEST_TURN
from the portrait's own pose it is no longer to be trusted.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

import numpy as np

from ..errors import InputError
from ..types import LANDMARKS, MESH_LANDMARKS, AlignedMotion, FaceFrame, FaceMotion
from .detector import rgb_uint8
from .geometry import CanonicalFace, screen_points
from .topology import INNER_LIP_LOWER, INNER_LIP_UPPER, LIPS
from .warp_eyes import EYES, Eye
from .warp_lids import Lid
from .warp_mesh import BELOW, LIDS, Sheet, lid_row, mouth_gap, similarity
from .warp_mouth import Mouth

LARGEST_TURN = 12.0  # degrees from the portrait's own pose
_SAME = 0.05  # pixels up to which an eye is only turned and sized, which the mesh does
_FAR = 8  # picture sides from the picture: where points are held, so that nothing overflows

_LIPS_FADE = 1.6  # cm around the lips that give way with them

# Pairs of the upper and the lower of lids and inner lips; each eye and the mouth from the picture's left to its right.
_AXES = np.array([[eye[1][0], eye[1][-1]] for eye in EYES] + [[INNER_LIP_UPPER[0], INNER_LIP_UPPER[-1]]])
_AXES[0] = _AXES[0, ::-1]  # from the picture's left to its right, so that down is down
_PATHS = [(eye[1][1:-1], eye[2][1:-1]) for eye in EYES] + [(INNER_LIP_UPPER[1:-1], INNER_LIP_LOWER[1:-1])]
_PAIRS = np.array([pair for path in _PATHS for pair in zip(*path, strict=True)])
_AXIS_OF = np.repeat(np.arange(3), [len(upper) for upper, _ in _PATHS])
_SHARES = np.array((0.75, 0.75, 0.5))[_AXIS_OF, None]  # of the way to meet that the upper one goes


class WarpPortrait:
    """A portrait ready to be warped.

    picture (H,W,3) uint8 RGB (or as FaceDetector.find takes it); points (478,2) pixels of it, from the top left: its
    own landmarks. Raises InputError for another picture, for points of another shape or that are not finite.
    Steps: a mesh of triangles around which rings fade out; eyes and mouth are layers of their own.
    """

    def __init__(self, picture: np.ndarray, points: np.ndarray):
        self.picture = rgb_uint8(picture)
        self.points = points = self._checked(points)
        self.sheet = Sheet(points, self.picture)

    # Layers are made when they are first looked at: few edits need all of them.

    @functools.cached_property
    def eyes(self) -> list[Eye]:
        lashes = self._lashes(self.sheet.source)
        return [Eye(self.picture, self.points, *parts) for parts in zip(EYES, lashes, strict=True)]

    @functools.cached_property
    def lids(self) -> list[Lid]:
        return [Lid(self.picture, self.sheet, number) for number in range(len(LIDS))]

    @functools.cached_property
    def mouth(self) -> Mouth:
        return Mouth(self.picture, self.points)

    def prepared(self) -> WarpPortrait:
        """Itself, with all layers made now."""
        return self if self.eyes and self.lids and self.mouth else self

    def render(self, points: np.ndarray, depth: np.ndarray | None = None) -> np.ndarray:
        """The portrait with its landmarks at points (478,2) pixels: (H,W,3) uint8 RGB.

        depth (468,) cm from the camera, for what covers what; None: in the mesh's own order.
        Raises InputError for points or depth of another shape, or that are not finite.
        """
        points = uncrossed(self._checked(points), self.points)
        if depth is not None and (np.shape(depth) != (MESH_LANDMARKS,) or not np.isfinite(depth).all()):
            raise InputError(f"Depth has shape {np.shape(depth)}; expected ({MESH_LANDMARKS},) finite cm.")
        target = self.sheet.moved(points)
        out, back = self.sheet.warp(self.picture, target, depth)
        closing = [(number, share) for number, share in enumerate(self.sheet.shut(points)) if share > 0]
        for number, share in closing:
            self.lids[number].draw(out, back, target, share)
        if mouth_gap(points) > mouth_gap(self.points):
            self.mouth.draw(out, points)
        for number, lashes in enumerate(self._lashes(target)):
            if _differs(points, self.points, EYES[number]):
                self.eyes[number].draw(out, points, lashes)
        for number, share in closing:
            self.lids[number].line(out, points, share)
        return out

    def folds(self, points: np.ndarray) -> float:
        """Share of the face's area, 0 to 1, that points (478,2) turn round: 0 where the mesh lies flat."""
        return self.sheet.folded(self.sheet.moved(uncrossed(self._checked(points), self.points)))

    @staticmethod
    def _lashes(vertices: np.ndarray) -> list[np.ndarray]:
        """(7,2) lower end of each upper lid's lashes, in the order of EYES."""
        return [vertices[lid_row(number, BELOW)] for number in range(len(EYES))]

    def _checked(self, points: np.ndarray) -> np.ndarray:
        points = np.asarray(points, np.float64)
        if points.shape != (LANDMARKS, 2) or not np.isfinite(points).all():
            raise InputError(
                f"Points have shape {points.shape}; expected ({LANDMARKS}, 2) pixels of the portrait, all finite."
            )
        far = _FAR * max(self.picture.shape[:2])
        return np.clip(points, -far, far)


def _differs(points: np.ndarray, own: np.ndarray, eye: tuple) -> bool:
    """Whether lids and iris of points (478,2) are more than turned and sized from where they are in own (478,2)."""
    parts = [*eye[0], *eye[3]]
    linear, offset = similarity(own[parts], points[parts])
    return float(np.abs(own[parts] @ linear.T + offset - points[parts]).max()) > _SAME


def warp_motion(portrait: np.ndarray, face: FaceFrame, aligned: AlignedMotion) -> Iterator[np.ndarray]:
    """The portrait (H,W,3) in an aligned motion of T frames: T pictures (H,W,3) uint8 RGB, made one by one.

    face: the portrait's own, found in that picture; aligned: by `align` with it.
    Raises InputError where picture, face and motion are not of one size.
    """
    height, width = portrait.shape[:2]
    if not (width, height) == tuple(face.size) == tuple(aligned.size):
        raise InputError(
            f"The portrait is {width}x{height} pixels, its face was found in {face.size[0]}x{face.size[1]}, and the "
            f"motion is aligned to {aligned.size[0]}x{aligned.size[1]}. Align the motion to this portrait."
        )
    warped = WarpPortrait(portrait, screen_points(face))
    depth = aligned.depth if aligned.depth is not None else np.broadcast_to(mesh_depth(face), (len(aligned), 468))
    return map(warped.render, aligned.points, depth)


def beyond_sketch(aligned: AlignedMotion) -> np.ndarray:
    """(T,) bool: frames in which the head is turned farther from the portrait's pose than a warp can show."""
    return np.zeros(len(aligned), bool) if aligned.turn is None else aligned.turn > LARGEST_TURN


def mesh_depth(face: FaceFrame | FaceMotion) -> np.ndarray:
    """Distance of the mesh from the camera's plane in cm: (468,) or (T,468) float32."""
    row, offset = face.camera_from_face[..., 2, :3], face.camera_from_face[..., 2, 3:]
    return -((face.metric @ row[..., None])[..., 0] + offset).astype(np.float32)


def uncrossed(points: np.ndarray, own: np.ndarray) -> np.ndarray:
    """points (478,2) whose lids and inner lips, where they had crossed, meet, the rest of the lips with them; others
    unmoved. What has crossed in the portrait's own points may stay so."""
    excess, down = _crossed(points)
    excess = np.maximum(excess - np.maximum(_crossed(own)[0], 0), 0)[:, None] * down
    if not excess.any():
        return points
    points = points.copy()
    points[_PAIRS[:, 0]] -= _SHARES * excess
    points[_PAIRS[:, 1]] += (1 - _SHARES) * excess
    points[:MESH_LANDMARKS] += _lip_shares() @ excess[_AXIS_OF == 2]
    return points


@functools.cache
def _lip_shares() -> np.ndarray:
    """(468,9) how far each vertex near the lips, the inner ones left out, goes with the pairs of the inner lips: up
    (negative) above the mouth, down below it, fading over _LIPS_FADE."""
    vertices = CanonicalFace.default().vertices.astype(np.float64)
    upper, lower = _PAIRS[_AXIS_OF == 2].T
    line = (vertices[upper] + vertices[lower]) / 2
    away = np.linalg.norm(vertices[:, None] - vertices[list(LIPS)], axis=-1).min(axis=1)
    fade = np.clip(1 - away / _LIPS_FADE, 0, 1)
    near = np.exp(-(((vertices[:, None, 0] - line[:, 0]) / 0.35) ** 2)) + 1e-12
    near /= near.sum(axis=1, keepdims=True)
    side = np.where(vertices[:, 1] > (near @ line)[:, 1], -0.5, 0.5) * fade * fade * (3 - 2 * fade)
    side[np.concatenate([upper, lower])] = 0
    return side[:, None] * near


def _crossed(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pixels by which the upper of each pair is below the lower, (P,), and the way down there, (P,2)."""
    along = points[_AXES[:, 1]] - points[_AXES[:, 0]]
    down = np.stack([-along[:, 1], along[:, 0]], axis=1) / np.maximum(np.linalg.norm(along, axis=1), 1e-6)[:, None]
    down = down[_AXIS_OF]
    return ((points[_PAIRS[:, 0]] - points[_PAIRS[:, 1]]) * down).sum(axis=1), down
