"""P18: a watch delivers every change once, in order, a unit's together, and goes on from any bookmark.

Watchers are killed and disconnected at random while writers write and die; what they were told is replayed and
compared with each other, with what was acknowledged, with the keys in the end and with the journal. Control: watchers
that take the newest revision for their bookmark in place of the delivered one.
"""

from __future__ import annotations

import json
import random
import time
from bisect import bisect_right
from collections.abc import Sequence
from itertools import islice
from typing import Any, NamedTuple

from charter_persist import Store, UnitOfWork
from charter_persist.errors import CompactedError
from charter_persist.watch.event import WatchBatch
from tests.rounds.clients import BrokenPromiseError, Desk, Posts, in_threads, pause, start
from tests.rounds.places import Place, check_journal, has_journal
from tests.rounds.tally import LIMIT_S, Program, Tally, floor, scaled
from tests.rounds.units import in_unit

WRITERS, WATCHERS = 3, 3
UNITS, RESUMES_MIN = 1_000, 200
SLOW_S = 5.0
KILL_EVERY_S = 0.1
# etcd looks ten times a second for watches that begin in the past, so it is asked for some at once.
THREADS = 4
UNIT, END = "unit", "end"
KEYS = tuple("abcdefgh")


class Told(NamedTuple):
    """One event as a client tells it."""

    type: str
    key: str
    old: str | None
    new: str | None
    version: int


def write(store: Store, desk: Desk, chance: random.Random, root: str) -> None:
    """Units that set and delete some keys and say in another one which; tell the name of each that was acknowledged."""
    while not desk.is_over():
        name = f"{chance.getrandbits(60):x}"
        some = chance.sample(KEYS, chance.randint(0, 4))
        kept = [key for key in some if chance.random() < 0.7]

        def change(uow: UnitOfWork, name: str = name, some: list[str] = some, kept: list[str] = kept) -> None:
            changed = [key for key in some if key in kept or uow.kv.delete(f"{root}/{key}", missing_ok=True)]
            for key in kept:
                uow.kv.set(f"{root}/{key}", name.encode())
            uow.kv.set(f"{root}/{UNIT}", json.dumps([name, sorted(changed)]).encode())

        in_unit(store, change, shared=chance.random() < 0.5)
        desk.tell(name)
        pause(chance, 0.002)


def watch(store: Store, desk: Desk, chance: random.Random, pattern: str, after: int, honest: bool) -> None:
    """Tell each batch, and the bookmark at which it went on each time that it gave up."""
    bookmark = after
    while True:
        with store.watch(pattern, after=bookmark) as batches:
            for batch in islice(batches, chance.choice((0, 1, 1, 2, 3, 8))):
                desk.tell(told(batch))
                if is_end(batch):
                    return
            bookmark = batches.revision
        if not honest:
            with store.read() as view:
                bookmark = view.revision
        desk.tell(bookmark)


def watch_slowly(store: Store, desk: Desk, chance: random.Random, root: str, after: int, slow_s: float) -> None:
    """Tell each batch of one watch, which reads nothing for some seconds."""
    with store.watch(f"kv:{root}/*", after=after) as batches:
        for number, batch in enumerate(batches):
            if number == 5:
                time.sleep(slow_s)
            desk.tell(told(batch))
            if is_end(batch):
                return


def told(batch: WatchBatch) -> list[Any]:
    """A batch as JSON."""
    events = [[e.type, e.key, _text(e.old_value), _text(e.new_value), e.version] for e in batch.events]
    return [batch.revision, events]


def _text(value: bytes | str | None) -> str | None:
    return value.decode() if isinstance(value, bytes) else value


def is_end(batch: WatchBatch) -> bool:
    return any(END in event.key.split("/") for event in batch.events)


