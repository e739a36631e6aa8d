"""Crops and Paste Back on real servers (issue 14)."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image

from followemoji_core.drawn import Acting, Person, paint
from followemoji_core.media import Clip, read_frames, write_video
from tests.comfy import graphs
from tests.comfy.server import ComfyServer
from tests.comfy.test_expression_nodes import failure, node

ALIGN = dict(rotation="none", translation="none", expression=1.0, brows=1.0, eyes=1.0, pupils=1.0, mouth=1.0,
             smoothing=0.0)  # fmt: skip
PASTE = dict(cover="face", feather=16, match_colours=True, margin=0.2)


def branch(number: int, upright: bool = False) -> dict:
    """A drawn face of the picture, framed and moved by the warp; DrawnMotion another for each."""
    n = f"_{number}"
    frame = dict(width=128, height=128, framing="face", room=2.2, upright=upright)
    return {
        f"frame{n}": node("PreparePortrait", image=["portrait", 0], face=["portrait", 1], **frame),
        f"motion{n}": node("DrawnMotion", motion=number, frames=6, person=20_000_001, still_head=True),
        f"align{n}": node("AlignMotion", portrait=[f"frame{n}", 1], driving=[f"motion{n}", 0], **ALIGN),
        f"warp{n}": node("WarpPreview", portrait=[f"frame{n}", 0], face=[f"frame{n}", 1], aligned=[f"align{n}", 0]),
    }


def whole(size: int = 384) -> dict:
    return {"portrait": node("DrawnPortrait", person=20_000_018, style="their own", size=size)}


def save(name: str, source: list) -> dict:
    return {name: dict(class_type="SaveImage", inputs=dict(images=source, filename_prefix=name))}


def pictures(server: ComfyServer, entry: dict, name: str) -> list[np.ndarray]:
    files = server.outputs({"outputs": {name: entry["outputs"][name]}})
    return [np.asarray(Image.open(file).convert("RGB")).astype(int) for file in files]


def masks(name: str, source: list) -> dict:
    return {f"as_{name}": dict(class_type="MaskToImage", inputs=dict(mask=source)), **save(name, [f"as_{name}", 0])}


@pytest.mark.parametrize("upright", [False, True])
def test_paste_back_of_images_and_of_a_video(both_servers, upright):
    """Outside of the mask the original; inside it moves; the video shows the same."""
    graph = whole() | branch(1, upright)
    given = dict(original=["portrait", 0], crop=["frame_1", 2], aligned=["align_1", 0], **PASTE)
    graph |= {"paste": node("PasteBack", frames=["warp_1", 1], **given)}
    graph |= {"video": node("PasteBack", frames=["warp_1", 0], **given)}
    graph |= save("pasted", ["paste", 1]) | save("from_video", ["video", 1]) | save("whole", ["portrait", 0])
    graph |= masks("changed", ["paste", 2]) | masks("cut", ["frame_1", 3]) | masks("seen", ["frame_1", 4])
    graph |= {"file": dict(class_type="SaveVideo", inputs=dict(video=["paste", 0], filename_prefix="pasted",
                                                               format="auto", codec="auto"))}  # fmt: skip
    entry = both_servers.run(graph)
    shown = {name: pictures(both_servers, entry, name)
             for name in ("pasted", "from_video", "whole", "changed", "cut", "seen")}  # fmt: skip
    (original,), (changed,) = shown["whole"], shown["changed"]
    assert len(shown["pasted"]) == len(shown["from_video"]) == 6 and shown["pasted"][0].shape == (384, 384, 3)
    outside = cv2.dilate(changed[..., 0].astype(np.uint8), np.ones((7, 7))) == 0  # of a mask that was saved as 8 bits
    for frame in shown["pasted"]:
        assert np.array_equal(frame[outside], original[outside]) and outside.mean() > 0.1
    assert np.abs(shown["pasted"][3] - shown["pasted"][0])[changed > 250].mean() > 0.3
    assert np.abs(shown["pasted"][3] - shown["from_video"][3]).mean() < 4
    assert shown["cut"][0].shape == (128, 128, 3) and shown["seen"][0].shape == (384, 384, 3)
    (video,) = [path for path in both_servers.outputs(entry) if path.suffix == ".mp4" and "file" in entry["outputs"]][
        :1
    ]
    assert graphs.describe(video) | dict(sound=False) == dict(frames=6, size=(384, 384), fps=25.0, sound=False)
    assert entry["outputs"]["paste"]["text"] == ["1 face, 6 frames of 384 x 384."]


def test_paste_back_of_several_faces_by_sockets_and_by_height(both_servers):
    """Two crops of one picture with other motions; the result at another height."""
    graph = whole() | branch(1) | branch(2, True)
    given = dict(original=["portrait", 0], **PASTE)
    given |= dict(frames=["warp_1", 1], crop=["frame_1", 2], aligned=["align_1", 0])
    graph |= {"only": dict(class_type="SolidMask", inputs=dict(value=1.0, width=384, height=384))}
    given |= dict(mask=["only", 0])
    given |= dict(frames_2=["warp_2", 0], crop_2=["frame_2", 2], aligned_2=["align_2", 0], height=192, image_frames=2)
    graph |= {"paste": node("PasteBack", **given)} | save("pasted", ["paste", 1])
    entry = both_servers.run(graph)
    shown = pictures(both_servers, entry, "pasted")
    assert [picture.shape for picture in shown] == [(192, 192, 3)] * 2
    assert entry["outputs"]["paste"]["text"] == [
        "2 faces, 6 frames of 192 x 192. 2 of 6 frames come out as images, see image_frames."
    ]


def test_paste_back_into_a_clip(server):
    """The clip's own sound and rate, each frame its own ground; frames of a single picture are held."""
    person = Person.of(20_000_007)
    motion = person.act(Acting.random(7, 6, from_rest=True), (256, 192))
    sound = np.zeros((1, 8000), np.float32)
    write_video(server.input / "ground.mp4", iter(paint(person, motion)), 30.0, (sound, 8000))
    graph = whole(256) | branch(1)
    graph["portrait"] = node("DrawnPortrait", person=20_000_018, style="their own", size=256)
    graph |= {
        "clip": dict(class_type="LoadVideo", inputs=dict(file="ground.mp4")),
        "paste": node("PasteBack", original=["clip", 0], frames=["frame_1", 0], crop=["frame_1", 2], **PASTE),
    }
    assert "The picture has 256x192 pixels, the crop was cut from one of 256x256" in failure(server, graph)
    write_video(server.input / "ground.mp4", (np.pad(frame, [(32, 32), (0, 0), (0, 0)]) for frame in
                                               paint(person, motion)), 30.0, (sound, 8000))  # fmt: skip
    graph |= {"file": dict(class_type="SaveVideo", inputs=dict(video=["paste", 0], filename_prefix="clip",
                                                               format="auto", codec="auto"))}  # fmt: skip
    entry = server.run(graph)
    video = next(path for path in server.outputs(entry) if path.name.startswith("clip"))
    assert graphs.describe(video) == dict(frames=6, size=(256, 256), fps=30.0, sound=True)
    frames = list(read_frames(Clip(video)))
    assert all(np.abs(frame[:8, :8].astype(int)).mean() < 3 for frame in frames), "the bar above stays black"


