"""Faces pasted back: nothing else of the picture changes, and nobody sees where (issue 14, section 3)."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import cv2
import numpy as np
import pytest

from followemoji_core.drawn import Acting, Person, paint
from followemoji_core.drawn.scenes import Scene
from followemoji_core.errors import InputError
from followemoji_core.face.align import align
from followemoji_core.face.blend import blend
from followemoji_core.face.crop import Framed, cut_out, frame_clip, frame_portrait, shown_box
from followemoji_core.face.geometry import face_frame, screen_points
from followemoji_core.face.paste import Paster
from followemoji_core.face.patch import PasteOptions, Patch
from followemoji_core.types import AlignedMotion, FaceFrame
from tests.measure_paste import ring_flicker, seam

FRAMES = 8


@pytest.fixture(scope="module")
def clip():
    """A drawn person who moves: pictures and motion."""
    person = Person.of(20_000_007)
    motion = person.act(Acting.random(7, FRAMES, from_rest=True), (400, 300))
    return paint(person, motion), motion


@pytest.fixture(scope="module")
def portrait(clip) -> tuple[np.ndarray, FaceFrame]:
    return clip[0][0], clip[1].frame(0)


def paster(*patches: Patch, size=(400, 300), fps=25.0, **options) -> Paster:
    return Paster(patches, size, PasteOptions(**{"feather": 12.0} | options), fps)


def framed(portrait, size=(256, 256), **options) -> Framed:
    return frame_portrait(*portrait, size, **options)


def grey(crop, level=128, count=1) -> list[np.ndarray]:
    return [np.full((*crop.size[::-1], 3), level, np.uint8)] * count


@pytest.mark.parametrize("kind", ["uint8", "float32", "float16"])
@pytest.mark.parametrize("cover", ["face", "crop"])
@pytest.mark.parametrize("upright", [False, True])
def test_paste_keeps_every_bit_outside_the_mask(portrait, kind, cover, upright):
    """Alpha and numbers that no screen shows too."""
    picture, face = portrait
    if kind != "uint8":
        picture = (picture / 255).astype(kind)
        picture[0, :3], picture[1, :3] = -0.0, np.inf
    with_alpha = np.concatenate([picture, picture[..., :1]], axis=-1)
    crop = frame_portrait(picture, face, (128, 128), upright=upright).crop
    put = paster(Patch(crop), cover=cover)
    (result,) = put.paste(with_alpha, [grey(crop)])
    outside = put.mask() == 0
    assert result.dtype == picture.dtype and 0.02 < 1 - outside.mean() < 0.98
    assert result[outside].tobytes() == with_alpha[outside].tobytes()
    assert result[..., 3].tobytes() == with_alpha[..., 3].tobytes()
    changed = (result != with_alpha).any(axis=-1)
    assert changed[put.mask() > 0.5].mean() > 0.95


def test_paste_of_an_untouched_crop_changes_nothing(portrait):
    picture, face = portrait
    own = frame_portrait(picture, face, (300, 300), "fill")  # whole pixels of the picture
    (result,) = paster(Patch(own.crop), cover="crop").paste(picture, [[own.picture]])
    assert np.array_equal(result, picture)


@pytest.mark.parametrize("framing, upright", [("face", False), ("face", True), ("centred", False)])
@pytest.mark.parametrize("size", [(128, 128), (512, 384)])
def test_paste_leaves_no_seam(portrait, framing, upright, size):
    picture, face = portrait
    own = frame_portrait(picture, face, size, framing, upright=upright)
    put = paster(Patch(own.crop))
    (result,) = put.paste(picture, [[own.picture]])
    assert seam(result, picture, put.mask()) < 1.1


def test_paste_of_true_frames_leaves_no_seam(clip, portrait):
    """Drawn people: the frames as they would be filmed, their crops put into the still picture."""
    pictures, motion = clip
    own = framed(portrait)
    put = paster(Patch(own.crop, align(own.face, motion)), cover="face")
    frames = [cut_out(picture, own.crop) for picture in pictures]
    for result, truth in zip(put.paste(portrait[0], [frames]), pictures, strict=True):
        assert seam(result, truth, put.mask()) < 1.1


@pytest.mark.parametrize("cover", ["face", "crop"])
def test_paste_takes_a_colour_shift_out_and_a_switch_leaves_it_in(portrait, cover):
    picture, face = portrait
    own = framed(portrait)
    shifted = np.clip(own.picture.astype(int) + 12, 0, 255).astype(np.uint8)
    plain = next(paster(Patch(own.crop), cover=cover).paste(picture, [[own.picture]])).astype(int)
    errors = []
    for match in (True, False):
        put = paster(Patch(own.crop), cover=cover, match_colours=match)
        result = next(put.paste(picture, [[shifted]])).astype(int)
        errors.append(np.abs((result - plain)[put.mask() > 0.99].mean(axis=0)).max())
    assert errors[0] < 2 and 10 < errors[1] < 13


def test_paste_of_a_still_motion_does_not_flicker(portrait):
    """Frames that differ by a codec's noise: on the ring where the colours are compared, and beside it."""
    picture, face = portrait
    own = framed(portrait)
    noise = np.random.default_rng(0)
    frames = [np.clip(own.picture + noise.normal(0, 1, own.picture.shape) + 6, 0, 255).astype(np.uint8)
              for _ in range(6)]  # fmt: skip
    put = paster(Patch(own.crop))
    results = list(put.paste(picture, [frames]))
    assert ring_flicker(results, put.mask()) < 0.5


