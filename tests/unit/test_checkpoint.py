"""Checkpoints as C2SP signed notes, read back here by a second implementation written from the specification alone."""

from __future__ import annotations

import base64
import hashlib
import sys
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, x25519

from charter_persist.errors import InvalidInputError, LimitExceededError, NotSupportedError, ProofError
from charter_persist.journal.checkpoint import NOTE_BYTES_MAX, Checkpoint, Signature, parse_note, sign, verify_signature
from charter_persist.journal.keys import PublicKey, key_id, load_public_key, load_signer, verifier_key
from charter_persist.proofs import EMPTY_ROOT

ORIGIN = "charter.example/0192f3"
ROOT = bytes(range(32))
PLAIN = Checkpoint(ORIGIN, 1827, ROOT)
KEY = ed25519.Ed25519PrivateKey.from_private_bytes(b"\x07" * 32)
OTHER_KEY = ed25519.Ed25519PrivateKey.from_private_bytes(b"\x08" * 32)
PUBLIC = KEY.public_key().public_bytes_raw()
OTHER_PUBLIC = OTHER_KEY.public_key().public_bytes_raw()
SIGNED = sign(PLAIN, KEY.sign, ORIGIN, PUBLIC)

# A note that the Go checksum database published, and the key that it publishes.
PUBLISHED_NOTE = (
    "go.sum database tree\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
    "— sum.golang.org Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
)
PUBLISHED_KEY = b"sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"


def open_note(note: bytes, verifier: str) -> tuple[str, int, bytes]:
    """Verify a checkpoint as C2SP signed-note and tlog-checkpoint say; shares nothing with the package."""
    name, key_hash, key_data = verifier.split("+", 2)
    algorithm_and_key = base64.standard_b64decode(key_data)
    assert hashlib.sha256(name.encode() + b"\x0a" + algorithm_and_key).digest()[:4].hex() == key_hash
    assert algorithm_and_key[0] == 1
    assert note.endswith(b"\n")
    assert not any(byte < 0x20 and byte != 0x0A for byte in note)
    blank = note.rindex(b"\n\n")
    text, lines = note[: blank + 1], note[blank + 2 :].decode("utf-8")
    verified = 0
    for line in lines.removesuffix("\n").split("\n"):
        dash, line_name, encoded = line.split(" ")
        assert dash == "\u2014"
        signature = base64.standard_b64decode(encoded)
        if (line_name, signature[:4].hex()) == (name, key_hash):
            ed25519.Ed25519PublicKey.from_public_bytes(algorithm_and_key[1:]).verify(signature[4:], text)
            verified += 1
    assert verified == 1
    origin, size, root = text.decode("utf-8").splitlines()
    return origin, int(size), base64.standard_b64decode(root)


def pem_of(private_key: Any, password: bytes | None = None) -> bytes:
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return private_key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


def public_pem_of(private_key: Any) -> bytes:
    return private_key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


@pytest.mark.spec("P26")
def test_a_second_implementation_verifies_the_note() -> None:
    note = SIGNED.text().encode()
    assert open_note(note, verifier_key(ORIGIN, PUBLIC)) == (ORIGIN, 1827, ROOT)
    with pytest.raises(InvalidSignature):
        open_note(note.replace(b"\n1827\n", b"\n1828\n"), verifier_key(ORIGIN, PUBLIC))


@pytest.mark.spec("P26")
def test_a_published_note_verifies() -> None:
    checkpoint = parse_note(PUBLISHED_NOTE)
    name, key = load_public_key(PUBLISHED_KEY)
    assert name == "sum.golang.org"
    verify_signature(checkpoint, name, key)
    assert (checkpoint.origin, checkpoint.size) == ("go.sum database tree", 20_852_163)
    assert checkpoint.text() == PUBLISHED_NOTE
    assert verifier_key(name, key).encode() == PUBLISHED_KEY


@pytest.mark.spec("P26")
def test_note_has_the_lines_of_the_specification() -> None:
    signature = base64.b64encode(key_id(ORIGIN, PUBLIC) + KEY.sign(SIGNED.body())).decode()
    assert SIGNED.text() == f"{ORIGIN}\n1827\n{base64.b64encode(ROOT).decode()}\n\n— {ORIGIN} {signature}\n"
    assert SIGNED.body() == SIGNED.text().partition("\n\n")[0].encode() + b"\n"


