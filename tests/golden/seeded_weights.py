"""Deterministic stand-in weights, so that two implementations can be compared without a checkpoint.

A manifest is a JSON object {state-dict key: shape}. `seeded_state_dict(manifest, seed)` gives every key
the same float32 values on every machine: a normal draw from a CPU generator seeded by the key's CRC-32,
scaled so that activations stay of order one through a deep UNet. Positional tables (keys ending in
`pos_encoder.pe`) are the sinusoids of the published motion module and are not drawn.
"""

import json
import math
import zlib
from pathlib import Path

import torch


def sinusoids(length: int, dim: int) -> torch.Tensor:
    """Sinusoidal positions, shape (1, length, dim): sin in the even columns, cos in the odd ones."""
    position = torch.arange(length).unsqueeze(1)
    rate = torch.exp(torch.arange(0, dim, 2) * (-math.log(10000.0) / dim))
    table = torch.zeros(1, length, dim)
    table[0, :, 0::2] = torch.sin(position * rate)
    table[0, :, 1::2] = torch.cos(position * rate)
    return table


def seeded_tensor(key: str, shape, seed: int = 0) -> torch.Tensor:
    if key.endswith("pos_encoder.pe"):
        return sinusoids(shape[1], shape[2])
    generator = torch.Generator("cpu").manual_seed((zlib.crc32(key.encode()) + seed) % (1 << 31))
    draw = torch.randn(*shape, generator=generator, dtype=torch.float32)
    if len(shape) == 1:
        return 1.0 + 0.1 * draw if key.endswith("weight") else 0.05 * draw
    fan_in = math.prod(shape[1:])
    return draw / math.sqrt(fan_in)


def seeded_state_dict(manifest, seed: int = 0) -> dict[str, torch.Tensor]:
    if isinstance(manifest, (str, Path)):
        manifest = json.loads(Path(manifest).read_text())
    return {key: seeded_tensor(key, shape, seed) for key, shape in manifest.items()}
