"""Checkpoints: the size and root of the journal as a signed note that other tools can check.

Whoever keeps a checkpoint outside the store can later show that what was recorded by then is still there unaltered.
The file is a C2SP tlog-checkpoint: origin, size and root on three lines, a blank line, then any number of signature
lines. Extension lines, which the format discourages, are refused.

Imports ``proofs``, ``errors`` and the neighbour ``keys`` only.

Source: C2SP signed-note and tlog-checkpoint; RELIABILITY P26.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

from charter_persist.errors import InvalidInputError, LimitExceededError, ProofError
from charter_persist.journal.keys import (
    KEY_ID_BYTES,
    check_key_name,
    from_base64,
    has_control,
    key_id,
    to_base64,
    verifier_key,
    verify_ed25519,
)
from charter_persist.proofs import EMPTY_ROOT, HASH_BYTES

NOTE_BYTES_MAX = 1_048_576
SIZE_MAX = 2**63 - 1

_DASH = "—"
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")


class Signature(NamedTuple):
    """One signature line of a note; of any algorithm, so that those of witnesses are kept.

    Attributes:
        name: name of the key.
        key_id: 4 bytes that, with the name, tell which key signed and by which algorithm.
        signature: 1 byte or more; 64 for Ed25519.
    """

    name: str
    key_id: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What the journal held at one moment; always well formed, but nothing is said about its signatures.

    Attributes:
        origin: names the journal; the store id.
        size: number of entries, from 0 to 2**63 - 1.
        root: of the tree of these entries, 32 bytes.
        signatures: in the order of their lines, at most one of each key.

    Raises:
        InvalidInputError: the size or the length of the root is outside these bounds; the origin is empty or holds a
            control character; an empty journal has another root than the empty tree; a key name is empty or holds
            white space or ``+``; a key signs twice.
    """

    origin: str
    size: int
    root: bytes
    signatures: tuple[Signature, ...] = ()

    def __post_init__(self) -> None:
        if not self.origin or has_control(self.origin):
            raise InvalidInputError("an origin is one line of text", origin=self.origin)
        if not 0 <= self.size <= SIZE_MAX:
            raise InvalidInputError(f"a journal cannot have {self.size} entries", size=self.size)
        if len(self.root) != HASH_BYTES:
            raise InvalidInputError(f"a root has {HASH_BYTES} bytes, not {len(self.root)}", root=self.root)
        if self.size == 0 and self.root != EMPTY_ROOT:
            raise InvalidInputError("the root of an empty journal is the hash of nothing", root=self.root)
        for signature in self.signatures:
            _check_signature(signature)
        keys = {(signature.name, signature.key_id) for signature in self.signatures}
        if len(keys) < len(self.signatures):
            raise InvalidInputError("a key signs a checkpoint once", signatures=self.signatures)

    def body(self) -> bytes:
        """The signed part: three lines, each with its line feed."""
        return f"{self.origin}\n{self.size}\n{to_base64(self.root)}\n".encode()

    def text(self) -> str:
        """The whole note; `parse_note` of it gives an equal value."""
        lines = [f"{_DASH} {line.name} {to_base64(line.key_id + line.signature)}\n" for line in self.signatures]
        return self.body().decode() + "\n" + "".join(lines)


def parse_note(note: bytes | str) -> Checkpoint:
    """Read a checkpoint, strictly: only what `Checkpoint.text` could have written is accepted.

    Signature lines of unknown keys and algorithms are kept as they are; none is verified here.

    Args:
        note: the file's bytes. Text is taken too, but a file opened as text hides CRLF line ends.

    Returns:
        The checkpoint; its ``text()`` equals the note.

    Raises:
        InvalidInputError: the note is malformed: not UTF-8, a line missing, empty or too many, a control character,
            a size with a sign or leading zeros, base64 that is not in its one standard form, a key that signs twice.
        LimitExceededError: the note is longer than 1 MiB.
    """
    text = _decode(note)
    lines = text[:-1].split("\n")
    if any(map(has_control, lines)):
        raise InvalidInputError("a checkpoint has no control characters; its lines end with a line feed alone")
    if not text.endswith("\n") or len(lines) < 4 or lines[3]:
        raise InvalidInputError("a checkpoint is origin, size, root, a blank line, and signature lines if any")
    origin, size, root = lines[:3]
    if not _SIZE.fullmatch(size):
        raise InvalidInputError("the size is not a decimal number without sign or leading zeros", size=size)
    signatures = tuple(map(_parse_signature, lines[4:]))
    return Checkpoint(origin, int(size), from_base64(root, "the root"), signatures)


def sign(checkpoint: Checkpoint, signer: Callable[[bytes], bytes], name: str, public_key: bytes) -> Checkpoint:
    """Add an Ed25519 signature; what the signer gave is verified before it is handed out.

    Args:
        checkpoint: with or without signatures by other keys.
        signer: makes the 64-byte signature of the bytes it is given; it alone holds the private key.
        name: of the key; by convention the origin.
        public_key: that fits the signer's key, 32 bytes.

    Returns:
        The checkpoint with one more signature, at the end.

    Raises:
        InvalidInputError: the name or the key is malformed, or the key has signed already.
        ProofError: the signer's answer does not verify with the public key.
        NotSupportedError: the package ``cryptography`` is not installed.
    """
    signature = Signature(name, key_id(name, public_key), signer(checkpoint.body()))
    signed = replace(checkpoint, signatures=(*checkpoint.signatures, signature))
    verify_signature(signed, name, public_key)
    return signed


def verify_signature(checkpoint: Checkpoint, name: str, public_key: bytes) -> None:
    """Check that a key signed the checkpoint; returning at all means that it did.

    Signatures by other keys are ignored, also those that share either the name or the id of this one.

    Args:
        checkpoint: as it was read.
        name: of the key.
        public_key: Ed25519, 32 bytes, from a source that is trusted.

    Raises:
        ProofError: there is no signature by that key, or it does not verify.
        InvalidInputError: the name or the key is malformed.
        NotSupportedError: the package ``cryptography`` is not installed.
    """
    wanted = (name, key_id(name, public_key))
    for signature in checkpoint.signatures:
        if (signature.name, signature.key_id) == wanted:
            verify_ed25519(public_key, signature.signature, checkpoint.body())
            return
    raise ProofError(f"the checkpoint has no signature by the key {verifier_key(name, public_key)}", name=name)


def _decode(note: bytes | str) -> str:
    """The text of a note, refused where it is too long or not UTF-8."""
    try:
        data = note.encode() if isinstance(note, str) else note
        if len(data) > NOTE_BYTES_MAX:
            raise LimitExceededError(limit="note_bytes", maximum=NOTE_BYTES_MAX, actual=len(data))
        return data.decode()
    except UnicodeError as exc:
        raise InvalidInputError("a checkpoint is UTF-8 text") from exc


def _parse_signature(line: str) -> Signature:
    """Read one signature line."""
    parts = line.split(" ")
    if len(parts) != 3 or parts[0] != _DASH:
        raise InvalidInputError("a signature line is an em dash, a key name and base64", line=line)
    data = from_base64(parts[2], "the signature")
    return Signature(parts[1], data[:KEY_ID_BYTES], data[KEY_ID_BYTES:])


def _check_signature(signature: Signature) -> None:
    """Refuse a signature line that could not be read back."""
    check_key_name(signature.name)
    if len(signature.key_id) != KEY_ID_BYTES or not signature.signature:
        raise InvalidInputError(f"a signature has a key id of {KEY_ID_BYTES} bytes, then one byte or more")
