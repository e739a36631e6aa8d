"""The warp beside its prototype on the same frames: python tests/measure_warp.py [--every N] [--pictures FOLDER]

Self-reenactment: the calmest frame of a clip is the portrait, the clip's own landmarks the target; the clips under
`media` of the golden data, and drawn people (512 px). Each row: PSNR in the face's oval, of mouth and eyes in their
boxes, and of what lies around the face; the error of the landmarks that are detected in the result, in % of the
distance between the eyes; milliseconds a frame and of preparation, of the processor on one core. The prototype is
`expressions/prototype/warp.py` of the golden data (FOLLOWEMOJI_REFERENCE); it needs scipy.

--footage: edits warped into those clips instead: how much a pixel outside of the edited region changes at most, and
flicker inside it, in levels of 255: how far a pixel is from the mean of the frames before and after, of the clip and
with the edit.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from followemoji_core.drawn import Acting, Person, paint  # noqa: E402
from followemoji_core.errors import NoFaceError  # noqa: E402
from followemoji_core.face import topology  # noqa: E402
from followemoji_core.face.controls import SHAPES, Controls  # noqa: E402
from followemoji_core.face.detector import FaceDetector  # noqa: E402
from followemoji_core.face.extraction import extract_face, extract_motion  # noqa: E402
from followemoji_core.face.geometry import CanonicalFace, screen_points  # noqa: E402
from followemoji_core.face.motion import neutral_frame, smooth  # noqa: E402
from followemoji_core.face.solving import solve  # noqa: E402
from followemoji_core.face.warp import WarpPortrait, mesh_depth  # noqa: E402
from followemoji_core.face.warp_footage import footage_points, look_at_camera, warp_footage  # noqa: E402
from followemoji_core.face.warp_mesh import OVAL  # noqa: E402
from followemoji_core.media import Clip, clip_info, read_frames  # noqa: E402
from followemoji_core.types import FaceMotion  # noqa: E402
from tests.detector import detector_file  # noqa: E402
from tests.parity.conftest import reference_dir as reference  # noqa: E402

PEOPLE = (3, 11, 20_000_007, 20_000_012, 20_000_021, 42)
COLUMNS = ("face dB", "mouth dB", "eyes dB", "around dB", "landmarks %", "ms a frame", "ms to prepare")


def prototype() -> Callable[[np.ndarray, np.ndarray], Any]:
    """The prototype's class, its triangles read from our file (they are the same)."""
    from scipy.spatial import Delaunay

    text = (reference() / "expressions" / "prototype" / "warp.py").read_text("utf-8")
    names = {name: getattr(topology, name) for name in dir(topology) if name.isupper()}
    names |= {"np": np, "cv2": cv2, "Delaunay": Delaunay, "TRI": CanonicalFace.default().triangles.astype(int)}
    exec(compile(text[text.index("def inside(") :], "prototype", "exec"), names)  # noqa: S102 - a file of the owner's
    return names["Preview"]


def clips(detector: FaceDetector, every: int) -> Iterator[tuple[str, list[np.ndarray], FaceMotion]]:
    """Name, pictures and their faces."""
    for file in sorted((reference() / "media").glob("*.mp4")):
        frames = list(read_frames(Clip(file)))
        yield file.stem, frames, extract_motion(iter(frames), clip_info(Clip(file)).fps, detector)
    for seed in PEOPLE:
        person = Person.of(seed)
        acting = Acting.random(seed, 60, from_rest=True)
        motion = person.act(acting, (512, 512))
        yield f"drawn {seed}", list(paint(person, motion)), motion


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    error = np.square(a.astype(np.float64) - b).mean()
    return float(10 * np.log10(255**2 / max(error, 1e-6)))


def box(points: np.ndarray, margin: float, shape: tuple[int, ...]) -> tuple[slice, slice]:
    low, high = points.min(axis=0), points.max(axis=0)
    room = margin * (high - low).max()
    (x0, y0), (x1, y1) = np.maximum(low - room, 0).astype(int), np.ceil(high + room).astype(int)
    return slice(y0, min(y1, shape[0])), slice(x0, min(x1, shape[1]))


