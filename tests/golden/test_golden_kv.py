"""What the journal commits to for a change of a key: frozen, so that old entries verify with every later release."""

from __future__ import annotations

import pytest

from charter_persist import connect
from charter_persist.backends.contract import KvChangeRow
from charter_persist.journal.entry import commitment
from charter_persist.model.canonical import canonical_bytes, load_canonical
from charter_persist.repositories.kv_change import change_bytes
from charter_persist.testing import CountingSources

ROW = KvChangeRow(7, '/a"\u20ac\U0001f600', 3, 5, bytes(range(16)), b"\x00\xff text", 1_700_000_000_000_000, 1)
DATA = (
    b'{"created_at":"2023-11-14T22:13:20Z","key":"/a\\"\xe2\x82\xac\xf0\x9f\x98\x80","revision":5,'
    b'"updated_at":"1970-01-01T00:00:00.000001Z","value":"AP8gdGV4dA==","version":3}'
)


@pytest.mark.spec("KV-1")
def test_the_form_of_a_change_is_frozen_and_canonical() -> None:
    assert change_bytes(ROW) == DATA
    document = {
        "created_at": "2023-11-14T22:13:20Z",
        "key": ROW.key,
        "revision": 5,
        "updated_at": "1970-01-01T00:00:00.000001Z",
        "value": "AP8gdGV4dA==",
        "version": 3,
    }
    assert canonical_bytes(document) == DATA
    assert commitment(ROW.nonce, DATA).hex() == "11741ab269cd2e3d7bb5e20274a80a8a4c45c409cb40947d52873dc040eeff5e"
    assert change_bytes(ROW._replace(value=None)) == b""
    assert change_bytes(ROW._replace(value=b"")).count(b'"value":""') == 1


@pytest.mark.spec("KV-1")
def test_a_lease_is_part_of_the_form_where_there_is_one() -> None:
    leased = change_bytes(ROW._replace(lease="7f"))
    assert leased == DATA.replace(b'"revision"', b'"lease":"7f","revision"')
    assert canonical_bytes(load_canonical(leased)) == leased


@pytest.mark.spec("KV-1")
@pytest.mark.parametrize("url", ["memory://", "sqlite://"])
def test_a_history_of_keys_ends_with_the_same_root(url: str) -> None:
    with connect(url, **CountingSources().arguments()) as store:
        with store.begin() as uow:
            uow.kv.set("/a", b"1")
            uow.kv.set("/b", b"\xff")
        with store.begin() as uow:
            uow.kv.set("/a", b"2")
            uow.kv.delete("/b")
        with store.begin() as uow:
            uow.kv.compact(upto=2)
            uow.kv.erase("/a")
        with store.read() as view:
            entries = [(entry.store, entry.subject, entry.operation) for entry in view.journal.entries()]
            root = view.journal.root().hex()
    assert entries == [
        ("kv", "/a", "create"),
        ("kv", "/b", "create"),
        ("kv", "/a", "update"),
        ("kv", "/b", "delete"),
        ("kv", "", "compact"),
        ("kv", "/a", "erase"),
    ]
    assert root == "6b1d47a8c1e393e137f5c2f093518d3603b4fba0ba0822f3ec6701f05b8f7545"
