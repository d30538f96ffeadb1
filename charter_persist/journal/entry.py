"""A journal entry, the commitment it carries, and its leaf in the Merkle tree.

An entry says that something changed, never to what: the value is present only as a commitment. So a payload can be
erased later while every proof over the entry still verifies.

Imports ``proofs``, ``model`` and ``errors`` only.

Source: the leaf and commitment forms of version 1, frozen by ``tests/golden``; RELIABILITY P28 and P35.
"""

from __future__ import annotations

from hashlib import sha256
from typing import NamedTuple

from charter_persist.errors import InvalidInputError
from charter_persist.model.time import format_micros
from charter_persist.proofs import leaf_data, leaf_hash

COMMITMENT_TAG = b"charter:commit:v1\n"
NONCE_BYTES = 16


class Entry(NamedTuple):
    """One change, as the journal records it.

    Attributes:
        position: place in the journal: 1, 2, 3, … without a gap, in commit order.
        revision: number of the unit of work that made the change, from 1.
        store: name of the store that was changed.
        subject: what was changed in it.
        operation: what was done to it.
        commitment: to the new value, 32 bytes.
        recorded_at: time of the unit, in microseconds since 1970-01-01T00:00:00Z.
    """

    position: int
    revision: int
    store: str
    subject: str
    operation: str
    commitment: bytes
    recorded_at: int


def leaf(entry: Entry) -> bytes:
    """Return the leaf hash of an entry: it covers every attribute of it.

    Args:
        entry: the entry.

    Returns:
        32 bytes, what ``proofs.leaf_hash(proofs.leaf_data(…))`` gives for the same facts.

    Raises:
        ProofError: a text of the entry holds a lone surrogate.
    """
    position, revision, store, subject, operation, commitment, recorded_at = entry
    return leaf_hash(
        leaf_data(position, revision, store, subject, operation, commitment.hex(), format_micros(recorded_at))
    )


def commitment(nonce: bytes, data: bytes) -> bytes:
    """Commit to a value without telling it: SHA-256 of ``charter:commit:v1`` and a line feed, the nonce, the data.

    With a secret nonce a small value cannot be guessed from its commitment. Once nonce and data are erased, nothing
    can be told from the commitment. A store uses a nonce for all its values or for none, so no two can be confused.

    Args:
        nonce: 16 random bytes, or empty for stores whose values are public.
        data: the canonical bytes after the change; empty for a deletion.

    Returns:
        32 bytes.

    Raises:
        InvalidInputError: the nonce has another length.
    """
    if len(nonce) not in (0, NONCE_BYTES):
        raise InvalidInputError(f"a nonce has {NONCE_BYTES} bytes or none, not {len(nonce)}", nonce_bytes=len(nonce))
    return sha256(COMMITMENT_TAG + nonce + data).digest()
