"""What an import did, for people and for programs. Imports ``model`` only. Source: GOV-12, NEIGHBOURS 2.7."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from charter_persist.errors import InvalidInputError


class Mode(StrEnum):
    """How a bundle is taken in.

    Attributes:
        RESTORE: verbatim, into a store that knows none of its areas.
        CONSOLIDATE: beside what is here; what comes into a known area waits for review.
    """

    RESTORE = "restore"
    CONSOLIDATE = "consolidate"


class Case(StrEnum):
    """How an area of a bundle meets the store.

    Attributes:
        A: it is unknown here: it comes with its refs and its audit, in force.
        B: it is known, and no authority or scope stands on both sides.
        C: it is known, with the same authority and scope.
        D: it is known, and authority or scope differ.
    """

    A = "A"
    B = "B"
    C = "C"
    D = "D"


@dataclass(frozen=True, slots=True)
class Divergence:
    """An area whose authority or scope here is not that of the bundle; nothing was merged.

    Attributes:
        area_id: of the area.
        ref: name of the ref.
        here, there: digests that it names in the store and in the bundle; None where it does not exist.
    """

    area_id: str
    ref: str
    here: str | None
    there: str | None


@dataclass(frozen=True, slots=True)
class AreaImport:
    """What became of one area of a bundle.

    Attributes:
        area_id: of the area.
        case: how it met the store; A for every area of a RESTORE.
        under_review: how many resolutions came and wait for review.
        import_id: of the import records that list what came; None where nothing had to be listed.
        sessions_paused: how many sessions were ACTIVE here.
        divergences: where authority or scope differ.
    """

    area_id: str
    case: Case
    under_review: int = 0
    import_id: str | None = None
    sessions_paused: int = 0
    divergences: tuple[Divergence, ...] = ()


@dataclass(slots=True)
class Totals:
    """What was counted while a bundle was written.

    Attributes:
        objects_new, objects_known: objects that came, and that were here.
        refs_new, refs_left: refs that came, and that were here already or have no business here.
        events_new, events_left: audit events, likewise.
    """

    objects_new: int = 0
    objects_known: int = 0
    refs_new: int = 0
    refs_left: int = 0
    events_new: int = 0
    events_left: int = 0


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did.

    Attributes:
        mode: how the bundle was taken in.
        bundle_digest: its content digest.
        fingerprint: SHA-256 of all its bytes.
        totals: what was counted.
        areas: each of its areas, by id.
    """

    mode: Mode
    bundle_digest: str
    fingerprint: str
    totals: Totals
    areas: tuple[AreaImport, ...]

    @property
    def changed(self) -> bool:
        """Whether anything came but the events that record the attempt."""
        return bool(self.totals.objects_new or self.totals.refs_new or self.totals.events_new)

    @property
    def divergences(self) -> tuple[Divergence, ...]:
        """Every divergence, by area."""
        return tuple(found for area in self.areas for found in area.divergences)

    def to_json(self) -> dict[str, Any]:
        """The whole report."""
        return {**asdict(self), "mode": str(self.mode), "changed": self.changed}


def import_mode(value: object) -> Mode:
    """Read a mode.

    Raises:
        InvalidInputError: there is no such mode.
    """
    if value not in tuple(Mode):
        raise InvalidInputError(f"a bundle is imported by restore or consolidate, not {str(value)[:80]!r}")
    return Mode(str(value))
