"""The tables of present values against the logs that they follow from.

Cost: one read of each table and of the logs of keys and intents, and for each session its newest row in the log. Imports ``repositories``,
``backends.contract`` and ``model``. Source: RELIABILITY P23.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from charter_persist.backends.contract import (
    KV_CHANGE,
    KV_ENTRY,
    KV_LEASE,
    REF,
    SESSION,
    SESSION_CANDIDATE,
    SESSION_LOG,
    SESSION_STANCE,
    IntentChangeRow,
    Key,
    KvChangeRow,
    Reader,
    RefLogRow,
    RefRow,
    Relation,
)
from charter_persist.errors import CorruptStoreError
from charter_persist.integrity.collected import Findings
from charter_persist.integrity.journal_pass import UNREADABLE
from charter_persist.integrity.reading import rows_by_key
from charter_persist.repositories.compaction import BY_KEY, is_record
from charter_persist.repositories.intent_change import BY_SUBJECT, PARTS
from charter_persist.repositories.kv_change import entry_row
from charter_persist.repositories.sessions import projection_of

_OF_SESSIONS: Final[tuple[Relation[Any], ...]] = (SESSION, SESSION_CANDIDATE, SESSION_STANCE)
_CODE: Final = "PROJECTION_MISMATCH"
_UNKNOWN: Final = object()


def check_refs(reader: Reader, logged: Mapping[str, RefLogRow], findings: Findings) -> None:
    """Compare the table of refs with the newest change of each.

    Args:
        reader: of the snapshot.
        logged: the newest change of each ref, deletions included.
        findings: takes what differs.
    """
    waiting = {name: row for name, row in logged.items() if row.digest is not None}
    for ref in rows_by_key(reader, REF, findings):
        row = waiting.pop(ref.name, None)
        if row is None or row.digest is None or ref != _ref_row(row):
            findings.add(_CODE, f"ref/{ref.name}", "the ref does not follow from its log")
    for name in waiting:
        findings.add(_CODE, f"ref/{name}", "the ref is in its log and not in the table")


def _ref_row(row: RefLogRow) -> RefRow:
    return RefRow(row.name, row.digest or b"", row.version, row.revision, row.position)


def check_sessions(reader: Reader, newest: Mapping[str, tuple[int, int]], findings: Findings) -> None:
    """Compare the tables of sessions with the newest row of each in the log.

    Args:
        reader: of the snapshot.
        newest: position and version of the newest row of each session.
        findings: takes what differs.
    """
    for name, (position, _) in newest.items():
        _check_session(reader, name, position, findings)
    for relation in _OF_SESSIONS:
        for row in rows_by_key(reader, relation, findings):
            if row[0] not in newest:
                findings.add(_CODE, _subject(relation, relation.key_of(row)), "the row belongs to no session")


def _check_session(reader: Reader, name: str, position: int, findings: Findings) -> None:
    """The rows of one session's present state must follow from its newest row in the log."""
    try:
        logged = reader.get(SESSION_LOG, (position,))
        expected = {} if logged is None else projection_of(logged)
    except UNREADABLE:
        return  # the row of the log was reported already
    for relation in _OF_SESSIONS:
        wanted = {key: row for (of, key), row in expected.items() if of is relation}
        try:
            found = {relation.key_of(row): row for row in _rows_of(reader, relation, name)}
        except CorruptStoreError:
            findings.add(_CODE, f"{relation.name}/{name}", "the rows of the session cannot be read")
            continue
        for key in wanted.keys() | found.keys():
            if wanted.get(key) != found.get(key):
                findings.add(_CODE, _subject(relation, key), "the row does not follow from the log")


def check_keys(reader: Reader, findings: Findings) -> None:
    """Compare the table of keys with the newest change of each, and the versions of each key with each other.

    Both are read in the order of their keys, so memory is constant.

    Args:
        reader: of the snapshot.
        findings: takes what differs.
    """
    newest = _newest_changes(reader, findings)
    _compare(reader, KV_ENTRY, ((row.key, entry_row(row)) for row in newest), findings)
    _check_attached(reader, findings)


