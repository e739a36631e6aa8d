"""Workers as actors of a Ray cluster, each on a machine that has room for it. Written against Ray's public API, 2.9 and
newer. Ray itself restarts and retries nothing here: the engine does, and counts."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

from ..errors import InputError, MissingDependencyError
from ..gate import short
from .doing import Answer, do, failed
from .engine import News, Say
from .where import Facts, Job, Ray, Work

_MOMENT = 1.0  # seconds that news are waited for
_QUIET = 20.0  # seconds after which it is said that no worker has come yet
_OBJECTS = 256 << 20  # bytes of shared memory, where we start Ray: works and answers are small


class Actor:
    """A worker: opens the work once, does one job at a time."""

    def open(self, work: Work) -> Answer | None:
        try:
            self.job: Job = work.open()
        except Exception as error:
            return failed(error)
        return None

    def do(self, key: str, arguments: Facts, carried: Mapping[str, bytes] | None) -> Answer:
        return do(self.job, key, arguments, carried)


class OnRay:
    """A crew, see `engine.Crew`. Raises MissingDependencyError without Ray, InputError where no cluster is reached."""

    def __init__(self, work: Work, where: Ray, jobs: int, say: Say):
        self._where, self._jobs, self._say = where, jobs, say
        self._work: Any = work
        self._actors: dict[int, Any] = {}
        self._waited: dict[Any, int] = {}  # what a worker was asked last -> the worker
        self._opening: set[int] = set()
        self._hired = 0
        self._heard = time.monotonic()

    def __enter__(self) -> OnRay:
        self._ray = _import_ray()
        self._ours = not self._ray.is_initialized()
        if self._ours:
            with _handlers_kept():
                _connect(self._ray, self._where.address)
        try:
            nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
            gpus = self._where.gpus
            gpus = float(any(node.get("GPU") for node in nodes)) if gpus is None else gpus
            asked = {"CPU": self._where.cpus, "GPU": gpus}
            room = sum(_fitting(node, asked) for node in nodes)
            listed = ", ".join(f"{count:g} {what}" for what, count in asked.items() if count)
            self._asked = f"each takes {listed or 'no room'}; there is room for {room} on {len(nodes)} machines"
            self.most = max(min(self._where.workers or room, self._jobs), 1)
            options = {"num_cpus": asked["CPU"], "num_gpus": gpus, "max_restarts": 0, "max_task_retries": 0}
            self._class = self._ray.remote(Actor).options(**options)
            self._work = self._ray.put(self._work)
        except BaseException:
            self.__exit__()
            raise
        self._say(f"Ray: {self.most} workers; {self._asked}")
        return self

    def __exit__(self, *error) -> None:
        for worker in list(self._actors):
            self._let_go(worker)
        if self._ours:
            self._ray.shutdown()

    def hire(self) -> int:
        number, self._hired = self._hired, self._hired + 1
        self._actors[number] = self._class.remote()
        self._waited[self._actors[number].open.remote(self._work)] = number
        self._opening.add(number)
        return number

    def give(self, worker: int, key: str, arguments: Facts, carried: Mapping[str, bytes] | None) -> None:
        self._waited[self._actors[worker].do.remote(key, arguments, carried)] = worker

    def news(self) -> list[News]:
        ended, _ = self._ray.wait(list(self._waited), num_returns=1, timeout=_MOMENT)
        now = time.monotonic()
        if ended:
            self._heard = now
        elif len(self._opening) == len(self._actors) and now - self._heard > _QUIET:
            self._say(f"Ray: no worker is ready yet; {self._asked}")
            self._heard = now
        return [self._of(reference) for reference in ended]

    def _of(self, reference: Any) -> News:
        worker = self._waited.pop(reference)
        opening = worker in self._opening
        self._opening.discard(worker)
        try:
            answer = self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:  # outside of our code: what was sent cannot be read there
            self._let_go(worker)
            told = Answer(kind="RayTaskError", reason=_last_line(error), mistake=True)
            return News(worker, refused=told) if opening else News(worker, lost=True, why=told.reason)
        except self._ray.exceptions.RayError as error:
            self._let_go(worker)  # one that cannot be reached may still be at work
            return News(worker, lost=True, why=_last_line(error))
        if opening:
            return News(worker, refused=answer)
        return News(worker, answer)

    def _let_go(self, worker: int) -> None:
        with contextlib.suppress(self._ray.exceptions.RayError, ValueError):
            self._ray.kill(self._actors.pop(worker), no_restart=True)


def _import_ray() -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # read when it is imported
    try:
        import ray
        import ray.exceptions
    except ImportError as error:
        raise MissingDependencyError(
            'Jobs on a cluster need Ray: pip install "followyouremoji[cluster]", or pip install "ray>=2.9"; with '
            "--workers they are done on this machine without it."
        ) from error
    return ray


def _connect(ray: Any, address: str | None) -> None:
    quiet = {"log_to_driver": False, "logging_level": logging.WARNING, "namespace": "followemoji"}
    try:
        try:
            ray.init(address=address or "auto", **quiet)
        except ConnectionError:
            if address:
                raise
            ray.init(address="local", include_dashboard=False, object_store_memory=_OBJECTS, **quiet)
    except (ConnectionError, OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        where = f"the cluster at {address}" if address else "a cluster on this machine"
        raise InputError(
            f"Ray cannot reach {where} ({_last_line(error)}). Start one with `ray start --head`, name its address as "
            f"HOST:PORT, or use --workers instead."
        ) from error


def _fitting(node: Mapping[str, float], asked: Mapping[str, float]) -> int:
    """Workers that a machine has room for; one where they ask for nothing."""
    fits = [math.floor(node.get(what, 0) / count + 1e-6) for what, count in asked.items() if count]
    return min(fits, default=1)


@contextlib.contextmanager
def _handlers_kept() -> Iterator[None]:
    """Ray puts a handler of its own in the place of whoever handles SIGTERM."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _last_line(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return short(lines[-1] if lines else type(error).__name__)
