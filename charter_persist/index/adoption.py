"""What is not in force: objects that an import brought, and the second digests that a rehash gave.

An import record is in force unless one that is in force lists it; records that list each other in a circle, which
only forgery can make, are not. What a record in force lists is *imported*. A rehash that was not imported makes its
new digests *aliases*; each stands for the first digest at the end of its chain, and a circle for its smallest member.
Import records are judged by the digests as they stand in them, so aliases can follow from imports.

Cost: both sets are computed anew from all records of this module when one arrives, in time linear in what they list.

Imports ``model`` and ``index.findings``. Source: GOV-14, HASH-6.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from sys import intern
from typing import NamedTuple, cast

from charter_persist.index import findings
from charter_persist.model.adoption import ImportRecord, ImportReview, Rehash
from charter_persist.model.digest import Digest
from charter_persist.model.finding import Finding


class _Import(NamedTuple):
    """What is kept of an import record."""

    import_id: str
    objects: tuple[Digest, ...]
    part: int
    parts: int


class Adoption:
    """Imports, reviews and aliases.

    Attributes:
        imports, rehashes, reviews: what is kept of each record.
        imported: first digests of what import records in force list.
    """

    def __init__(self) -> None:
        self.imported: set[Digest] = set()
        self._first: dict[Digest, Digest] = {}
        self.imports: dict[Digest, _Import] = {}
        self._in_force: list[Digest] = []
        self.rehashes: dict[Digest, tuple[tuple[Digest, Digest], ...]] = {}
        self.reviews: dict[Digest, Digest] = {}
        self._reviews_of: defaultdict[Digest, list[Digest]] = defaultdict(list)

    def take_import(self, digest: Digest, record: ImportRecord) -> None:
        """Keep an import record; `settle` makes it count."""
        objects = tuple([cast(Digest, intern(item)) for item in record.objects])
        self.imports[digest] = _Import(record.import_id, objects, record.part, record.parts)

    def take_rehash(self, digest: Digest, rehash: Rehash) -> None:
        """Keep a rehash; `settle` makes it count."""
        self.rehashes[digest] = rehash.pairs

    def take_review(self, digest: Digest, review: ImportReview) -> None:
        """Keep a review; `place_review` makes it count."""
        self.reviews[digest] = review.resolution_id

    def first(self, digest: str) -> Digest:
        """The first digest of an object that may be named by an alias."""
        return self._first.get(cast(Digest, digest), cast(Digest, digest))

    def is_alias(self, digest: Digest) -> bool:
        """Whether a digest stands for an older one."""
        return digest in self._first

    def settle(self) -> tuple[bool, set[Digest]]:
        """Compute what is imported and what is an alias; say whether aliases changed, and which imports did."""
        in_force = records_in_force({digest: record.objects for digest, record in self.imports.items()})
        listed = {item for digest in in_force for item in self.imports[digest].objects}
        pairs = (pair for digest, pairs in self.rehashes.items() if digest not in listed for pair in pairs)
        aliases, self._first = self._first, first_digests(pairs)
        self._in_force = sorted(digest for digest in in_force if not self.is_alias(digest))
        imported, self.imported = self.imported, set()
        for digest in self._in_force:
            self.imported.update(map(self.first, self.imports[digest].objects))
        return aliases != self._first, imported ^ self.imported

    def place_review(self, digest: Digest) -> Iterable[Digest]:
        """Make a review count; the resolution that it is about."""
        self._reviews_of[self.first(self.reviews[digest])].append(digest)
        return self.touched_by_review(digest)

    def touched_by_review(self, digest: Digest) -> Iterable[Digest]:
        """The resolution that a review is about."""
        return (self.first(self.reviews[digest]),)

    def clear(self) -> None:
        """Forget which reviews count; all of them are placed again."""
        self._reviews_of.clear()

    def import_ids(self) -> list[str]:
        """The id of every import that is in force, sorted."""
        return sorted({self.imports[digest].import_id for digest in self._in_force})

    def reviewed(self, resolution_id: Digest) -> bool:
        """Whether a review of an imported resolution is in force."""
        return any(digest not in self.imported for digest in self._reviews_of.get(resolution_id, ()))

    def brought(self, import_id: str) -> set[Digest]:
        """What the records of an import list, if they are in force."""
        records = (self.imports[digest] for digest in self._in_force)
        return {self.first(item) for record in records if record.import_id == import_id for item in record.objects}

    def findings(self, stored: Callable[[Digest], bool]) -> Iterator[Finding]:
        """Records in force that list what is not stored, and imports that lack a part."""
        parts: defaultdict[str, list[Digest]] = defaultdict(list)
        for digest in self._in_force:
            record = self.imports[digest]
            parts[record.import_id].append(digest)
            absent = [item for item in record.objects if not stored(item)]
            if absent:
                yield findings.import_without(digest, absent)
        for import_id, digests in parts.items():
            records = [self.imports[digest] for digest in digests]
            wanted = {record.parts for record in records}
            if wanted != {len({record.part for record in records})}:
                yield findings.import_in_parts(min(digests), import_id)


def records_in_force(lists: Mapping[Digest, Iterable[Digest]]) -> set[Digest]:
    """The import records that none in force lists, given what each lists; each is looked at once."""
    records = {digest: [item for item in items if item in lists] for digest, items in lists.items()}
    waiting = Counter(item for items in records.values() for item in items)
    ready = [digest for digest in records if not waiting[digest]]
    in_force: set[Digest] = set()
    out: set[Digest] = set()
    while ready:
        digest = ready.pop()
        in_force.add(digest)
        for item in records[digest]:
            if item not in out:
                out.add(item)
                waiting.subtract(records[item])
                ready += [freed for freed in records[item] if not waiting[freed] and freed not in out]
    return in_force


def first_digests(pairs: Iterable[tuple[Digest, Digest]]) -> dict[Digest, Digest]:
    """For each alias the digest at the end of its chain, given pairs of old and new digests; linear in their number."""
    older: dict[Digest, Digest] = {}
    for old, new in pairs:
        if old != new:
            older[new] = min(old, older.get(new, old))
    first: dict[Digest, Digest] = {}
    for digest in older:
        path: dict[Digest, int] = {}
        while digest in older and digest not in first and digest not in path:
            path[digest] = len(path)
            digest = older[digest]
        end = min(list(path)[path[digest] :]) if digest in path else first.get(digest, digest)
        first.update(dict.fromkeys(path, end))
    return {digest: end for digest, end in first.items() if digest != end}
