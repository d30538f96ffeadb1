"""Archives in S3: addresses, the probe, errors of the server, answers that are lost, races."""

from __future__ import annotations

import threading
from collections.abc import Callable
from hashlib import sha256

import pytest

from charter_persist.backends.s3 import S3Archive, parse_address
from charter_persist.backends.s3.client import S3Client
from charter_persist.errors import (
    ConnectionLostError,
    InvalidInputError,
    NotSupportedError,
    ReadOnlyError,
    UnavailableError,
)
from tests.archive_store import archive_store
from tests.s3_server import Act, Bucket, FaultProxy

DATA = b'{"n":1}'
NAME = sha256(DATA).hexdigest()
KEY = f"plan/{NAME[:2]}/{NAME[2:4]}/{NAME}.json"


def first(method: str, what: str, *, times: int = 1, only: str = "plan") -> Act:
    """Does something to the first requests of a method, below a folder."""
    left = [times]

    def act(used: str, path: str) -> str | None:
        if used != method or only not in path or not left[0]:
            return None
        left[0] -= 1
        return what

    return act


@pytest.fixture
def archive(bucket: Bucket, fault_proxy: FaultProxy) -> S3Archive:
    return S3Archive(bucket.address(endpoint=fault_proxy.endpoint), timeout_s=2.0)


@pytest.mark.spec("CCOS-2")
def test_the_bucket_explains_itself(bucket: Bucket, archive: S3Archive) -> None:
    assert archive.put("plan", NAME, DATA)
    assert sorted(bucket.keys()) == [".charter-probe", KEY]
    assert bytes(bucket.client().get(KEY).bytes()) == DATA
    assert archive.kinds() == ["plan"]


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("s3://", "bucket"),
        ("s3://Bucket/x", "bucket"),
        ("s3://b", "bucket"),
        ("s3:///prefix", "bucket"),
        ("https://bucket/x", "s3://"),
        ("s3://bucket/a//b", "prefix"),
        ("s3://bucket/../b", "prefix"),
        ("s3://bucket/a b", "prefix"),
        ("s3://bucket/%2e%2e", "prefix"),
        ("s3://bucket/x#y", "s3://"),
        ("s3://bucket/x?access_key=y", "endpoint and region"),
        ("s3://bucket/x?region=a&region=b", "once"),
        ("s3://bucket/x?region=", "region"),
        ("s3://bucket/x?region=EU!", "region"),
        ("s3://bucket/x?endpoint=ftp://h", "endpoint"),
        ("s3://bucket/x?endpoint=http://h/path", "endpoint"),
        ("s3://bucket/x?endpoint=http://h:x", "endpoint"),
        ("s3://bucket/x?endpoint", "s3://"),
        ("s3://[bucket", "s3://"),
    ],
)
def test_bad_addresses_are_refused(url: str, word: str) -> None:
    with pytest.raises(InvalidInputError, match=word):
        parse_address(url)


