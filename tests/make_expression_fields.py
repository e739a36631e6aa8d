"""Makes face/expression_fields.npz out of a measured basis, and draws every control.

    python tests/make_expression_fields.py MEASURED.npz     writes the file that is shipped
    python tests/make_expression_fields.py --sheet SHEET    draws what is shipped: SHEET_upper.png, SHEET_lower.png, and
                                                            the named expressions, SHEET_named.png

MEASURED.npz: `fields` (52,468,3) cm at score 1 in MediaPipe's order. What is mended, and why, stands in the code below
and in short in face/expression_fields.txt.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from followemoji_core.face.controls import SHAPES, Controls, bounded  # noqa: E402
from followemoji_core.face.expression import ExpressionSpace, apply_to_mesh  # noqa: E402
from followemoji_core.face.gaze import moved_pupils, pupil_points  # noqa: E402
from followemoji_core.face.geometry import CanonicalFace, opposite_vertices  # noqa: E402
from followemoji_core.face.named_expressions import ease, named_expressions  # noqa: E402
from followemoji_core.face.pose import PIVOT, rotations  # noqa: E402
from followemoji_core.face.topology import (  # noqa: E402
    DRAWN_PATHS,
    FACE_CONTOUR,
    INNER_LIP_LOWER,
    INNER_LIP_UPPER,
    INNER_LIPS,
    LEFT_EYE,
    LEFT_EYE_LOWER,
    OUTER_LIP_LOWER,
    OUTER_LIP_UPPER,
    RIGHT_EYE,
)

FACE = Path(__file__).resolve().parents[1] / "followemoji_core" / "face"
CANONICAL = CanonicalFace.default()
V = CANONICAL.vertices.astype(np.float64)
MIRROR = opposite_vertices()
SPLIT = ("mouthDimple", "mouthFrown", "mouthLowerDown", "mouthPress", "mouthSmile", "mouthStretch", "mouthUpperUp")
HIGHEST = {"mouthFunnel": 1.4, "jawOpen": 1.3, "eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0}  # by eye
CALM = {"mouthShrugUpper": 0.45}  # of what was measured; the detector's score counts as much more


def smoothstep(t: np.ndarray) -> np.ndarray:
    return ease(np.clip(t, 0.0, 1.0))


def bump(x: float, y: float, rx: float, ry: float) -> np.ndarray:
    """(468,) 1 at a place of the canonical face as seen from the front, falling off over rx and ry cm."""
    return np.exp(-(((V[:, 0] - x) / rx) ** 2) - ((V[:, 1] - y) / ry) ** 2)


def near(points: tuple[int, ...], reach: float) -> np.ndarray:
    distance = np.linalg.norm(V[:, None] - V[list(points)], axis=-1).min(axis=1)
    return np.exp(-((distance / reach) ** 2))


def move(where: np.ndarray, x: float, y: float, z: float) -> np.ndarray:
    return where[:, None] * (x, y, z)


def mirror(field: np.ndarray) -> np.ndarray:
    return field[MIRROR] * (-1, 1, 1)


def make(measured: np.ndarray) -> dict[str, np.ndarray]:
    """The shipped arrays, from (52,468,3)."""
    fields = dict(zip(SHAPES, measured[1:].astype(np.float64), strict=True))
    x, y = V[:, 0], V[:, 1]
    left = smoothstep((x + 0.8) / 1.6)[:, None]  # how much of a vertex is the left side's

    # 1. One-sided mouth: both sides as measured, divided smoothly over 1.6 cm; the measured ones change over within
    #    half of that, which waves.
    for name in SPLIT:
        both = fields[name + "Left"] + fields[name + "Right"]
        fields[name + "Left"] = left * (both + mirror(both)) / 2

    # 2. A blink shuts at 1: expression.py shuts the lids themselves; here is what the skin around them does for an
    #    opening as high as the canonical face's.
    blink = fields["eyeBlinkLeft"]
    closing = blink[374, 1] - blink[386, 1]
    fields["eyeBlinkLeft"] = blink * (V[386, 1] - V[374, 1]) / closing
    fields["eyeBlinkLeft"][[263, 362]] *= 0.3  # the corners of the eye are where it hangs

    # 3. mouthClose brings together the lips that jawOpen parted, the lower one three quarters of the way, and lifts the
    #    corners that hung; the skin around follows.
    jaw = fields["jawOpen"]
    gap = jaw[list(INNER_LIP_UPPER)] - jaw[list(INNER_LIP_LOWER)]
    close = np.zeros_like(V)
    for inner, outer, share in ((INNER_LIP_LOWER, OUTER_LIP_LOWER, 0.75), (INNER_LIP_UPPER, OUTER_LIP_UPPER, -0.25)):
        moves = share * gap
        moves[[0, -1]] = -0.2 * jaw[[78, 308]]
        other = INNER_LIP_UPPER + OUTER_LIP_UPPER if share > 0 else INNER_LIP_LOWER + OUTER_LIP_LOWER
        own = near(inner[1:-1] + outer[1:-1], 1.0) > near(tuple(other[1:-1]), 1.0)
        distance = np.linalg.norm(V[:, None] - V[list(inner)], axis=-1)
        kernel = np.exp(-((distance / 0.5) ** 2)) + 1e-12
        away = np.linalg.norm(V[:, None] - V[list(outer)], axis=-1).min(axis=1)
        reach = smoothstep(1 - np.maximum(away - 0.2, 0) / 2.0)
        follow = (kernel / kernel.sum(axis=1, keepdims=True)) @ moves * reach[:, None]
        close = np.where(own[:, None], follow, close)
        close[list(inner)] = moves
    for corner, ring in ((78, (61, 76, 62)), (308, (291, 306, 292))):
        close[list(ring)] = close[corner]
    fields["mouthClose"] = close

    # 4. Calmer.
    for name, share in CALM.items():
        fields[name] *= share

    # 5. By hand, for the detector never reports them. The lids' lower line without its corners:
    lower = near(LEFT_EYE_LOWER[1:-1], 0.45)
    lower[[263, 362]] *= 0.15
    lower[[466, 388, 387, 386, 385, 384, 398]] = 0.0
    puff = bump(4.3, -3.6, 2.3, 2.2) * smoothstep((x - 1.2) / 2.0)
    puff = move(puff, 0.95, 0.05, 0.6)
    lips_out = near(OUTER_LIP_LOWER + OUTER_LIP_UPPER, 0.6)
    fields["cheekPuff"] = puff + mirror(puff) + lips_out[:, None] * np.stack([-0.06 * x, 0 * x, 0 * x + 0.2], -1)
    cheek = bump(3.6, 0.4, 1.9, 1.25) * (y < V[374, 1] - 0.2)
    squint = move(cheek, 0.05, 0.55, 0.22) + move(lower, 0.0, 0.26, 0.04)
    fields["cheekSquintLeft"] = left * squint
    sneer = move(near((358, 279, 429, 420), 0.75), 0.1, 0.5, 0.1)
    sneer += move(bump(1.3, 1.2, 0.8, 1.3), 0.0, 0.28, 0.1)
    sneer += move(bump(1.6, -3.4, 1.3, 0.75) * (y > -4.15), 0.0, 0.34, 0.06)
    sneer += move(near((285, 295, 336), 0.7), -0.1, -0.3, 0.05)
    fields["noseSneerLeft"] = left * sneer
    fields["jawForward"] = fields["jawForward"] + move(near(OUTER_LIP_LOWER, 0.5) * (y < -4.0), 0.0, 0.06, 0.1)

    # 6. Right as left; what acts on both sides as symmetric as a face; nothing on the other side.
    for name in SHAPES:
        if name.endswith("Right"):
            fields[name] = mirror(fields[name.replace("Right", "Left")])
        elif not name.endswith("Left"):
            fields[name] = (fields[name] + mirror(fields[name])) / 2
    stacked = np.stack([fields[name] for name in SHAPES])
    stacked[np.linalg.norm(stacked, axis=-1) < 0.005] = 0.0
    stacked = unfolded(stacked)
    gains = np.array([1 / CALM.get(name, 1.0) for name in SHAPES])
    gains[[SHAPES.index("eyeBlinkLeft"), SHAPES.index("eyeBlinkRight")]] = (
        0.94  # what fits the clips of measure_expression.py best
    )
    lowest, highest = limits(stacked)
    highest = np.minimum(highest, [HIGHEST.get(name, 2.0) for name in SHAPES])
    arrays = {"fields": stacked, "gains": gains, "lowest": lowest, "highest": highest}
    return {name: array.astype(np.float16) for name, array in arrays.items()}


def faces(fields: np.ndarray) -> list[np.ndarray]:
    """The canonical face, and the same with its lips closed by its jaw and its eyes as open as a real one's."""
    jaw = fields[SHAPES.index("jawOpen")].astype(np.float64)
    upper, lower = INNER_LIP_UPPER[5], INNER_LIP_LOWER[5]
    closed = V - jaw * 0.94 * (V[upper, 1] - V[lower, 1]) / (jaw[upper, 1] - jaw[lower, 1])
    for eye in (LEFT_EYE, RIGHT_EYE):
        around = near(eye, 0.7)[:, None]
        closed += around * (V - V[list(eye)].mean(axis=0)) * (0.05, 0.5, 0.0)
    return [V, closed]


