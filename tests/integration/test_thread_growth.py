"""Threads grow by what is said in them: a message costs the same at step 1,000 as at step 10, in work and in bytes."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest

from charter_persist import Store, connect, upgrade
from charter_persist.model.event import Custom

STEP = "x" * 415
STEPS = 1_000


class Work(NamedTuple):
    """What a unit made SQLite do."""

    statements: list[str]
    instructions: int


def watched(store: Store, step: object) -> Work:
    """Run a unit, and count the statements and the instructions of SQLite's machine that it took."""
    assert callable(step)
    connection = store._backend.writing_link().connection  # type: ignore[attr-defined]
    statements: list[str] = []
    instructions = [0]

    def count() -> int:
        instructions[0] += 1
        return 0

    with store.begin() as uow:
        connection.set_trace_callback(statements.append)
        connection.set_progress_handler(count, 1)
        step(uow)
        uow.flush()
        connection.set_progress_handler(None, 0)
        connection.set_trace_callback(None)
    # The trigger of a row is traced as the statement once more.
    told = [text for before, text in pairwise(["", *statements]) if text != before or text.startswith("SELECT")]
    return Work(told, instructions[0])


@pytest.mark.spec("ENA-4")
def test_a_message_costs_the_same_at_any_step(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'charter.db'}"
    upgrade(url)
    works: dict[int, Work] = {}
    with connect(url) as store:
        with store.begin() as uow:
            uow.messages.create_thread(tenant_id="t", user_id="u", thread_id="talk")
        for number in range(1, STEPS + 1):

            def step(uow: object, number: int = number) -> None:
                uow.messages.create_message(  # type: ignore[attr-defined]
                    "talk",
                    role="user",
                    content=STEP,
                    message_id=f"m{number:04}",
                    parent_id=f"m{number - 1:04}" if number > 1 else None,
                )

            if number in (10, 11, STEPS - 1, STEPS):
                works[number] = watched(store, step)
            else:
                store.run(step)
    assert len(works[10].statements) == len(works[STEPS].statements)
    # The id is looked up, thread and parent twice: whether they are there and were not erased. Three rows are written.
    assert len(works[10].statements) == 8
    assert works[STEPS].instructions <= works[10].instructions * 1.1
    assert works[STEPS - 1].instructions == works[STEPS].instructions
    assert (tmp_path / "charter.db").stat().st_size < 3_000_000


@pytest.mark.spec("ENA-2")
def test_an_event_costs_no_more_statements_than_an_object(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'charter.db'}"
    upgrade(url)
    with connect(url) as store:
        for _ in range(300):
            store.run(lambda uow: uow.events.append("e", Custom("n", STEP), tenant_id="t"))
        late = watched(store, lambda uow: uow.events.append("e", Custom("n", STEP), tenant_id="t"))
        batch = watched(store, lambda uow: uow.events.append_batch("e", [Custom("n", STEP)] * 50, tenant_id="t"))
        put = watched(store, lambda uow: uow.objects.put("doc", STEP))
    assert len(late.statements) == len(put.statements) == 3  # a look-up, the row, the entry
    assert len([text for text in batch.statements if text.startswith("SELECT")]) == 1
