"""Faces out of a picture or a clip: found in several frames at once, followed in order, solved at the end."""

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
from .choice import Choice, by_size, check_choice, pick, told
from .closer import Box, apart, look_closer, square_around, tiles
from .detector import FaceDetector, rgb_uint8
from .geometry import ScreenFace, screen_points
from .motion import FACE_ADVICE, Missing, check_clip, runs_of, stack_screen_faces
from .plausible import plausible
from .tracking import FaceTracker, Track
from .turned import turned_over, upside_down

log = logging.getLogger(__name__)
Found = TypeVar("Found")
Item = TypeVar("Item")

THREADS = min(os.cpu_count() or 1, 4)  # beside the caller's own, which decodes
AHEAD = 3  # pictures read ahead per thread
EVERY = 8  # while nobody is found, one in so many frames is looked at closer
BEHIND = 12  # frames: more than the threads may be ahead, AHEAD * 4
AROUND = 4.0  # sizes of a small face: side of the square that it hardly leaves in so many frames
LARGEST = 256 << 20  # bytes of pictures read ahead; one is read however large it is


def extract_faces(image: np.ndarray, detector: FaceDetector, say: Callable[[str], None] = log.info) -> list[FaceFrame]:
    """All faces of a picture (see FaceDetector.find for what it may be), the largest first (see choice.by_size).

    The picture is looked at as a whole and in overlapping tiles (see `closer`): a face of a hundredth of a large
    picture's width is found. say(text) gets a sentence on what was refused, since it has not the shape of a face, and
    on faces that seem to be upside down.
    Raises NoFaceError where there is no face, or none with the shape of one; InputError for another picture.
    """
    pixels = rgb_uint8(image)
    size = pixels.shape[1::-1]
    found, flaws = _plausible(detector.find(pixels))
    found, more = _closer(detector, pixels, tiles(size, fine=True), found)
    flaws += more
    where = f"{size[0]} x {size[1]} pixels"
    if flaws and not found:
        raise NoFaceError(
            f"What looks like a face in the portrait ({where}) is not shaped like one: {flaws[0]}. {FACE_ADVICE}"
        )
    if not found:
        advice = FACE_ADVICE
        if plausible(detector.find(turned_over(pixels)))[0]:
            advice = "Turned by 180 degrees it shows one: it is upside down. Turn the picture first (Rotate Image)."
        raise NoFaceError(f"No face in the portrait ({where}). {advice}")
    faces = [found[index] for index in by_size(found)]
    if flaws:
        say(f"What else looks like a face is not shaped like one, and left out: {flaws[0]}.")
    over = [str(number) for number, face in enumerate(faces, 1) if upside_down(detector.find, pixels, face)]
    if over:
        _doubt(f"Face {', '.join(over)} seems to be upside down: turn the picture by 180 degrees if it is.", say)
    return [face.solved() for face in faces]


def extract_face(
    image: np.ndarray, detector: FaceDetector, which: Choice = "largest", say: Callable[[str], None] = log.info
) -> FaceFrame:
    """The face of a picture that `which` means, among all of them (see extract_faces, choice.pick, and their errors).

    say(text) gets a sentence on how many faces were seen and which of them this is as well.
    """
    check_choice(which)
    doubts: list[str] = []
    faces = extract_faces(image, detector, doubts.append)
    face = faces[pick(faces, which)]
    for text in (seen_text(len(faces), face, which), *doubts):
        say(text)
    return face


