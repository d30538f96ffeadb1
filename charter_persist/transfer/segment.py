"""One segment of a backup: the rows of a stretch of the journal, written from a snapshot and read with every check.

Lines stand in order of position: the entry, then the value that it commits to; the operations of the stretch come
last. So a segment is a function of the content: equal stores give equal bytes on every backend.

Cost of writing: one pass over the stretch by position and one over all operations, in constant memory, two fsyncs.
Cost of reading: one pass over the file, a leaf hash and a node hash an entry.

Imports ``backends.contract``, ``journal``, ``files`` and ``errors``. Source: GOV-12, RELIABILITY P37.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from hashlib import sha256
from heapq import merge
from pathlib import Path
from typing import Any, Final, NamedTuple

from charter_persist.backends.contract import JOURNAL, OPERATION, JournalRow, OperationRow, Reader, Relation
from charter_persist.errors import IntegrityError
from charter_persist.files import file_faults, new_file
from charter_persist.journal.entry import leaf
from charter_persist.journal.tree import Tree
from charter_persist.transfer.manifest import Manifest, State, rows_path
from charter_persist.transfer.rows import LINE_BYTES_MAX, from_line, logs, to_line

PROGRESS_EVERY: Final = 4_096
Item = tuple[Relation[Any], Any]
"""A row and the relation that it is of."""


class Written(NamedTuple):
    """What was written into a file of rows.

    Attributes:
        counts: number of rows by relation.
        data_bytes: size of the file.
        sha256: its digest, 32 bytes.
    """

    counts: dict[str, int]
    data_bytes: int
    sha256: bytes


def write_rows(path: Path, reader: Reader, after: State, at: Callable[[int], None]) -> Written:
    """Write everything behind a state of the store; the file is there, whole and durable, or not at all.

    Args:
        path: of the file of rows.
        reader: one snapshot.
        after: where the segment before it ends.
        at: called now and then with the position that was reached.

    Raises:
        StorageFullError: there is no space left.
        UnavailableError: the file cannot be written.
        BackendError: the store cannot be read.
    """
    counts: Counter[str] = Counter()
    data_bytes = 0
    hashed = sha256()
    with new_file(path) as file:
        for relation, row in _items(reader, after):
            line = to_line(relation, row)
            file.write(line)
            hashed.update(line)
            counts[relation.name] += 1
            data_bytes += len(line)
            if relation is JOURNAL and row.position % PROGRESS_EVERY == 0:
                at(row.position)
    return Written(dict(counts), data_bytes, hashed.digest())


def _items(reader: Reader, after: State) -> Iterator[Item]:
    """The rows of a segment in their order."""
    scans = [_ranked(reader, relation, rank, after.size) for rank, relation in enumerate(logs())]
    for _position, _rank, item in merge(*scans):
        yield item
    for row in reader.scan(OPERATION, OPERATION.key):
        # Where an operation changed nothing no revision tells when it was, so each segment has all of those.
        if row.revision is None or row.revision > after.revision:
            yield OPERATION, row


def _ranked(reader: Reader, relation: Relation[Any], rank: int, after: int) -> Iterator[tuple[int, int, Item]]:
    for row in reader.scan(relation, ("position",), after=(after,)):
        yield row.position, rank, (relation, row)


def read_rows(folder: Path, manifest: Manifest, tree: Tree, at: Callable[[int], None]) -> Iterator[Item]:
    """Yield the rows of a segment; when it ends well, they are those that the manifest names and the root commits to.

    Values are compared with their commitments by `integrity.verify`, once they are in a store again.

    Args:
        folder: of the backup.
        manifest: of the segment.
        tree: over the entries of the segments before it; it grows by those of this one.
        at: called now and then with the position that was reached.

    Raises:
        IntegrityError: anything in the file is not what the manifest or the journal says.
        UnavailableError: the file cannot be read.
    """
    path = rows_path(folder, manifest.number)
    check = _Check(manifest, tree)
    with file_faults(path), path.open("rb") as file:
        while line := file.readline(LINE_BYTES_MAX):
            relation, row = check.line(line)
            if relation is JOURNAL and row.position % PROGRESS_EVERY == 0:
                at(row.position)
            yield relation, row
    check.end()


class _Check:
    """What was read so far of a segment."""

    def __init__(self, manifest: Manifest, tree: Tree) -> None:
        self._manifest = manifest
        self._tree = tree
        self._revision = manifest.after.revision
        self._counts: Counter[str] = Counter()
        self._data_bytes = 0
        self._hashed = sha256()

    def line(self, line: bytes) -> Item:
        """Check one line as far as it can be alone."""
        self._hashed.update(line)
        self._data_bytes += len(line)
        relation, row = from_line(line)
        self._counts[relation.name] += 1
        if relation is JOURNAL:
            self._entry(row)
        elif relation is OPERATION:
            self._operation(row)
        elif row.position != self._tree.size:
            raise self._damage(f"{relation.name}/{row.position} stands at another entry than its own")
        return relation, row

    def _entry(self, entry: JournalRow) -> None:
        if entry.position != self._tree.size + 1 or not self._revision <= entry.revision <= self._revision + 1:
            raise self._damage(f"the entry at position {entry.position} is out of order")
        if leaf(entry) != entry.leaf:
            raise self._damage(f"the entry at position {entry.position} was changed after it was recorded")
        self._revision = entry.revision
        self._tree.append(entry.leaf)

    def _operation(self, row: OperationRow) -> None:
        if row.revision is not None and not self._manifest.after.revision < row.revision <= self._revision:
            raise self._damage(f"the operation {row.operation_id} is of another segment")

    def end(self) -> None:
        """Check the whole."""
        manifest = self._manifest
        read = (dict(self._counts), self._data_bytes, self._hashed.digest())
        if read != (manifest.counts, manifest.data_bytes, manifest.data_sha256):
            raise self._damage("its rows are not those that were written")
        if State(self._revision, self._tree.size, self._tree.root()) != manifest.upto:
            raise self._damage("its entries do not lead to the root of its manifest")

    def _damage(self, what: str) -> IntegrityError:
        number = self._manifest.number
        return IntegrityError(f"segment {number} of the backup is damaged: {what}", number=number)
