"""The limits of the package: one value object, the same on every backend, settable downwards only.

Imports ``errors`` alone. Each field is named after what it bounds and ends in ``_max``; where the unit is not a
count it stands before that ending. ``LimitExceededError.limit`` holds one of these names.

Source: REQUIREMENTS section 9; the bound of an operation's value is from the contract of ``Store.run``.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final, Literal

from charter_persist.errors import InvalidInputError, LimitExceededError

_KIB: Final = 1024
_MIB: Final = 1024 * _KIB

SizeLimit = Literal[
    "object_bytes_max",
    "kv_value_bytes_max",
    "audit_details_bytes_max",
    "operation_value_bytes_max",
    "vector_metadata_bytes_max",
]
"""Names of the limits that bound the canonical bytes of one value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Limits that a store checks before any I/O.

    A limit can be lowered and never raised, so what one store accepted, a store with the defaults accepts as well.

    Attributes:
        key_bytes_max: longest key of the key-value store, in bytes of UTF-8.
        ref_name_bytes_max: longest name of a ref, in bytes of UTF-8.
        object_bytes_max: largest object, in bytes of its canonical JSON.
        kv_value_bytes_max: largest value of the key-value store, in bytes.
        nesting_max: how many arrays and objects may stand inside each other, the outermost included.
        transaction_operations_max: most operations in one key-value transaction.
        page_items_max: most items in one page.
        audit_details_bytes_max: largest details of an audit event, in bytes of their canonical JSON.
        batch_objects_max: most objects in one batch.
        operation_value_bytes_max: largest value kept for an operation id, in bytes of its canonical JSON.
        vector_dimension_max: most dimensions of an embedding.
        vector_content_bytes_max: largest content of a vector document, in bytes of UTF-8.
        vector_metadata_bytes_max: largest metadata of a vector document, in bytes of their canonical JSON.

    Raises:
        LimitExceededError: a limit is above its default, which is its ceiling.
        InvalidInputError: a limit is below 1 or is not exactly an ``int``.
    """

    key_bytes_max: int = 1024
    ref_name_bytes_max: int = 512
    object_bytes_max: int = 16 * _MIB
    kv_value_bytes_max: int = 64 * _MIB
    nesting_max: int = 128
    transaction_operations_max: int = 10_000
    page_items_max: int = 10_000
    audit_details_bytes_max: int = 256 * _KIB
    batch_objects_max: int = 100_000
    operation_value_bytes_max: int = 64 * _KIB
    vector_dimension_max: int = 65_536
    vector_content_bytes_max: int = 1 * _MIB
    vector_metadata_bytes_max: int = 64 * _KIB

    def __post_init__(self) -> None:
        for field in fields(self):
            _check_limit(field.name, getattr(self, field.name), ceiling=field.default)

    def bytes_max(self, limit: SizeLimit) -> int:
        """Give the value of a size limit by its name.

        Args:
            limit: name of the limit.

        Returns:
            The largest allowed size, in bytes.
        """
        value: int = getattr(self, limit)
        return value


def _check_limit(name: str, value: object, *, ceiling: object) -> None:
    """Refuse a limit that is no whole number from 1 to its ceiling."""
    if type(value) is not int or type(ceiling) is not int:
        raise InvalidInputError(f"{name} must be an int, got {type(value).__name__}")
    if value < 1:
        raise InvalidInputError(f"{name} is {value}, the minimum is 1")
    if value > ceiling:
        raise LimitExceededError(limit=name, maximum=ceiling, actual=value)


DEFAULT_OPTIONS: Final = Options()
"""The limits that hold where a caller sets none."""
