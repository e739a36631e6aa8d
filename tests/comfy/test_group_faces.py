"""Several faces of one picture, on real servers: Drawn Group, and Extract Face Landmarks by number, box and mask."""

from __future__ import annotations

import shutil
from urllib.error import HTTPError

import numpy as np
import pytest
from PIL import Image

from followemoji_core.drawn import Acting
from followemoji_core.drawn.scenes import Scene
from followemoji_core.face.geometry import screen_points
from followemoji_core.face.motion_file import load_motion
from followemoji_core.media import write_video
from followemoji_core.types import FaceMotion
from tests.comfy.server import ComfyServer, PromptFailed
from tests.detector import detector_file

SIZE = (576, 384)
SCENE = Scene.of(2, 3, SIZE)
REST = SCENE.act([Acting.rest()] * 3)


@pytest.fixture
def finding(both_servers: ComfyServer) -> ComfyServer:
    """Each ComfyUI in turn, with the face detector."""
    folder = both_servers.models / "followemoji"
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "face_landmarker.task").exists():
        shutil.copyfile(detector_file(), folder / "face_landmarker.task")
    return both_servers


def node(kind: str, **inputs) -> dict:
    return dict(class_type=f"FollowEmoji{kind}", inputs=inputs)


def graph(save: int, source: dict | None = None, **inputs) -> dict:
    """Faces of a drawn group, of which an output of Extract Face Landmarks is saved."""
    how = dict(detector="face_landmarker.task", face="largest", missing="interpolate", image_fps=25.0)
    return {
        "group": source or node("DrawnGroup", group=2, people=3, style="their own", width=SIZE[0], height=SIZE[1]),
        "extract": node("ExtractLandmarks", source=["group", 0], **how, **inputs),
        "save": node("SaveMotion", motion=["extract", save], filename_prefix="kept/face"),
    }


def saved(server: ComfyServer, prompt: dict) -> tuple[list[FaceMotion], dict]:
    """The motions that were saved, in their order, and what the nodes show."""
    outputs = server.run(prompt)["outputs"]
    motions = []
    for text in outputs["save"]["text"]:
        file = server.output / text.partition(":")[0]
        motions.append(load_motion(file))
        file.unlink()
    return motions, outputs


def whose(motion: FaceMotion) -> int:
    """Which of the drawn people it is, at rest; within a twentieth of the face."""
    away = [np.abs(screen_points(motion)[0] - screen_points(other)[0]).mean() for other in REST]
    assert min(away) < 8
    return int(np.argmin(away))


def test_a_drawn_group_and_its_faces_come_out(both_servers):
    prompt = graph(0)
    prompt["save"]["inputs"]["motion"] = ["group", 1]
    prompt["extract"] = dict(class_type="SaveImage", inputs=dict(images=["group", 0], filename_prefix="group"))
    faces, outputs = saved(both_servers, prompt)
    assert len(faces) == 3
    for face, drawn in zip(faces, REST, strict=True):
        assert np.array_equal(face.landmarks, drawn.landmarks) and face.size == SIZE
    (shown,) = outputs["extract"]["images"]
    picture = np.asarray(Image.open(both_servers.output / shown["filename"]))
    assert np.array_equal(picture, SCENE.paint(REST)[0])
    prompt["group"]["inputs"].update(people=12, width=128, height=96)
    with pytest.raises(PromptFailed, match="12 people do not fit in a picture of 128 x 96 pixels"):
        both_servers.run(prompt)


def test_all_faces_of_a_picture_as_a_list_the_largest_first(finding):
    faces, outputs = saved(finding, graph(4))
    assert sorted(map(whose, faces)) == [0, 1, 2]
    (text,) = outputs["extract"]["text"]
    assert text.startswith("3 faces seen, the largest taken")
    for number in (1, 2, 3):
        (face,), _ = saved(finding, graph(0, number=number))
        assert np.array_equal(face.landmarks, faces[number - 1].landmarks)
    prompt = graph(0, number=4)
    with pytest.raises(PromptFailed, match=r"Face number 4 is not there: the picture \(576 x 384 pixels\) has 3 faces"):
        finding.run(prompt)


def test_a_face_by_bounding_box_and_by_mask(finding):
    for number, face in enumerate(REST):
        points = screen_points(face)[0]
        x, y, width, height = (*points.min(axis=0), *np.ptp(points, axis=0))
        box = dict(x=round(x), y=round(y), width=round(width), height=round(height))
        (found,), outputs = saved(finding, graph(0, box=box))
        assert whose(found) == number and "the one in the box taken" in outputs["extract"]["text"][0]
        (found,), outputs = saved(finding, masked(finding, points[1:2]))
        assert whose(found) == number and "the one that the mask touches taken" in outputs["extract"]["text"][0]
    with pytest.raises(PromptFailed, match="mask touches 2 of 3 faces: number 1 around"):
        finding.run(masked(finding, np.stack([screen_points(face)[0, 1] for face in REST[:2]])))
    with pytest.raises(PromptFailed, match="mask touches no face"):
        finding.run(masked(finding, np.array([[8.0, 8.0]])))
    with pytest.raises(PromptFailed, match="holds no face"):
        finding.run(graph(0, box=dict(x=0, y=0, width=9, height=9)))