@pytest.mark.spec("P26")
def test_unsigned_note_ends_with_the_blank_line() -> None:
    assert PLAIN.text() == PLAIN.body().decode() + "\n"
    assert parse_note(PLAIN.text()) == PLAIN


@pytest.mark.spec("P26")
def test_reading_a_note_gives_back_what_was_written() -> None:
    empty = Checkpoint("ü / mit Leerzeichen", 0, EMPTY_ROOT)
    for checkpoint in (PLAIN, SIGNED, empty, Checkpoint("a", 2**63 - 1, ROOT)):
        assert parse_note(checkpoint.text()) == parse_note(checkpoint.text().encode()) == checkpoint


@pytest.mark.spec("P26")
def test_signature_by_another_key_is_not_taken_for_ours() -> None:
    with pytest.raises(ProofError, match="has no signature by the key"):
        verify_signature(SIGNED, ORIGIN, OTHER_PUBLIC)
    with pytest.raises(ProofError, match="has no signature by the key"):
        verify_signature(SIGNED, "another.example", PUBLIC)
    with pytest.raises(ProofError, match="has no signature by the key"):
        verify_signature(PLAIN, ORIGIN, PUBLIC)


@pytest.mark.spec("P26")
@pytest.mark.parametrize(
    "changed",
    [
        Checkpoint(ORIGIN, 1826, ROOT, SIGNED.signatures),
        Checkpoint(ORIGIN, 1827, ROOT[::-1], SIGNED.signatures),
        Checkpoint(ORIGIN + "4", 1827, ROOT, SIGNED.signatures),
    ],
)
def test_signature_does_not_verify_for_another_origin_size_or_root(changed: Checkpoint) -> None:
    with pytest.raises(ProofError, match="does not verify"):
        verify_signature(changed, ORIGIN, PUBLIC)


@pytest.mark.spec("P26")
def test_signature_with_any_bit_flipped_does_not_verify() -> None:
    (line,) = SIGNED.signatures
    for bit in range(0, 512, 7):
        flipped = (int.from_bytes(line.signature) ^ 1 << bit).to_bytes(64)
        with pytest.raises(ProofError):
            verify_signature(Checkpoint(ORIGIN, 1827, ROOT, (line._replace(signature=flipped),)), ORIGIN, PUBLIC)


@pytest.mark.spec("P26")
@pytest.mark.parametrize("length", [1, 63, 65, 72])
def test_signature_of_another_length_does_not_verify(length: int) -> None:
    (line,) = SIGNED.signatures
    cut = line._replace(signature=(line.signature + bytes(8))[:length])
    with pytest.raises(ProofError, match="does not verify"):
        verify_signature(Checkpoint(ORIGIN, 1827, ROOT, (cut,)), ORIGIN, PUBLIC)


@pytest.mark.spec("P26")
def test_wrong_key_id_hides_a_true_signature() -> None:
    (line,) = SIGNED.signatures
    with pytest.raises(ProofError, match="has no signature"):
        verify_signature(Checkpoint(ORIGIN, 1827, ROOT, (line._replace(key_id=b"\x00" * 4),)), ORIGIN, PUBLIC)


@pytest.mark.spec("P26")
def test_colliding_key_id_is_refused_by_the_signature_itself() -> None:
    forged = Signature(ORIGIN, key_id(ORIGIN, PUBLIC), OTHER_KEY.sign(PLAIN.body()))
    with pytest.raises(ProofError, match="does not verify"):
        verify_signature(Checkpoint(ORIGIN, 1827, ROOT, (forged,)), ORIGIN, PUBLIC)


@pytest.mark.spec("P26")
def test_signatures_of_unknown_keys_and_algorithms_are_kept_and_ignored() -> None:
    witness = Signature("witness.example/w1", b"\xaa\xbb\xcc\xdd", bytes(72))
    same_name = Signature(ORIGIN, b"\x00\x00\x00\x01", b"\x01")
    same_id = Signature("witness.example/w2", key_id(ORIGIN, PUBLIC), bytes(64))
    checkpoint = Checkpoint(ORIGIN, 1827, ROOT, (witness, same_name, same_id, *SIGNED.signatures))
    read = parse_note(checkpoint.text())
    assert read.signatures == checkpoint.signatures
    verify_signature(read, ORIGIN, PUBLIC)


