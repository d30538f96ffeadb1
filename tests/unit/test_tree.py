"""The tree against the recursive reference, its tiles against C2SP tlog-tiles, and loading against growing."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

import pytest

from charter_persist.errors import IntegrityError, InvalidInputError
from charter_persist.journal.tree import (
    TILE_BYTES,
    TileNodes,
    Tree,
    consistency_proof,
    inclusion_proof,
    root_at,
    root_of_edge,
)
from charter_persist.proofs import leaf_hash, verify_consistency, verify_inclusion
from tests import reference_merkle
from tests.journal_storage import Storage

SMALL = 131
LARGE = 65_536 + 600
DATA = [str(index).encode() for index in range(LARGE)]
LEAVES = [leaf_hash(data) for data in DATA]
AROUND_TILES = [255, 256, 257, 511, 512, 513]
AROUND_65536 = [65_535, 65_536, 65_537]

# Published with the first implementations of Certificate Transparency: leaves, and the root of each size.
CT_DATA = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
CT_ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


@pytest.fixture(scope="module")
def stored() -> Storage:
    return Storage(LEAVES)


def grown(size: int) -> Tree:
    tree = Tree()
    tree.extend(LEAVES[:size])
    return tree


@pytest.mark.spec("P25")
@pytest.mark.parametrize("size", range(len(CT_DATA) + 1))
def test_root_equals_the_published_vector(size: int) -> None:
    tree = Tree()
    tree.extend(leaf_hash(bytes.fromhex(data)) for data in CT_DATA[:size])
    assert tree.root().hex() == CT_ROOTS[size]


@pytest.mark.spec("P25")
@pytest.mark.parametrize(
    ("index", "size", "expected"),
    [
        (0, 8, ["96a296d224f285c6", "5f083f0a1a33ca07", "6b47aaf29ee3c2af"]),
        (5, 8, ["bc1a0643b12e4d2d", "ca854ea128ed050b", "d37ee418976dd957"]),
    ],
)
def test_inclusion_proof_equals_the_published_vector(index: int, size: int, expected: list[str]) -> None:
    storage = Storage(leaf_hash(bytes.fromhex(data)) for data in CT_DATA)
    assert [node.hex()[:16] for node in inclusion_proof(index, size, storage)] == expected


@pytest.mark.spec("P25")
@pytest.mark.parametrize(
    ("size1", "size2", "expected"),
    [
        (2, 5, ["5f083f0a1a33ca07", "bc1a0643b12e4d2d"]),
        (2, 8, ["5f083f0a1a33ca07", "6b47aaf29ee3c2af"]),
        (6, 8, ["0ebc5d3437fbe2db", "ca854ea128ed050b", "d37ee418976dd957"]),
    ],
)
def test_consistency_proof_equals_the_published_vector(size1: int, size2: int, expected: list[str]) -> None:
    storage = Storage(leaf_hash(bytes.fromhex(data)) for data in CT_DATA)
    assert [node.hex()[:16] for node in consistency_proof(size1, size2, storage)] == expected


@pytest.mark.spec("P25")
def test_every_pair_up_to_130_equals_the_recursive_reference(stored: Storage) -> None:
    for size in range(SMALL):
        data = DATA[:size]
        assert grown(size).root() == root_at(size, stored) == reference_merkle.mth(data)
        for earlier in range(size):
            assert inclusion_proof(earlier, size, stored) == reference_merkle.path(earlier, data)
        for earlier in range(1, size + 1):
            assert consistency_proof(earlier, size, stored) == reference_merkle.proof(earlier, data)


@pytest.mark.spec("P25")
@pytest.mark.parametrize("size", AROUND_TILES)
def test_pairs_around_tile_borders_equal_the_recursive_reference(stored: Storage, size: int) -> None:
    data = DATA[:size]
    assert grown(size).root() == root_at(size, stored) == reference_merkle.mth(data)
    for earlier in {1, 2, 127, 128, 129, 254, 255, 256, 257, 300, 510, 511, 512, size - 1} & set(range(1, size)):
        assert inclusion_proof(earlier, size, stored) == reference_merkle.path(earlier, data)
        assert consistency_proof(earlier, size, stored) == reference_merkle.proof(earlier, data)


@pytest.mark.spec("P25")
@pytest.mark.parametrize("size", AROUND_65536)
def test_pairs_around_the_second_tile_level_equal_the_recursive_reference(stored: Storage, size: int) -> None:
    data = DATA[:size]
    assert grown(size).root() == root_at(size, stored) == reference_merkle.mth(data)
    for earlier in (257, size - 1):
        assert inclusion_proof(earlier, size, stored) == reference_merkle.path(earlier, data)
        assert consistency_proof(earlier, size, stored) == reference_merkle.proof(earlier, data)


@pytest.mark.spec("P25")
def test_a_proof_is_the_same_whether_its_tiles_were_finished_then_or_later(stored: Storage) -> None:
    for size in (200, 300, 700):
        at_that_time = Storage(LEAVES[:size])
        for earlier in (0, 1, 130, size - 1):
            assert inclusion_proof(earlier, size, at_that_time) == inclusion_proof(earlier, size, stored)
            assert consistency_proof(earlier, size, at_that_time) == consistency_proof(earlier, size, stored)


@pytest.mark.spec("P25")
def test_sampled_proofs_of_large_trees_verify(stored: Storage) -> None:
    for size in [*AROUND_65536, LARGE]:
        root = root_at(size, stored)
        for earlier in [*range(1, size, 997), 255, 256, 257, 65_535, size - 1]:
            if earlier < size:
                verify_inclusion(LEAVES[earlier], earlier, size, inclusion_proof(earlier, size, stored), root)
            proof = consistency_proof(earlier, size, stored)
            verify_consistency(earlier, size, root_at(earlier, stored), root, proof)


@pytest.mark.spec("P25")
def test_tree_loaded_at_any_size_continues_like_the_one_that_was_grown() -> None:
    storage, tree = Storage(), Tree()
    for size in range(601):
        loaded = Tree.load(size, storage)
        assert (loaded.size, loaded.edge(), loaded.root()) == (tree.size, tree.edge(), tree.root())
        loaded.extend(LEAVES[size : size + 300])
        assert size % 50 or loaded.root() == grown(size + 300).root()
        tree.append(LEAVES[size])
        storage.leaf_hashes.append(LEAVES[size])
        storage.keep_tiles(tree)


@pytest.mark.spec("P25")
@pytest.mark.parametrize("size", [*AROUND_65536, 65_536 + 255, 65_536 + 256, LARGE])
def test_large_tree_loaded_continues_like_the_one_that_was_grown(stored: Storage, size: int) -> None:
    loaded, tree = Tree.load(size, stored), grown(size)
    tree.take_tiles()
    loaded.extend(LEAVES[:600])
    tree.extend(LEAVES[:600])
    assert loaded.edge() == tree.edge()
    assert loaded.take_tiles() == tree.take_tiles()


def test_load_reads_only_the_unfinished_tile_of_each_level(stored: Storage) -> None:
    stored.reads.clear()
    Tree.load(LARGE, stored)
    assert stored.reads == [("leaves", 65_536 + 512, 88), ("tile_roots", 0, 256, 2), ("tile_roots", 1, 0, 1)]


def test_load_of_a_whole_tile_reads_no_leaves(stored: Storage) -> None:
    stored.reads.clear()
    Tree.load(512, stored)
    assert stored.reads == [("tile_roots", 0, 0, 2)]


def test_a_proof_reads_each_tile_at_most_once(stored: Storage) -> None:
    for make in (inclusion_proof, consistency_proof):
        stored.reads.clear()
        make(40_000, LARGE, stored)
        assert len(stored.reads) == len(set(stored.reads)) <= 9


@pytest.mark.spec("P25")
def test_tiles_equal_those_of_tlog_tiles(stored: Storage) -> None:
    """A tile holds, by its definition, the subtree hashes of 256 ** level leaves each, in order."""
    for index in (0, 1, 255):
        assert stored.tiles[0, index][: 256 * 32] == b"".join(LEAVES[256 * index : 256 * (index + 1)])
    for index in (0, 17, 255):
        expected = reference_merkle.mth(DATA[256 * index : 256 * (index + 1)])
        assert stored.tiles[1, 0][32 * index : 32 * (index + 1)] == expected
    assert set(stored.tiles) == {(0, index) for index in range(LARGE // 256)} | {(1, 0)}


def test_a_tile_holds_every_completed_subtree_root_above_its_entries(stored: Storage) -> None:
    for nodes in (stored.tiles[0, 3], stored.tiles[1, 0]):
        rows = [[nodes[at : at + 32] for at in range(0, 256 * 32, 32)]]
        while len(rows[-1]) > 1:
            below = rows[-1]
            pairs = zip(below[::2], below[1::2], strict=True)
            rows.append([sha256(b"\x01" + left + right).digest() for left, right in pairs])
        assert nodes == b"".join(b"".join(row) for row in rows)
        assert len(nodes) == TILE_BYTES == 511 * 32


@pytest.mark.parametrize("chunk", [1, 7, 255, 256, 257, 1000, LARGE])
def test_tiles_do_not_depend_on_how_often_they_are_taken(stored: Storage, chunk: int) -> None:
    tree, tiles = Tree(), {}
    for start in range(0, 3000 if chunk < 255 else LARGE, chunk):
        tree.extend(LEAVES[start : start + chunk])
        tiles.update({(tile.level, tile.number): tile.nodes for tile in tree.take_tiles()})
    assert tiles == {place: stored.tiles[place] for place in tiles}
    assert len(tiles) == tree.size // 256 + tree.size // 65_536


def test_tiles_are_handed_over_once_lower_levels_first() -> None:
    tree = grown(65_536)
    taken = tree.take_tiles()
    assert [(tile.level, tile.number) for tile in taken] == [*((0, index) for index in range(256)), (1, 0)]
    assert taken[-1].root == tree.root()
    assert tree.take_tiles() == []


def test_copy_and_original_do_not_touch_each_other() -> None:
    tree = grown(511)
    before = tree.edge()
    copy = tree.copy()
    copy.extend(LEAVES[511:600])
    assert (tree.size, tree.edge(), copy.root()) == (511, before, grown(600).root())
    assert [tile.number for tile in copy.take_tiles()] == [0, 1]
    assert [tile.number for tile in tree.take_tiles()] == [0]
    tree.extend(LEAVES[511:700])
    assert (copy.size, copy.root(), tree.root()) == (600, grown(600).root(), grown(700).root())


def test_edge_holds_one_root_for_each_bit_of_the_size_largest_first() -> None:
    for size in (0, 1, 2, 3, 255, 256, 257, 777):
        tree = grown(size)
        start, expected = 0, []
        for height in range(size.bit_length() - 1, -1, -1):
            if size >> height & 1:
                expected.append(reference_merkle.mth(DATA[start : start + (1 << height)]))
                start += 1 << height
        assert tree.edge() == tuple(expected)
        assert root_of_edge(tree.edge()) == tree.root() == reference_merkle.mth(DATA[:size])


def test_empty_tree_has_the_hash_of_nothing_as_root() -> None:
    assert Tree().root() == root_of_edge(()) == root_at(0, Storage()) == sha256(b"").digest()
    assert Tree.load(0, Storage()).size == 0


def test_consistency_with_nothing_or_with_itself_needs_no_proof(stored: Storage) -> None:
    for size in (0, 1, 5, 256, 300):
        assert consistency_proof(0, size, stored) == consistency_proof(size, size, stored) == []


@pytest.mark.parametrize(("index", "size"), [(-1, 5), (5, 5), (6, 5), (0, 0), (0, -1), (-1, -1)])
def test_inclusion_proof_outside_the_tree_is_refused(stored: Storage, index: int, size: int) -> None:
    with pytest.raises(InvalidInputError, match="not within a tree") as caught:
        inclusion_proof(index, size, stored)
    assert (caught.value.index, caught.value.size) == (index, size)


@pytest.mark.parametrize(("size1", "size2"), [(-1, 5), (6, 5), (1, 0), (-2, -1)])
def test_consistency_proof_of_sizes_out_of_order_is_refused(stored: Storage, size1: int, size2: int) -> None:
    with pytest.raises(InvalidInputError, match="not in order"):
        consistency_proof(size1, size2, stored)


def test_negative_size_is_refused(stored: Storage) -> None:
    with pytest.raises(InvalidInputError, match="cannot have -1 leaves"):
        root_at(-1, stored)
    with pytest.raises(InvalidInputError, match="cannot have -1 leaves"):
        Tree.load(-1, stored)


@pytest.mark.spec("P25")
def test_size_beyond_what_is_stored_is_refused() -> None:
    storage = Storage(LEAVES[:600])
    for beyond in (601, 767, 768, 1000, 66_000):
        with pytest.raises(IntegrityError):
            root_at(beyond, storage)
        with pytest.raises(IntegrityError):
            Tree.load(beyond, storage)


def test_missing_tile_is_reported_with_its_place() -> None:
    storage = Storage(LEAVES[:600])
    del storage.tiles[0, 1]
    with pytest.raises(IntegrityError, match="tile 1 of level 0 is missing or cut") as caught:
        TileNodes(600, storage).node(0, 300)
    with pytest.raises(IntegrityError, match="tile 1 of level 0 is missing or cut"):
        TileNodes(512, storage).node(0, 300)
    assert (caught.value.level, caught.value.number) == (0, 1)
    with pytest.raises(IntegrityError, match="of 2 tiles of level 0 from index 0 only 1 are stored"):
        Tree.load(600, storage)


def test_missing_leaf_is_reported() -> None:
    storage = Storage(LEAVES[:600])
    storage.leaf_hashes.pop()
    with pytest.raises(IntegrityError, match="of 88 leaves from index 512 only 87 are stored"):
        Tree.load(600, storage)


@pytest.mark.parametrize("index", [1, 2])
def test_tile_of_wrong_length_is_refused(index: int) -> None:
    storage = Storage(LEAVES[:768])
    storage.tiles[0, index] = storage.tiles[0, index][:-32]
    with pytest.raises(IntegrityError, match="missing or cut"):
        inclusion_proof(256 * index, 700, storage)


def test_node_answers_every_complete_subtree(stored: Storage) -> None:
    size = 700
    for storage in (stored, Storage(LEAVES[:size])):
        nodes = TileNodes(size, storage)
        for height in range(10):
            width = 1 << height
            roots: Sequence[bytes] = [nodes.node(height, index) for index in range(size // width)]
            assert roots == [reference_merkle.mth(DATA[at : at + width]) for at in range(0, size - width + 1, width)]
