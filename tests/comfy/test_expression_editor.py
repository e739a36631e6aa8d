"""The Expression Editor as a node: over the API, without any frontend (issue 12)."""

from __future__ import annotations

import json

import numpy as np
import pytest

from followemoji_core.drawn import Acting, Person
from followemoji_core.face.align import align
from followemoji_core.face.detector import FaceDetector
from followemoji_core.face.edit_file import parse_edit
from followemoji_core.face.extraction import extract_motion
from followemoji_core.face.geometry import screen_points
from followemoji_core.face.motion import stack_frames
from followemoji_core.face.topology import INNER_LIP_LOWER, INNER_LIP_UPPER
from followemoji_core.media import Clip, read_frames
from tests.comfy import graphs
from tests.comfy.server import PromptFailed
from tests.comfy.test_preview_routes import ask, pixels, refused
from tests.detector import detector_file

PERSON, SIDE = 20_000_018, 256


def edit(*keys: tuple[int, dict[str, float]], **more) -> str:
    frames = [{"frame": frame, "controls": controls} for frame, controls in keys]
    return json.dumps({"format": "followemoji.edit", "version": 1, "keyframes": frames} | more)


REST = {"jawOpen": 0.0, "mouthSmileLeft": 0.0}
SMILE = edit((0, REST), (8, {"jawOpen": 0.8, "mouthSmileLeft": 0.6}), (16, REST))


def graph(text: str, driven: bool = False, person: int = PERSON) -> graphs.Graph:
    """A drawn portrait, the editor, and the result as Warp Preview shows it; the edit's text goes to a preview."""
    made = {
        "1": dict(class_type="FollowEmojiDrawnPortrait", inputs=dict(person=person, style="their own", size=SIDE)),
        "2": dict(
            class_type="FollowEmojiExpressionEditor", inputs=dict(portrait=["1", 0], face=["1", 1], edit=text)
        ),
        "3": dict(
            class_type="FollowEmojiAlignMotion",
            inputs=dict(portrait=["1", 1], driving=["2", 0], rotation="relative", translation="steady", expression=1.0,
                        brows=1.0, eyes=1.0, pupils=1.0, mouth=1.0, smoothing=0.0),
        ),
        "4": dict(
            class_type="FollowEmojiWarpPreview", inputs=dict(portrait=["1", 0], face=["1", 1], aligned=["3", 0])
        ),
        "5": dict(class_type="SaveVideo", inputs=dict(video=["4", 0], filename_prefix="edited", format="mp4",
                                                      codec="h264") | {"format.codec": "h264"}),
        "6": dict(class_type="PreviewAny", inputs=dict(source=["2", 3])),
    }  # fmt: skip
    if driven:
        motion = dict(motion=7, frames=30, person=20_000_001, still_head=False)
        made["7"] = dict(class_type="FollowEmojiDrawnMotion", inputs=motion)
        made["2"]["inputs"]["motion"] = ["7", 0]
    return made


def ran(server, text: str, **how) -> tuple[np.ndarray, dict, str]:
    """The video's frames, the editor's part of the history, and the edit as it came out."""
    entry = server.run(graph(text, **how))
    (video,) = [path for path in server.outputs(entry) if path.suffix == ".mp4" and path.name.startswith("edited")]
    return np.stack(list(read_frames(Clip(video)))), entry["outputs"]["2"], entry["outputs"]["6"]["text"][0]


