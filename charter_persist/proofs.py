"""Hashing and verification of the journal's Merkle tree: all that a sceptic has to read.

Given a journal entry, a proof and a root that was noted earlier, this file alone decides whether the entry is in
the journal (inclusion) and whether a later journal still begins with the earlier one (consistency). It needs no
store, reads nothing and writes nothing. It uses the standard library and one error class.

Source: RFC 6962 section 2.1 (hashing) and RFC 9162 sections 2.1.3.2 and 2.1.4.2 (verification); RELIABILITY P25.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from json.encoder import encode_basestring

from charter_persist.errors import ProofError

HASH_BYTES = 32
"""Length of every hash in a proof."""

LEAF_PREFIX = b"\x00"
NODE_PREFIX = b"\x01"

EMPTY_ROOT = sha256(b"").digest()
"""Root of the tree without leaves."""


def leaf_hash(data: bytes) -> bytes:
    r"""Hash one leaf: SHA-256 of ``0x00`` and the data, so that a leaf can never pass for a node.

    Args:
        data: the leaf, as `leaf_data` gives it for a journal entry.

    Returns:
        32 bytes.

    Source: RFC 6962 section 2.1.
    """
    return sha256(LEAF_PREFIX + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two neighbours into their parent: SHA-256 of ``0x01``, the left and the right hash.

    Args:
        left: hash of the left subtree, 32 bytes.
        right: hash of the right subtree, 32 bytes.

    Returns:
        32 bytes.

    Source: RFC 6962 section 2.1.
    """
    return sha256(NODE_PREFIX + left + right).digest()


def leaf_data(
    position: int,
    revision: int,
    store: str,
    subject: str,
    operation: str,
    commitment_hex: str,
    recorded_at_text: str,
) -> bytes:
    """Give the bytes of a journal entry that its leaf hash covers.

    They are the canonical JSON (RFC 8785) of the entry's eight members, built by hand because the order of the
    members is fixed. Different entries never give the same bytes.

    Args:
        position: place in the journal, from 1; the index in a proof is one less.
        revision: number of the unit of work that wrote the entry, from 1.
        store: name of the store that was changed, such as ``object``.
        subject: what was changed in it.
        operation: what was done to it.
        commitment_hex: the commitment to the new value, 64 lower-case hex characters.
        recorded_at_text: RFC 3339 time in UTC with ``Z``, no fraction when it is zero, else exactly six digits.

    Returns:
        UTF-8 text without white space.

    Raises:
        ProofError: a text holds a lone surrogate, which canonical JSON refuses.

    Source: the leaf form of version 1; RFC 8785 sections 3.2.2.2 and 3.2.3.
    """
    text = (
        f'{{"commitment":{encode_basestring(commitment_hex)},"operation":{encode_basestring(operation)}'
        f',"position":{position},"recorded_at":{encode_basestring(recorded_at_text)},"revision":{revision}'
        f',"store":{encode_basestring(store)},"subject":{encode_basestring(subject)},"v":1}}'
    )
    try:
        return text.encode()
    except UnicodeEncodeError as exc:
        raise ProofError("the entry holds a lone surrogate, so it has no canonical form", position=position) from exc


