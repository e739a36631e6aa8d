"""Peak memory of a ComfyUI process over a long clip, beside that of 16 frames: python tests/measure_long.py [FRAMES]"""

import sys
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.comfy import graphs  # noqa: E402
from tests.comfy.server import ComfyServer  # noqa: E402
from tests.conftest import comfy_tree  # noqa: E402


def main() -> None:
    frames = int(sys.argv[1]) if len(sys.argv) > 1 else 1800
    with TemporaryDirectory() as folder, ComfyServer(comfy_tree("server"), Path(folder)) as server:
        peaks = {}
        for count in (16, frames):
            graph = graphs.change(graphs.load("long_video"), "FollowEmojiDrawnMotion", frames=count)
            stop, peak = threading.Event(), [0.0]

            def watch(stop=stop, peak=peak) -> None:
                while not stop.wait(0.05):
                    peak[0] = max(peak[0], server.rss_mb())

            watcher = threading.Thread(target=watch)
            watcher.start()
            started = time.monotonic()
            server.run(graph, timeout=3600)
            stop.set()
            watcher.join()
            peaks[count] = peak[0]
            print(f"{count} frames: {time.monotonic() - started:.0f} s, peak {peak[0]:.0f} MiB", flush=True)
        print(f"{peaks[frames] - peaks[16]:.0f} MiB more for {frames} frames than for 16")


if __name__ == "__main__":
    main()
