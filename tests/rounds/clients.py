"""Clients of one store, each a process of its own that can be killed; of a store in memory, a thread each.

Processes are forked from a server that has imported the package already, so that one starts in some milliseconds.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from typing import Any, Protocol, TypeVar

from tests.rounds.places import Place

T = TypeVar("T")

READY_S = 60.0
# Who tells nothing for so long hangs.
SILENT_S = 60.0
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["tests.rounds.programs"])


class BrokenPromiseError(AssertionError):
    """What a program was to show is not so."""


class Desk(Protocol):
    """Where a client tells what it does and hears when to end."""

    def tell(self, value: Any) -> None:
        """One line, of JSON."""
        ...

    def is_over(self) -> bool:
        """Whether it was told to end."""
        ...


Work = Callable[..., None]
"""``work(store, desk, chance, *arguments)``, a function of a module."""


class Client:
    """One client as its program sees it: what it told so far, and its end."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.was_killed = False

    def wait_until_ready(self) -> None:
        """Return when it waits for nothing but `go`.

        Raises:
            BrokenPromiseError: it is not ready in time.
        """

    def go(self) -> None:
        """Let it begin, once it is ready."""
        raise NotImplementedError

    @property
    def has_ended(self) -> bool:
        """Whether it does nothing any more."""
        raise NotImplementedError

    def stop(self) -> None:
        """Tell it to end."""
        raise NotImplementedError

    def kill(self) -> None:
        """End it at once, whatever it does."""
        raise NotImplementedError

    def finish(self) -> list[Any]:
        """All that it told until its end.

        Raises:
            BrokenPromiseError: it ended with an error.
        """
        raise NotImplementedError


class _ProcessDesk:
    def __init__(self, line: Connection) -> None:
        self._line = line

    def tell(self, value: Any) -> None:
        self._line.send_bytes(json.dumps(value).encode())

    def is_over(self) -> bool:
        return self._line.poll()


def _run(place: Place, line: Connection, work: Work, seed: object, arguments: Sequence[Any]) -> None:
    desk = _ProcessDesk(line)
    try:
        with place.store() as store:
            desk.tell("ready")
            line.recv_bytes()
            work(store, desk, random.Random(repr(seed)), *arguments)
    except BaseException:
        desk.tell({"error": traceback.format_exc()})


class _Process(Client):
    def __init__(self, place: Place, work: Work, seed: object, arguments: Sequence[Any]) -> None:
        super().__init__()
        self._line, theirs = _PROCESSES.Pipe()
        self._process = _PROCESSES.Process(target=_run, args=(place, theirs, work, seed, arguments), daemon=True)
        self._process.start()
        theirs.close()
        self._ready = threading.Event()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        # A line that a kill cut is no line.
        with suppress(EOFError, OSError):
            while True:
                line = json.loads(self._line.recv_bytes())
                if line == "ready":
                    self._ready.set()
                else:
                    self.told.append(line)

    def wait_until_ready(self) -> None:
        if not self._ready.wait(READY_S):
            self.finish()
            raise BrokenPromiseError("a client was not ready in time")

    def go(self) -> None:
        self.wait_until_ready()
        self._send(b"go")

    def stop(self) -> None:
        self._send(b"end")

    def _send(self, word: bytes) -> None:
        with suppress(OSError):
            self._line.send_bytes(word)

    def kill(self) -> None:
        self.was_killed = True
        self._process.kill()

    @property
    def has_ended(self) -> bool:
        return not self._process.is_alive()

    def finish(self) -> list[Any]:
        _wait_for(self._listener, self.told)
        self._process.join(SILENT_S)
        if self._process.is_alive():
            self._process.kill()
            raise BrokenPromiseError(f"a client hangs, after {self.told[-1:]}")
        self._process.close()
        self._line.close()
        return _sound(self.told)


class _ThreadDesk:
    def __init__(self, told: list[Any], over: threading.Event) -> None:
        self.tell = told.append
        self.is_over = over.is_set


