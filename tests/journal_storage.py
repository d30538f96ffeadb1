"""A journal's storage made of a list and a dict, which remembers what was read of it."""

from __future__ import annotations

from collections.abc import Iterable

from charter_persist.journal.tree import Tree


class Storage:
    """A `NodeReader` over leaves and tiles in memory."""

    def __init__(self, leaves: Iterable[bytes] = ()) -> None:
        self.leaf_hashes = list(leaves)
        self.tiles: dict[tuple[int, int], bytes] = {}
        self.reads: list[tuple[object, ...]] = []
        self.tree = Tree()
        self.tree.extend(self.leaf_hashes)
        self.keep_tiles(self.tree)

    def keep_tiles(self, tree: Tree) -> None:
        for tile in tree.take_tiles():
            assert (tile.level, tile.number) not in self.tiles, "a tile is written once"
            self.tiles[tile.level, tile.number] = tile.nodes

    def tile(self, level: int, number: int) -> bytes | None:
        self.reads.append(("tile", level, number))
        return self.tiles.get((level, number))

    def tile_roots(self, level: int, first_number: int, count: int) -> list[bytes]:
        self.reads.append(("tile_roots", level, first_number, count))
        numbers = range(first_number, first_number + count)
        return [self.tiles[level, number][-32:] for number in numbers if (level, number) in self.tiles]

    def leaves(self, first_index: int, count: int) -> list[bytes]:
        self.reads.append(("leaves", first_index, count))
        return self.leaf_hashes[first_index : first_index + count]
