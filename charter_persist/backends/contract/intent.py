"""The intent graph as rows: intents and edges as they stand now, and every change of each. Source: DESIGN 4, CCOS-4."""

from __future__ import annotations

from typing import NamedTuple

from charter_persist.backends.contract.relation import Relation


class IntentRow(NamedTuple):
    """An intent now; ``status`` is a copy of a field for queries, ``position`` is its newest row in the log."""

    intent_id: str
    status: str
    version: int
    revision: int
    data: bytes
    position: int


class IntentEdgeRow(NamedTuple):
    """An edge now; the columns behind its key are copies of fields for queries."""

    edge_key: str
    from_id: str
    to_id: str
    edge_type: str
    version: int
    revision: int
    data: bytes
    position: int


class IntentChangeRow(NamedTuple):
    """One change of an intent or of an edge; ``data`` is None where it was deleted, and ``nonce`` is empty then."""

    position: int
    subject: str
    version: int
    revision: int
    nonce: bytes
    data: bytes | None


INTENT = Relation(
    "intent", IntentRow, ("intent_id",), (("intent_id",), ("status", "intent_id")), mutable=True, payload="data"
)

INTENT_EDGE = Relation(
    "intent_edge", IntentEdgeRow, ("edge_key",), (("edge_key",), ("to_id", "edge_key")), mutable=True, payload="data"
)

INTENT_LOG = Relation(
    "intent_log", IntentChangeRow, ("position",), (("position",), ("subject", "position")), payload="data"
)

INTENT_EDGE_LOG = Relation(
    "intent_edge_log", IntentChangeRow, ("position",), (("position",), ("subject", "position")), payload="data"
)
