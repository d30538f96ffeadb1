"""A state machine that does the same to a store under test and to memory, and compares everything after each step.

Memory is the executable specification. Both stores are given equal time, identifiers and nonces, so that receipts,
roots, entries, values and errors must be equal, not only similar.

Source: DESIGN 1.5, STYLE 2, RELIABILITY P9 to P11.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import Any, Final

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from charter_persist.errors import CharterError
from charter_persist.integrity.verify import verify
from charter_persist.store import Store
from charter_persist.testing import machine_archives, machine_events, machine_messages, machine_states, machine_vectors
from charter_persist.testing.crash import crash_inside_a_unit
from charter_persist.testing.fixtures import Place, Requirement
from charter_persist.testing.history import UndoneError
from charter_persist.testing.machine_backup import brought_back, carried
from charter_persist.testing.operations import (
    BEGINNING,
    KEYS,
    OPERATION_IDS,
    OPERATIONS,
    REFS,
    SESSIONS,
    Flush,
    Operation,
    perform,
)
from charter_persist.testing.places import MemoryPlaces, Places
from charter_persist.testing.sources import CountingSources
from charter_persist.unit_of_work import ReadView, Receipt, UnitOfWork

SEVERAL: Final = st.lists(OPERATIONS, min_size=1, max_size=11)

CRASHES_MAX: Final = 3
"""In one run: a process costs as much as many units."""


class Side:
    """One of the two stores: its place, its sources, two handles on it, and the views that are held open.

    Attributes:
        place: where it lives.
        sources: its time, identifiers and nonces.
        store: the handle that is used.
        other: another handle on the same store; the model, which shall be simple, has one only.
        views: held open, oldest first.
    """

    def __init__(self, place: Place, *, is_model: bool) -> None:
        self.place = place
        self.sources = CountingSources()
        self.views: list[ReadView] = []
        self._is_model = is_model
        self.open(batching=True)

    def open(self, *, batching: bool) -> None:
        """Open the handles."""
        self.store = self.place.open_store(batching=batching, **self.sources.arguments())
        self.other = self.store
        if not self._is_model:
            self.other = self.place.open_store(batching=batching, **self.sources.arguments())

    def close(self) -> None:
        """Close views and handles."""
        with ExitStack() as stack:
            stack.callback(self.other.close)
            stack.callback(self.store.close)
            for view in self.views:
                stack.callback(view.close)
        self.views.clear()


def told(store: Store, receipt: Receipt | None) -> Any:
    """A receipt with its root, which must be the one that a reader of the journal finds."""
    if receipt is None:
        return None
    with store.read() as view:
        assert view.journal.root(receipt.size) == receipt.root
    return receipt, receipt.root


def observed(view: ReadView, after: int = 0) -> dict[str, Any]:
    """All that can be read in a view of any revision; of what only grows, what stands behind a position."""
    sessions = list(view.sessions.iter())
    return {
        "revision": view.revision,
        "root": view.journal.root(),
        "entries": list(view.journal.entries(after=after)),
        "objects": list(view.objects.iter(after=after)),
        "events": list(view.audit.iter(after=after)),
        "refs": list(view.refs.iter()),
        "ref histories": [list(view.refs.history(name)) for name in REFS],
        "metadata": list(view.metadata.iter()),
        "metadata histories": [list(view.metadata.history(key)) for key in KEYS],
        "keys": list(view.kv.iter()),
        "sessions": sessions,
        "sealed": [view.sessions.sealed_digest(session.session_id) for session in sessions],
        "session histories": [[past.version for past in view.sessions.history(name)] for name in SESSIONS],
        **machine_events.observed(view),
        **machine_archives.observed(view),
    }


def observed_now(view: ReadView, after: int = 0) -> dict[str, Any]:
    """All that can be read in a view of the present."""
    return {
        **observed(view, after),
        **machine_messages.observed(view),
        **machine_states.observed(view),
        **machine_vectors.observed(view),
    }


class StoreMachine(RuleBasedStateMachine):
    """Rules are what a program can do to a store, crashes included; every step must end equal on both sides."""

    places: Places

    def __init__(self) -> None:
        super().__init__()
        self.model = Side(MemoryPlaces().new(), is_model=True)
        self.real = Side(self.places.new(), is_model=False)
        self.seen = 0
        self.crashes = 0

    def both(self, action: Callable[[Side], Any]) -> None:
        """Do it to both and compare what it returns or raises."""
        expected, actual = _outcome(action, self.model), _outcome(action, self.real)
        assert actual == expected
        assert self.real.sources.count == self.model.sources.count

    @initialize(empty=st.booleans())
    def begin(self, empty: bool) -> None:
        """Some runs begin with an empty store, others with something of every kind."""
        if not empty:
            self.both(lambda side: _unit(side.store, BEGINNING))

    @rule(operations=SEVERAL)
    def unit(self, operations: list[Operation]) -> None:
        """A unit of work that ends well, over whatever its operations refused."""
        self.both(lambda side: _unit(side.store, operations))

    @rule(operations=SEVERAL)
    def unit_elsewhere(self, operations: list[Operation]) -> None:
        """Another handle on the same store writes in between."""
        self.both(lambda side: _unit(side.other, operations))

    @rule(operations=SEVERAL, flush=st.booleans(), later=st.lists(OPERATIONS | st.builds(Flush), max_size=2))
    def unit_that_raises(self, operations: list[Operation], flush: bool, later: list[Operation]) -> None:
        """A unit that raises in the middle, early or behind a flush; a leaked one is of no use afterwards."""

        def act(side: Side) -> Any:
            leaked: list[UnitOfWork] = []
            results: list[Any] = []
            try:
                with side.store.begin() as uow:
                    leaked.append(uow)
                    results += perform([*operations, *([Flush()] if flush else [])], uow)
                    raise UndoneError
            except UndoneError:
                pass
            return results, perform(later, leaked[0])

        self.both(act)

    @rule(operations=SEVERAL, operation_id=st.sampled_from([None, None, *OPERATION_IDS]), fails=st.booleans())
    def run(self, operations: list[Operation], operation_id: str | None, fails: bool) -> None:
        """`run`, with and without an operation id; a repeat gives the kept value and does not call the function."""

        def act(side: Side) -> Any:
            results: list[Any] = []

            def change(uow: UnitOfWork) -> int:
                results.append(perform(operations, uow))
                if fails:
                    raise UndoneError
                return len(operations)

            try:
                outcome = side.store.run(change, operation_id=operation_id)
            except UndoneError:
                return "undone", results
            return outcome.value, told(side.other, outcome.receipt), outcome.repeated, results

        self.both(act)

    @rule(operation_id=st.sampled_from(OPERATION_IDS))
    def resolve(self, operation_id: str) -> None:
        """What became of an operation."""

        def act(side: Side) -> Any:
            outcome = side.other.resolve(operation_id)
            return outcome and (outcome.value, told(side.store, outcome.receipt), outcome.repeated)

        self.both(act)

    @precondition(lambda self: Requirement.REOPEN not in self.places.lacks)
    @rule(batching=st.booleans())
    def reopen(self, batching: bool) -> None:
        """Every handle is closed and the store opened again."""
        for side in (self.model, self.real):
            side.close()
            side.open(batching=batching)

    @precondition(lambda self: self.real.place.url is not None and self.crashes < CRASHES_MAX)
    @rule(operations=SEVERAL, closed=st.booleans())
    def crash(self, operations: list[Operation], closed: bool) -> None:
        """Another process dies in the middle of a unit, while our handles are open or when it is the last one."""
        url = self.real.place.url
        assert url is not None
        self.crashes += 1
        if closed:
            self.real.close()
            self.model.close()
        crash_inside_a_unit(url, operations, self.model.sources.count)
        if closed:
            self.model.open(batching=True)
            self.real.open(batching=True)
        try:
            with self.model.store.begin() as uow:
                perform(operations, uow)
                uow.flush()
                raise UndoneError
        except UndoneError:
            pass
        self.real.sources.count = self.model.sources.count

    @rule()
    def hold_a_view(self) -> None:
        """A view is opened and kept open while others write."""
        for side in (self.model, self.real):
            side.views.append(side.store.read())

    @precondition(lambda self: self.real.views)
    @rule()
    def read_a_held_view(self) -> None:
        """What it shows is still what was true when it was opened."""

        def act(side: Side) -> Any:
            with side.views.pop(0) as view:
                return observed_now(view)

        self.both(act)

    @invariant()
    def both_are_equal(self) -> None:
        """Receipts and errors were compared in the step; now everything that can be read."""
        with self.model.store.read() as expected, self.real.other.read() as actual:
            before, after = observed_now(expected, self.seen), observed_now(actual, self.seen)
            for part, value in before.items():
                assert after[part] == value, part
            self.seen = actual.journal.size()

    def teardown(self) -> None:
        """Everything recomputed from what is stored agrees, the audit log replays, and backups carry the same rows.

        A store that cannot be opened again is restored in place of that.
        """
        try:
            for side in (self.model, self.real):
                report = verify(side.store, store_id=side.store.store_id)
                assert (report.findings, report.size) == ((), self.seen)
                with side.store.read() as view:
                    assert list(view.audit.replay()) == list(view.audit.iter())
            carry = brought_back if Requirement.REOPEN in self.places.lacks else carried
            assert carry(self.real.store) == carried(self.model.store)
        finally:
            for side in (self.model, self.real):
                side.close()
                side.place.remove()


def _outcome(action: Callable[[Side], Any], side: Side) -> Any:
    try:
        return action(side)
    except CharterError as exc:
        return type(exc).__name__, exc.code, exc.message


def _unit(store: Store, operations: Iterable[Operation]) -> Any:
    with store.begin() as uow:
        results = perform(operations, uow)
    return results, told(store, uow.receipt)


def store_machine(stores: Places) -> type[StoreMachine]:
    """Make the machine that compares stores of one kind with memory.

    Args:
        stores: where each run gets an empty one.

    Returns:
        A state machine for `hypothesis.stateful.run_state_machine_as_test`.
    """

    class Machine(StoreMachine):
        places = stores

    return Machine
