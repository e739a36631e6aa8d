"""The engine: jobs to workers, what comes of them to the ledger, until all are done or have failed.

1. Jobs that the ledger says are done are left out.
2. A worker that is free and ready gets the next job. One that is lost is replaced, its job tried again, TRIES
   times in all.
3. Each answer is a line in the ledger, and its files are there before it.
"""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Protocol

from ..errors import FollowEmojiError, InputError
from ..files import check_place, write_whole
from ..lock import only_one
from .doing import LOST, Answer, do, error_of
from .ledger import DONE, FAILED, Ledger, Line, hash_of, read_ledger
from .where import Facts, Local, Where, Work

log = logging.getLogger(__name__)
TRIES = 3  # of a job whose worker is lost under it, and of workers that are lost before they are ready
Say = Callable[[str], None]


@dataclass
class Outcome:
    """What came of a run, by the jobs' keys. done: facts of those that this run did; skipped: of those that the ledger
    said were done; failed: reasons. mistakes: those of the failed that failed by a mistake of ours."""

    done: dict[str, Facts] = field(default_factory=dict)
    skipped: dict[str, Facts] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    mistakes: set[str] = field(default_factory=set)

    @property
    def facts(self) -> dict[str, Facts]:
        """Of all jobs that are done, whenever."""
        return {**self.skipped, **self.done}

    @property
    def summary(self) -> str:
        """A sentence with the counts."""
        counts = f"{len(self.done)} done, {len(self.skipped)} done before, {len(self.failed)} failed"
        return counts + (f", {len(self.mistakes)} of them by a mistake of ours" if self.mistakes else "")


@dataclass(frozen=True)
class News:
    """Of a worker: ready for a job; with the answer of its job; or lost, with its job, `why` says how."""

    worker: Hashable
    answer: Answer | None = None
    lost: bool = False
    why: str = ""
    refused: Answer | None = None  # what opening the work ended in


class Crew(Protocol):
    """Workers of one kind, while the block runs; at its end none is left."""

    most: int  # workers at once

    def hire(self) -> Hashable:
        """A new worker, which begins to open the work."""
        ...

    def give(self, worker: Hashable, key: str, arguments: Facts, carried: Mapping[str, bytes] | None) -> None:
        """A job to a worker that is ready."""
        ...

    def news(self) -> list[News]:
        """What happened since; waits a moment for it."""
        ...


def run_jobs(
    work: Work,
    jobs: Mapping[str, Facts] | Iterable[tuple[str, Facts]],
    ledger: Path,
    where: Where = Local(),  # noqa: B008, frozen
    say: Say = lambda line: None,
    on_done: Callable[[str, Line], None] = lambda key, line: None,
    stands: Callable[[str, Facts], bool] = lambda key, facts: True,
    stop_at: tuple[type[FollowEmojiError], ...] = (),
) -> Outcome:
    """Do every job that the ledger does not say is done, and write into it what came of each.

    jobs: arguments (JSON) by key; whatever the result depends on belongs in them, since a job whose hash of arguments
    has changed is done again. Failed ones are tried again by the next run. stands(key, facts): whether what a done job
    made is still there; else it is done again. on_done: after each line. stop_at: errors of a job after which the
    others are not begun, such as a full disk; they are raised.

    Raises InputError for duplicate keys, a damaged ledger, and while another process writes to it; OutputError where it
    cannot be written; what `work.open` raises; MissingDependencyError without Ray. A job's own errors are lines.
    """
    wanted = _by_key(jobs)
    check_place(ledger)
    with only_one(ledger.parent, f".{ledger.name[:80]}.lock"):
        before = read_ledger(ledger)
        hashes = {key: hash_of(arguments) for key, arguments in wanted.items()}
        outcome = Outcome()
        for key, line in before.items():
            if line.state == DONE and hashes.get(key) == line.job and stands(key, line.facts):
                outcome.skipped[key] = line.facts
        todo = {key: arguments for key, arguments in wanted.items() if key not in outcome.skipped}
        if outcome.skipped:
            say(f"{len(wanted)} jobs, {len(outcome.skipped)} of them done before")
        if not todo:
            return outcome
        book = Ledger(ledger)

        def conclude(key: str, answer: Answer) -> None:
            answer = _with_files(answer, ledger.parent)
            state = FAILED if answer.kind else DONE
            line = Line(key, state, hashes[key], answer.reason, answer.seconds, answer.facts, answer.kind)
            book.append(line)
            if state == DONE:
                outcome.done[key] = answer.facts
            else:
                outcome.failed[key] = answer.reason
            if answer.mistake:
                outcome.mistakes.add(key)
            ended = len(outcome.done) + len(outcome.failed)
            say(f"{ended} of {len(todo)}: {key}" + (f" failed: {answer.reason}" if answer.kind else ""))
            on_done(key, line)
            if answer.kind and (error := error_of(answer)) and isinstance(error, stop_at):
                raise error

        try:
            if where == Local(1):
                job = work.open()
                for key, arguments in todo.items():
                    conclude(key, do(job, key, arguments, _carried(work, key, arguments)))
            else:
                with _crew(work, where, len(todo), say) as crew:
                    _share_out(crew, work, todo, conclude, say)
        finally:
            book.close()
    return outcome


