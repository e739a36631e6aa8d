"""Motions: gaps, smoothing, files of both kinds, other detectors, tracking, framing."""

from __future__ import annotations

import os
import pickle
from dataclasses import replace

import numpy as np
import pytest

from followemoji_core.drawn import Acting, Person
from followemoji_core.errors import InputError, MotionFileError, NoFaceError
from followemoji_core.face.controls import Controls
from followemoji_core.face.crop import crop_portrait
from followemoji_core.face.geometry import ScreenFace, face_frame, screen_points
from followemoji_core.face.interop import motion_from_face_landmarks
from followemoji_core.face.motion import neutral_frame, smooth, stack_frames
from followemoji_core.face.motion_file import load_motion, save_motion
from followemoji_core.face.topology import BLENDSHAPE_NAMES
from followemoji_core.face.tracking import FaceTracker

# A head some way off that turns, opens its mouth and blinks.
_SHARE = np.linspace(0, 1, 12)
_REST = Acting.rest(12)
_ACTING = replace(
    _REST,
    shares=_REST.shares | {"jaw": _SHARE, "blink_left": _SHARE**2, "blink_right": _SHARE**2},
    turns=np.outer(_SHARE, (12.0, 5.0, 4.0)),
    places=np.tile((0.0, -1.2, -11.0), (12, 1)),
    fps=24.0,
)
MOTION = Person.of(1).act(_ACTING, (320, 256))
FACES = [MOTION.frame(index) for index in range(12)]
ARRAYS = ("landmarks", "metric", "camera_from_face", "blendshapes", "found")


def same(a, b, tolerance=0.0):
    return all(np.abs(getattr(a, name).astype(float) - getattr(b, name)).max() <= tolerance for name in ARRAYS)


# --- gaps and smoothing


def test_gaps():
    gappy = [None, *FACES[1:4], None, None, *FACES[6:], None]
    filled = stack_frames(gappy, 24.0)
    assert filled.found.tolist() == [face is not None for face in gappy] and len(filled) == 13
    third = FACES[3].landmarks + (FACES[6].landmarks - FACES[3].landmarks) / 3
    assert np.allclose(filled.landmarks[4], third, atol=1e-6)
    assert np.array_equal(filled.landmarks[0], FACES[1].landmarks)
    assert np.array_equal(stack_frames(gappy, 24.0, "hold").landmarks[5], FACES[3].landmarks)
    with pytest.raises(NoFaceError, match="not seen in frames 0, 4-5, 12 of 13 .*interpolate"):
        stack_frames(gappy, 24.0, "error")
    with pytest.raises(NoFaceError, match="any of the 3 frames"):
        stack_frames([None] * 3, 24.0)
    with pytest.raises(InputError, match="no frames"):
        stack_frames([], 24.0)


def test_neutral_frame_is_the_calmest_one_seen():
    scores = MOTION.blendshapes[:, 1:].sum(1)
    assert neutral_frame(MOTION) == int(scores.argmin())


def test_smoothing_takes_jitter_and_leaves_motion():
    noisy = stack_frames(
        [
            face_frame(
                face.landmarks + np.random.default_rng(i).normal(0, 1e-3, (478, 3)).astype(np.float32),
                face.blendshapes,
                face.size,
            )  # fmt: skip
            for i, face in enumerate(FACES)
        ],
        24.0,
    )
    error = lambda motion: np.abs(motion.landmarks - MOTION.landmarks)[:, :, :2].mean()  # noqa: E731
    assert error(smooth(noisy, 0.3)) < 0.8 * error(noisy)
    assert smooth(MOTION, 0.0) is MOTION
    with pytest.raises(InputError, match="0 .none. to 1"):
        smooth(MOTION, 1.5)


# --- files


def test_round_trip(tmp_path):
    save_motion(tmp_path / "m.safetensors", MOTION)
    loaded = load_motion(tmp_path / "m.safetensors")
    assert same(loaded, MOTION) and (loaded.size, loaded.fps) == (MOTION.size, 24.0)
    assert load_motion(tmp_path / "m.safetensors", fps=30).fps == 30
    assert os.listdir(tmp_path) == ["m.safetensors"]  # no half file beside it


