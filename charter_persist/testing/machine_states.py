"""What the state machine does to cached states: values by key, and the newest snapshot of each execution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from hypothesis import strategies as st

from charter_persist.model.state import ExecutionSnapshot
from charter_persist.testing.machine_values import EXECUTION, EXECUTIONS, VALUES
from charter_persist.testing.sources import FIRST_MOMENT
from charter_persist.unit_of_work import ReadView, UnitOfWork

TENANT: Final = "t"
KEYS: Final = ("k", "e/k", "e/1/k")
"""Two of them belong to executions."""
TTL_S: Final = 40
"""Every reading of the time is a second, so what has it is absent some steps later."""


@dataclass(frozen=True)
class Keep:
    """Keep a value, for some time or for ever."""

    key: str
    value: Any
    ttl_s: float | None

    def __call__(self, uow: UnitOfWork) -> Any:
        """What the key held before."""
        before = uow.states.get(self.key)
        uow.states.set_json(self.key, self.value, ttl_s=self.ttl_s)
        return before


@dataclass(frozen=True)
class SaveSnapshot:
    """Keep the snapshot of an execution after one of its events, which may not be there."""

    execution: str
    sequence: int
    variable: Any

    def __call__(self, uow: UnitOfWork) -> Any:
        """How stale it is."""
        snapshot = ExecutionSnapshot(
            execution_id=self.execution,
            tenant_id=TENANT,
            state="running",
            sequence_number=self.sequence,
            timestamp=FIRST_MOMENT,
            variables={"v": self.variable},
        )
        uow.states.save_snapshot(snapshot)
        return uow.states.staleness(self.execution)


@dataclass(frozen=True)
class Drop:
    """Drop a key, a snapshot, all of an execution, what has expired, or everything."""

    what: str
    name: str

    def __call__(self, uow: UnitOfWork) -> Any:
        """How many rows, or whether it was there."""
        states = uow.states
        if self.what == "everything":
            return states.drop_all()
        if self.what == "expired":
            return states.purge_expired()
        drops = {"key": states.delete, "snapshot": states.delete_snapshot, "execution": states.delete_execution}
        return drops[self.what](self.name)


BEGINNING: Final = (Keep(KEYS[1], 0, None), SaveSnapshot(EXECUTIONS[0], 2, 0))
DRAWN: Final = st.one_of(
    st.builds(Keep, st.sampled_from([*KEYS, ""]), VALUES, st.sampled_from([None, TTL_S, TTL_S, 1, 0])),
    st.builds(SaveSnapshot, EXECUTION, st.integers(-1, 3), VALUES),
    st.builds(Drop, st.just("key"), st.sampled_from(KEYS)),
    st.builds(Drop, st.sampled_from(["snapshot", "execution", "expired", "everything"]), EXECUTION),
)


def observed(view: ReadView) -> dict[str, Any]:
    """What is kept and has not expired, and how stale each snapshot is."""
    snapshots = view.states.list_snapshots(TENANT).items
    return {
        "states": [view.states.get(key) for key in KEYS],
        "snapshots": [(snapshot, snapshot.latest) for snapshot in snapshots],
    }
