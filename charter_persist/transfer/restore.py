"""Restore: a backup becomes a store again, with the same identity, entries and root; and the proof that it would.

The new store is made beside the target, filled, verified, and only then takes its place, so whatever goes wrong
before leaves the target as it was. Restoring appends nothing. The record of it is a file beside the store, because a
store that went back to an older state looks, by itself, like one that never was further.

Cost: one pass over the backup, one over the new store, in constant memory; room for a second store.

Imports ``integrity`` and what it stands on. Source: GOV-12, RELIABILITY P37, P38, 4.6-7.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from charter_persist.backends.contract import LedgerBackend
from charter_persist.commit import ledger_view
from charter_persist.errors import IntegrityError, InvalidInputError, NotFoundError
from charter_persist.files import write_file
from charter_persist.integrity.verify import verify
from charter_persist.journal.checkpoint import Checkpoint
from charter_persist.model.limits import DEFAULT_OPTIONS
from charter_persist.model.time import format_micros, to_micros
from charter_persist.transfer.manifest import Manifest, State, read_chain
from charter_persist.transfer.replay import replay
from charter_persist.unit_of_work import ReadView

Progress = Callable[[int, int], None]
"""Called now and then with what is done and what there is to do in all."""


class RestoreTarget(Protocol):
    """A place that a store can be restored to; `store.restore_target` makes one of a URL."""

    @property
    def record(self) -> Path | None:
        """The file beside the store that says what was restored; None where there is no such place."""
        ...

    def check(self) -> None:
        """Refuse a place that cannot be restored to, before any work is done."""
        ...

    def create(self, store_id: str) -> LedgerBackend:
        """Make an empty store of that identity, beside the place."""
        ...

    def swap(self) -> str | None:
        """Put the new store, which is closed, in place at once; returns where the old one is kept, if there was one."""
        ...

    def discard(self) -> None:
        """Remove the new store."""
        ...


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore did.

    Attributes:
        store_id: identity of the store, as before.
        state: the revision, size and root that the store went back to.
        objects: number of objects whose digest was recomputed.
        kept: where what was replaced is kept; None where nothing was.
    """

    store_id: str
    state: State
    objects: int
    kept: str | None

    def to_json(self) -> dict[str, Any]:
        """The facts as JSON."""
        return {
            "store_id": self.store_id,
            "revision": self.state.revision,
            "size": self.state.size,
            "root": self.state.root.hex(),
            "objects": self.objects,
            "kept": self.kept,
        }


def restore(
    folder: Path,
    target: RestoreTarget,
    *,
    revision: int | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    progress: Progress = lambda _done, _total: None,
) -> Restored:
    """Restore a backup, or a past revision of it, to a place.

    The place holds what it held before, or the whole store, verified and durable; nothing else, whenever it is
    interrupted. Stop the programs that use the store first, and open it anew afterwards.

    Args:
        folder: of the backup.
        target: the place.
        revision: to go back to, 0 to the newest of the backup, which is the default.
        clock: gives the time for the record.
        progress: called now and then with the entries done and the entries in all, each entry counted twice.

    Returns:
        What was done.

    Raises:
        NotFoundError: there is no backup in the folder, or no such revision in it.
        IntegrityError: the backup is damaged.
        CompactedError: values of that revision had been dropped before a backup had them.
        AlreadyExistsError: the place holds something that is not to be replaced.
        StoreBusyError: somebody uses the store that is to be replaced.
        BackendError: the place cannot be used or is full.

    Spec: GOV-12, P37, P38
    """
    target.check()
    chain = _needed(read_chain(folder), revision)
    try:
        made = _make(folder, chain, target, revision, progress)
        restored = Restored(made.store_id, made.state, made.objects, target.swap())
    except BaseException:
        target.discard()
        raise
    if target.record is not None:
        record = {
            "restored_at": format_micros(to_micros(clock())),
            "from": str(folder.absolute()),
            **restored.to_json(),
        }
        write_file(target.record, json.dumps(record, indent=2).encode() + b"\n")
    return restored


def verify_backup(folder: Path, scratch: RestoreTarget, *, progress: Progress = lambda _done, _total: None) -> Restored:
    """Read every byte of a backup, fill a scratch store with it and verify that; the store is removed again.

    What it accepts can be restored: file digests, leaves, the root behind each segment, and then every digest,
    commitment and tile were recomputed.

    Args:
        folder: of the backup.
        scratch: a place where nothing is.
        progress: as for `restore`.

    Raises:
        NotFoundError: there is no backup in the folder.
        IntegrityError: the backup is damaged.
        BackendError: the scratch place cannot be used or is full.

    Spec: P37
    """
    try:
        return _make(folder, read_chain(folder), scratch, None, progress)
    finally:
        scratch.discard()


def _needed(chain: tuple[Manifest, ...], revision: int | None) -> tuple[Manifest, ...]:
    """The segments up to the first one that reaches the revision."""
    newest = chain[-1].upto.revision
    if revision is None:
        return chain
    if type(revision) is not int or revision < 0:
        raise InvalidInputError(f"revision must be a number from 0 to {newest}, got {revision!r}")
    if revision > newest:
        raise NotFoundError(f"the backup ends with revision {newest}, there is no {revision} in it", revision=revision)
    count = next(number for number, manifest in enumerate(chain, 1) if manifest.upto.revision >= revision)
    return chain[:count]


def _make(
    folder: Path, chain: tuple[Manifest, ...], target: RestoreTarget, revision: int | None, progress: Progress
) -> Restored:
    """Make the new store, fill it and verify it."""
    last = chain[-1]
    total = last.upto.size
    backend = target.create(last.store_id)
    try:
        wanted = last.upto.revision if revision is None else revision
        state = replay(backend, folder, chain, wanted, lambda position: progress(position, 2 * total))
        objects = _verified(backend, state, lambda done, _total: progress(total + done, 2 * total))
    finally:
        backend.close()
    return Restored(last.store_id, state, objects, None)


def _verified(backend: LedgerBackend, state: State, progress: Progress) -> int:
    """Refuse a new store that is not sound, or not what the backup says; returns the number of its objects."""
    identity = backend.store_id()
    expected = Checkpoint(identity, state.size, state.root)
    report = verify(_Filled(backend), store_id=identity, checkpoint=expected, progress=progress)
    if report.findings:
        found = report.findings[0]
        raise IntegrityError(
            f"the backup is damaged: {found.subject}: {found.message} ({len(report.findings)} findings in all); "
            "use another copy of it",
            findings=report.findings,
        )
    return report.objects


class _Filled:
    """The new store, for verification."""

    def __init__(self, backend: LedgerBackend) -> None:
        self._backend = backend

    def read(self) -> ReadView:
        return ledger_view(self._backend.snapshot(), DEFAULT_OPTIONS)
