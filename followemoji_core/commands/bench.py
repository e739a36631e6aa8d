"""bench: what the walk costs, counted and timed."""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ..errors import check_range
from ..files import check_place, write_whole
from .shared import LARGEST, Command, Facts, device_and_dtype, say

_ON_GPU, _ON_CPU = (512, 16), (256, 8)  # side in pixels, frames: what is timed where nothing else is asked for


def add_commands(command: Command) -> None:
    """Add bench."""
    bench = command("bench", _bench, "Count and time a guided call and the parts around it, plain and optimised.")
    bench.add_argument("--flops", action="store_true", help="only count, on torch's meta device: seconds, any machine")
    bench.add_argument("--size", type=int, help="side in pixels; 512, but for times on a CPU 256")
    bench.add_argument("--frames", type=int, help="of the window; 16, but for times on a CPU 8")
    bench.add_argument("--repeats", type=int, default=3, help="calls of which the median is taken")
    bench.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps")
    bench.add_argument("--precision", choices=["auto", "fp16", "bf16", "fp32"], default="auto", help="of the networks")
    bench.add_argument("--clip", type=Path, help="video whose landmarks are timed; needs --detector")
    bench.add_argument("--detector", type=Path, help="face_landmarker.task")
    bench.add_argument("--small", action="store_true", help="time only the small model, from aligned motion to mp4")
    bench.add_argument("--out", type=Path, default=Path("out/bench"), help="folder for bench.json and bench.md")


def _bench(options: argparse.Namespace) -> Facts:
    from ..evaluation.bench import count_guided_call, machine, table, time_parts

    if not options.flops:
        check_place(options.out / "bench.json")
    device, dtype = device_and_dtype(options.device, options.precision)
    if options.size is not None:
        check_range("--size", options.size, (64, LARGEST))
    size, frames = options.size or _ON_GPU[0], options.frames or _ON_GPU[1]
    report = {"size": size, "frames": frames, "counts": count_guided_call(size, frames)}
    best = report["counts"]["halves together"]["tflop"]
    if options.flops:
        say(table(report))
        return {"tflop_per_guided_call": round(best, 3), **report}
    report |= {"machine": machine(device), "precision": str(dtype).removeprefix("torch."), "times": {}}
    if not options.small:
        usual = _ON_CPU if device == "cpu" else _ON_GPU
        timed = options.size or usual[0], options.frames or usual[1]
        times = time_parts(*timed, device, dtype, options.repeats)
        report["times"] |= {f"{timed[0]}x{timed[0]}, {timed[1]} frames: {name}": row for name, row in times.items()}
    report["times"] |= _time_small_model(device, dtype, options.repeats)
    report["times"] |= _time_warp() | _time_editor()
    if options.clip and options.detector:
        report["times"] |= _time_landmarks(options.clip, options.detector)
    say(table(report))
    write_whole(options.out / "bench.md", table(report) + "\n")
    write_whole(options.out / "bench.json", json.dumps(report, indent=1))
    files = [options.out / "bench.json", options.out / "bench.md"]
    return {"files": files, "tflop_per_guided_call": round(best, 3), **report}


def _time_small_model(device: str, dtype, repeats: int) -> dict[str, dict[str, float]]:
    """The walk of the model that ships, 64 frames of 128 pixels: sampling, and decoding with writing the video."""
    from statistics import median

    from ..drawn import Acting, Person, paint
    from ..face.align import AlignOptions, align
    from ..media import write_video
    from ..walk.studio import SMALL_SETTINGS, small_studio

    studio, size = small_studio(device, dtype), (128, 128)
    person, driver = Person.of(20_000_007), Person.of(20_000_001)
    rest = person.act(Acting.rest(), size)
    driving = driver.act(Acting.random(7, 64, from_rest=True), size)
    portrait, aligned = paint(person, rest)[0], align(rest.frame(0), driving, AlignOptions())
    seconds = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(repeats + 1):
            started = time.perf_counter()
            store = studio.animate(portrait, aligned, replace(SMALL_SETTINGS))
            between = time.perf_counter()
            write_video(Path(folder) / "small.mp4", studio.frames(store), aligned.fps)
            seconds.append((between - started, time.perf_counter() - between))
    sampling, writing = (median(column[1:]) for column in zip(*seconds, strict=True))
    return {
        "small model, 64 frames: portrait and sampling": {"seconds": sampling},
        "small model, 64 frames: decoding and writing": {"seconds": writing},
    }


