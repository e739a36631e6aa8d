"""The pictures of the README and of the template browser: python tests/make_pictures.py [face_landmarker.task]

All from drawn people, but for one photo in the public domain, which needs the detector and is left as it is without.
The screenshot of the graph comes from the browser tests: FOLLOWEMOJI_SCREENSHOTS=FOLDER python -m pytest tests/browser
"""

import importlib.util
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from followemoji_core.__main__ import main as command_line  # noqa: E402
from followemoji_core.diffusion.progressive import plan_progressive  # noqa: E402
from followemoji_core.drawn import Acting, Animal, Person, paint, paint_animal  # noqa: E402
from followemoji_core.drawn.hidden import Hidden, paint_hidden  # noqa: E402
from followemoji_core.drawn.people import STYLES  # noqa: E402
from followemoji_core.drawn.scenes import Scene  # noqa: E402
from followemoji_core.face.align import AlignOptions, align  # noqa: E402
from followemoji_core.face.controls import Controls  # noqa: E402
from followemoji_core.face.crop import frame_portrait  # noqa: E402
from followemoji_core.face.draw import draw_landmarks, overlay  # noqa: E402
from followemoji_core.face.edit_file import parse_edit  # noqa: E402
from followemoji_core.face.geometry import screen_points  # noqa: E402
from followemoji_core.face.live import LiveFace  # noqa: E402
from followemoji_core.face.motion import stack_frames  # noqa: E402
from followemoji_core.face.named_expressions import find  # noqa: E402
from followemoji_core.face.paste import Paster  # noqa: E402
from followemoji_core.face.patch import PasteOptions, Patch  # noqa: E402
from followemoji_core.face.place import placed_face  # noqa: E402
from followemoji_core.face.placement import Placement  # noqa: E402
from followemoji_core.face.warp import warp_motion  # noqa: E402
from followemoji_core.media import Clip, read_frames  # noqa: E402
from followemoji_core.types import AlignedMotion  # noqa: E402
from followemoji_core.walk.studio import SMALL_SETTINGS, Studio, small_studio  # noqa: E402

SIDE = 384
CELL, GAP = 168, 4  # of the animated picture
# Portrait, its style, driver, motion: people and motions that the small model has not seen.
MOVING = (
    (20_000_037, "painted", 20_000_013, 20_000_042),
    (20_000_001, "stone", 20_000_017, 20_000_044),
    (20_000_021, "cartoon", 20_000_005, 20_000_048),
)
GROUP_FRAME = 26  # of the template group_portrait: three different faces
EXPRESSIONS = ("laugh", "wink_left", "surprise")
PHOTO = "rest 4, smile_wide 10, rest 4, look_left 6, look_right 6, brow_raise_left 6, wink_left 8, rest 6"


def main() -> None:
    person, actor = Person.of(7), Person.of(33)
    poses = [find(name).held(np.zeros(1)) for name in EXPRESSIONS]
    motion = actor.express(Controls(np.concatenate([np.zeros_like(poses[0]), *poses])), (SIDE, SIDE))
    frames = range(1, len(motion))
    driver, rest = paint(actor, motion), person.act(Acting.rest(), (SIDE, SIDE))
    portrait = paint(person, rest)[0]
    aligned = align(rest.frame(0), motion)
    seen = [overlay(driver[frame], screen_points(motion)[frame]) for frame in frames]
    placed = [overlay(portrait, aligned.points[frame]) for frame in frames]
    read = [draw_landmarks(aligned.points[frame], aligned.size, line_width=2) for frame in frames]
    save("look_at_landmarks", [[seen[0], placed[0]]])
    save("animate_portrait", [[driver[frames[0]], read[0], portrait]])
    save("../nodes/web/docs/pictures/alignment", [seen, placed, read])
    draw_people()
    draw_expressions()
    draw_animals()
    draw_editor()
    studio = small_studio()
    animate_drawn_people(studio)
    save_given_keyframes(studio)
    save_group(studio)
    save_paste_back()
    save_moving(studio)
    if len(sys.argv) > 1:
        save_photo(sys.argv[1])
    plan = plan_picture().draw_plan(plan_progressive(300), 900, range(100))
    cv2.imwrite(str(ROOT / "nodes/web/docs/pictures/plan.png"), plan[..., ::-1])


def draw_people() -> None:
    """The contact sheet of drawn people: a column for each person, the same acting in every row."""
    acting = Acting.random(4, 60).every(12)
    people = [Person.of(number, STYLES[number % len(STYLES)]) for number in range(40, 50)]
    pictures = [paint(person, person.act(acting, (192, 192))) for person in people]
    save("../nodes/web/docs/pictures/drawn_people", [list(row) for row in zip(*pictures, strict=True)])


def draw_expressions() -> None:
    """Thumbnail of the template with named expressions: three of them, as sketches without networks."""
    person = Person.of(20_000_018)
    rest = person.act(Acting.rest(), (256, 256))
    poses = np.concatenate([find(name).held(np.zeros(1)) for name in ("wink_left", "laugh", "kiss")])
    still = stack_frames([rest.frame(0)] * len(poses), 25.0)
    aligned = align(rest.frame(0), replace(still, edit=Controls(poses)))
    save("expressions", [list(warp_motion(paint(person, rest)[0], rest.frame(0), aligned))])


