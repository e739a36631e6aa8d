"""Animated faces put back into the whole picture, streamed to a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, replace
from itertools import chain
from typing import Any, get_args

import numpy as np
import torch
from comfy_api.v0_0_2 import InputImpl, io

from ..followemoji_core.errors import InputError, check_range
from ..followemoji_core.face.blend import blend
from ..followemoji_core.face.paste import Paster
from ..followemoji_core.face.patch import Cover, PasteOptions, Patch, check_crop
from ..followemoji_core.face.streams import at_rate
from ..followemoji_core.files import check_place
from ..followemoji_core.media import QUICK, WIDEST, even_sides, write_video
from ..followemoji_core.types import AlignedMotion, Crop
from ..followemoji_core.walk.job import video_bytes
from .edits import showing, shown, shown_frames, shrunk
from .footage import Footage, open_footage, written_sound
from .host.paths import new_video
from .host.progress import reported
from .original import Original, open_original, pasted
from .sockets import Aligned, advanced, schema
from .sockets import Crop as CropSocket

_FACES = 4  # sockets for so many; lists bring any number
_MOST_IMAGES = 1 << 30  # bytes of images where nobody says how many
_SAME_PACE = 0.01  # by which two frame rates may differ and count as one


class PasteBack(io.ComfyNode):
    """Frames IMAGE or VIDEO, their Crop, the original IMAGE or VIDEO, one or more faces -> VIDEO of full frames, a file
    in the temp folder, the first of them as IMAGE, MASK (1 or N,H,W) of what is changed. All inputs are lists.

    Raises InputError where frames, crops, masks, motions and original do not belong together.
    """

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "FollowEmojiPasteBack",
            "Paste Back",
            ["uncrop", "stitch", "composite face", "paste face", "full frame", "several faces", "group"],
            description="Puts animated faces back into the whole picture they were cut from. The rest of the picture "
            "does not change. For several faces use more inputs, or lists. Pictures and clips of any size and length "
            "fit into memory. Connect video to Save Video.",
            is_input_list=True,
            inputs=[
                io.MultiType.Input(
                    "original",
                    types=[io.Image, io.Video],
                    tooltip="The whole picture that went into Frame Portrait; or a clip, with one picture for each "
                    "frame.",
                ),
                *_face_inputs(1),
                io.Combo.Input(
                    "cover",
                    options=list(get_args(Cover)),
                    default="face",
                    tooltip="What is put back. face: the face with some hair. crop: the whole crop.",
                ),
                io.Int.Input(
                    "feather",
                    default=32,
                    min=0,
                    max=1024,
                    tooltip="Width of the soft edge, in pixels of the whole picture. Raise it if the edge shows. "
                    "Around a face it is at most as wide as the margin.",
                ),
                io.Boolean.Input(
                    "match_colours",
                    default=True,
                    tooltip="Fits the colours of the frames to the picture around the face. Turn it off to keep the "
                    "colours as they were made.",
                ),
                io.Audio.Input(
                    "audio",
                    optional=True,
                    tooltip="Optional: the sound of the video, cut to its length. Empty: the sound of the frames, or "
                    "else of the original.",
                ),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="Optional: white is what may change, instead of cover. The mask has the size of the "
                    "picture or of the crop.",
                ),
                *chain.from_iterable(_face_inputs(number) for number in range(2, _FACES + 1)),
                advanced(
                    io.Float.Input(
                        "margin",
                        default=0.3,
                        min=0.0,
                        max=1.0,
                        step=0.05,
                        tooltip="How much around the face is put back too, in face heights; above the brows twice as "
                        "much, for the hair.",
                    )
                ),
                advanced(
                    io.Int.Input(
                        "height",
                        default=0,
                        min=0,
                        max=16384,
                        tooltip="Height of the result in pixels; the width follows. 0: as the original.",
                    )
                ),
                advanced(
                    io.Float.Input(
                        "fps",
                        default=25.0,
                        min=1.0,
                        max=240.0,
                        step=0.01,
                        tooltip="Frames per second. Only used if neither a video nor an aligned motion gives them.",
                    )
                ),
                advanced(
                    io.Int.Input(
                        "image_frames",
                        default=0,
                        min=0,
                        max=10_000,
                        tooltip="How many frames, from the first on, also come out as images. 0: as many as fit into 1 "
                        "GB. The video always has all.",
                    )
                ),
            ],
            outputs=[
                io.Video.Output("video", display_name="video", tooltip="The video with all frames, for Save Video."),
                io.Image.Output(
                    "images", display_name="images", tooltip="The first frames as images; image_frames says how many."
                ),
                io.Mask.Output(
                    "changed", display_name="mask", tooltip="White is changed, black is the original, grey is a mix."
                ),
            ],
            **showing(),
        )

    @classmethod
    def check_lazy_status(cls, **given) -> list[str]:
        """Frames are asked for last, which may take hours to make: what does not fit without them is refused now."""
        absent = [name for name, value in given.items() if name.startswith("frames") and _is_absent(value)]
        if absent:
            given |= dict.fromkeys(absent)
            _, crops, motions = _faces(given)
            _fits(crops, motions, given)
        return absent

    @classmethod
    def execute(
        cls,
        original,
        frames,
        crop,
        cover,
        feather,
        match_colours,
        aligned=(),
        audio=(),
        mask=(),
        margin=(0.3,),
        height=(0,),
        fps=(25.0,),
        image_frames=(0,),
        **more,
    ) -> io.NodeOutput:
        # 1. Who is pasted, and into what.
        clips, crops, motions = _faces({"frames": frames, "crop": crop, "aligned": aligned, **more})
        how = {"cover": cover, "feather": feather, "margin": margin, "match_colours": match_colours}
        whole, patches, options = _fits(crops, motions, {"original": original, "mask": mask, "height": height, **how})
        rate = _rate(clips, motions, whole, float(fps[0]))
        streams = [open_footage(clip, rate) for clip in clips]
        streams, paces = _at_one_rate(streams, clips, patches, rate)
        warnings = _check_counts(streams, clips, crops, whole) + paces + _pace_of(whole, rate)
        total = max(stream.count for stream in streams)
        if not whole.still:
            total = whole.count if total == 1 else min(total, whole.count)
        # 2. Frame by frame into the file.
        path = new_video("followemoji/pasted")
        check_place(path, video_bytes(total, whole.size))
        paster, made = pasted(whole, patches, [stream.frames for stream in streams], options, rate)
        kept = _Kept(paster, image_frames[0], set(shown_frames(total).tolist()))
        sound = _sound(list(audio or ()), streams, whole, rate)
        count = write_video(path, reported(kept.through(made), total), rate, written_sound(sound), QUICK)
        # 3. What there is to say.
        warnings += kept.warnings(count)
        text = f"{len(patches)} {'face' if len(patches) == 1 else 'faces'}, {count} frames of {whole.size[0]} x "
        told = shown(cls, f"{text}{whole.size[1]}", kept.strip, warnings)
        return io.NodeOutput(InputImpl.VideoFromFile(str(path)), kept.batch(), kept.mask_batch(), ui=told)


def _face_inputs(number: int) -> list[io.Input]:
    """frames, crop, aligned of a face."""
    after = "" if number == 1 else f"_{number}"
    optional = number > 1
    again = "" if number == 1 else f" Face {number}."
    return [
        io.MultiType.Input(
            f"frames{after}",
            types=[io.Image, io.Video],
            optional=optional,
            lazy=True,  # see check_lazy_status
            tooltip=f"The animated crop, from Warp Preview, VAE Decode or Long Video. Upscaled frames fit too.{again}",
        ),
        CropSocket.Input(
            f"crop{after}", optional=optional, tooltip=f"Where the face was cut, from Frame Portrait.{again}"
        ),
        Aligned.Input(
            f"aligned{after}",
            optional=True,
            tooltip=f"Optional: the aligned motion of these frames. The mask then follows the face wherever it "
            f"moves.{again}",
        ),
    ]


def _is_absent(value) -> bool:
    """Whether it is an input that is not made yet; ComfyUI passes None in its place."""
    return value is not None and len(value) == 1 and value[0] is None


def _faces(given: Mapping[str, Any]) -> tuple[list, list[Crop], list[AlignedMotion | None]]:
    """Clips, crops and motions of all sockets among the inputs given; frames of None are not there yet. Raises
    InputError where one of a face is missing."""
    found: tuple[list, list, list] = [], [], []
    for number in range(1, _FACES + 1):
        after = "" if number == 1 else f"_{number}"
        own = [given.get(name + after, ()) for name in ("frames", "crop", "aligned")]
        crops, motions = (list(each or ()) for each in own[1:])
        clips = [None] * len(crops) if own[0] is None else list(own[0])
        if len(motions) > len(crops) > 0:
            raise InputError(
                f"There are {len(motions)} motions for {len(crops)} face{'s' if len(crops) > 1 else ''}, and a face "
                f"takes one. Leave out {len(motions) - len(crops)} of the driving clips, or use a picture with more "
                f"faces."
            )
        if len(clips) != len(crops) or len(motions) not in (0, len(clips)):
            raise InputError(
                f"Face {number}: {len(clips)} clips of frames, {len(crops)} crops, {len(motions)} aligned motions. "
                f"Each clip needs the crop that it was framed by, and all their motions or none."
            )
        for into, each in zip(found, (clips, crops, motions or [None] * len(clips)), strict=True):
            into += each
    return found


def _fits(
    crops: list[Crop], motions: list[AlignedMotion | None], given: Mapping[str, Any]
) -> tuple[Original, list[Patch], PasteOptions]:
    """The original, what goes where in it, and how, of the inputs given. Raises InputError where they do not belong
    together."""
    original, (height,) = given["original"], given.get("height", (0,))
    if len(original) != 1:
        raise InputError(f"There are {len(original)} originals, one is needed. Connect the whole picture itself.")
    check_range("height", height, (0, 16384))
    options = PasteOptions(**{each.name: given[each.name][0] for each in fields(PasteOptions) if each.name in given})
    patches = _patches(crops, motions, list(given.get("mask") or ()))
    whole = open_original(original[0], height)
    for each in crops:
        check_crop(each, whole.own_size)
    if not 2 <= min(whole.size) <= max(whole.size) <= WIDEST:
        raise InputError(
            f"The result would have {whole.size[0]}x{whole.size[1]} pixels; a video takes sides from 2 to {WIDEST}. "
            f"Set another height."
        )
    return whole, patches, options


def _patches(crops: list[Crop], motions: list[AlignedMotion | None], masks: list[torch.Tensor]) -> list[Patch]:
    if len(masks) not in (0, 1, len(crops)):
        raise InputError(f"There are {len(masks)} masks and {len(crops)} faces. Connect one, or one for each.")
    given = [mask.float().cpu().numpy() for mask in masks] or [None]
    if any(mask is not None and not mask.any() for mask in given):
        raise InputError(
            "The mask is empty: nothing may change. Paint it, or disconnect it for the face's own outline."
        )
    masks = given * len(crops) if len(given) == 1 else given
    return [Patch(*each) for each in zip(crops, motions, masks, strict=True)]


def _rate(clips: list, motions: list[AlignedMotion | None], whole: Original, otherwise: float) -> float:
    """Frames per second: of the first that knows it, the frames' video, their motion, the original's video."""
    videos = [clip for clip in clips if not isinstance(clip, torch.Tensor)]
    if videos:
        return open_footage(videos[0]).fps
    known = [motion.fps for motion in motions if motion is not None]
    known += [whole.footage.fps] if whole.footage else []
    return (known or [otherwise])[0]


def _at_one_rate(
    streams: list[Footage], clips: list, patches: list[Patch], rate: float
) -> tuple[list[Footage], list[str]]:
    """The streams at `rate` frames per second, and what was changed for that, in words. Frames of a face that is
    followed through a clip, or masked frame by frame, belong to that clip's frames and stay."""
    made, sentences = [], []
    for number, (stream, clip, patch) in enumerate(zip(streams, clips, patches, strict=True), 1):
        own = stream.fps
        if isinstance(clip, torch.Tensor) and patch.aligned is not None and len(patch.aligned) == stream.count:
            own = patch.aligned.fps
        if stream.count > 1 and patch.steady and not _same_pace(own, rate):
            count = max(round(stream.count * rate / own), 1)
            stream = replace(stream, frames=at_rate(stream.frames, own, rate), count=count)
            change = "left out" if own > rate else "repeated"
            sentences.append(f"Face {number} has {own:g} frames per second, the video {rate:g}: some are {change}.")
        made.append(stream)
    return made, sentences