def masked(server: ComfyServer, dots: np.ndarray, size: tuple[int, int] = SIZE) -> dict:
    """The graph with a mask that is white around some points."""
    pixels = np.full((*size[::-1], 4), 255, np.uint8)
    for x, y in np.round(dots).astype(int):
        pixels[y - 4 : y + 4, x - 4 : x + 4, 3] = 0  # what is clear is ComfyUI's mask
    name = "mask_" + "_".join(str(int(value)) for value in dots.ravel()) + ".png"
    Image.fromarray(pixels).save(server.input / name)
    prompt = graph(0, mask=["load", 1])
    return prompt | {"load": dict(class_type="LoadImage", inputs=dict(image=name))}


def test_the_editor_shows_the_face_of_that_number(finding):
    """Before any run: of Load Image and Extract Face Landmarks."""
    Image.fromarray(SCENE.paint(REST)[0]).save(finding.input / "friends.png")
    faces, _ = saved(finding, graph(4))
    for number, face in enumerate(faces, 1):
        named = dict(image="friends.png", detector="face_landmarker.task", number=number)
        told = finding.post("/followemoji/preview", dict(node="test", portrait=named))
        low, high = (getattr(screen_points(face)[0], end)(axis=0) for end in ("min", "max"))
        assert (low < told["handles"]["cornerLeft"]).all() and (told["handles"]["cornerLeft"] < high).all()
    named["number"] = 4
    with pytest.raises(HTTPError) as caught:
        finding.post("/followemoji/preview", dict(node="test", portrait=named))
    assert caught.value.code == 400 and "Face number 4 is not there" in caught.value.read().decode()


def test_all_faces_of_a_clip_are_followed_and_stay_apart(finding):
    scene = Scene.of(21, 2, (512, 320))
    motions = scene.act([Acting.random(80 + number, 8, from_rest=True) for number in range(2)])
    write_video(finding.input / "two.mp4", scene.frames(motions), 25.0)
    load = dict(class_type="LoadVideo", inputs=dict(file="two.mp4"))
    found, outputs = saved(finding, graph(4, load, all_faces=True))
    assert [len(motion) for motion in found] == [8, 8] and "2 followed" in outputs["extract"]["text"][0]
    seen = []
    for motion in found:
        away = [np.abs(screen_points(motion) - screen_points(other)).mean(axis=(1, 2)) for other in motions]
        seen += [int(np.argmin([each.mean() for each in away]))]
        assert away[seen[-1]].max() < 12
    assert sorted(seen) == [0, 1]
    found, _ = saved(finding, graph(4, load, number=2))
    assert len(found) == 1 and len(found[0]) == 8
    # By a mask, which is no word: half as large, it lies over the first frame.
    left = motions[0] if screen_points(motions[0])[0, :, 0].mean() < 256 else motions[1]
    prompt = graph(0, load, mask=["load", 1]) | {
        "load": masked(finding, screen_points(left)[0, 1:2] / 2, (256, 160))["load"]
    }
    prompt |= {
        "film": load,
        "extract": prompt["extract"] | {"inputs": prompt["extract"]["inputs"] | {"source": ["film", 0]}},
    }
    (found,), _ = saved(finding, prompt)
    assert np.abs(screen_points(found) - screen_points(left)).mean() < 12


def test_several_drawn_motions_for_a_group_are_those_of_the_numbers(both_servers):
    """One by default, as before; with count the next numbers of motion and person."""
    motion = dict(motion=5, frames=4, person=20_000_003, still_head=True)
    graph = {
        "one": dict(class_type="FollowEmojiDrawnMotion", inputs=motion),
        "three": dict(class_type="FollowEmojiDrawnMotion", inputs=motion | dict(count=3)),
        "last": dict(class_type="FollowEmojiDrawnMotion", inputs=motion | dict(motion=7, person=20_000_005)),
    }
    for name in list(graph):
        save = dict(motion=[name, 0], filename_prefix=f"kept/{name}")
        graph[f"save_{name}"] = dict(class_type="FollowEmojiSaveMotion", inputs=save)
    outputs = both_servers.run(graph)["outputs"]
    one, three, last = (
        [
            load_motion(both_servers.output / text.partition(":")[0]).landmarks
            for text in outputs[f"save_{name}"]["text"]
        ]
        for name in ("one", "three", "last")
    )
    assert len(one) == len(last) == 1 and len(three) == 3
    assert np.array_equal(three[0], one[0]) and np.array_equal(three[2], last[0])
