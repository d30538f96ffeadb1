r"""Digests and envelopes: the identity of an object is the hash of its type, its length and its canonical JSON.

The pre-image of version ``v1`` is three header lines and the bytes::

    charter:v1\n
    type:<object type>\n
    len:<number of bytes>\n
    <canonical JSON>

Version ``v2`` differs in its name and in the hash function, SHA3-256; objects get such digests by a rehash alone.

A pre-image cannot be taken for another one of the package (RELIABILITY P35): those of the journal's tree begin with
the byte 0x00 or 0x01, commitments begin with ``charter:commit:``, and no hash version is named ``commit``. Within the
version it is prefix-free: a type has no line break, and the length says where the bytes end.

Imports ``errors``, ``model.canonical`` and ``model.limits``. Source: HASH-1, HASH-3, HASH-6.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha3_256, sha256
from types import MappingProxyType
from typing import Any, Final, NamedTuple, NewType

from charter_persist.errors import DigestMismatchError, InvalidInputError, NotSupportedError
from charter_persist.model.canonical import canonical_bytes, load_canonical
from charter_persist.model.limits import DEFAULT_OPTIONS, Options

Digest = NewType("Digest", str)
"""The identity of an object: 64 lower-case hexadecimal characters."""

HASH_VERSION: Final = "v1"
"""The hash version of every new object."""

HASH_ALGORITHM: Final = "sha256"
"""The algorithm that `HASH_VERSION` uses."""

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_OBJECT_TYPE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")


class HashVersion(NamedTuple):
    """A named way to compute digests.

    Attributes:
        name: stands in the header and in every envelope.
        algorithm: name of the hash function.
        digest_bytes: gives the raw digest for an object type and canonical bytes.
    """

    name: str
    algorithm: str
    digest_bytes: Callable[[str, bytes], bytes]


@dataclass(frozen=True, slots=True)
class Envelope:
    """An object together with what is needed to check it; self-contained, and never part of what is hashed.

    Attributes:
        charter_hash_version: name of the hash version, such as ``v1``.
        hash_algorithm: such as ``sha256``.
        object_type: type of the object.
        object_hash: digest of the object.
        object: the content, as `load_canonical` gives it.

    Source: HASH-3.
    """

    charter_hash_version: str
    hash_algorithm: str
    object_type: str
    object_hash: Digest
    object: Any = field(hash=False)

    def to_json(self) -> dict[str, Any]:
        """Give the envelope as a JSON object.

        Returns:
            A new dict with the five fields; the content in it is the same value, not a copy.
        """
        return {
            "charter_hash_version": self.charter_hash_version,
            "hash_algorithm": self.hash_algorithm,
            "object_type": self.object_type,
            "object_hash": self.object_hash,
            "object": self.object,
        }


def parse_digest(text: str) -> Digest:
    """Check that a text is a digest in its one spelling.

    Args:
        text: 64 lower-case hexadecimal characters.

    Returns:
        The same text.

    Raises:
        InvalidInputError: anything else, upper-case letters and surrounding space included.
    """
    if not isinstance(text, str) or _DIGEST.fullmatch(text) is None:
        raise InvalidInputError(f"a digest is 64 lower-case hexadecimal characters, got {str(text)[:80]!r}")
    return Digest(text)


def digest(
    object_type: str, content: object, *, options: Options = DEFAULT_OPTIONS, version: str = HASH_VERSION
) -> Digest:
    """Compute the identity of an object; the same content has the same digest everywhere, on any backend.

    Args:
        object_type: 1 to 64 characters, a letter first, then letters, digits, ``_``, ``.``, ``-``.
        content: a value with a canonical JSON form, see `canonical_bytes`.
        options: limits; ``object_bytes_max`` and ``nesting_max`` apply.
        version: name of the hash version.

    Returns:
        The digest.

    Raises:
        NotCanonicalError: the content has no canonical JSON form.
        LimitExceededError: the content is nested too deep or too large.
        InvalidInputError: the object type does not follow its grammar.
        NotSupportedError: the hash version is unknown.

    Source: HASH-1.
    """
    canonical = canonical_bytes(content, options=options)
    return Digest(hash_version(version).digest_bytes(object_type, canonical).hex())


def digest_bytes(object_type: str, canonical: bytes) -> bytes:
    """Compute the raw digest of version ``v1`` for bytes that are canonical already.

    Args:
        object_type: 1 to 64 characters, a letter first, then letters, digits, ``_``, ``.``, ``-``.
        canonical: what `canonical_bytes` gave.

    Returns:
        32 bytes.

    Raises:
        InvalidInputError: the object type does not follow its grammar.

    Source: HASH-1.
    """
    return sha256(b"%b%d\n%b" % (_header(HASH_VERSION, object_type), len(canonical), canonical)).digest()


def _digest_bytes_v2(object_type: str, canonical: bytes) -> bytes:
    """Compute the raw digest of version ``v2``, as `digest_bytes` does that of ``v1``."""
    return sha3_256(b"%b%d\n%b" % (_header("v2", object_type), len(canonical), canonical)).digest()


def hash_version(name: str) -> HashVersion:
    """Find a hash version by its name; several may stand side by side in one store.

    Args:
        name: such as ``v1``.

    Returns:
        The version.

    Raises:
        NotSupportedError: this release does not know the version.

    Source: HASH-3, HASH-6.
    """
    found = HASH_VERSIONS.get(name)
    if found is None:
        known = ", ".join(HASH_VERSIONS)
        raise NotSupportedError(f"hash version {name!r} is unknown to this release, which knows {known}", version=name)
    return found


def open_envelope(object_type: str, stored_digest: bytes, data: bytes, version: str = HASH_VERSION) -> Envelope:
    """Verify stored bytes against their digest, then parse them; nothing unverified is ever parsed.

    Args:
        object_type: the type they are stored under.
        stored_digest: the digest they are stored under, 32 raw bytes.
        data: the canonical bytes as stored.
        version: name of the hash version they are stored under.

    Returns:
        The envelope with the parsed content.

    Raises:
        DigestMismatchError: type and bytes do not have that digest; it carries ``object_type`` and ``digest``.
        IntegrityError: the digest fits and yet the bytes are not JSON.
        NotSupportedError: the hash version is unknown.
    """
    scheme = hash_version(version)
    text = Digest(stored_digest.hex())
    try:
        matches = scheme.digest_bytes(object_type, data) == stored_digest
    except InvalidInputError:  # a type that no writer can have written was altered in the store
        matches = False
    if not matches:
        raise DigestMismatchError(
            f"the stored bytes of {object_type!r} {text} do not have that digest; run `charter verify`",
            object_type=object_type,
            digest=text,
        )
    return Envelope(scheme.name, scheme.algorithm, object_type, text, load_canonical(data))


def check_object_type(object_type: str) -> None:
    """Refuse an object type that does not follow the grammar.

    Args:
        object_type: 1 to 64 characters, a letter first, then letters, digits, ``_``, ``.``, ``-``.

    Raises:
        InvalidInputError: anything else.
    """
    if not isinstance(object_type, str) or _OBJECT_TYPE.fullmatch(object_type) is None:
        raise InvalidInputError(
            f"an object type is 1 to 64 letters, digits, '_', '.', '-', a letter first, got {str(object_type)[:80]!r}"
        )


@lru_cache(maxsize=1024)
def _header(version: str, object_type: str) -> bytes:
    """Give the header up to the length; a store holds few types, so each is checked and encoded once."""
    check_object_type(object_type)
    return f"charter:{version}\ntype:{object_type}\nlen:".encode()


HASH_VERSIONS: Final[Mapping[str, HashVersion]] = MappingProxyType(
    {
        HASH_VERSION: HashVersion(HASH_VERSION, HASH_ALGORITHM, digest_bytes),
        "v2": HashVersion("v2", "sha3-256", _digest_bytes_v2),
    }
)
"""Every hash version that this release can compute, by name."""
