"""Numbered migrations of values: each step once for each value, in small units, resumable after a kill.

How far a run came stands in the metadata and moves in the same unit as the values, so a step is never done twice to a
value, and none is left out. All steps that are outstanding are done to a value at once: it is never kept, nor checked,
in a form between. What others write from the first unit of a run on is taken to be of the form that the run leads to.

Cost: one pass over the keys, whatever the number of steps, and one commit for ``batch_keys`` keys. Imports
``unit_of_work``, ``model`` and ``errors``. Source: KV-6.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Final

from charter_persist.encoding.layout import Layout
from charter_persist.errors import InvalidInputError, NotFoundError
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

    A key stays on its lease; one whose lease has ended is left out. Several processes may run it at once. Where a run
    of fewer steps was killed in the midst, a run of more steps takes what was written between the beginnings of the
    two to be of the form of the first.

    Args:
        store: open for writing.
        layout: how values are encoded and checked.
        pattern: of the keys; its progress is kept under it.
        steps: all there ever were, numbered 1, 2, 3 and so on.
        batch_keys: how many keys one unit looks at; 1 or more.

    Returns:
        What was done.

    Raises:
        InvalidInputError: the steps are not numbered so, or a run of more steps has begun already.
        ValidationError: a value cannot be decoded, or what the steps made of it is refused; earlier units stay done.

    Whatever a step raises is raised.

    Spec: KV-6
    """
    if [number for number, _ in steps] != list(range(1, len(steps) + 1)):
        raise InvalidInputError("steps must be numbered 1, 2, 3 and so on, in their order")
    if type(batch_keys) is not int or batch_keys < 1:
        raise InvalidInputError(f"batch_keys must be an integer, 1 or more; got {batch_keys!r}")
    batch = _Batch(layout, Pattern(pattern), [step for _, step in steps], batch_keys)
    with store.read() as view:
        is_done = batch.progress(view.metadata.get(batch.name)).version == len(steps)
    changed = 0
    while not is_done:
        done, is_done = store.run(batch).value
        changed += done
    return Migrated(len(steps), changed)


@dataclass(frozen=True, slots=True)
class _Pass:
    """A way through all keys.

    Attributes:
        target: the version that values have behind it.
        start: the revision that it began with.
        after: the last key that it looked at; None before the first.
    """

    target: int
    start: int
    after: str | None = None

    def has(self, entry: Entry) -> bool:
        """Whether a value is of its target: it was led there, or written since the beginning, whoever wrote it."""
        return entry.revision >= self.start or (self.after is not None and entry.key <= self.after)


@dataclass(frozen=True, slots=True)
class _Progress:
    """How far the migration of a pattern came.

    Attributes:
        version: of the values that no pass has reached.
        passes: those that were begun and not ended, each to a higher target than the one before; the last one goes on.
    """

    version: int = 0
    passes: tuple[_Pass, ...] = ()

    @classmethod
    def of(cls, kept: Any) -> _Progress:
        if kept is None:
            return cls()
        if "passes" in kept:
            return cls(kept["version"], tuple(_Pass(**one) for one in kept["passes"]))
        # As it was kept when each step had a pass of its own, with start 0 where the next one had not begun.
        begun = (_Pass(kept["version"] + 1, kept["start"], kept["after"]),) if kept["start"] else ()
        return cls(kept["version"], begun)

    def to_json(self) -> dict[str, Any]:
        passes = [{"target": one.target, "start": one.start, "after": one.after} for one in self.passes]
        return {"version": self.version, "passes": passes}

    @property
    def target(self) -> int:
        return self.passes[-1].target if self.passes else self.version

    def version_of(self, entry: Entry) -> int:
        """The version of a value; that of the newest pass which has it."""
        return next((one.target for one in reversed(self.passes) if one.has(entry)), self.version)


class _Batch:
    """All outstanding steps done to the next keys, as one unit of work.

    Attributes:
        name: of the metadata that its progress is kept in.
    """

    def __init__(self, layout: Layout, keys: Pattern, steps: Sequence[Callable[[Any], Any]], size: int) -> None:
        self.name = PROGRESS_PREFIX + keys.text
        self._layout = layout
        self._keys = keys
        self._steps = steps
        self._size = size

    def progress(self, kept: Any) -> _Progress:
        """The progress that was kept, if these steps are enough to go on with it."""
        progress = _Progress.of(kept)
        if progress.target > len(self._steps):
            raise InvalidInputError(
                f"the values of {self._keys.text} are led to version {progress.target}, "
                f"there are {len(self._steps)} steps only; use the program that has them all"
            )
        return progress

    def __call__(self, uow: UnitOfWork) -> tuple[int, bool]:
        """How many values changed, and whether all are done."""
        progress = self.progress(uow.metadata.get(self.name))
        if progress.version == len(self._steps):  # another process was faster
            return 0, True
        if progress.target < len(self._steps):
            begun = _Pass(len(self._steps), uow.kv.revision)
            progress = replace(progress, passes=(*progress.passes, begun))
        *before, current = progress.passes
        entries = list(islice(uow.kv.iter(self._keys.prefix, after=current.after), self._size))
        changed = sum(self._migrate(uow, entry, progress.version_of(entry)) for entry in entries)
        is_done = len(entries) < self._size
        if is_done:
            progress = _Progress(current.target)
        else:
            progress = replace(progress, passes=(*before, replace(current, after=entries[-1].key)))
        uow.metadata.set(self.name, progress.to_json())
        return changed, is_done

    def _migrate(self, uow: UnitOfWork, entry: Entry, version: int) -> bool:
        """Lead a value from its version to the newest one; whether that changed it."""
        if version == len(self._steps) or not self._keys.fits(entry.key):
            return False
        value = self._layout.decode(entry)
        for step in self._steps[version:]:
            value = step(value)
        data = self._layout.encode(entry.key, value)
        if data == entry.value:
            return False
        try:
            uow.kv.set(entry.key, data, lease=entry.lease)
        except NotFoundError:  # its lease has ended, so the key is about to go
            return False
        return True
