r"""Patterns of keys and other subjects: a trailing ``*`` fits any rest, an inner one any text within a segment.

Everything else is literal; ``\*`` is a literal star and ``\\`` a backslash. Imports ``errors``. Source: DESIGN 3.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from charter_persist.errors import InvalidInputError

_PART: Final = re.compile(r"\\(.?)|(\*)|([^\\*]+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Pattern:
    r"""A pattern, ready to be asked.

    Attributes:
        text: as it was given.
        prefix: the literal text that all that fits begins with.

    Raises:
        InvalidInputError: it is no text, or a backslash in it stands before neither a star nor a backslash.
    """

    text: str
    prefix: str = field(init=False)
    _expression: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if type(self.text) is not str:
            raise InvalidInputError(f"a pattern must be a text, got {self.text!r}")
        expression, prefix, is_literal = "", "", True
        for part in _PART.finditer(self.text):
            escaped, star, literal = part.groups()
            if escaped is not None and escaped not in ("*", "\\"):
                raise InvalidInputError(f"pattern {self.text!r}: \\ must stand before * or \\")
            if star:
                is_literal = False
                expression += ".*" if part.end() == len(self.text) else "[^/]*"
            else:
                text = escaped or literal
                expression += re.escape(text)
                prefix += text if is_literal else ""
        object.__setattr__(self, "prefix", prefix)
        object.__setattr__(self, "_expression", re.compile(expression, re.DOTALL))

    def fits(self, text: str) -> bool:
        """Whether the whole of a text is as the pattern says."""
        return self._expression.fullmatch(text) is not None
