"""One face out of a picture or a clip: found in several frames at once, followed in order, solved at the end."""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import TypeVar

import numpy as np

from ..errors import NoFaceError
from ..types import FaceFrame, FaceMotion
from .closer import Box, apart, look_closer, square_around, tiles
from .detector import FaceDetector, rgb_uint8
from .geometry import ScreenFace, screen_points
from .motion import FACE_ADVICE, Missing, check_clip, runs_of, stack_screen_faces
from .plausible import plausible
from .tracking import FaceTracker, Which

log = logging.getLogger(__name__)
Found = TypeVar("Found")
Item = TypeVar("Item")

THREADS = min(os.cpu_count() or 1, 4)  # beside the caller's own, which decodes
AHEAD = 3  # pictures read ahead per thread
EVERY = 8  # while nobody is found, one in so many frames is looked at closer
BEHIND = 12  # frames: more than the threads may be ahead, AHEAD * 4
AROUND = 4.0  # sizes of a small face: side of the square that it hardly leaves in so many frames
LARGEST = 256 << 20  # bytes of pictures read ahead; one is read however large it is


def extract_face(
    image: np.ndarray, detector: FaceDetector, which: Which = "largest", say: Callable[[str], None] = log.info
) -> FaceFrame:
    """The face of a picture (see FaceDetector.find for what it may be); `which` of them when there are several.

    Where fewer faces are found than the detector looks for, overlapping tiles are looked at too (see `closer`).
    say(text) gets a sentence on how many faces were seen and which of them this is.
    Raises NoFaceError where there is none, or none with the shape of a face; InputError for another picture or another
    `which`.
    """
    tracker = FaceTracker(which)
    size = np.shape(image)[1::-1]
    faces, flaws = _plausible(detector.find(image))
    if len(faces) < detector.max_faces:
        faces, more = _closer(detector, image, tiles(size), faces)
        flaws += more
    where = f"{size[0]} x {size[1]} pixels"
    if flaws and not faces:
        raise NoFaceError(
            f"What looks like a face in the portrait ({where}) is not shaped like one: {flaws[0]}. {FACE_ADVICE}"
        )
    if not faces:
        raise NoFaceError(f"No face in the portrait ({where}). {FACE_ADVICE}")
    face = faces[tracker.pick(faces)]
    say(_seen(len(faces), face, which))
    return face.solved()


def extract_motion(
    frames: Iterable[np.ndarray],
    fps: float,
    detector: FaceDetector,
    which: Which = "largest",
    missing: Missing = "interpolate",
    on_frame: Callable[[int, bool], None] | None = None,
    say: Callable[[str], None] = log.info,
) -> FaceMotion:
    """One face through a clip of T pictures, read as they are needed; only the few that are looked at are held.

    frames: pictures as FaceDetector.find takes them, all of one size, each an array of its own.
    `which` chooses in the first frame with a face; from there the same face is followed (see FaceTracker), and frames
    in which it is not seen, or not surely, are missing (see stack_frames), whoever else is there.
    Small faces: the first frame with a face is looked at in tiles as well, and every 8th before it (5 to 40 looks each,
    see `closer`); if the chosen face shows only there, every frame gets a second look around it, and takes twice as
    long; where it is lost there for BEHIND frames, every 8th is looked at in tiles again.
    on_frame(index, seen) runs after every frame, in order and in the caller's thread, for progress, seen: whether any
    face is there; what it or the reading of a frame raises ends the extraction. say(text) gets sentences on how many
    faces were seen, which one was followed, and what was unsure.
    Raises NoFaceError and InputError as stack_frames does.
    """
    check_clip(fps, missing)
    search = _Search(detector, which)
    with closing(search.through(frames)) as found:
        for index, seen in enumerate(found):
            if on_frame is not None:
                on_frame(index, seen)
    chosen = search.tracker.chosen()
    motion = stack_screen_faces(chosen, fps, missing, search.advice())
    for text in search.story(chosen):
        say(text)
    return motion


