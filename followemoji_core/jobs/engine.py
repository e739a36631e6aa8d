"""The engine: jobs to workers, what comes of them to the ledger, until all are done or have failed.

1. Jobs that the ledger says are done are left out.
2. A worker that is free and ready gets the next job. One that is lost is replaced, its job tried again, TRIES
   times in all.
3. Each answer is a line in the ledger, and its files are there before it.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Protocol

from ..errors import FollowEmojiError, InputError
from ..files import check_place, write_whole
from ..lock import only_one
from .doing import LOST, Answer, error_of, failed
from .ledger import DONE, FAILED, Ledger, Line, hash_of, read_ledger
from .where import Facts, Local, Where, Work

TRIES = 3  # of a job whose worker is lost under it, and of workers that are lost before they are ready
Say = Callable[[str], None]
Carry = Callable[[str, Facts], Mapping[str, bytes]]
Conclude = Callable[[str, Answer], None]


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
    forget: Callable[[str], None] = lambda key: None,
) -> Outcome:
    """Do every job that the ledger does not say is done, and write into it what came of each.

    jobs: arguments (JSON) by key; whatever the result depends on belongs in them, since a job whose hash of arguments
    has changed is done again. Failed ones are tried again by the next run. stands(key, facts): whether what a done job
    made is still there; else it is done again. on_done: after each line. stop_at: errors of a job after which the
    others are not begun, such as a full disk; they are raised. forget(key): takes away what an earlier run left of a
    job that is to be done, before any is, so that nothing of another making is taken for this run's.

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
        for key in todo:
            forget(key)
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

        broken_off: set[str] = set()
        try:
            with gather(work, where, len(todo), say) as team:
                broken_off = team.broken_off
                team.do(todo, conclude, getattr(work, "carry", None))
        finally:
            book.close()
            clean = getattr(work, "clean", lambda key, arguments: None)
            for key in broken_off:
                clean(key, todo[key])
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


@contextmanager
def gather(work: Work, where: Where, most: int, say: Say = lambda line: None) -> Iterator[Team]:
    """Workers for rounds of at most so many jobs, who keep what they have opened from one round to the next; none is
    left at the end of the block. Raises what `run_jobs` does."""
    if isinstance(where, Local):
        from .processes import Alone, Processes

        crew = Alone(work) if where.workers == 1 else Processes(work, min(where.workers, most))
    else:
        from .on_ray import OnRay

        crew = OnRay(work, where, most, say)
    with crew:
        yield Team(crew, say)


class Team:
    """A crew, and what its workers are at."""

    def __init__(self, crew: Crew, say: Say):
        self._crew, self._say, self._most = crew, say, crew.most
        self._at_work: dict[Hashable, str | None] = {}  # None: opening, or free
        self._free: list[Hashable] = []
        self._losses: Counter[str | None] = Counter()  # by job; None: of workers that were not ready yet
        self.broken_off: set[str] = set()  # jobs that a worker has begun and never answered

    def do(self, todo: Mapping[str, Facts], conclude: Conclude, carry: Carry | None = None) -> None:
        """Every one of the jobs; conclude(key, answer) learns what came of each, in the order in which they end.
        carry: see `Work`."""
        queue, left = deque(todo), set(todo)

        def ended(key: str, answer: Answer) -> None:
            left.remove(key)
            conclude(key, answer)

        while left:
            # 1. As many workers as there are jobs for.
            while len(self._at_work) < min(self._most, len(left)):
                self._at_work[self._crew.hire()] = None
            # 2. Jobs to those that are free.
            while self._free and queue:
                key = queue.popleft()
                try:
                    carried = None if carry is None else carry(key, todo[key])
                except FollowEmojiError as error:
                    ended(key, failed(error))
                    continue
                worker = self._free.pop()
                self._at_work[worker] = key
                self.broken_off.add(key)
                self._crew.give(worker, key, todo[key], carried)
            # 3. What has come of the others.
            for news in self._crew.news() if left else ():
                if news.refused:
                    raise error_of(news.refused) or RuntimeError(news.refused.reason)
                key = self._at_work.pop(news.worker, None)
                if not news.lost:
                    self._at_work[news.worker] = None
                    self._free.append(news.worker)
                    if news.answer and key is not None:
                        if not self._losses[key]:
                            self.broken_off.discard(key)
                        ended(key, news.answer)
                elif news.worker in self._free:
                    self._free.remove(news.worker)
                elif self._lost(key, news.why):
                    queue.appendleft(key)
                elif key is not None:
                    advice = "Ask for fewer workers, or look at the files of this job."
                    reason = f"Its worker was lost {TRIES} times, {news.why}. {advice}"
                    ended(key, Answer(kind=LOST, reason=reason))

    def _lost(self, key: str | None, why: str) -> bool:
        """Whether the job that a lost worker had is tried again."""
        self._losses[key] += 1
        again = self._losses[key] < TRIES
        if key is not None:
            if again:
                self._say(f"{key}: its worker is lost ({why}); it is tried again")
            return again
        if not again:  # perhaps the memory holds no more of them
            self._most = len(self._at_work)
            if not self._most:
                raise InputError(f"Workers end before they are ready: {why}. Ask for fewer of them.")
        return False
