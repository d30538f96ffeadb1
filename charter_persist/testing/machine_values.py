"""JSON values as the state machine draws them, and names of executions that all their stores share."""

from __future__ import annotations

from typing import Final

from hypothesis import strategies as st

EXECUTIONS: Final = ("e", "e/1", "\U0001f600")

_JSON: Final = st.recursive(
    st.one_of(st.none(), st.booleans(), st.floats(), st.text(max_size=3), st.integers(-(2**60), 2**60)),
    lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text(max_size=2), part, max_size=3),
    max_leaves=4,
)
"""JSON, and now and then what is not: NaN, infinities, integers that are too large."""

VALUES: Final = st.one_of(st.integers(0, 5), st.integers(0, 5), _JSON)
EXECUTION: Final = st.sampled_from(EXECUTIONS)
OFF: Final = st.sampled_from([None, None, 0, 0, 1, -1])
"""How far what is expected lies from what is so; None where nothing is expected."""


def expected(actual: int, off: int | None) -> int | None:
    """A version or sequence that is expected, right or not."""
    return None if off is None else max(0, actual + off)
