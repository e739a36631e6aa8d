"""Where jobs are done, and what one gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..errors import check_range

Facts = dict[str, Any]
Job = Callable[[str, Facts], "Facts | Made"]


class Work(Protocol):
    """What the jobs of a run have in common: a dataclass of plain settings that can be pickled, of a module that the
    workers can import.

    A work may have `carry(key, arguments) -> {name: bytes}` besides: what a worker that sees none of the caller's files
    needs for that job. It is called by the caller's process just before the job is sent, and the worker's job then
    gets it as a third argument. And `clean(key, arguments)`: takes away what a job left that was broken off, by a kill
    or a stop; the caller's process calls it at the end of the run, when no worker is left.
    """

    def open(self) -> Job:
        """Once a worker: loads what is needed and returns what does one job, (key, arguments) -> facts for the ledger
        (JSON), or `Made`. A FollowEmojiError of it is the reason why that job failed. Where it has a `close()`, that is
        called when a worker on this machine ends in order."""
        ...


@dataclass(frozen=True)
class Made:
    """What a job gives back where its worker sees no shared folder. files: bytes by their names relative to the
    ledger's folder, where the caller's process writes them, each whole, before the ledger says that the job is done."""

    facts: Facts
    files: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Local:
    """On this machine. workers: 1 in this process, else so many processes of their own, which share its cores."""

    workers: int = 1

    def __post_init__(self) -> None:
        check_range("workers", self.workers, (1, 4096))


@dataclass(frozen=True)
class Ray:
    """On a Ray cluster (extra `[cluster]`).

    address: of its head, as ray.init takes it; None: that of RAY_ADDRESS, else the one that runs on this machine, else
    one is started here and ended with the run. workers: 0 for as many as there is room for. cpus, gpus: of a worker;
    gpus None: one where the cluster has any, else none; a half lets two workers share a GPU.
    """

    address: str | None = None
    workers: int = 0
    cpus: float = 1.0
    gpus: float | None = None

    def __post_init__(self) -> None:
        check_range("workers", self.workers, (0, 4096))
        check_range("cpus", self.cpus, (0.0, 1024.0))
        check_range("gpus", self.gpus or 0.0, (0.0, 64.0))


Where = Local | Ray
