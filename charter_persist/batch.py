"""Units of work that were queued while a commit was in flight share the next commit.

There is no timer: the first caller commits for itself at once; whoever comes while it does so waits, and the first of
them carries all that queued into one commit. With batching off each unit has a commit of its own and every result is
the same (STO-5).

A unit that fails before it wrote anything into the shared transaction costs the others nothing. One that fails later,
or a write that is refused, spoils the transaction: then it is rolled back and each unit runs again by itself. So no
savepoints are needed; see docs/decisions/0004-batches-without-savepoints.md.

Source: DESIGN 3 and 5.
"""

from __future__ import annotations

import contextvars
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from charter_persist.backends.contract import OPERATION
from charter_persist.errors import CharterError, CommitUnknownError, StoreBusyError
from charter_persist.model.canonical import canonical_bytes, load_canonical
from charter_persist.model.text import check_text
from charter_persist.unit_of_work import Commit, Outcome, UnitOfWork, operation_receipt, operation_row

UNITS_MAX: Final = 256


def _locked() -> threading.Lock:
    lock = threading.Lock()
    lock.acquire()
    return lock


@dataclass(eq=False)
class Job:
    """One call of `run`.

    Attributes:
        fn: what to run; its only argument is the unit of work.
        operation_id: the caller's, or None.
        identity: the caller's operation id, or one made for this call.
        context: the context variables of the caller.
        outcome, error: one of them is there at the end.
        leads: True when its caller has to carry the next commit.
        signal: released when the job has ended or leads.
    """

    fn: Callable[[UnitOfWork], Any]
    operation_id: str | None
    identity: str
    context: contextvars.Context
    outcome: Outcome[Any] | None = None
    error: BaseException | None = None
    leads: bool = False
    signal: threading.Lock = field(default_factory=_locked)

    @classmethod
    def of(cls, fn: Callable[[UnitOfWork], Any], operation_id: str | None) -> Job:
        """A new job of the calling thread.

        Raises:
            InvalidKeyError: the operation id is not a valid identifier.
        """
        identity = uuid.uuid4().hex if operation_id is None else check_text(operation_id, field="operation_id")
        return cls(fn, operation_id, identity, contextvars.copy_context())

    def result(self) -> Outcome[Any]:
        """The outcome, or the error raised."""
        if self.error is not None:
            raise self.error
        if self.outcome is None:
            raise StoreBusyError("the unit of work was not run; try again")
        return self.outcome


class Spoiled(Exception):  # noqa: N818  # never leaves this module
    """The shared transaction can only be rolled back."""


class Batches:
    """Runs jobs, several in one commit where they queued.

    Args:
        open_commit: takes the writer lock and begins.
        timeout_s: time limit of each unit.
        batching: False gives each job a commit of its own.
    """

    def __init__(self, open_commit: Callable[[], Commit], timeout_s: float, *, batching: bool) -> None:
        self._open_commit = open_commit
        self._timeout_s = timeout_s
        self._most = UNITS_MAX if batching else 1
        self._mutex = threading.Lock()
        self._queue: list[Job] = []
        self._busy = False
        self._settled: list[str] = []  # ids made for calls whose outcome was handed out: their rows can go

    def run(self, job: Job) -> Outcome[Any]:
        """Run a job and return its outcome; waits its turn."""
        with self._mutex:
            self._queue.append(job)
            leads = not self._busy
            self._busy = True
        if not leads:
            self._wait(job)
            if not job.leads:
                return job.result()
        self._lead(job)
        return job.result()

    def _wait(self, job: Job) -> None:
        """Wait until a job has ended or leads; a job that nobody took up in time is withdrawn.

        Raises:
            StoreBusyError: the time limit passed before the job was begun.
        """
        try:
            if job.signal.acquire(timeout=self._timeout_s):
                return
            with self._mutex:
                if job in self._queue and not job.leads:
                    self._queue.remove(job)
                    raise StoreBusyError
            job.signal.acquire()  # it has begun, and ends within its own time limit
        except BaseException:
            with self._mutex:
                if job in self._queue:
                    self._queue.remove(job)
                    if job.leads:
                        self._promote()
            raise

    def _lead(self, own: Job) -> None:
        with self._mutex:
            jobs, self._queue = self._queue[: self._most], self._queue[self._most :]
        try:
            self._execute(jobs)
        finally:
            with self._mutex:
                self._promote()
            for job in jobs:
                if job is not own:
                    job.signal.release()

    def _promote(self) -> None:
        """Let the first job in the queue lead; called with the mutex held."""
        self._busy = bool(self._queue)
        if self._queue:
            self._queue[0].leads = True
            self._queue[0].signal.release()

    def _execute(self, jobs: list[Job]) -> None:
        """Run jobs in one commit; one by one where that fails for a reason that may be another's."""
        try:
            self._commit_together(jobs)
        except Spoiled as exc:
            if len(jobs) == 1:
                jobs[0].error = jobs[0].error or exc.__cause__
                return
            for job in jobs:
                if job.error is None:
                    self._execute([job])
        except Exception as exc:
            for job in jobs:
                job.error = job.error or exc

    def _commit_together(self, jobs: list[Job]) -> None:
        commit = self._open_commit()
        outcomes: list[tuple[Job, Outcome[Any]]] = []
        try:
            for job in jobs:
                outcome = self._run_unit(commit, job)
                if outcome is not None:
                    outcomes.append((job, outcome))
            final = commit.unit(self._timeout_s)
            if outcomes:
                self._drop_settled(final)
        except BaseException:
            commit.abort()
            raise
        try:
            commit.commit(final)
        except CommitUnknownError as exc:
            for job, _ in outcomes:
                job.error = CommitUnknownError(operation_id=job.identity)
                job.error.__cause__ = exc
            return
        except CharterError as exc:
            raise Spoiled from exc
        for job, outcome in outcomes:
            job.outcome = outcome
            if job.operation_id is None and outcome.receipt is not None:
                self._settled.append(job.identity)

    def _run_unit(self, commit: Commit, job: Job) -> Outcome[Any] | None:
        """Run one job inside the commit; None where it failed without a trace."""
        if job.operation_id is not None:
            kept = commit.transaction.get(OPERATION, (job.identity,))
            if kept is not None:
                return Outcome(load_canonical(kept.value), operation_receipt(kept), repeated=True)
        unit = commit.unit(self._timeout_s)
        context = unit._context
        try:
            value = job.context.copy().run(job.fn, unit)
            kept_value = None if job.operation_id is None else value
            data = canonical_bytes(kept_value, options=context.options, limit="operation_value_bytes_max")
            receipt = commit.close(unit)
        except Exception as exc:
            job.error = exc
            context.end()
            if context.write.written or context.journal.settled:
                raise Spoiled from exc
            return None
        context.ended = True
        unit._receipt = receipt
        if receipt is not None or job.operation_id is not None:
            context.write.put(OPERATION, operation_row(job.identity, data, receipt, context.now))
        try:
            commit.apply(unit)
        except CharterError as exc:
            raise Spoiled from exc
        return Outcome(value, receipt)

    def _drop_settled(self, unit: UnitOfWork) -> None:
        settled, self._settled = self._settled, []
        for identity in settled:
            unit._context.write.delete(OPERATION, (identity,))
