"""What values of a key pattern must look like. Imports ``errors``. Source: KV-6."""

from __future__ import annotations

import re
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
    """A schema of the JSON Schema language, whole in itself: nothing is fetched. Needs the extra ``schema``.

    Args:
        document: the schema; its ``$schema`` says of which draft it is.

    Raises:
        InvalidInputError: the document is no schema, or a reference in it leads nowhere or back to itself.
        NotSupportedError: the extra ``schema`` is not installed.
    """

    def __init__(self, document: Any) -> None:
        jsonschema = extra("jsonschema", "schema")
        draft = document.get("$schema", "") if isinstance(document, dict) else ""
        if not isinstance(document, dict | bool) or type(draft) is not str:
            raise InvalidInputError(f"a JSON Schema is an object whose $schema is a text, or a truth; got {document!r}")
        kind = jsonschema.validators.validator_for(document, default=jsonschema.Draft202012Validator)
        unresolvable = extra("referencing.exceptions", "schema").Unresolvable
        self._failures = (unresolvable, RecursionError, ArithmeticError, TypeError, ValueError, re.error)
        try:
            kind.check_schema(document)
            registry = extra("jsonschema_specifications", "schema").REGISTRY
            self._validator = kind(document, registry=registry)
            _follow(kind, document, registry)
            list(self._validator.iter_errors(None))
        except jsonschema.SchemaError as exc:
            raise InvalidInputError(f"that is no JSON Schema: {exc.message}") from exc
        except unresolvable as exc:
            raise InvalidInputError(f"a reference of the JSON Schema leads nowhere: {exc}") from exc
        except RecursionError as exc:
            raise InvalidInputError("a reference of the JSON Schema leads back to itself, or it is too deep") from exc

    def problems(self, value: Any) -> Iterator[Problem]:
        """What is wrong with a value, in the order of the fields; also that the schema cannot judge it."""
        try:
            errors = sorted(self._validator.iter_errors(value), key=lambda error: list(map(str, error.absolute_path)))
        except self._failures as exc:
            yield Problem("", f"the schema cannot judge it: {exc}")
            return
        for error in errors:
            yield Problem(".".join(map(str, error.absolute_path)), error.message)


def _follow(kind: Any, document: Any, registry: Any) -> None:
    """Look up each reference of a schema, in the place where it stands."""
    drafts = extra("referencing.jsonschema", "schema")
    whole = drafts.specification_with(kind.META_SCHEMA["$schema"]).create_resource(document)
    waiting = [(whole, registry.resolver_with_root(whole))]
    while waiting:
        resource, around = waiting.pop()
        resolver = around.in_subresource(resource)
        for keyword in {"$ref", "$dynamicRef"} & kind.VALIDATORS.keys():
            if isinstance(resource.contents, dict) and keyword in resource.contents:
                resolver.lookup(str(resource.contents[keyword]))
        waiting += [(part, resolver) for part in resource.subresources()]
