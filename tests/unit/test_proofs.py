"""Verification: what is true verifies, and nothing else does (RELIABILITY P25)."""

from __future__ import annotations

import ast
import random
import sys
from collections.abc import Iterator
from itertools import pairwise, product
from pathlib import Path

import pytest

from charter_persist import proofs
from charter_persist.errors import ProofError
from charter_persist.journal.entry import COMMITMENT_TAG, Entry, commitment, leaf
from charter_persist.journal.tree import consistency_proof, inclusion_proof, root_at
from charter_persist.model.digest import digest
from charter_persist.proofs import (
    EMPTY_ROOT,
    LEAF_PREFIX,
    NODE_PREFIX,
    leaf_data,
    leaf_hash,
    node_hash,
    verify_consistency,
    verify_inclusion,
)
from tests import reference_merkle
from tests.journal_storage import Storage

LARGEST = 64
Hashes = list[bytes]
Inclusion = tuple[bytes, int, int, Hashes, bytes]
Consistency = tuple[int, int, bytes, bytes, Hashes]


class Forest:
    """Trees of every size up to 66 over leaves that were made to be mistaken for nodes.

    The data of each leaf is a pair of hashes of further leaves. Without domain separation the leaf would be a node.
    """

    def __init__(self) -> None:
        self.hidden = [proofs.leaf_hash(b"hidden %d" % index) for index in range(2 * (LARGEST + 2))]
        self.data = [left + right for left, right in zip(self.hidden[::2], self.hidden[1::2], strict=True)]
        self.leaves = [proofs.leaf_hash(data) for data in self.data]
        self.storage = Storage(self.leaves)
        self.roots = [root_at(size, self.storage) for size in range(LARGEST + 3)]

    def inclusion(self, index: int, size: int) -> Inclusion:
        return self.leaves[index], index, size, inclusion_proof(index, size, self.storage), self.roots[size]

    def consistency(self, size1: int, size2: int) -> Consistency:
        proof = consistency_proof(size1, size2, self.storage)
        return size1, size2, self.roots[size1], self.roots[size2], proof


@pytest.fixture(scope="module")
def forest() -> Forest:
    return Forest()


def flipped(value: bytes, rng: random.Random) -> bytes:
    """The value with one bit changed."""
    bit = rng.randrange(8 * len(value))
    return (int.from_bytes(value) ^ 1 << bit).to_bytes(len(value))


def altered_proofs(proof: Hashes, rng: random.Random) -> Iterator[tuple[str, Hashes]]:
    """Every way to change the list of hashes itself."""
    for at in range(len(proof)):
        yield "bit flipped", [*proof[:at], flipped(proof[at], rng), *proof[at + 1 :]]
        yield "node dropped", proof[:at] + proof[at + 1 :]
        yield "node repeated", proof[: at + 1] + proof[at:]
        yield "node cut", [*proof[:at], proof[at][:-1], *proof[at + 1 :]]
    for at in range(len(proof) + 1):
        yield "node added", [*proof[:at], rng.randbytes(32), *proof[at:]]
    for at in range(len(proof) - 1):
        yield "nodes swapped", [*proof[:at], proof[at + 1], proof[at], *proof[at + 2 :]]
    if proof:
        yield "proof emptied", []


