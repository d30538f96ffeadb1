"""What of a store belongs to some of its areas: objects, refs and audit events.

To an area belong the objects that name it, the import records that name no other area with their reviews, the rehash
records that begin with an object of it, what its refs point to, its refs, the events of its scope, and the GLOBAL events
about itself.

Cost: one scan of the import and rehash records and of the refs of the areas, then one parse for each domain object.

Imports ``backends.contract``, ``model`` and ``errors``. Source: GOV-12, NEIGHBOURS 2.7.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from charter_persist.backends.contract import OBJECT, REF, AuditRow, ObjectRow, Reader, RefRow
from charter_persist.errors import InvalidInputError, NotFoundError
from charter_persist.model.adoption import ImportRecord, ImportReview, Rehash
from charter_persist.model.area import GLOBAL, Area, AreaRetirement, area_scope
from charter_persist.model.canonical import load_canonical
from charter_persist.model.lifecycle import Transition
from charter_persist.model.resolution import Resolution
from charter_persist.model.shape import names
from charter_persist.model.text import prefix_end

BY_TYPE: Final = ("type", "position")
NAMES_AREA: Final = frozenset(
    {Area.object_type, AreaRetirement.object_type, "session", Resolution.object_type, Transition.object_type}
)
"""Types whose content has a field ``area_id``."""


def area_of(reader: Reader, row: ObjectRow) -> str | None:
    """The area that an object belongs to; None where it belongs to none, or to several.

    Args:
        reader: where what the object names is looked up.
        row: the object; its bytes were verified.
    """
    if row.type in NAMES_AREA:
        return _text(load_canonical(row.data), "area_id")
    if row.type == ImportRecord.object_type:
        ids = _list(load_canonical(row.data), "area_ids")
        return ids[0] if len(ids) == 1 else None
    if row.type == ImportReview.object_type:
        return _area_of_digest(reader, _text(load_canonical(row.data), "resolution_id"))
    if row.type == Rehash.object_type:
        pairs = _list(load_canonical(row.data), "pairs")
        return _area_of_digest(reader, pairs[0][0]) if pairs else None
    return None


class Selection:
    """The areas that are wanted, and what belongs to them in one snapshot.

    Raises:
        NotFoundError: there is no such area.
        InvalidInputError: an import record names a wanted area and one that is not: they can only go together.
    """

    def __init__(self, reader: Reader, areas: Iterable[str]) -> None:
        self.areas = names(sorted(set(areas)), field="areas")
        self._reader = reader
        self._wanted = frozenset(self.areas)
        self._scopes = frozenset(map(area_scope, self.areas))
        self._targets = frozenset(ref.digest for ref in self.refs())
        self._check_areas()
        self._check_imports()

    def object(self, row: ObjectRow) -> bool:
        """Whether an object belongs to a wanted area."""
        return row.digest in self._targets or area_of(self._reader, row) in self._wanted

    def refs(self) -> Iterator[RefRow]:
        """The refs of the wanted areas, by name; an id that goes on where another ends shares names with it."""
        found: dict[str, RefRow] = {}
        for area_id in self.areas:
            prefix = f"area/{area_id}/"
            end = prefix_end(prefix)
            rows = self._reader.scan(REF, ("name",), start=(prefix,), stop=None if end is None else (end,))
            found.update((row.name, row) for row in rows)
        return iter([found[name] for name in sorted(found)])

    def event(self, row: AuditRow) -> bool:
        """Whether an event is of the scope of a wanted area, or is a GLOBAL one about it."""
        if row.scope == GLOBAL:
            return row.subject_type == Area.object_type and row.subject_id in self._wanted
        return row.scope in self._scopes

    def _check_areas(self) -> None:
        rows = self._reader.scan(OBJECT, BY_TYPE, prefix=(Area.object_type,))
        missing = self._wanted - {area_of(self._reader, row) for row in rows}
        if missing:
            raise NotFoundError(f"there is no area {min(missing)}", area_id=min(missing))

    def _check_imports(self) -> None:
        for row in self._reader.scan(OBJECT, BY_TYPE, prefix=(ImportRecord.object_type,)):
            named = set(_list(load_canonical(row.data), "area_ids"))
            if named & self._wanted and not named <= self._wanted:
                others = ", ".join(sorted(named - self._wanted))
                raise InvalidInputError(f"one import record names these areas as well: {others}; export them together")


def _area_of_digest(reader: Reader, digest: str | None) -> str | None:
    row = reader.get(OBJECT, (bytes.fromhex(digest),)) if digest is not None else None
    return None if row is None else area_of(reader, row)


def _text(content: Any, field: str) -> str | None:
    value = content.get(field) if type(content) is dict else None
    return value if type(value) is str else None


def _list(content: Any, field: str) -> list[Any]:
    value = content.get(field) if type(content) is dict else None
    return value if type(value) is list else []
