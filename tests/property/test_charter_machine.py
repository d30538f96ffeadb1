"""Whatever is asked of the engine, in whatever order, on whatever backend: what it promises holds after each step."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from charter_persist.testing import MemoryPlaces, PostgresPlaces, SqlitePlaces, governance_machine
from tests.postgres.fixtures import MakePostgresDatabase

DEEP = os.environ.get("CHARTER_HYPOTHESIS_PROFILE") == "deep"


def effort(examples: int, steps: int) -> settings:
    """So many runs of so many steps; twenty times as many in the deep profile."""
    return settings(
        max_examples=examples * (20 if DEEP else 1),
        stateful_step_count=steps,
        deadline=None,
        report_multiple_bugs=False,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    )


@pytest.mark.spec("GOV-2", "GOV-6", "GOV-7", "GOV-9", "GOV-15", "IDX-2", "IDX-10", "IDX-11", "P10", "P11")
@pytest.mark.timeout(7_200 if DEEP else 600)
class TestCharterMachine:
    """Rules are all verbs, with right and wrong arguments, on two handles; crashes and reopened stores among them."""

    def test_the_engine_over_memory(self) -> None:
        machine = governance_machine(MemoryPlaces())
        run_state_machine_as_test(machine, settings=effort(30, 40))

    def test_the_engine_over_a_sqlite_file(self, tmp_path_factory: pytest.TempPathFactory) -> None:
        machine = governance_machine(SqlitePlaces(tmp_path_factory.mktemp("machine")))
        run_state_machine_as_test(machine, settings=effort(10, 20))

    def test_the_engine_over_postgres(self, make_postgres_database: MakePostgresDatabase) -> None:
        machine = governance_machine(PostgresPlaces(make_postgres_database()))
        run_state_machine_as_test(machine, settings=effort(4, 15))
