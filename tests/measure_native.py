"""The native MODEL measured in ComfyUI's own process: python tests/measure_native.py cache|refine|pictures

Held-out drawn people at 128 x 128 and the small model, each in the motion of another. Each row is a mean over them.

cache: core's EasyCache and LazyCache at 30 steps of the published schedule with euler, guidance as asked: how many of
the passes they save, and PSNR against the same run without them, inside and outside of the face's oval.

refine: a warp of the portrait, encoded, then KSampler (euler, sgm_uniform) with denoise below 1: error in the boxes
around eyes and mouth against truth (mean absolute, 8-bit levels) and over the whole picture, PSNR, sharpness (mean
slope, of the truth's) and how far both slopes correlate; at equal passes for every denoise. Noise is shared by all
frames, guidance is 1: as the small model is used. `warp` is what goes in, `encoded` what the autoencoder leaves of it.
KSampler makes whole steps of denoise: at few passes several values are the same.

pictures: the thumbnails of the templates ksampler, context_windows and refine_warp, with their numbers.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
SCALE = 0.18215
THRESHOLDS = (0.05, 0.1, 0.2, 0.4)  # core's default is 0.2
DENOISE = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


def in_comfy(tree: Path) -> ModuleType:
    """Makes this process ComfyUI's, without its server, on the CPU; the pack, loaded as ComfyUI loads it."""
    sys.argv = ["main.py", "--cpu"]
    os.chdir(tree)
    sys.path.insert(0, str(tree))
    import comfy.options

    comfy.options.enable_args_parsing()
    spec = importlib.util.spec_from_file_location("pack", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)])
    pack = sys.modules["pack"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pack)
    return pack


class Bench:
    """The small model, its VAE, and cases of drawn people."""

    def __init__(self, people: int, frames: int):
        import comfy.sd
        import comfy.utils
        from pack.followemoji_core.evaluation.reenactment import cases
        from pack.followemoji_core.model.weights.files import find_files
        from pack.followemoji_core.small import SMALL_MODEL, SMALL_VAE
        from pack.nodes.host.loading import load_model

        self.model = load_model(find_files(SMALL_MODEL), "fp32")
        self.vae = comfy.sd.VAE(sd=comfy.utils.load_torch_file(str(SMALL_VAE)))
        self.cases = list(cases(people, frames))

    def apply(self, case) -> tuple:
        """Native model, positive, negative, latent of a case."""
        from pack.nodes.appearance import EncodeAppearance
        from pack.nodes.host.encoders import OwnImageEncoder
        from pack.nodes.native import ApplyNative

        portrait = self.images(case.portrait[None])
        appearance = EncodeAppearance.execute(self.vae, OwnImageEncoder(self.model), portrait, self.model).args[0]
        return ApplyNative.execute(self.model, appearance, case.aligned).args

    @staticmethod
    def images(pictures: np.ndarray):
        import torch

        return torch.from_numpy(np.ascontiguousarray(pictures)).float() / 255

    def pictures(self, latents) -> np.ndarray:
        return self.vae.decode(latents).clamp(0, 1).mul(255).round().byte().cpu().numpy()


def cache(bench: Bench, steps: int, guidance: float) -> None:
    import comfy.sample
    from comfy_extras.nodes_easycache import EasyCacheNode, LazyCacheNode
    from pack.followemoji_core.evaluation.reenactment import psnr
    from pack.nodes.native import PublishedSigmas

    kinds = {"EasyCache": EasyCacheNode, "LazyCache": LazyCacheNode}
    rows: dict[tuple, list] = {}
    for case in bench.cases:
        native, positive, negative, latent = bench.apply(case)
        sigmas = PublishedSigmas.execute(native, steps, 1.0).args[0]
        empty = latent["samples"]
        noise = comfy.sample.prepare_noise(empty, 0, [0] * len(empty))
        face = oval(case)

        def sampled(model, given=(noise, guidance, sigmas, positive, negative, empty)) -> tuple[np.ndarray, int]:
            return counted(bench, model, *given)

        plain, all_passes = sampled(native)
        for name, node in kinds.items():
            for threshold in THRESHOLDS:
                cached = node.execute(native, threshold, 0.15, 0.95, False).args[0]
                made, passes = sampled(cached)
                inside, outside = (psnr(made[where][None], plain[where][None]) for where in (face, ~face))
                rows.setdefault((name, threshold), []).append((1 - passes / all_passes, inside, outside))
    print(f"\n{steps} steps, guidance {guidance:g}, {len(bench.cases)} people x {len(bench.cases[0].truth)} frames")
    print("| cache | threshold | passes saved | face dB | around dB |\n| --- | --- | --- | --- | --- |")
    for (name, threshold), values in rows.items():
        saved, inside, outside = np.mean(values, 0)
        print(f"| {name} | {threshold:g} | {saved:.0%} | {inside:.1f} | {outside:.1f} |")


def counted(bench: Bench, model, noise, guidance: float, sigmas, positive, negative, empty) -> tuple[np.ndarray, int]:
    """Pictures sampled with euler, and how many halves of guidance were computed for them."""
    import comfy.patcher_extension
    import comfy.sample
    import comfy.samplers

    passes = 0

    def count(executor, x, *args, **kwargs):
        nonlocal passes
        passes += len(x) // len(empty)
        return executor(x, *args, **kwargs)

    model = model.clone()
    # Added after the cache's own wrapper, so inside of it: what comes here is computed.
    model.add_wrapper_with_key(comfy.patcher_extension.WrappersMP.DIFFUSION_MODEL, "counted", count)
    euler = comfy.samplers.sampler_object("euler")
    args = (model, noise, guidance, euler, sigmas, positive, negative, empty)
    return bench.pictures(comfy.sample.sample_custom(*args, disable_pbar=True, seed=0)), passes


