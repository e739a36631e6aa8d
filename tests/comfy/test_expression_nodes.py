"""Expressions, captures, motion edits and the warp preview on real servers."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from followemoji_core.drawn import Acting, Person, paint
from followemoji_core.face.capture import write_live_link_csv
from followemoji_core.face.edit_file import Added, Edit, save_edit
from followemoji_core.face.motion_file import load_motion, save_motion
from followemoji_core.face.named_expressions import expression, named_expressions, sequence
from followemoji_core.media import write_video
from tests.comfy import graphs
from tests.comfy.server import ComfyServer, PromptFailed


def node(kind: str, **inputs) -> dict:
    return dict(class_type=f"FollowEmoji{kind}", inputs=inputs)


def named(**inputs) -> dict:
    return node("NamedExpression", **{"expression": "smile_wide", "strength": 1.0, "frames": 0} | inputs)


def sliders(**inputs) -> dict:
    return node("Expression", **dict(preset="none", strength=1.0, frames=0, ease_in=2, ease_out=2) | inputs)


def edit(action: str, **inputs) -> dict:
    return node("EditMotion", motion=["motion", 0], action=action, **inputs)


PORTRAIT = node("DrawnPortrait", person=20_000_018, style="their own", size=192)
DRIVER = node("DrawnMotion", motion=7, frames=30, person=20_000_001, still_head=False)


def failure(server: ComfyServer, graph: dict) -> str:
    with pytest.raises(PromptFailed) as caught:
        server.run(graph)
    return caught.value.message


def said(server: ComfyServer, made: dict, **others: dict) -> str:
    """What the node says; with it others by name."""
    return server.run({"made": made, **others})["outputs"]["made"]["text"][0]


def saved(server: ComfyServer, made: dict, **others: dict):
    """The motion that the node gives."""
    save = node("SaveMotion", motion=["made", 0], filename_prefix="kept/m")
    text = server.run({"made": made, "save": save, **others})["outputs"]["save"]["text"][0]
    file = server.output / text.partition(":")[0]
    motion = load_motion(file)
    file.unlink()
    return motion


def warped(server: ComfyServer, driving: dict, **changes) -> list[np.ndarray]:
    """Frames of the warp preview of the drawn portrait."""
    align = dict(portrait=["portrait", 1], driving=["made", 0], rotation="none", translation="none")
    align |= dict(expression=1.0, brows=1.0, eyes=1.0, pupils=1.0, mouth=1.0, smoothing=0.0)
    graph = {
        "portrait": PORTRAIT,
        "made": driving,
        "align": node("AlignMotion", **align),
        "warp": node("WarpPreview", portrait=["portrait", 0], face=["portrait", 1], aligned=["align", 0], **changes),
        "save": dict(class_type="SaveImage", inputs=dict(images=["warp", 1], filename_prefix="warped")),
    }
    entry = server.run(graph)
    files = [path for path in server.outputs({"outputs": {"save": entry["outputs"]["save"]}})]
    pictures = [np.asarray(Image.open(path).convert("RGB")).astype(int) for path in files]
    for path in files:
        path.unlink()
    return pictures


def test_expression_previews_come_in_under_a_second(both_servers):
    both_servers.run({"made": sliders(corner_left=0.5)})  # packages load once
    for made in (sliders(eye_left=1.0, corner_left=1.0), named(sequence="laugh 20, wink_left 10")):
        prompt_id = both_servers.queue({"made": made})
        entry = both_servers.wait(prompt_id)
        (sheet,) = both_servers.outputs(entry)
        assert Image.open(sheet).size == (672, 500)
        times = dict(entry["status"]["messages"])
        took = times["execution_success"]["timestamp"] - times["execution_start"]["timestamp"]
        assert took < 1000, f"{took} ms"


def test_expression_on_a_portrait_shows_and_lids_shut(both_servers):
    """A single frame, as the portrait rests; the left eye shuts, the right one and the mouth keep still."""
    (rest,) = warped(both_servers, sliders(frames=1))
    (wink,) = warped(both_servers, sliders(frames=1, eye_left=1.0))
    changed = np.abs(wink - rest).sum(axis=-1) > 60
    rows, columns = np.nonzero(changed)
    assert len(rows) > 50 and columns.min() > 96 and rows.max() < 115
    smile = warped(both_servers, named(frames=12))
    assert len(smile) == 12 and np.abs(smile[6] - rest).sum(axis=-1)[100:].max() > 150


def test_expression_is_added_to_a_driving_motion(current):
    driver = saved(current, DRIVER)
    both = saved(current, named(motion=["motion", 0], start=10, strength=0.5), motion=DRIVER)
    assert len(both) == 30 and np.array_equal(both.landmarks, driver.landmarks)
    expected = expression("smile_wide", None, 0.5, driver.fps).values[:20]
    assert not both.edit.values[:10].any() and np.allclose(both.edit.values[10:], expected, atol=1e-6)
    twice = saved(current, sliders(motion=["first", 0], frames=30), first=named(motion=["motion", 0]), motion=DRIVER)
    assert np.allclose(twice.edit.values, saved(current, named(motion=["motion", 0]), motion=DRIVER).edit.values)


def test_expression_sliders_mean_arkit_controls(current):
    controls = dict(brow_left=-0.5, eye_right=-0.4, gaze_sideways=10.0, pucker=-0.3, head_yaw=-7.0)
    made = saved(current, sliders(frames=1, preset="smile_wide", strength=0.5, more="mouth_roll_lower 0.6", **controls))
    found = made.edit.named()
    wanted = dict(browDownLeft=0.25, eyeWideRight=0.2, mouthStretchLeft=0.15, mouthRollLower=0.3, headYaw=-3.5)
    assert {name: round(found[name], 4) for name in wanted} == wanted and round(found["mouthSmileLeft"], 4) == 0.55
    assert found["eyeLookOutLeft"] > 0 and found["eyeLookInRight"] > 0 and "browDownRight" not in found


def test_expression_copied_off_a_face(current):
    acted = node("EditMotion", motion=["motion", 0], action="trim", start=18, stop=19)
    calm = node("EditMotion", motion=["motion", 0], action="trim", start=0, stop=1)
    copy = dict(face=["acted", 0], strength=1.0, frames=4, ease_in=0, ease_out=0)
    parts = dict(motion=DRIVER, acted=acted, calm=calm)
    driver = saved(current, DRIVER)
    scores = driver.blendshapes[18]
    for made in (node("CopyExpression", **copy), node("CopyExpression", neutral=["calm", 0], **copy)):
        found = saved(current, made, **parts)
        assert len(found) == 4 and not found.edit.turns.any()
        assert found.edit["jawOpen"][2] == pytest.approx(scores[25], abs=0.35)
    whole = saved(current, node("CopyExpression", **copy | dict(face=["motion", 0])), motion=DRIVER)
    assert len(whole) == 30


def test_motion_edit_gives_the_frames_it_says(both_servers):
    for made, frames in (
        (edit("trim", start=5, stop=-5), 20),
        (edit("reverse"), 30),
        (edit("loop", times=2, easing=6), 48),
        (edit("ping-pong", times=2), 116),
        (edit("retime", frames=45), 45),
        (edit("retime", fps=50.0), 60),
        (edit("join", other=["motion", 0], easing=5), 55),
        (edit("blend", other=["motion", 0], share=0.3), 30),
        (edit("mirror"), 30),
        (edit("amplify", mouth=1.5, head=0.0), 30),
        (edit("idle life", seed=3), 30),
        (edit("neutralise", share=1.0), 30),
    ):
        assert said(both_servers, made, motion=DRIVER).startswith(f"{frames} frames"), made


def test_capture_files(both_servers):
    controls = sequence("laugh 30, wink_left 30", 60.0)
    write_live_link_csv(both_servers.input / "take.csv", controls)
    save_edit(both_servers.input / "wink.json", Edit(added=(Added(5, "wink_left"),), frames=40))
    (both_servers.input / "shapes.json").write_text(json.dumps([{"jawOpen": 0.5}] * 7))
    offered = both_servers.object_info()["FollowEmojiLoadCapture"]["input"]["required"]["file"]
    assert all(name in str(offered) for name in ("take.csv", "wink.json", "shapes.json"))
    for file, text in (("take.csv", "60 frames, 1.0 s at 60 fps"), ("wink.json", "40 frames"), ("shapes.json", "7 fr")):
        assert said(both_servers, node("LoadCapture", file=file, strength=1.0)).startswith(text)
    take = saved(both_servers, node("LoadCapture", file="take.csv", strength=1.0))
    assert np.allclose(take.edit.shapes, controls.shapes, atol=1e-4)
    (both_servers.input / "take.csv").write_text("Timecode,BlendShapeCount\n")
    assert "take.csv" in failure(both_servers, {"1": node("LoadCapture", file="take.csv", strength=1.0)})
    (both_servers.input / "wink.json").write_text(
        '{"format": "followemoji.edit", "version": 1, "keyframes": [{"frame": 0, "controls": {"jawOpn": 1}}]}'
    )
    message = failure(both_servers, {"1": node("LoadCapture", file="wink.json", strength=1.0)})
    assert "keyframes[0].controls" in message and "Did you mean jawOpen" in message
    assert str(both_servers.root) not in message
    outside = failure(both_servers, {"1": node("LoadCapture", file="../no.csv", strength=1.0)})
    assert "There is no capture" in outside or "Value not in list" in outside


def test_warp_preview_says_where_the_sketch_ends(both_servers):
    turned = sliders(frames=9, ease_in=0, ease_out=0, head_yaw=20.0)
    align = dict(portrait=["portrait", 1], driving=["made", 0], rotation="none", translation="none")
    align |= dict(expression=1.0, brows=1.0, eyes=1.0, pupils=1.0, mouth=1.0, smoothing=0.0)
    graph = {
        "portrait": PORTRAIT,
        "made": turned,
        "align": node("AlignMotion", **align),
        "warp": node("WarpPreview", portrait=["portrait", 0], face=["portrait", 1], aligned=["align", 0]),
    }
    (text,) = both_servers.run(graph)["outputs"]["warp"]["text"]
    assert "9 of 9 frames turn the head more than 12 degrees" in text and "9 of 9 frames turn" in both_servers.log()


def test_warp_preview_of_any_length_stays_out_of_memory(current):
    """1,000 frames of 512 x 512 are 3 GB as images; the video has all of them, the images only the first."""
    align = dict(portrait=["portrait", 1], driving=["made", 0], rotation="none", translation="none")
    align |= dict(expression=1.0, brows=1.0, eyes=1.0, pupils=1.0, mouth=1.0, smoothing=0.0)
    graph = {
        "portrait": node("DrawnPortrait", person=20_000_018, style="their own", size=256),
        "made": named(sequence="laugh 500, surprise 500"),
        "align": node("AlignMotion", **align),
        "warp": node(
            "WarpPreview", portrait=["portrait", 0], face=["portrait", 1], aligned=["align", 0], image_frames=3
        ),
        "size": dict(class_type="SaveImage", inputs=dict(images=["warp", 1], filename_prefix="first")),
        "save": dict(
            class_type="SaveVideo",
            inputs={"video": ["warp", 0], "filename_prefix": "long", "format": "mp4", "codec": "h264"}
            | {"format.codec": "h264"},
        ),
    }
    before, peak = current.rss_mb(), 0.0
    prompt_id = current.queue(graph)
    while prompt_id not in (history := current.get(f"/history/{prompt_id}")):
        peak = max(peak, current.rss_mb())
    files = current.outputs(history[prompt_id])
    (video,) = [path for path in files if path.suffix == ".mp4"]
    assert graphs.describe(video)["frames"] == 1000
    assert len([path for path in files if path.name.startswith("first")]) == 3
    assert peak - before < 300


def test_warp_of_footage_keeps_what_is_not_edited(both_servers):
    """A drawn clip with a smile from frame 6 on; before that it is as it was, and its sound stays."""
    person = Person.of(20_000_018)
    motion = person.act(Acting.random(3, 12, still_head=True, from_rest=True), (192, 160))
    tone = np.sin(np.arange(16_000) / 20)[None].astype(np.float32)
    write_video(both_servers.input / "clip.mp4", iter(paint(person, motion)), motion.fps, (tone, 16_000))
    save_motion(both_servers.input / "clip.safetensors", motion)
    smile = dict(start=6, ease_in=0, ease_out=0, corner_left=1.0, corner_right=1.0)
    save = {"video": ["warp", 0], "filename_prefix": "clip", "format": "mp4", "codec": "h264", "format.codec": "h264"}
    graph = {
        "clip": dict(class_type="LoadVideo", inputs=dict(file="clip.mp4")),
        "face": node("LoadMotion", file="clip.safetensors", template_fps=30.0),
        "made": sliders(motion=["face", 0], **smile),
        "warp": node("WarpFootage", footage=["clip", 0], motion=["made", 0]),
        "save": dict(class_type="SaveVideo", inputs=save),
    }
    (video,) = [path for path in both_servers.outputs(both_servers.run(graph)) if path.suffix == ".mp4"]
    assert graphs.describe(video) == dict(frames=12, size=(192, 160), fps=25.0, sound=True)
    before, after = (
        np.frombuffer(graphs.pixels(file), np.uint8).reshape(12, 160, 192, 3).astype(int)
        for file in (both_servers.input / "clip.mp4", video)
    )
    moved = np.abs(after - before).mean(axis=-1)
    assert moved[:6].mean() < 4 and moved[6:, 90:140].max() > 60
    graph["warp"]["inputs"]["motion"] = ["face", 0]
    assert "The motion carries no edit" in failure(both_servers, graph)


@pytest.mark.parametrize(
    "graph, words",
    [
        ({"1": named(sequence="smle 12")}, "'smle' is not a named expression. Did you mean smile"),
        ({"1": named(sequence="smile")}, "Entry 1 of the sequence, 'smile', cannot be read"),
        ({"1": named(sequence="smile 0")}, "allowed: 1 to 100000"),
        ({"1": named(sequence="smile 12 nan")}, "Entry 1 of the sequence"),
        ({"1": sliders(more="jawOpne 0.5")}, "'jawOpne' is not a control. Did you mean jawOpen"),
        ({"1": sliders(more="jawOpen wide")}, "is not a control and its value"),
        ({"1": sliders(more="jawOpen 5")}, "jawOpen is 5 in frame 0; allowed: -1 to 2"),
        ({"1": sliders(more="jawOpen 1e999")}, "jawOpen is inf in frame 0"),
        ({"1": named(start=30, motion=["2", 0]), "2": DRIVER}, "It begins in frame 30; the motion has 30"),
        ({"1": node("EditMotion", motion=["2", 0], action="trim", start=40), "2": DRIVER}, "Frames 40 to the end"),
        ({"1": node("EditMotion", motion=["2", 0], action="join"), "2": DRIVER}, "two motions are needed"),
        (
            {
                "1": node("EditMotion", motion=["2", 0], action="blend", other=["3", 0]),
                "2": DRIVER,
                "3": node("EditMotion", motion=["2", 0], action="trim", stop=9),
            },
            "Motions of 30 and 9 frames cannot be blended",
        ),
        (
            {
                "1": node(
                    "CopyExpression", face=["2", 0], neutral=["2", 0], strength=1.0, frames=0, ease_in=0, ease_out=0
                ),
                "2": DRIVER,
            },
            "The neutral face has 30 frames, one is needed",
        ),
    ],
)
def test_bad_expression_inputs_are_explained(current, graph, words):
    assert words in failure(current, graph)


def test_warp_preview_of_swapped_inputs(current):
    align = dict(portrait=["portrait", 1], driving=["made", 0], rotation="none", translation="none")
    align |= dict(expression=1.0, brows=1.0, eyes=1.0, pupils=1.0, mouth=1.0, smoothing=0.0)
    graph = {
        "portrait": PORTRAIT,
        "made": named(),
        "align": node("AlignMotion", **align),
        "warp": node("WarpPreview", portrait=["portrait", 0], face=["made", 0], aligned=["align", 0]),
    }
    assert "The portrait's face has 37 frames, one is needed" in failure(current, graph)
    graph["other"] = node("DrawnPortrait", person=20_000_018, style="their own", size=128)
    graph["warp"]["inputs"] |= dict(portrait=["other", 0], face=["portrait", 1])
    message = failure(current, graph)
    assert "128x128" in message and "192x192" in message


def test_every_named_expression_is_offered(current):
    offered = str(current.object_info()["FollowEmojiNamedExpression"]["input"]["required"]["expression"])
    assert len(named_expressions()) >= 20 and all(f"'{name}'" in offered for name in named_expressions())
