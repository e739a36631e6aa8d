"""Whether landmarks are shaped like a face at all: detectors also see faces in bellies, lamps and headlights."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from ..errors import InputError
from .geometry import CanonicalFace, ScreenFace, opposite_vertices
from .topology import FACE_CONTOUR, LEFT_EYE_UPPER, OUTER_LIP_UPPER, RIGHT_EYE_UPPER

# In brackets: the worst that is a face, among the golden portraits and clips, 240 pictures of drawn people, and 85 that
# the detector found in 265 pictures at confidence 0.5 (laughing, masked, in profile, cartoons, a shiba). The bounds
# refuse three of those: a puppy, twice, and a boxer in profile, whose eyes and mouth were found beside the real ones.
MISFIT = 1.4  # cm, root mean square over the mesh: how far it is from the average face in its best pose (1.18)
LOPSIDED = 1.2  # cm, likewise: how far it is from its own mirror image (1.04)
FOLDED = 0.05  # share of the mesh, by area, that lies face down when seen from the front (0.037)
MARGIN = 0.4  # cm: how far inside of the face's outline the corners of eyes and mouth are, at least (0.68)


def flaw(face: ScreenFace) -> str | None:
    """What is wrong with a face's geometry, in words and with the number that says so; None when it may be a face.

    Refuses shuffled, mirrored and collapsed landmarks, and some of what a detector wrongly takes for a face at a low
    confidence: most of that has the shape of a face, at a place where there is none.
    """
    try:
        return next(_flaws(face), None)
    except InputError:  # of points that no geometry fits
        return "its points do not form a face at all"


def plausible(found: Iterable[ScreenFace]) -> tuple[list[ScreenFace], list[str]]:
    """Those that have the shape of a face, and what is wrong with the others."""
    flaws = [(face, flaw(face)) for face in found]
    return [face for face, wrong in flaws if wrong is None], [wrong for _, wrong in flaws if wrong is not None]


def misfit(face: ScreenFace) -> float:
    """cm, root mean square over the mesh: how far a face is from the average one in its best pose. Raises InputError
    where its points form no face."""
    return _rms(face.shape.astype(np.float64) - CanonicalFace.default().vertices.astype(np.float64))


def _flaws(face: ScreenFace) -> Iterator[str]:
    canonical = CanonicalFace.default()
    average = canonical.vertices.astype(np.float64)
    metric = face.shape.astype(np.float64)

    away = misfit(face)
    if not away <= MISFIT:  # NaN as well
        yield f"it is {away:.1f} cm from the shape of a face; at most {MISFIT:g}"
    lopsided = _rms(metric - metric[opposite_vertices()] * (-1, 1, 1))
    if lopsided > LOPSIDED:
        yield f"its halves differ by {lopsided:.1f} cm; at most {LOPSIDED:g}"
    folded = _areas(metric) * np.sign(_areas(average))
    share = -folded[folded < 0].sum() / np.abs(folded).sum()
    if share > FOLDED:
        yield f"{share:.0%} of it is folded over; at most {FOLDED:.0%}"
    margin = _margin(metric)
    if margin < MARGIN:
        yield f"its eyes or its mouth are not inside of its outline (by {margin:.1f} cm; at least {MARGIN:g})"


def _rms(offsets: np.ndarray) -> float:
    return float(np.sqrt(np.square(offsets).sum(axis=-1).mean()))


def _areas(vertices: np.ndarray) -> np.ndarray:
    """(898,) cm2, signed: of the triangles as they are seen from the front."""
    corners = vertices[CanonicalFace.default().triangles.astype(np.int64), :2]
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    return (first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]) / 2


def _margin(metric: np.ndarray) -> float:
    """cm from the eyes and the mouth to the outline, seen from the front; negative where one of them is outside."""
    from .opencv import opencv

    outline = metric[list(_OUTLINE), :2].astype(np.float32)[:, None]
    inner = metric[list(_INNER), :2].tolist()
    return min(opencv().pointPolygonTest(outline, point, True) for point in inner)


_FOREHEAD = (284, 332, 297, 338, 10, 109, 67, 103, 54)  # from the left temple back to the right one
_OUTLINE = FACE_CONTOUR + _FOREHEAD
_INNER = tuple(path[end] for path in (LEFT_EYE_UPPER, RIGHT_EYE_UPPER, OUTER_LIP_UPPER) for end in (0, -1)) + (0, 17)
