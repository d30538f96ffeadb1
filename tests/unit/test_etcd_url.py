"""The URL of a cluster: what it may say, and that no message quotes a password."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from charter_persist.backends.etcd import EtcdTarget, open_etcd, parse_etcd_url
from charter_persist.backends.etcd.rows import Keyspace, after_prefix, lease_number, lease_text
from charter_persist.errors import InvalidInputError

pytestmark = pytest.mark.spec("KV-8")


def test_everything_that_a_url_can_say() -> None:
    found = parse_etcd_url("etcd://ann%40home:p%2Fw@a:1,[::1]:2,c/team-1?ca=/ca&cert=/cert&key=/key")
    assert found == EtcdTarget(
        endpoints=("a:1", "[::1]:2", "c:2379"),
        namespace="team-1",
        user="ann@home",
        password="p/w",
        tls=True,
        ca=Path("/ca"),
        cert=Path("/cert"),
        key=Path("/key"),
    )


def test_the_least_that_a_url_can_say() -> None:
    assert parse_etcd_url("etcd://a") == EtcdTarget(endpoints=("a:2379",), namespace="charter")
    assert parse_etcd_url("etcd://a/").namespace == "charter"
    assert parse_etcd_url("etcd://a?tls=true").tls
    assert not parse_etcd_url("etcd://a?tls=false").tls


@pytest.mark.parametrize(
    "url",
    [
        "etcd://",
        "etcd:///space",
        "etcd://u:canary@[::1",
        "http://u:canary@a",
        "etcd://u:canary@a:0",
        "etcd://u:canary@a:65536",
        "etcd://u:canary@a:port",
        "etcd://u:canary@a,,b",
        "etcd://u:canary@a b",
        "etcd://canary@a",
        "etcd://:canary@a",
        "etcd://u:@a",
        "etcd://u:can@ary@a:x",
        "etcd://u:canary@a/one/two",
        "etcd://u:canary@a/sp%20ace",
        "etcd://u:canary@a?cert=/c",
        "etcd://u:canary@a?key=/k",
        "etcd://u:canary@a?tls=maybe",
        "etcd://u:canary@a?tls=false&ca=/ca",
        "etcd://u:canary@a?ca=",
        "etcd://u:canary@a?ca=/a&ca=/b",
        "etcd://u:canary@a?password=canary",
        "etcd://u:canary@a#fragment",
    ],
)
def test_a_url_of_another_form_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse_etcd_url(url)
    assert "can" not in caught.value.message


def test_a_target_does_not_show_its_password() -> None:
    assert "canary" not in repr(parse_etcd_url("etcd://u:canary@a"))


def test_a_certificate_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="missing"):
        open_etcd(f"etcd://a?ca={tmp_path / 'missing'}")


def test_without_the_extra_the_error_says_what_to_install() -> None:
    program = (
        "import sys; sys.modules['grpc'] = None\n"
        "from charter_persist.backends.etcd import open_etcd\n"
        "from charter_persist.errors import NotSupportedError\n"
        "try: open_etcd('etcd://a')\n"
        "except NotSupportedError as error: assert 'pip install charter-persist[etcd]' in error.message\n"
        "else: sys.exit(1)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_what_needs_no_server_imports_neither_grpc_nor_protobuf() -> None:
    program = "import sys, charter_persist.backends.etcd; sys.exit('grpc' in sys.modules or 'google' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


def test_namespaces_share_no_range() -> None:
    spans = [Keyspace(name).span("") for name in ("a", "a-b", "a.b", "ab", "b")]
    for start, end in spans:
        assert [start <= other < end for other, _ in spans].count(True) == 1


def test_a_range_ends_where_its_prefix_does() -> None:
    assert after_prefix(b"ns/a") == b"ns/b"
    assert after_prefix(b"ns/\xff\xff") == b"ns0"
    start, end = Keyspace("ns").span("/é")
    assert start <= "ns/é".encode() < end
    assert not start <= "ns/ê".encode() < end


def test_a_lease_has_one_spelling() -> None:
    assert lease_number(lease_text(0x1234ABCD)) == 0x1234ABCD
    for text in ("", "0", "-1", "0x1", "1g", "ABC", " 1", "01", "8000000000000000"):
        with pytest.raises(InvalidInputError):
            lease_number(text)
