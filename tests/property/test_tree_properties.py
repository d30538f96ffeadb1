"""Properties of the tree, its proofs and its leaves, on random input."""

from __future__ import annotations

from functools import cache
from hashlib import sha256

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from charter_persist.errors import CharterError, InvalidInputError, ProofError
from charter_persist.journal.checkpoint import Checkpoint, Signature, parse_note
from charter_persist.journal.entry import Entry, leaf
from charter_persist.journal.tree import Tree, consistency_proof, inclusion_proof, root_at
from charter_persist.model.time import format_micros
from charter_persist.proofs import EMPTY_ROOT, leaf_data, leaf_hash, verify_consistency, verify_inclusion
from tests import reference_merkle
from tests.journal_storage import Storage

LARGEST = 70_000
SAFE_INTEGERS = st.integers(0, 2**53 - 1)
MICROS = st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
HASHES = st.binary(min_size=32, max_size=32)
ENTRIES = st.builds(Entry, SAFE_INTEGERS, SAFE_INTEGERS, TEXTS, TEXTS, TEXTS, HASHES, MICROS)


@cache
def large() -> Storage:
    """A tree with three levels of tiles, none of its sizes special."""
    return Storage(leaf_hash(index.to_bytes(3)) for index in range(LARGEST))


@pytest.mark.spec("P25")
@given(st.lists(st.binary(max_size=4), max_size=600), st.lists(st.integers(1, 300), max_size=10))
@settings(max_examples=60, deadline=None)
def test_a_tree_in_any_steps_equals_the_reference(data: list[bytes], steps: list[int]) -> None:
    """Steps of any length, each on a copy that replaces the tree, with its tiles taken or left as it comes."""
    leaves = [leaf_hash(each) for each in data]
    tree, tiles = Tree(), []
    for step in [*steps, len(data)]:
        provisional = tree.copy()
        provisional.extend(leaves[tree.size : tree.size + step])
        tree = provisional
        if step % 2:
            tiles += tree.take_tiles()
    tiles += tree.take_tiles()
    assert tree.size == len(data)
    assert tree.root() == reference_merkle.mth(data)
    assert [(tile.level, tile.number) for tile in tiles] == [(0, number) for number in range(len(data) // 256)]


@pytest.mark.spec("P25")
@given(st.integers(0, LARGEST), st.integers(0, LARGEST))
@settings(max_examples=200, deadline=None)
def test_any_proof_of_a_large_tree_verifies(a: int, b: int) -> None:
    earlier, size = sorted((a, b))
    root = root_at(size, large())
    if earlier < size:
        proof = inclusion_proof(earlier, size, large())
        verify_inclusion(large().leaf_hashes[earlier], earlier, size, proof, root)
    proof = consistency_proof(earlier, size, large())
    verify_consistency(earlier, size, root_at(earlier, large()), root, proof)


@pytest.mark.spec("P25")
@given(st.integers(0, LARGEST), st.integers(0, 600))
@settings(max_examples=100, deadline=None)
def test_a_tree_loaded_at_any_size_grows_to_the_same_root(size: int, more: int) -> None:
    more = min(more, LARGEST - size)
    tree = Tree.load(size, large())
    assert tree.root() == root_at(size, large())
    tree.extend(large().leaf_hashes[size : size + more])
    assert tree.root() == root_at(size + more, large())
    assert all(large().tiles[tile.level, tile.number] == tile.nodes for tile in tree.take_tiles())


@pytest.mark.spec("P25")
@given(st.data())
@settings(max_examples=300, deadline=None)
def test_random_hashes_never_make_a_proof(data: st.DataObject) -> None:
    """Of any index, size and length, with true hashes of the tree among the random ones."""
    size1 = data.draw(st.integers(0, 300))
    size2 = data.draw(st.integers(0, 300))
    hashes = HASHES | st.sampled_from(large().leaf_hashes[:300])
    proof = data.draw(st.lists(hashes, min_size=1, max_size=12))
    root = root_at(size2, large())
    with pytest.raises(ProofError):
        verify_inclusion(large().leaf_hashes[size1], size1, size2, [*proof, bytes(32)], root)
    with pytest.raises(ProofError):
        verify_consistency(size1, size2, root_at(size1, large()), root, [*proof, bytes(32)])


@pytest.mark.spec("HASH-2")
@given(ENTRIES)
@settings(max_examples=500)
def test_leaf_data_equals_rfc8785(entry: Entry) -> None:
    facts = {name: value for name, value in entry._asdict().items() if name != "leaf"}
    members = facts | {
        "commitment": entry.commitment.hex(),
        "recorded_at": format_micros(entry.recorded_at),
        "v": 1,
    }
    expected = rfc8785.dumps(members)
    data = leaf_data(*entry[:5], entry.commitment.hex(), format_micros(entry.recorded_at))
    assert data == expected
    assert leaf(entry) == sha256(b"\x00" + expected).digest()


@pytest.mark.spec("P35")
@given(ENTRIES, ENTRIES, st.sets(st.sampled_from(Entry._fields)))
@settings(max_examples=200)
def test_two_entries_have_the_same_leaf_only_when_they_are_equal(a: Entry, other: Entry, taken: set[str]) -> None:
    b = a._replace(**{name: getattr(other, name) for name in taken})
    # The stored leaf is no fact of its own: it follows from the others.
    assert (leaf(a) == leaf(b)) == (a[:7] == b[:7])


@pytest.mark.spec("HASH-2")
@given(TEXTS, TEXTS, TEXTS, TEXTS, TEXTS)
@settings(max_examples=200)
def test_leaf_data_equals_rfc8785_for_texts_that_no_entry_has(a: str, b: str, c: str, d: str, e: str) -> None:
    members = {"commitment": d, "operation": c, "position": 1, "recorded_at": e, "revision": 2, "store": a}
    assert leaf_data(1, 2, a, b, c, d, e) == rfc8785.dumps({**members, "subject": b, "v": 1})


NAMES = st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters="+"), min_size=1)
ORIGINS = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1)
SIGNATURES = st.lists(
    st.builds(Signature, NAMES, st.binary(min_size=4, max_size=4), st.binary(min_size=1, max_size=100)),
    max_size=5,
    unique_by=lambda signature: (signature.name, signature.key_id),
)


