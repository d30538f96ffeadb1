"""Checkpoints on the command line: what is written, what verifies, and what a verification really showed."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from unittest.mock import patch

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from charter_persist import connect, upgrade
from charter_persist.cli.failure import ExitCode
from charter_persist.journal.checkpoint import parse_note
from charter_persist.journal.keys import verifier_key
from tests.command_line import Answer, charter

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()
PRIVATE_PEM = KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
)
PUBLIC_PEM = KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


class Bench:
    """A store with five objects, a key, and a place for checkpoints."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "store.db"
        self.url = f"sqlite:///{self.path}"
        upgrade(self.url)
        self.add(*range(5))
        with connect(self.url) as store:
            self.store_id = store.store_id
        self.key = folder / "key.pem"
        self.key.write_bytes(PRIVATE_PEM)
        self.note = folder / "note"
        self.verifier_key = verifier_key(self.store_id, PUBLIC)

    def __call__(self, *arguments: str) -> Answer:
        return charter("--url", self.url, *arguments)

    def add(self, *contents: object) -> None:
        with connect(self.url) as store, store.begin() as uow:
            for content in contents:
                uow.objects.put("note", content)

    def checkpoint(self, *, signed: bool = True) -> None:
        signing = ("--key", str(self.key)) if signed else ()
        assert self("checkpoint", "--out", str(self.note), *signing).code == ExitCode.FINE

    def verify(self, *arguments: str) -> Answer:
        return self("verify", "--json", "--checkpoint", str(self.note), *arguments)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def codes(told: Answer) -> list[str]:
    return [finding["code"] for finding in told.json["findings"]]


class TestCheckpoint:
    @pytest.mark.spec("P26")
    def test_without_a_key_it_is_an_unsigned_note_on_standard_output(self, bench: Bench) -> None:
        told = bench("checkpoint")
        note = parse_note(told.out.encode())
        with connect(bench.url) as store, store.read() as view:
            assert (note.origin, note.size, note.root) == (store.store_id, 5, view.journal.root())
        assert note.signatures == ()
        assert told.err == ""

    @pytest.mark.spec("P26")
    def test_with_a_key_it_is_signed_and_the_verifier_key_is_told_beside_it(self, bench: Bench) -> None:
        told = bench("checkpoint", "--key", str(bench.key))
        assert len(parse_note(told.out.encode()).signatures) == 1
        assert told.err == f"verifier key: {bench.verifier_key}\n"

    def test_in_json_it_has_the_note_and_what_is_in_it(self, bench: Bench) -> None:
        told = bench("checkpoint", "--key", str(bench.key), "--json").json
        note = parse_note(told["note"].encode())
        assert (told["origin"], told["size"], told["root"]) == (note.origin, note.size, note.root.hex())
        assert (told["verifier_key"], told["file"]) == (bench.verifier_key, None)

    def test_a_file_is_written_once_and_never_overwritten(self, bench: Bench) -> None:
        bench.checkpoint()
        before = bench.note.read_bytes()
        bench.add("more")
        told = bench("checkpoint", "--out", str(bench.note), "--json")
        assert (told.code, told.error["code"]) == (ExitCode.REFUSED, "already-exists")
        assert bench.note.read_bytes() == before
        told = bench("checkpoint", "--out", str(bench.folder / "no" / "such"), "--json")
        assert (told.code, told.error["code"]) == (ExitCode.REFUSED, "file")

    @pytest.mark.parametrize("pem", [b"", b"nonsense", PUBLIC_PEM])
    def test_what_is_no_private_key_is_refused_before_anything_is_written(self, bench: Bench, pem: bytes) -> None:
        bench.key.write_bytes(pem)
        told = bench("checkpoint", "--key", str(bench.key), "--out", str(bench.note), "--json")
        assert (told.code, told.error["code"]) == (ExitCode.REFUSED, "invalid-input")
        assert not bench.note.exists()

    def test_the_private_key_is_nowhere_in_the_output_or_the_store(self, bench: Bench) -> None:
        bench.checkpoint()
        secret = bytes(range(32))
        for file in (bench.note, *bench.folder.glob("store.db*")):
            assert secret not in file.read_bytes()
            assert PRIVATE_PEM.splitlines()[1] not in file.read_bytes()


