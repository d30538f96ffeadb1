"""Migration from files of another program: a content-addressed folder, or a backup of an intent graph, into a store.

Everything is read and checked before the unit begins; the unit takes it in a fixed order, intents, edges, then what is
archived, each by its identity. So the same files and the same store give the same report and the same graph, and a
second run changes nothing. A dry run is the same unit, rolled back.

Imports ``unit_of_work`` and what it stands on, and ``errors``. Source: CCOS-6, NEIGHBOURS 3.2, 3.4.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from charter_persist.errors import (
    AlreadyExistsError,
    CycleError,
    DanglingReferenceError,
    InvalidInputError,
    NotSupportedError,
)
from charter_persist.model.intent import Edge, StorableIntent
from charter_persist.transfer.intent_backup import IntentBackup, read_backup
from charter_persist.transfer.intent_folder import INDEX, FoundEntity, read_folder
from charter_persist.unit_of_work import Receipt, UnitOfWork, Units

TIMEOUT_S: Final = 600.0
_REFUSALS: Final = (AlreadyExistsError, CycleError, DanglingReferenceError, InvalidInputError, NotSupportedError)
# What an entity is, by the field that only it has; the first one counts, for an action names its plan and its intent.
_ARCHIVED: Final = {"checkpoint_id": "checkpoint", "action_id": "action", "plan_id": "plan"}
_ORDER: Final = ("intent", "edge")


class Outcome(StrEnum):
    """What became of an entity."""

    IMPORTED = "imported"
    PRESENT = "present"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Migrated:
    """What became of one entity.

    Attributes:
        kind: ``intent``, ``edge``, ``plan``, ``action`` or ``checkpoint``; ``unknown`` where nobody could tell.
        identity: id of an intent, text of the key of an edge, name in the index of what is archived.
        outcome: what became of it.
        reason: why it was refused; None where it was not.
        source_hash: its name in the index; None where it comes from a backup.
        scheme: ``rfc8785`` or ``serde_json``: how its name follows from its content; None as above, or where it does not.
        content_hash: by ``rfc8785``; None where it comes from a backup or could not be read.
    """

    kind: str
    identity: str
    outcome: Outcome
    reason: str | None
    source_hash: str | None
    scheme: str | None
    content_hash: str | None

    def to_json(self) -> dict[str, str | None]:
        """All fields."""
        return {
            "content_hash": self.content_hash,
            "identity": self.identity,
            "kind": self.kind,
            "outcome": str(self.outcome),
            "reason": self.reason,
            "scheme": self.scheme,
            "source_hash": self.source_hash,
        }


@dataclass(frozen=True, slots=True)
class MigrationReport:
    """What a migration did, or would do.

    Attributes:
        items: every entity, in the order in which they were taken.
        dry_run: whether nothing was written.
        receipt: of the unit; None where nothing was written.
    """

    items: tuple[Migrated, ...]
    dry_run: bool
    receipt: Receipt | None

    def count(self, outcome: Outcome) -> int:
        """How many entities had that outcome."""
        return sum(item.outcome is outcome for item in self.items)

    def to_json(self) -> dict[str, Any]:
        """Counts and items."""
        counts = {str(outcome): self.count(outcome) for outcome in Outcome}
        return {"dry_run": self.dry_run, **counts, "items": [item.to_json() for item in self.items]}


@dataclass(frozen=True, slots=True)
class _Candidate:
    """An entity that was read; ``value`` is None where it was refused already."""

    kind: str
    identity: str
    value: StorableIntent | Edge | Mapping[str, Any] | None
    reason: str | None = None
    found: FoundEntity | None = None

    @property
    def source(self) -> str:
        """Its name in the index; empty where it comes from a backup."""
        return "" if self.found is None else self.found.name

    @property
    def order(self) -> tuple[int, str, str, str]:
        """When it is taken."""
        place = _ORDER.index(self.kind) if self.kind in _ORDER else len(_ORDER)
        return place, self.kind, self.identity, self.source


class _UndoneError(Exception):
    """Rolls a dry run back."""


def migrate_from_file(
    store: Units,
    path: Path,
    *,
    dry_run: bool = False,
    timeout_s: float = TIMEOUT_S,
) -> MigrationReport:
    """Bring the entities of a folder or of a backup into a store, all in one unit; a second run changes nothing.

    Intents and edges go into the graph, beside what is there: nothing is replaced. Plans, actions and checkpoints go
    into their archives. Of several versions of an intent the one that was updated last counts. What is refused does not
    keep the rest from being taken.

    Args:
        store: to be changed; the writer lock is taken for a dry run too.
        path: a folder with an ``index.json``, that file, or a backup of intents of version 1.0 or 1.1.
        dry_run: write nothing, and report what would be done.
        timeout_s: how long the unit may take.

    Returns:
        The report.

    Raises:
        InvalidInputError: the index or the backup is not one; the message names the field.
        NotCanonicalError: it is no JSON that has one meaning.
        LimitExceededError: it is too large.
        UnavailableError: it cannot be read.
        BackendError: the store cannot be written; nothing was.

    Spec: CCOS-6
    """
    candidates = sorted(_candidates(path), key=lambda candidate: candidate.order)
    try:
        with store.begin(timeout_s=timeout_s) as uow:
            items = tuple([_take(uow, candidate) for candidate in candidates])
            if dry_run:
                raise _UndoneError
    except _UndoneError:
        return MigrationReport(items, dry_run=True, receipt=None)
    return MigrationReport(items, dry_run=False, receipt=uow.receipt)


def _candidates(path: Path) -> Iterator[_Candidate]:
    if path.is_dir():
        return _newest_only(map(_of_folder, read_folder(path)))
    if path.name == INDEX:
        return _newest_only(map(_of_folder, read_folder(path.parent)))
    return _of_backup(read_backup(path))


def _of_backup(backup: IntentBackup) -> Iterator[_Candidate]:
    for name, intent in backup.intents.items():
        yield _Candidate("intent", name, intent)
    for edge in backup.edges:
        yield _Candidate("edge", edge.key.text, edge)


def _of_folder(found: FoundEntity) -> _Candidate:
    """What an entry of the index is."""
    if found.entity is None:
        return _Candidate("unknown", found.name, None, found.reason, found)
    for field, kind in _ARCHIVED.items():
        if field in found.entity:
            return _Candidate(kind, found.name, found.entity, None, found)
    kind = "intent" if "intent_id" in found.entity else "edge" if "edge_type" in found.entity else "unknown"
    try:
        if kind == "intent":
            intent = StorableIntent.from_json(found.entity)
            return _Candidate(kind, intent.intent_id, intent, None, found)
        if kind == "edge":
            edge = Edge.from_json(found.entity)
            return _Candidate(kind, edge.key.text, edge, None, found)
    except InvalidInputError as exc:
        return _Candidate(kind, found.name, None, exc.message, found)
    return _Candidate(kind, found.name, None, "it has the field of no known type of entity", found)


def _newest_only(candidates: Iterable[_Candidate]) -> Iterator[_Candidate]:
    """Of several versions of an intent, which a content-addressed folder keeps, only the newest is taken."""
    kept = list(candidates)
    newest: dict[str, tuple[datetime, str]] = {}
    for candidate in kept:
        if isinstance(candidate.value, StorableIntent):
            age = (candidate.value.updated_at, candidate.source)
            newest[candidate.identity] = max(age, newest.get(candidate.identity, age))
    for candidate in kept:
        if isinstance(candidate.value, StorableIntent) and candidate.source != newest[candidate.identity][1]:
            reason = f"it is an older version; {newest[candidate.identity][1]} is the newest"
            yield replace(candidate, value=None, reason=reason)
        else:
            yield candidate


def _take(uow: UnitOfWork, candidate: _Candidate) -> Migrated:
    reason, outcome = candidate.reason, Outcome.REFUSED
    if candidate.value is not None:
        try:
            outcome = Outcome.IMPORTED if _store(uow, candidate) else Outcome.PRESENT
        except _REFUSALS as exc:
            reason = exc.message
    found = candidate.found
    hashes = (None, None, None) if found is None else (found.name, found.scheme, found.content_hash)
    return Migrated(candidate.kind, candidate.identity, outcome, reason, *hashes)


def _store(uow: UnitOfWork, candidate: _Candidate) -> bool:
    """Store an entity; whether it was not there before."""
    value, found = candidate.value, candidate.found
    if isinstance(value, StorableIntent):
        is_new = not uow.intents.exists(value.intent_id)
        uow.intents.store(value)
        return is_new
    if isinstance(value, Edge):
        is_new = uow.intents.get_edge(*value.key) is None
        uow.intents.add_edge(value)
        return is_new
    if value is None or found is None or found.content_hash is None:
        raise NotSupportedError(f"there is no archive for {candidate.kind} entities here")
    archive = uow.archive(candidate.kind)
    is_new = not archive.exists(found.content_hash)
    archive.store(value)
    return is_new
