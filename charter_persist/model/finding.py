"""What can be wrong with a store: one code for each kind of damage, and the finding that names where it is.

The registry is the one place that knows how grave a code is, which layer of the store it is about, and the rule that
was broken; the reference page and SARIF are made of it. Imports nothing.

Source: GOV-11, RELIABILITY P30, NEIGHBOURS 2.10.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Severity(StrEnum):
    """How grave a finding is.

    Attributes:
        HARD: something that was recorded is lost, altered or contradicts itself.
        SOFT: the records are whole; a defence or a habit of the store is not.
        STALE: nothing is wrong, but somebody should look again; never a finding of a sound store.
    """

    HARD = "hard"
    SOFT = "soft"
    STALE = "stale"


class Layer(StrEnum):
    """What part of a store a finding is about."""

    OBJECT = "A object"
    REFERENCE = "B reference"
    LEGITIMACY = "C legitimacy"
    AUDIT = "D audit"
    JOURNAL = "journal"
    PROJECTION = "projection"
    GUARD = "guard"
    INDEX = "index"
    BUNDLE = "bundle"


@dataclass(frozen=True, slots=True)
class Kind:
    """What a code stands for.

    Attributes:
        severity: how grave it is.
        layer: what it is about.
        rule: the rule that was broken, in one sentence.
    """

    severity: Severity
    layer: Layer
    rule: str


def _hard(layer: Layer, rule: str) -> Kind:
    return Kind(Severity.HARD, layer, rule)


KINDS: Final[Mapping[str, Kind]] = {
    "HASH_MISMATCH": _hard(Layer.OBJECT, "The stored bytes of an object have the digest it is stored under."),
    "CORRUPT_OBJECT": _hard(Layer.OBJECT, "The bytes of an object are canonical JSON of the form of its type."),
    "UNKNOWN_OBJECT_KIND": _hard(Layer.OBJECT, "An object has a known hash version and a type that is a name."),
    "CONTENT_MISSING": _hard(Layer.OBJECT, "What lies beside the ledger is there, and can be reached."),
    "DANGLING_REF": _hard(Layer.REFERENCE, "A ref points to a stored object."),
    "MALFORMED_REF": _hard(Layer.REFERENCE, "The name of a ref follows its grammar."),
    "DANGLING_RESOLUTION": _hard(Layer.REFERENCE, "What a resolution refers to is stored."),
    "MISSING_SESSION": _hard(Layer.REFERENCE, "A resolution was accepted by a stored session that ended ACCEPTED."),
    "MISSING_AREA": _hard(Layer.REFERENCE, "The area that a session names is stored."),
    "BROKEN_SUPERSESSION_CHAIN": _hard(
        Layer.REFERENCE, "Resolutions supersede stored ones of their own area, and never in a circle."
    ),
    "DUPLICATE_AREA": _hard(Layer.REFERENCE, "No two areas share an id or a label."),
    "IMPORT_INCOMPLETE": _hard(Layer.REFERENCE, "Every part of an import, and all that it lists, is stored."),
    "MULTIPLE_ACTIVE_AUTHORITIES": _hard(Layer.LEGITIMACY, "An area has at most one ACTIVE authority."),
    "MULTIPLE_ACTIVE_SCOPES": _hard(Layer.LEGITIMACY, "An area has at most one ACTIVE scope."),
    "REF_MISMATCH": _hard(Layer.LEGITIMACY, "The governing refs of an area name what is in force."),
    "SUPERSESSION_FORK": _hard(Layer.LEGITIMACY, "A resolution is superseded at most once."),
    "ILLEGITIMATE_RESOLUTION": _hard(Layer.LEGITIMACY, "A resolution is what its session accepted, and nothing else."),
    "SESSION_INVALID_CONTEXT": _hard(
        Layer.LEGITIMACY, "A session goes on, or is accepted, only under the authority and scope in force."
    ),
    "ILLEGAL_LIFECYCLE_TRANSITION": _hard(Layer.LEGITIMACY, "The states of a resolution follow the lifecycle."),
    "AUDIT_SCOPE_VIOLATION": _hard(Layer.AUDIT, "An event of governance stands in the scope it belongs to."),
    "AUDIT_MISSING": _hard(Layer.AUDIT, "Every area and every accepted resolution has its audit event."),
    "JOURNAL_GAP": _hard(Layer.JOURNAL, "Journal positions are 1, 2, 3 and so on, without a gap."),
    "JOURNAL_REVISION": _hard(Layer.JOURNAL, "Revisions begin at 1 and grow by one."),
    "JOURNAL_LEAF": _hard(Layer.JOURNAL, "An entry has the leaf hash of its facts."),
    "JOURNAL_STORE": _hard(Layer.JOURNAL, "An entry names a store that exists."),
    "TILE_MISMATCH": _hard(Layer.JOURNAL, "The stored tiles follow from the entries."),
    "HEAD_MISMATCH": _hard(Layer.JOURNAL, "The head row of Postgres says where the journal ends."),
    "VALUE_MISSING": _hard(
        Layer.JOURNAL, "What the journal recorded is stored, unless a compaction or an erasure removed it."
    ),
    "VALUE_UNREADABLE": _hard(Layer.JOURNAL, "What is stored can be read."),
    "COMMITMENT_MISMATCH": _hard(Layer.JOURNAL, "A stored value is the one that the journal committed to."),
    "NOT_JOURNALLED": _hard(Layer.JOURNAL, "Nothing is stored beside the journal."),
    "VERSION_GAP": _hard(
        Layer.JOURNAL, "The versions of a ref, a session, a key, a thread and a message are 1, 2, 3 and so on."
    ),
    "SEQUENCE_GAP": _hard(
        Layer.JOURNAL, "The events of an execution are numbered 1, 2, 3 and so on, and are all of one tenant."
    ),
    "OPERATION_MISMATCH": _hard(Layer.JOURNAL, "The receipt of an operation is what the journal says of its unit."),
    "CHECKPOINT_ORIGIN": _hard(Layer.JOURNAL, "A checkpoint is of the store that it is compared with."),
    "CHECKPOINT_AHEAD": _hard(Layer.JOURNAL, "A store is never older than a checkpoint of it."),
    "CHECKPOINT_MISMATCH": _hard(Layer.JOURNAL, "A store continues every checkpoint of it."),
    "CHECKPOINT_SIGNATURE": _hard(Layer.JOURNAL, "A checkpoint carries the wanted signature."),
    "PROJECTION_MISMATCH": _hard(Layer.PROJECTION, "The tables of present values follow from their logs."),
    "INDEX_MISMATCH": _hard(Layer.INDEX, "A live index equals one that is built anew."),
    "DANGLING_REFERENCE": _hard(Layer.BUNDLE, "What the sessions of a bundle refer to is in it, or here."),
    "FOREIGN_AREA": _hard(Layer.BUNDLE, "A bundle tells of the areas that it holds, and of no other that is here."),
    "UNKNOWN_AREA": _hard(Layer.BUNDLE, "Every object of a bundle belongs to an area of the bundle."),
    "ENDED_TWICE": _hard(Layer.BUNDLE, "A session and an area end once in one history."),
    "ILLEGITIMATE_SESSION": _hard(Layer.BUNDLE, "A session accepted what its stances and its authority allow."),
    "UNFOUNDED_RESOLUTION": _hard(Layer.BUNDLE, "A resolution is what a session of the bundle accepted."),
    "MISSING_RESOLUTION": _hard(Layer.BUNDLE, "What a session of the bundle accepted is in the bundle."),
    "ILLEGAL_SUPERSESSION": _hard(Layer.BUNDLE, "A resolution replaces what the engine would let it replace."),
    "UNFOUNDED_TRANSITION": _hard(Layer.BUNDLE, "A change of state is what a session of the bundle decided."),
    "MISSING_TRANSITION": _hard(Layer.BUNDLE, "A change of state that a session of the bundle decided is in it."),
    "UNFOUNDED_REVIEW": _hard(Layer.BUNDLE, "A review is about what an import record of the bundle brought."),
    "UNFOUNDED_REHASH": _hard(Layer.BUNDLE, "A rehash pairs digests of the same bytes, from the first version on."),
    "IMPORT_MIXED": _hard(Layer.BUNDLE, "An import record is about one area."),
    "DUPLICATE_EVENT": _hard(Layer.BUNDLE, "No two events have one id."),
    "FOREIGN_EVENT": _hard(Layer.BUNDLE, "A bundle holds no event of what was done to another store."),
    "DANGLING_EVENT": _hard(Layer.BUNDLE, "An event is about what the bundle holds."),
    "FORGED_AUDIT_ORDER": _hard(Layer.BUNDLE, "The events of a bundle stand in an order in which they can happen."),
    "ORPHANED_CONTENT": Kind(
        Severity.SOFT, Layer.OBJECT, "What lies beside the ledger for a day is named by an object."
    ),
    "GUARD_MISSING": Kind(Severity.SOFT, Layer.GUARD, "The guards of the database stand as they were made."),
}
"""Every code that a finding can have."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        code: stable name of the kind of damage, one of `KINDS`.
        subject: table and key.
        message: one sentence.
    """

    code: str
    subject: str
    message: str

    @property
    def kind(self) -> Kind:
        """What its code stands for."""
        return KINDS[self.code]
