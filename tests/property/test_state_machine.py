"""Every backend does what memory does, whatever is done to it: Hypothesis looks for a difference."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from charter_persist.testing import PostgresPlaces, PrivatePlaces, SqlitePlaces, store_machine
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


@pytest.mark.spec("STO-1", "STO-5.3", "P9", "P10", "P11")
@pytest.mark.timeout(7_200 if DEEP else 600)
class TestStateMachine:
    """The rules are public verbs, crashes and other writers; after each step everything is compared."""

    def test_a_sqlite_file_does_what_memory_does(self, tmp_path_factory: pytest.TempPathFactory) -> None:
        places = SqlitePlaces(tmp_path_factory.mktemp("machine"))
        run_state_machine_as_test(store_machine(places), settings=effort(60, 30))

    def test_a_private_sqlite_file_does_what_memory_does(self) -> None:
        run_state_machine_as_test(store_machine(PrivatePlaces()), settings=effort(8, 25))

    def test_postgres_does_what_memory_does(self, make_postgres_database: MakePostgresDatabase) -> None:
        places = PostgresPlaces(make_postgres_database())
        run_state_machine_as_test(store_machine(places), settings=effort(15, 25))
