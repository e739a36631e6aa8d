"""The pictures of the README and of the template browser, from drawn people: python tests/make_pictures.py

The screenshot of the graph comes from the browser tests: FOLLOWEMOJI_SCREENSHOTS=FOLDER python -m pytest tests/browser
"""

import sys
from pathlib import Path

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from followemoji_core.plan_picture import draw_plan  # noqa: E402

from followemoji_core.diffusion.progressive import plan_progressive  # noqa: E402
from followemoji_core.drawn import Acting, Person, paint  # noqa: E402
from followemoji_core.drawn.people import STYLES  # noqa: E402
from followemoji_core.face.align import AlignOptions, align  # noqa: E402
from followemoji_core.face.draw import draw_landmarks, overlay  # noqa: E402
from followemoji_core.face.geometry import screen_points  # noqa: E402
from followemoji_core.face.topology import BLENDSHAPE_NAMES  # noqa: E402
from followemoji_core.walk.studio import SMALL_SETTINGS, small_studio  # noqa: E402

SIDE = 384
EXPRESSIONS = ("jawOpen", "mouthPucker", "eyeBlinkLeft")


def main() -> None:
    person, actor = Person.of(7), Person.of(12)
    acting = Acting.random(14, 75, from_rest=True).with_head_of(Acting.rest())
    motion = actor.act(acting, (SIDE, SIDE))
    frames = [int(motion.blendshapes[:, BLENDSHAPE_NAMES.index(name)].argmax()) for name in EXPRESSIONS]
    driver, rest = paint(actor, motion), person.act(Acting.rest(), (SIDE, SIDE))
    portrait = paint(person, rest)[0]
    aligned = align(rest.frame(0), motion, AlignOptions(rotation="relative"))
    seen = [overlay(driver[frame], screen_points(motion)[frame]) for frame in frames]
    placed = [overlay(portrait, aligned.points[frame]) for frame in frames]
    read = [draw_landmarks(aligned.points[frame], aligned.size, line_width=2) for frame in frames]
    save("look_at_landmarks", [[seen[0], placed[0]]])
    save("animate_portrait", [[driver[frames[0]], read[0], portrait]])
    save("../nodes/web/docs/pictures/alignment", [seen, placed, read])
    draw_people()
    animate_drawn_people()
    plan = draw_plan(plan_progressive(300), 900, range(100))
    cv2.imwrite(str(ROOT / "nodes/web/docs/pictures/plan.png"), plan[..., ::-1])


def draw_people() -> None:
    """The contact sheet of drawn people: a column for each person, the same acting in every row."""
    acting = Acting.random(4, 60).every(12)
    people = [Person.of(number, STYLES[number % len(STYLES)]) for number in range(40, 50)]
    pictures = [paint(person, person.act(acting, (192, 192))) for person in people]
    save("../nodes/web/docs/pictures/drawn_people", [list(row) for row in zip(*pictures, strict=True)])


def animate_drawn_people() -> None:
    """Thumbnails of the templates that run with the small model, made by it."""
    studio = small_studio()
    for name, number, motion in (("first_animation", 20_000_007, 7), ("long_video", 20_000_012, 12)):
        person = Person.of(number)
        rest = person.act(Acting.rest(), (128, 128))
        driving = Person.of(20_000_001).act(Acting.random(motion, 48, from_rest=True), (128, 128))
        portrait, aligned = paint(person, rest)[0], align(rest.frame(0), driving, AlignOptions())
        made = list(studio.frames(studio.animate(portrait, aligned, SMALL_SETTINGS)))
        row = [
            cv2.resize(picture, (256, 256), interpolation=cv2.INTER_CUBIC) for picture in (portrait, made[20], made[36])
        ]
        save(name, [row])


def save(name: str, rows: list[list[np.ndarray]]) -> None:
    path = ROOT / "workflows" / f"{name}.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = np.concatenate([np.concatenate(row, axis=1) for row in rows])
    cv2.imwrite(str(path), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])


if __name__ == "__main__":
    main()