@pytest.mark.spec("P26")
def test_several_keys_sign_one_checkpoint() -> None:
    twice = sign(SIGNED, OTHER_KEY.sign, ORIGIN, OTHER_PUBLIC)
    for public in (PUBLIC, OTHER_PUBLIC):
        verify_signature(parse_note(twice.text()), ORIGIN, public)
        assert open_note(twice.text().encode(), verifier_key(ORIGIN, public))[1] == 1827


@pytest.mark.spec("P26")
def test_a_key_signs_once() -> None:
    with pytest.raises(InvalidInputError, match="a key signs a checkpoint once"):
        sign(SIGNED, KEY.sign, ORIGIN, PUBLIC)
    line = SIGNED.text().splitlines(keepends=True)[-1]
    with pytest.raises(InvalidInputError, match="a key signs a checkpoint once"):
        parse_note(SIGNED.text() + line)


@pytest.mark.spec("P26")
def test_what_a_signer_gives_is_verified_before_it_is_handed_out() -> None:
    with pytest.raises(ProofError, match="does not verify"):
        sign(PLAIN, OTHER_KEY.sign, ORIGIN, PUBLIC)


GOOD = SIGNED.text()
LINES = GOOD.split("\n")


@pytest.mark.spec("P26")
@pytest.mark.parametrize(
    ("case", "note"),
    [
        ("empty", ""),
        ("one line feed", "\n"),
        ("blank line missing", GOOD.replace("\n\n", "\n")),
        ("body alone", GOOD.partition("\n\n")[0] + "\n"),
        ("no line feed at the end", GOOD[:-1]),
        ("CRLF", GOOD.replace("\n", "\r\n")),
        ("carriage return in the origin", GOOD.replace(ORIGIN + "\n", ORIGIN + "\r\n", 1)),
        ("tab in the origin", GOOD.replace(ORIGIN, "a\tb", 1)),
        ("null character", GOOD.replace(ORIGIN, "a\0b", 1)),
        ("lone surrogate", GOOD.replace(ORIGIN, "\udc80", 1)),
        ("origin empty", GOOD.removeprefix(ORIGIN)),
        ("origin missing", GOOD.removeprefix(ORIGIN + "\n")),
        ("origin of two lines", "evil\n" + GOOD),
        ("size with leading zero", GOOD.replace("\n1827\n", "\n01827\n")),
        ("size of two zeros", GOOD.replace("\n1827\n", "\n00\n")),
        ("size with sign", GOOD.replace("\n1827\n", "\n+1827\n")),
        ("negative size", GOOD.replace("\n1827\n", "\n-1827\n")),
        ("size with space", GOOD.replace("\n1827\n", "\n1827 \n")),
        ("size with underscore", GOOD.replace("\n1827\n", "\n1_827\n")),
        ("size in other digits", GOOD.replace("\n1827\n", "\n1٨٢٧\n")),
        ("size in hex", GOOD.replace("\n1827\n", "\n0x723\n")),
        ("size empty", GOOD.replace("\n1827\n", "\n\n")),
        ("size of 2**63", GOOD.replace("\n1827\n", f"\n{2**63}\n")),
        ("size of twenty digits", GOOD.replace("\n1827\n", "\n10000000000000000000\n")),
        ("root of an empty journal", GOOD.replace("\n1827\n", "\n0\n")),
        ("root too short", GOOD.replace(LINES[2], base64.b64encode(ROOT[:-1]).decode())),
        ("root too long", GOOD.replace(LINES[2], base64.b64encode(ROOT + b"\0").decode())),
        ("root without padding", GOOD.replace(LINES[2], LINES[2].rstrip("="))),
        ("root in the URL alphabet", GOOD.replace(LINES[2], base64.urlsafe_b64encode(b"\xff" * 32).decode())),
        ("root with other bits in the padding", GOOD.replace(LINES[2], LINES[2][:-2] + "9=")),
        ("root with white space", GOOD.replace(LINES[2], LINES[2][:10] + " " + LINES[2][10:])),
        ("root not ASCII", GOOD.replace(LINES[2], "é" + LINES[2][1:])),
        ("extension line", GOOD.replace("\n\n", "\nextension\n\n")),
        ("second blank line", GOOD.replace("\n\n", "\n\n\n")),
        ("blank line at the end", GOOD + "\n"),
        ("trailing data", GOOD + "trailing\n"),
        ("trailing data without line feed", GOOD + "trailing"),
        ("hyphen for the dash", GOOD.replace("—", "-")),
        ("no key name", GOOD.replace(f"— {ORIGIN}", "— ")),
        ("key name with plus", GOOD.replace(f"— {ORIGIN}", "— a+b")),
        ("key name with no-break space", GOOD.replace(f"— {ORIGIN}", "— a\u00a0b")),
        ("key name with line separator", GOOD.replace(f"— {ORIGIN}", "— a\u2028b")),
        ("two spaces", GOOD.replace("— ", "—  ")),
        ("words after the signature", GOOD[:-1] + " x\n"),
        ("signature not base64", GOOD[:-3] + "!=\n"),
        ("signature without padding", GOOD.replace(LINES[4], LINES[4].rstrip("="))),
        ("signature empty", f"{PLAIN.text()}— {ORIGIN} \n"),
        ("key id cut", f"{PLAIN.text()}— {ORIGIN} {base64.b64encode(b'abc').decode()}\n"),
        ("key id alone", f"{PLAIN.text()}— {ORIGIN} {base64.b64encode(b'abcd').decode()}\n"),
    ],
)
def test_malformed_note_is_refused(case: str, note: str) -> None:
    assert note != GOOD, case
    with pytest.raises(InvalidInputError):
        parse_note(note)