def test_long_video_pastes_back(both_servers):
    """The template, its face put back into a larger picture of the same person."""
    graph = graphs.change(graphs.load("long_video"), "FollowEmojiDrawnMotion", frames=6)
    graphs.change(graph, "FollowEmojiDrawnPortrait", size=256)
    graphs.change(graph, "FollowEmojiEncodePortrait", image=["frame", 0])
    graphs.change(graph, "FollowEmojiAlignMotion", portrait=["frame", 1])
    graphs.change(graph, "FollowEmojiLongVideo", steps=1)
    cut = dict(width=128, height=128, framing="face", room=2.2)
    graph["frame"] = node("PreparePortrait", image=["2", 0], face=["2", 1], **cut)
    graph["8"]["inputs"] |= dict(crop=["frame", 2])
    assert "connect both crop and original" in failure(both_servers, graph)
    twice = dict(class_type="RepeatImageBatch", inputs=dict(image=["2", 0], amount=2))
    shorter = graph | {"twice": twice, "8": graph["8"] | {"inputs": graph["8"]["inputs"] | dict(original=["twice", 0])}}
    assert "The original has 2 frames, the motion 6" in failure(both_servers, shorter)
    graph["8"]["inputs"] |= dict(original=["2", 0])
    (path,) = [path for path in both_servers.outputs(both_servers.run(graph)) if path.suffix == ".mp4"]
    frames = np.stack(list(read_frames(Clip(path)))).astype(int)
    assert frames.shape == (6, 256, 256, 3)
    moves = np.abs(np.diff(frames, axis=0)).mean(axis=(0, 3))
    assert moves[:, :16].mean() < 0.5 < moves[96:160, 96:160].mean()


