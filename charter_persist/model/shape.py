"""Checks of the fields of a domain object: exact names, exact types, one spelling of each value.

A value that was parsed from JSON is untrusted, whoever wrote it; every form of the model is read through these. Cost:
one look at each field. Imports ``errors``, ``model.digest``, ``model.text`` and ``model.time``.

Source: GOV-1, RELIABILITY 4.4.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

from charter_persist.errors import InvalidInputError
from charter_persist.model.digest import Digest, parse_digest
from charter_persist.model.text import check_text
from charter_persist.model.time import parse_time


def exact_fields(content: object, names: frozenset[str], *, form: str) -> Mapping[str, Any]:
    """Return the content if it is a JSON object with exactly these fields.

    Raises:
        InvalidInputError: it is not an object, or a field is missing or unknown; the message names one.
    """
    if type(content) is not dict:
        raise InvalidInputError(f"{form} must be a JSON object")
    if content.keys() != names:
        missing, unknown = names - content.keys(), content.keys() - names
        what = f"has no field {min(missing)}" if missing else f"has the unknown field {min(map(str, unknown))!r}"
        raise InvalidInputError(f"{form} {what}")
    return content


def json_object(value: object, *, field: str) -> dict[str, Any]:
    """Return a value that is a JSON object.

    Raises:
        InvalidInputError: it is something else.
    """
    if type(value) is not dict:
        raise InvalidInputError(f"{field} must be a JSON object, got {type(value).__name__}")
    return value


def given_object(value: Mapping[str, Any] | None, *, field: str) -> dict[str, Any]:
    """Return the JSON object that a caller gave as a mapping of any kind; an empty one for None.

    Raises:
        InvalidInputError: it is something else.
    """
    if value is not None and not isinstance(value, Mapping):
        raise InvalidInputError(f"{field} must be a JSON object, got {type(value).__name__}")
    return dict(value or {})


def content_with_text(value: object, *, field: str) -> dict[str, Any]:
    """Return a JSON object that says something: its field ``text`` is a text that is not empty.

    Raises:
        InvalidInputError: it is something else.
    """
    content = json_object(value, field=field)
    text = content.get("text")
    if type(text) is not str or not text:
        raise InvalidInputError(f"{field} must have a field text that is not empty")
    return content


def optional_text(value: object, *, field: str) -> str | None:
    """Return a name, or None.

    Raises:
        InvalidInputError: it is neither.
    """
    return None if value is None else check_text(value, field=field)


def optional_digest(value: object) -> Digest | None:
    """Return a digest, or None.

    Raises:
        InvalidInputError: it is neither.
    """
    return None if value is None else parse_digest(value)  # type: ignore[arg-type]  # it checks the type


def digests(value: object, *, field: str) -> tuple[Digest, ...]:
    """Return digests that are sorted and distinct, the one spelling of a set.

    Raises:
        InvalidInputError: it is not a list of them.
    """
    return tuple([parse_digest(item) for item in _set(value, field=field)])


def names(value: object, *, field: str) -> tuple[str, ...]:
    """Return names that are sorted and distinct.

    Raises:
        InvalidInputError: it is not a list of them.
    """
    return tuple([check_text(item, field=field) for item in _set(value, field=field)])


def moment(value: object) -> str:
    """Return a time in its one spelling, see `parse_time`.

    Raises:
        InvalidInputError: it is something else.
    """
    parse_time(value)  # type: ignore[arg-type]  # it checks the type
    return value  # type: ignore[return-value]


def sorted_set(values: Iterable[str]) -> tuple[str, ...]:
    """The one spelling of a set of names or digests that a caller gave.

    Raises:
        InvalidInputError: one text was given instead of several.
    """
    if isinstance(values, str):
        raise InvalidInputError(f"give a list of texts, not the one text {values[:80]!r}")
    return tuple(sorted(set(values)))


def _set(value: object, *, field: str) -> list[Any]:
    if type(value) is not list or (value and {type(item) for item in value} != {str}):
        raise InvalidInputError(f"{field} must be a list of texts")
    if len(value) > 1 and any(left >= right for left, right in pairwise(value)):
        raise InvalidInputError(f"{field} must be sorted and name nothing twice")
    return value