@pytest.mark.parametrize("frames", [1, 12])
def test_a_motion_file_carries_the_edit(tmp_path, frames):
    edit = Controls.of({"mouthSmileLeft": np.linspace(-1, 2, frames), "headYaw": -90.0}, frames, MOTION.fps)
    save_motion(tmp_path / "m.safetensors", replace(MOTION, edit=edit))
    loaded = load_motion(tmp_path / "m.safetensors")
    assert same(loaded, MOTION) and loaded.edit.fps == MOTION.fps
    assert np.array_equal(loaded.edit.values, edit.values)
    assert load_motion(tmp_path / "m.safetensors", 50.0).edit.fps == 50.0
    save_motion(tmp_path / "m.safetensors", MOTION)
    assert load_motion(tmp_path / "m.safetensors").edit is None


@pytest.mark.parametrize(
    ("edit", "why"),
    [
        (np.zeros((5, 59), np.float32), r"edit is F32 \(5, 59\), expected F32 \(12, 59\)"),
        (np.zeros((12, 52), np.float32), r"edit is F32 \(12, 52\), expected F32 \(12, 59\)"),
        (np.zeros((12, 59), np.float64), "edit is F64"),
        (np.full((1, 59), np.nan, np.float32), "browDownLeft is nan in frame 0; allowed: -1 to 2"),
        (np.full((1, 59), 3, np.float32), "browDownLeft is 3 in frame 0"),
    ],
)
def test_an_edit_that_fits_no_motion_is_refused(tmp_path, edit, why):
    from types import SimpleNamespace

    save_motion(tmp_path / "m.safetensors", replace(MOTION, edit=SimpleNamespace(values=edit)))
    with pytest.raises(MotionFileError, match=f"Motion file m.safetensors is not read: .*{why}"):
        load_motion(tmp_path / "m.safetensors")


def template(with_size: bool = True) -> np.ndarray:
    """As the published notebook saves it: float64 arrays, lists of scores, an object array of dicts."""
    frames = []
    for face in FACES:
        frame = dict(
            lmks=face.landmarks.astype(np.float64),
            lmks3d=face.metric,
            trans_mat=face.camera_from_face,
            faces=np.zeros((898, 3), np.int64),
            bs=[float(score) for score in face.blendshapes[1:]],
        )
        frames.append(frame | (dict(width=face.size[0], height=face.size[1]) if with_size else {}))
    return np.array(frames)


@pytest.mark.parametrize("with_size", [True, False])
def test_published_template(tmp_path, with_size):
    np.save(tmp_path / "t.npy", template(with_size), allow_pickle=True)
    loaded = load_motion(tmp_path / "t.npy")
    assert loaded.fps == 30.0 and np.array_equal(loaded.landmarks, MOTION.landmarks)
    assert np.array_equal(loaded.blendshapes[:, 1:], MOTION.blendshapes[:, 1:])
    width, height = loaded.size
    assert width / height == pytest.approx(320 / 256, rel=0.01)


class Bomb:
    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("kind", ["object array", "inside a frame", "bare pickle", "object dtype"])
def test_a_template_never_runs_code(tmp_path, kind):
    crater, path = tmp_path / "crater", tmp_path / "bomb.npy"
    if kind == "bare pickle":
        path.write_bytes(pickle.dumps(Bomb(crater)))
    else:
        frames = template()
        if kind == "object array":
            frames = np.array([Bomb(crater)], dtype=object)
        elif kind == "inside a frame":
            frames[3]["extra"] = Bomb(crater)
        else:
            frames[3]["lmks"] = np.array([[Bomb(crater)] * 3] * 478, dtype=object)
        np.save(path, frames, allow_pickle=True)
    with pytest.raises(MotionFileError, match="bomb.npy") as caught:
        load_motion(path)
    assert not crater.exists()
    assert kind == "bare pickle" or "mkdir" in str(caught.value) or "numeric" in str(caught.value)


def test_damaged_files(tmp_path):
    save_motion(tmp_path / "m.safetensors", MOTION)
    np.save(tmp_path / "t.npy", template(), allow_pickle=True)
    for name in ("m.safetensors", "t.npy"):
        whole = (tmp_path / name).read_bytes()
        for share in (0.0, 0.02, 0.5, 0.999):
            (tmp_path / name).write_bytes(whole[: int(share * len(whole))])
            with pytest.raises(MotionFileError):
                load_motion(tmp_path / name)
    np.save(tmp_path / "numbers.npy", np.zeros(3))
    with pytest.raises(MotionFileError, match="not a list of faces"):
        load_motion(tmp_path / "numbers.npy")
    with pytest.raises(MotionFileError, match="cannot be read"):
        load_motion(tmp_path / "absent.npy")