@pytest.mark.spec("P26")
def test_note_with_crlf_is_refused_with_the_reason() -> None:
    with pytest.raises(InvalidInputError, match="lines end with a line feed alone"):
        parse_note(GOOD.replace("\n", "\r\n").encode())


@pytest.mark.spec("P26")
@pytest.mark.parametrize(
    "signature", [Signature("a", b"abc", b"x"), Signature("a", b"abcde", b"x"), Signature("a", b"abcd", b"")]
)
def test_signature_that_would_not_read_back_is_refused(signature: Signature) -> None:
    with pytest.raises(InvalidInputError, match="a key id of 4 bytes, then one byte or more"):
        Checkpoint(ORIGIN, 1827, ROOT, (signature,))


@pytest.mark.spec("P26")
def test_note_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="UTF-8"):
        parse_note(GOOD.encode().replace(b"charter", b"\xff\xfe"))
    with pytest.raises(InvalidInputError, match="UTF-8"):
        parse_note(GOOD.encode("latin-1", errors="replace").replace(b"\n\n", b"\n\n\x97", 1))


@pytest.mark.spec("P26")
def test_note_of_many_signatures_is_read_up_to_its_limit_in_bytes() -> None:
    witnesses = tuple(Signature(f"witness.example/{index}", b"abcd", bytes(72)) for index in range(500))
    checkpoint = Checkpoint(ORIGIN, 1827, ROOT, witnesses)
    assert parse_note(checkpoint.text()) == checkpoint
    with pytest.raises(LimitExceededError) as caught:
        parse_note("a" * (NOTE_BYTES_MAX + 1))
    error = caught.value
    assert (error.limit, error.maximum, error.actual) == ("note_bytes", NOTE_BYTES_MAX, NOTE_BYTES_MAX + 1)


@pytest.mark.spec("P26")
@pytest.mark.parametrize(
    ("origin", "size", "root"),
    [
        ("", 1, ROOT),
        ("evil\n999", 1, ROOT),
        ("evil\r", 1, ROOT),
        ("\x00", 1, ROOT),
        ("\ud800", 1, ROOT),
        (ORIGIN, -1, ROOT),
        (ORIGIN, 2**63, ROOT),
        (ORIGIN, 1, b""),
        (ORIGIN, 1, ROOT[:-1]),
        (ORIGIN, 0, ROOT),
    ],
)
def test_checkpoint_that_would_not_read_back_cannot_be_made(origin: str, size: int, root: bytes) -> None:
    with pytest.raises(InvalidInputError):
        Checkpoint(origin, size, root)


@pytest.mark.spec("P26")
@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "a\u2003b", "a\x00", "\ud800"])
def test_key_name_that_would_not_read_back_is_refused(name: str) -> None:
    with pytest.raises(InvalidInputError, match="a key name is"):
        key_id(name, PUBLIC)
    with pytest.raises(InvalidInputError, match="a key name is"):
        Checkpoint(ORIGIN, 1827, ROOT, (Signature(name, b"abcd", b"x"),))


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_public_key_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(InvalidInputError, match=f"32 bytes, not {length}"):
        verifier_key(ORIGIN, bytes(length))