class TestVerify:
    @pytest.mark.spec("P27")
    def test_without_a_checkpoint_the_level_is_chain(self, bench: Bench) -> None:
        told = bench("verify", "--json")
        assert told.code == ExitCode.FINE
        assert (told.json["level"], told.json["signature"], told.json["findings"]) == ("chain", None, [])
        assert (told.json["entries"], told.json["objects"]) == (5, 5)
        assert "level: chain" in bench("verify").out

    @pytest.mark.spec("P27")
    @pytest.mark.parametrize("how", ["pem file", "verifier key file", "verifier key"])
    def test_a_signed_checkpoint_of_the_past_is_verified(self, bench: Bench, how: str) -> None:
        bench.checkpoint()
        bench.add("more", "and more")
        file = bench.folder / "public"
        file.write_bytes(PUBLIC_PEM if how == "pem file" else f"{bench.verifier_key}\n".encode())
        told = bench.verify("--public-key", bench.verifier_key if how == "verifier key" else str(file))
        assert told.code == ExitCode.FINE
        assert (told.json["level"], told.json["signature"]) == ("checkpoint", "verified")
        assert told.json["entries"] == 7

    @pytest.mark.spec("P27")
    @pytest.mark.parametrize(("signed", "said"), [(True, "not checked"), (False, "absent")])
    def test_without_a_key_the_signature_is_never_called_verified(self, bench: Bench, signed: bool, said: str) -> None:
        bench.checkpoint(signed=signed)
        told = bench.verify()
        assert told.code == ExitCode.FINE
        assert (told.json["level"], told.json["signature"]) == ("checkpoint", said)
        plain = bench("verify", "--checkpoint", str(bench.note)).out
        assert f"signature of the checkpoint: {said}" in plain

    @pytest.mark.spec("P26", "P27")
    @pytest.mark.parametrize("fault", ["another key", "unsigned", "altered"])
    def test_a_checkpoint_without_the_wanted_signature_shows_nothing(self, bench: Bench, fault: str) -> None:
        bench.checkpoint(signed=fault != "unsigned")
        public = bench.verifier_key
        if fault == "another key":
            other = Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key().public_bytes_raw()
            public = verifier_key(bench.store_id, other)
        if fault == "altered":
            bench.note.write_bytes(bench.note.read_bytes().replace(b"\n5\n", b"\n4\n"))
        told = bench.verify("--public-key", public)
        assert told.code == ExitCode.REFUSED
        assert (told.json["level"], told.json["signature"]) == ("chain", "failed")
        assert codes(told) == ["CHECKPOINT_SIGNATURE"]

    @pytest.mark.spec("P27")
    def test_a_store_older_than_the_checkpoint_is_a_finding(self, bench: Bench) -> None:
        copy = bench.folder / "older.db"
        shutil.copy(bench.path, copy)
        bench.add("lost")
        bench.checkpoint()
        for file in bench.folder.glob("store.db*"):
            file.unlink()
        shutil.copy(copy, bench.path)
        told = bench.verify("--public-key", bench.verifier_key)
        assert told.code == ExitCode.REFUSED
        assert codes(told) == ["CHECKPOINT_AHEAD"]
        assert told.json["level"] != "checkpoint"
        assert bench("verify", "--json").json["level"] == "chain"

    @pytest.mark.spec("P27")
    def test_another_history_than_that_of_the_checkpoint_is_a_finding(self, bench: Bench) -> None:
        copy = bench.folder / "older.db"
        shutil.copy(bench.path, copy)
        bench.add("then")
        bench.checkpoint()
        for file in bench.folder.glob("store.db*"):
            file.unlink()
        shutil.copy(copy, bench.path)
        bench.add("another", "history")
        told = bench.verify("--public-key", bench.verifier_key)
        assert (told.code, codes(told)) == (ExitCode.REFUSED, ["CHECKPOINT_MISMATCH"])
        plain = bench("verify", "--checkpoint", str(bench.note))
        assert "CHECKPOINT_MISMATCH" in plain.out
        assert "findings: 1" in plain.out

    def test_the_checkpoint_of_another_store_is_a_finding(self, bench: Bench, tmp_path: Path) -> None:
        folder = tmp_path / "other"
        folder.mkdir()
        other = Bench(folder)
        other.checkpoint()
        shutil.copy(other.note, bench.note)
        told = bench.verify()
        assert told.code == ExitCode.REFUSED
        assert "CHECKPOINT_ORIGIN" in codes(told)

    @pytest.mark.spec("P24")
    def test_damage_is_a_finding_and_no_traceback(self, bench: Bench) -> None:
        raw = sqlite3.connect(bench.path)
        for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            raw.execute(f"DROP TRIGGER {name}")
        raw.execute("UPDATE object SET data = ? WHERE position = 3", (b"77",))
        raw.commit()
        raw.close()
        told = bench("verify", "--json")
        assert (told.code, told.json["level"], codes(told)) == (ExitCode.REFUSED, "none", ["HASH_MISMATCH"])

    @pytest.mark.parametrize("note", [b"", b"nonsense", b"a\n1\nAAAA\n\n", b"x" * 1_100_000])
    def test_what_is_no_checkpoint_is_refused(self, bench: Bench, note: bytes) -> None:
        bench.note.write_bytes(note)
        told = bench.verify()
        assert (told.code, told.out) == (ExitCode.REFUSED, "")
        assert told.error["code"] in ("invalid-input", "limit-exceeded")

    def test_what_is_no_public_key_is_refused(self, bench: Bench) -> None:
        bench.checkpoint()
        told = bench.verify("--public-key", "nonsense")
        assert (told.code, told.error["code"]) == (ExitCode.REFUSED, "invalid-input")

    def test_a_file_that_cannot_be_read_is_told_by_its_name(self, bench: Bench) -> None:
        bench.checkpoint()
        with patch.object(Path, "open", side_effect=PermissionError(13, "Permission denied")):
            told = bench.verify()
        assert (told.code, told.error["code"]) == (ExitCode.REFUSED, "file")
        assert str(bench.note) in told.error["message"]
        assert "Permission denied" in told.error["message"]
