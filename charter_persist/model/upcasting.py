"""Upcasting: old forms of events are read as new ones, step by step; what is stored never changes.

Imports ``errors`` and ``model.event``. Source: ENA-2, DESIGN 1.2.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from charter_persist.errors import AlreadyExistsError, InvalidInputError
from charter_persist.model.event import VARIANTS, Custom

Upcaster = Callable[[dict[str, Any]], dict[str, Any]]
"""Takes an event in JSON and gives the next form of it; it may change the one it was given."""
STEPS_MAX: Final = 1_000


class Upcasters:
    """Steps from one form of an event to the next, by its name and version.

    A form is known by the type of the event, of a custom one by its ``event_type``, and by ``v``, 1 where there is
    none. A step that gives the same name and version leads to the next version. Only a custom event keeps its version:
    of the other types there is one form, and what the steps lead to is that.
    """

    def __init__(self) -> None:
        self._steps: dict[tuple[str, int], Upcaster] = {}

    def register(self, name: str, v: int, step: Upcaster) -> None:
        """Let events of a name and version be read through a step.

        Args:
            name: a type, or the ``event_type`` of custom events.
            v: the version that the step takes, 1 or more.
            step: gives the event in its next form. It must give equal results for equal events.

        Raises:
            AlreadyExistsError: there is a step for that form.
            InvalidInputError: the name is no text, or the version is no integer of 1 or more.
        """
        if type(name) is not str or not name or type(v) is not int or v < 1:
            raise InvalidInputError(f"a form is known by a name and a version from 1 on, got {name!r} and {v!r}")
        if (name, v) in self._steps:
            raise AlreadyExistsError(f"there is a step for {name} version {v} already")
        self._steps[name, v] = step

    def apply(self, event: dict[str, Any]) -> dict[str, Any]:
        """Lead an event to the newest form that is known of it.

        Raises:
            InvalidInputError: a step gave no event, or the steps lead in a circle. Whatever a step raises is raised.
        """
        for done in range(STEPS_MAX):
            form = _form_of(event)
            step = self._steps.get(form)
            if step is None:
                return _newest(event) if done else event
            event = _stepped(step, event, form)
        raise InvalidInputError(f"the steps of {event.get('type')} lead in a circle")


def _stepped(step: Upcaster, event: dict[str, Any], form: tuple[str, int]) -> dict[str, Any]:
    following = step(dict(event))
    if type(following) is not dict:
        raise InvalidInputError(
            f"the step of {form[0]} version {form[1]} gave {type(following).__name__}, not an event"
        )
    return {**following, "v": form[1] + 1} if _form_of(following) == form else following


def _form_of(event: dict[str, Any]) -> tuple[str, int]:
    name = event.get("event_type") if event.get("type") == "custom" else event.get("type")
    version = event.get("v", 1)
    if type(version) is not int or version < 1:
        raise InvalidInputError(f"v of {name} must be an integer, 1 or more; got {version!r}")
    return str(name), version


def _newest(event: dict[str, Any]) -> dict[str, Any]:
    """What the steps led to, without the version where the type has none."""
    kind = str(event.get("type"))
    has_version = kind == Custom.type or kind not in VARIANTS
    return event if has_version else {name: value for name, value in event.items() if name != "v"}
