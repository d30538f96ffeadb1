"""Programs that run in processes of their own: several upgrades at once, upgrades that are killed."""

from __future__ import annotations

import importlib
import itertools
import multiprocessing
import os
import queue
import shutil
import signal
from collections.abc import Sequence
from multiprocessing.process import BaseProcess
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import sqlalchemy as sa

from charter_persist.backends.sql import migrate
from charter_persist.backends.sql.schema import SCHEMA_HEAD
from tests.migration.database import Database
from tests.migration.inventory import Inventory

T = TypeVar("T")
_SPAWN = multiprocessing.get_context("spawn")


def migrations_with(folder: Path, **extra: str) -> Path:
    """A copy of the migrations with more of them: each keyword is a revision and the body of its upgrade."""
    shutil.copytree(migrate.migrations_path(), folder, ignore=shutil.ignore_patterns("__pycache__"))
    before = SCHEMA_HEAD
    for name, body in extra.items():
        imports = "import time\nfrom pathlib import Path\n\nfrom alembic import op\n"
        head = f"{imports}\nrevision, down_revision = {name!r}, {before!r}\n"
        lines = "".join(f"    {line}\n" for line in body.splitlines())
        (folder / "versions" / f"{name}.py").write_text(f"{head}\n\ndef upgrade() -> None:\n{lines}")
        before = name
    return folder


def use_migrations(path: Path | None) -> None:
    """Let this process find its migrations elsewhere."""
    if path is not None:
        migrate.migrations_path = lambda: path


def upgrade_together(urls: Sequence[str], processes: int, migrations: Path | None = None) -> list[str]:
    """Upgrade each database by all processes at the same moment; what went wrong, or nothing."""
    barrier = _SPAWN.Barrier(processes)
    answers: Queue[list[str]] = _SPAWN.Queue()
    workers = [
        _SPAWN.Process(target=_upgrade_each, args=(list(urls), barrier, answers, migrations)) for _ in range(processes)
    ]
    for worker in workers:
        worker.start()
    wrong = [_next(answers, workers) for _ in workers]
    for worker in workers:
        worker.join()
    return [error for errors in wrong for error in errors]


def _next(answers: Queue[T], workers: Sequence[BaseProcess]) -> T:
    """The next answer; an error at once where a process ended badly and none will come."""
    while True:
        try:
            return answers.get(timeout=1)
        except queue.Empty:
            assert not [worker.exitcode for worker in workers if worker.exitcode], "a process failed; see its output"


def _upgrade_each(urls: list[str], barrier: Barrier, answers: Queue[list[str]], migrations: Path | None) -> None:
    use_migrations(migrations)
    wrong = []
    for url in urls:
        barrier.wait(timeout=60)
        try:
            migrate.upgrade(url)
        except Exception as exc:  # whatever it is, the test shows it
            wrong.append(f"{type(exc).__name__}: {exc}")
    answers.put(wrong)


def kill_at_statements(url: str, schema: str | None, step: int) -> list[Inventory]:
    """Upgrade again and again, killed before the first statement, then `step` later, … until one comes through.

    Returns:
        What the database held after each of them.
    """
    answers: Queue[list[Inventory]] = _SPAWN.Queue()
    # A process without threads, which may fork.
    driver = _SPAWN.Process(target=_kill_loop, args=(Database(url, schema), step, answers))
    driver.start()
    states = _next(answers, [driver])
    driver.join()
    return states


def _kill_loop(database: Database, step: int, answers: Queue[list[Inventory]]) -> None:
    importlib.import_module("alembic.command")  # once, not in each child
    states = []
    for statement in itertools.count(1, step):
        child = os.fork()
        if child == 0:
            _upgrade_until(database.url, statement)
        _, status = os.waitpid(child, 0)
        states.append(database.inventory())
        if os.WIFEXITED(status):
            break
    answers.put(states)


def _upgrade_until(url: str, statement: int) -> NoReturn:
    count = itertools.count(1)

    def kill(*_: Any) -> None:
        if next(count) == statement:
            os.kill(os.getpid(), signal.SIGKILL)

    sa.event.listen(sa.Engine, "before_cursor_execute", kill)
    try:
        migrate.upgrade(url)
    finally:
        os._exit(0)


def kill_while_it_upgrades(url: str, migrations: Path, marker: Path) -> None:
    """Upgrade in a new process and kill it as soon as the marker is there."""
    worker = _SPAWN.Process(target=_upgrade_with, args=(url, migrations))
    worker.start()
    while not marker.exists():
        assert worker.is_alive()
        worker.join(0.02)
    worker.kill()
    worker.join()


def _upgrade_with(url: str, migrations: Path) -> None:
    use_migrations(migrations)
    migrate.upgrade(url)
