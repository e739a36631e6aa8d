"""Peak memory of live activations in one denoiser call at the published size, per latent cell, frame and dtype byte.

    MALLOC_TRIM_THRESHOLD_=0 MALLOC_MMAP_THRESHOLD_=65536 python tests/measure_memory.py

The figure behind `_BYTES_PER_CELL` in nodes/host/memory.py, read off the process on a CPU: 16 frames gave 8600,
4 frames, where the fixed part weighs more, 10600.
"""

import sys
import threading
import time
from pathlib import Path

import psutil
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from followemoji_core.model.appearance_net import AppearanceNet  # noqa: E402
from followemoji_core.model.config import UNetConfig  # noqa: E402
from followemoji_core.model.denoiser import Denoiser  # noqa: E402
from followemoji_core.model.ops import TORCH  # noqa: E402

DTYPE = torch.bfloat16


def peak_bytes(call) -> int:
    process, done, highest = psutil.Process(), threading.Event(), [0]
    before = process.memory_info().rss

    def watch() -> None:
        while not done.is_set():
            highest[0] = max(highest[0], process.memory_info().rss)
            time.sleep(0.002)

    watcher = threading.Thread(target=watch)
    watcher.start()
    call()
    done.set()
    watcher.join()
    return highest[0] - before


@torch.no_grad()
def main() -> None:
    ops = TORCH.on("cpu", DTYPE)
    denoiser, appearance_net = Denoiser(UNetConfig(), ops).eval(), AppearanceNet(UNetConfig(), ops).eval()
    for frames, side in ((4, 32), (8, 32), (16, 32)):
        tokens, latents = torch.randn(1, 257, 1024, dtype=DTYPE), torch.randn(frames, 4, side, side, dtype=DTYPE)
        features = torch.randn(frames, 320, side, side, dtype=DTYPE)
        appearance = appearance_net(latents[:1], tokens)
        arguments = (latents, torch.tensor(500), features, tokens, appearance)
        peak = peak_bytes(lambda arguments=arguments: denoiser(*arguments))
        per_cell = peak / (frames * side * side * DTYPE.itemsize)
        sys.stdout.write(
            f"{frames} frames of {side}x{side}: {peak / 2**20:.0f} MiB, {per_cell:.0f} per cell and byte\n"
        )


if __name__ == "__main__":
    main()
