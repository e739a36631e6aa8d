"""A benchmark of pictures and clips that somebody has: framed as the paper's are, with the faces found in them.

Every portrait and every clip is read, framed and looked at once, whatever number of cases it is in; what could not be
used says why, and is not tried again until it changes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np

from ...errors import FollowEmojiError, InputError, OutputError
from ...face.crop import ROOM, crop_portrait, resize, steady_square
from ...face.detector import FaceDetector
from ...face.extraction import extract_face, extract_motion
from ...face.geometry import ScreenFace, screen_points
from ...face.motion import stack_screen_faces
from ...face.motion_file import save_motion
from ...files import check_place, write_whole
from ...gate import Refused, file_size, loading, parse_json, read_bytes
from ...media import QUICK, Clip, clip_info, read_frames, write_video
from ...pictures import read_picture, write_picture
from ...types import FaceFrame, FaceMotion
from .cases import FRAMES, Bench, BenchCase, file_name, write_bench
from .manifest import Manifest

SIDE = 512
SMALLEST_FACE = 48  # pixels of the picture: below, framing only enlarges what is not there
_ABOUT, _LARGEST = 1 << 20, 1 << 40  # bytes of what is kept of one, and of a picture or clip
Say = Callable[[str], None]


@dataclass(frozen=True)
class Ready:
    """A portrait or a clip: name: of its files; first: of a clip, its first frame's as a portrait; fps: of a clip;
    missing: its frames in which no face was found; reason: why it cannot be used, "" where it can."""

    name: str
    first: str = ""
    fps: float = 25.0
    missing: int = 0
    reason: str = ""


def make_bench(
    folder: Path,
    manifest: Manifest,
    task: Path,
    frames: int = FRAMES,
    side: int = SIDE,
    room: float = ROOM,
    say: Say = lambda line: None,
) -> Bench:
    """Frame and look at everything that the manifest names, and write the benchmark; resumable.

    task: face_landmarker.task. A clip gives its first frame as portrait and the `frames` after it. room: side of the
    frame in face heights. Raises InputError where not one case is left; OutputError where the disk is full.
    """
    check_place(folder / "benchmark.json")
    with FaceDetector(task) as detector:
        studio = _Framing(folder, detector, frames, side, room, say)
        cases: dict[str, BenchCase] = {}
        refused, seen = list(manifest.refused), {}
        for row in manifest.rows:
            pair = (row.kind, row.portrait, row.driving)
            clip = studio.clip(row.driving)
            portrait = Ready(clip.first) if row.portrait is None else studio.portrait(row.portrait)
            reason = clip.reason or portrait.reason
            if pair in seen:
                reason = f"the same pair as {seen[pair]}"
            seen.setdefault(pair, row.line)
            if reason:
                refused.append({**row.told, "reason": reason})
                continue
            plain = name = f"self-{clip.name}" if row.kind == "self" else f"cross-{portrait.name}-{clip.name}"
            number = 2
            while name in cases:  # "a-b" with "c" and "a" with "b-c"
                name, number = f"{plain}-{number}", number + 1
            if clip.missing:
                studio.note(f"{row.driving.name}: no face was found in {clip.missing} of its frames; filled in")
            cases[name] = BenchCase(name, row.kind, portrait.name, clip.name, folder, frames, clip.fps, side)
    if not cases:
        raise InputError(
            f"Of {len(refused)} rows none can be used. The first: {refused[0]['row']}: {refused[0]['reason']}"
        )
    return write_bench(folder, cases.values(), frames, "manifest", (*manifest.notes, *studio.notes), refused)


class _Framing:
    """What was made ready, by its file; a second file of the same content is noted, and made once more by its name."""

    def __init__(self, folder: Path, detector: FaceDetector, frames: int, side: int, room: float, say: Say):
        self.folder, self.detector, self.say = folder, detector, say
        self.frames, self.side, self.room = frames, side, room
        self.notes: list[str] = []
        self._made: dict[tuple[str, Path], Ready] = {}
        self._names: dict[tuple[str, str], Path] = {}
        self._contents: dict[str, Path] = {}

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def portrait(self, path: Path) -> Ready:
        if ("portraits", path) not in self._made:
            name = self._own_name("portraits", path, path.stem)
            files = [self.folder / "portraits" / f"{name}{end}" for end in (".png", ".safetensors")]
            self._ready("portraits", path, name, "", files, lambda: self._frame_portrait(path, name))
        return self._made["portraits", path]

    def clip(self, path: Path) -> Ready:
        if ("clips", path) not in self._made:
            name = self._own_name("clips", path, path.stem)
            first = self._own_name("portraits", path, f"{name}-first")
            files = [self.folder / "clips" / f"{name}{end}" for end in (".mp4", ".safetensors")]
            files += [self.folder / "portraits" / f"{first}{end}" for end in (".png", ".safetensors")]
            self._ready("clips", path, name, first, files, lambda: self._frame_clip(path, name, first))
        return self._made["clips", path]

    def _ready(self, kind: str, path: Path, name: str, first: str, files: list[Path], make: Callable[[], dict]) -> None:
        kept = self.folder / kind / f"{name}.json"
        about: dict = {"of": [], "reason": ""}
        try:
            about["of"] = self._made_of(path)
            before = _read_about(kept, about["of"])
            if before and (before["reason"] or all(file.is_file() for file in files)):
                about = before
            else:
                about |= make()
                self.say(f"{path.name}: ready")
        except OutputError:
            raise
        except FollowEmojiError as error:
            about["reason"] = str(error)
            self.say(f"{path.name}: {error}")
        check_place(kept)
        write_whole(kept, json.dumps(about))
        fps, missing = float(about.get("fps", 25.0)), int(about.get("missing", 0))
        self._made[kind, path] = Ready(name, first, fps, missing, about["reason"])

    def _own_name(self, kind: str, path: Path, wanted: str) -> str:
        """The file's own; two files of one name in two folders get a number. Short: two of them name a case."""
        plain = name = file_name(wanted[:45])
        number = 2
        while self._names.setdefault((kind, name), path) != path:
            name, number = f"{plain}-{number}", number + 1
        return name

    def _made_of(self, path: Path) -> list:
        """What the result depends on."""
        digest = hashlib.blake2b(digest_size=16)
        with loading(path, "File", InputError, "Name another one."), path.open("rb") as file:
            file_size(path, _LARGEST)
            while piece := file.read(1 << 20):
                digest.update(piece)
        content = digest.hexdigest()
        if (other := self._contents.setdefault(content, path)) != path:
            self.notes.append(f"{path.name} and {other.name} are the same file under two names")
        return [content, self.frames, self.side, self.room]

    def _frame_portrait(self, path: Path, name: str) -> dict:
        picture = read_picture(path)
        face = extract_face(picture, self.detector, say=lambda text: None)
        self._check_face(face, path)
        framed, face = crop_portrait(picture, face, (self.side, self.side), room=self.room)
        self._keep_portrait(name, framed, face)
        return {}

    def _keep_portrait(self, name: str, picture: np.ndarray, face: FaceFrame) -> None:
        where = self.folder / "portraits"
        check_place(where / f"{name}.png")
        arrays = {
            part: getattr(face, part)[None] for part in ("landmarks", "metric", "camera_from_face", "blendshapes")
        }
        save_motion(
            where / f"{name}.safetensors", FaceMotion(**arrays, size=face.size, found=np.ones(1, bool), fps=25.0)
        )
        write_picture(where / f"{name}.png", picture)

    def _frame_clip(self, path: Path, name: str, first: str) -> dict:
        # 1. Where the face is; 2. one square for all frames, so that the head moves in it as it was filmed.
        info = clip_info(Clip(path))
        needed = self.frames + 1
        whole = extract_motion(islice(read_frames(Clip(path)), needed), info.fps, self.detector, say=lambda text: None)
        if len(whole) < needed:
            raise InputError(f"{path.name} has {len(whole)} frames; {needed} are needed: a portrait and {self.frames}.")
        if not whole.found[0]:
            raise InputError(f"{path.name} shows no face in its first frame, which is the portrait.")
        self._check_face(whole.frame(0), path)
        left, top, side = steady_square(screen_points(whole), whole.size, self.room)
        motion = _moved(whole, (left, top, side), self.side)

        def cut():
            for frame in islice(read_frames(Clip(path)), needed):
                yield resize(np.ascontiguousarray(frame[top : top + side, left : left + side]), (self.side, self.side))

        frames = cut()
        self._keep_portrait(first, next(frames), motion.frame(0))
        where = self.folder / "clips"
        check_place(where / f"{name}.mp4")
        save_motion(where / f"{name}.safetensors", motion.taken(slice(1, None)))
        write_video(where / f"{name}.mp4", frames, info.fps, preset=QUICK, lossless=True)
        return {"fps": info.fps, "missing": int((~whole.found).sum())}

    def _check_face(self, face: FaceFrame, path: Path) -> None:
        height = float(np.ptp(screen_points(face)[:, 1]))
        if height < SMALLEST_FACE:
            raise InputError(
                f"The face in {path.name} is {height:.0f} pixels high; at least {SMALLEST_FACE} are needed."
            )


def _moved(motion: FaceMotion, square: tuple[int, int, int], side: int) -> FaceMotion:
    """The motion in a square (left, top, side) of its picture, shown at `side` pixels; geometry solved anew."""
    left, top, width = square
    landmarks = motion.landmarks.astype(np.float64)
    pixels = (landmarks[..., :2] * motion.size - (left, top)) / width
    moved = np.concatenate([pixels, landmarks[..., 2:] * motion.size[0] / width], axis=-1).astype(np.float32)
    faces = [ScreenFace(points, shapes, (side, side)) for points, shapes in zip(moved, motion.blendshapes, strict=True)]
    return replace(stack_screen_faces(faces, motion.fps), found=motion.found)


def _read_about(path: Path, made_of: list) -> dict:
    """What is known of something made before; empty where it was made of something else."""
    if not path.exists():
        return {}
    with loading(path, "What was made ready", InputError, "Delete it, and it is made again."):
        found = parse_json(read_bytes(path, _ABOUT))
        if not isinstance(found, dict) or not isinstance(found.get("reason"), str):
            raise Refused("it says nothing of a picture or clip")
        return found if found.get("of") == made_of else {}
