"""How well the detector's scores, put through the expression fields, tell what a face does.

    python tests/measure_expression.py

For each clip in the reference folder (clip_*.npz, see CONTRIBUTING): from the mean of its calmest twentieth, each
frame's mesh is predicted from the frame's scores. R2 is of what the eye sees, about each clip's mean, all clips
together: with the fields that are shipped, those that were measured (expressions/blendshape_fields.npz there), and the
seven of the drawn people's rig.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from followemoji_core.drawn.rig import Rig  # noqa: E402
from followemoji_core.face.controls import SHAPES  # noqa: E402
from followemoji_core.face.expression import ExpressionSpace, apply_to_mesh  # noqa: E402
from followemoji_core.face.geometry import CanonicalFace  # noqa: E402
from followemoji_core.face.topology import REGIONS  # noqa: E402
from tests.parity.conftest import golden_files, reference_dir  # noqa: E402

SEEN: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "lid gap": lambda m: (m[:, 386, 1] - m[:, 374, 1] + m[:, 159, 1] - m[:, 145, 1]) / 2,
    "mouth opening": lambda m: m[:, 13, 1] - m[:, 14, 1],
    "mouth width": lambda m: np.linalg.norm(m[:, 61] - m[:, 291], axis=-1),
    "corner height": lambda m: m[:, [61, 291], 1].mean(axis=1),
    "brow height": lambda m: m[:, list(REGIONS["brows"]), 1].mean(axis=1),
    "chin": lambda m: m[:, 152, 1],
}


def rig_fields() -> np.ndarray:
    """(51,468,3): the rig's seven, each shared among the scores that report it."""
    rig = Rig(CanonicalFace.default().vertices.astype(np.float64))
    own = dict(zip(rig.names, rig.fields, strict=True))
    fields = dict.fromkeys(SHAPES, np.zeros((468, 3)))
    fields |= {"jawOpen": own["jaw"], "mouthPucker": own["pucker"], "browInnerUp": own["brows_up"] / 3}
    for side in ("Left", "Right"):
        fields |= {f"mouthSmile{side}": own["smile"] / 2, f"eyeBlink{side}": own[f"blink_{side.lower()}"]}
        fields |= {f"browDown{side}": own["brows_down"] / 2, f"browOuterUp{side}": own["brows_up"] / 3}
    return np.stack([fields[name] for name in SHAPES])


def predictions(scores: np.ndarray, calm: np.ndarray) -> dict[str, np.ndarray]:
    """Meshes (T,468,3) by each set of fields; scores (T,51) above the calm face's."""
    result = {"shipped": apply_to_mesh(calm, scores * ExpressionSpace.default().gains)}
    measured = reference_dir() / "expressions" / "blendshape_fields.npz"
    if measured.is_file():
        with np.load(measured, allow_pickle=False) as given:
            result["measured"] = calm + np.tensordot(scores, given["fields"][1:].astype(np.float64), 1)
    result["rig"] = calm + np.tensordot(scores, rig_fields(), 1)
    return result


def main() -> None:
    clips = golden_files("golden_clip")
    errors: dict[tuple[str, str], float] = {}
    spreads: dict[str, float] = {}
    for path in clips:
        with np.load(path, allow_pickle=False) as clip:
            meshes, scores = clip["lmks3d"].astype(np.float64), clip["bs"][:, -51:].astype(np.float64)
        calmest = scores.sum(axis=1).argsort()[: max(len(scores) // 20, 1)]
        calm = meshes[calmest].mean(axis=0)
        for which, predicted in predictions(scores - scores[calmest].mean(axis=0), calm).items():
            for name, see in SEEN.items():
                off = see(meshes) - see(predicted)
                errors[which, name] = errors.get((which, name), 0.0) + float(np.square(off - off.mean()).sum())
        for name, see in SEEN.items():
            seen = see(meshes)
            spreads[name] = spreads.get(name, 0.0) + float(np.square(seen - seen.mean()).sum())
    sys.stdout.write(f"R2, {len(clips)} clips: {', '.join(path.stem for path in clips)}\n")
    sys.stdout.write(f"| fields | {' | '.join(SEEN)} |\n| --- {'| --- ' * len(SEEN)}|\n")
    for which in dict.fromkeys(which for which, _ in errors):
        row = " | ".join(f"{1 - errors[which, name] / spreads[name]:.3f}" for name in SEEN)
        sys.stdout.write(f"| {which} | {row} |\n")


if __name__ == "__main__":
    main()