def oval(case) -> np.ndarray:
    """(T,H,W) bool: within the hull of the face's landmarks in the true pictures."""
    import cv2

    masks = np.zeros(case.truth.shape[:3], np.uint8)
    points = case.motion.landmarks[..., :2] * case.motion.size
    for mask, frame in zip(masks, points, strict=True):
        cv2.fillConvexPoly(mask, cv2.convexHull(frame.astype(np.float32)).round().astype(np.int32), 1)
    return masks.astype(bool)


def refine(bench: Bench, passes: list[int]) -> None:
    import comfy.sample
    from pack.followemoji_core.evaluation.reenactment import box_error, psnr, sharpness
    from pack.followemoji_core.face.warp import warp_motion

    def measured(case, made: np.ndarray) -> tuple[float, ...]:
        whole = float(np.abs(made.astype(float) - case.truth).mean())
        return box_error(case, made), whole, psnr(made, case.truth), *sharpness(made, case.truth)

    rows: dict[tuple, list] = {}
    for case in bench.cases:
        native, positive, negative, _ = bench.apply(case)
        rest = case.person.act(type(case.acting).rest(), case.aligned.size).frame(0)
        warped = np.stack(list(warp_motion(case.portrait, rest, case.aligned)))
        encoded = bench.vae.encode(bench.images(warped))
        noise = comfy.sample.prepare_noise(encoded, 0, [0] * len(encoded))
        rows.setdefault(("warp", 0), []).append(measured(case, warped))
        rows.setdefault(("encoded", 0), []).append(measured(case, bench.pictures(encoded)))
        for count in passes:
            for denoise in DENOISE:
                args = (native, noise, count, 1.0, "euler", "sgm_uniform", positive, negative, encoded)
                made = comfy.sample.sample(*args, denoise=denoise, disable_pbar=True, seed=0)
                rows.setdefault((f"{denoise:.1f}", count), []).append(measured(case, bench.pictures(made)))
    print(f"\n{len(bench.cases)} people x {len(bench.cases[0].truth)} frames")
    print("| denoise | passes | boxes | picture | dB | sharpness | slopes |\n|" + " --- |" * 7)
    for (name, count), values in rows.items():
        boxes, whole, decibel, slope, correlation = np.mean(values, 0)
        print(
            f"| {name} | {count} | {boxes:.2f} | {whole:.2f} | {decibel:.2f} | {slope:.3f} | {correlation:.3f} |",
            flush=True,
        )


def pictures() -> None:
    import comfy.sample
    from pack.followemoji_core.drawn import Acting, Person
    from pack.followemoji_core.evaluation.reenactment import case_of
    from pack.followemoji_core.face.warp import warp_motion

    bench = Bench(0, 0)
    person, driver = Person.of(20_000_018), Person.of(20_000_001)
    for name, frames, motion, shown in (("ksampler", 24, 7, (11, 18)), ("context_windows", 64, 7, (30, 55))):
        case = case_of(person, driver, Acting.random(motion, frames, from_rest=True))
        case = replace(case, aligned=replace(case.aligned, points=case.aligned.points[[0, *shown]]))
        native, positive, negative, latent = bench.apply(case)
        noise = comfy.sample.prepare_noise(latent["samples"], 0, [0] * 3)
        args = (native, noise, 1, 1.0, "euler", "sgm_uniform", positive, negative, latent["samples"])
        save(name, [case.portrait, *bench.pictures(comfy.sample.sample(*args, disable_pbar=True, seed=0))[1:]])
    rest = person.act(Acting.rest(), case.aligned.size).frame(0)
    warped = np.stack(list(warp_motion(case.portrait, rest, case.aligned)))
    encoded = bench.vae.encode(bench.images(warped))
    args = (native, noise, 4, 1.0, "euler", "sgm_uniform", positive, negative, encoded)
    made = bench.pictures(comfy.sample.sample(*args, denoise=0.6, disable_pbar=True, seed=0))
    save("refine_warp", [case.portrait, warped[2], made[2]])


def save(name: str, row: list[np.ndarray]) -> None:
    import cv2

    large = [cv2.resize(picture, (256, 256), interpolation=cv2.INTER_CUBIC) for picture in row]
    path = ROOT / "workflows" / f"{name}.jpg"
    cv2.imwrite(str(path), np.concatenate(large, axis=1)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("cache", "refine", "pictures"))
    parser.add_argument("--comfyui", type=Path, default=os.environ.get("COMFYUI_PATH", "~/comfy/ComfyUI"))
    parser.add_argument("--people", type=int, default=3)
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--steps", type=int, default=30, help="of cache")
    parser.add_argument("--guidance", type=float, default=3.5, help="of cache")
    parser.add_argument("--passes", type=int, nargs="+", default=[1, 4], help="of refine")
    asked = parser.parse_args()
    in_comfy(Path(asked.comfyui).expanduser())
    import torch

    with torch.inference_mode():
        if asked.what == "pictures":
            pictures()
            return
        bench = Bench(asked.people, asked.frames)
        if asked.what == "cache":
            cache(bench, asked.steps, asked.guidance)
        else:
            refine(bench, asked.passes)


if __name__ == "__main__":
    main()
