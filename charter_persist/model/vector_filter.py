"""What metadata a search asks for: comparisons of one field, put together by ``&``, ``|`` and ``~``.

Strict: a comparison is true only of a field that is there and of the same kind. So ``~`` of a comparison is true of
documents that have no such field. Imports ``errors`` only. Source: ENA-5.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any, Final

from charter_persist.errors import InvalidInputError

DEPTH_MAX: Final = 64
VALUES_MAX: Final = 10_000
_ABSENT: Final = object()

Scalar = str | int | float | bool | None


class VectorFilter(ABC):
    """A condition on metadata.

    Made by `equals`, `is_in` and `between`; ``a & b`` is true where both are, ``a | b`` where one is, ``~a`` where it is
    not.

    Example:
        >>> wanted = VectorFilter.equals("lang", "en") & ~VectorFilter.between("year", lt=2000)
        >>> wanted.accepts({"lang": "en", "year": 2024})
        True

    Attributes:
        depth: how many conditions stand inside each other; at most 64.
    """

    depth: int

    @staticmethod
    def equals(field: str, value: Scalar) -> VectorFilter:
        """The field is that text, number, truth value or null; 1 equals 1.0 and not true.

        Raises:
            InvalidInputError: ``field`` is no text, or ``value`` is none of these.
        """
        return _In(_field(field), (_scalar(value),))

    @staticmethod
    def is_in(field: str, values: Iterable[Scalar]) -> VectorFilter:
        """The field equals one of the values; nothing is in no values.

        Raises:
            InvalidInputError: as for `equals`, or there are more than 10,000 values.
        """
        if isinstance(values, str | bytes) or not isinstance(values, Iterable):
            raise InvalidInputError(f"values must be a list of values, got {values!r}")
        known = tuple(map(_scalar, values))
        if len(known) > VALUES_MAX:
            raise InvalidInputError(f"a filter takes at most {VALUES_MAX} values, got {len(known)}")
        return _In(_field(field), known)

    @staticmethod
    def between(
        field: str,
        *,
        gt: float | str | None = None,
        ge: float | str | None = None,
        lt: float | str | None = None,
        le: float | str | None = None,
    ) -> VectorFilter:
        """The field is a number or a text within the bounds: numbers with numbers, texts with texts by code point.

        Raises:
            InvalidInputError: no bound was given, two on one side, or bounds of two kinds.
        """
        if (gt is not None and ge is not None) or (lt is not None and le is not None):
            raise InvalidInputError("give gt or ge, and lt or le, not both")
        bounds = [_bound(bound) for bound in (gt, ge, lt, le) if bound is not None]
        if len({isinstance(bound, str) for bound in bounds}) != 1:
            raise InvalidInputError("give one bound or two, numbers or texts")
        return _Between(_field(field), gt, ge, lt, le)

    @abstractmethod
    def accepts(self, metadata: Mapping[str, Any]) -> bool:
        """Whether metadata is what is asked for."""

    def __and__(self, other: VectorFilter) -> VectorFilter:
        return _joined(_All, self, other)

    def __or__(self, other: VectorFilter) -> VectorFilter:
        return _joined(_Any, self, other)

    def __invert__(self) -> VectorFilter:
        return _Not(_depth((self,)), self)

    def __bool__(self) -> bool:
        raise TypeError("a filter is neither true nor false; write &, | and ~ in the place of and, or and not")


@dataclass(frozen=True, slots=True)
class _In(VectorFilter):
    field: str
    values: tuple[Scalar, ...]
    depth: int = 1

    def accepts(self, metadata: Mapping[str, Any]) -> bool:
        found = metadata.get(self.field, _ABSENT)
        return any(_same(found, value) for value in self.values)


@dataclass(frozen=True, slots=True)
class _Between(VectorFilter):
    field: str
    gt: Any
    ge: Any
    lt: Any
    le: Any
    depth: int = 1

    def accepts(self, metadata: Mapping[str, Any]) -> bool:
        found = metadata.get(self.field)
        kinds = (
            (str,) if any(isinstance(bound, str) for bound in (self.gt, self.ge, self.lt, self.le)) else (int, float)
        )
        return (
            type(found) in kinds
            and (self.gt is None or found > self.gt)
            and (self.ge is None or found >= self.ge)
            and (self.lt is None or found < self.lt)
            and (self.le is None or found <= self.le)
        )


@dataclass(frozen=True, slots=True)
class _All(VectorFilter):
    depth: int
    parts: tuple[VectorFilter, ...]

    def accepts(self, metadata: Mapping[str, Any]) -> bool:
        return all(part.accepts(metadata) for part in self.parts)


@dataclass(frozen=True, slots=True)
class _Any(VectorFilter):
    depth: int
    parts: tuple[VectorFilter, ...]

    def accepts(self, metadata: Mapping[str, Any]) -> bool:
        return any(part.accepts(metadata) for part in self.parts)


@dataclass(frozen=True, slots=True)
class _Not(VectorFilter):
    depth: int
    part: VectorFilter

    def accepts(self, metadata: Mapping[str, Any]) -> bool:
        return not self.part.accepts(metadata)


def _joined(kind: type[_All] | type[_Any], first: VectorFilter, second: object) -> VectorFilter:
    """One condition of two; a chain of the same kind stays flat."""
    if not isinstance(second, VectorFilter):
        raise InvalidInputError(f"a filter goes together with another filter, got {second!r}")
    parts = tuple(part for given in (first, second) for part in (given.parts if isinstance(given, kind) else (given,)))
    return kind(_depth(parts), parts)


def _depth(parts: Iterable[VectorFilter]) -> int:
    depth = 1 + max(part.depth for part in parts)
    if depth > DEPTH_MAX:
        raise InvalidInputError(f"conditions stand inside each other at most {DEPTH_MAX} deep")
    return depth


def _field(field: object) -> str:
    if type(field) is not str:
        raise InvalidInputError(f"field must be a text, got {field!r}")
    return field


def _scalar(value: object) -> Scalar:
    if value is None or type(value) in (str, int, bool) or (type(value) is float and isfinite(value)):
        return value  # type: ignore[return-value]  # one of these
    raise InvalidInputError(f"a filter compares with a text, a finite number, a truth value or null; got {value!r}")


def _bound(value: object) -> float | str:
    if type(value) in (str, int) or (type(value) is float and isfinite(value)):
        return value  # type: ignore[return-value]  # one of these
    raise InvalidInputError(f"a bound must be a finite number or a text, got {value!r}")


def _same(found: object, value: Scalar) -> bool:
    """Equal as JSON: a truth value is no number."""
    return found == value and isinstance(found, bool) == isinstance(value, bool)