def test_paste_back_says_what_does_not_fit(server):
    graph = whole() | branch(1)
    given = dict(original=["portrait", 0], frames=["warp_1", 1], crop=["frame_1", 2], **PASTE)

    def refused(**changes) -> str:
        more = changes.pop("more", {})
        return failure(server, graph | more | {"paste": node("PasteBack", **given | changes)})

    small = {"small": dict(class_type="EmptyImage", inputs=dict(width=200, height=128, batch_size=2, color=0))}
    assert "Frame 0 has 200x128 pixels, the crop 128x128" in refused(frames=["small", 0], more=small)
    mask = {"solid": dict(class_type="SolidMask", inputs=dict(value=1.0, width=64, height=64))}
    assert "The mask has 64x64 pixels; it must have those of the picture, 384x384, or of the crop, 128x128" in refused(
        mask=["solid", 0], more=mask
    )
    mask["solid"]["inputs"] |= dict(value=0.0, width=384, height=384)
    assert "The mask is empty" in refused(mask=["solid", 0], more=mask)
    other = {"other": node("DrawnPortrait", person=1, style="their own", size=256)}
    assert "The picture has 256x256 pixels, the crop was cut from one of 384x384" in refused(
        original=["other", 0], more=other
    )
    assert "Face 2: 1 clips of frames, 0 crops" in refused(frames_2=["warp_1", 1])


def test_paste_back_refuses_before_the_frames_are_made(both_servers):
    """They may take hours: here they would fail on their own. More motions than faces; another picture; no mask."""
    graph = whole() | branch(1) | {"never": node("DrawLandmarks", motion=["align_1", 0], background=["small", 0])}
    graph |= {"small": dict(class_type="EmptyImage", inputs=dict(width=64, height=64, batch_size=2, color=0))}
    graph |= {"other": dict(class_type="EmptyImage", inputs=dict(width=64, height=64, batch_size=1, color=0))}
    given = dict(original=["portrait", 0], frames=["never", 0], crop=["frame_1", 2], aligned=["align_1", 0], **PASTE)

    def refused(motions: int = 1, **changes) -> str:
        graph["motion_1"]["inputs"]["count"] = motions
        return failure(both_servers, graph | {"paste": node("PasteBack", **given | changes)})

    assert "The background has 2 pictures" in refused()
    assert "There are 3 motions for 1 face, and a face takes one. Leave out 2 of the driving clips" in refused(3)
    assert "The picture has 64x64 pixels, the crop was cut from one of 384x384" in refused(original=["other", 0])
    graph["none"] = dict(class_type="SolidMask", inputs=dict(value=0.0, width=384, height=384))
    assert "The mask is empty" in refused(mask=["none", 0])


def test_paste_back_of_faces_at_other_rates_and_with_transparency(server):
    """A face whose driver was filmed at twice the rate keeps its pace; images keep alpha, the video cannot."""
    graph = whole() | branch(1) | branch(2)
    half = dict(class_type="SolidMask", inputs=dict(value=0.5, width=384, height=384))
    clear = dict(class_type="JoinImageWithAlpha", inputs=dict(image=["portrait", 0], alpha=["half", 0]))
    fast = dict(class_type="CreateVideo", inputs=dict(images=["warp_2", 1], fps=50.0))
    given = dict(original=["clear", 0], **PASTE)
    given |= dict(frames=["warp_1", 0], crop=["frame_1", 2], aligned=["align_1", 0])
    given |= dict(frames_2=["fast", 0], crop_2=["frame_2", 2], aligned_2=["align_2", 0])
    graph |= dict(half=half, clear=clear, fast=fast, paste=node("PasteBack", **given)) | save("pasted", ["paste", 1])
    entry = server.run(graph)
    assert entry["outputs"]["paste"]["text"] == [
        "2 faces, 6 frames of 384 x 384. The faces have 6, 3 frames; shorter ones hold their last. Face 2 has 50 "
        "frames per second, the video 25: some are left out. The video has no transparency: it shows the colours "
        "below. The images keep it."
    ]
    files = server.outputs({"outputs": {"pasted": entry["outputs"]["pasted"]}})
    assert {np.unique(np.asarray(Image.open(file))[..., 3]).tolist()[0] for file in files} == {127}
