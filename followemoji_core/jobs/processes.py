"""Workers on this machine: this process, or others, each at the other end of a pipe.

Those are started afresh, never forked: a fork of a process that has threads, as torch's does, may hang.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Mapping
from multiprocessing import connection, get_context, parent_process
from multiprocessing.connection import Connection

from .doing import close, do, failed
from .engine import News
from .where import Facts, Job, Work

_PATIENCE = 5.0  # seconds in which a worker that was asked to stop cleans up
_MOMENT = 1.0  # seconds that news are waited for


class Alone:
    """A crew of one: this process."""

    most = 1

    def __init__(self, work: Work):
        self._work = work
        self._job: Job | None = None
        self._news: list[News] = []

    def __enter__(self) -> Alone:
        return self

    def __exit__(self, *error) -> None:
        if self._job is not None:
            close(self._job)

    def hire(self) -> int:
        self._job = self._work.open()
        self._news.append(News(0))
        return 0

    def give(self, worker: int, key: str, arguments: Facts, carried: Mapping[str, bytes] | None) -> None:
        self._news.append(News(0, do(self._job, key, arguments, carried)))

    def news(self) -> list[News]:
        news, self._news = self._news, []
        return news


class Processes:
    """A crew, see `engine.Crew`."""

    def __init__(self, work: Work, workers: int):
        self.most = workers
        self._work = work
        self._context = get_context("spawn")
        self._pipes: dict[int, Connection] = {}
        self._processes: dict[int, object] = {}
        self._hired = 0

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, kind: type | None, *error) -> None:
        for pipe in self._pipes.values():
            pipe.close()  # those that have no job end by it
        for process in self._processes.values():
            if kind is None:
                process.join(_PATIENCE)
            process.terminate()
        for process in self._processes.values():
            process.join(_PATIENCE)
            if process.is_alive():
                process.kill()
                process.join()

    def hire(self) -> int:
        number, self._hired = self._hired, self._hired + 1
        here, there = self._context.Pipe()
        process = self._context.Process(target=_live, args=(there, self.most), daemon=True, name=f"worker {number}")
        process.start()
        there.close()  # so that the pipe ends with the worker
        self._pipes[number], self._processes[number] = here, process
        with contextlib.suppress(OSError):  # a worker that is gone already is news
            here.send(self._work)
        return number

    def give(self, worker: int, key: str, arguments: Facts, carried: Mapping[str, bytes] | None) -> None:
        with contextlib.suppress(OSError):
            self._pipes[worker].send((key, arguments, carried))

    def news(self) -> list[News]:
        numbers = {pipe: number for number, pipe in self._pipes.items()}
        return [self._heard(numbers[pipe], pipe) for pipe in connection.wait(list(numbers), _MOMENT)]

    def _heard(self, number: int, pipe: Connection) -> News:
        try:
            what, answer = pipe.recv()
        except (EOFError, OSError):
            return News(number, lost=True, why=self._end_of(number))
        return News(number, refused=answer) if what == "refused" else News(number, answer)

    def _end_of(self, number: int) -> str:
        process = self._processes.pop(number)
        self._pipes.pop(number).close()
        process.join(_PATIENCE)
        code = process.exitcode
        if code is not None and code < 0:
            with contextlib.suppress(ValueError):
                name = signal.Signals(-code).name
                return f"ended by {name}" + (", as when memory runs out" if name == "SIGKILL" else "")
        return f"ended with code {code}"


def _live(pipe: Connection, workers: int) -> None:
    """A worker's life: open the work, then job after job, until the pipe ends."""
    # 1. Before anything heavy is imported, which the work's arrival does.
    os.environ.setdefault("OMP_NUM_THREADS", str(max((os.cpu_count() or 1) // workers, 1)))
    os.dup2(2, 1)  # lines of workers are for people: stdout is the caller's, who may promise JSON there
    sys.stdout = sys.stderr
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all of a terminal; the caller ends its workers
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    threading.Thread(target=_follow_the_caller, daemon=True).start()
    # 2. The work.
    try:
        job = pipe.recv().open()
    except Exception as error:
        pipe.send(("refused", failed(error)))
        return
    # 3. The jobs.
    with contextlib.suppress(EOFError, OSError):  # the caller is gone
        pipe.send(("ready", None))
        while True:
            key, arguments, carried = pipe.recv()
            pipe.send(("answer", do(job, key, arguments, carried)))
    close(job)


def _follow_the_caller() -> None:
    """End with the caller, even where he was killed in the middle of a job of ours."""
    parent_process().join()
    os.kill(os.getpid(), signal.SIGTERM)
