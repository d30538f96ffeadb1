"""Bad input to keys, watches, leases and units: one typed error for each, the same on every backend (KV-7).

The table says which error; `retryable` and `applied` are compared as well, and nothing is written by any of it.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from charter_persist import Store, UnitOfWork, connect, upgrade
from charter_persist.errors import (
    AlreadyExistsError,
    CharterError,
    InvalidInputError,
    InvalidKeyError,
    LimitExceededError,
    NotCanonicalError,
    NotFoundError,
    ReadOnlyError,
    StoreClosedError,
    TransactionFailedError,
    UnavailableError,
    VersionConflictError,
)
from charter_persist.model.entry import CheckRevision, CheckVersion, Delete, Set
from charter_persist.model.key import SCHEMA_VERSION_KEY
from charter_persist.model.limits import Options
from tests.etcd_server import EtcdServer, free_ports

pytestmark = pytest.mark.spec("KV-7")

SERVERS = ("postgres", "etcd")
BACKENDS = ("memory", "sqlite", *SERVERS)
LIMITS = Options(kv_value_bytes_max=100, transaction_operations_max=5)
FAR = 2**62

Call = Callable[[Store], Any]
Told = tuple[type[CharterError], str, bool, str]


@pytest.fixture(params=BACKENDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty store of each kind."""
    urls: dict[str, Callable[[], str]] = {
        "memory": lambda: "memory://",
        "sqlite": lambda: f"sqlite:///{tmp_path / 'charter.db'}",
        "postgres": lambda: request.getfixturevalue("postgres_database"),
        "etcd": lambda: request.getfixturevalue("etcd_url"),
    }
    found = urls[request.param]()
    upgrade(found)
    return found


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    """With two keys, and limits that are small on every backend."""
    with connect(url, options=LIMITS) as opened:
        with opened.begin() as uow:
            uow.kv.set("/a", b"1")
            uow.kv.set("/a/b", b"1")
        yield opened


def unit(change: Callable[[UnitOfWork], Any]) -> Call:
    """A call that does this in a unit, which also changes something that must not stay."""

    def call(store: Store) -> None:
        with store.begin() as uow:
            uow.kv.set("/undone", b"1")
            change(uow)

    return call


def view(read: Callable[[Any], Any]) -> Call:
    """A call that reads this in a view."""

    def call(store: Store) -> None:
        with store.read() as opened:
            read(opened)

    return call


def cursor(text: str) -> str:
    """What a forger makes of a text."""
    return base64.urlsafe_b64encode(text.encode()).decode()


def nested(inner: Call) -> Call:
    """A call inside a unit of the same thread."""

    def call(store: Store) -> None:
        with store.begin() as uow:
            uow.kv.set("/undone", b"1")
            inner(store)

    return call


def with_id(operation_id: Any, value: Any = None) -> Call:
    """A named unit."""

    def change(uow: UnitOfWork) -> Any:
        uow.kv.set("/undone", b"1")
        return value

    return lambda store: store.run(change, operation_id=operation_id)


