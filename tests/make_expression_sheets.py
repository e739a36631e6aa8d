"""Contact sheets of the named expressions: python tests/make_expression_sheets.py

Writes nodes/web/docs/pictures/expressions.jpg: every expression at its height on a drawn person, as the sketch without
networks and as the small model makes it. With --portraits FOLDER [--out FOLDER] instead: on each picture there, as
landmarks and as the sketch; needs --detector FILE.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from followemoji_core.drawn import Acting, Person, paint  # noqa: E402
from followemoji_core.errors import NoFaceError  # noqa: E402
from followemoji_core.face.align import align  # noqa: E402
from followemoji_core.face.controls import Controls  # noqa: E402
from followemoji_core.face.crop import crop_portrait, resize  # noqa: E402
from followemoji_core.face.detector import FaceDetector  # noqa: E402
from followemoji_core.face.draw import draw_motion  # noqa: E402
from followemoji_core.face.extraction import extract_face  # noqa: E402
from followemoji_core.face.motion import stack_frames  # noqa: E402
from followemoji_core.face.named_expressions import named_expressions  # noqa: E402
from followemoji_core.face.warp import warp_motion  # noqa: E402
from followemoji_core.pictures import read_picture  # noqa: E402
from followemoji_core.types import AlignedMotion, FaceFrame  # noqa: E402
from followemoji_core.walk.studio import SMALL_SETTINGS, small_studio  # noqa: E402

PERSON = 20_000_018
ACROSS, CAPTION = 5, 22  # expressions in a row; height of their names in pixels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--portraits", type=Path)
    parser.add_argument("--detector", type=Path)
    parser.add_argument("--out", type=Path, default=Path("out/expressions"))
    options = parser.parse_args()
    if options.portraits is None:
        path = ROOT / "nodes/web/docs/pictures/expressions.jpg"
        cv2.imwrite(str(path), drawn_sheet()[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 82])
        return
    options.out.mkdir(parents=True, exist_ok=True)
    with FaceDetector(options.detector) as finder:
        for path in sorted(options.portraits.glob("*.jpg")):
            picture = read_picture(path)
            try:
                found = extract_face(picture, finder)
            except NoFaceError as error:
                print(f"{path.name}: {error}")
                continue
            portrait, face = crop_portrait(picture, found, (384, 384), "face", 1.8)
            aligned = at_their_height(face)
            pairs = zip(draw_motion(aligned), warp_motion(portrait, face, aligned), strict=True)
            out = options.out / f"{path.stem}.jpg"
            cv2.imwrite(str(out), sheet(pairs, 256)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])


def at_their_height(face: FaceFrame) -> AlignedMotion:
    """A frame for each named expression, in the middle of it, on that face."""
    poses = np.concatenate([one.held(np.full(1, 0.5)) for one in named_expressions().values()])
    still = stack_frames([face] * len(poses), 25.0)
    return align(face, replace(still, edit=Controls(poses)))


def drawn_sheet() -> np.ndarray:
    person, studio = Person.of(PERSON), small_studio()
    large, small = (person.act(Acting.rest(), (side, side)) for side in (384, 128))
    sketches = warp_motion(paint(person, large)[0], large.frame(0), at_their_height(large.frame(0)))
    aligned = at_their_height(small.frame(0))
    made = studio.frames(studio.animate(paint(person, small)[0], aligned, SMALL_SETTINGS))
    return sheet(zip(sketches, made, strict=True), 144)


def sheet(pairs, side: int) -> np.ndarray:
    """Pairs of pictures (H,W,3) uint8, one for each named expression, at `side` pixels, with the names."""
    cells = []
    for name, pair in zip(named_expressions(), pairs, strict=True):
        cell = np.full((side + CAPTION, 2 * side + 6, 3), 255, np.uint8)
        cell[:side, : 2 * side] = np.concatenate([resize(picture, (side, side)) for picture in pair], axis=1)
        cv2.putText(cell, name, (2, side + 16), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
        cells.append(cell)
    cells += [np.full_like(cells[0], 255)] * (-len(cells) % ACROSS)
    return np.concatenate(
        [np.concatenate(cells[first : first + ACROSS], axis=1) for first in range(0, len(cells), ACROSS)]
    )


if __name__ == "__main__":
    main()
