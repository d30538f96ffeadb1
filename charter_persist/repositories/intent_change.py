"""A change of an intent or of an edge: what the journal commits to, and the row of now that follows from it.

Imports ``backends.contract``, ``journal`` and ``model``. Source: CCOS-4, DESIGN 4.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from charter_persist.backends.contract import (
    INTENT,
    INTENT_EDGE,
    INTENT_EDGE_LOG,
    INTENT_LOG,
    IntentChangeRow,
    IntentEdgeRow,
    IntentRow,
    Relation,
)
from charter_persist.journal.entry import NONCE_BYTES
from charter_persist.model.canonical import canonical_bytes, load_canonical

CREATE: Final = "create"
UPDATE: Final = "update"
DELETE: Final = "delete"
BY_SUBJECT: Final = ("subject", "position")


def change_bytes(row: IntentChangeRow) -> bytes:
    """What the journal commits to for a change; nothing for a deletion."""
    if row.data is None:
        return b""
    rest = canonical_bytes({"revision": row.revision, "subject": row.subject, "version": row.version})
    # The data is canonical already, and "data" sorts before the others.
    return b"".join((b'{"data":', row.data, b",", rest[1:]))


def is_sound(row: IntentChangeRow, operation: str) -> bool:
    """Whether a row has the form of its operation; no commitment covers the nonce of a deletion."""
    if row.data is None:
        return operation == DELETE and row.nonce == b""
    return operation in (CREATE, UPDATE) and len(row.nonce) == NONCE_BYTES


def intent_row(row: IntentChangeRow) -> IntentRow | None:
    """The row of now that follows from the newest change of an intent; None where it was deleted."""
    if row.data is None:
        return None
    return IntentRow(row.subject, load_canonical(row.data)["status"], row.version, row.revision, row.data, row.position)


def edge_row(row: IntentChangeRow) -> IntentEdgeRow | None:
    """The row of now that follows from the newest change of an edge; None where it was deleted."""
    if row.data is None:
        return None
    edge = load_canonical(row.data)
    ends = edge["from"], edge["to"], edge["edge_type"]
    return IntentEdgeRow(row.subject, *ends, row.version, row.revision, row.data, row.position)


class Part(NamedTuple):
    """Half of the graph, its intents or its edges.

    Attributes:
        store: what the journal calls it.
        log: of its changes.
        table: of now.
        row_of: the row of now that follows from the newest change of a subject.
    """

    store: str
    log: Relation[IntentChangeRow]
    table: Relation[Any]
    row_of: Callable[[IntentChangeRow], Any]


INTENTS: Final = Part("intent", INTENT_LOG, INTENT, intent_row)
EDGES: Final = Part("intent_edge", INTENT_EDGE_LOG, INTENT_EDGE, edge_row)
PARTS: Final = (INTENTS, EDGES)
