"""Seconds of look_at_landmarks beside finding the faces: python tests/measure_look.py PORTRAIT CLIP TASK"""

import shutil
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.comfy import graphs  # noqa: E402
from tests.comfy.server import ComfyServer  # noqa: E402
from tests.conftest import comfy_tree  # noqa: E402


def main() -> None:
    portrait, clip, task = (Path(name) for name in sys.argv[1:])
    with TemporaryDirectory() as folder, ComfyServer(comfy_tree("server"), Path(folder)) as server:
        (server.models / "followemoji").mkdir(parents=True, exist_ok=True)
        shutil.copyfile(task, server.models / "followemoji/face_landmarker.task")
        graph = graphs.load("look_at_landmarks")
        graphs.change(graph, "LoadImage", image=server.upload(portrait, f"portrait{portrait.suffix}"))
        graphs.change(graph, "LoadVideo", file=server.upload(clip, f"driving{clip.suffix}"))
        graphs.change(graph, "FollowEmojiLandmarksVideo", frames=0)
        for turn in ("first run", "again, everything anew"):
            graphs.forget(server)
            began = time.monotonic()
            prompt = server.queue(graph)
            while not (ended := server.events(prompt, "execution_success")):
                if failed := server.events(prompt, "execution_error"):
                    raise SystemExit(str(failed[0].data.get("exception_message")))
                time.sleep(0.05)
            starts = [(event.time, event.data["node"]) for event in server.events(prompt, "executing")]
            ends = [time for time, _ in starts[1:]] + [ended[0].time]
            nodes = {}
            for (start, node), end in zip(starts, ends, strict=True):
                if node is not None:
                    name = graph[node]["class_type"]
                    nodes[name] = nodes.get(name, 0.0) + end - start
            total, finding = ended[0].time - began, nodes["FollowEmojiExtractLandmarks"]
            told = ", ".join(f"{name} {seconds:.1f}" for name, seconds in nodes.items() if seconds >= 0.1)
            print(f"{turn}: {total:.1f} s, {total / finding:.2f} times finding the faces ({told})", flush=True)


if __name__ == "__main__":
    main()
