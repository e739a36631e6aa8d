"""Place Face over the API, on real servers: no frontend is needed."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from followemoji_core.drawn import Animal, paint_animal
from followemoji_core.face.motion_file import load_motion
from followemoji_core.face.place import placed_face, placed_points
from followemoji_core.face.place_file import landmarks_text, parse_placement, placement_text
from followemoji_core.face.placement import Frame, Placement
from tests.comfy import graphs
from tests.comfy.server import ComfyServer, PromptFailed
from tests.comfy.test_preview_routes import pixels

FOX = Animal.of(1)
SIDE = 256
POINTS = Placement((SIDE, SIDE), FOX.points(SIDE))


def node(kind: str, **inputs) -> dict:
    return dict(class_type=f"FollowEmoji{kind}", inputs=inputs)


def graph(text: str | None = None, size: int = SIDE, others: dict | None = None, **inputs) -> dict:
    if text is not None:
        inputs["points"] = text
    return {
        "animal": node("DrawnAnimal", animal=1, size=size),
        "place": node("PlaceFace", image=["animal", 0], **inputs),
        "save": node("SaveMotion", motion=["place", 0], filename_prefix="kept/p"),
        **(others or {}),
    }


def placed(server: ComfyServer, prompt: dict):
    """The face that comes out, and what the node shows."""
    outputs = server.run(prompt)["outputs"]
    file = server.output / outputs["save"]["text"][0].partition(":")[0]
    face = load_motion(file).frame(0)
    file.unlink()
    return face, outputs["place"]


def missed(face, points) -> float:
    got = placed_points(face)
    return max(np.hypot(*np.subtract(got[name], at)) for name, at in points.items())


def ask(server: ComfyServer, body: bytes, **headers) -> tuple[int, dict]:
    headers = {"Content-Type": "application/json"} | headers
    body = body.replace(b'{"placement"', b'{"node": "test", "placement"', 1)
    request = urllib.request.Request(f"{server.url}/followemoji/place", body, headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        text = error.read()
        return error.code, json.loads(text) if text[:1] == b"{" else {}


def test_placed_points_come_out_as_a_face_and_as_text(both_servers):
    face, shown = placed(both_servers, graph(placement_text(POINTS)))
    assert face.size == (SIDE, SIDE) and missed(face, POINTS.points) < 0.05
    assert shown["text"][0].startswith("31 points placed")
    overlay, copy = (both_servers.root / "temp" / shown[key][0]["filename"] for key in ("images", "place_picture"))
    assert np.array_equal(np.asarray(Image.open(copy)), paint_animal(FOX, SIDE))
    assert Image.open(overlay).size == (256, 308)  # with its line of text
    twice, _ = placed(both_servers, graph(placement_text(POINTS), size=512))
    assert missed(twice, FOX.points(512)) < 0.05  # the same picture, larger


def test_a_transparent_picture_is_before_a_run_what_the_run_uses(both_servers):
    """Load Image takes the colours beneath: so do both editors, whose pictures are /view's and the preview's."""
    fox = paint_animal(FOX, SIDE)
    alpha = np.where(np.arange(SIDE) < SIDE // 2, 0, 255).astype(np.uint8)
    Image.fromarray(np.dstack([fox, np.tile(alpha, (SIDE, 1))])).save(both_servers.input / "clear.png")
    prompt = graph(
        placement_text(POINTS), others={"load": dict(class_type="LoadImage", inputs=dict(image="clear.png"))}
    )
    prompt["place"]["inputs"]["image"] = ["load", 0]
    _, shown = placed(both_servers, prompt)
    used = np.asarray(Image.open(both_servers.root / "temp" / shown["place_picture"][0]["filename"]))
    assert np.array_equal(used, fox)
    view = f"{both_servers.url}/view?filename=clear.png&type=input&channel=rgb"
    with urllib.request.urlopen(view, timeout=30) as answer:
        assert np.array_equal(np.asarray(Image.open(answer)), used)
    portrait = {"image": "clear.png", "placed": placement_text(POINTS)}
    told = both_servers.post("/followemoji/preview", {"node": "test", "portrait": portrait})
    assert np.abs(pixels(told) - used).mean() < 3, "but for the JPEG"


def test_place_begins_in_the_middle_or_in_a_mask_or_a_box(both_servers):
    middle, _ = placed(both_servers, graph())
    assert np.array_equal(middle.landmarks, placed_face(Placement((SIDE, SIDE))).landmarks)
    mask = np.zeros((SIDE, SIDE, 4), np.uint8)
    mask[..., 3] = 255
    mask[60:200, 40:180, 3] = 0  # what is clear is ComfyUI's mask
    Image.fromarray(mask).save(both_servers.input / "placed_mask.png")
    load = {"load": dict(class_type="LoadImage", inputs=dict(image="placed_mask.png"))}
    masked, shown = placed(both_servers, graph(others=load, mask=["load", 1]))
    assert missed(masked, placed_points(placed_face(Placement((SIDE, SIDE)), Frame((110, 130), 140)))) < 6
    frame = json.loads(shown["place_guess"][0])["frame"]
    assert frame["centre"] == [110, 130]
    Image.fromarray(mask[..., :3] + 90).save(both_servers.input / "placed_no_mask.png")
    load["load"]["inputs"]["image"] = "placed_no_mask.png"
    whole, shown = placed(both_servers, graph(others=load, mask=["load", 1]))
    assert np.array_equal(whole.landmarks, middle.landmarks) and "mask is empty" in shown["text"][0]


def test_place_in_a_bounding_box(both_servers):
    """ComfyUI's BOUNDING_BOX, younger than 0.3.64: one, or the lists of lists that its detectors give."""
    box = {"x": 40, "y": 60, "width": 140, "height": 140}
    framed = placed_points(placed_face(Placement((SIDE, SIDE)), Frame((110, 130), 140)))
    face, _ = placed(both_servers, graph(box=box))
    assert missed(face, framed) < 6
    with pytest.raises(PromptFailed, match="needs a width and a height"):
        both_servers.run(graph(box=dict(box, width=0)))