@pytest.mark.spec("P26")
@given(ORIGINS, st.integers(1, 2**63 - 1), HASHES, SIGNATURES)
def test_any_checkpoint_reads_back(origin: str, size: int, root: bytes, signatures: list[Signature]) -> None:
    for checkpoint in (
        Checkpoint(origin, size, root, tuple(signatures)),
        Checkpoint(origin, 0, EMPTY_ROOT, tuple(signatures)),
    ):
        assert parse_note(checkpoint.text()) == parse_note(checkpoint.text().encode()) == checkpoint


@pytest.mark.spec("P26")
@given(st.data())
@settings(max_examples=300)
def test_a_damaged_note_is_refused_or_is_another_note(data: st.DataObject) -> None:
    """Whatever is read would be written the same way: no two texts are the same checkpoint."""
    note = Checkpoint("a", 7, bytes(32), (Signature("b", b"abcd", b"signature"),)).text().encode()
    at = data.draw(st.integers(0, len(note)))
    damaged = note[:at] + data.draw(st.binary(max_size=3)) + note[at + data.draw(st.integers(0, 3)) :]
    try:
        checkpoint = parse_note(damaged)
    except InvalidInputError:
        return
    assert checkpoint.text().encode() == damaged


@pytest.mark.spec("P26")
@given(st.binary(max_size=200) | st.text(max_size=200))
def test_no_input_makes_the_reader_fail_in_another_way(note: bytes | str) -> None:
    with pytest.raises(CharterError):
        parse_note(note)