NO_KEYS: dict[str, Any] = {
    "empty": "",
    "a slash": "/",
    "no slash": "a",
    "a slash at the end": "/a/",
    "an empty segment": "/a//b",
    "a control character": "/a\0",
    "a surrogate": "/\ud800",
    "a number": 7,
    "none": None,
    "bytes": b"/a",
}
KEY_CALLS: dict[str, Callable[[UnitOfWork, Any], Any]] = {
    "set": lambda uow, key: uow.kv.set(key, b"1"),
    "get": lambda uow, key: uow.kv.get(key),
    "delete": lambda uow, key: uow.kv.delete(key),
    "compare_and_set": lambda uow, key: uow.kv.compare_and_set(key, b"1", expected=0),
    "a transaction": lambda uow, key: uow.kv.transaction([Set("/ok", b""), Delete(key)]),
    "a check": lambda uow, key: uow.kv.transaction([CheckVersion(key, 0)]),
}
TABLE: dict[str, tuple[type[CharterError], Call]] = {
    **{
        f"{name} of {what}": (InvalidKeyError, unit(lambda uow, use=use, key=key: use(uow, key)))  # type: ignore[misc]
        for name, use in KEY_CALLS.items()
        for what, key in NO_KEYS.items()
    },
    **{
        f"{name} of a long key": (LimitExceededError, unit(lambda uow, use=use: use(uow, "/" + "x" * 1_024)))  # type: ignore[misc]
        for name, use in KEY_CALLS.items()
    },
    "setting the schema version": (InvalidKeyError, unit(lambda uow: uow.kv.set(SCHEMA_VERSION_KEY, b"9"))),
    "deleting the schema version": (InvalidKeyError, unit(lambda uow: uow.kv.delete(SCHEMA_VERSION_KEY))),
    # Values and what is expected
    **{
        f"a value that is {value!r}": (InvalidInputError, unit(lambda uow, value=value: uow.kv.set("/b", value)))  # type: ignore[misc]
        for value in ("text", None, 7, bytearray(b"x"), memoryview(b"x"))
    },
    "a large value": (LimitExceededError, unit(lambda uow: uow.kv.set("/b", b"x" * 101))),
    **{
        f"expecting {wanted!r}": (
            InvalidInputError,
            unit(lambda uow, wanted=wanted: uow.kv.compare_and_set("/a", b"x", expected=wanted)),  # type: ignore[misc]
        )
        for wanted in (-1, "1", 1.0, True, None)
    },
    "a wrong version": (VersionConflictError, unit(lambda uow: uow.kv.compare_and_set("/a", b"x", expected=2))),
    "a version that cannot be": (
        VersionConflictError,
        unit(lambda uow: uow.kv.compare_and_set("/a", b"x", expected=2**70)),
    ),
    "a version of what is absent": (
        VersionConflictError,
        unit(lambda uow: uow.kv.compare_and_set("/b", b"x", expected=1)),
    ),
    "a wrong revision": (
        VersionConflictError,
        unit(lambda uow: uow.kv.compare_and_set("/a", b"x", expected_revision=FAR)),
    ),
    "creating what exists": (AlreadyExistsError, unit(lambda uow: uow.kv.create_if_not_exists("/a", b"x"))),
    "deleting what is absent": (NotFoundError, unit(lambda uow: uow.kv.delete("/absent"))),
    "requiring what is absent": (NotFoundError, view(lambda opened: opened.kv.require("/absent"))),
    # Transactions
    "what is no operation": (InvalidInputError, unit(lambda uow: uow.kv.transaction([Set("/b", b""), ("/c", b"")]))),
    "too many operations": (LimitExceededError, unit(lambda uow: uow.kv.transaction([Set("/b", b"")] * 6))),
    "a check that fails": (
        TransactionFailedError,
        unit(lambda uow: uow.kv.transaction([Set("/b", b""), CheckVersion("/a", 2)])),
    ),
    "a revision that fails": (
        TransactionFailedError,
        unit(lambda uow: uow.kv.transaction([CheckRevision("/a", FAR), Set("/b", b"")])),
    ),
    "a check of no version": (InvalidInputError, unit(lambda uow: uow.kv.transaction([CheckVersion("/a", -1)]))),
    # Listings
    **{
        f"the cursor {text!r}": (InvalidInputError, view(lambda opened, text=text: opened.kv.list(cursor=text)))  # type: ignore[misc]
        for text in (
            "",
            "!",
            "é",
            7,
            b"YQ==",
            cursor("1"),
            cursor("-1/a"),
            cursor(f"{10**17}/a"),
            cursor("9" * 30 + "/a"),
        )
    },
    "a cursor of another prefix": (
        InvalidInputError,
        view(lambda opened: opened.kv.list("/b", cursor=opened.kv.list("/a", limit=1).cursor)),
    ),
    "no items": (InvalidInputError, view(lambda opened: opened.kv.list(limit=0))),
    "too many items": (LimitExceededError, view(lambda opened: opened.kv.list(limit=10_001))),
    "a prefix that no key has": (InvalidKeyError, view(lambda opened: opened.kv.list("a"))),
    "a long prefix": (LimitExceededError, view(lambda opened: opened.kv.list("/" * 1_025))),
    "listing behind no key": (InvalidKeyError, view(lambda opened: list(opened.kv.iter(after="a")))),
    # Revisions
    **{
        f"a view as of {revision!r}": (InvalidInputError, lambda store, revision=revision: store.read(as_of=revision))  # type: ignore[misc]
        for revision in (-1, "1", 1.0, True)
    },
    "a view of the future": (NotFoundError, lambda store: store.read(as_of=FAR)),
    "compacting the future": (NotFoundError, unit(lambda uow: uow.kv.compact(upto=FAR))),
    "compacting up to nothing": (InvalidInputError, unit(lambda uow: uow.kv.compact())),
    "compacting up to less than nothing": (InvalidInputError, unit(lambda uow: uow.kv.compact(upto=-1))),
    "compacting no prefix": (InvalidKeyError, unit(lambda uow: uow.kv.compact(upto=1, prefix="a"))),
    # Watches
    **{
        f"watching {pattern!r}": (InvalidInputError, lambda store, pattern=pattern: store.watch(pattern))  # type: ignore[misc]
        for pattern in ("", "kv", "kv:", "keys:/a", "kv:/\\a", None, b"kv:/*")
    },
    "watching what is no key": (InvalidKeyError, lambda store: store.watch("kv:a*")),
    **{
        f"watching after {after!r}": (
            InvalidInputError,
            lambda store, after=after: store.watch("kv:*", after=after),  # type: ignore[misc]
        )
        for after in (-1, "1", 1.0, True)
    },
    # Leases and elections
    **{
        f"a lease of {ttl!r}": (InvalidInputError, lambda store, ttl=ttl: store.lease(ttl))  # type: ignore[misc]
        for ttl in (0, -1, "10", None, float("nan"), 1e12)
    },
    **{
        f"the lease {lease!r}": (NotFoundError, unit(lambda uow, lease=lease: uow.kv.set("/b", b"", lease=lease)))  # type: ignore[misc]
        for lease in ("7f7f7f7f7f7f7f7f", "nonsense", "0", "-1", "ff" * 20, "7F", "é")
    },
    **{
        f"what is no lease, {lease!r}": (
            InvalidKeyError,
            unit(lambda uow, lease=lease: uow.kv.set("/b", b"", lease=lease)),  # type: ignore[misc]
        )
        for lease in ("", 7, b"7f", "a\0")
    },
    **{
        f"an election on {key!r}": (InvalidKeyError, lambda store, key=key: store.elect(key, timeout_s=1))  # type: ignore[misc]
        for key in ("", "leader", "/", "/leader/", "/a\0", None, SCHEMA_VERSION_KEY)
    },
    "an election on a long key": (LimitExceededError, lambda store: store.elect("/" + "x" * 1_024, timeout_s=1)),
    "electing what is no bytes": (InvalidInputError, lambda store: store.elect("/l", "me", timeout_s=1)),  # type: ignore[arg-type]
    # Units and operation ids
    **{f"the operation id {name!r}": (InvalidKeyError, with_id(name)) for name in ("", 7, b"op", "a\0", "\ud800")},
    "a long operation id": (LimitExceededError, with_id("x" * 513)),
    "resolving no id": (InvalidKeyError, lambda store: store.resolve("")),
    "resolving what is no text": (InvalidKeyError, lambda store: store.resolve(7)),  # type: ignore[arg-type]
    "a value that is no JSON": (NotCanonicalError, with_id("op", object())),
    "a large value to keep": (LimitExceededError, with_id("op", "x" * 70_000)),
    "a unit inside a unit": (InvalidInputError, nested(unit(lambda uow: None))),
    "a named unit inside a unit": (InvalidInputError, nested(with_id("op"))),
    "resolving inside a unit": (InvalidInputError, nested(lambda store: store.resolve("op"))),
}