def skin() -> np.ndarray:
    """(N,3) the triangles that do not merely cover eyes and mouth."""
    covers = [np.isin(CANONICAL.triangles, part).all(axis=1) for part in (INNER_LIPS, LEFT_EYE, RIGHT_EYE)]
    return CANONICAL.triangles[~np.any(covers, axis=0)]


def folded(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """(T,N) which triangles of meshes (T,468,3) face the other way than `before`, (468,3), by more than a hundredth of
    a square centimetre."""
    triangles = skin()

    def normals(mesh: np.ndarray) -> np.ndarray:
        a, b, c = (mesh[..., triangles[:, corner], :] for corner in range(3))
        return np.cross(b - a, c - a) / 2

    was = normals(before)
    was /= np.linalg.norm(was, axis=-1, keepdims=True)
    return (normals(after) * was).sum(axis=-1) < -0.01


def space_of(fields: np.ndarray) -> ExpressionSpace:
    """The fields without limits, as they would be shipped."""
    count = len(SHAPES)
    return ExpressionSpace(fields, np.ones(count), np.full(count, -1.0), np.full(count, 2.0))


def unfolded(fields: np.ndarray) -> np.ndarray:
    """The fields, smoothed around triangles that fold at 1."""
    triangles = CANONICAL.triangles
    neighbours = np.zeros((len(V), len(V)))
    for a, b in ((0, 1), (1, 2), (2, 0)):
        neighbours[triangles[:, a], triangles[:, b]] = neighbours[triangles[:, b], triangles[:, a]] = 1
    neighbours /= neighbours.sum(axis=1, keepdims=True)
    fields = fields.copy()
    for index, name in enumerate(SHAPES):
        for turn in range(60):  # noqa: B007
            at_one = np.eye(len(SHAPES))[[index]]
            if name == "mouthClose":
                at_one[0, SHAPES.index("jawOpen")] = 1
            bad = [folded(face, apply_to_mesh(face, at_one, space=space_of(fields)))[0] for face in faces(fields)]
            if not np.any(bad):
                break
            where = np.unique(skin()[np.any(bad, axis=0)])
            if name == "mouthClose":
                where = where[~np.isin(where, INNER_LIPS)]
            fields[index, where] += 0.5 * ((neighbours @ fields[index])[where] - fields[index, where])
        if turn:
            sys.stdout.write(f"{name}: smoothed {turn} times where it folded\n")
    return fields


def limits(fields: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far each shape goes alone, (51,) below 0 and above 1, before a triangle folds; steps of 0.05."""
    result = []
    for start, end in ((0.0, -1.0), (1.0, 2.0)):
        steps = np.linspace(start, end, 21)
        reached = np.full(len(SHAPES), abs(end))
        for index, name in enumerate(SHAPES):
            shapes = np.zeros((len(steps), len(SHAPES)))
            shapes[:, index] = steps
            if name == "mouthClose":
                shapes[:, SHAPES.index("jawOpen")] = steps
            for face in faces(fields):
                bad = folded(face, apply_to_mesh(face, shapes, space=space_of(fields))).any(axis=1)
                if bad[0]:
                    sys.stdout.write(f"{name} folds at {start}\n")
                if bad.any():
                    reached[index] = min(reached[index], abs(steps[max(bad.argmax() - 1, 0)]))
        result.append(np.sign(end) * reached)
    return result[0], result[1]


def draw(mesh: np.ndarray, irises: np.ndarray, arrows: np.ndarray | None, label: str, scale: int = 22) -> np.ndarray:
    import cv2

    size = (20 * scale, 22 * scale)
    picture = np.full((size[1], size[0], 3), 255, np.uint8)

    def pixels(points: np.ndarray) -> np.ndarray:
        return np.round(np.stack([points[..., 0] + 10, 10 - points[..., 1]], -1) * scale * 4).astype(np.int32)

    drawing = {"lineType": cv2.LINE_AA, "shift": 2}
    for triangle in CANONICAL.triangles:
        cv2.polylines(picture, [pixels(mesh[triangle])], True, (225, 225, 225), 1, **drawing)
    for path, _ in DRAWN_PATHS:
        cv2.polylines(picture, [pixels(mesh[list(path)])], False, (40, 40, 40), 2, **drawing)
    for path in (OUTER_LIP_LOWER, OUTER_LIP_UPPER):
        cv2.polylines(picture, [pixels(mesh[list(path)])], False, (60, 60, 200), 2, **drawing)
    cv2.polylines(picture, [pixels(mesh[list(FACE_CONTOUR)])], False, (120, 120, 120), 2, **drawing)
    for pupil in (irises[0], irises[5]):
        cv2.circle(picture, pixels(pupil), int(0.45 * scale * 4), (200, 120, 20), 2, **drawing)
    if arrows is not None:
        for start, way in zip(mesh - arrows, arrows, strict=True):
            if np.linalg.norm(way[:2]) > 0.03:
                cv2.line(picture, pixels(start), pixels(start + way), (230, 150, 40), 2, **drawing)
    cv2.putText(picture, label, (6, 22), cv2.FONT_HERSHEY_SIMPLEX, 0.65, (0, 0, 160), 1, cv2.LINE_AA)
    return picture


def sheet(path: str) -> None:
    """Every control at 1 on the face with closed lips, and at its highest."""
    import cv2

    face = faces(ExpressionSpace.default().fields)[1]
    pose = np.eye(4)
    places = np.zeros((1, 2, 5, 2))
    parts: dict[str, list[np.ndarray]] = {"upper": [], "lower": []}
    for name in SHAPES:
        row = []
        highest = float(ExpressionSpace.default().highest[SHAPES.index(name)])
        for value in (1.0, highest):
            given = {name: value}
            if name == "mouthClose":
                given["jawOpen"] = value
            controls = Controls.of(given)
            mesh = apply_to_mesh(face, controls)
            irises = pupil_points(moved_pupils(places, controls), mesh, pose)
            row.append(draw(mesh[0], irises[0], mesh[0] - face if value == 1.0 else None, f"{name} {value:g}"))
        which = "upper" if name.startswith(("brow", "eye", "cheek", "nose")) else "lower"
        parts[which].append(np.concatenate(row, axis=1))
    for which, tiles in parts.items():
        tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % 4)
        rows = [np.concatenate(tiles[start : start + 4], axis=1) for start in range(0, len(tiles), 4)]
        cv2.imwrite(
            f"{path}_{which}.png", cv2.resize(np.concatenate(rows), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        )


def named_sheet(path: str) -> None:
    """Every named expression as it is held, on the face with closed lips."""
    import cv2

    face = faces(ExpressionSpace.default().fields)[1]
    tiles = []
    for name, expression in named_expressions().items():
        controls = Controls(bounded(expression.held(np.array([0.6]))))
        mesh = apply_to_mesh(face, controls)
        irises = pupil_points(moved_pupils(np.zeros((1, 2, 5, 2)), controls), mesh, np.eye(4))
        head = rotations(controls.turns)[0].T
        tiles.append(draw(*((part[0] - PIVOT) @ head + PIVOT for part in (mesh, irises)), None, name))
    tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % 8)
    rows = [np.concatenate(tiles[start : start + 8], axis=1) for start in range(0, len(tiles), 8)]
    small = cv2.resize(np.concatenate(rows), None, fx=0.42, fy=0.42, interpolation=cv2.INTER_AREA)
    cv2.imwrite(f"{path}_named.png", small)


def main() -> None:
    if sys.argv[1] == "--sheet":
        sheet(sys.argv[2])
        return named_sheet(sys.argv[2])
    with np.load(sys.argv[1], allow_pickle=False) as given:
        arrays = make(given["fields"])
    np.savez_compressed(FACE / "expression_fields.npz", **arrays)
    for name, low, high in zip(SHAPES, arrays["lowest"], arrays["highest"], strict=True):
        sys.stdout.write(f"{name:22s}{low:6.2f}{high:6.2f}\n")


if __name__ == "__main__":
    main()