def draw_animals() -> None:
    """Thumbnail of the template in which a face is placed by hand: the drawn fox, its landmarks, a wink and a laugh."""
    fox = Animal.of(1)
    picture, face = paint_animal(fox, 256), placed_face(Placement((256, 256), fox.points(256)))
    poses = np.concatenate([find(name).held(np.zeros(1)) for name in ("wink_left", "laugh")])
    still = stack_frames([face] * len(poses), 25.0)
    moved = warp_motion(picture, face, align(face, replace(still, edit=Controls(poses))))
    save("place_face", [[overlay(picture, screen_points(face)), *moved]])


def draw_editor() -> None:
    """The edit of the editor's template with its handles: as thumbnail, and moving for the help page."""
    graph = json.loads((ROOT / "workflows" / "api" / "edit_expression.json").read_text("utf-8"))
    (node,) = [each for each in graph.values() if each["class_type"] == "FollowEmojiExpressionEditor"]
    edit = parse_edit(node["inputs"]["edit"])
    person = Person.of(20_000_018)
    rest = person.act(Acting.rest(), (512, 512))
    live = LiveFace(paint(person, rest)[0], rest.frame(0))
    pictures = []
    for controls in edit.controls().values:
        pose = live.pose(controls.astype(np.float64), 0)
        picture = live.portrait.render(pose.points, pose.depth)
        x, y, radius = (round(number) for number in live.ring(pose))
        cv2.circle(picture, (x, y), radius, (255, 255, 255), 2, cv2.LINE_AA)
        for name, place in live.handles(pose).items():
            if name not in ("head", "roll"):
                for size, colour in ((8, (20, 20, 20)), (6, (255, 255, 255))):
                    cv2.circle(picture, [round(number) for number in place], size, colour, -1, cv2.LINE_AA)
        pictures.append(cv2.resize(picture, (256, 256), interpolation=cv2.INTER_AREA))
    save("edit_expression", [[pictures[frame] for frame in (0, 26, 38)]])
    path = ROOT / "nodes/web/docs/pictures/editor.webp"
    frames = [Image.fromarray(picture) for picture in pictures[::2]]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=80, loop=0, quality=60, method=6)


def animate_drawn_people(studio: Studio) -> None:
    """Thumbnails of the templates that run with the small model, made by it."""
    for name, number, motion in (("first_animation", 20_000_018, 7), ("long_video", 20_000_012, 12)):
        acting = Acting.random(motion, 48, from_rest=True)
        portrait, _, made = animate(studio, Person.of(number), Person.of(20_000_001), acting)
        save(name, [[resize(picture, 256) for picture in (portrait, made[20], made[36])]])
    # One driver, several portraits: the folder template.
    acting = Acting.random(7, 48, from_rest=True)
    folder = [animate(studio, Person.of(20_000_010 + n), Person.of(20_000_001), acting)[2] for n in range(3)]
    save("folder_batch", [[resize(made[36], 256) for made in folder]])


def save_given_keyframes(studio: Studio) -> None:
    """Thumbnail of the template: two keyframes as they are given, and between them a frame that was made from them."""
    person, acting = Person.of(20_000_025), Acting.random(12, 121, from_rest=True)
    motion, rest = person.act(acting, (128, 128)), person.act(Acting.rest(), (128, 128))
    aligned = align(rest.frame(0), motion, AlignOptions.published())
    keys = list(range(0, 121, 15))
    given = studio.given(keys, paint_hidden(person, motion, Hidden.of(43, 121))[keys])
    settings = replace(SMALL_SETTINGS, windows="progressive")
    store = studio.animate(paint_hidden(person, rest, Hidden.none(1))[0], aligned, settings, given=given)
    made = list(studio.frames(store, given))
    save("given_keyframes", [[resize(made[frame], 256) for frame in (60, 67, 75)]])


def save_group(studio: Studio) -> None:
    """Thumbnail of the template with a group: its picture, and two frames of what comes out."""
    graph = json.loads((ROOT / "workflows" / "api" / "group_portrait.json").read_text("utf-8"))
    by_kind = {node["class_type"].removeprefix("FollowEmoji"): node["inputs"] for node in graph.values()}
    group, driver, frame = (by_kind[kind] for kind in ("DrawnGroup", "DrawnMotion", "PreparePortrait"))
    scene = Scene.of(group["group"], group["people"], (group["width"], group["height"]))
    rest = scene.act([Acting.rest()] * group["people"])
    picture = scene.paint(rest)[0]
    patches, streams = [], []
    for number, face in enumerate(rest):
        framed = frame_portrait(picture, face.frame(0), (128, 128), frame["framing"], frame["room"])
        acting = Acting.random(driver["motion"] + number, driver["frames"], from_rest=True)
        motion = Person.of(driver["person"] + number).act(acting, (512, 512))
        aligned = align(framed.face, motion, AlignOptions())
        patches.append(Patch(framed.crop, aligned))
        streams.append(frames_of(studio, framed.picture, aligned))
    options = PasteOptions(**{name: by_kind["PasteBack"][name] for name in ("cover", "feather", "margin")})
    made = list(Paster(patches, scene.size, options, 25.0).paste(picture, streams))
    save("group_portrait", [[picture, made[GROUP_FRAME]]])


