"""`charter export`, `charter import` and `charter rehash`, as a shell calls them."""

from __future__ import annotations

from pathlib import Path

import pytest

from charter_persist import connect, upgrade
from charter_persist.engine.charter import Charter
from charter_persist.files import UNFINISHED
from tests.bundles import bundle_of, governed, pack, records, take
from tests.command_line import charter
from tests.governed_store import AUTHORITY, decide


@pytest.fixture
def bundle() -> bytes:
    """Of two areas."""
    with governed("a", "b") as store:
        return bundle_of(store)


@pytest.fixture
def url(tmp_path: Path, bundle: bytes) -> str:
    """A store with that content."""
    url = f"sqlite:///{tmp_path / 'source.db'}"
    upgrade(url)
    with connect(url) as store:
        take(store, bundle)
    return url


@pytest.fixture
def empty(tmp_path: Path) -> str:
    """An empty store."""
    url = f"sqlite:///{tmp_path / 'target.db'}"
    upgrade(url)
    return url


@pytest.mark.spec("GOV-12")
def test_export_to_a_file_and_import_of_it(url: str, empty: str, bundle: bytes, tmp_path: Path) -> None:
    path = tmp_path / "out.charter"
    path.write_bytes(b"what stood here before")
    told = charter("--url", url, "--json", "export", str(path))
    assert (told.code, path.read_bytes()) == (0, bundle)
    assert told.json["objects"] == bundle.count(b'"kind":"object"')
    assert told.json["content_digest"].encode() in bundle.splitlines()[0]
    assert not list(tmp_path.glob(f"*{UNFINISHED}"))
    done = charter("--url", empty, "--json", "import", "--mode", "restore", "--actor", "ivy", str(path))
    assert (done.code, done.json["changed"]) == (0, True)
    with connect(empty) as store:
        assert bundle_of(store) == bundle
        with store.read() as view:
            assert next(view.audit.iter(event_type="IMPORT_CLOSED")).actor == "ivy"


def test_through_a_pipe(url: str, empty: str, bundle: bytes) -> None:
    told = charter("--url", url, "export", "-")
    assert told.out.encode() == bundle
    assert charter("--url", empty, "import", "--mode", "consolidate", "-", stdin=bundle).code == 0
    again = charter("--url", empty, "import", "--mode", "consolidate", "-", stdin=bundle)
    assert again.code == 0
    assert "here already" in again.out


def test_json_and_a_bundle_on_standard_output_do_not_go_together(url: str) -> None:
    told = charter("--url", url, "--json", "export", "-")
    assert (told.code, told.error["code"]) == (2, "usage")


def test_one_area_and_a_past_revision(url: str, tmp_path: Path) -> None:
    path = tmp_path / "a.charter"
    assert charter("--url", url, "export", "--area", "a", str(path)).code == 0
    with connect(url) as store:
        assert path.read_bytes() == bundle_of(store, ["a"])
        with store.read() as view:
            revision = view.revision
        decide(Charter(store), "a", "later", {"text": "later"})
    before = path.read_bytes()
    charter("--url", url, "export", "--area", "a", "--as-of", str(revision), str(path))
    assert path.read_bytes() == before
    assert charter("--url", url, "export", "--area", "z", str(path)).code == 1
    assert path.read_bytes() == before


def test_a_divergence_is_a_table(url: str, empty: str, bundle: bytes, tmp_path: Path) -> None:
    charter("--url", empty, "import", "--mode", "restore", "-", stdin=bundle)
    with connect(url) as store:
        decide(Charter(store), "a", "later", {**AUTHORITY, "text": "they"}, session={"type": "AUTHORITY"})
    path = tmp_path / "out.charter"
    charter("--url", url, "export", str(path))
    told = charter("--url", empty, "import", "--mode", "consolidate", str(path))
    assert told.code == 0
    assert "area\tcase\tunder review" in told.out
    assert "divergences" in told.out
    assert "a\tarea/a/authority" in told.out
    again = charter("--url", empty, "--json", "import", "--mode", "consolidate", str(path))
    assert again.json["areas"][0]["divergences"][0]["ref"] == "area/a/authority"


@pytest.mark.spec("GOV-12")
def test_a_refused_bundle_is_told_with_its_findings(empty: str, bundle: bytes) -> None:
    told = charter("--url", empty, "--json", "import", "--mode", "restore", "-", stdin=bundle[:-1])
    assert (told.code, told.error["code"]) == (1, "invalid-input")
    assert told.error["facts"]["line"] == len(bundle.splitlines())
    with governed("a") as store:
        lines = bundle_of(store)
    told = charter("--url", empty, "--json", "import", "--mode", "restore", "-", stdin=_without_an_area(lines))
    assert (told.code, told.error["code"]) == (1, "bundle")
    assert {"code", "subject", "message"} == set(told.error["facts"]["findings"][0])


def _without_an_area(bundle: bytes) -> bytes:
    return pack(record for record in records(bundle) if record.get("object_type") != "area")


def test_import_needs_a_mode(empty: str) -> None:
    assert charter("--url", empty, "import", "-").code == 2


@pytest.mark.spec("HASH-6")
def test_rehash_says_what_it_did(url: str) -> None:
    told = charter("--url", url, "--json", "rehash", "--to", "v2")
    assert (told.code, told.json["from_version"], told.json["to_version"]) == (0, "v1", "v2")
    assert told.json["objects"] > 0
    again = charter("--url", url, "rehash", "--to", "v2")
    assert "everything has a digest of version v2 already" in again.out
    assert charter("--url", url, "rehash", "--to", "v1").code == 2
    assert charter("--url", url, "verify").code == 0


def test_the_demo_goes_by_bundle(empty: str, tmp_path: Path) -> None:
    path = tmp_path / "demo.charter"
    url = f"sqlite:///{tmp_path / 'demo.db'}"
    assert charter("--url", url, "demo").code == 0
    charter("--url", url, "export", str(path))
    assert charter("--url", empty, "import", "--mode", "restore", str(path)).code == 0
    with connect(empty) as store:
        assert bundle_of(store) == path.read_bytes()