def score(result: np.ndarray, truth: np.ndarray, points: np.ndarray, detector: FaceDetector) -> list[float]:
    oval = np.zeros(truth.shape[:2], np.uint8)
    cv2.fillConvexPoly(oval, cv2.convexHull(points[:468].astype(np.float32)).astype(np.int32), 1)
    mouth = box(points[list(topology.LIPS)], 0.1, truth.shape)
    eyes = [box(points[list(eye)], 0.2, truth.shape) for eye in (topology.LEFT_EYE, topology.RIGHT_EYE)]
    values = [psnr(result[oval > 0], truth[oval > 0]), psnr(result[mouth], truth[mouth])]
    values += [statistics.mean(psnr(result[eye], truth[eye]) for eye in eyes)]
    values += [psnr(result[oval == 0], truth[oval == 0])]
    between = np.linalg.norm(points[list(topology.LEFT_EYE)].mean(0) - points[list(topology.RIGHT_EYE)].mean(0))
    try:
        found = screen_points(extract_face(result, detector))
        values.append(100 * float(np.linalg.norm(found - points, axis=1).mean() / between))
    except NoFaceError:
        values.append(float("nan"))
    return values


def measure(
    make: Callable[[np.ndarray, np.ndarray], Any],
    frames: list[np.ndarray],
    motion: FaceMotion,
    targets: list[int],
    detector: FaceDetector,
) -> tuple[list[float], list[np.ndarray]]:
    """One row's numbers, and the pictures."""
    points, source = screen_points(motion), neutral_frame(motion)
    depth = mesh_depth(motion)
    prepared = []
    for _ in range(3):
        started = time.process_time()
        portrait = make(frames[source], points[source])
        prepared.append(1000 * (time.process_time() - started))
    rows, times, results = [], [], []
    for index in targets:
        started = time.process_time()
        results.append(portrait.render(points[index], depth[index]))
        times.append(1000 * (time.process_time() - started))
        rows.append(score(results[-1], frames[index], points[index], detector))
    return [*np.nanmean(rows, axis=0), statistics.median(times), statistics.median(prepared)], results


EDITS = {
    "smile": lambda motion: Controls.of({"mouthSmileLeft": 0.6, "mouthSmileRight": 0.6}),
    "brows raised": lambda motion: Controls.of({"browInnerUp": 0.5, "browOuterUpLeft": 0.5, "browOuterUpRight": 0.5}),
    "gaze to the camera": look_at_camera,
    "gaze aside": lambda motion: Controls.of({"eyeLookOutLeft": 0.5, "eyeLookInRight": 0.5}),
    "lids half shut": lambda motion: Controls.of({"eyeBlinkLeft": 0.4, "eyeBlinkRight": 0.4}),
    "jaw dropped": lambda motion: Controls.of({"jawOpen": 0.3}),
    "brows calmed": lambda motion: calmed_brows(motion),
}


def calmed_brows(motion: FaceMotion) -> Controls:
    """Brows as in the calmest frame."""
    found = solve(smooth(motion, 0.3), motion.frame(neutral_frame(motion)))
    brows = [name for name in SHAPES if name.startswith("brow")]
    return Controls.of({name: -np.clip(found[name], 0, 1) for name in brows}, len(motion), motion.fps)