def save_paste_back() -> None:
    """Thumbnail of the template: a whole picture, what is cut of it, and the picture with that face alive; by the
    warp, since the released weights are nobody's to ship."""
    scene = Scene.of(15, 3, (480, 320))
    rest = scene.act([Acting.rest()] * 3)
    picture = scene.paint(rest)[0]
    framed = frame_portrait(picture, rest[0].frame(0), (512, 512), "centred", upright=True)
    still = stack_frames([framed.face], 25.0)
    aligned = align(framed.face, replace(still, edit=Controls(find("laugh").held(np.zeros(1)))))
    frames = warp_motion(framed.picture, framed.face, aligned)
    (made,) = Paster([Patch(framed.crop, aligned)], scene.size, PasteOptions(), 25.0).paste(picture, [frames])
    low, high = (
        (framed.crop.picture_from_crop[:, 2] + shift).astype(int)
        for shift in (0, framed.crop.picture_from_crop[:, :2].sum(1) * 512)
    )
    shown = cv2.rectangle(picture.copy(), low.tolist(), high.tolist(), (255, 255, 255), 3)
    save("paste_back", [[shown, made]])


def save_moving(studio: Studio, frames: int = 75) -> None:
    """The animated picture of the README: each row a portrait, the driver, and what the small model made of them."""
    columns = []
    for number, style, driver, motion in MOVING:
        acting = Acting.random(motion, frames, from_rest=True)
        acting = acting.every(-1).started_at_rest().every(-1)  # and ends at rest, so that it can begin again
        columns.append(animate(studio, Person.of(number, style), Person.of(driver), acting))
    pictures = []
    for index in range(frames):
        sheet = np.full((3 * CELL + 2 * GAP, 3 * CELL + 2 * GAP, 3), 255, np.uint8)
        for row, (portrait, driving, made) in enumerate(columns):
            for column, picture in enumerate((portrait, driving[index], made[index])):
                top, left = row * (CELL + GAP), column * (CELL + GAP)
                sheet[top : top + CELL, left : left + CELL] = resize(picture, CELL)
        pictures.append(Image.fromarray(sheet))
    path = ROOT / "nodes/web/docs/pictures/moving.webp"
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=40, loop=0, quality=70, method=6)


def save_photo(detector: str, side: int = 344) -> None:
    """Grace Hopper, photographed for the US Navy (public domain, a sample of matplotlib's), under `express`."""
    from matplotlib.cbook import get_sample_data

    photo = get_sample_data("grace_hopper.jpg", asfileobj=False)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "photo.mp4"
        run = ["express", "--portrait", str(photo), "--detector", detector, "--sequence", PHOTO, "--out", str(file)]
        assert command_line(run + ["--size", str(side), "--room", "1.8", "--fps", "14"]) == 0
        frames = [Image.fromarray(frame) for frame in read_frames(Clip(file))]
    path = ROOT / "nodes/web/docs/pictures/photo.webp"
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=72, loop=0, quality=70, method=6)


def animate(
    studio: Studio, person: Person, driver: Person, acting: Acting
) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """The portrait (H,W,3), the driver (T,H,W,3) and T frames of the portrait in the driver's motion, uint8 RGB."""
    rest, driving = person.act(Acting.rest(), (128, 128)), driver.act(acting, (128, 128))
    portrait, aligned = paint(person, rest)[0], align(rest.frame(0), driving, AlignOptions.published())
    return portrait, paint(driver, driving), frames_of(studio, portrait, aligned)


def frames_of(studio: Studio, portrait: np.ndarray, aligned: AlignedMotion) -> list[np.ndarray]:
    return list(studio.frames(studio.animate(portrait, aligned, SMALL_SETTINGS)))


def resize(picture: np.ndarray, side: int) -> np.ndarray:
    return cv2.resize(picture, (side, side), interpolation=cv2.INTER_CUBIC)


def plan_picture() -> ModuleType:
    """nodes/host/plan_picture.py without its package, which needs ComfyUI."""
    pack = sys.modules["pack"] = ModuleType("pack")
    pack.__path__ = [str(ROOT)]
    file = ROOT / "nodes" / "host" / "plan_picture.py"
    spec = importlib.util.spec_from_file_location("pack.nodes.host.plan_picture", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def save(name: str, rows: list[list[np.ndarray]]) -> None:
    path = ROOT / "workflows" / f"{name}.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = np.concatenate([np.concatenate(row, axis=1) for row in rows])
    cv2.imwrite(str(path), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])


if __name__ == "__main__":
    main()