def altered_inclusions(forest: Forest, case: Inclusion, rng: random.Random) -> Iterator[tuple[str, Inclusion]]:
    """Every alteration of an inclusion proof that RELIABILITY P25 lists."""
    leaf, index, size, proof, root = case
    for name, altered in altered_proofs(proof, rng):
        yield name, (leaf, index, size, altered, root)
    yield "leaf flipped", (flipped(leaf, rng), index, size, proof, root)
    yield "root flipped", (leaf, index, size, proof, flipped(root, rng))
    yield "leaf cut", (leaf[:-1], index, size, proof, root)
    yield "root extended", (leaf, index, size, proof, root + b"\x00")
    yield "another leaf", (forest.leaves[(index + 1) % (LARGEST + 2)], index, size, proof, root)
    for other in (index - 1, index + 1, -index - 1, size):
        yield "another index", (leaf, other, size, proof, root)
    for other in (size - 1, size + 1):
        yield "another size", (leaf, index, other, proof, forest.roots[other])
    if proof:
        # The parent of two leaves is passed off as a leaf whose data is the two hashes.
        pair = proof[0] + leaf if index & 1 else leaf + proof[0]
        yield "node used as leaf", (proofs.leaf_hash(pair), index // 2, (size + 1) // 2, proof[1:], root)
        yield "leaf hash used as root", (leaf, 0, 1, [], root)
    # The leaf is passed off as the parent of the two leaves whose hashes are its data.
    for side in (0, 1):
        hidden, sibling = forest.hidden[2 * index + side], forest.hidden[2 * index + 1 - side]
        yield "leaf used as node", (hidden, 2 * index + side, 2 * size, [sibling, *proof], root)


def altered_consistencies(forest: Forest, case: Consistency, rng: random.Random) -> Iterator[tuple[str, Consistency]]:
    """Every alteration of a consistency proof that RELIABILITY P25 lists."""
    size1, size2, root1, root2, proof = case
    for name, altered in altered_proofs(proof, rng):
        yield name, (size1, size2, root1, root2, altered)
    yield "first root flipped", (size1, size2, flipped(root1, rng), root2, proof)
    yield "second root flipped", (size1, size2, root1, flipped(root2, rng), proof)
    yield "root cut", (size1, size2, root1[:-1], root2, proof)
    yield "roots swapped", (size1, size2, root2, root1, proof)
    yield "sizes swapped", (size2, size1, root2, root1, proof)
    yield "first size 0", (0, size2, root1, root2, [])
    yield "first size 0", (0, size2, EMPTY_ROOT, root2, proof)
    yield "first size as second", (size1, size1, root1, root2, [])
    yield "first size as second", (size1, size1, root1, root1, proof)
    yield "second size as first", (size2, size2, root1, root2, proof)
    yield "first size beyond second", (size2 + 1, size2, forest.roots[size2 + 1], root2, proof)
    yield "negative size", (-size1, size2, root1, root2, proof)
    yield "another first size", (size1 - 1, size2, forest.roots[size1 - 1], root2, proof)
    yield "another first size", (size1 + 1, size2, forest.roots[size1 + 1], root2, proof)
    yield "another second size", (size1, size2 - 1, root1, forest.roots[size2 - 1], proof)
    yield "another second size", (size1, size2 + 1, root1, forest.roots[size2 + 1], proof)
    yield "empty root as first", (size1, size2, EMPTY_ROOT, root2, proof)


def accepted_inclusions(forest: Forest, size_max: int) -> tuple[int, set[str]]:
    """How many altered inclusion proofs were tried, and which kinds of them verified."""
    rng, tried, accepted = random.Random(6962), 0, set()
    for size in range(1, size_max + 1):
        for index in range(size):
            for name, altered in altered_inclusions(forest, forest.inclusion(index, size), rng):
                tried += 1
                try:
                    verify_inclusion(*altered)
                except ProofError:
                    continue
                accepted.add(name)
    return tried, accepted


@pytest.mark.spec("P25")
def test_every_true_proof_verifies(forest: Forest) -> None:
    for size in range(1, LARGEST + 1):
        for index in range(size):
            verify_inclusion(*forest.inclusion(index, size))
        for earlier in range(size + 1):
            verify_consistency(*forest.consistency(earlier, size))


@pytest.mark.spec("P25")
def test_proofs_of_the_recursive_reference_verify() -> None:
    data = [b"%d" % index for index in range(33)]
    for size in range(1, len(data) + 1):
        tree = data[:size]
        for index in range(size):
            proof = reference_merkle.path(index, tree)
            verify_inclusion(leaf_hash(tree[index]), index, size, proof, reference_merkle.mth(tree))
            earlier = tree[: index + 1]
            roots = reference_merkle.mth(earlier), reference_merkle.mth(tree)
            verify_consistency(len(earlier), size, *roots, reference_merkle.proof(len(earlier), tree))


@pytest.mark.spec("P25")
def test_no_altered_inclusion_proof_verifies(forest: Forest) -> None:
    tried, accepted = accepted_inclusions(forest, LARGEST)
    assert accepted == set()
    assert tried > 50_000


@pytest.mark.spec("P25")
def test_no_altered_consistency_proof_verifies(forest: Forest) -> None:
    rng, tried, accepted = random.Random(9162), 0, set()
    for size2 in range(2, LARGEST + 1):
        for size1 in range(1, size2):
            for name, altered in altered_consistencies(forest, forest.consistency(size1, size2), rng):
                tried += 1
                try:
                    verify_consistency(*altered)
                except ProofError:
                    continue
                accepted.add(name)
    assert accepted == set()
    assert tried > 50_000


@pytest.mark.spec("P25", "P35")
@pytest.mark.parametrize(
    ("leaf_prefix", "node_prefix", "expected"),
    [
        (b"", b"", {"node used as leaf", "leaf used as node"}),
        (b"\x01", b"\x01", {"node used as leaf", "leaf used as node"}),
        (LEAF_PREFIX, NODE_PREFIX, set()),
    ],
)
def test_second_preimage_succeeds_exactly_without_the_prefixes(
    monkeypatch: pytest.MonkeyPatch, leaf_prefix: bytes, node_prefix: bytes, expected: set[str]
) -> None:
    """The control: it shows that the forgery test would see a missing domain separation."""
    monkeypatch.setattr(proofs, "LEAF_PREFIX", leaf_prefix)
    monkeypatch.setattr(proofs, "NODE_PREFIX", node_prefix)
    assert accepted_inclusions(Forest(), 16)[1] == expected


@pytest.mark.spec("P25")
def test_inclusion_in_a_tree_of_another_size_with_the_same_root_depends_on_the_shape_alone(forest: Forest) -> None:
    """A root does not tell its size, so size and root must come from one checkpoint, as the docstring says."""
    leaf, index, size, proof, root = forest.inclusion(0, 3)
    verify_inclusion(leaf, index, size + 1, proof, root)
    with pytest.raises(ProofError):
        verify_inclusion(leaf, index, size + 2, proof, root)


@pytest.mark.spec("P25")
@pytest.mark.parametrize(("index", "size"), [(0, 0), (-1, 4), (4, 4), (9, 4), (0, -1)])
def test_index_outside_the_tree_is_refused_with_the_facts(forest: Forest, index: int, size: int) -> None:
    with pytest.raises(ProofError, match=f"index {index} is not within a tree of {size} leaves") as caught:
        verify_inclusion(forest.leaves[0], index, size, [], forest.leaves[0])
    assert (caught.value.index, caught.value.size) == (index, size)


@pytest.mark.spec("P25")
def test_refusals_of_an_inclusion_proof_say_what_is_wrong(forest: Forest) -> None:
    leaf, index, size, proof, root = forest.inclusion(3, 7)
    with pytest.raises(ProofError, match="ends below the root"):
        verify_inclusion(leaf, index, size, proof[:-1], root)
    with pytest.raises(ProofError, match="goes on above the root"):
        verify_inclusion(leaf, index, size, [*proof, root], root)
    with pytest.raises(ProofError, match="a hash has 32 bytes, not 31"):
        verify_inclusion(leaf, index, size, [*proof[:-1], proof[-1][1:]], root)
    with pytest.raises(ProofError, match="does not lead to the root of the tree of 7 leaves") as caught:
        verify_inclusion(leaf, index, size, proof, EMPTY_ROOT)
    assert (caught.value.computed, caught.value.root) == (root, EMPTY_ROOT)


@pytest.mark.spec("P25")
def test_refusals_of_a_consistency_proof_say_what_is_wrong(forest: Forest) -> None:
    size1, size2, root1, root2, proof = forest.consistency(3, 7)
    with pytest.raises(ProofError, match="the proof is empty"):
        verify_consistency(size1, size2, root1, root2, [])
    with pytest.raises(ProofError, match="ends below the root"):
        verify_consistency(size1, size2, root1, root2, proof[:-1])
    with pytest.raises(ProofError, match="goes on above the root"):
        verify_consistency(size1, size2, root1, root2, [*proof, root2])
    with pytest.raises(ProofError, match="tree of 3 leaves"):
        verify_consistency(size1, size2, EMPTY_ROOT, root2, proof)
    with pytest.raises(ProofError, match="tree of 7 leaves"):
        verify_consistency(size1, size2, root1, EMPTY_ROOT, proof)
    with pytest.raises(ProofError, match="sizes 7 and 3 are not in order"):
        verify_consistency(size2, size1, root2, root1, proof)
    with pytest.raises(ProofError, match="sizes -3 and 7 are not in order"):
        verify_consistency(-size1, size2, root1, root2, proof)


@pytest.mark.spec("P25")
def test_every_tree_begins_with_the_empty_one_and_with_itself(forest: Forest) -> None:
    for size in (0, 1, 2, 7):
        root = forest.roots[size]
        verify_consistency(0, size, EMPTY_ROOT, root, [])
        verify_consistency(size, size, root, root, [])


@pytest.mark.spec("P25")
def test_trivial_consistency_still_compares_the_roots(forest: Forest) -> None:
    root = forest.roots[5]
    other = forest.roots[6]
    for size1, size2, root1, root2, proof in [
        (0, 5, root, root, []),
        (0, 0, root, root, []),
        (0, 0, EMPTY_ROOT, root, []),
        (5, 5, root, other, []),
        (5, 5, root, root, [root]),
        (5, 5, root[1:], root[1:], []),
        (0, 5, EMPTY_ROOT, root[1:], []),
        (0, 5, EMPTY_ROOT, root, [root]),
    ]:
        with pytest.raises(ProofError):
            verify_consistency(size1, size2, root1, root2, proof)


@pytest.mark.spec("P25")
def test_a_rewritten_history_has_no_consistency_proof(forest: Forest) -> None:
    """One entry is changed and everything after it recomputed: the new tree's own proof must be refused."""
    for changed in range(20):
        leaves = [*forest.leaves[:changed], leaf_hash(b"rewritten"), *forest.leaves[changed + 1 : 33]]
        rewritten = Storage(leaves)
        proof = consistency_proof(20, 33, rewritten)
        verify_consistency(20, 33, root_at(20, rewritten), root_at(33, rewritten), proof)
        with pytest.raises(ProofError):
            verify_consistency(20, 33, forest.roots[20], root_at(33, rewritten), proof)


@pytest.mark.spec("P35")
def test_no_preimage_of_one_kind_can_be_one_of_another() -> None:
    """Each kind of pre-image has its own beginning, and none of these begins with another."""
    beginnings = [LEAF_PREFIX, NODE_PREFIX, COMMITMENT_TAG, b"charter:v1\n"]
    assert all(not a.startswith(b) for a, b in product(beginnings, repeat=2) if a is not b)
    value = b'{"a":1}'
    hashes = {leaf_hash(value).hex(), commitment(b"", value).hex(), digest("area", {"a": 1})}
    hashes.add(node_hash(value[:3], value[3:]).hex())
    assert len(hashes) == 4


@pytest.mark.spec("P35")
def test_leaf_covers_every_attribute_of_an_entry() -> None:
    entry = Entry(7, 3, "ref", "area/a", "set", bytes(range(32)), 1_700_000_000_000_001, b"")
    others = [
        entry._replace(position=8),
        entry._replace(revision=4),
        entry._replace(store="re"),
        entry._replace(subject="area/b"),
        entry._replace(operation="delete"),
        entry._replace(commitment=bytes(32)),
        entry._replace(recorded_at=1_700_000_000_000_002),
    ]
    assert len({leaf(each) for each in [entry, *others]}) == 8


def test_proofs_alone_recompute_the_leaf_of_an_entry() -> None:
    entry = Entry(7, 3, "ref", 'area/"ü"\n', "set", bytes(range(32)), 1_700_000_000_000_000, b"")
    data = leaf_data(7, 3, "ref", 'area/"ü"\n', "set", bytes(range(32)).hex(), "2023-11-14T22:13:20Z")
    assert leaf(entry) == leaf_hash(data)
    assert data == (
        b'{"commitment":"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f","operation":"set",'
        b'"position":7,"recorded_at":"2023-11-14T22:13:20Z","revision":3,"store":"ref",'
        b'"subject":"area/\\"\xc3\xbc\\"\\n","v":1}'
    )


@pytest.mark.parametrize("field", ["store", "subject", "operation"])
def test_lone_surrogate_has_no_leaf(field: str) -> None:
    entry = Entry(7, 3, "ref", "a", "set", bytes(32), 0, b"")._replace(**{field: "\ud800"})
    with pytest.raises(ProofError, match="lone surrogate") as caught:
        leaf(entry)
    assert caught.value.position == 7


@pytest.mark.parametrize("length", [1, 15, 17, 32])
def test_nonce_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match=f"a nonce has 16 bytes or none, not {length}"):
        commitment(bytes(length), b"value")


@pytest.mark.spec("P28")
def test_equal_values_under_different_nonces_have_different_commitments() -> None:
    commitments = [commitment(nonce, b"yes") for nonce in (b"", bytes(16), b"\x01" * 16)]
    assert all(a != b for a, b in pairwise(commitments))
    assert commitments[0] != commitments[2]


def test_proofs_imports_the_standard_library_and_the_errors_only() -> None:
    """A sceptic reads one file; it must not lead to others."""
    tree = ast.parse(Path(proofs.__file__).read_text(encoding="utf-8"))
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    imported |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    foreign = {name for name in imported if name.partition(".")[0] not in sys.stdlib_module_names}
    assert foreign == {"charter_persist.errors"}
