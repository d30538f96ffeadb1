"""Which encoding and which schema keys have, and typed access to them.

Cost: over that of the bytes, one encoding or decoding and the check of each schema that fits. Imports
``repositories``, ``model`` and ``errors``. Source: KV-6.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from charter_persist.encoding.codec import JSON, Codec
from charter_persist.encoding.schema import Problem, Schema
from charter_persist.errors import ValidationError
from charter_persist.model.entry import Entry
from charter_persist.model.key import check_key_prefix
from charter_persist.model.pattern import Pattern
from charter_persist.repositories.kv import KeyValueRepository
from charter_persist.repositories.kv_reader import KeyValueReader


class Layout:
    """How keys are encoded and what they must hold; one for all stores of an application.

    Args:
        encodings: codec by prefix; the longest that fits counts, and JSON where none does.
        schemas: schema by pattern; each that fits counts.

    Raises:
        InvalidKeyError: a prefix is none.
        InvalidInputError: a pattern is none.

    Spec: KV-6
    """

    def __init__(
        self, encodings: Mapping[str, Codec] | None = None, schemas: Mapping[str, Schema] | None = None
    ) -> None:
        given = {check_key_prefix(prefix): codec for prefix, codec in (encodings or {}).items()}
        self._codecs = sorted(given.items(), key=lambda item: -len(item[0]))
        self._schemas = [(Pattern(pattern), schema) for pattern, schema in (schemas or {}).items()]

    def codec(self, key: str) -> Codec:
        """The codec of a key."""
        return next((codec for prefix, codec in self._codecs if key.startswith(prefix)), JSON)

    def encode(self, key: str, value: Any) -> bytes:
        """The bytes of a value, which was checked against each schema of the key.

        Raises:
            ValidationError: it cannot be encoded, or a schema refuses it; it names key and field.
        """
        for pattern, schema in self._schemas:
            if pattern.fits(key):
                for problem in schema.problems(value):
                    raise _refusal(key, problem)
        codec = self.codec(key)
        try:
            return codec.encode(value)
        except (ValueError, TypeError) as exc:
            raise _refusal(key, _problem(exc), codec) from exc

    def decode(self, entry: Entry) -> Any:
        """The value of an entry.

        Raises:
            ValidationError: the bytes are not of the key's encoding.
        """
        codec = self.codec(entry.key)
        try:
            return codec.decode(entry.value)
        except (ValueError, TypeError) as exc:
            raise _refusal(entry.key, _problem(exc), codec) from exc


@dataclass(frozen=True, slots=True)
class Value:
    """A key and what it holds, decoded.

    Attributes:
        value: decoded.
        entry: version, revision, times and bytes.
    """

    value: Any
    entry: Entry


class ValueReader:
    """Typed reads of the keys of a view."""

    def __init__(self, kv: KeyValueReader, layout: Layout) -> None:
        self._kv = kv
        self._layout = layout

    def get(self, key: str) -> Value | None:
        """Return what a key holds, or None where it is absent.

        Raises:
            ValidationError: the bytes are not of the key's encoding.
        """
        entry = self._kv.get(key)
        return None if entry is None else Value(self._layout.decode(entry), entry)

    def require(self, key: str) -> Value:
        """Return what a key holds.

        Raises:
            NotFoundError: the key is absent.
            ValidationError: the bytes are not of the key's encoding.
        """
        entry = self._kv.require(key)
        return Value(self._layout.decode(entry), entry)

    def iter(self, prefix: str = "") -> Iterator[Value]:
        """Yield what keys that begin with ``prefix`` hold, in their order."""
        return (Value(self._layout.decode(entry), entry) for entry in self._kv.iter(prefix))


class ValueRepository(ValueReader):
    """Typed access to the keys of a unit of work."""

    _kv: KeyValueRepository

    def __init__(self, kv: KeyValueRepository, layout: Layout) -> None:
        super().__init__(kv, layout)

    def set(self, key: str, value: Any) -> int:
        """As `KeyValueRepository.set`.

        Raises:
            ValidationError: the value cannot be encoded, or a schema refuses it.
        """
        return self._kv.set(key, self._layout.encode(key, value))

    def compare_and_set(
        self, key: str, value: Any, *, expected: int | None = None, expected_revision: int | None = None
    ) -> int:
        """As `KeyValueRepository.compare_and_set`.

        Raises:
            ValidationError: the value cannot be encoded, or a schema refuses it.
        """
        data = self._layout.encode(key, value)
        return self._kv.compare_and_set(key, data, expected=expected, expected_revision=expected_revision)

    def create_if_not_exists(self, key: str, value: Any) -> int:
        """As `KeyValueRepository.create_if_not_exists`.

        Raises:
            ValidationError: the value cannot be encoded, or a schema refuses it.
        """
        return self._kv.create_if_not_exists(key, self._layout.encode(key, value))


def _problem(error: Exception) -> Problem:
    """What a codec complains of; pydantic names the fields."""
    errors = getattr(error, "errors", None)
    if callable(errors):
        first = errors()[0]
        return Problem(".".join(map(str, first["loc"])), str(first["msg"]))
    return Problem("", str(error))


def _refusal(key: str, problem: Problem, codec: Codec | None = None) -> ValidationError:
    where = f"field {problem.field} of key {key}" if problem.field else f"the value of key {key}"
    as_what = f" as {codec.name}" if codec is not None else ""
    return ValidationError(f"{where} is not valid{as_what}: {problem.message}", key=key, field=problem.field)
