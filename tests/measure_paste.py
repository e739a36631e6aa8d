"""How well faces are pasted back: python tests/measure_paste.py [--media FOLDER] [--stream SECONDS [--size 4000x2666]]

Untouched portraits put back on themselves (the photographs of the golden data, FOLLOWEMOJI_REFERENCE), and drawn people
with their true frames put into the still picture. Columns: pixels outside of the mask that changed; seam, the gradient
across the mask's border over the original's; flicker on that border of a still motion with a codec's noise, in levels
of 255; what is left of 12 levels that were added to the frames, with colours matched and without; milliseconds a frame.

--stream: instead, three drawn faces put back into one large picture and written as Paste Back writes them, for so many
seconds; columns: frames so far, MiB of the process, seconds of the processor.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from followemoji_core.drawn import Acting, Person, paint  # noqa: E402
from followemoji_core.drawn.scenes import Scene  # noqa: E402
from followemoji_core.face.align import align  # noqa: E402
from followemoji_core.face.crop import cut_out, frame_portrait  # noqa: E402
from followemoji_core.face.paste import Paster  # noqa: E402
from followemoji_core.face.patch import PasteOptions, Patch  # noqa: E402
from followemoji_core.face.warp import warp_motion  # noqa: E402
from followemoji_core.media import QUICK, even_sides, write_video  # noqa: E402

PEOPLE = (3, 11, 20_000_007, 20_000_012)
HEAD = ("case", "outside", "seam", "flicker", "+12 matched", "+12 as is", "ms a frame")


def seam(result: np.ndarray, original: np.ndarray, mask: np.ndarray) -> float:
    """Mean gradient across the border of the mask (H,W), where it is between 0 and 1, over the original's; pictures
    (H,W,3) uint8."""
    sobel = [cv2.Sobel(mask, cv2.CV_32F, *axis) for axis in ((1, 0), (0, 1))]
    steep = np.hypot(*sobel)
    border = (mask > 0) & (mask < 1) & (steep > 1e-4)

    def across(picture: np.ndarray) -> float:
        grey = picture.astype(np.float32).mean(axis=-1)
        along = [cv2.Sobel(grey, cv2.CV_32F, *axis) for axis in ((1, 0), (0, 1))]
        return float((np.abs(along[0] * sobel[0] + along[1] * sobel[1])[border] / steep[border]).mean())

    return across(result) / across(original)


def ring_flicker(results: Sequence[np.ndarray], mask: np.ndarray) -> float:
    """Levels by which the colour of the mask's border changes from frame to frame, averaged over blocks of 8 pixels."""
    border = ((mask > 0) & (mask < 1)).astype(np.float32)

    def blocks(picture: np.ndarray) -> np.ndarray:
        size = (mask.shape[1] // 8, mask.shape[0] // 8)
        share = cv2.resize(border, size, interpolation=cv2.INTER_AREA)
        colours = cv2.resize(picture.astype(np.float32) * border[..., None], size, interpolation=cv2.INTER_AREA)
        return colours[share > 0.5] / share[share > 0.5][:, None]

    shown = np.stack([blocks(result) for result in results])
    return float(np.abs(np.diff(shown, axis=0)).mean())


def measured(picture: np.ndarray, patch: Patch, frames: list[np.ndarray], truths: list[np.ndarray], options) -> list:
    """The numbers of a row."""
    size, fps = picture.shape[1::-1], 25.0
    put = Paster([patch], size, options, fps)
    mask = put.mask()
    began = time.process_time()
    results = list(put.paste(picture, [frames]))
    took = (time.process_time() - began) / len(frames) * 1000
    outside = sum(int((result != picture)[mask == 0].any(axis=-1).sum()) for result in results)
    seams = [seam(result, truth, mask) for result, truth in zip(results, truths, strict=True)]
    noise = np.random.default_rng(0)
    still = [np.clip(np.rint(frames[0] + noise.normal(0, 1, frames[0].shape)), 0, 255).astype(np.uint8)] * 1
    still += [
        np.clip(np.rint(frames[0] + noise.normal(0, 1, frames[0].shape)), 0, 255).astype(np.uint8) for _ in "1234"
    ]
    flicker = ring_flicker(list(Paster([patch], size, options, fps).paste(picture, [still])), mask)
    shifts = []
    for match in (True, False):
        chosen = PasteOptions(options.cover, options.feather, options.margin, match)
        pair = [frames[0], np.clip(frames[0].astype(int) + 12, 0, 255).astype(np.uint8)]
        plain, shifted = (next(Paster([patch], size, chosen, fps).paste(picture, [[each]])) for each in pair)
        shifts.append(float(np.abs((shifted.astype(int) - plain)[mask > 0.99].mean(axis=0)).max()))
    return [outside, max(seams), flicker, *shifts, took]


def portraits(folder: Path):
    from followemoji_core.face.detector import FaceDetector
    from followemoji_core.pictures import read_picture

    with FaceDetector(next(folder.glob("*.task"))) as detector:
        for file in sorted(folder.glob("portrait_*.jpg")):
            picture = read_picture(file)
            for face in detector.detect(picture)[:1]:
                yield file.stem.removeprefix("portrait_"), picture, face


def stream(seconds: float, size: tuple[int, int]) -> None:
    """A picture of `size` (width, height) with three faces, as long as there is time."""
    scene = Scene.of(2, 3, size)
    rest = scene.act([Acting.rest()] * 3)
    picture, patches, streams = scene.paint(rest)[0], [], []
    for number, motion in enumerate(rest):
        own = frame_portrait(picture, motion.frame(0), (512, 512))
        driver = Person.of(3 + number).act(Acting.random(3 + number, 48, from_rest=True), (256, 256))
        aligned = align(own.face, driver)
        patches.append(Patch(own.crop, aligned))
        streams.append(cycle(list(warp_motion(own.picture, own.face, aligned))))
    pasted = Paster(patches, size, PasteOptions(), 25.0).paste(picture, streams)
    end, process = time.monotonic() + seconds, psutil.Process()

    def frames() -> Iterator[np.ndarray]:
        for count, frame in enumerate(pasted):
            if count % 25 == 0:
                print(count, process.memory_info().rss >> 20, f"{time.process_time():.0f}", sep="\t", flush=True)
            if time.monotonic() > end:
                return
            yield even_sides(frame)

    with TemporaryDirectory() as folder:
        write_video(Path(folder) / "pasted.mp4", frames(), 25.0, None, QUICK)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--media", type=Path, help="folder of photographs, portrait_*.jpg, and the face detector")
    parser.add_argument("--stream", type=float, metavar="SECONDS", help="measure memory instead, for so long")
    parser.add_argument("--size", default="4000x2666", help="of the picture of --stream")
    options = parser.parse_args()
    if options.stream:
        width, height = map(int, options.size.split("x"))
        return stream(options.stream, (width, height))
    folder = options.media
    if folder is None:
        from tests.parity.conftest import reference_dir

        folder = reference_dir() / "media"
    print(*HEAD, sep="\t")
    rows = []
    for name, picture, face in portraits(folder):
        for upright in (False, True):
            own = frame_portrait(picture, face, (512, 512), upright=upright)
            for cover in ("face", "crop"):
                case = f"{name}, {cover}{', upright' if upright else ''}"
                rows.append((case, picture, Patch(own.crop), [own.picture], [picture], PasteOptions(cover)))
    for number in PEOPLE:
        person = Person.of(number)
        motion = person.act(Acting.random(number, 12, from_rest=True), (768, 576))
        pictures = paint(person, motion)
        own = frame_portrait(pictures[0], motion.frame(0), (512, 512))
        frames = [cut_out(picture, own.crop) for picture in pictures]
        patch = Patch(own.crop, align(own.face, motion))
        rows.append((f"drawn {number}, true frames", pictures[0], patch, frames, list(pictures), PasteOptions()))
    for case, *given in rows:
        numbers = measured(*given)
        shown = ("-" if np.isnan(number) else f"{number:.2f}" for number in numbers[1:])
        print(case, numbers[0], *shown, sep="\t", flush=True)


if __name__ == "__main__":
    main()
