"""Areas by id and label, and the resolutions that belong to each.

Cost of a look-up: one access; a listing sorts what it lists. Where forgery made two areas of one id, the one with the
smallest digest answers, and one that an import brought only where there is no other.

Imports ``model``, ``index.adoption``, ``index.findings`` and ``index.lookups``. Source: IDX-6.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from charter_persist.index import findings
from charter_persist.index.adoption import Adoption
from charter_persist.index.lookups import AreaEntry
from charter_persist.model.area import Area, AreaRetirement
from charter_persist.model.digest import Digest
from charter_persist.model.finding import Finding


class Areas:
    """Areas, their ends, and their resolutions.

    Attributes:
        areas: id and label of each.
        ends: id of the area that each retirement ends.
    """

    def __init__(self, adoption: Adoption) -> None:
        self._adoption = adoption
        self.areas: dict[Digest, tuple[str, str]] = {}
        self.ends: dict[Digest, str] = {}
        self._by_id: defaultdict[str, list[Digest]] = defaultdict(list)
        self._by_label: defaultdict[str, list[Digest]] = defaultdict(list)
        self._ends_of: defaultdict[str, list[Digest]] = defaultdict(list)
        self._members: defaultdict[str, list[Digest]] = defaultdict(list)

    def take_area(self, digest: Digest, area: Area) -> None:
        """Keep an area; `place_area` makes it count."""
        self.areas[digest] = (area.area_id, area.label)

    def take_end(self, digest: Digest, end: AreaRetirement) -> None:
        """Keep the end of an area; `place_end` makes it count."""
        self.ends[digest] = end.area_id

    def place_area(self, digest: Digest) -> Iterable[Digest]:
        """Make an area count; it touches no resolution."""
        area_id, label = self.areas[digest]
        self._by_id[area_id].append(digest)
        self._by_label[label].append(digest)
        return ()

    def place_end(self, digest: Digest) -> Iterable[Digest]:
        """Make the end of an area count; it touches no resolution."""
        self._ends_of[self.ends[digest]].append(digest)
        return ()

    def place_member(self, digest: Digest, area_id: str) -> None:
        """Add a resolution to its area."""
        self._members[area_id].append(digest)

    def clear(self) -> None:
        """Forget what counts; everything is placed again."""
        for placed in (self._by_id, self._by_label, self._ends_of, self._members):
            placed.clear()

    def entries(self) -> list[AreaEntry]:
        """Every area, by its id."""
        return [entry for area_id in sorted(self._by_id) if (entry := self.entry(area_id)) is not None]

    def entry(self, area_id: str) -> AreaEntry | None:
        """The area of that id, or None."""
        imported = self._adoption.imported
        digest = min(self._by_id.get(area_id, ()), key=lambda item: (item in imported, item), default=None)
        if digest is None:
            return None
        retired = any(end not in imported for end in self._ends_of.get(area_id, ()))
        return AreaEntry(area_id, self.areas[digest][1], digest, retired)

    def labelled(self, label: str) -> AreaEntry | None:
        """The area that answers to a label, or None; the one with the smallest id where forgery made several."""
        ids = {self.areas[digest][0] for digest in self._by_label.get(label, ())}
        entries = (self.entry(area_id) for area_id in sorted(ids))
        return next((entry for entry in entries if entry is not None and entry.label == label), None)

    def members(self, area_id: str) -> list[Digest]:
        """Every resolution of an area, sorted."""
        return sorted(self._members.get(area_id, ()))

    def with_members(self) -> list[str]:
        """The id of every area that resolutions name, sorted."""
        return sorted(self._members)

    def known(self, area_id: str) -> bool:
        """Whether there is an area of that id."""
        return area_id in self._by_id

    def findings(self) -> Iterator[Finding]:
        """Areas whose id or label an area with a smaller digest has too."""
        imported = self._adoption.imported
        groups = [*self._by_id.values(), *self._by_label.values()]
        twice = {digest for group in groups for digest in sorted(item for item in group if item not in imported)[1:]}
        for digest in twice:
            yield findings.duplicate_area(digest, *self.areas[digest])
