"""What a metric is: a name, what its number says, and how it is had of what a method made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from .shown import Given, Shown

if TYPE_CHECKING:
    from .frechet import Moments

BOTH = ("self", "cross")


@dataclass(frozen=True)
class Value:
    """A number, or None and the reason why there is none. A number may come with a reason too: what it is not of."""

    number: float | None
    reason: str = ""


@dataclass(frozen=True)
class Tools:
    """What measuring may use.

    detector: MediaPipe's face_landmarker.task. networks: the folder of `networks.py`; files: networks that the user
    names himself. plugs: packages that he wants asked, which may fetch networks of their own. device: torch's.
    """

    detector: Path | None = None
    networks: Path = Path("models/followemoji/evaluate")
    files: Mapping[str, Path] = field(default_factory=dict)
    plugs: Sequence[str] = ()
    device: str = "cpu"


class SetMeasure(Protocol):
    """A distance between all that a method made and all that it should have."""

    def of(self, shown: Shown) -> np.ndarray | None:
        """Features (n,d) of one video; None where it has none."""

    def wanted(self, given: Given) -> np.ndarray | None:
        """Features (n,d) of what they are compared with; None where nobody knows it."""

    def between(self, made: Moments, wanted: Moments) -> Value:
        """The distance of two sets of as many videos, each of one at least."""


@dataclass(frozen=True)
class Metric:
    """better: whether a higher or a lower number is the better one. paper: whether the paper reports it.

    open(tools): once a run; gives what measures a video, (Shown) -> Value, or, `of_set`, a SetMeasure. Raises a
    FollowEmojiError where a package or network is missing: its text is the reason why the column is empty.
    """

    name: str
    label: str
    better: Literal["higher", "lower"]
    unit: str
    about: str
    open: Callable[[Tools], Any]
    paper: bool = False
    of_set: bool = False
    kinds: tuple[str, ...] = BOTH


def without_truth(shown: Shown) -> Value | None:
    """The value of a metric that needs the truth, where nobody knows it."""
    return Value(None, "what should come out is not known") if shown.given.truth is None else None


def spread(count: int, most: int) -> np.ndarray:
    """At most `most` of `count` indices, as even as can be; not the first one, which is near the portrait."""
    return np.unique(np.linspace(count / most, count, most).round().astype(int).clip(1, count) - 1)
