"""A folder of videos to training clips: one face, no cut, cropped square around it, with its landmarks (paper 5.1).

Per video, in two passes so that no clip sits in memory:
1. faces and cuts of every frame -> stretches, and a count of what was left out and why;
2. the frames of the stretches, cropped and compressed, in shards of one safetensors file per stretch.
A video whose report is there is done: an interrupted run goes on where it stopped.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ..errors import FollowEmojiError, InputError, OutputError
from ..face.crop import resize, steady_square
from ..face.detector import FaceDetector
from ..face.geometry import ScreenFace, screen_points
from ..face.opencv import opencv
from ..files import check_place, write_whole
from ..gate import Refused, loading, parse_json, read_bytes
from ..jobs import Local, Where, run_jobs
from ..media import Clip, clip_info, read_frames
from .shards import check_size, save_clip

VIDEOS = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v")
FAILED = "videos that failed"
_THUMB = (32, 32)
_LARGEST = 1 << 20  # bytes of a report


@dataclass(frozen=True)
class PrepareSettings:
    """size: side of the clips in pixels. room: side of the crop in face heights. shortest, longest: frames per clip.

    smallest_face: height in pixels of the video. cut: mean change of a thumbnail, in grey levels, that is a scene cut.
    """

    size: int = 512
    room: float = 2.2
    shortest: int = 16
    longest: int = 256
    smallest_face: int = 96
    cut: float = 28.0
    quality: int = 95

    def __post_init__(self) -> None:
        check_size(self.size)


@dataclass(frozen=True)
class Stretch:
    """Frames [first, last) of a video with one face; points (last - first, 478, 2) pixels of the video."""

    first: int
    last: int
    points: np.ndarray


def prepare(
    videos: Path,
    out: Path,
    task: Path,
    settings: PrepareSettings | None = None,
    where: Where = Local(),  # noqa: B008, frozen
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, int]:
    """Prepare every video under a folder; returns the counts of all reports, also written to OUT/report.json.

    task: face_landmarker.task. where: workers of a cluster see the same folders. What came of each video is in
    OUT/jobs.jsonl too; FAILED of the counts are those of which nothing came, such as one that ends its worker.
    Raises InputError where there is no video or one was prepared with other settings, OutputError where the disk is
    full.
    """
    settings = settings or PrepareSettings()
    found = sorted(path for path in videos.rglob("*") if path.suffix.lower() in VIDEOS)
    if not found:
        raise InputError(f"There is no video under {videos}. Known kinds: {', '.join(VIDEOS)}.")
    FaceDetector(task).close()  # without one, every video would be called unreadable
    names = [path.relative_to(videos).as_posix() for path in found]
    for folder in {(out / name).parent for name in names}:
        check_place(folder / "0.safetensors")
    jobs = [name for name in names if not _is_done(out / name, settings)]
    say(f"{len(found)} videos, {len(found) - len(jobs)} of them done before")
    outcome = run_jobs(
        PrepareVideos(videos.resolve(), out.resolve(), task.resolve(), settings),
        {name: asdict(settings) for name in jobs},
        out / "jobs.jsonl",
        where,
        say,
        stands=lambda name, facts: False,  # else it was not among them
        stop_at=(OutputError,),
    )
    total: Counter[str] = Counter()
    for name in names:
        if name not in outcome.failed:
            total.update(_read_report(out / name)["counts"])
    if outcome.failed:
        total[FAILED] = len(outcome.failed)
    _write(out / "report.json", {"videos": len(found), **total})
    return {"videos": len(found), **total}


@dataclass(frozen=True)
class PrepareVideos:
    """The work of `run_jobs`: a job is a video, by its path below `videos`. task: face_landmarker.task."""

    videos: Path
    out: Path
    task: Path
    settings: PrepareSettings

    def open(self) -> Callable[[str, dict], dict]:
        return self._prepare

    def clean(self, name: str, arguments: dict) -> None:
        """Half a clip of a video that was broken off; its whole ones are written again."""
        for partial in (self.out / name).parent.glob(".*.partial"):
            partial.unlink(missing_ok=True)

    def _prepare(self, name: str, arguments: dict) -> dict:
        counts = prepare_video(self.videos / name, self.out / name, self.task, self.settings)
        return {"counts": dict(counts)}


def prepare_video(path: Path, target: Path, task: Path, settings: PrepareSettings) -> Counter[str]:
    """One video to TARGET-NNN.safetensors and TARGET.json, whose counts are returned. A video that cannot be read is a
    line in its report.

    Raises OutputError where the disk is full.
    """
    counts: Counter[str] = Counter()
    reason = None
    try:
        fps = clip_info(Clip(path)).fps
        stretches = find_stretches(path, task, settings, counts)
        for number, (stretch, images, points) in enumerate(_crops(path, stretches, settings)):
            about = dict(video=path.name, fps=repr(fps), first=str(stretch.first), last=str(stretch.last))
            about["size"] = str(settings.size)
            save_clip(Path(f"{target}-{number:03d}.safetensors"), images, points, about)
            counts["clips"] += 1
            counts["frames kept"] += len(images)
    except OutputError:
        raise
    except FollowEmojiError as error:
        counts["unreadable videos"] += 1
        reason = str(error)
    _write(_report(target), {"video": path.name, "counts": counts, "error": reason, "settings": asdict(settings)})
    return counts


def find_stretches(path: Path, task: Path, settings: PrepareSettings, counts: Counter[str]) -> list[Stretch]:
    """Runs of frames with one large enough face and no cut between; `counts` learns what was left out."""
    found: list[Stretch] = []
    points: list[np.ndarray] = []
    before: np.ndarray | None = None

    def close(index: int) -> None:
        if len(points) >= settings.shortest:
            found.append(Stretch(index - len(points), index, np.stack(points)))
        else:
            counts["frames in too short stretches"] += len(points)
        points.clear()

    index = -1
    with FaceDetector(task, max_faces=2) as detector:
        for index, frame in enumerate(read_frames(Clip(path))):
            counts["frames"] += 1
            thumb = resize(frame, _THUMB).astype(np.float32)
            if before is not None and np.abs(thumb - before).mean() > settings.cut:
                counts["cuts"] += 1
                close(index)
            before = thumb
            fault = _fault(faces := detector.find(frame), settings)
            if fault:
                counts[fault] += 1
                close(index)
            else:
                points.append(screen_points(faces[0]).astype(np.float32))
                if len(points) == settings.longest:
                    close(index + 1)
    close(index + 1)
    return found


def _fault(faces: Sequence[ScreenFace], settings: PrepareSettings) -> str | None:
    if len(faces) != 1:
        return "frames with several faces" if faces else "frames without a face"
    height = np.ptp(screen_points(faces[0])[:, 1])
    return "frames with a small face" if height < settings.smallest_face else None


def _crops(path: Path, stretches: list[Stretch], settings: PrepareSettings) -> Iterator[tuple]:
    """(stretch, JPEG bytes of its frames, points in the crop) for every stretch, in one pass over the video."""
    if not stretches:
        return
    cv2 = opencv()
    queue = iter(stretches)
    stretch, images = next(queue), []
    for index, frame in enumerate(read_frames(Clip(path))):
        if index < stretch.first:
            continue
        left, top, side = steady_square(stretch.points, frame.shape[1::-1], settings.room)
        picture = resize(frame[top : top + side, left : left + side], (settings.size, settings.size))
        images.append(cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, settings.quality])[1])
        if index + 1 == stretch.last:
            yield stretch, images, (stretch.points - (left, top)) * (settings.size / side)
            stretch, images = next(queue, None), []
            if stretch is None:
                return


def _is_done(target: Path, settings: PrepareSettings) -> bool:
    if not _report(target).exists():
        return False
    before, now = _read_report(target)["settings"], asdict(settings)
    if changed := [key for key in now if now[key] != before.get(key)]:
        listed = ", ".join(f"{key} was {before.get(key)}, is {now[key]}" for key in changed)
        raise InputError(f"{target} was prepared with other settings: {listed}. Choose another folder for the clips.")
    return True


def _report(target: Path) -> Path:
    return Path(f"{target}.json")


def _read_report(target: Path) -> dict:
    path = _report(target)
    with loading(path, "Report", InputError, "Delete it, and its video is prepared again."):
        found = parse_json(read_bytes(path, _LARGEST))
        if not all(isinstance(found.get(key), dict) for key in ("counts", "settings")):
            raise Refused("it is no report of a video")
        return found


def _write(path: Path, content: dict) -> None:
    write_whole(path, json.dumps(content, indent=1))