def check_intents(reader: Reader, findings: Findings) -> None:
    """Compare the tables of intents and edges with the newest change of each, and their versions with each other.

    Args:
        reader: of the snapshot.
        findings: takes what differs.
    """
    for part in PARTS:
        _compare(reader, part.table, _expected(_newest_of_log(reader, part.log, findings), part.row_of), findings)


def _newest_of_log(reader: Reader, log: Relation[IntentChangeRow], findings: Findings) -> Iterator[IntentChangeRow]:
    """The newest change of each subject, by subject; versions go on counting after a deletion."""
    before: IntentChangeRow | None = None
    for row in rows_by_key(reader, log, findings, BY_SUBJECT):
        same = before is not None and before.subject == row.subject
        if before is not None and not same:
            yield before
        version = before.version if before is not None and same else 0
        if row.version != version + 1:
            findings.add(
                "VERSION_GAP", f"{log.name}/{row.position}", f"version {row.version} follows version {version}"
            )
        before = row
    if before is not None:
        yield before


def _expected(newest: Iterator[IntentChangeRow], row_of: Callable[[IntentChangeRow], Any]) -> Iterator[tuple[str, Any]]:
    for change in newest:
        try:
            yield change.subject, row_of(change)
        except UNREADABLE:
            yield change.subject, _UNKNOWN  # the row of the log was reported already


def _compare(reader: Reader, relation: Relation[Any], expected: Iterator[tuple[str, Any]], findings: Findings) -> None:
    """Compare a table with what follows from its log, both in the order of their keys, so memory is constant.

    Args:
        reader: of the snapshot.
        relation: a table whose key is one text.
        expected: key and row of each subject; None where it must be absent, `_UNKNOWN` where nobody can tell.
        findings: takes what differs.
    """
    rows = rows_by_key(reader, relation, findings)
    row = next(rows, None)

    def differs(key: str) -> None:
        findings.add(_CODE, f"{relation.name}/{key}", "the row does not follow from the log")

    for key, wanted in expected:
        while row is not None and row[0] < key:
            differs(row[0])
            row = next(rows, None)
        found = None
        if row is not None and row[0] == key:
            found, row = row, next(rows, None)
        if wanted is not _UNKNOWN and found != wanted:
            differs(key)
    while row is not None:
        differs(row[0])
        row = next(rows, None)


def _check_attached(reader: Reader, findings: Findings) -> None:
    """Compare the keys of each lease with what the keys themselves say; few keys have one, so their rows are kept."""
    attached = {(row.lease, row.key) for row in rows_by_key(reader, KV_LEASE, findings)}
    wanted = {(row.lease, row.key) for row in rows_by_key(reader, KV_ENTRY, findings) if row.lease is not None}
    for lease, key in sorted(attached ^ wanted):
        findings.add(_CODE, f"kv_lease/{lease}/{key}", "the row does not follow from the entry of the key")


def _newest_changes(reader: Reader, findings: Findings) -> Iterator[KvChangeRow]:
    """The newest change of each key, by key; what is kept of a key's history has no gap."""
    before: KvChangeRow | None = None
    for row in rows_by_key(reader, KV_CHANGE, findings, BY_KEY):
        if is_record(KV_CHANGE, row.key):
            continue
        if before is not None and before.key != row.key:
            yield before
        elif before is not None and row.version not in (0, before.version + 1):
            findings.add(
                "VERSION_GAP", f"kv_change/{row.position}", f"version {row.version} follows version {before.version}"
            )
        before = row
    if before is not None:
        yield before


def _rows_of(reader: Reader, relation: Relation[Any], name: str) -> Iterator[Any]:
    if relation is SESSION:
        row = reader.get(relation, (name,))
        return iter(() if row is None else (row,))
    return reader.scan(relation, relation.key, prefix=(name,))


def _subject(relation: Relation[Any], key: Key) -> str:
    return f"{relation.name}/{'/'.join(map(str, key))}"