class _Thread(Client):
    def __init__(self, place: Place, work: Work, seed: object, arguments: Sequence[Any]) -> None:
        super().__init__()
        self._begin, self._over = threading.Event(), threading.Event()

        def run() -> None:
            self._begin.wait()
            try:
                with place.store() as store:
                    work(store, _ThreadDesk(self.told, self._over), random.Random(repr(seed)), *arguments)
            except BaseException:
                self.told.append({"error": traceback.format_exc()})

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()

    def go(self) -> None:
        self._begin.set()

    def stop(self) -> None:
        self._over.set()

    def kill(self) -> None:
        raise NotImplementedError("a thread cannot be killed")

    @property
    def has_ended(self) -> bool:
        return not self._thread.is_alive()

    def finish(self) -> list[Any]:
        _wait_for(self._thread, self.told)
        if self._thread.is_alive():
            raise BrokenPromiseError(f"a client hangs, after {self.told[-1:]}")
        return _sound(self.told)


def _wait_for(thread: threading.Thread, told: list[Any]) -> None:
    """Wait for the end of a thread, as long as something is told."""
    lines = -1
    while thread.is_alive() and lines != len(told):
        lines = len(told)
        thread.join(SILENT_S)


def _sound(told: list[Any]) -> list[Any]:
    for line in told:
        if isinstance(line, dict) and "error" in line:
            raise BrokenPromiseError(f"a client ended with an error:\n{line['error']}")
    return told


def start(place: Place, work: Work, seed: object, *arguments: Any) -> Client:
    """Start a client; it waits until it is let go."""
    kind = _Process if place.has_processes else _Thread
    return kind(place, work, seed, arguments)


def together(place: Place, work: Work, seeds: Sequence[object], *arguments: Any) -> list[Client]:
    """Start clients, and let them go at the same moment once all are ready."""
    clients = [start(place, work, seed, *arguments) for seed in seeds]
    # Who begins while another one still connects meets nobody, and has won when the others come.
    for client in clients:
        client.wait_until_ready()
    for client in clients:
        client.go()
    return clients


def finished(clients: Sequence[Client]) -> list[list[Any]]:
    """What each told until its end."""
    return [client.finish() for client in clients]


@contextmanager
def until_stopped(clients: list[Client]) -> Iterator[None]:
    """Clients that run beside the block; afterwards they are told to end, whatever happened."""
    try:
        yield
    finally:
        for client in clients:
            client.stop()


class Posts:
    """Clients that are replaced when they die; ``kill_one`` kills any of them, where that is possible."""

    def __init__(self, place: Place, work: Work, count: int, *arguments: Any) -> None:
        self._place, self._work, self._arguments = place, work, arguments
        self._started = 0
        self.kills = 0
        self._gone: list[Client] = []
        self.clients = [self._new() for _ in range(count)]
        for client in self.clients:
            client.go()

    def _new(self) -> Client:
        self._started += 1
        return start(self._place, self._work, (self._work.__name__, self._started), *self._arguments)

    @property
    def everybody(self) -> list[Client]:
        """All that there were."""
        return [*self._gone, *self.clients]

    def kill_one(self, chance: random.Random) -> None:
        """Kill one at random and put another in its place."""
        if self._place.has_processes:
            post = chance.randrange(len(self.clients))
            self.clients[post].kill()
            self._replace(post)

    def replace_dead(self) -> None:
        """Put another in the place of each that ended."""
        for post, client in enumerate(self.clients):
            if client.has_ended:
                self._replace(post)

    def _replace(self, post: int) -> None:
        self.kills += 1
        self._gone.append(self.clients[post])
        self.clients[post] = self._new()
        self.clients[post].go()

    def finish(self) -> list[list[Any]]:
        """Tell them to end; what each of all that there were told."""
        for client in self.clients:
            client.stop()
        return finished(self.everybody)


def kill_self_soon(chance: random.Random, within_s: float) -> None:
    """Kill this process at a random moment."""
    threading.Timer(chance.uniform(0, within_s), os.kill, (os.getpid(), 9)).start()


def pause(chance: random.Random, longest_s: float) -> None:
    """Sleep for a random time."""
    time.sleep(chance.uniform(0, longest_s))


def in_threads(work: Callable[[int], T], count: int) -> list[T]:
    """What a function returns for 0 to ``count - 1``, each in a thread of its own."""
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(work, range(count)))