class _Search:
    """Looks through the frames of one clip, and remembers what there was to say."""

    def __init__(self, detector: FaceDetector, which: Which) -> None:
        self.detector = detector
        self.tracker = FaceTracker(which)
        self.flaws: dict[int, str] = {}  # by frame: why what was seen is no face
        self.first: tuple[int, ScreenFace, int] | None = None  # frame, chosen face, how many there were
        self.close = False  # whether the chosen face shows only in a closer look
        self.places: list[tuple[Box, int] | None] = []  # as of each frame: around the followed face, and since when

    def through(self, frames: Iterable[np.ndarray]) -> Iterator[bool]:
        """Whether a face is seen, for each frame in order."""
        frames = iter(frames)
        # 1. Alone, until there is somebody: where to look closer must be known before several are looked at at once.
        for index, image in enumerate(frames):
            yield self._take(self._first_look(image, index), index)
            if self.first is not None:
                break
        # 2. The rest.
        begin = len(self.places)
        looks = ((image, self._around(index, np.shape(image)[1::-1])) for index, image in enumerate(frames, begin))
        with closing(in_order(self._look, looks, lambda look: look[0].nbytes)) as found:
            for index, seen in enumerate(found, begin):
                yield self._take(seen, index)

    def _first_look(self, image: np.ndarray, index: int) -> tuple[list[ScreenFace], list[str]]:
        found, flaws = _plausible(self.detector.find(image))
        if not found and index % EVERY:
            return found, flaws
        faces, more = _closer(self.detector, image, tiles(np.shape(image)[1::-1]), found)
        if faces:
            chosen = faces[self.tracker.pick(faces)]
            self.first = index, chosen, len(faces)
            self.close = not any(chosen is face for face in found)
        return faces, flaws + more

    def _look(self, look: tuple[np.ndarray, list[Box]]) -> tuple[list[ScreenFace], list[str]]:
        image, boxes = look
        found, flaws = _plausible(self.detector.find(image))
        if not boxes:
            return found, flaws
        found, more = _closer(self.detector, image, boxes, found)
        return found, flaws + more

    def _take(self, seen: tuple[list[ScreenFace], list[str]], index: int) -> bool:
        faces, flaws = seen
        if flaws:
            self.flaws[index] = flaws[0]
        self.tracker.see(faces)
        before = self.places[-1] if self.places else None
        near = None
        if self.close:
            near = self.tracker.nearest(faces, anywhere=before is not None and index - before[1] > BEHIND)
        self.places.append(before if near is None else (square_around(near, AROUND), index))
        return bool(faces)

    def _around(self, index: int, size: tuple[int, int]) -> list[Box]:
        """Where to look closer: as of a fixed number of frames ago, so that the threads' order decides nothing."""
        if not self.close or self.first is None:
            return []
        known = max(index - BEHIND, self.first[0])
        box, since = self.places[known]
        lost = known - since >= BEHIND
        return tiles(size) if lost and index % EVERY == 0 else [box]

    def advice(self) -> str:
        """What to add to the error of a clip without a face."""
        if not self.flaws:
            return FACE_ADVICE
        return f"What looks like one is not shaped like a face: {next(iter(self.flaws.values()))}. {FACE_ADVICE}"

    def story(self, chosen: Sequence[ScreenFace | None]) -> Iterator[str]:
        """What the artist should know, a sentence each; doubts go to the log as warnings as well."""
        if self.first is None:
            return
        index, face, count = self.first
        at = f" in frame {index}" if index else ""
        yield f"{_seen(count, face, self.tracker.which)[:-1]}{at}; most faces at once: {self.tracker.most}."
        missing = [number for number, frame in enumerate(chosen) if frame is None]
        if missing:
            yield f"It is missing in {runs_of(missing)} of {len(chosen)}."  # a warning says so already
        yield from doubts(self.tracker, self.flaws)


def doubts(tracker: FaceTracker, flaws: Mapping[int, str]) -> Iterator[str]:
    """What is unsure of a clip that was followed to its end, a sentence each, which goes to the log as a warning as
    well. flaws: by frame, why what was seen is no face."""
    found = []
    if tracker.unsure:
        found.append(f"In {runs_of(tracker.unsure)} it cannot be told from another one.")
    if tracker.cuts:
        found.append(f"The face is suddenly elsewhere in {runs_of(tracker.cuts)}: a cut? It is followed.")
    if flaws:
        found.append(f"What looks like a face is not shaped like one in {runs_of(sorted(flaws))}: left out.")
    for doubt in found:
        log.warning(doubt)
        yield doubt


def _plausible(found: Iterable[ScreenFace]) -> tuple[list[ScreenFace], list[str]]:
    """Those that have the shape of a face, each once, and what is wrong with the others."""
    faces, flaws = plausible(found)
    return apart(faces), flaws


def _closer(
    detector: FaceDetector, image: np.ndarray, boxes: Sequence[Box], found: list[ScreenFace]
) -> tuple[list[ScreenFace], list[str]]:
    """The same of those that were found, and of what shows in the boxes."""
    return _plausible(look_closer(detector.find, rgb_uint8(image), boxes, found))


def _seen(count: int, face: ScreenFace, which: Which) -> str:
    """How many faces there were, and which one this is."""
    points = screen_points(face)
    left, top = (int(value) for value in points.mean(axis=0))
    share = np.ptp(points[:, 0]) / face.size[0]
    seen = "1 face seen" if count == 1 else f"{count} faces seen, the {which} taken"
    return f"{seen}: {share:.0%} of the width, around {left}, {top}."


def in_order(
    look: Callable[[Item], Found], images: Iterable[Item], size_of: Callable[[Item], int] = lambda item: item.nbytes
) -> Iterator[Found]:
    """look(image) of every image, in their order, several computed at once in threads; reading stays in the caller's.

    Reads at most AHEAD images per thread ahead, and LARGEST bytes (size_of(image) is one's). Close it when it is left
    early: that drops what has not begun and waits for what has. What `look` or the reading raises comes out here.
    """
    waiting: deque[tuple[Future[Found], int]] = deque()
    held = 0
    pool = ThreadPoolExecutor(THREADS, thread_name_prefix="look")
    try:
        for image in images:
            size = size_of(image)
            waiting.append((pool.submit(look, image), size))
            held += size
            while waiting and (len(waiting) >= AHEAD * THREADS or held >= LARGEST or waiting[0][0].done()):
                first, size = waiting.popleft()
                held -= size
                yield first.result()
        while waiting:
            yield waiting.popleft()[0].result()
    finally:
        pool.shutdown(cancel_futures=True)