# --- other detectors, tracking, framing


def payload(motion):
    """What ComfyUI's detector would say of these faces, from a crop of 192 units that is turned by 10 degrees."""
    turn, scale = np.radians(10), 1.7
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    frames = []
    for index, points in enumerate(screen_points(motion).astype(np.float64)):
        crop = np.column_stack(
            [(points - 100) @ rotation / scale, motion.landmarks[index, :, 2] * motion.size[0] / scale]
        )
        scores = dict(zip(BLENDSHAPE_NAMES, motion.blendshapes[index].tolist(), strict=True))
        frames.append([dict(landmarks_xy=points, landmarks_3d=crop, blendshapes=scores)])
    return dict(frames=frames, image_size=(motion.size[1], motion.size[0]))


def test_comfyui_face_landmarks():
    taken = motion_from_face_landmarks(payload(MOTION), 24.0)
    assert same(taken, MOTION, 2e-2) and taken.size == MOTION.size
    gap = payload(MOTION)
    gap["frames"][5] = []
    assert motion_from_face_landmarks(gap, 24.0).found.sum() == 11
    with pytest.raises(InputError, match="frames"):
        motion_from_face_landmarks({"image_size": (4, 4)}, 24.0)
    broken = payload(MOTION)
    del broken["frames"][2][0]["landmarks_3d"]
    with pytest.raises(InputError, match="frame 2"):
        motion_from_face_landmarks(broken, 24.0)


def moved(face, x, scale=1.0):
    landmarks = face.landmarks.copy()
    landmarks[:, :2] = (landmarks[:, :2] - 0.5) * scale + (0.5 + x, 0.5)
    landmarks[:, 2] *= scale
    return face_frame(landmarks, face.blendshapes, face.size)


def seen(face):
    return ScreenFace(face.landmarks, face.blendshapes, face.size)


def follow(frames, which="largest"):
    tracker = FaceTracker(which)
    for faces in frames:
        tracker.see(faces)
    return tracker.chosen()


def test_tracking_stays_with_the_first_choice():
    left, right = seen(moved(FACES[0], -0.25, 0.5)), seen(moved(FACES[0], 0.25, 0.6))
    for which, wanted in (("largest", 1), ("leftmost", 0), ("rightmost", 1)):
        assert FaceTracker(which).pick([left, right]) == wanted
    back = seen(moved(FACES[0], -0.22, 0.5))
    followed = follow([[left, right], [right], [right, back]], "leftmost")
    assert followed[1] is None, "the other person is nobody, not the next best"
    assert followed[0] is left and followed[2] is back
    assert follow([[left], [right]])[1] is right, "one person, after a cut: not lost for the rest of the clip"
    with pytest.raises(InputError, match="largest, leftmost"):
        FaceTracker("prettiest")


@pytest.mark.parametrize("framing", ["face", "fill", "fit"])
def test_framing_moves_picture_and_face_together(framing):
    """A dot painted on the nose is under the nose's landmark afterwards."""
    face = moved(FACES[0], 0.1, 0.4)
    picture = np.zeros((256, 320, 3), np.uint8)
    nose = screen_points(face)[1]
    picture[int(nose[1]) - 2 : int(nose[1]) + 3, int(nose[0]) - 2 : int(nose[0]) + 3] = 255
    cut, placed = crop_portrait(picture, face, (160, 240), framing)
    assert cut.shape == (240, 160, 3) and placed.size == (160, 240)
    rows, columns = np.nonzero(cut[..., 0] > 100)
    assert np.allclose((columns.mean(), rows.mean()), screen_points(placed)[1], atol=1.5)
    if framing == "face":  # closer than before
        assert np.ptp(screen_points(placed)[:, 1]) / 240 > 1.2 * np.ptp(screen_points(face)[:, 1]) / 256
    with pytest.raises(InputError, match="its face was found in one of"):
        crop_portrait(picture[:100], face, (160, 240), framing)
