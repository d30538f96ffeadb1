"""What the state machine does to events of executions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from hypothesis import strategies as st

from charter_persist.model.event import Custom
from charter_persist.testing.machine_values import EXECUTION, EXECUTIONS, OFF, VALUES, expected
from charter_persist.unit_of_work import ReadView, UnitOfWork

TENANTS: Final = ("e", "t")


@dataclass(frozen=True)
class AppendEvents:
    """Append events of one execution, with the right expectation, another one or none."""

    execution: str
    values: tuple[Any, ...]
    off: int | None
    tenant: str = TENANTS[0]

    def __call__(self, uow: UnitOfWork) -> Any:
        """The newest sequence."""
        events = [Custom("n", value) for value in self.values]
        wanted = expected(uow.events.latest(self.execution), self.off)
        return uow.events.append_batch(self.execution, events, tenant_id=self.tenant, expected=wanted)


@dataclass(frozen=True)
class EraseEvent:
    """Erase an event, or all of an execution."""

    execution: str
    sequence: int | None

    def __call__(self, uow: UnitOfWork) -> Any:
        """How many were erased, and what is left."""
        erased = uow.events.erase(self.execution, sequence=self.sequence)
        return erased, [event.event for event in uow.events.load(self.execution)]


BEGINNING: Final = (AppendEvents(EXECUTIONS[0], (0, 1), 0),)
DRAWN: Final = st.one_of(
    st.builds(AppendEvents, EXECUTION, st.lists(VALUES, max_size=3).map(tuple), OFF),
    st.builds(AppendEvents, EXECUTION, st.just((0,)), OFF, st.sampled_from(TENANTS)),
    st.builds(EraseEvent, EXECUTION, st.sampled_from([None, 1, 2, 3])),
)


def observed(view: ReadView) -> dict[str, Any]:
    """All events in their one order, erased ones as well, and the executions that they make."""
    return {
        "executions": [view.events.list_executions(tenant).items for tenant in TENANTS],
        "execution events": list(view.events.iter_all()),
    }