def test_three_keyframes_make_a_clip_of_a_still(both_servers):
    frames, told, text = ran(both_servers, SMILE)
    assert frames.shape == (17, SIDE, SIDE, 3) and told["text"] == ["17 frames, 0.7 s at 25 fps."]
    assert np.array_equal(parse_edit(text).controls().values, parse_edit(SMILE).controls().values)
    moved = np.abs(frames[8].astype(int) - frames[0]).max(axis=2) > 40
    assert moved[SIDE // 2 :].sum() > 500 and moved[: SIDE // 4].sum() == 0
    assert np.abs(frames[16].astype(int) - frames[0]).mean() < 2


def test_a_key_on_a_driving_clip_is_added_to_it(both_servers):
    """The same clip with a smile: as long, and the preview of the last run is on top of it."""
    plain, _, _ = ran(both_servers, "", driven=True)
    frames, told, text = ran(both_servers, edit((0, {"mouthSmileLeft": 0.9})), driven=True)
    assert len(frames) == len(plain) == 30
    moved = np.abs(frames.astype(int) - plain).mean(axis=(0, 3))
    right, left = moved[SIDE // 2 :, : SIDE // 2 - 24], moved[SIDE // 2 :, SIDE // 2 :]
    assert left.max() > 20 and right.max() < 12
    assert parse_edit(text).base == "motion" and parse_edit(text).frames is None
    key = told["followemoji_editor"][0]["key"]
    shown = ask(both_servers, portrait=None, key=key, frame=20)
    assert shown["driven"] and shown["frames"] == 30 and shown["size"] == [SIDE, SIDE]
    assert np.abs(pixels(shown) - plain[20]).mean() < 6
    curves = ask(both_servers, "curve", portrait=None, key=key)["curves"]
    assert {len(curve) for curve in curves.values()} == {30}
    copied = ask(both_servers, "expression", portrait=None, key=key, frame=int(np.argmax(curves["mouth"])))
    assert copied["controls"]["jawOpen"] > 0.1


def test_the_videos_landmarks_follow_the_edit(server):
    """The detector on the warp preview finds the mouth opened and the head turned as the edit says."""
    text = edit((0, {"jawOpen": 0.0, "headYaw": 0.0}), (10, {"jawOpen": 0.9, "headYaw": 8.0}))
    frames, _, _ = ran(server, text)
    person = Person.of(PERSON)
    rest = person.act(Acting.rest(), (SIDE, SIDE))
    still = stack_frames([rest.frame(0)] * len(frames), 25.0)
    wanted = align(rest.frame(0), still.with_edit_added(parse_edit(text).controls()))
    with FaceDetector(detector_file()) as finder:
        seen = screen_points(extract_motion(frames, 25.0, finder))

    def gap(points: np.ndarray) -> np.ndarray:
        return points[:, INNER_LIP_LOWER[5], 1] - points[:, INNER_LIP_UPPER[5], 1]

    assert gap(seen)[10] - gap(seen)[0] == pytest.approx(gap(wanted.points)[10] - gap(wanted.points)[0], rel=0.35)
    assert np.corrcoef(gap(seen), gap(wanted.points))[0, 1] > 0.97
    assert np.corrcoef(seen[:, 4, 0], wanted.points[:, 4, 0])[0, 1] > 0.95


def test_two_editors_do_not_mix_and_a_second_portrait_replaces_the_first(both_servers):
    keys = [ran(both_servers, SMILE, person=each)[1]["followemoji_editor"][0]["key"] for each in (PERSON, 20_000_021)]
    one, two = (pixels(ask(both_servers, portrait=None, key=key)) for key in keys)
    assert np.abs(one - two).mean() > 10
    assert np.array_equal(pixels(ask(both_servers, portrait=None, key=keys[0])), one)


def test_wrong_edits_and_inputs_are_refused_by_name(both_servers):
    with pytest.raises(PromptFailed, match=r"keyframes\[0\].controls: 'jawOpn' is not a control. Did you mean jawOpen"):
        both_servers.run(graph(edit((0, {"jawOpn": 1}))))
    with pytest.raises(PromptFailed, match="The edit is not JSON"):
        both_servers.run(graph("{"))
    wrong = graph("", driven=True)
    wrong["2"]["inputs"]["face"] = ["7", 0]
    with pytest.raises(PromptFailed, match="The portrait's face has 30 frames, one is needed"):
        both_servers.run(wrong)
    other = graph("")
    other["9"] = dict(class_type="FollowEmojiDrawnPortrait", inputs=dict(person=1, style="their own", size=128))
    other["2"]["inputs"]["face"] = ["9", 1]
    with pytest.raises(PromptFailed, match="Connect the face of this picture"):
        both_servers.run(other)


def test_nothing_breaks_when_the_server_restarts(tmp_path):
    """What the last run kept is gone, and said so; what is connected is made again."""
    from tests.comfy.server import ComfyServer
    from tests.conftest import comfy_tree

    with ComfyServer(comfy_tree("server"), tmp_path) as own:
        key = ran(own, SMILE)[1]["followemoji_editor"][0]["key"]
        before = pixels(ask(own, portrait=None, key=key))
        own.stop()
        own.start()
        assert "Press Run once" in refused(own, 404, portrait=None, key=key)
        drawn = {"drawn": {"person": PERSON, "style": "their own", "size": SIDE}}
        assert np.array_equal(pixels(ask(own, portrait=drawn, key=key)), before)
        assert ran(own, SMILE)[1]["followemoji_editor"][0]["key"] == key
