"""Changes of the intent graph: intents, and typed edges between them, over a log of every change.

Both ends of an edge are stored intents at every revision, and edges of the types in `ACYCLIC` form no cycle, each type
for itself. Versions go on counting after a deletion, so none fits two contents.

Cost: `store` one look-up, one of the newest log row, three rows; `add_edge` the same and one look-up for each end, and
for an acyclic type one statement for each intent that the new edge leads to. `replace_all` reads the graph and the
subjects of its log once, and writes what differs.

Source: CCOS-4, NEIGHBOURS 3.2, 3.5.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Final, TypeVar

from charter_persist.backends.contract import (
    INTENT,
    INTENT_EDGE,
    IntentChangeRow,
    IntentEdgeRow,
    IntentRow,
    Relation,
)
from charter_persist.errors import (
    AlreadyExistsError,
    DanglingReferenceError,
    InvalidInputError,
    NotFoundError,
    VersionConflictError,
)
from charter_persist.model.canonical import canonical_bytes
from charter_persist.model.intent import ACYCLIC, Edge, EdgeType, StorableIntent, edge_key
from charter_persist.model.intent_graph import cycle_error, find_cycle, graph_faults
from charter_persist.model.text import check_position
from charter_persist.repositories.base import WriteContext
from charter_persist.repositories.intent_change import (
    BY_SUBJECT,
    CREATE,
    DELETE,
    EDGES,
    INTENTS,
    UPDATE,
    Part,
    change_bytes,
)
from charter_persist.repositories.intent_reader import IntentReader, absent

T = TypeVar("T", StorableIntent, Edge)

# A backup puts an intent two levels deeper than it stands here.
BACKUP_LEVELS: Final = 2


class IntentRepository(IntentReader):
    """The intent graph of a unit of work."""

    _context: WriteContext

    def __init__(self, context: WriteContext) -> None:
        super().__init__(context)
        deepest = max(1, context.options.nesting_max - BACKUP_LEVELS)
        self._form = replace(context.options, nesting_max=deepest)

    def store(self, intent: StorableIntent) -> str:
        """Store an intent; storing the same one again does nothing.

        Args:
            intent: at most ``object_bytes_max`` bytes, nested at most ``nesting_max`` − 2 deep.

        Returns:
            Its id.

        Raises:
            AlreadyExistsError: there is an intent of that id with other content; `update` changes it.
            NotCanonicalError: it has no canonical form.
            LimitExceededError: it is too large, or nested too deep.

        Spec: CCOS-4
        """
        data = self._data(StorableIntent, intent)
        row = self._row(intent.intent_id)
        if row is None:
            version = self._version_after_deletion(INTENTS.log, intent.intent_id)
            self._change(INTENTS, intent.intent_id, CREATE, data, version)
        elif row.data != data:
            raise AlreadyExistsError(
                f"there is another intent {intent.intent_id}; use update to change it", intent_id=intent.intent_id
            )
        return intent.intent_id

    def update(self, intent: StorableIntent, *, expected: int | None = None) -> int:
        """Replace what is stored under the id of an intent; its edges stay. The same content changes nothing.

        Args:
            intent: as for `store`; ``updated_at`` is the caller's to set.
            expected: the version it has now; None where that is not to be checked.

        Returns:
            Its version.

        Raises:
            NotFoundError: there is no intent of that id.
            VersionConflictError: it has another version.
            NotCanonicalError: it has no canonical form.
            LimitExceededError: it is too large, or nested too deep.

        Spec: CCOS-4
        """
        data = self._data(StorableIntent, intent)
        row = self._row(intent.intent_id)
        if row is None:
            raise absent(intent.intent_id)
        if expected is not None and check_position(expected, field="expected") != row.version:
            raise VersionConflictError(
                f"intent {intent.intent_id} has version {row.version}, expected was {expected}; read it and decide anew",
                expected=expected,
                actual=row.version,
            )
        if row.data == data:
            return row.version
        self._change(INTENTS, intent.intent_id, UPDATE, data, row.version + 1)
        return row.version + 1

    def delete(self, intent_id: str) -> None:
        """Remove an intent and every edge that has it at either end.

        Raises:
            NotFoundError: there is no such intent.

        Spec: CCOS-4
        """
        row = self._row(intent_id)
        if row is None:
            raise absent(intent_id)
        with self._context.whole():
            for edge in list(self._touching(intent_id)):
                self._change(EDGES, edge.edge_key, DELETE, None, edge.version + 1)
            self._change(INTENTS, row.intent_id, DELETE, None, row.version + 1)

    def add_edge(self, edge: Edge) -> None:
        """Add an edge; adding the same one again does nothing.

        Args:
            edge: between stored intents; at most ``object_bytes_max`` bytes.

        Raises:
            AlreadyExistsError: there is an edge of that type between them with other content; delete it first.
            DanglingReferenceError: one end is not stored.
            CycleError: its type is acyclic, and there would be a cycle.
            NotCanonicalError: it has no canonical form.
            LimitExceededError: it is too large, or nested too deep.

        Spec: CCOS-4
        """
        data = self._data(Edge, edge)
        row = self._edge_row(edge.key)
        if row is not None:
            if row.data != data:
                raise AlreadyExistsError(f"there is another edge {edge.key.text}; delete it first", edge=edge.key.text)
            return
        for end in (edge.from_, edge.to):
            if self._row(end) is None:
                raise DanglingReferenceError(f"there is no intent {end}; store it first", intent_id=end)
        if edge.edge_type in ACYCLIC:
            self._refuse_cycle(edge)
        self._change(EDGES, edge.key.text, CREATE, data, self._version_after_deletion(EDGES.log, edge.key.text))

    def delete_edge(self, from_: str, to: str, edge_type: EdgeType | str) -> None:
        """Remove an edge; ``delete_edge(*edge.key)``.

        Raises:
            NotFoundError: there is no such edge.
            InvalidInputError: there is no such type.

        Spec: CCOS-4
        """
        key = edge_key(from_, to, edge_type)
        row = self._edge_row(key)
        if row is None:
            raise NotFoundError(f"there is no edge {key.text}", edge=key.text)
        self._change(EDGES, row.edge_key, DELETE, None, row.version + 1)

    def clear_all(self) -> int:
        """Remove every edge and every intent; the log keeps what they were.

        Returns:
            How many intents were removed.
        """
        before = self._intent_rows()
        self.replace_all((), ())
        return len(before)

    def replace_all(self, intents: Iterable[StorableIntent], edges: Iterable[Edge]) -> None:
        """Make the graph this one; what is the same already is left alone, so a second call does nothing.

        Memory: the whole graph, twice. One search looks for cycles, however many edges there are.

        Args:
            intents: all of them.
            edges: all of them, between these intents.

        Raises:
            AlreadyExistsError: an id or the key of an edge comes twice.
            DanglingReferenceError: an edge names an intent that is not among them.
            CycleError: edges of an acyclic type form a cycle.
            NotCanonicalError: an intent or an edge has no canonical form.
            LimitExceededError: one is too large, or nested too deep.
        """
        wanted = _by_key(intents, lambda intent: intent.intent_id)
        wanted_edges = _by_key(edges, lambda edge: edge.key.text)
        for fault in graph_faults(wanted, wanted_edges.values()):
            raise fault
        data = {name: self._data(StorableIntent, intent) for name, intent in wanted.items()}
        edge_data = {key: self._data(Edge, edge) for key, edge in wanted_edges.items()}
        present = self._intent_rows()
        present_edges = {row.edge_key: row for row in self._context.reader.scan(INTENT_EDGE, ("edge_key",))}
        with self._context.whole():
            for key, edge in present_edges.items():
                if key not in edge_data:
                    self._change(EDGES, edge.edge_key, DELETE, None, edge.version + 1)
            for name, row in present.items():
                if name not in data:
                    self._change(INTENTS, row.intent_id, DELETE, None, row.version + 1)
            self._write_differences(INTENTS, present, data)
            self._write_differences(EDGES, present_edges, edge_data)

    def _write_differences(
        self, part: Part, present: Mapping[str, IntentRow | IntentEdgeRow], wanted: Mapping[str, bytes]
    ) -> None:
        new = wanted.keys() - present.keys()
        versions = self._versions_after_deletion(part.log) if new else {}
        for name in sorted(wanted):
            row = present.get(name)
            if row is None:
                self._change(part, name, CREATE, wanted[name], versions.get(name, 0) + 1)
            elif row.data != wanted[name]:
                self._change(part, name, UPDATE, wanted[name], row.version + 1)

    def _intent_rows(self) -> dict[str, IntentRow]:
        return {row.intent_id: row for row in self._context.reader.scan(INTENT, ("intent_id",))}

    def _refuse_cycle(self, edge: Edge) -> None:
        """Search from the new edge on; nothing else can have closed a cycle."""

        def following(node: str) -> list[str]:
            if node == edge.from_:
                return [edge.to]
            self._context.check_time()
            return [row.to_id for row in self._leaving(node) if row.edge_type == edge.edge_type]

        cycle = find_cycle((edge.from_,), following)
        if cycle is not None:
            raise cycle_error(edge.edge_type, cycle)

    def _change(self, part: Part, subject: str, operation: str, data: bytes | None, version: int) -> None:
        work = self._context
        nonce = b"" if data is None else work.sources.nonce()
        row = IntentChangeRow(0, subject, version, work.journal.revision, nonce, data)
        position = work.record_value(part.store, subject, operation, change_bytes(row), nonce)
        logged = row._replace(position=position)
        size = len(data or b"")
        work.write.put(part.log, logged, size=size)
        now = part.row_of(logged)
        if now is None:
            work.write.delete(part.table, (subject,))
        else:
            work.write.put(part.table, now, size=size)

    def _version_after_deletion(self, log: Relation[IntentChangeRow], subject: str) -> int:
        """The first version of what is absent: one more than that of its deletion, where there was one."""
        rows = self._context.reader.scan(log, BY_SUBJECT, prefix=(subject,), reverse=True, limit=1)
        newest = next(rows, None)
        return 1 if newest is None else newest.version + 1

    def _versions_after_deletion(self, log: Relation[IntentChangeRow]) -> dict[str, int]:
        """As `_version_after_deletion`, for all subjects at once: their newest versions."""
        return {row.subject: row.version for row in self._context.reader.scan(log, BY_SUBJECT)}

    def _data(self, kind: type[T], value: T) -> bytes:
        if not isinstance(value, kind):
            raise InvalidInputError(f"give {kind.__name__}, not {type(value).__name__}")
        return canonical_bytes(value.to_json(), options=self._form)


def _by_key(values: Iterable[T], key_of: Callable[[T], str]) -> dict[str, T]:
    """Values by key.

    Raises:
        AlreadyExistsError: a key comes twice.
    """
    found: dict[str, T] = {}
    for value in values:
        key = key_of(value)
        if key in found:
            raise AlreadyExistsError(f"{key} comes twice; leave one of them out", key=key)
        found[key] = value
    return found
