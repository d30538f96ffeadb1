"""Every error the package raises, with its code, whether a retry can help, and whether the write was applied.

Imports nothing from the package. The class docstring is the default message. Facts are attributes, so a
program reads ``error.limit`` and never parses a message. ``code`` is stable and documented in
``docs/reference/errors.md``.

Source: KV-7, RELIABILITY P7 and P10.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal

Applied = Literal["no", "yes", "unknown"]


def _rebuild(cls: type[CharterError], message: str, facts: dict[str, Any]) -> CharterError:
    """Make an unpickled error without calling the constructor of its class."""
    error = cls.__new__(cls)
    error.args = (message,)
    error.__dict__.update(facts)
    return error


class CharterError(Exception):
    """Something in charter_persist failed.

    Attributes:
        code: stable name of the kind of error, in kebab case.
        retryable: True where the same call may succeed later without a change by the caller.
        applied: ``"no"`` nothing was written, ``"yes"`` it was written, ``"unknown"`` it may have been.
    """

    code: ClassVar[str] = "charter"
    retryable: ClassVar[bool] = False
    applied: Applied = "no"

    def __init__(self, message: str | None = None, **facts: Any) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip().splitlines()[0])
        self.__dict__.update(facts)

    @property
    def message(self) -> str:
        """What happened and what to do about it, in one sentence or two."""
        return str(self.args[0])

    def __reduce__(self) -> tuple[Callable[..., CharterError], tuple[Any, ...]]:
        """Keep the facts when an error crosses a process boundary."""
        return _rebuild, (type(self), self.message, dict(self.__dict__))


class NotFoundError(CharterError):
    """Nothing of that name is here."""

    code = "not-found"


class AmbiguousError(CharterError):
    """The prefix fits several objects; give more characters."""

    code = "ambiguous"
    candidates: Sequence[str]

    def __init__(self, message: str | None = None, *, candidates: Sequence[str] = ()) -> None:
        super().__init__(message, candidates=tuple(candidates))


class ConflictError(CharterError):
    """The state is not the one the caller expected; read again and decide anew."""

    code = "conflict"


class AlreadyExistsError(ConflictError):
    """Something of that name exists already."""

    code = "already-exists"


class VersionConflictError(ConflictError):
    """The version is not the expected one; read the current value and decide anew."""

    code = "version-conflict"
    expected: int
    actual: int

    def __init__(self, message: str | None = None, *, expected: int, actual: int) -> None:
        super().__init__(message, expected=expected, actual=actual)


class TransactionFailedError(ConflictError):
    """A check of the transaction failed, so none of its operations was applied."""

    code = "transaction-failed"
    index: int
    check: Any

    def __init__(self, message: str | None = None, *, index: int, check: Any) -> None:
        super().__init__(message, index=index, check=check)


class ImmutabilityError(CharterError):
    """What was recorded cannot be changed; record a successor instead."""

    code = "immutable"


class SealedError(ImmutabilityError):
    """The session is sealed; start a new one."""

    code = "sealed"


class AppendOnlyError(ImmutabilityError):
    """The table is append-only; its rows are never changed or removed."""

    code = "append-only"


class RuleError(CharterError):
    """A rule of the domain forbids this.

    Attributes:
        rule: id of the rule, such as ``GOV-3``.
    """

    code = "rule"
    rule: str

    def __init__(self, message: str | None = None, *, rule: str) -> None:
        super().__init__(message, rule=rule)


class InvalidTransitionError(RuleError):
    """The state does not lead to the wanted one."""

    code = "invalid-transition"


class FrozenError(RuleError):
    """The candidates are frozen since the first stance was recorded."""

    code = "frozen"


class NotInitialisedError(RuleError):
    """The area has no active authority and scope yet."""

    code = "not-initialised"


class IntegrityError(CharterError):
    """What is stored does not agree with its digest, its journal or its neighbours; run `charter verify`."""

    code = "integrity"


class DigestMismatchError(IntegrityError):
    """The stored bytes do not have the digest they are stored under; run `charter verify`."""

    code = "digest-mismatch"


class ContentMissingError(IntegrityError):
    """The content of an object should lie beside the ledger and is not there; put it back from a copy.

    Attributes:
        digest: of the object.
    """

    code = "content-missing"
    digest: str

    def __init__(self, message: str | None = None, *, digest: str) -> None:
        super().__init__(message, digest=digest)


class CycleError(IntegrityError):
    """The supersession graph would contain a cycle."""

    code = "cycle"


class DanglingReferenceError(IntegrityError):
    """A reference names an object that is not stored."""

    code = "dangling-reference"


class ProofError(IntegrityError):
    """The proof does not verify."""

    code = "proof"


class BundleError(IntegrityError):
    """What the bundle holds contradicts itself, or leads to what is not there; nothing of it was imported.

    Attributes:
        findings: everything that is wrong with it.
    """

    code = "bundle"
    findings: Sequence[Any]

    def __init__(self, message: str | None = None, *, findings: Sequence[Any] = ()) -> None:
        super().__init__(message, findings=tuple(findings))


class InvalidInputError(CharterError, ValueError):
    """The input is outside the documented domain."""

    code = "invalid-input"


class InvalidKeyError(InvalidInputError):
    """The name or key does not follow the grammar of its store."""

    code = "invalid-key"


class DimensionError(InvalidInputError):
    """The embedding has another dimension than its collection.

    Attributes:
        expected: the dimension of the collection.
        actual: that of the embedding.
    """

    code = "dimension"
    expected: int
    actual: int

    def __init__(self, message: str | None = None, *, expected: int, actual: int) -> None:
        super().__init__(
            message or f"the embedding has {actual} dimensions, its collection has {expected}",
            expected=expected,
            actual=actual,
        )


class NotStagedError(InvalidInputError):
    """The content is too large for a row of the ledger; call `store.stage(type, content)` before the unit.

    Attributes:
        digest: of the object.
        size: of its canonical JSON, bytes.
        threshold: the largest that goes into a row, bytes.
    """

    code = "not-staged"
    digest: str
    size: int
    threshold: int

    def __init__(self, message: str | None = None, *, digest: str, size: int, threshold: int) -> None:
        super().__init__(message, digest=digest, size=size, threshold=threshold)


class NotCanonicalError(InvalidInputError):
    """The value has no canonical JSON form (RFC 8785)."""

    code = "not-canonical"


class ValidationError(InvalidInputError):
    """The value is not of the encoding or the schema that its key has.

    Attributes:
        key: that was to hold it, or holds it.
        field: path within the value, such as ``ports.0``; empty for the whole.
    """

    code = "validation"
    key: str
    field: str

    def __init__(self, message: str | None = None, *, key: str, field: str = "") -> None:
        super().__init__(message, key=key, field=field)


class LimitExceededError(InvalidInputError):
    """A documented limit was exceeded.

    Attributes:
        limit: name of the limit, as in ``Options``.
        maximum: the largest allowed value, in the unit that the name ends in.
        actual: the value that was given.
    """

    code = "limit-exceeded"
    limit: str
    maximum: int
    actual: int

    def __init__(self, message: str | None = None, *, limit: str, maximum: int, actual: int) -> None:
        super().__init__(
            message or f"{limit} is {actual}, the maximum is {maximum}", limit=limit, maximum=maximum, actual=actual
        )


class BackendError(CharterError):
    """The database could not do what was asked of it."""

    code = "backend"


class ConnectionLostError(BackendError):
    """The connection to the database failed before the commit; nothing was written, try again."""

    code = "connection-lost"
    retryable = True


class UnavailableError(BackendError):
    """The database cannot be opened or reached."""

    code = "unavailable"
    retryable = True


class ReadOnlyError(BackendError):
    """The store is open for reading only, or its file or server refuses writes."""

    code = "read-only"


class TimedOutError(BackendError):
    """The unit of work exceeded its time limit and was rolled back."""

    code = "timed-out"
    retryable = True


class StoreBusyError(BackendError):
    """Another writer held the store for longer than the time limit; try again."""

    code = "store-busy"
    retryable = True


class SerializationFailureError(BackendError):
    """The database chose this transaction as the victim of a conflict; try again."""

    code = "serialization-failure"
    retryable = True


class StorageFullError(BackendError):
    """There is no space left; nothing was written. Free space, then try again."""

    code = "storage-full"


class CorruptStoreError(BackendError):
    """The database file is damaged; restore a backup and run `charter verify`."""

    code = "corrupt-store"


class CommitUnknownError(BackendError):
    """The answer to the commit was lost: it may have been applied; ask `store.resolve(operation_id)`."""

    code = "commit-unknown"
    applied: Applied = "unknown"
    operation_id: str | None

    def __init__(self, message: str | None = None, *, operation_id: str | None = None) -> None:
        super().__init__(message, operation_id=operation_id)


class CompactedError(BackendError):
    """The history at that point was compacted; start from the oldest revision that is kept."""

    code = "compacted"
    oldest: int

    def __init__(self, message: str | None = None, *, oldest: int) -> None:
        super().__init__(message, oldest=oldest)


class NotSupportedError(CharterError):
    """The backend does not offer this."""

    code = "not-supported"


class SchemaError(CharterError):
    """The database does not hold a charter store of a known schema."""

    code = "schema"


class MigrationRequiredError(SchemaError):
    """The schema is not at head; run `charter upgrade`."""

    code = "migration-required"


class SchemaTooNewError(SchemaError):
    """The schema was written by a newer release; upgrade charter_persist."""

    code = "schema-too-new"


class StoreClosedError(CharterError):
    """The store, view or unit of work is closed."""

    code = "store-closed"


class ForkedHandleError(CharterError):
    """The store was opened before a fork; connect again in the child process."""

    code = "forked-handle"
