"""Units of work that were queued while a commit was in flight share the next commit.

There is no timer: the first caller commits for itself at once; whoever comes while it does so waits, and the first of
them carries all that queued into one commit. With batching off each unit has a commit of its own and every result is
the same (STO-5).

The rows of all units gather in one write set between them and the transaction, so they are written together. A unit
that raises is left out of it. One that fails after rows were passed on, or a write that is refused, spoils the
transaction: then it is rolled back and each unit runs again by itself. So no savepoints are needed; see
docs/decisions/0004-batches-without-savepoints.md.

Source: DESIGN 3 and 5.
"""

from __future__ import annotations

import contextvars
import re
import threading
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from charter_persist.backends.contract import OPERATION, OperationRow, Reader
from charter_persist.commit import Commit, JournalReceipt, operation_receipt, operation_row
from charter_persist.errors import CharterError, CommitUnknownError, StoreBusyError
from charter_persist.journal.ledger import JournalReader
from charter_persist.model.canonical import canonical_bytes, load_canonical
from charter_persist.model.text import check_text
from charter_persist.repositories.base import WriteContext
from charter_persist.repositories.write_set import WriteSet
from charter_persist.unit_of_work import Outcome, UnitOfWork

UNITS_MAX: Final = 256
_UNNAMED: Final = re.compile(r"[0-9a-f]{32}\.[0-9]{1,4}")


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
        identity: by which `resolve` finds it: the caller's operation id, or one given when it ran.
        context: the context variables of the caller.
        outcome, error: one of them is there at the end.
        signal: released when the job has ended or leads.
    """

    fn: Callable[[UnitOfWork], Any]
    operation_id: str | None
    identity: str
    context: contextvars.Context
    outcome: Outcome[Any] | None = None
    error: BaseException | None = None
    signal: threading.Lock = field(default_factory=_locked)

    @classmethod
    def of(cls, fn: Callable[[UnitOfWork], Any], operation_id: str | None) -> Job:
        """A new job of the calling thread.

        Raises:
            InvalidKeyError: the operation id is not a valid identifier.
        """
        identity = "" if operation_id is None else check_text(operation_id, field="operation_id")
        return cls(fn, operation_id, identity, contextvars.copy_context())

    def result(self) -> Outcome[Any]:
        """The outcome, or the error raised."""
        if self.error is not None:
            raise self.error
        if self.outcome is None:
            raise StoreBusyError("the unit of work was not run; try again")
        return self.outcome


class Unnamed:
    """The units of one commit that have no operation id of their own.

    They share the fate of the commit, so one row tells what became of all of them; each is known by the id of the
    commit and its number.
    """

    def __init__(self) -> None:
        self.commit_id = uuid.uuid4().hex
        self.receipts: list[JournalReceipt] = []
        self._now = 0

    def add(self, receipt: JournalReceipt, now: int) -> str:
        """Take a unit in and return its operation id."""
        self.receipts.append(receipt)
        self._now = now
        return f"{self.commit_id}.{len(self.receipts) - 1}"

    def row(self) -> OperationRow:
        """The one row: for each unit its revision, first position and size."""
        units = [[receipt.revision, receipt.first_position, receipt.size] for receipt in self.receipts]
        return operation_row(self.commit_id, canonical_bytes(units), None, self._now)


def find_operation(reader: Reader, operation_id: str) -> Outcome[Any] | None:
    """What became of a unit with or without an id of its caller; None where it was not committed.

    Args:
        reader: a snapshot.
        operation_id: that of `run`, or of a `CommitUnknownError`.
    """
    row = reader.get(OPERATION, (operation_id,))
    if row is not None:
        return Outcome(load_canonical(row.value), operation_receipt(row), repeated=True)
    commit_id, _, number = operation_id.rpartition(".")
    shared = reader.get(OPERATION, (commit_id,)) if _UNNAMED.fullmatch(operation_id) else None
    if shared is None:
        return None
    journal, units = JournalReader(reader), load_canonical(shared.value)
    revision, first_position, size = units[int(number)] if int(number) < len(units) else (0, 0, 0)
    if not 0 < size <= journal.size():  # there is no such unit, or a restore went back behind it
        return None
    root = journal.root(size)
    return Outcome(None, JournalReceipt(revision, first_position, size, (root,)), repeated=True)


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
        self._queue: deque[Job] = deque()
        self._leader: Job | None = None  # whose caller carries the commit of now, or has to carry the next one
        self._settled: list[str] = []  # ids of commits whose outcomes were handed out: their rows can go

    def run(self, job: Job) -> Outcome[Any]:
        """Run a job and return its outcome; waits its turn."""
        try:
            with self._mutex:
                self._queue.append(job)
                if self._leader is None:
                    self._leader = job
            if self._leader is job or self._wait(job):
                self._lead(job)
        except BaseException:
            self._withdraw(job)
            raise
        return job.result()

    def _wait(self, job: Job) -> bool:
        """Wait until a job leads or has ended; whether it leads.

        Raises:
            StoreBusyError: the time limit passed before the job was begun.
        """
        if not job.signal.acquire(timeout=self._timeout_s):
            with self._mutex:
                if job in self._queue and job is not self._leader:
                    self._queue.remove(job)
                    raise StoreBusyError
            job.signal.acquire()  # it has begun, and ends within its own time limit
        return self._leader is job

    def _withdraw(self, job: Job) -> None:
        """Take a job back that nobody took up, and hand the lead on where it had that."""
        with self._mutex:
            if job in self._queue:
                self._queue.remove(job)
            if self._leader is job:
                self._promote()

    def _lead(self, own: Job) -> None:
        taken: list[Job] = []
        try:
            with self._mutex:
                taken.append(self._queue.popleft())
            self._execute(self._arriving(taken), taken)
        finally:
            with self._mutex:
                self._promote()
            for job in taken:
                if job is not own:
                    job.signal.release()

    def _arriving(self, taken: list[Job]) -> Iterator[Job]:
        """Give the first job, then those of the queue, even if they came while others ran; ``taken`` grows by them."""
        yield taken[0]
        while len(taken) < self._most:
            with self._mutex:
                if not self._queue:
                    return
                taken.append(self._queue.popleft())
            yield taken[-1]

    def _promote(self) -> None:
        """Let the first job in the queue lead; called with the mutex held."""
        self._leader = self._queue[0] if self._queue else None
        if self._leader is not None:
            self._leader.signal.release()

    def _execute(self, jobs: Iterable[Job], taken: list[Job]) -> None:
        """Run jobs in one commit; one by one where that fails for a reason that may be another's."""
        try:
            self._commit_together(jobs)
        except Spoiled as exc:
            if len(taken) == 1:
                taken[0].error = taken[0].error or exc.__cause__
                return
            for job in taken:
                if job.error is None:
                    self._execute([job], [job])
        except Exception as exc:
            for job in taken:
                job.error = job.error or exc

    def _commit_together(self, jobs: Iterable[Job]) -> None:
        commit = self._open_commit()
        gathered = WriteSet(commit.transaction)
        outcomes: list[tuple[Job, Outcome[Any]]] = []
        unnamed = Unnamed()
        try:
            for job in jobs:
                outcome = self._run_unit(commit, gathered, job, unnamed)
                if outcome is not None:
                    outcomes.append((job, outcome))
            if unnamed.receipts:
                gathered.put(OPERATION, unnamed.row())
            if outcomes:
                self._drop_settled(gathered)
        except BaseException:
            commit.abort()
            raise
        try:
            commit.commit(gathered)
            for job, outcome in outcomes:
                job.outcome = outcome
        except CommitUnknownError as exc:
            _leave_unknown(outcomes, exc)
            return
        except CharterError as exc:
            raise Spoiled from exc
        except BaseException as exc:  # the leader is interrupted; the others are not, and must not run again
            _leave_unknown(outcomes, exc)
            raise
        if unnamed.receipts:
            self._settled.append(unnamed.commit_id)

    def _run_unit(self, commit: Commit, gathered: WriteSet, job: Job, unnamed: Unnamed) -> Outcome[Any] | None:
        """Run one job over what the others changed; None where it failed without a trace."""
        if job.operation_id is not None:
            kept = gathered.get(OPERATION, (job.identity,))
            if kept is not None:
                return Outcome(load_canonical(kept.value), operation_receipt(kept), repeated=True)
        unit = commit.unit(self._timeout_s, gathered)
        context = unit._context
        try:
            value = job.context.copy().run(job.fn, unit)
            data = b"" if job.operation_id is None else _kept_value(value, context)
            receipt = commit.close(unit)
        except BaseException as exc:
            context.end()
            if isinstance(exc, KeyboardInterrupt):
                raise  # it came to the thread that carries the commit, whichever unit that was at
            job.error = exc
            if context.write.written or context.journal.settled:
                raise Spoiled from exc
            return None
        context.ended = True
        unit._receipt = receipt
        if job.operation_id is not None:
            context.write.put(OPERATION, operation_row(job.identity, data, receipt, context.now))
        elif receipt is not None:
            job.identity = unnamed.add(receipt, context.now)
        try:
            gathered.absorb(context.write)
        except CharterError as exc:
            raise Spoiled from exc
        return Outcome(value, receipt)

    def _drop_settled(self, write: WriteSet) -> None:
        settled, self._settled = self._settled, []
        for identity in settled:
            write.delete(OPERATION, (identity,))


def _leave_unknown(outcomes: Iterable[tuple[Job, Outcome[Any]]], reason: BaseException) -> None:
    """Tell each job that was in a commit, and was not told of it, that it may or may not be there."""
    for job, _ in outcomes:
        if job.outcome is None:
            job.error = CommitUnknownError(operation_id=job.identity or None)
            job.error.__cause__ = reason


def _kept_value(value: Any, context: WriteContext) -> bytes:
    """The canonical JSON of a value that a repeat will return.

    Raises:
        NotCanonicalError: it has no canonical form.
        LimitExceededError: it is larger than ``operation_value_bytes_max``.
    """
    return canonical_bytes(value, options=context.options, limit="operation_value_bytes_max")
