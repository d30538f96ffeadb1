"""The endpoints of a cluster: one is in use, and the next one when it fails.

A call is one round trip on a connection that is kept. What may be repeated is tried on every endpoint, twice, within one
time limit; what must not be applied twice goes elsewhere only if it never left this process. A connection attempt ends
after `CONNECT_S`, well before a request times out, so a request that times out was sent and one that was not says so.

While a call is open, a silent server is noticed by a ping every `PING_S`; etcd refuses more than one in five seconds.

Imports ``grpc`` and ``errors``. Source: KV-8, RELIABILITY 4.6, P7, P54.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import grpc

from charter_persist.backends.etcd.faults import fault, is_passing, is_stale_token, never_left, write_fault
from charter_persist.backends.etcd.target import EtcdTarget
from charter_persist.backends.etcd.wire import AUTHENTICATE, Method
from charter_persist.errors import InvalidInputError, StoreClosedError

CONNECT_S: Final = 2.0
PING_S: Final = 7.0
PING_ANSWER_S: Final = 3.0
ROUNDS: Final = 2
# Longer than a link waits before it connects again, so that the second round is an attempt.
PAUSE_S: Final = 0.25

_OPTIONS: Final = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.keepalive_time_ms", int(PING_S * 1000)),
    ("grpc.keepalive_timeout_ms", int(PING_ANSWER_S * 1000)),
    ("grpc.http2.ping_timeout_ms", int(PING_ANSWER_S * 1000)),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.service_config_disable_resolution", 1),
    # The members are asked themselves, whatever proxy the environment names for web pages.
    ("grpc.enable_http_proxy", 0),
    # So that what one backend closes or gives up is not shared with another one.
    ("grpc.use_local_subchannel_pool", 1),
)

Metadata = tuple[tuple[str, str], ...]


class Link:
    """A connection to one endpoint, made when it is first needed and again when it was lost."""

    def __init__(self, endpoint: str, channel: Any) -> None:
        self.endpoint = endpoint
        self._channel = channel
        self._calls: dict[str, Any] = {}

    def call(self, method: Method, request: Any, timeout_s: float, metadata: Metadata) -> Any:
        """One request, one answer; also of a call that is made for many of both, since etcd answers each in turn.

        Raises:
            grpc.RpcError: it failed.
            StoreClosedError: the link is closed.
        """
        call = self._calls.get(method.path) or self._prepare(method, self._channel.unary_unary)
        try:
            return call(request, timeout=timeout_s, metadata=metadata)
        except ValueError as exc:  # What grpc raises for a closed channel.
            raise StoreClosedError() from exc

    def stream(self, method: Method, requests: Iterator[Any], metadata: Metadata) -> Any:
        """Answers that go on until one of both ends it; iterate over it, or cancel it.

        Raises:
            StoreClosedError: the link is closed.
        """
        call = self._calls.get(method.path) or self._prepare(method, self._channel.stream_stream)
        try:
            return call(requests, metadata=metadata)
        except ValueError as exc:
            raise StoreClosedError() from exc

    def _prepare(self, method: Method, make: Callable[..., Any]) -> Any:
        call = make(method.path, method.request.SerializeToString, method.response.FromString)
        self._calls[method.path] = call
        return call

    def close(self) -> None:
        """End it and whatever is under way."""
        self._channel.close()


class Cluster:
    """Calls to whichever endpoint answers. Safe for use by several threads.

    Args:
        target: where it is.
        timeout_s: how long a call may take, every attempt together; seconds, above 0.

    Raises:
        InvalidInputError: a file that the target names cannot be read.
    """

    def __init__(self, target: EtcdTarget, timeout_s: float) -> None:
        self._target = target
        self.timeout_s = timeout_s
        options = (*_OPTIONS, ("grpc.min_reconnect_backoff_ms", int(min(CONNECT_S, timeout_s / 3) * 1000)))
        credentials = _credentials(target)
        self.links = tuple(Link(endpoint, _channel(endpoint, credentials, options)) for endpoint in target.endpoints)
        self._current = 0
        self._turn = threading.Lock()
        self._token: str | None = None
        self.closed = False

    def ask(self, method: Method, request: Any) -> Any:
        """The answer to a request that may be repeated: it reads, or does the same when it is done twice.

        Raises:
            UnavailableError: no endpoint answered in time, or the cluster does not let us in.
            RevisionCompactedError: the revision is not kept any more.
            CharterError: it was refused.
        """
        return self._attempt(method, request, is_passing, fault)

    def tell(self, method: Method, request: Any) -> Any:
        """The answer to a request that is sent at most once.

        Raises:
            CommitUnknownError: it was sent, and what became of it is not known.
            UnavailableError: it could not be sent.
            CharterError: it was refused; nothing was written.
        """
        return self._attempt(method, request, never_left, write_fault)

    def _attempt(
        self,
        method: Method,
        request: Any,
        again: Callable[[grpc.RpcError], bool],
        failed: Callable[[grpc.RpcError, str, str | None], Exception],
    ) -> Any:
        deadline = time.monotonic() + self.timeout_s
        left = ROUNDS * len(self.links)
        while True:
            link = self.link
            # What is sent once may take all the time that is left; what is repeated leaves some for the others.
            share = (deadline - time.monotonic()) / (left if again is is_passing else 1)
            try:
                return self._send(link, method, request, max(share, 0.001))
            except grpc.RpcError as exc:
                left -= 1
                if is_passing(exc):
                    self.pass_over(link)
                if left == 0 or not again(exc):
                    raise failed(exc, link.endpoint, self._target.user) from exc
            if left == len(self.links):
                time.sleep(min(PAUSE_S, max(deadline - time.monotonic(), 0)))

    def _send(self, link: Link, method: Method, request: Any, timeout_s: float) -> Any:
        """One call, and once more with a new token where the old one is not taken: nothing was done then."""
        metadata = () if method is AUTHENTICATE else self.metadata()
        try:
            return link.call(method, request, timeout_s, metadata)
        except grpc.RpcError as exc:
            if not is_stale_token(exc):
                raise
        self.forget_token()
        return link.call(method, request, timeout_s, self.metadata())

    @property
    def link(self) -> Link:
        """The one that is in use."""
        if self.closed:
            raise StoreClosedError()
        return self.links[self._current]

    def pass_over(self, link: Link) -> None:
        """Use the next one, unless another thread has done so meanwhile."""
        with self._turn:
            if self.links[self._current] is link:
                self._current = (self._current + 1) % len(self.links)

    def metadata(self) -> Metadata:
        """What goes with every call: the token, fetched when there is none."""
        if self._target.user is None:
            return ()
        token = self._token
        if token is None:
            request = AUTHENTICATE.request(name=self._target.user, password=self._target.password)
            self._token = token = self.ask(AUTHENTICATE, request).token
        return (("token", token),)

    def forget_token(self) -> None:
        """Sign in anew before the next call."""
        self._token = None

    @property
    def user(self) -> str | None:
        """Who is signed in."""
        return self._target.user

    def close(self) -> None:
        """End every connection and whatever is under way; a second call does nothing."""
        self.closed = True
        for link in self.links:
            link.close()


def _channel(endpoint: str, credentials: Any, options: tuple[tuple[str, int], ...]) -> Any:
    if credentials is None:
        return grpc.insecure_channel(endpoint, options=options)
    return grpc.secure_channel(endpoint, credentials, options=options)


def _credentials(target: EtcdTarget) -> Any:
    if not target.tls:
        return None
    return grpc.ssl_channel_credentials(_content(target.ca), _content(target.key), _content(target.cert))


def _content(file: Path | None) -> bytes | None:
    try:
        return file.read_bytes() if file else None
    except OSError as exc:
        raise InvalidInputError(f"the file {file} that the URL names cannot be read: {exc.strerror}") from exc
