"""What the state machine does to archives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from hypothesis import strategies as st

from charter_persist.model.archive import hash_of_content
from charter_persist.model.canonical import canonical_bytes
from charter_persist.unit_of_work import ReadView, UnitOfWork

TYPES: Final = ("note", "plan")
_NAMES: Final = ("a", "b", "\U0001f600")


@dataclass(frozen=True)
class StoreEntity:
    """Store an entity, which may be there or may have been erased."""

    kind: str
    content: Any

    def __call__(self, uow: UnitOfWork) -> Any:
        """Its hash, and what the archive has under it then."""
        archive = uow.archive(self.kind)
        found = archive.store(self.content)
        return found, archive.retrieve(found)


@dataclass(frozen=True)
class EraseEntity:
    """Erase an entity, which may not be there."""

    kind: str
    name: str

    def __call__(self, uow: UnitOfWork) -> Any:
        """Whether it was there before, whether it was erased, and whether it is there now."""
        archive = uow.archive(self.kind)
        name = hash_of_content(canonical_bytes({"id": self.name}))
        return archive.exists(name), archive.erase(name), archive.exists(name)


BEGINNING: Final = (StoreEntity(TYPES[0], {"id": _NAMES[0]}),)
_NAME: Final = st.sampled_from(_NAMES)
_TYPE: Final = st.sampled_from(TYPES)
DRAWN: Final = st.one_of(
    st.builds(StoreEntity, _TYPE, st.builds(lambda name: {"id": name}, _NAME)),
    st.builds(StoreEntity, st.just("note"), st.sampled_from([{}, {"id": 7}, {"id": "a", "x": float("nan")}])),
    st.builds(EraseEntity, _TYPE, _NAME),
)


def observed(view: ReadView) -> dict[str, Any]:
    """The entities of each type, and how many and how large they are since when."""
    archives = [view.archive(kind) for kind in TYPES]
    return {
        "archived": [list(archive.list_hashes()) for archive in archives],
        "archive stats": [archive.stats() for archive in archives],
    }
