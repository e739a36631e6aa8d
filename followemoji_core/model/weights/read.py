"""Tensors of a file, never code."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from ...errors import CheckpointError
from ...gate import LEAKS, MOST_WEIGHTS, Refused, file_size, loading, safetensors_header, short
from ...pickles import Replay

State = dict[str, Tensor]
LATENT_RGB = "latent_rgb"  # (c + 1, 3) float: a linear guess at the picture behind a latent, for previews
_TABLE = 64 << 20  # bytes of the pickle that names a file's tensors; the released UNet's takes about 0.1 MB
_RECORDS = 100_000
_DEPTH = 32  # of tables in tables; files of other programs keep their settings beside the weights


def read_tensors(path: Path | str) -> State:
    """The tensors of a .safetensors, .pth, .pt, .ckpt or .bin file, memory-mapped where the format allows it.

    Raises CheckpointError for a file that is absent, damaged, or holds anything but tensors.
    """
    path = Path(path)
    check_file(path)
    with _loading(path):
        if path.suffix == ".safetensors":
            return load_file(path)
        try:
            # Not comfy.utils.load_torch_file: the core runs without ComfyUI, and has looked through the file above.
            state = torch.load(path, map_location="cpu", weights_only=True, mmap=_is_zip(path))
        except pickle.UnpicklingError as error:
            raise CheckpointError(
                f"{path.name} is not a plain table of weights: it is damaged, or asks for code to be run, which is "
                f"refused. Download the file again from the authors' page."
            ) from error
        state = state.get("state_dict", state) if isinstance(state, dict) else state
        if not isinstance(state, dict) or not state or not all(isinstance(value, Tensor) for value in state.values()):
            raise CheckpointError(
                f"{path.name} holds no table of named weights. Choose a Follow-Your-Emoji weights file."
            )
        _check_plain(state, path.stat().st_size)
        return {str(key).removeprefix("module."): value for key, value in state.items()}


def check_file(path: Path) -> None:
    """What can be said of a weights file before anything is built from it. Raises CheckpointError."""
    if not path.is_file():
        raise CheckpointError(f"There is no file {path.name}. Check the name, or download it again.")
    with _loading(path):
        if path.suffix == ".safetensors":
            safetensors_header(path, MOST_WEIGHTS, marks=True)
        elif _is_zip(path):
            _check_zip(path)
        else:
            _check_old(path)


def finite(tensor: Tensor) -> bool:
    """Whether all its numbers are: NaN and infinity both show in the least or the largest. One pass, no copy."""
    if not tensor.is_floating_point() or not tensor.numel():
        return True
    if tensor.element_size() == 1:  # 8 bit floats cannot be compared
        tensor = tensor.half()
    return all(bool(end.isfinite()) for end in tensor.aminmax())


def latent_table(path: Path) -> Tensor | None:
    """What a file says of how its latents look: (c + 1, 3) float32, latent @ table[:-1] + table[-1] is about RGB in
    [0,1]. None where it says nothing, or cannot be read."""
    if path.suffix != ".safetensors":
        return None
    try:
        with safe_open(path, "pt") as file:
            table = file.get_tensor(LATENT_RGB).float() if LATENT_RGB in file.keys() else None
    except (SafetensorError, *LEAKS):
        return None
    return table if table is not None and table.ndim == 2 and table.shape[1] == 3 and finite(table) else None


def _loading(path: Path):
    size = path.stat().st_size if path.is_file() else 0
    advice = f"It has {size / 2**20:.1f} MiB on disk. Delete it and download it again."
    return loading(path, "Weights file", CheckpointError, advice, more=(SafetensorError, pickle.UnpicklingError))


def _is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"PK"  # the format before torch 1.6 cannot be mapped


def _check_zip(path: Path) -> None:
    size = file_size(path, MOST_WEIGHTS)
    with zipfile.ZipFile(path) as archive:
        records = archive.infolist()
        names = {record.filename.lower() for record in records}  # torch looks names up without case
        # Not first in the file: torch would look for the table of contents elsewhere than zipfile does.
        if not names or len(records) > _RECORDS or len(names) < len(records) or min(
            record.header_offset for record in records
        ):  # fmt: skip
            raise Refused("its table of contents is like no weights file's")
        if any(record.compress_type != zipfile.ZIP_STORED for record in records):  # would be mapped as they lie
            raise Refused(
                "it was compressed again after it was made, and its weights would be read as noise; take the file as "
                "the authors published it"
            )
        if sum(record.file_size for record in records) > size:
            raise Refused("it claims to hold more than its own size")
        tables = [record for record in records if record.filename.lower().endswith("/data.pkl")]
        if len(tables) != 1 or tables[0].file_size > _TABLE:
            raise Refused("its table of weights is like no weights file's")
    # What is replayed is what torch's own reader will find.
    _replay(io.BytesIO(torch._C.PyTorchFileReader(str(path)).get_record("data.pkl")), size)


def _check_old(path: Path) -> None:
    """The format before torch 1.6: five pickles one after the other (a magic number, the version, facts of the machine,
    the table, and names of storages), then the numbers."""
    size = file_size(path, MOST_WEIGHTS)
    with path.open("rb") as file:
        start = io.BytesIO(file.read(_TABLE))
    for _ in range(5):
        if start.tell() >= size:  # a bare pickle, of which torch says more
            return
        _replay(start, size)


def _replay(stream: io.BytesIO, size: int) -> None:
    """Raises Refused for a pickle that would make torch's own reader hash tables in tables, or fill the memory."""
    run = Replay(None, _DEPTH, size, whole_keys=True)
    run.read(stream)
    for call in run.calls:
        # OrderedDict and its like take what they hash from their arguments; plain ones are filled after.
        if call.name.startswith(("collections.", "builtins.", "__builtin__.")) and call.content:
            raise Refused(f"it asks for {call.name} in an unusual way")
    for storage in run.storages:
        if not all(abs(part) <= size for part in storage.content if type(part) is int):
            raise Refused("it claims to hold more than its own size")


def _check_plain(state: State, size: int) -> None:
    for key, value in state.items():
        plain = value.layout == torch.strided and value.device.type == "cpu" and not value.is_quantized
        if not plain or value.is_complex() or 0 in value.shape:
            raise Refused(f"{short(key, 60)} is no plain table of numbers")
        if value.untyped_storage().nbytes() < value.numel() * value.element_size():
            raise Refused(f"{short(key, 60)} claims to hold more than is there")
    if sum(value.numel() * value.element_size() for value in state.values()) > 4 * size:
        raise Refused("it claims to hold more than its own size")
