"""Run the programs and print the table: ``python -m tests.rounds [--only NAME] [--backend NAME] [--scale 1.0]``."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.etcd_server import EtcdServer
from tests.postgres import start_postgres
from tests.rounds.places import NewPlace, new_places
from tests.rounds.programs import PROGRAMS
from tests.rounds.tally import Program, VoidRunError

HEAD = ("program", "shows", "backend", "rounds", "operations", "acks", "kills", "seconds", "note", "control caught")
BACKENDS = ("memory", "sqlite", "postgres", "etcd")


def row(program: Program, backend: str, places: NewPlace, scale: float) -> tuple[str, ...]:
    """Run a program and its control, each on a new store.

    Raises:
        BrokenPromiseError: the promise is broken.
        VoidRunError: there was too little traffic, or the control was not caught.
    """
    began = time.monotonic()
    with places() as place:
        tally = program.run(place, scale)
    seconds = time.monotonic() - began
    with places() as place:
        caught = program.control(place, scale)
    if caught is None:
        raise VoidRunError(f"the control of {program.name} was not caught on {backend}")
    counts = [f"{n:,}" for n in (tally.rounds, tally.operations, tally.acks, tally.kills)]
    return program.name, program.promise, backend, *counts, f"{seconds:.0f}", tally.note, caught


@contextmanager
def server_of(backend: str, url: str | None) -> Iterator[str | None]:
    """The URL that new stores of a backend need; a server is started where one is needed and none is named."""
    if url is not None or backend in ("memory", "sqlite"):
        yield url
        return
    server = start_postgres() if backend == "postgres" else EtcdServer()
    try:
        yield server.url
    finally:
        server.stop()


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.rounds")
    parser.add_argument("--only", choices=[program.name for program in PROGRAMS], metavar="NAME", help="one program")
    parser.add_argument("--backend", choices=BACKENDS, help="one backend; all without it")
    parser.add_argument("--scale", type=float, default=1.0, help="of the rounds and times; 1.0 is full")
    parser.add_argument(
        "--url", help="Postgres: a server to make databases on; etcd: a store, on a cluster that nobody else writes to"
    )
    arguments = parser.parse_args()
    print("|", " | ".join(HEAD), "|")
    print("|", " | ".join("---" for _ in HEAD), "|")
    for backend in [arguments.backend] if arguments.backend else BACKENDS:
        with server_of(backend, arguments.url) as url:
            places = new_places(backend, url)
            for program in PROGRAMS:
                if arguments.only in (None, program.name) and program.suits(backend):
                    print("|", " | ".join(row(program, backend, places, arguments.scale)), "|", flush=True)


if __name__ == "__main__":
    main()
