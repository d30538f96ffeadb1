"""Changes as they come: one stream of etcd's watch, read by one thread into a buffer that has a bound.

When the buffer is full the stream is ended, and opened again when there is room; nothing is dropped, nor is the server
made to wait. When the stream is lost it is opened again, on the next endpoint if need be. Each time it begins at the last
revision that was taken whole.

Habits of etcd that must not be seen from outside:
- A stream begins at the revision that is already known, not at the one behind it, and what is known is left out. etcd
  answers a start at the very revision of a compaction, but the deletions of that revision are gone (issue 18089).
- A watcher that is stalled while its revisions are compacted may go on behind them without a word (issue 17529). So none
  of ours is stalled by a slow reader. If it happened all the same, the old value of a change is newer than all that came.
- An old value is read when a change is sent, and left out where that was compacted. A change that must have one and has
  none, or one that is too new, is not told: the stream is opened again, and the server says what was compacted.
- Progress is what the server reports by itself. On demand it is reported ahead of changes that are still to be sent
  before 3.4.25 and 3.5.8 (issue 15220).

Changes of one revision come in the order in which the transaction made them; those of a lease that ended, by key.

Cost: a thread and a stream for each feed; a change is one message of the stream. Memory: `CHANGES_MAX` changes or
`BYTES_MAX`, and what one revision brings.

Imports ``grpc``, ``backends.contract``, ``errors`` and its neighbours. Source: KV-5, RELIABILITY P18, P19, P54.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from queue import SimpleQueue
from typing import Any, Final

import grpc

from charter_persist.backends.contract.single import KeyChange, KeyChanges
from charter_persist.backends.etcd.channel import Cluster, Link
from charter_persist.backends.etcd.faults import fault, is_passing
from charter_persist.backends.etcd.rows import Keyspace, wire_revision
from charter_persist.backends.etcd.wire import PUT, WATCH
from charter_persist.errors import (
    BackendError,
    CompactedError,
    ReadOnlyError,
    StoreClosedError,
    UnavailableError,
)

CHANGES_MAX: Final = 4096
BYTES_MAX: Final = 16 * 1024 * 1024
PAUSE_MIN_S: Final = 0.02
PAUSE_MAX_S: Final = 0.3
GAPS_MAX: Final = 20

# A stream ends when its member loses the leader, so that another member is asked.
_REQUIRE_LEADER: Final = (("hasleader", "true"),)


class _RefusedError(Exception):
    """The server ended the watch and said why."""


class _GapError(Exception):
    """Something is missing that must have been there; beginning again shows what it was."""


class _FullError(Exception):
    """There is no room for what came."""


class EtcdFeed:
    """`contract.KeyFeed` of a cluster.

    Args:
        prefix: that the keys begin with.
        after: the revision up to which everything is known; it may be one that is still to come.
    """

    def __init__(self, cluster: Cluster, keyspace: Keyspace, prefix: str, after: int) -> None:
        self._cluster = cluster
        self._keyspace = keyspace
        self._span = keyspace.span(prefix)
        self._arrived = self._taken = after
        self._pending: list[Any] = []
        self._ready: deque[KeyChanges] = deque()
        self._changes = self._bytes = 0
        self._fault: Exception | None = None
        self._ended = self._woken = self._closed = False
        self._refusals = self._failures = self._gaps = 0
        self._lost_at = 0.0
        self._call: Any = None
        self._turn = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="charter-etcd-feed", daemon=True)
        self._thread.start()

    # What its reader calls

    def take(self) -> Sequence[KeyChanges]:
        """What has come since the last call, without waiting."""
        with self._turn:
            if self._closed:
                raise StoreClosedError("the feed is closed")
            if not self._ready and self._fault is not None:
                failed, self._fault = self._fault, self._fault if self._ended else None
                raise failed
            taken = tuple(self._ready)
            self._ready.clear()
            self._changes = self._bytes = 0
            self._taken = self._arrived
            self._turn.notify_all()
            return taken

    @property
    def revision(self) -> int:
        """Up to which revision everything was taken."""
        with self._turn:
            return self._taken if self._ready else self._arrived

    def wait(self, timeout_s: float) -> None:
        """Return when there is something to take, or the time is over."""
        with self._turn:
            self._turn.wait_for(lambda: self._ready or self._fault or self._woken or self._closed, timeout_s)
            self._woken = False

    def wake(self) -> None:
        """Let `wait` return."""
        with self._turn:
            self._woken = True
            self._turn.notify_all()

    def close(self) -> None:
        """End the stream and the thread; a second call does nothing."""
        with self._turn:
            self._closed = True
            self._turn.notify_all()
            call = self._call
        if call is not None:
            call.cancel()
        self._thread.join()

    # What the thread does

    def _run(self) -> None:
        while not self._closed:
            try:
                self._follow(self._cluster.link)
            except (CompactedError, StoreClosedError) as exc:
                return self._fail(exc, for_good=True)
            except BackendError as exc:
                self._failures += 1
                self._fail(exc)
            except Exception as exc:
                return self._fail(exc, for_good=True)
            self._pause()
        return None

    def _pause(self) -> None:
        """Wait before the next stream: until there is room, and a little longer each time that one failed."""
        with self._turn:
            self._turn.wait_for(lambda: self._closed or self._has_room())
            pause = min(PAUSE_MIN_S * (self._failures + self._gaps), PAUSE_MAX_S)
            self._turn.wait_for(lambda: self._closed, pause)

    def _follow(self, link: Link) -> None:
        """Read one stream to its end; return when it was lost, or when the feed is closed."""
        self._pending.clear()
        requests: SimpleQueue[Any] = SimpleQueue()
        requests.put(self._request())
        metadata = (*_REQUIRE_LEADER, *self._cluster.metadata())
        call = link.stream(WATCH, iter(requests.get, None), metadata)
        try:
            with self._turn:
                self._call = None if self._closed else call
            if self._call is not None:
                for response in call:
                    self._accept(response)
        except grpc.RpcError as exc:
            self._lost(exc, link)
        except _RefusedError as exc:
            self._refused(str(exc))
        except _GapError:
            self._missed()
        except _FullError:
            self._failures = 0
        finally:
            requests.put(None)
            call.cancel()

    def _request(self) -> Any:
        request = WATCH.request()
        create = request.create_request
        create.key, create.range_end = self._span
        create.start_revision = wire_revision(self._arrived)
        create.prev_kv = create.progress_notify = create.fragment = True
        return request

    def _accept(self, response: Any) -> None:
        if response.compact_revision:
            oldest = response.compact_revision
            raise CompactedError(
                f"changes after revision {self._arrived} were compacted; go on after revision {oldest}", oldest=oldest
            )
        if response.canceled:
            raise _RefusedError(response.cancel_reason)
        self._recovered()
        for event in response.events:
            self._gather(event)
        if not response.fragment:
            self._deliver()
            if not response.events and not response.created:
                self._progressed(response.header.revision)

    def _gather(self, event: Any) -> None:
        """Add a change to those of its revision; the first one of another revision completes them."""
        if self._pending and self._pending[0].kv.mod_revision != event.kv.mod_revision:
            self._deliver()
        if event.kv.mod_revision > self._arrived:
            self._pending.append(event)

    def _deliver(self) -> None:
        """Hand over a revision that is whole."""
        if not self._pending:
            return
        revision = self._pending[0].kv.mod_revision
        changes = KeyChanges(revision, tuple(self._change(event) for event in self._pending))
        size = sum(event.ByteSize() for event in self._pending)
        self._pending.clear()
        with self._turn:
            if not self._has_room():
                raise _FullError()
            self._ready.append(changes)
            self._changes += len(changes.changes)
            self._bytes += size
            self._arrived = revision
            self._gaps = 0
            self._turn.notify_all()

    def _has_room(self) -> bool:
        return self._changes < CHANGES_MAX and self._bytes < BYTES_MAX

    def _change(self, event: Any) -> KeyChange:
        kv = event.kv
        before = self._keyspace.row(event.prev_kv) if event.HasField("prev_kv") else None
        after = self._keyspace.row(kv) if event.type == PUT else None
        if (before.revision > self._arrived) if before else (after is None or after.version > 1):
            raise _GapError()
        return KeyChange(self._keyspace.name(kv.key), before, after)

    def _progressed(self, revision: int) -> None:
        with self._turn:
            self._arrived = max(self._arrived, revision)
            self._taken = self._taken if self._ready else self._arrived
            self._turn.notify_all()

    # What can go wrong

    def _recovered(self) -> None:
        """The server tells us something: what was wrong before is over."""
        with self._turn:
            self._refusals = self._failures = 0
            self._fault = None

    def _missed(self) -> None:
        """Begin again at what is known. That is compacted by now and the server says so, or it tells what was missing."""
        self._gaps += 1
        if self._gaps > GAPS_MAX:
            self._fail(
                UnavailableError(f"etcd tells changes after revision {self._arrived} without what was before them")
            )

    def _lost(self, error: grpc.RpcError, link: Link) -> None:
        """The stream ended by itself: go elsewhere, and say so only if that does not help for long."""
        if self._closed:
            return
        if not is_passing(error):
            self._refused(error.details() or "")
            return
        self._cluster.pass_over(link)
        now = time.monotonic()
        self._lost_at = self._lost_at if self._failures else now
        self._failures += 1
        if now - self._lost_at > self._cluster.timeout_s:
            self._fail(fault(error, link.endpoint, self._cluster.user))

    def _refused(self, reason: str) -> None:
        """The server does not let us watch: the token may be old; if a new one does not help, say so."""
        self._refusals += 1
        self._failures += 1
        self._cluster.forget_token()
        if self._refusals > 1:
            denied = "permission denied" in reason
            self._fail(
                ReadOnlyError(f"user {self._cluster.user!r} of etcd has no right to watch; grant it on the namespace")
                if denied
                else UnavailableError(f"the etcd cluster ended the watch: {reason or 'no reason given'}")
            )

    def _fail(self, error: Exception, *, for_good: bool = False) -> None:
        with self._turn:
            self._fault = error
            self._ended = for_good
            self._turn.notify_all()
