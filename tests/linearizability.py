"""Is a history of one key linearizable? Wing and Gong's search with Lowe's memory of what was tried.

An operation takes effect at one moment between its call and its return. Those whose return nobody saw may have taken
effect at any later moment, or never.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

State = tuple[int, str | None]
"""Version and value of a key; (0, None) where it is absent."""
UNKNOWN = math.inf


class Operation(NamedTuple):
    """What a client asked for and was told; ``returned`` is UNKNOWN where it was told nothing."""

    called: float
    returned: float
    kind: str
    key: str
    value: str | None = None
    expected: int | None = None
    result: Any = None


def apply(state: State, operation: Operation) -> tuple[State, Any]:
    """The state after an operation, and what it must have answered."""
    version, value = state
    if operation.kind == "get":
        return state, [version, value]
    if operation.kind == "delete":
        return (0, None), version > 0
    if operation.kind == "cas" and operation.expected != version:
        return state, "conflict"
    return (version + 1, operation.value), version + 1


def is_linearizable(history: Sequence[Operation]) -> bool:
    """Whether some order of the operations of one key explains every answer and contradicts no clock."""
    operations = sorted(history)
    known = sum(1 << i for i, one in enumerate(operations) if one.returned != UNKNOWN)
    stack: list[tuple[int, State]] = [(0, (0, None))]
    seen = set(stack)
    while stack:
        done, state = stack.pop()
        if done & known == known:
            return True
        for index in _next(operations, done):
            operation = operations[index]
            after, answer = apply(state, operation)
            node = (done | 1 << index, after)
            is_possible = operation.returned == UNKNOWN or answer == operation.result
            if is_possible and node not in seen:
                seen.add(node)
                stack.append(node)
    return False


def _next(operations: list[Operation], done: int) -> list[int]:
    """The operations that may be the next one: called before any that is left has returned."""
    first_return = UNKNOWN
    candidates = []
    # Skip what is done at the beginning.
    index = (~done & (done + 1)).bit_length() - 1
    for i in range(index, len(operations)):
        if operations[i].called > first_return:
            break
        if not done >> i & 1:
            candidates.append(i)
            first_return = min(first_return, operations[i].returned)
    return [i for i in candidates if operations[i].called <= first_return]


def overlapping(history: Sequence[Operation]) -> float:
    """The share of operations that overlap another one; without overlap a check shows nothing."""
    operations = sorted(history)
    overlaps = set()
    latest = -1
    for i, operation in enumerate(operations):
        if latest >= 0 and operations[latest].returned > operation.called:
            overlaps |= {i, latest}
        if latest < 0 or operation.returned > operations[latest].returned:
            latest = i
    return len(overlaps) / max(1, len(operations))