def edited_region(own: np.ndarray, moves: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """(H,W) bool: within 0.22 face heights of a landmark that moves, and 0.5 of one at the face's rim, around which
    hair and neck go along."""
    mask = np.zeros(shape[:2], np.uint8)
    for index in np.flatnonzero(np.abs(moves).max(axis=1) > 0):
        reach = (0.5 if index in OVAL else 0.22) * float(np.ptp(own[:, 1]))
        cv2.circle(mask, np.rint(own[index]).astype(int).tolist(), round(reach), 1, -1)
    return mask > 0


def flicker(frames: list[np.ndarray], masks: list[np.ndarray]) -> float:
    sums, count = 0.0, 0
    for before, frame, after, mask in zip(frames, frames[1:], frames[2:], masks[1:], strict=False):
        apart = np.abs(frame - (before.astype(np.float32) + after) / 2).mean(axis=-1)
        sums, count = sums + float(apart[mask].sum()), count + int(mask.sum())
    return sums / max(count, 1)


def footage(detector: FaceDetector, options: argparse.Namespace) -> None:
    print("| clip | edit | outside, most | flicker of the clip | with the edit | ms a frame |\n" + "| --- " * 6 + "|")
    for name, frames, motion in clips(detector, options.every):
        if options.only not in name or name.startswith("drawn"):
            continue
        for edit_name, make in EDITS.items():
            edit = make(motion)
            started = time.process_time()
            results = list(warp_footage(iter(frames), motion, edit))
            spent = 1000 * (time.process_time() - started) / len(frames)
            masks = [edited_region(own, moves, frames[0].shape) for own, moves, _ in footage_points(motion, edit)]
            outside = max(
                int(np.abs(a.astype(int) - b)[~mask].max(initial=0))
                for a, b, mask in zip(results, frames, masks, strict=True)
            )
            values = f"{outside} | {flicker(frames, masks):.2f} | {flicker(results, masks):.2f} | {spent:.0f}"
            print(f"| {name} | {edit_name} | {values} |", flush=True)
            if options.pictures:
                options.pictures.mkdir(parents=True, exist_ok=True)
                picked = np.linspace(0, len(frames) - 1, 6).astype(int)
                sheet = np.concatenate([np.concatenate([frames[i], results[i]], 0) for i in picked], 1)
                cv2.imwrite(str(options.pictures / f"{name}_{edit_name.replace(' ', '_')}.jpg"), sheet[..., ::-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=4, help="of the frames")
    parser.add_argument("--pictures", type=Path, help="folder for sheets: source, truth, prototype, ours")
    parser.add_argument("--only", default="", help="clips whose name holds this")
    parser.add_argument("--footage", action="store_true", help="edits warped into the clips")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    if options.footage:
        with FaceDetector(detector_file()) as detector:
            footage(detector, options)
        return
    kinds = {"prototype": prototype(), "warp": lambda picture, points: WarpPortrait(picture, points).prepared()}
    sums: dict[str, list[list[float]]] = {kind: [] for kind in kinds}
    print("| clip | | " + " | ".join(COLUMNS) + " |\n" + "| --- " * (len(COLUMNS) + 2) + "|")
    with FaceDetector(detector_file()) as detector:
        for name, frames, motion in clips(detector, options.every):
            if options.only not in name:
                continue
            still = neutral_frame(motion)  # gives itself back
            targets = [i for i in range(0, len(motion), options.every) if motion.found[i] and i != still]
            shown = [frames[still]], [frames[i] for i in targets]
            pictures = []
            for kind, make in kinds.items():
                row, results = measure(make, frames, motion, targets, detector)
                sums[kind].append(row)
                pictures.append(results)
                print(f"| {name} | {kind} | " + " | ".join(f"{value:.2f}" for value in row) + " |", flush=True)
            if options.pictures:
                options.pictures.mkdir(parents=True, exist_ok=True)
                picked = np.linspace(0, len(targets) - 1, 6).astype(int)
                rows = [np.concatenate([shown[0][0], shown[1][i], *(p[i] for p in pictures)], 1) for i in picked]
                cv2.imwrite(str(options.pictures / f"{name.replace(' ', '_')}.jpg"), np.concatenate(rows)[..., ::-1])
    for kind, rows in sums.items():
        print(f"| all | {kind} | " + " | ".join(f"{value:.2f}" for value in np.mean(rows, axis=0)) + " |")


if __name__ == "__main__":
    main()