def test_paste_hides_the_old_face_wherever_the_new_one_goes(portrait):
    """The mask holds the portrait's own face, and that of every frame."""
    own = framed(portrait)
    points = np.stack([own.crop.points, own.crop.points + (30, 0)])
    mask = paster(Patch(own.crop, AlignedMotion(points, own.crop.size, 25.0))).mask()
    for each in points:
        places = each @ own.crop.picture_from_crop[:, :2].T + own.crop.picture_from_crop[:, 2]
        columns, rows = np.floor(places).astype(int).T
        assert mask[rows, columns].min() > 0.99


def test_paste_of_faces_that_overlap_shares_by_distance(portrait):
    picture, face = portrait
    left = framed(portrait).crop
    moved = np.column_stack([np.eye(2), (30, 0)])
    right = type(left)(np.column_stack([left.picture_from_crop[:, :2], left.picture_from_crop[:, 2] + moved[:, 2]]),
                       left.points, left.size, left.picture_size)  # fmt: skip
    options = dict(match_colours=False)
    both = paster(Patch(left), Patch(right), **options)
    (result,) = both.paste(picture * 0, [grey(left, 100), grey(right, 200)])
    covered = np.maximum(paster(Patch(left), **options).mask(), paster(Patch(right), **options).mask())
    assert np.allclose(both.mask(), covered, atol=1e-5)
    row = result[150, :, 0].astype(int)
    inside = np.flatnonzero(both.mask()[150] > 0.99)
    assert abs(row[inside[0]] - 100) <= 1 and abs(row[inside[-1]] - 200) <= 1, "where one is alone it is whole"
    steps = np.diff(row[inside[0] : inside[-1] + 1])
    assert steps.min() >= -1 and steps.max() < 25, "and from one to the other there is no edge"
    assert np.array_equal(result[both.mask() == 0], picture[both.mask() == 0] * 0)


@pytest.mark.parametrize("level", [0, 255])
def test_paste_of_faces_that_overlap_stays_within_8_bits(level):
    """Roundings of several add up: white stays white, and black black."""
    size = (480, 320)
    scene = Scene.of(10, 3, size)
    motions = scene.act([Acting.rest()] * 3)
    picture = scene.paint(motions)[0]
    crops = [frame_portrait(picture, motion.frame(0), (128, 128), room=3.0).crop for motion in motions]
    put = paster(*map(Patch, crops), size=size, cover="crop", feather=16.0, match_colours=False)
    result = blend(picture, put.place(0, picture, [grey(crop, level)[0] for crop in crops]))
    assert (result >= picture).all() if level else (result <= picture).all()


def test_paste_into_a_clip_follows_its_crop(clip):
    pictures, motion = clip
    placed, crop = frame_clip(motion, (288, 288), upright=True)
    frames = [cut_out(picture, crop, index=index) for index, picture in enumerate(pictures)]
    put = paster(Patch(crop))
    for index, result in enumerate(put.paste(iter(pictures), [iter(frames)])):
        mask = put.mask(index)
        assert np.array_equal(result[mask == 0], pictures[index][mask == 0])
        assert np.abs(result.astype(int) - pictures[index]).mean() < 2.0
    assert index == FRAMES - 1
    with pytest.raises(InputError, match="The crop has 8 frames, and there are more"):
        list(put.paste(pictures[0], [[*frames, frames[0]]]))