class Watcher:
    """One watcher over all its lives."""

    def __init__(self, place: Place, seed: int, pattern: str, after: int, honest: bool = True) -> None:
        self._place, self._seed, self._pattern, self._honest = place, seed, pattern, honest
        self.after = self._bookmark = after
        self.lines: list[Any] = []
        self.kills = 0
        self._begin()

    def _begin(self) -> None:
        arguments = (self._pattern, self._bookmark, self._honest)
        self._client = start(self._place, watch, (self._seed, self.kills), *arguments)
        self._client.go()

    def kill(self) -> None:
        """Kill it once it has told something, and let another go on from what the last line says."""
        if not self._client.told:
            return
        self._client.kill()
        self._collect()
        self.kills += 1
        self._begin()

    def _collect(self) -> None:
        lines = self._client.finish()
        self.lines += lines
        if lines:
            self._bookmark = lines[-1] if isinstance(lines[-1], int) else lines[-1][0]

    def finish(self) -> list[Any]:
        """All batches that it was told."""
        self._collect()
        return [line for line in self.lines if not isinstance(line, int)]

    @property
    def has_ended(self) -> bool:
        return self._client.has_ended

    @property
    def resumes(self) -> int:
        return self.kills + sum(isinstance(line, int) for line in self.lines)


def judge(batches: Sequence[Any], names: set[str], root: str) -> dict[str, str]:
    """Replay what a watcher was told from the beginning.

    Returns:
        What the keys hold in the end.

    Raises:
        BrokenPromiseError: something was lost, doubled, reordered or split.
    """
    state: dict[str, str] = {}
    versions: dict[str, int] = {}
    last, seen = 0, []
    for revision, events in batches:
        if revision <= last:
            raise BrokenPromiseError(f"revision {revision} came after {last}")
        last = revision
        changed = [Told(*event) for event in events]
        for event in changed:
            if event.old != state.get(event.key):
                raise BrokenPromiseError(
                    f"{event.key} held {state.get(event.key)}, told was {event.old}, at {revision}"
                )
            _apply(state, versions, event)
        keys = sorted(event.key.removeprefix(f"{root}/") for event in changed)
        if keys != [END]:
            name, unit = json.loads(state[f"{root}/{UNIT}"])
            seen.append(name)
            if keys != sorted([*unit, UNIT]):
                raise BrokenPromiseError(f"the unit at {revision} changed {unit}, told were {keys}")
    if len(set(seen)) != len(seen) or not names <= set(seen):
        raise BrokenPromiseError(f"{len(seen)} units were told, and {len(names - set(seen))} that were done were not")
    return state


def _apply(state: dict[str, str], versions: dict[str, int], event: Told) -> None:
    kind = "deleted" if event.new is None else "created" if event.old is None else "updated"
    version = 0 if event.new is None else versions.get(event.key, 0) + 1
    if (event.type, event.version) != (kind, version):
        raise BrokenPromiseError(f"{event} should be {kind}, version {version}")
    versions[event.key] = version
    if event.new is None:
        del state[event.key]
    else:
        state[event.key] = event.new


def watched(place: Place, units: int, slow_s: float, tally: Tally, *, honest: bool) -> list[list[Any]]:
    """Write so many units while watchers come and go; the batches that each watcher was told.

    Raises:
        BrokenPromiseError: a watcher was told what is not so.
    """
    chance = random.Random(18)
    with place.store() as store, store.read() as view:
        after = view.revision
    watchers = [Watcher(place, seed, f"kv:{place.root}/*", after, honest) for seed in range(WATCHERS)]
    slow = start(place, watch_slowly, "slow", place.root, after, slow_s)
    slow.go()
    writers = Posts(place, write, WRITERS, place.root)
    ends = time.monotonic() + LIMIT_S
    while sum(len(client.told) for client in writers.everybody) < units and time.monotonic() < ends:
        time.sleep(KILL_EVERY_S)
        if place.has_processes:
            chance.choice(watchers).kill()
        if chance.random() < 0.3:
            writers.kill_one(chance)
    names = {name for lines in writers.finish() for name in lines}
    with place.store() as store:
        in_unit(store, lambda uow: uow.kv.set(f"{place.root}/{END}", b""))
        while not honest and not all(watcher.has_ended for watcher in watchers):
            # Who loses events may lose that one too.
            in_unit(store, lambda uow: uow.kv.set(f"{place.root}/{END}", b""))
            time.sleep(0.01)
        batches = [watcher.finish() for watcher in watchers] + [slow.finish()]
        with store.read() as view:
            held = {entry.key: entry.value.decode() for entry in view.kv.iter(f"{place.root}/")}
    for one in batches:
        if judge(one, names, place.root) != held:
            raise BrokenPromiseError("what was told does not come to what the keys hold")
    tally.rounds, tally.acks = sum(watcher.resumes for watcher in watchers), len(names)
    tally.kills = writers.kills + sum(watcher.kills for watcher in watchers)
    tally.operations = sum(len(events) for one in batches for _, events in one)
    if honest:
        floor("units", len(names), units)
        floor("resumes of a watcher", min(watcher.resumes for watcher in watchers), units * RESUMES_MIN / UNITS)
    return batches


