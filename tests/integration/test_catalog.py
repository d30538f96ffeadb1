"""The catalogue of backends is true: what it lists works, and what it does not list is refused by name."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from charter_persist import Store, connect, upgrade
from charter_persist.catalog import BACKENDS, BackendEntry
from charter_persist.cli.main import charter
from charter_persist.errors import NotSupportedError
from tests.s3_server import Bucket
from tools import make_capability_matrix

BY_NAME = {entry.name: entry for entry in BACKENDS}
REPOSITORIES = (
    "audit",
    "events",
    "intents",
    "kv",
    "messages",
    "metadata",
    "objects",
    "refs",
    "sessions",
    "states",
    "vectors",
)


def url_of(request: pytest.FixtureRequest, name: str, tmp_path: Path) -> str:
    if name == "postgresql":
        return str(request.getfixturevalue("postgres_database"))
    if name == "etcd":
        return str(request.getfixturevalue("etcd_url"))
    if name == "s3":
        bucket: Bucket = request.getfixturevalue("bucket")
        return bucket.url("here")
    return {"memory": "memory://", "sqlite": f"sqlite:///{tmp_path / 'a.db'}", "files": f"file://{tmp_path / 'a'}"}[
        name
    ]


@pytest.fixture(params=sorted(BY_NAME))
def entry(request: pytest.FixtureRequest) -> BackendEntry:
    return BY_NAME[request.param]


@pytest.fixture
def store(request: pytest.FixtureRequest, entry: BackendEntry, tmp_path: Path) -> Iterator[Store]:
    url = url_of(request, entry.name, tmp_path)
    if entry.name in ("sqlite", "postgresql"):
        upgrade(url)
    with connect(url) as store:
        yield store


def uses(store: Store) -> dict[str, Callable[[], Any]]:
    """For each thing that may be offered, the least that shows it."""

    def read(name: str, use: Callable[[Any], object] = lambda found: found) -> None:
        with store.read() as view:
            use(getattr(view, name))

    return {
        **{name: lambda name=name: read(name) for name in REPOSITORIES},
        "journal": lambda: read("journal", lambda journal: journal.size()),
        "archive": lambda: read("archive", lambda archive: archive("plan").stats()),
        "as_of": lambda: store.read(as_of=0).close(),
        "watch": lambda: store.watch("kv:/*").close(),
        "lease": lambda: store.lease(60).revoke(),
    }


@pytest.mark.spec("ENA-1", "STO-1")
def test_what_is_listed_works_and_the_rest_is_refused_by_name(store: Store, entry: BackendEntry) -> None:
    assert entry.stores <= uses(store).keys()
    for name, use in uses(store).items():
        if name in entry.stores:
            use()
        else:
            with pytest.raises(NotSupportedError) as caught:
                use()
            assert entry.name in caught.value.message
            assert caught.value.applied == "no"


@pytest.mark.spec("ENA-1")
def test_a_store_says_of_itself_what_the_catalogue_says(store: Store, entry: BackendEntry) -> None:
    assert store.name == entry.name
    assert store.requires_network == entry.requires_network
    assert store.supports_air_gapped == entry.supports_air_gapped
    assert store.capabilities == entry.capabilities
    assert store.health_check().ok
    store.close()
    store.close()
    problem = store.health_check().problem
    assert problem is not None
    assert problem.count("\n") == 0


@pytest.mark.spec("ENA-1")
def test_air_gapped_refuses_what_needs_the_network_and_names_it(
    request: pytest.FixtureRequest, entry: BackendEntry, tmp_path: Path
) -> None:
    url = url_of(request, entry.name, tmp_path)
    if entry.name in ("sqlite", "postgresql"):
        upgrade(url)
    if entry.supports_air_gapped:
        connect(url, air_gapped=True).close()
    else:
        with pytest.raises(NotSupportedError, match=f"the {entry.name} backend needs the network"):
            connect(url, air_gapped=True)


@pytest.mark.spec("ENA-1")
def test_every_repository_of_a_unit_is_in_the_table() -> None:
    with connect("memory://") as store, store.begin() as uow:
        named = {name for name in dir(type(uow)) if not name.startswith("_")}
    assert {*REPOSITORIES, "archive"} <= named
    assert named - {*REPOSITORIES, "archive"} == {
        "flush",
        "leases",
        "new_id",
        "now",
        "options",
        "provisional",
        "reader",
        "receipt",
        "rows",
    }


@pytest.mark.spec("ENA-1")
def test_the_page_of_backends_is_current() -> None:
    assert make_capability_matrix.PAGE.read_text() == make_capability_matrix.page()


@pytest.mark.spec("ENA-1")
def test_the_command_lists_them_without_opening_any() -> None:
    done = CliRunner().invoke(charter, ["backends", "--json"])
    assert done.exit_code == 0
    listed = json.loads(done.stdout)["backends"]
    assert [item["name"] for item in listed] == [entry.name for entry in BACKENDS]
    assert all(item["installed"] for item in listed)
    shown = CliRunner().invoke(charter, ["backends"])
    assert all(entry.name in shown.stdout for entry in BACKENDS)
