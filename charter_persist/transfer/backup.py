"""Backup: the rows of a store behind the newest segment of a folder, from one snapshot, while writers go on.

A segment is read back from its file before its manifest is written: every byte, every leaf and the root. What values
hold is verified by `restore.verify_backup`.

Cost: one pass over the stretch in the store and one over its file, in constant memory; two files, four fsyncs.

Imports ``unit_of_work`` and what it stands on, ``files`` and ``errors``.

Source: GOV-12, RELIABILITY P14, P37, P38.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from charter_persist.errors import AlreadyExistsError, ConflictError, IntegrityError
from charter_persist.files import UNFINISHED, file_faults, folder_lock, write_file
from charter_persist.journal.ledger import StoredNodes
from charter_persist.journal.tree import Tree
from charter_persist.model.time import format_micros, to_micros
from charter_persist.transfer.manifest import EMPTY, Manifest, State, manifest_path, read_chain, rows_path
from charter_persist.transfer.segment import read_rows, write_rows
from charter_persist.unit_of_work import ReadView, Views

Progress = Callable[[int, int], None]
"""Called now and then with what is done and what there is to do in all."""


@dataclass(frozen=True, slots=True)
class Backup:
    """What a backup did.

    Attributes:
        manifest: of the newest segment.
        is_new: False where nothing was recorded since the segment before, so none was written.
    """

    manifest: Manifest
    is_new: bool


def backup(
    units: Views,
    folder: Path,
    *,
    store_id: str,
    incremental: bool = False,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    progress: Progress = lambda _done, _total: None,
) -> Backup:
    """Add a segment to a backup; it shows exactly one revision of the store, however many writers there are.

    The segment is there, durable and read back, when this returns; where it raises or is killed, the folder holds
    the backup that it held before.

    Args:
        units: the store.
        folder: of the backup; made where it is absent.
        store_id: identity of the store.
        incremental: continue the backup in the folder; where there is none, begin one.
        clock: gives the time for the manifest.
        progress: called now and then with the entries done and the entries in all, each entry counted twice.

    Returns:
        What was done.

    Raises:
        AlreadyExistsError: the folder holds something, and ``incremental`` is not set.
        ConflictError: the backup in the folder is of another store, or of another history of it.
        IntegrityError: the backup in the folder, the journal of the store or what was written is damaged.
        StoreBusyError: another backup writes into the folder.
        StorageFullError: there is no space left.
        UnavailableError: the folder cannot be used.

    Spec: GOV-12, P14, P37, P38
    """
    with file_faults(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with folder_lock(folder):
        before = _newest(folder, incremental=incremental)
        with units.read() as view:
            if before is not None:
                _refuse_other_history(view, store_id, before)
                if view.journal.size() == before.upto.size:
                    return Backup(before, is_new=False)
            manifest = _write_rows(view, folder, store_id, before, clock(), progress)
            tree = Tree.load(manifest.after.size, StoredNodes(view.reader))
        _read_back(folder, manifest, tree, progress)
        write_file(manifest_path(folder, manifest.number), manifest.text())
        return Backup(manifest, is_new=True)


def _newest(folder: Path, *, incremental: bool) -> Manifest | None:
    """The segment to continue; None where the folder holds no backup."""
    first = {rows_path(folder, 1).name, manifest_path(folder, 1).name}
    leftovers = {rows_path(folder, 1).name, *(name + UNFINISHED for name in first)}
    with file_faults(folder):
        names = {path.name for path in folder.iterdir()}
    if names <= leftovers:  # of a first backup that was killed
        return None
    if not incremental:
        raise AlreadyExistsError(f"{folder} is not empty; continue its backup (incremental) or name a new folder")
    return read_chain(folder)[-1]


def _refuse_other_history(view: ReadView, store_id: str, before: Manifest) -> None:
    """The store must continue what the backup holds."""
    if store_id != before.store_id:
        raise ConflictError(f"the backup is of store {before.store_id}, this is {store_id}; name another folder")
    size = before.upto.size
    if view.journal.size() < size or view.journal.root(size) != before.upto.root:
        raise ConflictError(
            f"the store does not continue the {size} entries of the backup: it was restored or rewritten since; "
            "name a new folder",
            size=size,
        )


def _write_rows(
    view: ReadView, folder: Path, store_id: str, before: Manifest | None, made_at: datetime, progress: Progress
) -> Manifest:
    after = before.upto if before else EMPTY
    number = before.number + 1 if before else 1
    upto = State(view.revision, view.journal.size(), view.journal.root())
    total = 2 * (upto.size - after.size)
    path = rows_path(folder, number)
    written = write_rows(path, view.reader, after, lambda position: progress(position - after.size, total))
    return Manifest(
        number=number,
        store_id=store_id,
        made_at=format_micros(to_micros(made_at)),
        made_by=f"charter-persist {version('charter-persist')}",
        previous=before.digest() if before else None,
        after=after,
        upto=upto,
        counts=written.counts,
        data_bytes=written.data_bytes,
        data_sha256=written.sha256,
    )


def _read_back(folder: Path, manifest: Manifest, tree: Tree, progress: Progress) -> None:
    """Read what was written as a restore will; a store whose journal is damaged has no backup."""
    done = manifest.upto.size - 2 * manifest.after.size  # the entries written, less those before the segment
    total = 2 * (manifest.upto.size - manifest.after.size)
    try:
        for _ in read_rows(folder, manifest, tree, lambda position: progress(done + position, total)):
            tree.take_tiles()
    except IntegrityError as exc:
        raise IntegrityError(f"no backup was made, run `charter verify`: {exc.message}") from exc