def run(place: Place, scale: float) -> Tally:
    tally = Tally()
    first, *others = watched(place, scaled(UNITS, scale, 60), SLOW_S * scale, tally, honest=True)
    if any(other != first for other in others):
        raise BrokenPromiseError("two watchers were told different things")
    with place.store() as store:
        _compare_with_journal(store, place.root, first)
        positions = _resume_everywhere(store, place.root, first)
        _from_the_future(store, place.root)
        _at_a_compaction(store, place.root, first)
        check_journal(store)
    tally.note = f"rounds are resumes; then a watch from each of {positions:,} revisions, the future, a compaction"
    return tally


def _compare_with_journal(store: Store, root: str, batches: Sequence[Any]) -> None:
    if not has_journal(store):
        return
    with store.read() as view:
        logged: dict[int, list[str]] = {}
        for entry in view.journal.entries():
            if entry.store == "kv" and entry.subject.startswith(f"{root}/"):
                logged.setdefault(entry.revision, []).append(entry.subject)
    if logged != {revision: [event[1] for event in events] for revision, events in batches}:
        raise BrokenPromiseError("what was told is not what the journal has")


def _resume_everywhere(store: Store, root: str, batches: Sequence[Any]) -> int:
    """Watch after each revision that was told and after the one before it; how many those are."""
    positions = sorted({after for revision, _ in batches for after in (revision - 1, revision)})[:-1]
    revisions = [revision for revision, _ in batches]

    def resume(thread: int) -> None:
        for after in positions[thread::THREADS]:
            begin = bisect_right(revisions, after)
            expected = batches[begin : begin + 3]
            with store.watch(f"kv:{root}/*", after=after) as found:
                if [told(batch) for batch in islice(found, len(expected))] != expected:
                    raise BrokenPromiseError(f"a watch after {after} does not go on there")

    # What listens for commits is shared by the watches of a store: it need not begin anew for each.
    with store.watch(f"kv:{root}/*"):
        in_threads(resume, THREADS)
    return len(positions)


def _from_the_future(store: Store, root: str) -> None:
    with store.read() as view:
        newest = view.revision
    with store.watch(f"kv:{root}/*", after=newest + 3) as found:
        for number in range(5):
            in_unit(store, lambda uow, number=number: uow.kv.set(f"{root}/{UNIT}", b"%d" % number))
        if next(found).events[0].new_value != b"3":
            raise BrokenPromiseError("a watch from a future revision told of another one")


def _at_a_compaction(store: Store, root: str, batches: Sequence[Any]) -> None:
    """Compact at a bookmark: from there on all is told, and before it that history is gone."""
    place = len(batches) // 2
    bookmark = batches[place][0]
    in_unit(store, lambda uow: uow.kv.compact(upto=bookmark))
    expected = batches[place + 1 :]
    with store.watch(f"kv:{root}/*", after=bookmark) as found:
        if [told(batch) for batch in islice(found, len(expected))] != expected:
            raise BrokenPromiseError("a watch after the compacted revision is not complete")
    with store.watch(f"kv:{root}/*", after=0) as found:
        try:
            next(found)
        except CompactedError as exc:
            if exc.oldest == bookmark:
                return
    raise BrokenPromiseError("history that was compacted was passed over")


def control(place: Place, scale: float) -> str | None:
    try:
        watched(place, scaled(600, scale, 60), 0.0, Tally(), honest=False)
    except BrokenPromiseError:
        return "the newest revision as bookmark: replay finds what was lost"
    return None


PROGRAM = Program("watchers", "P18", run, control)
