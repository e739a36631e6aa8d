"""One face out of a picture or a clip: found in several frames at once, followed in order, solved at the end."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import TypeVar

import numpy as np

from ..errors import NoFaceError
from ..types import FaceFrame, FaceMotion
from .detector import FaceDetector
from .geometry import ScreenFace
from .motion import FACE_ADVICE, Missing, check_clip, stack_screen_faces
from .tracking import FaceTracker, Which

Found = TypeVar("Found")

THREADS = min(os.cpu_count() or 1, 4)  # beside the caller's own, which decodes
AHEAD = 3  # pictures read ahead per thread
LARGEST = 256 << 20  # bytes of pictures read ahead; one is read however large it is


def extract_face(image: np.ndarray, detector: FaceDetector, which: Which = "largest") -> FaceFrame:
    """The face of a picture (see FaceDetector.find for what it may be); `which` of them when there are several.

    Raises NoFaceError where there is none, InputError for another picture or another `which`.
    """
    face = FaceTracker(which).pick(detector.find(image))
    if face is None:
        height, width = np.shape(image)[:2]
        raise NoFaceError(f"No face in the portrait ({width} x {height} pixels). {FACE_ADVICE}")
    return face.solved()


def extract_motion(
    frames: Iterable[np.ndarray],
    fps: float,
    detector: FaceDetector,
    which: Which = "largest",
    missing: Missing = "interpolate",
    on_frame: Callable[[int, bool], None] | None = None,
) -> FaceMotion:
    """One face through a clip of T pictures, read as they are needed; only the few that are looked at are held.

    frames: pictures as FaceDetector.find takes them, all of one size, each an array of its own.
    `which` chooses in the first frame with a face; from there the same face is followed, and frames in which it is not
    seen are missing (see stack_frames), whoever else is there. on_frame(index, found) runs after every frame, in order
    and in the caller's thread, for progress; what it or the reading of a frame raises ends the extraction.
    Raises NoFaceError and InputError as stack_frames does.
    """
    check_clip(fps, missing)
    tracker = FaceTracker(which)
    chosen: list[ScreenFace | None] = []
    with closing(in_order(detector.find, frames)) as found:
        for index, faces in enumerate(found):
            chosen.append(tracker.pick(faces))
            if on_frame is not None:
                on_frame(index, chosen[-1] is not None)
    return stack_screen_faces(chosen, fps, missing)


def in_order(look: Callable[[np.ndarray], Found], images: Iterable[np.ndarray]) -> Iterator[Found]:
    """look(image) of every image, in their order, several computed at once in threads; reading stays in the caller's.

    Reads at most AHEAD images per thread ahead, and LARGEST bytes. Close it when it is left early: that drops what has
    not begun and waits for what has. What `look` or the reading raises comes out here.
    """
    waiting: deque[tuple[Future[Found], int]] = deque()
    held = 0
    pool = ThreadPoolExecutor(THREADS, thread_name_prefix="look")
    try:
        for image in images:
            waiting.append((pool.submit(look, image), image.nbytes))
            held += image.nbytes
            while waiting and (len(waiting) >= AHEAD * THREADS or held >= LARGEST or waiting[0][0].done()):
                first, size = waiting.popleft()
                held -= size
                yield first.result()
        while waiting:
            yield waiting.popleft()[0].result()
    finally:
        pool.shutdown(cancel_futures=True)