def _time_warp(size: int = 512, frames: int = 32) -> dict[str, dict[str, float]]:
    """The preview without networks, of one core's time: medians over a drawn person's frames, and of five
    preparations."""
    from statistics import median

    from ..drawn import Acting, Person, paint
    from ..face.geometry import screen_points
    from ..face.opencv import opencv
    from ..face.warp import WarpPortrait, mesh_depth

    cv2 = opencv()
    person = Person.of(20_000_007)
    motion = person.act(Acting.random(7, frames, from_rest=True), (size, size))
    points, depth = screen_points(motion), mesh_depth(motion)
    picture = paint(person, person.act(Acting.rest(), (size, size)))[0]
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    seconds: dict[str, list[float]] = {
        "preparation of a portrait": [],
        "mesh of a frame": [],
        "a frame, mesh and all": [],
    }

    def timed(what: str, work: Callable[[], object]) -> object:
        started = time.process_time()
        made = work()
        seconds[what].append(time.process_time() - started)
        return made

    try:
        for _ in range(5):
            portrait = timed("preparation of a portrait", lambda: WarpPortrait(picture, points[0]).prepared())
        for target, deep in zip(points, depth, strict=True):
            timed("mesh of a frame", lambda target=target: portrait.sheet.moved(target))
            timed("a frame, mesh and all", lambda target=target, deep=deep: portrait.render(target, deep))
    finally:
        cv2.setNumThreads(threads)
    return {f"warp, {size}x{size}, one core: {what}": {"seconds": median(times)} for what, times in seconds.items()}


def _time_editor(size: int = 512, frames: int = 24) -> dict[str, dict[str, float]]:
    """The editor's answers on a driving motion, edit to JPEG, of one core's time; medians. Issue 12 asks for 60 ms."""
    from statistics import median

    from ..drawn import Acting, Person, paint
    from ..face.edit_file import Edit, Keyframe
    from ..face.live import LiveFace, answer
    from ..face.opencv import opencv

    cv2 = opencv()
    person = Person.of(20_000_007)
    face = person.act(Acting.rest(), (size, size))
    driving = Person.of(20_000_001).act(Acting.random(7, frames, from_rest=True), (size, size))
    edit = Edit((Keyframe(0.0, {"jawOpen": 0.1}), Keyframe(frames - 1.0, {"jawOpen": 0.6, "mouthSmileLeft": 0.8})))
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    seconds: dict[str, list[float]] = {"an answer": [], "an answer to a drag": []}
    try:
        live = LiveFace(paint(person, face)[0], face.frame(0), driving)
        corner = answer(live, edit, 0)["handles"]["cornerLeft"]
        target = corner[0] + 5, corner[1] - 9
        for frame in range(frames):
            for what, drag in zip(seconds, (None, ("cornerLeft", target, False)), strict=True):
                started = time.process_time()
                answer(live, edit, frame, drag)
                seconds[what].append(time.process_time() - started)
    finally:
        cv2.setNumThreads(threads)
    return {f"editor, {size}x{size}, one core: {what}": {"seconds": median(times)} for what, times in seconds.items()}


def _time_landmarks(clip: Path, detector: Path) -> dict[str, dict[str, float]]:
    from ..face.detector import FaceDetector
    from ..face.extraction import extract_motion
    from ..media import Clip, clip_info, read_frames

    with FaceDetector(detector) as finder:
        for _ in range(2):  # the first opens the detectors of further threads
            started = time.perf_counter()
            motion = extract_motion(read_frames(Clip(clip)), clip_info(Clip(clip)).fps, finder)
            seconds = time.perf_counter() - started
    return {f"landmarks of {clip.name}, {len(motion) / seconds:.0f} frames a second": {"seconds": seconds}}
