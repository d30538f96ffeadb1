"""Patterns over the stores: ``kv:/nodes/*``, ``ref:area/*``, ``audit:AREA:x``, ``object:resolution``, ``event:exec-1/*``.

Imports ``model`` and ``errors``. Source: DESIGN 3 (watch patterns).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from charter_persist.errors import InvalidInputError
from charter_persist.model.key import check_key_prefix
from charter_persist.model.pattern import Pattern

STORES: Final = (
    "archive",
    "audit",
    "event",
    "intent",
    "intent_edge",
    "kv",
    "message",
    "metadata",
    "object",
    "ref",
    "session",
    "thread",
)

_TYPED: Final = ("archive", "object")
"""Stores whose subjects begin with a type and a slash."""


@dataclass(frozen=True, slots=True)
class Subjects:
    """The subjects that a watch is about.

    Attributes:
        store: that they are in.
        pattern: that they fit; of objects, entities and audit events their type or scope alone may fit it.
    """

    store: str
    pattern: Pattern

    def may_fit(self, store: str, subject: str) -> bool:
        """Whether a subject is among them, as far as it alone can tell: of an event its scope decides too."""
        if store != self.store:
            return False
        return store == "audit" or self.fits(subject, subject.partition("/")[0] if store in _TYPED else subject)

    def fits(self, subject: str, group: str) -> bool:
        """Whether a subject is among them, or the group that it belongs to: a type, a scope."""
        return self.pattern.fits(subject) or self.pattern.fits(group)


def parse_subjects(text: str) -> Subjects:
    r"""Read a pattern: the name of a store, a colon, and a pattern of what is in it.

    Args:
        text: a trailing ``*`` fits any rest, an inner one any text within a segment, ``\*`` is a literal star.

    Raises:
        InvalidInputError: it is not such a text, or there is no such store.
        InvalidKeyError: no key can fit it.
    """
    store, colon, rest = text.partition(":") if type(text) is str else ("", "", "")
    if not colon or not rest:
        raise InvalidInputError(f"a watch pattern is like kv:/nodes/* or audit:GLOBAL, got {text!r}")
    if store not in STORES:
        raise InvalidInputError(f"there is no store {store!r} to watch; there are {', '.join(STORES)}")
    pattern = Pattern(rest)
    if store == "kv":
        check_key_prefix(pattern.prefix)
    return Subjects(store, pattern)


def literal(text: str) -> str:
    """A text as a pattern that fits it alone."""
    return text.replace("\\", "\\\\").replace("*", "\\*")


def escaped(prefix: str) -> str:
    """A text as a pattern that fits whatever begins with it."""
    return literal(prefix) + "*"
