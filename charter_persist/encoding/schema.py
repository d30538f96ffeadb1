"""What values of a key pattern must look like. Imports ``errors``. Source: KV-6."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

from charter_persist.encoding.extras import extra
from charter_persist.errors import InvalidInputError


class Problem(NamedTuple):
    """What is wrong with one field of a value; ``field`` is a path such as ``ports.0``, empty for the whole."""

    field: str
    message: str


class Schema(Protocol):
    """Judges a decoded value."""

    def problems(self, value: Any) -> Iterator[Problem]:
        """What is wrong with a value; nothing where it is as it must be."""
        ...


class JsonSchema:
    """A schema of the JSON Schema language; needs the extra ``schema``.

    Args:
        document: the schema; its ``$schema`` says of which draft it is.

    Raises:
        InvalidInputError: the document is no schema.
        NotSupportedError: the extra ``schema`` is not installed.
    """

    def __init__(self, document: Any) -> None:
        jsonschema = extra("jsonschema", "schema")
        kind = jsonschema.validators.validator_for(document, default=jsonschema.Draft202012Validator)
        try:
            kind.check_schema(document)
        except jsonschema.SchemaError as exc:
            raise InvalidInputError(f"that is no JSON Schema: {exc.message}") from exc
        self._validator = kind(document)

    def problems(self, value: Any) -> Iterator[Problem]:
        """What is wrong with a value, in the order of the fields."""
        for error in sorted(self._validator.iter_errors(value), key=lambda error: list(map(str, error.absolute_path))):
            yield Problem(".".join(map(str, error.absolute_path)), error.message)
