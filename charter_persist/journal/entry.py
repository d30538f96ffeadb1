"""A journal entry, the commitment it carries, and its leaf in the Merkle tree.

An entry says that something changed, never to what: the value is present only as a commitment. So a payload can be
erased later while every proof over the entry still verifies.

Imports ``backends.contract``, ``proofs``, ``model`` and ``errors`` only.

Source: the leaf and commitment forms of version 1, frozen by ``tests/golden``; RELIABILITY P28 and P35.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256

from charter_persist.backends.contract import JournalRow
from charter_persist.errors import InvalidInputError
from charter_persist.model.time import format_micros
from charter_persist.proofs import leaf_data, leaf_hash

COMMITMENT_TAG = b"charter:commit:v1\n"
NONCE_BYTES = 16

# The entries of one unit share their time, so its text is made once.
_time_text = lru_cache(maxsize=16)(format_micros)

Entry = JournalRow
"""One change, as the journal records it; the row that a backend stores is the value that callers see."""


def entry_leaf(
    position: int, revision: int, store: str, subject: str, operation: str, commitment: bytes, recorded_at: int
) -> bytes:
    """Return the leaf hash of an entry from its facts: it covers every one of them.

    Args:
        position: place in the journal, from 1.
        revision: of the unit of work, from 1.
        store: that was changed.
        subject: what was changed in it.
        operation: what was done.
        commitment: to the new value, 32 bytes.
        recorded_at: microseconds since 1970 UTC.

    Returns:
        32 bytes, what ``proofs.leaf_hash(proofs.leaf_data(…))`` gives for the same facts.

    Raises:
        ProofError: a text of the entry holds a lone surrogate.
    """
    return leaf_hash(
        leaf_data(position, revision, store, subject, operation, commitment.hex(), _time_text(recorded_at))
    )


def leaf(entry: Entry) -> bytes:
    """Recompute the leaf hash of an entry from its facts, whatever leaf is stored with it."""
    return entry_leaf(*entry[:7])


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