def verify_inclusion(leaf_hash: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Check that a leaf is in the tree; returning at all means that it is.

    ``size`` and ``root`` must come together from one checkpoint that is trusted: a root does not tell its size.

    Args:
        leaf_hash: hash of the leaf, 32 bytes.
        index: of the leaf, from 0; a journal position less one.
        size: number of leaves in the tree.
        proof: hashes from the leaf up, 32 bytes each; empty for a tree of one leaf.
        root: of the tree, 32 bytes.

    Raises:
        ProofError: the index is not within the tree, a hash has a wrong length, the proof is too short or too long,
            or it leads to another root.

    Source: RFC 9162 section 2.1.3.2.
    """
    if not 0 <= index < size:
        raise ProofError(f"index {index} is not within a tree of {size} leaves", index=index, size=size)
    _check_lengths(leaf_hash, root, *proof)
    node, last = index, size - 1
    computed = leaf_hash
    for sibling in proof:
        if last == 0:
            raise ProofError("the proof goes on above the root", index=index, size=size, length=len(proof))
        if node & 1 or node == last:
            computed = node_hash(sibling, computed)
            node, last = _skip_missing_levels(node, last)
        else:
            computed = node_hash(computed, sibling)
        node, last = node >> 1, last >> 1
    if last:
        raise ProofError("the proof ends below the root", index=index, size=size, length=len(proof))
    _check_root(computed, root, size)


def verify_consistency(size1: int, size2: int, root1: bytes, root2: bytes, proof: Sequence[bytes]) -> None:
    """Check that the larger tree begins with the smaller one; returning at all means that it does.

    Each size and its root must come together from one checkpoint that is trusted. Every tree begins with the empty
    one and with itself: there the proof must be empty, and the roots alone are compared. (RFC 9162 defines proofs
    for ``0 < size1 < size2`` only.)

    Args:
        size1: number of leaves of the earlier tree.
        size2: number of leaves of the later tree.
        root1: of the earlier tree, 32 bytes.
        root2: of the later tree, 32 bytes.
        proof: 32 bytes each.

    Raises:
        ProofError: the sizes are out of order, a hash has a wrong length, the proof is too short or too long, or it
            leads to another root.

    Source: RFC 9162 section 2.1.4.2.
    """
    if not 0 <= size1 <= size2:
        raise ProofError(f"sizes {size1} and {size2} are not in order", size1=size1, size2=size2)
    _check_lengths(root1, root2, *proof)
    if size1 in (0, size2):
        _check_trivial(size1, size2, root1, root2, proof)
        return
    if not proof:
        raise ProofError("the proof is empty", size1=size1, size2=size2)
    node, last = size1 - 1, size2 - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    # A whole subtree is its own root, so a proof leaves it out; node is 0 exactly when size1 is a power of two.
    path = proof if node else [root1, *proof]
    computed1 = computed2 = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise ProofError("the proof goes on above the root", size1=size1, size2=size2, length=len(proof))
        if node & 1 or node == last:
            computed1 = node_hash(sibling, computed1)
            computed2 = node_hash(sibling, computed2)
            node, last = _skip_missing_levels(node, last)
        else:
            computed2 = node_hash(computed2, sibling)
        node, last = node >> 1, last >> 1
    if last:
        raise ProofError("the proof ends below the root", size1=size1, size2=size2, length=len(proof))
    _check_root(computed1, root1, size1)
    _check_root(computed2, root2, size2)


def _check_trivial(size1: int, size2: int, root1: bytes, root2: bytes, proof: Sequence[bytes]) -> None:
    """Check the two cases that need no proof: the earlier tree is empty, or both are the same tree."""
    if proof:
        raise ProofError("there is nothing to prove, so the proof must be empty", size1=size1, size2=size2)
    if size1 == 0:
        _check_root(EMPTY_ROOT, root1, size1)
    if size1 == size2:
        _check_root(root1, root2, size2)


def _skip_missing_levels(node: int, last: int) -> tuple[int, int]:
    """Climb past the levels where a node at the right edge has no sibling and so stands for its own parent."""
    while node and not node & 1:
        node, last = node >> 1, last >> 1
    return node, last


def _check_lengths(*hashes: bytes) -> None:
    """Refuse a hash that is not 32 bytes long."""
    for value in hashes:
        if len(value) != HASH_BYTES:
            raise ProofError(f"a hash has {HASH_BYTES} bytes, not {len(value)}", actual_bytes=len(value))


def _check_root(computed: bytes, root: bytes, size: int) -> None:
    """Refuse a proof whose hashes do not lead to the root."""
    if computed != root:
        raise ProofError(
            f"the proof does not lead to the root of the tree of {size} leaves",
            size=size,
            computed=computed,
            root=root,
        )
