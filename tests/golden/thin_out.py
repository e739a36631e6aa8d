"""The part of a whole reference folder that is kept here: python tests/golden/thin_out.py REFERENCE"""

import shutil
import sys
from pathlib import Path

import numpy as np

PORTRAITS, CLIP = ("mona_lisa", "terracotta"), "d7"
PHOTOGRAPHS = {"image", "frame0"}


def main(reference: Path, here: Path) -> None:
    names = [*(f"portrait_{name}" for name in PORTRAITS), f"clip_{CLIP}"]
    for name in [*names, *(f"aligned_{name}_{CLIP}" for name in PORTRAITS)]:
        arrays = dict(np.load(reference / "landmarks" / f"{name}.npz"))
        if "image" in arrays:
            arrays["size"] = np.array(arrays["image"].shape[1::-1])  # (width, height), as the clips have it
        kept = {key: value for key, value in arrays.items() if key not in PHOTOGRAPHS}
        (here / "landmarks").mkdir(exist_ok=True)
        np.savez_compressed(here / "landmarks" / f"{name}.npz", **kept)
    (here / "models").mkdir(exist_ok=True)
    for file in [*reference.glob("models/*_tiny.json"), *reference.glob("models/golden_tiny_*.safetensors")]:
        shutil.copyfile(file, here / "models" / file.name)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(__file__).resolve().parent)
