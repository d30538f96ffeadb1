"""Numbered migrations of values: each step once for each value, in small units, resumable after a kill.

How far it came stands in the metadata and moves in the same unit as the values, so a step is never done twice to a
value, and none is left out. What others write while it runs is taken to be of the new form.

Cost: one pass over the keys a step, one commit for ``batch_keys`` keys. Imports ``unit_of_work``, ``model`` and
``errors``. Source: KV-6.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from charter_persist.encoding.layout import Layout
from charter_persist.errors import InvalidInputError
from charter_persist.model.entry import Entry
from charter_persist.model.pattern import Pattern
from charter_persist.unit_of_work import UnitOfWork, Units

PROGRESS_PREFIX: Final = "kv-migration:"
BATCH_KEYS: Final = 500
Step = tuple[int, Callable[[Any], Any]]
"""Number of a step, and what it makes of a decoded value."""


@dataclass(frozen=True, slots=True)
class Migrated:
    """What a run did.

    Attributes:
        version: the number of the last step that is done.
        changed: how many values were changed by this run.
    """

    version: int
    changed: int


def migrate_values(
    store: Units, layout: Layout, pattern: str, steps: Sequence[Step], *, batch_keys: int = BATCH_KEYS
) -> Migrated:
    """Bring the values of all keys of a pattern to the newest form; a second run does nothing.

    Args:
        store: open for writing.
        layout: how values are encoded and checked.
        pattern: of the keys; its progress is kept under it.
        steps: all there ever were, numbered 1, 2, 3 and so on.
        batch_keys: how many keys one unit looks at; 1 or more.

    Returns:
        What was done.

    Raises:
        InvalidInputError: the steps are not numbered so, or the store is beyond them already.
        ValidationError: a value cannot be decoded, or what a step made of it is refused; earlier units stay done.

    Whatever a step raises is raised.

    Spec: KV-6
    """
    if [number for number, _ in steps] != list(range(1, len(steps) + 1)):
        raise InvalidInputError("steps must be numbered 1, 2, 3 and so on, in their order")
    if batch_keys < 1:
        raise InvalidInputError(f"batch_keys must be 1 or more, got {batch_keys}")
    keys = Pattern(pattern)
    with store.read() as view:
        done = _Progress.of(view.metadata.get(PROGRESS_PREFIX + pattern)).version
    if done > len(steps):
        raise InvalidInputError(f"the values of {pattern} are at version {done}, there are {len(steps)} steps only")
    changed = 0
    for number, step in steps[done:]:
        batch = _Batch(layout, keys, number, step, batch_keys)
        while not batch.is_done:
            changed += store.run(batch).value
    return Migrated(len(steps), changed)


@dataclass(frozen=True, slots=True)
class _Progress:
    """How far the migration of a pattern came.

    Attributes:
        version: of the last step that is done.
        start: the revision that the next step began behind; 0 where it did not begin.
        after: the last key that it looked at; None before the first.
    """

    version: int = 0
    start: int = 0
    after: str | None = None

    @classmethod
    def of(cls, kept: Any) -> _Progress:
        return cls() if kept is None else cls(kept["version"], kept["start"], kept["after"])

    def to_json(self) -> dict[str, Any]:
        return {"version": self.version, "start": self.start, "after": self.after}


class _Batch:
    """A step done to the next keys, as one unit of work.

    Attributes:
        is_done: whether there were no more.
    """

    def __init__(self, layout: Layout, keys: Pattern, number: int, step: Callable[[Any], Any], size: int) -> None:
        self._layout = layout
        self._keys = keys
        self._number = number
        self._step = step
        self._size = size
        self.is_done = False

    def __call__(self, uow: UnitOfWork) -> int:
        """How many values changed."""
        name = PROGRESS_PREFIX + self._keys.text
        progress = _Progress.of(uow.metadata.get(name))
        if progress.version >= self._number:  # another process was faster
            self.is_done = True
            return 0
        start = progress.start or uow.kv.revision
        entries = list(islice(uow.kv.iter(self._keys.prefix, after=progress.after), self._size))
        # What was written behind the start is of the new form, whoever wrote it.
        changed = sum(self._migrate(uow, entry) for entry in entries if entry.revision < start)
        self.is_done = len(entries) < self._size
        after = _Progress(self._number) if self.is_done else _Progress(self._number - 1, start, entries[-1].key)
        uow.metadata.set(name, after.to_json())
        return changed

    def _migrate(self, uow: UnitOfWork, entry: Entry) -> bool:
        if not self._keys.fits(entry.key):
            return False
        data = self._layout.encode(entry.key, self._step(self._layout.decode(entry)))
        if data == entry.value:
            return False
        uow.kv.set(entry.key, data)
        return True
