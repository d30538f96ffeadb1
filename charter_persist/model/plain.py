"""Frozen dataclasses as JSON objects and back: texts, numbers, times, enumerations, lists and each other.

A field that is None is left out. What is read is checked field by field against its annotation, so a value that was
built has the types it says; what is annotated ``Any`` is any JSON value.

Cost: one look at each field. Imports ``errors`` and ``model.time``. Source: ENA-3, ENA-4.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import datetime
from enum import Enum
from functools import cache
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from charter_persist.errors import InvalidInputError
from charter_persist.model.time import format_time, parse_time

T = TypeVar("T")


def to_json(value: Any) -> dict[str, Any]:
    """The JSON object of a dataclass.

    Raises:
        InvalidInputError: a time is naive.
    """
    shown = {name: _shown(getattr(value, name)) for name in _hints(value.__class__)}
    return {name: item for name, item in shown.items() if item is not None}


def from_json(kind: type[T], data: object) -> T:
    """Read a dataclass from a JSON object.

    Raises:
        InvalidInputError: it is none, lacks a field or has one too many, or one is of another type; the message names
            it.
    """
    form: Any = kind
    name = kind.__name__
    if not isinstance(data, Mapping):
        raise InvalidInputError(f"a {name} must be a JSON object, got {type(data).__name__}")
    hints = _hints(form)
    unknown = data.keys() - hints.keys()
    if unknown:
        raise InvalidInputError(f"a {name} has no field {min(map(str, unknown))!r}; it has {', '.join(hints)}")
    missing = _required(form) - data.keys()
    if missing:
        raise InvalidInputError(f"a {name} needs {', '.join(sorted(missing))}")
    return kind(**{field: _read(hints[field], value, f"{name}.{field}") for field, value in data.items()})


def checked(value: T) -> T:
    """Return a dataclass if every field is what its annotation says.

    Raises:
        InvalidInputError: one is not.
    """
    if from_json(type(value), to_json(value)) != value:
        raise InvalidInputError(f"a field of a {type(value).__name__} is of another type than it should be")
    return value


@cache
def _hints(kind: Any) -> Mapping[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind) if field.metadata.get("stored", True)}


@cache
def _required(kind: Any) -> frozenset[str]:
    def has_default(field: Field[Any]) -> bool:
        return field.default is not MISSING or field.default_factory is not MISSING

    return frozenset(field.name for field in fields(kind) if not has_default(field))


def _shown(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return format_time(value)
    if isinstance(value, tuple):
        return [_shown(item) for item in value]
    return to_json(value) if is_dataclass(value) and not isinstance(value, type) else value


def _read(hint: Any, value: Any, where: str) -> Any:
    if hint is Any:
        return value
    options = [option for option in get_args(hint) if option is not type(None)] if _is_union(hint) else [hint]
    if value is None and len(options) < len(get_args(hint)):
        return None
    (kind,) = options
    if get_origin(kind) is tuple:
        if type(value) is not list:
            raise InvalidInputError(f"{where} must be a list, got {type(value).__name__}")
        return tuple(_read(get_args(kind)[0], item, where) for item in value)
    return _read_one(get_origin(kind) or kind, value, where)


def _read_one(kind: type[Any], value: Any, where: str) -> Any:
    if is_dataclass(kind):
        return from_json(kind, value)
    if issubclass(kind, Enum):
        try:
            return kind(value)
        except ValueError as exc:
            known = ", ".join(str(member.value) for member in kind)
            raise InvalidInputError(f"{where} must be one of {known}, got {value!r}") from exc
    if kind is datetime:
        return parse_time(value)
    wanted = dict if kind is Mapping else kind
    if type(value) is not wanted:
        raise InvalidInputError(f"{where} must be {wanted.__name__}, got {type(value).__name__}")
    return value


def _is_union(hint: Any) -> bool:
    return type(None) in get_args(hint)
