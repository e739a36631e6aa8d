"""How a state dict fits a network: what is lacking, left over, or of another shape."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .read import State


@dataclass(frozen=True)
class Fit:
    """parameters: how many tensors the network wants; the rest are keys: missing, of another shape, of another kind of
    number, and unused ones of the file."""

    parameters: int
    missing: tuple[str, ...]
    misshapen: tuple[str, ...]
    foreign: tuple[str, ...]
    unused: tuple[str, ...]

    @property
    def whole(self) -> bool:
        """Whether the network can be filled; what is unused does no harm."""
        return not (self.missing or self.misshapen or self.foreign)


def fit(wanted: State, state: State, given: Iterable[str] | None = None) -> Fit:
    """A state dict against a network's own, which may lie on the meta device.

    given: the keys that come from the file itself, where others were added to `state`; None: all of them.
    """
    there = [key for key in wanted if key in state]
    return Fit(
        len(wanted),
        tuple(key for key in wanted if key not in state),
        tuple(key for key in there if state[key].shape != wanted[key].shape),
        tuple(key for key in there if state[key].is_floating_point() != wanted[key].is_floating_point()),
        tuple(sorted((state.keys() if given is None else set(given)) - wanted.keys())),
    )