def _same_pace(fps: float, rate: float) -> bool:
    return abs(fps / rate - 1) <= _SAME_PACE


def _pace_of(whole: Original, rate: float) -> list[str]:
    if whole.still or whole.footage is None or _same_pace(whole.footage.fps, rate):
        return []
    return [
        f"The original has {whole.footage.fps:g} frames per second, the video {rate:g}: its frames are taken one by "
        f"one, so that it runs {'slower' if whole.footage.fps > rate else 'faster'}."
    ]


def _sound(audio: list, streams: list[Footage], whole: Original, rate: float):
    """The one given, else that of the frames, else the original's, where its pictures run at its own rate."""
    if audio and audio[0] is not None:
        return audio[0]
    original = [whole.footage] if whole.footage and _same_pace(whole.footage.fps, rate) else []
    sounds = (stream.sound() for stream in [*streams, *original])
    return next((sound for sound in sounds if sound is not None), None)


def _check_counts(streams: list[Footage], clips: list, crops: list[Crop], whole: Original) -> list[str]:
    """What does not last as long as the rest, in words. Raises InputError where a crop of a clip has other frames."""
    sentences = []
    for stream, clip, crop in zip(streams, clips, crops, strict=True):
        known = isinstance(clip, torch.Tensor)
        if crop.frames is not None and known and stream.count not in (1, crop.frames):
            raise InputError(
                f"The crop has {crop.frames} frames, {stream.count} are to be pasted. Frame the clip that is animated."
            )
    counts = [stream.count for stream in streams]
    if len(set(counts)) > 1:
        sentences.append(f"The faces have {', '.join(map(str, counts))} frames; shorter ones hold their last.")
    likely = 0 if whole.footage is None else 1  # counts of videos are estimates
    if not whole.still and min(whole.count, max(counts)) > 1 and abs(whole.count - max(counts)) > likely:
        sentences.append(
            f"The original has {whole.count} frames, {max(counts)} are to be pasted: the video has the fewer of them."
        )
    return sentences