def _by_key(jobs: Mapping[str, Facts] | Iterable[tuple[str, Facts]]) -> dict[str, Facts]:
    pairs = list(jobs.items() if isinstance(jobs, Mapping) else jobs)
    if twice := [key for key, count in Counter(key for key, _ in pairs).items() if count > 1]:
        raise InputError(f"{len(twice)} jobs have a name that another has: {', '.join(twice[:5])}. Name each once.")
    return dict(pairs)


def _with_files(answer: Answer, folder: Path) -> Answer:
    """The answer once its files are written below the folder; a failed one where they may not be, or cannot."""
    try:
        for name, content in answer.files.items():
            inside = PurePosixPath(name)
            if inside.is_absolute() or ".." in inside.parts or "\\" in name or ":" in name or not inside.name:
                raise InputError(f"{name!r} is no name of a file below {folder}.")
            check_place(folder / inside, len(content))
            write_whole(folder / inside, content)
    except FollowEmojiError as error:
        return Answer(seconds=answer.seconds, kind=type(error).__name__, reason=str(error))
    return answer


def _carried(work: Work, key: str, arguments: Facts) -> Mapping[str, bytes] | None:
    carry = getattr(work, "carry", None)
    return None if carry is None else carry(key, arguments)


def _crew(work: Work, where: Where, jobs: int, say: Say) -> AbstractContextManager[Crew]:
    if isinstance(where, Local):
        from .processes import Processes

        return Processes(work, min(where.workers, jobs))
    from .on_ray import OnRay

    return OnRay(work, where, jobs, say)


def _share_out(
    crew: Crew, work: Work, todo: Mapping[str, Facts], conclude: Callable[[str, Answer], None], say: Say
) -> None:
    queue = deque(todo)
    at_work: dict[Hashable, str | None] = {}  # None: opening, or free
    losses: Counter[str | None] = Counter()  # by job; None: workers that were not ready yet
    free: list[Hashable] = []
    most, left = crew.most, len(todo)

    def ended(key: str, answer: Answer) -> None:
        nonlocal left
        left -= 1
        conclude(key, answer)

    while left:
        # 1. As many workers as there are jobs for.
        while len(at_work) < min(most, left):
            at_work[crew.hire()] = None
        # 2. Jobs to those that are free.
        while free and queue:
            worker, key = free.pop(), queue.popleft()
            try:
                carried = _carried(work, key, todo[key])
            except FollowEmojiError as error:
                free.append(worker)
                ended(key, Answer(kind=type(error).__name__, reason=str(error)))
                continue
            at_work[worker] = key
            crew.give(worker, key, todo[key], carried)
        # 3. What has come of the others.
        for news in crew.news():
            if news.refused:
                raise error_of(news.refused) or RuntimeError(news.refused.reason)
            key = at_work.pop(news.worker, None)
            if news.lost and news.worker in free:
                free.remove(news.worker)
                continue
            if news.lost:
                losses[key] += 1
                again = losses[key] < TRIES
                if key is None and not again:  # perhaps the memory holds no more of them
                    most = len(at_work)
                    if not most:
                        raise InputError(f"Workers end before they are ready: {news.why}. Ask for fewer of them.")
                elif key is not None and again:
                    say(f"{key}: its worker is lost ({news.why}); it is tried again")
                    queue.appendleft(key)
                elif key is not None:
                    advice = "Ask for fewer workers, or look at the files of this job."
                    ended(key, Answer(kind=LOST, reason=f"Its worker was lost {TRIES} times, {news.why}. {advice}"))
                continue
            at_work[news.worker] = None
            free.append(news.worker)
            if news.answer and key is not None:
                ended(key, news.answer)