def test_place_corrects_a_face_that_is_connected(both_servers):
    person = {"person": node("DrawnPortrait", person=20_000_018, style="their own", size=SIDE)}
    prompt = graph(others=person, face=["person", 1])
    prompt["place"]["inputs"]["image"] = ["person", 0]
    before, shown = placed(both_servers, prompt)
    told = json.loads(shown["place_guess"][0])
    assert np.allclose(told["face"], before.landmarks, atol=1e-5) and told["frame"] is None
    points = placed_points(before)
    corner = {"mouth_corner_left": tuple(np.add(points["mouth_corner_left"], (4, -5)))}
    prompt["place"]["inputs"]["points"] = placement_text(Placement((SIDE, SIDE), corner))
    after, _ = placed(both_servers, prompt)
    assert missed(after, corner) < 0.05
    moved = np.linalg.norm((after.landmarks - before.landmarks)[:, :2], axis=1) * SIDE
    assert moved[291] > 6 and moved[[33, 133, 468]].max() < 1


@pytest.mark.parametrize(
    "text, said",
    [
        ("{", "not JSON"),
        (placement_text(Placement((SIDE, 100), POINTS.points)), "another shape"),
        (placement_text(Placement((SIDE, SIDE), {"chin": (9, 9)})), "too few"),
        (placement_text(Placement((SIDE, SIDE), {name: (SIDE - x, y) for name, (x, y) in POINTS.points.items()})),
         "Swap left and right"),
    ],
)  # fmt: skip
def test_place_refuses_with_a_way_out(both_servers, text, said):
    with pytest.raises(PromptFailed, match=said):
        both_servers.run(graph(text))


def test_place_route_fits_and_refuses(both_servers):
    text = json.loads(placement_text(POINTS))
    status, answer = ask(both_servers, json.dumps({"placement": text}).encode())
    assert status == 200 and np.allclose(answer["points"]["chin"], POINTS.points["chin"], atol=0.05)
    assert len(answer["points"]) == 31 and len(answer["lines"]) == 15 and answer["frame"]["height"] > 100
    landmarks = landmarks_text(placed_face(POINTS))
    one = dict(text, points={"chin": [128, 215]})
    status, answer = ask(both_servers, json.dumps({"placement": one, "face": landmarks}).encode())
    assert status == 200 and np.allclose(answer["points"]["chin"], [128, 215], atol=0.05)
    assert np.allclose(answer["points"]["pupil_left"], POINTS.points["pupil_left"], atol=1)

    many = dict(text, points={f"p{index}": [1, 2] for index in range(50)})
    for body, said in (
        (b"{", "not JSON"),
        (b"[" * 500, "nests"),
        (b'{"placement": ' + b" " * 200_000 + b"}", "more than 0.15 MB"),
        (json.dumps({"placement": many}).encode(), "is not a key of a placed face"),
        (json.dumps({"placement": text, "face": landmarks[:10]}).encode(), "478 are needed"),
        (json.dumps({"placement": text, "file": "/etc/passwd"}).encode(), "not a key of a request"),
        (json.dumps({"placement": dict(text, points={"chin": [9, 9]})}).encode(), "too few"),
    ):
        status, answer = ask(both_servers, body)
        assert status == 400 and said in answer["error"], (body[:60], answer)
    # Pages of other hosts are kept out by ComfyUI itself.
    status, _ = ask(both_servers, json.dumps({"placement": text}).encode(), Origin="http://elsewhere.example")
    assert status == 403
    with urllib.request.urlopen(f"{both_servers.url}/followemoji/animal?animal=1&size=256", timeout=30) as answer:
        assert np.array_equal(np.asarray(Image.open(answer)), paint_animal(FOX, SIDE))
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(f"{both_servers.url}/followemoji/animal?animal=1&size=99999", timeout=30)


def test_animals_asked_for_at_once_are_bounded(both_servers):
    """Of two hundred at once some are painted and the others told to come again; afterwards all is as before."""

    def painted(number: int) -> int:
        try:
            with urllib.request.urlopen(f"{both_servers.url}/followemoji/animal?animal={number}&size=512") as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            assert "at once" in json.loads(error.read())["error"]
            return error.code

    with ThreadPoolExecutor(200) as pool:
        codes = list(pool.map(painted, range(200)))
    assert set(codes) == {200, 503} and codes.count(200) >= 64
    assert painted(200) == 200


def test_placed_text_of_the_template_is_what_the_reader_takes():
    (text,) = [each["inputs"]["points"] for each in graphs.load("place_face").values() if "points" in each["inputs"]]
    assert parse_placement(text).size == (512, 512)
