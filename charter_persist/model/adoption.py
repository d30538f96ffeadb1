"""What is recorded of content that came from elsewhere: what a consolidation brought, its review, a rehash.

Source: GOV-12, GOV-14, HASH-6, NEIGHBOURS 2.7.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Any, ClassVar

from charter_persist.errors import InvalidInputError
from charter_persist.model.digest import Digest, parse_digest
from charter_persist.model.shape import digests, exact_fields, moment, names, optional_digest
from charter_persist.model.text import check_text


class ReviewOutcome(StrEnum):
    """What became of an imported resolution; it never takes force itself, a local one does."""

    CONSOLIDATED = "CONSOLIDATED"
    REJECTED = "REJECTED"
    HISTORICAL = "HISTORICAL"


@dataclass(frozen=True, slots=True)
class ImportRecord:
    """One part of what a consolidation brought into areas that have a life of their own here.

    What it lists has no effect on what was here before: resolutions are UNDER_REVIEW until they were reviewed, and
    their supersessions, transitions and import records do not count.

    Attributes:
        import_id: of the import.
        bundle_digest: content digest of the bundle.
        area_ids: the areas that the bundle held, sorted.
        objects: digests of what is listed, sorted; resolutions, transitions and records of this module.
        part, parts: a long list is divided; from 1.
        imported_at: RFC 3339 text.
    """

    object_type: ClassVar[str] = "import"
    FIELDS: ClassVar[frozenset[str]] = frozenset(
        {"import_id", "bundle_digest", "area_ids", "objects", "part", "parts", "imported_at"}
    )

    import_id: str
    bundle_digest: Digest
    area_ids: tuple[str, ...]
    objects: tuple[Digest, ...]
    part: int
    parts: int
    imported_at: str

    def to_content(self) -> dict[str, Any]:
        """The content of the object."""
        return {
            "import_id": self.import_id,
            "bundle_digest": self.bundle_digest,
            "area_ids": list(self.area_ids),
            "objects": list(self.objects),
            "part": self.part,
            "parts": self.parts,
            "imported_at": self.imported_at,
        }

    @classmethod
    def from_content(cls, content: object) -> ImportRecord:
        """Read the content of an object.

        Raises:
            InvalidInputError: it is not the content of an import record.
        """
        data = exact_fields(content, cls.FIELDS, form="an import record")
        part, parts = _part(data["part"], data["parts"])
        return cls(
            import_id=check_text(data["import_id"], field="import_id"),
            bundle_digest=parse_digest(data["bundle_digest"]),
            area_ids=names(data["area_ids"], field="area_ids"),
            objects=digests(data["objects"], field="objects"),
            part=part,
            parts=parts,
            imported_at=moment(data["imported_at"]),
        )


@dataclass(frozen=True, slots=True)
class ImportReview:
    """The review of one imported resolution.

    Attributes:
        import_id: of the import that brought it.
        resolution_id: digest of the imported resolution.
        outcome: what became of it.
        local_resolution_id: digest of the resolution that was accepted here in its place; None where none was.
        reviewed_at: RFC 3339 text.
    """

    object_type: ClassVar[str] = "import_review"
    FIELDS: ClassVar[frozenset[str]] = frozenset(
        {"import_id", "resolution_id", "outcome", "local_resolution_id", "reviewed_at"}
    )

    import_id: str
    resolution_id: Digest
    outcome: ReviewOutcome
    local_resolution_id: Digest | None
    reviewed_at: str

    def to_content(self) -> dict[str, Any]:
        """The content of the object."""
        return {
            "import_id": self.import_id,
            "resolution_id": self.resolution_id,
            "outcome": str(self.outcome),
            "local_resolution_id": self.local_resolution_id,
            "reviewed_at": self.reviewed_at,
        }

    @classmethod
    def from_content(cls, content: object) -> ImportReview:
        """Read the content of an object.

        Raises:
            InvalidInputError: it is not the content of a review.
        """
        data = exact_fields(content, cls.FIELDS, form="an import review")
        local = optional_digest(data["local_resolution_id"])
        outcome = review_outcome(data["outcome"])
        if (local is not None) != (outcome is ReviewOutcome.CONSOLIDATED):
            raise InvalidInputError("a review names a local resolution if and only if its outcome is CONSOLIDATED")
        return cls(
            import_id=check_text(data["import_id"], field="import_id"),
            resolution_id=parse_digest(data["resolution_id"]),
            outcome=outcome,
            local_resolution_id=local,
            reviewed_at=moment(data["reviewed_at"]),
        )


@dataclass(frozen=True, slots=True)
class Rehash:
    """One part of a migration to another hash version: which object is the same as which.

    Attributes:
        from_version, to_version: names of the hash versions.
        pairs: old and new digest of each object, sorted by the old one.
        part, parts: a long list is divided; from 1.
        rehashed_at: RFC 3339 text.
    """

    object_type: ClassVar[str] = "rehash"
    FIELDS: ClassVar[frozenset[str]] = frozenset(
        {"from_version", "to_version", "pairs", "part", "parts", "rehashed_at"}
    )

    from_version: str
    to_version: str
    pairs: tuple[tuple[Digest, Digest], ...]
    part: int
    parts: int
    rehashed_at: str

    def to_content(self) -> dict[str, Any]:
        """The content of the object."""
        return {
            "from_version": self.from_version,
            "to_version": self.to_version,
            "pairs": [list(pair) for pair in self.pairs],
            "part": self.part,
            "parts": self.parts,
            "rehashed_at": self.rehashed_at,
        }

    @classmethod
    def from_content(cls, content: object) -> Rehash:
        """Read the content of an object.

        Raises:
            InvalidInputError: it is not the content of a rehash.
        """
        data = exact_fields(content, cls.FIELDS, form="a rehash")
        if type(data["pairs"]) is not list or any(type(p) is not list or len(p) != 2 for p in data["pairs"]):
            raise InvalidInputError("the pairs of a rehash must be a list of pairs")
        pairs = tuple((parse_digest(old), parse_digest(new)) for old, new in data["pairs"])
        if any(left[0] >= right[0] for left, right in pairwise(pairs)):
            raise InvalidInputError("the pairs of a rehash must be sorted by the old digest")
        part, parts = _part(data["part"], data["parts"])
        return cls(
            from_version=check_text(data["from_version"], field="from_version"),
            to_version=check_text(data["to_version"], field="to_version"),
            pairs=pairs,
            part=part,
            parts=parts,
            rehashed_at=moment(data["rehashed_at"]),
        )


def review_outcome(value: object) -> ReviewOutcome:
    """Read an outcome.

    Raises:
        InvalidInputError: there is no such outcome.
    """
    if type(value) not in (str, ReviewOutcome) or value not in ReviewOutcome.__members__:
        raise InvalidInputError(f"a review ends {', '.join(ReviewOutcome)}, not {str(value)[:80]!r}")
    return ReviewOutcome(str(value))


def _part(part: Any, parts: Any) -> tuple[int, int]:
    if type(part) is not int or type(parts) is not int or not 1 <= part <= parts:
        raise InvalidInputError("part and parts must be whole numbers, 1 <= part <= parts")
    return part, parts
