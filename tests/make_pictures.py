"""The pictures of the README and of the template browser, from drawn people: python tests/make_pictures.py

The screenshot of the graph comes from the browser tests: FOLLOWEMOJI_SCREENSHOTS=FOLDER python -m pytest tests/browser
"""

import sys
from pathlib import Path

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from followemoji_core.demo import draw_frames, draw_portrait, drive  # noqa: E402
from followemoji_core.face.align import AlignOptions, align  # noqa: E402
from followemoji_core.face.draw import draw_landmarks, overlay  # noqa: E402
from followemoji_core.face.geometry import screen_points  # noqa: E402
from followemoji_core.face.topology import BLENDSHAPE_NAMES  # noqa: E402

SIDE = 384
EXPRESSIONS = ("jawOpen", "mouthPucker", "eyeBlinkLeft")


def main() -> None:
    motion = drive(75, size=(SIDE, SIDE))
    frames = [int(motion.blendshapes[:, BLENDSHAPE_NAMES.index(name)].argmax()) for name in EXPRESSIONS]
    driver = list(draw_frames(motion))
    portrait, face = draw_portrait((SIDE, SIDE), seed=5)
    aligned = align(face, motion, AlignOptions(rotation="relative"))
    seen = [overlay(driver[frame], screen_points(motion)[frame]) for frame in frames]
    placed = [overlay(portrait, aligned.points[frame]) for frame in frames]
    read = [draw_landmarks(aligned.points[frame], aligned.size, line_width=2) for frame in frames]
    save("look_at_landmarks", [[seen[0], placed[0]]])
    save("animate_portrait", [[driver[frames[0]], read[0], portrait]])
    save("../nodes/web/docs/pictures/alignment", [seen, placed, read])


def save(name: str, rows: list[list[np.ndarray]]) -> None:
    path = ROOT / "workflows" / f"{name}.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = np.concatenate([np.concatenate(row, axis=1) for row in rows])
    cv2.imwrite(str(path), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])


if __name__ == "__main__":
    main()
