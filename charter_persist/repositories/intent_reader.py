"""Reads of the intent graph: one intent, lists by filter, edges, and whether the graph is whole.

Cost: `get` one look-up. A list reads intents in order until the page is full; with a status it reads those of that
status only. The edges of one intent are two ranges. Source: CCOS-4, CCOS-5, NEIGHBOURS 3.2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from operator import attrgetter
from typing import Any, Final, TypeVar

from charter_persist.backends.contract import INTENT, INTENT_EDGE, IntentEdgeRow, IntentRow
from charter_persist.errors import IntegrityError, InvalidInputError, NotFoundError
from charter_persist.model.canonical import load_canonical
from charter_persist.model.intent import Edge, EdgeKey, EdgeType, IntentFilter, StorableIntent, edge_key, edge_prefix
from charter_persist.model.intent_graph import graph_faults
from charter_persist.model.records import Page
from charter_persist.model.text import check_text, prefix_end
from charter_persist.repositories.base import ReadContext
from charter_persist.repositories.paging import page_by_name

T = TypeVar("T")

PROBLEMS_MAX: Final = 100
_EVERY: Final = IntentFilter()


@dataclass(frozen=True, slots=True)
class GraphHealth:
    """Whether the intent graph is whole.

    Attributes:
        intents, edges: how many were read.
        problems: the first `PROBLEMS_MAX`, each in one sentence; empty where all is well.
    """

    intents: int
    edges: int
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """True where nothing is wrong."""
        return not self.problems


class IntentReader:
    """Reads of the intent graph."""

    def __init__(self, context: ReadContext) -> None:
        self._context = context

    def get(self, intent_id: str) -> StorableIntent | None:
        """Return the intent of that id, or None.

        Raises:
            InvalidKeyError: the id does not follow the grammar.
        """
        row = self._row(intent_id)
        return None if row is None else _intent(row)

    def require(self, intent_id: str) -> StorableIntent:
        """Return the intent of that id.

        Raises:
            NotFoundError: there is no such intent.
        """
        intent = self.get(intent_id)
        if intent is None:
            raise absent(intent_id)
        return intent

    def exists(self, intent_id: str) -> bool:
        """Whether there is an intent of that id."""
        return self._row(intent_id) is not None

    def version(self, intent_id: str) -> int:
        """Return the version of an intent, which grows with each change; 0 where it is absent."""
        row = self._row(intent_id)
        return 0 if row is None else row.version

    def iter(self, where: IntentFilter | None = None) -> Iterator[StorableIntent]:
        """Yield the intents that fit, by the UTF-8 bytes of their ids, in constant memory."""
        return self._fitting(where, None)

    def list(
        self, where: IntentFilter | None = None, *, limit: int = 100, cursor: str | None = None
    ) -> Page[StorableIntent]:
        """Return one page of the intents that fit, by the UTF-8 bytes of their ids.

        Args:
            where: all of its parts must fit.
            limit: 1 to ``page_items_max``.
            cursor: of the page before; None for the first page.

        Raises:
            LimitExceededError: the page is too large.
            InvalidInputError: limit or cursor are not valid.

        Spec: CCOS-4
        """

        def fitting(after: str | None, _count: int) -> Iterator[StorableIntent]:
            return self._fitting(where, after)

        name = attrgetter("intent_id")
        return page_by_name(self._context, limit, cursor, fitting, name=name, item=lambda intent: intent)

    def get_edge(self, from_: str, to: str, edge_type: EdgeType | str) -> Edge | None:
        """Return the edge of that type from one intent to another, or None.

        Raises:
            InvalidInputError: an id does not follow the grammar, or there is no such type.
        """
        row = self._edge_row(edge_key(from_, to, edge_type))
        return None if row is None else _edge(row)

    def get_edges(self) -> Iterator[Edge]:
        """Yield every edge, by the UTF-8 bytes of the texts of their keys."""
        return map(_edge, self._context.reader.scan(INTENT_EDGE, ("edge_key",)))

    def get_edges_for(self, intent_id: str) -> Iterator[Edge]:
        """Yield the edges that have an intent at either end: those from it, then those to it; each once."""
        return map(_edge, self._touching(check_text(intent_id, field="intent_id")))

    def health_check(self) -> GraphHealth:
        """Read the whole graph and say what is wrong with it; a damaged one is an answer and no exception.

        Memory: the ids of the intents, and the edges.

        Raises:
            BackendError: the database could not be read at all.

        Spec: CCOS-5
        """
        problems: list[str] = []
        intents = _readable(self._context.reader.scan(INTENT, ("intent_id",)), _intent, problems)
        names = {intent.intent_id for intent in intents}
        edges = list(_readable(self._context.reader.scan(INTENT_EDGE, ("edge_key",)), _edge, problems))
        problems += [fault.message for fault in graph_faults(names, edges)]
        return GraphHealth(len(names), len(edges), tuple(problems[:PROBLEMS_MAX]))

    def _fitting(self, wanted: IntentFilter | None, after: str | None) -> Iterator[StorableIntent]:
        where = _EVERY if wanted is None else wanted
        if not isinstance(where, IntentFilter):
            raise InvalidInputError(f"give an IntentFilter, not {type(where).__name__}")
        order, prefix = (("intent_id",), ()) if where.status is None else (("status", "intent_id"), (where.status,))
        bound = None if after is None else (after,)
        return filter(where.admits, map(_intent, self._context.reader.scan(INTENT, order, prefix=prefix, after=bound)))

    def _row(self, intent_id: str) -> IntentRow | None:
        return self._context.reader.get(INTENT, (check_text(intent_id, field="intent_id"),))

    def _edge_row(self, key: EdgeKey) -> IntentEdgeRow | None:
        return self._context.reader.get(INTENT_EDGE, (key.text,))

    def _touching(self, intent_id: str) -> Iterator[IntentEdgeRow]:
        incoming = self._context.reader.scan(INTENT_EDGE, ("to_id", "edge_key"), prefix=(intent_id,))
        return chain(self._leaving(intent_id), (row for row in incoming if row.from_id != intent_id))

    def _leaving(self, intent_id: str) -> Iterator[IntentEdgeRow]:
        start = edge_prefix(intent_id)
        return self._context.reader.scan(INTENT_EDGE, ("edge_key",), start=(start,), stop=(prefix_end(start),))


def absent(intent_id: str) -> NotFoundError:
    """The error that names an absent intent."""
    return NotFoundError(f"there is no intent {intent_id}", intent_id=intent_id)


def _intent(row: IntentRow) -> StorableIntent:
    return _read(StorableIntent.from_json, row.data, f"intent {row.intent_id}")


def _edge(row: IntentEdgeRow) -> Edge:
    return _read(Edge.from_json, row.data, f"edge {row.edge_key}")


def _read(form: Callable[[Any], T], data: bytes, what: str) -> T:
    """Read what the store wrote, which only damage makes invalid."""
    try:
        return form(load_canonical(data))
    except InvalidInputError as exc:
        raise IntegrityError(f"the stored {what} is damaged; run `charter verify`") from exc


def _readable(rows: Iterable[Any], form: Callable[[Any], T], problems: list[str]) -> Iterator[T]:
    """What can be read of the rows; the others become problems."""
    for row in rows:
        try:
            yield form(row)
        except IntegrityError as exc:
            problems.append(exc.message)
