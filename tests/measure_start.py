"""What the pack adds to ComfyUI's start: seconds from its import to its last schema, where ComfyUI's own are loaded.

    python tests/measure_start.py [PACK ...]

The packs, this one where none is named, take turns, five times each, on both ComfyUI versions (COMFYUI_PATH,
COMFYUI_OLD_PATH). The first turn also compiles and is not counted. Prints median and range, and the median of
the processor's own seconds, which other work on the machine disturbs less.
"""

from __future__ import annotations

import os
import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.comfy.in_process import OWN_MODULES, OWN_NODES, REGISTER, ROOT, in_comfy  # noqa: E402
from tests.conftest import TREES  # noqa: E402

TURNS = 5


def main() -> None:
    code = OWN_MODULES + OWN_NODES + REGISTER + "print(seconds, worked, len(after - before))"
    packs = [Path(name).resolve() for name in sys.argv[1:]] or [ROOT]
    for variable, default in TREES.values():
        tree = Path(os.environ.get(variable) or default).expanduser()
        taken: dict[Path, list[tuple[float, ...]]] = {pack: [] for pack in packs}
        for _ in range(1 + TURNS):
            for pack in packs:
                printed = in_comfy(tree, code, pack)
                taken[pack].append(tuple(float(number) for number in printed.split()[-3:]))
        for pack, (_, *turns) in taken.items():
            seconds, worked, modules = zip(*turns, strict=True)
            sys.stdout.write(
                f"{tree.name}, {pack}: {statistics.median(seconds):.3f} s ({min(seconds):.3f} to {max(seconds):.3f}), "
                f"of the processor {statistics.median(worked):.3f} s, {modules[0]:.0f} modules\n"
            )


if __name__ == "__main__":
    main()