def extract_motion(
    frames: Iterable[np.ndarray],
    fps: float,
    detector: FaceDetector,
    which: Choice = "largest",
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
    Raises NoFaceError and InputError as stack_frames does, InputError where `which` means no face or two.
    """
    check_clip(fps, missing)
    search = _Search(detector, which)
    search.run(frames, on_frame)
    chosen = search.tracker.chosen()
    motion = stack_screen_faces(chosen, fps, missing, search.advice())
    for text in search.story(chosen):
        say(text)
    return motion


def extract_motions(
    frames: Iterable[np.ndarray],
    fps: float,
    detector: FaceDetector,
    which: Choice = "largest",
    missing: Missing = "interpolate",
    on_frame: Callable[[int, bool], None] | None = None,
    say: Callable[[str], None] = log.info,
) -> list[FaceMotion]:
    """Every face of the first frame with one through a clip of T pictures, in one pass over it: motions of T frames,
    the largest in that frame first.

    Each is followed on its own, as extract_motion follows one; what may be two of them is neither. Who comes later is
    not followed. `which` is only checked, as soon as that frame was seen; number_of says which motion it means. Each
    face that shows only in a closer look costs two more looks in every frame.
    Raises NoFaceError and InputError as extract_motion does; with missing "error" it says which face is missing.
    """
    check_clip(fps, missing)
    search = _Search(detector, which, everybody=True)
    search.run(frames, on_frame)
    tracks = search.tracker.tracks()
    if not tracks:
        return [stack_screen_faces(search.tracker.chosen(), fps, missing, search.advice())]  # raises
    motions = []
    for number, track in enumerate(tracks, 1):
        try:
            motions.append(stack_screen_faces(track.faces, fps, missing))
        except NoFaceError as error:
            raise NoFaceError(f"Face {number} of {len(tracks)}: {error}") from error
    for text in search.story_of_all(tracks):
        say(text)
    return motions


def number_of(motions: Sequence[FaceMotion], which: Choice) -> int:
    """Index of the motion that `which` means, of those that extract_motions gave. Raises InputError as choice.pick."""
    first = min(int(motion.found.argmax()) for motion in motions)
    return pick([motion.frame(first) for motion in motions], which, f"frame {first}")


class _Search:
    """Looks through the frames of one clip, and remembers what there was to say."""

    def __init__(self, detector: FaceDetector, which: Choice, everybody: bool = False) -> None:
        self.detector = detector
        self.tracker = FaceTracker(which, everybody)
        self.fine = everybody or not isinstance(which, str)  # so that a number means the same face, whoever is followed
        self.flaws: dict[int, str] = {}  # by frame: why what was seen is no face
        self.first: tuple[int, ScreenFace, int] | None = None  # frame, chosen face, how many there were
        self.upside_down = False  # whether the chosen face seems to be
        # By number, the followed faces that show only in a closer look: as of each frame the box around it, since when.
        self.closer: dict[int, list[tuple[Box, int]]] = {}

    def run(self, frames: Iterable[np.ndarray], on_frame: Callable[[int, bool], None] | None) -> None:
        """Look through all frames; see extract_motion."""
        with closing(self._through(frames)) as found:
            for index, any_face in enumerate(found):
                if on_frame is not None:
                    on_frame(index, any_face)

    def _through(self, frames: Iterable[np.ndarray]) -> Iterator[bool]:
        """Whether a face is seen, for each frame in order."""
        frames = iter(frames)
        begin = 0
        # 1. Alone, until there is somebody: where to look closer must be known before several are looked at at once.
        for begin, image in enumerate(frames, 1):
            yield self._take(self._first_look(image, begin - 1), begin - 1)
            if self.first is not None:
                break
        # 2. The rest.
        looks = ((image, self._around(index, np.shape(image)[1::-1])) for index, image in enumerate(frames, begin))
        with closing(in_order(self._look, looks, lambda look: look[0].nbytes)) as found:
            for index, seen in enumerate(found, begin):
                yield self._take(seen, index)

    def _first_look(self, image: np.ndarray, index: int) -> tuple[list[ScreenFace], list[str]]:
        found, flaws = _plausible(self.detector.find(image))
        if not found and index % EVERY:
            return found, flaws
        faces, more = _closer(self.detector, image, tiles(np.shape(image)[1::-1], self.fine), found)
        if faces:
            chosen = faces[self.tracker.pick(faces)]
            self.first = index, chosen, len(faces)
            self.upside_down = upside_down(self.detector.find, rgb_uint8(image), chosen)
            for number, place in enumerate(self.tracker.followed(faces)):
                if not any(faces[place] is face for face in found):
                    self.closer[number] = []
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
        if self.closer:
            self._move_on(faces, index)
        return bool(faces)

    def _move_on(self, faces: list[ScreenFace], index: int) -> None:
        lost = [
            bool(boxes := self.closer.get(number)) and index - boxes[-1][1] > BEHIND
            for number in range(self.tracker.following)
        ]
        nearest = self.tracker.nearest(faces, anywhere=lost)
        for number, boxes in self.closer.items():
            near = nearest[number]
            boxes.append(boxes[-1] if near is None else (square_around(near, AROUND), index))

    def _around(self, index: int, size: tuple[int, int]) -> list[Box]:
        """Where to look closer: as of a fixed number of frames ago, so that the threads' order decides nothing."""
        if self.first is None:
            return []
        known = max(index - BEHIND, self.first[0])
        places = [boxes[known - self.first[0]] for boxes in self.closer.values()]
        if index % EVERY == 0 and any(known - since >= BEHIND for _, since in places):
            return tiles(size)
        return [box for box, _ in places]

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
        yield f"{seen_text(count, face, self.tracker.which)[:-1]}{at}; most faces at once: {self.tracker.most}."
        missing = [number for number, frame in enumerate(chosen) if frame is None]
        if missing:
            yield f"It is missing in {runs_of(missing)} of {len(chosen)}."  # a warning says so already
        if self.upside_down:
            yield _doubt("It seems to be upside down: turn the clip by 180 degrees if it is.")
        yield from doubts(self.tracker, self.flaws)

    def story_of_all(self, tracks: Sequence[Track]) -> Iterator[str]:
        """The same of all that are followed."""
        if self.first is None:
            return
        index, face, count = self.first
        at = f" in frame {index}" if index else ""
        yield f"{seen_text(count, face, self.tracker.which)[:-1]}{at}; {count} followed."
        if self.tracker.most > count:
            yield _doubt(f"Up to {self.tracker.most} faces are seen at once: who comes later is not followed.")
        for number, track in enumerate(tracks, 1):
            missing = [number for number, frame in enumerate(track.faces) if frame is None]
            if missing:
                yield f"Face {number} is missing in {runs_of(missing)} of {len(track.faces)}."
            if track.unsure:
                yield _doubt(f"Face {number} cannot be told from another one in {runs_of(track.unsure)}.")
        if self.upside_down:
            yield _doubt("The taken one seems to be upside down: turn the clip by 180 degrees if it is.")
        yield from doubts(self.tracker, self.flaws)


def _doubt(text: str, say: Callable[[str], None] | None = None) -> str:
    """The text, which goes to the log as a warning as well."""
    log.warning(text)
    if say is not None:
        say(text)
    return text


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
    yield from map(_doubt, found)


def _plausible(found: Iterable[ScreenFace]) -> tuple[list[ScreenFace], list[str]]:
    """Those that have the shape of a face, each once, and what is wrong with the others."""
    faces, flaws = plausible(found)
    return apart(faces), flaws


def _closer(
    detector: FaceDetector, image: np.ndarray, boxes: Sequence[Box], found: list[ScreenFace]
) -> tuple[list[ScreenFace], list[str]]:
    """The same of those that were found, and of what shows in the boxes."""
    return _plausible(look_closer(detector.find, rgb_uint8(image), boxes, found))


def seen_text(count: int, face: ScreenFace | FaceFrame, which: Choice) -> str:
    """How many faces there were, and which one this is."""
    points = screen_points(face)
    left, top = (int(value) for value in points.mean(axis=0))
    share = np.ptp(points[:, 0]) / face.size[0]
    faces = "1 face seen" if count == 1 else f"{count} faces seen, {told(which)} taken"
    return f"{faces}: {share:.0%} of the width, around {left}, {top}."


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
