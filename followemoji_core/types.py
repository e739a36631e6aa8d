"""The nouns that travel through the walk (T frames, H W pixels, h w latent cells). Frozen; arrays are not copied."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import torch

LANDMARKS = 478  # MediaPipe's face mesh with irises: 468..472 right iris, 473..477 left iris
MESH_LANDMARKS = 468  # the mesh alone, which is what has a canonical 3D counterpart
BLENDSHAPES = 52  # MediaPipe's order, index 0 is `_neutral`


@dataclass(frozen=True)
class FaceFrame:
    """One face in one picture.

    landmarks (478,3) float32: x, y in [0,1] from the top left, z in units of the image width, as MediaPipe gives them.
    metric (468,3) float32: cm in canonical face space, head pose taken out.
    camera_from_face (4,4) float32: rigid, cm; maps `metric` into the 63 degree camera's space (y up, looking at -z).
    blendshapes (52,) float32 in [0,1]. size (width, height) in pixels.
    """

    landmarks: np.ndarray
    metric: np.ndarray
    camera_from_face: np.ndarray
    blendshapes: np.ndarray
    size: tuple[int, int]


@dataclass(frozen=True)
class FaceMotion:
    """One face through T frames: FaceFrame's arrays with a leading T, in frames per second `fps`.

    found (T,) bool: False where the detector saw no face and the values were filled in.
    edit: None, or Controls of 1 or T frames (face/controls.py) for the portrait's own mesh; the arrays are without it.
    """

    landmarks: np.ndarray
    metric: np.ndarray
    camera_from_face: np.ndarray
    blendshapes: np.ndarray
    size: tuple[int, int]
    found: np.ndarray
    fps: float
    edit: Any = None

    def __len__(self) -> int:
        return len(self.landmarks)

    def frame(self, index: int) -> FaceFrame:
        """The face of one frame; negative indices count from the end."""
        return FaceFrame(
            self.landmarks[index], self.metric[index], self.camera_from_face[index], self.blendshapes[index], self.size
        )

    def taken(self, frames: slice | np.ndarray) -> FaceMotion:
        """Those frames, a slice or (N,) indices, with what the edit does in them."""
        edit = self.edit
        if edit is not None and len(edit) > 1:
            edit = replace(edit, values=edit.values[frames])
        return replace(self, **{name: getattr(self, name)[frames] for name in MOTION_ARRAYS}, edit=edit)

    def with_edit_added(self, edit: Any) -> FaceMotion:
        """The same with Controls on top of those that it carries."""
        return replace(self, edit=edit if self.edit is None else edit.plus(self.edit))


MOTION_ARRAYS = ("landmarks", "metric", "camera_from_face", "blendshapes", "found")  # of a FaceMotion, a row a frame


@dataclass(frozen=True)
class AlignedMotion:
    """The driving motion on the portrait's face.

    points (T,478,2) float32 in pixels of a picture of `size` (width, height), 468..472 right iris, 473..477 left iris.
    Where they are known: depth (T,468) float32, cm of the mesh from the camera's plane; turn (T,) float32, degrees
    between where the head looks and where the portrait's does.
    """

    points: np.ndarray
    size: tuple[int, int]
    fps: float
    depth: np.ndarray | None = None
    turn: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.points)


@dataclass(frozen=True)
class Crop:
    """Framing that can be undone: a picture of `size` cut from one of `picture_size`, both (width, height).

    picture_from_crop (2,3), or (T,2,3) one a frame of a clip, float64: a place in the crop -> the same in the picture,
    both in pixels from the top left corner, so that the first pixel's middle is at (0.5, 0.5). It turns and scales.
    points (478,2) or (T,478,2) float32, pixels of the crop: the face that it is framed around.
    """

    picture_from_crop: np.ndarray
    points: np.ndarray
    size: tuple[int, int]
    picture_size: tuple[int, int]

    @property
    def frames(self) -> int | None:
        """T; None where all frames share one."""
        return None if self.picture_from_crop.ndim == 2 else len(self.picture_from_crop)

    def matrix(self, index: int) -> np.ndarray:
        """(2,3) picture_from_crop of a frame."""
        return self.picture_from_crop if self.frames is None else self.picture_from_crop[index]


@dataclass(frozen=True)
class AppearanceFeatures:
    """What the appearance net hands to the denoiser: 16 maps (1, tokens, channels), 6 down, 1 mid, 9 up."""

    maps: tuple[torch.Tensor, ...]