def test_private_key_is_read_from_pem_and_signs() -> None:
    signer = load_signer(pem_of(KEY))
    assert signer.public_key == PUBLIC
    assert sign(PLAIN, signer.sign, ORIGIN, signer.public_key) == SIGNED


def test_private_key_does_not_show_in_its_repr() -> None:
    shown = repr(load_signer(pem_of(KEY)))
    assert (b"\x07" * 32).hex() not in shown
    assert repr(b"\x07" * 32) not in shown


@pytest.mark.parametrize(
    ("case", "pem"),
    [
        ("nothing", b""),
        ("text", b"secret"),
        ("cut", pem_of(KEY)[:60]),
        ("public", public_pem_of(KEY)),
        ("locked", pem_of(KEY, b"password")),
        ("another curve", pem_of(ec.generate_private_key(ec.SECP256R1()))),
        ("key exchange", pem_of(x25519.X25519PrivateKey.generate())),
    ],
)
def test_file_that_is_no_ed25519_private_key_is_refused(case: str, pem: bytes) -> None:
    with pytest.raises(InvalidInputError, match="private key") as caught:
        load_signer(pem)
    assert "secret" not in str(caught.value), case


def test_public_key_is_read_from_pem_and_from_a_verifier_key() -> None:
    assert load_public_key(public_pem_of(KEY)) == PublicKey(None, PUBLIC)
    line = verifier_key(ORIGIN, PUBLIC)
    assert load_public_key(line.encode()) == load_public_key(line.encode() + b"\n") == PublicKey(ORIGIN, PUBLIC)


VERIFIER = verifier_key(ORIGIN, PUBLIC)


@pytest.mark.parametrize(
    ("case", "data"),
    [
        ("nothing", b""),
        ("not UTF-8", b"\xff+\xfe+\xfd"),
        ("two parts", VERIFIER.rpartition("+")[0].encode()),
        ("another name", b"x" + VERIFIER.encode()),
        ("another id", VERIFIER.replace("+", "+0", 1).encode()),
        ("id in capitals", f"{ORIGIN}+{key_id(ORIGIN, PUBLIC).hex().upper()}+{VERIFIER.split('+', 2)[2]}".encode()),
        ("no name", VERIFIER.removeprefix(ORIGIN).encode()),
        ("CRLF", VERIFIER.encode() + b"\r\n"),
        ("key empty", f"{ORIGIN}+{key_id(ORIGIN, PUBLIC).hex()}+".encode()),
        ("key of another type", f"{ORIGIN}+00000000+{base64.b64encode(bytes(33)).decode()}".encode()),
        ("key cut", f"{ORIGIN}+00000000+{base64.b64encode(b'a' * 32).decode()}".encode()),
        ("private PEM", pem_of(KEY)),
        ("cut PEM", public_pem_of(KEY)[:50]),
        ("PEM of another curve", public_pem_of(ec.generate_private_key(ec.SECP256R1()))),
    ],
)
def test_file_that_is_no_ed25519_public_key_is_refused(case: str, data: bytes) -> None:
    with pytest.raises(InvalidInputError):
        load_public_key(data)


def test_verifier_key_of_another_algorithm_is_named_as_such() -> None:
    ecdsa = f"{ORIGIN}+{key_id(ORIGIN, PUBLIC).hex()}+{base64.b64encode(bytes([2]) + PUBLIC).decode()}"
    with pytest.raises(InvalidInputError, match="not an Ed25519 key"):
        load_public_key(ecdsa.encode())


def test_missing_package_is_named_with_the_command_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    pem, public_pem = pem_of(KEY), public_pem_of(KEY)
    monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)
    for needs_it in (
        lambda: load_signer(pem),
        lambda: load_public_key(public_pem),
        lambda: verify_signature(SIGNED, ORIGIN, PUBLIC),
    ):
        with pytest.raises(NotSupportedError, match=r"pip install 'charter-persist\[signing\]'"):
            needs_it()
    assert parse_note(SIGNED.text()) == SIGNED, "reading needs no package"
    assert load_public_key(VERIFIER.encode()).key == PUBLIC