def told(call: Callable[[], Any]) -> Told:
    """What a caller is told, as a program reads it."""
    with pytest.raises(CharterError) as caught:
        call()
    error = caught.value
    assert error.message
    return type(error), error.code, error.retryable, error.applied


def keys(store: Store) -> dict[str, tuple[bytes, int]]:
    with store.read() as view:
        return {entry.key: (entry.value, entry.version) for entry in view.kv.iter()}


def test_bad_input_is_told_in_the_same_way_by_every_backend(store: Store) -> None:
    wrong = {}
    for name, (kind, call) in TABLE.items():
        try:
            found = told(lambda call=call: call(store))  # type: ignore[misc]
        except BaseException as exc:
            found = exc
        if found != (kind, kind.code, False, "no"):
            wrong[name] = found
        if keys(store) != {"/a": (b"1", 1), "/a/b": (b"1", 1)}:
            pytest.fail(f"{name} wrote something")
    assert wrong == {}


USES: dict[str, Call] = {
    "a view": lambda store: store.read(),
    "a unit": unit(lambda uow: None),
    "a run": lambda store: store.run(lambda uow: uow.kv.set("/undone", b"1")),
    "a named run": with_id("op"),
    "a resolution": lambda store: store.resolve("op"),
    "a watch": lambda store: store.watch("kv:*"),
    "a lease": lambda store: store.lease(10),
    "an election": lambda store: store.elect("/leader"),
    "a diagnosis": lambda store: store.diagnose(),
}


