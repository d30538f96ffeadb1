"""Ed25519 keys of checkpoints: their names and ids, the files they are read from, the verification of a signature.

Only public keys and callbacks pass through here; a private key that was read from a file stays inside the callback.
Needs the package ``cryptography``, which is imported by the functions that use it.

Imports ``errors`` only.

Source: C2SP signed-note; RFC 8032; RELIABILITY P26.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import NamedTuple

from charter_persist.errors import InvalidInputError, NotSupportedError, ProofError

KEY_ID_BYTES = 4
PUBLIC_KEY_BYTES = 32

_ED25519_TYPE = b"\x01"
_CONTROL = re.compile("[\x00-\x1f\ud800-\udfff]")


class Signer(NamedTuple):
    """A private key in use.

    Attributes:
        sign: makes the 64-byte signature of the bytes it is given.
        public_key: 32 bytes.
    """

    sign: Callable[[bytes], bytes]
    public_key: bytes


class PublicKey(NamedTuple):
    """A public key as it was read.

    Attributes:
        name: of the key; None where the file does not tell it.
        key: 32 bytes.
    """

    name: str | None
    key: bytes


def key_id(name: str, public_key: bytes) -> bytes:
    """The 4 bytes that, with the name, tell in a signature line which Ed25519 key signed.

    Args:
        name: of the key; by convention the origin of the checkpoints that it signs.
        public_key: 32 bytes.

    Raises:
        InvalidInputError: the name is empty or holds white space, a control character or ``+``; the key has another
            length.
    """
    check_key_name(name)
    if len(public_key) != PUBLIC_KEY_BYTES:
        raise InvalidInputError(f"a public key has {PUBLIC_KEY_BYTES} bytes, not {len(public_key)}", name=name)
    return sha256(name.encode() + b"\n" + _ED25519_TYPE + public_key).digest()[:KEY_ID_BYTES]


def verifier_key(name: str, public_key: bytes) -> str:
    """Write a public key as one line, ``name+id+base64``, for those who shall verify.

    Args:
        name: of the key.
        public_key: 32 bytes.

    Raises:
        InvalidInputError: as for `key_id`.
    """
    return f"{name}+{key_id(name, public_key).hex()}+{to_base64(_ED25519_TYPE + public_key)}"


def load_signer(pem: bytes) -> Signer:
    """Read an Ed25519 private key.

    Args:
        pem: the file's bytes, PKCS#8 in PEM, without a password.

    Raises:
        InvalidInputError: it is something else, or locked by a password.
        NotSupportedError: the package ``cryptography`` is not installed.
    """
    with _needs_cryptography():
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as exc:
        raise InvalidInputError("this is not a private key in PEM without a password") from exc
    if not isinstance(key, Ed25519PrivateKey):
        raise InvalidInputError("the private key is not an Ed25519 key")
    return Signer(key.sign, key.public_key().public_bytes_raw())


def load_public_key(data: bytes) -> PublicKey:
    """Read an Ed25519 public key, in PEM or as the line that `verifier_key` writes.

    Args:
        data: the file's bytes.

    Raises:
        InvalidInputError: it is neither, or a key of another algorithm, or its id does not fit name and key.
        NotSupportedError: it is in PEM and the package ``cryptography`` is not installed.
    """
    if data.lstrip().startswith(b"-----BEGIN"):
        return PublicKey(None, _load_pem_public_key(data))
    try:
        parts = data.decode().rstrip("\n").split("+", 2)
    except UnicodeDecodeError as exc:
        raise InvalidInputError("a verifier key is UTF-8 text") from exc
    if len(parts) != 3:
        raise InvalidInputError("this is neither a public key in PEM nor a verifier key name+id+base64")
    name, id_hex, encoded = parts
    typed_key = from_base64(encoded, "the key")
    if typed_key[:1] != _ED25519_TYPE:
        raise InvalidInputError("the verifier key is not an Ed25519 key", name=name)
    key = typed_key[1:]
    if key_id(name, key).hex() != id_hex:
        raise InvalidInputError("the id of the verifier key does not fit its name and key", name=name, key_id=id_hex)
    return PublicKey(name, key)


def verify_ed25519(public_key: bytes, signature: bytes, message: bytes) -> None:
    """Check one signature; returning at all means that it verifies.

    Args:
        public_key: 32 bytes.
        signature: 64 bytes.
        message: what was signed.

    Raises:
        ProofError: the signature does not verify.
        NotSupportedError: the package ``cryptography`` is not installed.

    Source: RFC 8032.
    """
    with _needs_cryptography():
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except InvalidSignature as exc:
        raise ProofError("the signature does not verify") from exc


def check_key_name(name: str) -> None:
    """Refuse a key name that would not stay one word of a signature line or verifier key.

    Raises:
        InvalidInputError: the name is empty or holds white space, a control character or ``+``.
    """
    if not name or "+" in name or has_control(name) or any(map(str.isspace, name)):
        raise InvalidInputError("a key name is text without white space, control characters or '+'", name=name)


def has_control(line: str) -> bool:
    """Tell whether a line holds what no line of a note may hold: a control character or a lone surrogate."""
    return _CONTROL.search(line) is not None


def to_base64(data: bytes) -> str:
    """Encode as standard base64 with padding (RFC 4648 section 4)."""
    return b64encode(data).decode()


def from_base64(text: str, what: str) -> bytes:
    """Decode standard base64, taking for each value only the one text that `to_base64` gives.

    Args:
        text: with padding.
        what: names the value in the error.

    Raises:
        InvalidInputError: the text is not base64, or another spelling than the standard one.
    """
    try:
        data = b64decode(text)
    except ValueError as exc:
        raise InvalidInputError(f"{what} is not base64", text=text) from exc
    # The decoder skips what it does not know and ignores the last bits of the last character.
    if to_base64(data) != text:
        raise InvalidInputError(f"{what} is not base64 in its standard form", text=text)
    return data


def _load_pem_public_key(pem: bytes) -> bytes:
    """The 32 bytes of an Ed25519 public key in PEM."""
    with _needs_cryptography():
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import load_pem_public_key
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as exc:
        raise InvalidInputError("this is not a public key in PEM") from exc
    if not isinstance(key, Ed25519PublicKey):
        raise InvalidInputError("the public key is not an Ed25519 key")
    return key.public_bytes_raw()


@contextmanager
def _needs_cryptography() -> Iterator[None]:
    """Say what to install where the optional package is missing."""
    try:
        yield
    except ImportError as exc:
        raise NotSupportedError(
            "signatures need the package cryptography; run: pip install 'charter-persist[signing]'"
        ) from exc