class _Kept:
    """What is kept of the frames as they pass: the first as images, a few for the strip on the node."""

    def __init__(self, paster: Paster, most: int, shown: set[int]):
        self._paster, self._most, self._shown = paster, most, shown
        self._images: list[torch.Tensor] = []
        self._masks: list[torch.Tensor] = []
        self.strip: list[np.ndarray] = []
        self._odd = self._clear = False

    def through(self, made: Iterable[tuple[np.ndarray, list, np.ndarray]]) -> Iterator[np.ndarray]:
        for index, (full, placed, own) in enumerate(made):
            if index == 0:
                floats = own.astype(np.float32) if own.dtype == np.uint8 else own
                self._most = self._most or max(_MOST_IMAGES // floats.nbytes, 1)
                self._odd = bool(full.shape[0] % 2 or full.shape[1] % 2)
                self._clear = own.shape[2] > 3 and bool((own[..., 3] < 1).any())
            if index < self._most:
                image = full.astype(np.float32) / 255 if own.dtype == np.uint8 else blend(own, placed)
                self._images.append(torch.from_numpy(image))
                if index == 0 or not self._paster.steady:
                    self._masks.append(torch.from_numpy(self._paster.mask(index)))
            if index in self._shown:
                self.strip.append(shrunk(full[..., :3]))
            yield even_sides(full[..., :3])

    def batch(self) -> torch.Tensor:
        return torch.stack(self._images)

    def mask_batch(self) -> torch.Tensor:
        return torch.stack(self._masks)

    def warnings(self, count: int) -> list[str]:
        sentences = []
        if len(self._images) < count:
            sentences.append(f"{len(self._images)} of {count} frames come out as images, see image_frames.")
        if self._odd:
            sentences.append("The video lacks the last row or column: videos need even sides. The images have it.")
        if self._clear:
            sentences.append("The video has no transparency: it shows the colours below. The images keep it.")
        if not self._masks[0].any():
            sentences.append("Nothing was pasted: the face lies outside the picture. Check crop and aligned.")
        return sentences
