"""The registry's icon and banner, from drawn people and the lines that the networks read: python tests/make_icon.py

Writes nodes/web/docs/pictures/icon.png (400 x 400) and banner.jpg (1680 x 720, 21:9): pyproject names both.
"""

import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from followemoji_core.drawn import Acting, Person, paint  # noqa: E402
from followemoji_core.face import topology  # noqa: E402
from followemoji_core.face.geometry import screen_points  # noqa: E402

PICTURES = ROOT / "nodes/web/docs/pictures"
ICON, BANNER = 400, (1680, 720)
WINK = {"jaw": 0.5, "smile": 1.6, "blink_left": 1.0, "brows_up": 0.7}
GOLD, MINT, PINK, GREY, NIGHT = (255, 200, 70), (77, 208, 166), (244, 110, 150), (96, 104, 140), (24, 26, 38)
# Who, in which style: people that make the face of the first panel.
ROW = ((20_000_052, "cartoon"), (20_000_023, "painted"), (20_000_044, "stone"), (20_000_057, "soft"))
FARTHER = 7.0  # cm, so that a head fits into a panel of the banner
_FOREHEAD = (21, 54, 103, 67, 109, 10, 338, 297, 332, 284, 251)  # closes the contour, which leaves it out
# Path, colour, width in units.
_LINES = (
    (topology.FACE_CONTOUR + _FOREHEAD[::-1], GREY, 1.0),
    (topology.LEFT_BROW_UPPER, GOLD, 2.0),
    (topology.RIGHT_BROW_UPPER, GOLD, 2.0),
    *((path, MINT, 1.5) for path in (topology.LEFT_EYE_LOWER, topology.LEFT_EYE_UPPER)),
    *((path, MINT, 1.5) for path in (topology.RIGHT_EYE_LOWER, topology.RIGHT_EYE_UPPER)),
    *((path, PINK, 1.5) for path in (topology.OUTER_LIP_LOWER, topology.OUTER_LIP_UPPER)),
    *((path, PINK, 0.8) for path in (topology.INNER_LIP_LOWER, topology.INNER_LIP_UPPER)),
)


def main() -> None:
    cv2.imwrite(str(PICTURES / "icon.png"), icon()[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 9])
    cv2.imwrite(str(PICTURES / "banner.jpg"), banner()[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])


def icon() -> np.ndarray:
    """A face that is half drawn, half lines: open eye and wink. Drawn at twice the size: (400,400,3) uint8 RGB."""
    side = 2 * ICON
    person = replace(Person.of(*ROW[0]), background="plain", ground=(np.array(GOLD, float),) * 2)
    picture, points = winking(person, (side * 5 // 4, side * 5 // 4))
    left, top = (points.max(0) + points.min(0) - side).astype(int) // 2
    picture, points = picture[top : top + side, left : left + side], points - (left, top)
    is_lines = np.arange(side)[:, None] > points[168, 0]  # between the eyes
    both = np.where(is_lines, lines(points, (side, side), 13), picture)
    return cv2.resize(both, (ICON, ICON), interpolation=cv2.INTER_AREA)


def banner() -> np.ndarray:
    """The lines, and four people of four styles who follow them: (720,1680,3) uint8 RGB."""
    size = BANNER[0] // (1 + len(ROW)), BANNER[1]
    people = [Person.of(*who) for who in ROW]
    people[0] = replace(people[0], background="plain", ground=(np.array(GOLD, float),) * 2)
    panels = [winking(person, size, FARTHER) for person in people]
    return np.concatenate([lines(panels[0][1], size, 10), *(picture for picture, _ in panels)], axis=1)


def winking(person: Person, size: tuple[int, int], farther: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """The person (H,W,3) uint8 RGB, smiling and winking, and its landmarks (478,2) pixels. farther: cm."""
    rest = Acting.rest()
    shares = {name: np.full_like(share, WINK.get(name, 0.0)) for name, share in rest.shares.items()}
    motion = person.act(replace(rest, shares=shares, places=rest.places - (0, 0, farther)), size)
    return paint(person, motion)[0], screen_points(motion)[0]


def lines(points: np.ndarray, size: tuple[int, int], unit: float) -> np.ndarray:
    """Landmarks (478,2) pixels as thick lines on the dark: (H,W,3) uint8 RGB. unit: pixels of a line of width 1."""
    picture = np.full((size[1], size[0], 3), NIGHT, np.uint8)
    for path, colour, width in _LINES:
        corners = np.rint(points[list(path)] * 16).astype(np.int32)  # sixteenths of pixels
        cv2.polylines(picture, [corners], path[0] == 21, colour, int(unit * width), cv2.LINE_AA, 4)
    return picture


if __name__ == "__main__":
    main()