@pytest.mark.spec("P47")
@pytest.mark.parametrize(
    "url", ["s3://AKIAKEY:hush@bucket/x", "s3://hush@bucket", "s3://bucket/x?endpoint=http://me:hush@h"]
)
def test_credentials_in_an_address_are_refused_and_never_repeated(url: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse_address(url)
    assert "hush" not in caught.value.message


@pytest.mark.spec("CCOS-2")
def test_an_endpoint_that_ignores_conditions_is_refused(bucket: Bucket, fault_proxy: FaultProxy) -> None:
    fault_proxy.act = lambda method, path: "ignore conditions"
    with pytest.raises(NotSupportedError, match="If-None-Match"):
        S3Archive(bucket.address(endpoint=fault_proxy.endpoint))


def test_opening_to_read_writes_nothing(bucket: Bucket, fault_proxy: FaultProxy) -> None:
    archive = S3Archive(bucket.address(endpoint=fault_proxy.endpoint), read_only=True)
    for write in (lambda: archive.put("plan", NAME, DATA), lambda: archive.delete("plan", NAME)):
        with pytest.raises(ReadOnlyError, match="reading only"):
            write()
    assert archive.get("plan", NAME) is None
    assert set(fault_proxy.requests) == {"GET"}
    assert bucket.keys() == []


@pytest.mark.parametrize("read_only", [False, True])
def test_a_bucket_that_is_missing_is_named(bucket: Bucket, read_only: bool) -> None:
    missing = Bucket(bucket.endpoint, "no-such-bucket")
    with pytest.raises(UnavailableError, match="no-such-bucket"):
        S3Archive(missing.address(), read_only=read_only, timeout_s=2.0)


def test_a_server_that_is_not_there_is_an_error_in_time(bucket: Bucket) -> None:
    with pytest.raises(ConnectionLostError):
        S3Archive(bucket.address(endpoint="http://127.0.0.1:9"), timeout_s=2.0)


def test_a_library_that_is_missing_is_named(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "obstore", None)
    with pytest.raises(NotSupportedError, match=r"charter-persist\[s3\]"):
        S3Archive(bucket.address())


@pytest.mark.spec("P15")
def test_of_racing_writers_exactly_one_makes_an_entity(bucket: Bucket) -> None:
    archives = [S3Archive(bucket.address()) for _ in range(16)]
    for contest in range(6):
        data = b'{"contest":%d}' % contest
        name = sha256(data).hexdigest()
        start, new = threading.Barrier(16), []

        def act(archive: S3Archive, data: bytes = data, name: str = name) -> None:
            start.wait()  # noqa: B023  # the threads end before the next contest
            new.append(archive.put("plan", name, data))  # noqa: B023

        threads = [threading.Thread(target=act, args=(archive,)) for archive in archives]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(new) == [False] * 15 + [True]


@pytest.mark.spec("CCOS-2", "P5")
@pytest.mark.parametrize("what", ["500", "503", "stall"])
def test_a_request_that_failed_is_made_again(
    bucket: Bucket, archive: S3Archive, fault_proxy: FaultProxy, what: str
) -> None:
    fault_proxy.act = first("PUT", what)
    assert archive.put("plan", NAME, DATA), "nothing was there, and it is ours"
    fault_proxy.act = first("GET", what)
    assert archive.get("plan", NAME) == DATA
    fault_proxy.act = first("GET", what)
    assert archive.stat("plan", NAME) is not None
    fault_proxy.act = first("GET", what)
    assert [stored.content_hash for stored in archive.scan("plan")] == [NAME]
    fault_proxy.act = first("DELETE", what)
    assert archive.delete("plan", NAME)
    assert bucket.keys() == [".charter-probe"]


@pytest.mark.spec("CCOS-2", "P5")
def test_a_lost_answer_is_found_out_by_reading_back(archive: S3Archive, fault_proxy: FaultProxy) -> None:
    fault_proxy.act = first("PUT", "lose the answer")
    assert not archive.put("plan", NAME, DATA), "it is there, and nobody knows who made it"
    assert archive.get("plan", NAME) == DATA
    assert fault_proxy.requests.count("PUT") == 3, "two of the probe and one of ours: it is not written again"


@pytest.mark.spec("P5")
def test_a_server_that_goes_on_failing_is_an_error_in_time(archive: S3Archive, fault_proxy: FaultProxy) -> None:
    calls: list[tuple[Callable[[], object], str]] = [
        (lambda: archive.put("plan", NAME, DATA), "unknown"),
        (lambda: archive.delete("plan", NAME), "no"),
        (lambda: archive.get("plan", NAME), "no"),
        (lambda: archive.stat("plan", NAME), "no"),
        (lambda: list(archive.scan("plan")), "no"),
    ]
    fault_proxy.act = lambda method, path: "500"
    for call, applied in calls:
        with pytest.raises(ConnectionLostError) as caught:
            call()
        assert caught.value.retryable
        assert caught.value.applied == applied
    (problem,) = archive.diagnose().problems
    assert archive._address.bucket in problem
    fault_proxy.act = lambda method, path: None
    assert archive.put("plan", NAME, DATA), "the same handle goes on"
    fault_proxy.act = lambda method, path: "500" if method == "DELETE" else None
    with pytest.raises(ConnectionLostError) as caught:
        archive.delete("plan", NAME)
    assert caught.value.applied == "unknown"


@pytest.mark.spec("P32", "P23")
def test_damaged_objects_are_found_and_replaced_by_what_is_stored(bucket: Bucket, archive: S3Archive) -> None:
    archive.put("plan", NAME, DATA)
    bucket.put(KEY, DATA[:-1])
    bucket.put("plan/notes.txt", b"x")
    bucket.put(KEY.replace(NAME, NAME.upper()), DATA)
    with archive_store(archive).read() as view:
        report = view.archive("plan").verify_integrity()
    assert [finding.subject for finding in report.findings] == [
        NAME,
        f"{NAME[:2]}/{NAME[2:4]}/{NAME.upper()}.json",
        "notes.txt",
    ]
    assert not archive.put("plan", NAME, DATA)
    assert archive.get("plan", NAME) == DATA


def test_listings_go_beyond_one_page(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("charter_persist.backends.s3.client.PAGE", 20)
    client, archive = bucket.client(), S3Archive(bucket.address())
    hashes = sorted(sha256(b"%d" % n).hexdigest() for n in range(65))
    for name in hashes:
        client.put(f"plan/{name[:2]}/{name[2:4]}/{name}.json", b"{}")
    assert [stored.content_hash for stored in archive.scan("plan")] == hashes
    assert [stored.content_hash for stored in archive.scan("plan", after=hashes[25])] == hashes[26:]


def test_a_bucket_that_goes_away_is_not_an_absent_entity(bucket: Bucket) -> None:
    client = S3Client(Bucket(bucket.endpoint, "never-made").address(), timeout_s=2.0)
    for call in (client.read, client.look, client.remove):
        with pytest.raises(UnavailableError, match="never-made"):
            call(KEY)