def test_a_closed_store_is_told_in_the_same_way(url: str) -> None:
    store = connect(url)
    store.close()
    for name, use in USES.items():
        assert (name, told(lambda use=use: use(store))) == (name, (StoreClosedError, "store-closed", False, "no"))  # type: ignore[misc]


def test_a_store_for_reading_only_is_told_in_the_same_way(url: str, request: pytest.FixtureRequest) -> None:
    if url == "memory://":
        pytest.skip("a store in memory is gone when it is closed, so nobody opens it again")
    with connect(url) as store, store.begin() as uow:
        uow.kv.set("/a", b"1")
    with connect(url, read_only=True) as store:
        for name in ("a unit", "a run", "a named run", "a resolution", "a lease", "an election"):
            assert (name, told(lambda: USES[name](store))) == (name, (ReadOnlyError, "read-only", False, "no"))  # noqa: B023
        assert set(keys(store)) == {"/a"}


# Servers

UNAVAILABLE = (UnavailableError, "unavailable", True, "no")


def read_once(url: str) -> None:
    with connect(url, unit_timeout_s=2) as store:
        keys(store)


def write_once(url: str) -> None:
    with connect(url, unit_timeout_s=2) as store, store.begin() as uow:
        uow.kv.set("/a", b"1")


@pytest.mark.parametrize("backend", SERVERS)
def test_a_server_that_is_away_is_told_in_the_same_way(backend: str) -> None:
    (port,) = free_ports(1)
    url = {
        "postgres": f"postgresql+psycopg://ann:canary@127.0.0.1:{port}/charter",
        "etcd": f"etcd://ann:canary@127.0.0.1:{port}/charter",
    }[backend]
    for use in (read_once, write_once):
        assert told(lambda use=use: use(url)) == UNAVAILABLE  # type: ignore[misc]


@pytest.mark.parametrize("backend", SERVERS)
def test_a_wrong_password_is_told_in_the_same_way_and_never_shown(backend: str, request: pytest.FixtureRequest) -> None:
    if backend == "postgres":
        right = request.getfixturevalue("postgres_database")
        url = sa.make_url(right).set(password="wrong-canary").render_as_string(hide_password=False)
    else:
        server = EtcdServer()
        request.addfinalizer(server.stop)
        server.demand_sign_in("ann", "right", "mine")
        url = server.url_of("mine").replace("etcd://", "etcd://ann:wrong-canary@")
    for use in (read_once, write_once):
        with pytest.raises(CharterError) as caught:
            use(url)
        error = caught.value
        assert (type(error), error.code, error.retryable, error.applied) == UNAVAILABLE
        assert "canary" not in error.message