@pytest.mark.parametrize("whole", [False, True])
def test_paste_through_a_given_mask(portrait, whole):
    picture, face = portrait
    crop = framed(portrait).crop
    size = crop.picture_size if whole else crop.size
    mask = np.zeros(size[::-1], np.float32)
    cv2.circle(mask, (size[0] // 2, size[1] // 2), size[1] // 5, 1, -1)
    put = paster(Patch(crop, mask=mask), feather=4)
    (result,) = put.paste(picture, [grey(crop)])
    assert np.array_equal(result[put.mask() == 0], picture[put.mask() == 0]) and put.mask().max() == 1
    if whole:
        assert not put.mask()[mask == 0].any()


def test_paste_of_enlarged_frames(portrait):
    picture, face = portrait
    own = framed(portrait)
    larger = cv2.resize(own.picture, (512, 512), interpolation=cv2.INTER_CUBIC)
    results = [next(paster(Patch(own.crop)).paste(picture, [[frame]])) for frame in (own.picture, larger)]
    assert np.abs(results[0].astype(int) - results[1]).mean() < 0.3


def test_paste_of_grey_frames_is_that_of_grey_colours(portrait):
    picture, face = portrait
    crop = framed(portrait).crop
    thin = [grey(crop)[0][..., :1]]
    shown, same = (next(paster(Patch(crop)).paste(picture, [frames])) for frames in (thin, grey(crop)))
    assert np.array_equal(shown, same)


def test_paste_of_the_bars_of_a_fitted_portrait_does_not_darken_the_border(portrait):
    white = np.full_like(portrait[0], 250)
    own = frame_portrait(white, portrait[1], (64, 64), "fit")
    assert own.picture[0].max() == 0
    (result,) = paster(Patch(own.crop), cover="crop", match_colours=False).paste(white, [[own.picture]])
    assert result.min() >= 249


@pytest.mark.parametrize("size", [(20_000, 10), (8000, 8000)])
def test_paste_into_pictures_of_unusual_size_is_bounded(portrait, size):
    """Memory beside the picture and its copy: in proportion to the crop."""
    _, face = portrait
    landmarks = np.column_stack([screen_points(face) / size, face.landmarks[:, 2]]).astype(np.float32)
    small = face_frame(landmarks, face.blendshapes, size)
    picture = np.full((size[1], size[0], 3), 70, np.uint8)
    crop = frame_portrait(picture, small, (128, 128), "centred").crop
    tracemalloc.start()
    put = paster(Patch(crop), size=size)
    placed = put.place(0, picture, grey(crop))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 << 20
    left, top, width, height = placed[0].box
    changed = blend(picture[top : top + height], [replace(placed[0], box=(left, 0, width, height), whole=None)])
    assert (changed != 70).any()


def test_paste_refuses_what_does_not_fit(portrait):
    picture, face = portrait
    own = framed(portrait)
    with pytest.raises(InputError, match="The picture has 400x200 pixels, the crop was cut from one of 400x300"):
        paster(Patch(own.crop), size=(400, 200))
    for frame in (np.zeros((256, 200, 3), np.uint8), np.zeros((100, 100), np.uint8)):
        with pytest.raises(InputError, match="Frame 0 has .* pixels, the crop 256x256"):
            next(paster(Patch(own.crop)).paste(picture, [[frame]]))
    with pytest.raises(InputError, match="The mask has 10x20 pixels; it must have"):
        Patch(own.crop, mask=np.zeros((20, 10), np.float32))
    with pytest.raises(InputError, match="not finite"):
        Patch(own.crop, mask=np.full((256, 256), np.nan, np.float32))
    with pytest.raises(InputError, match="The mask has 2 frames"):
        list(paster(Patch(own.crop, mask=np.ones((2, 256, 256), np.float32))).paste(picture, [grey(own.crop, count=3)]))
    with pytest.raises(InputError, match="aligned motion is of a picture of 64x64"):
        Patch(own.crop, AlignedMotion(own.crop.points[None], (64, 64), 25.0))
    with pytest.raises(InputError, match="no face to paste"):
        paster()
    with pytest.raises(InputError, match="no frames to paste"):
        next(paster(Patch(own.crop)).paste(picture, [[]]))
    with pytest.raises(InputError, match="feather is -1"):
        paster(Patch(own.crop), feather=-1.0)


def test_paste_takes_no_more_memory_for_a_longer_clip(portrait):
    picture, face = portrait
    own = framed(portrait)

    def peak(count: int) -> int:
        put = paster(Patch(own.crop))
        tracemalloc.start()
        for _ in put.paste(picture, [(own.picture for _ in range(count))]):
            pass
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    assert peak(40) < 1.1 * peak(4)


def test_paste_of_a_face_larger_than_its_crop_fades_where_the_crop_ends(portrait):
    picture, face = portrait
    crop = framed(portrait, room=0.6).crop
    mask = paster(Patch(crop)).mask()
    left, top, width, height = shown_box(crop)
    inside = mask[top : top + height, left : left + width]
    assert mask.max() == 1 and mask.sum() == inside.sum()
    assert max(side.max() for side in (inside[0], inside[-1], inside[:, 0], inside[:, -1])) < 0.02


def test_paste_of_a_face_at_the_border_reaches_the_border(portrait):
    """There the frame ends because the picture does: nothing is seen beside the new face."""
    picture, face = portrait
    points = screen_points(face)
    left = int(points[:, 0].mean())  # half of the face is cut off
    landmarks = np.column_stack([(points - (left, 0)) / (400 - left, 300), face.landmarks[:, 2] * 400 / (400 - left)])
    cut = face_frame(landmarks.astype(np.float32), face.blendshapes, (400 - left, 300))
    for framing in ("face", "centred"):
        own = frame_portrait(np.ascontiguousarray(picture[:, left:]), cut, (128, 128), framing)
        mask = paster(Patch(own.crop), size=(400 - left, 300)).mask()
        assert mask[int(points[1, 1]), 0] == 1, framing
