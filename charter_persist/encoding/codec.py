"""How a value becomes bytes and comes back: JSON, CBOR, pydantic models, or a codec of your own.

CBOR needs the extra ``cbor``; a model brings pydantic with it. Imports ``model`` and ``errors``. Source: KV-6.
"""

from __future__ import annotations

import io
from typing import Any, Final, Protocol

from charter_persist.encoding.extras import extra
from charter_persist.model.canonical import canonical_bytes, parse_json


class Codec(Protocol):
    """Turns values into bytes and back; what it cannot encode or decode it refuses with ValueError or TypeError.

    A wrong implementation gives two forms to equal values: then a migration sees a change where there is none.
    """

    @property
    def name(self) -> str:
        """What messages call it."""
        ...

    def encode(self, value: Any) -> bytes:
        """The bytes of a value."""
        ...

    def decode(self, data: bytes) -> Any:
        """The value of bytes."""
        ...


class JsonCodec:
    """Canonical JSON (RFC 8785), the default."""

    name = "JSON"

    def encode(self, value: Any) -> bytes:
        """The canonical bytes.

        Raises:
            NotCanonicalError: the value has no canonical form.
        """
        return canonical_bytes(value)

    def decode(self, data: bytes) -> Any:
        """The value of any JSON, strictly read.

        Raises:
            InvalidInputError: it is not JSON.
        """
        return parse_json(data)


class CborCodec:
    """Canonical CBOR: smaller, and it knows bytes."""

    name = "CBOR"

    def encode(self, value: Any) -> bytes:
        """The canonical bytes.

        Raises:
            ValueError: the value has no CBOR form.
            NotSupportedError: the extra ``cbor`` is not installed.
        """
        cbor2 = extra("cbor2", "cbor")
        try:
            data: bytes = cbor2.dumps(value, canonical=True)
        except cbor2.CBORError as exc:
            raise ValueError(str(exc)) from exc
        return data

    def decode(self, data: bytes) -> Any:
        """The value, where it is all that the bytes hold.

        Raises:
            ValueError: it is not CBOR, or something stands behind it.
            NotSupportedError: the extra ``cbor`` is not installed.
        """
        cbor2 = extra("cbor2", "cbor")
        file = io.BytesIO(data)
        try:
            value = cbor2.CBORDecoder(file, read_size=1).decode()
        except (cbor2.CBORError, EOFError) as exc:
            raise ValueError(str(exc)) from exc
        if file.tell() != len(data):
            raise ValueError(f"{len(data) - file.tell()} bytes stand behind the value")
        return value


class ModelCodec:
    """Instances of one pydantic model, as canonical JSON by their aliases; what comes back is equal to what was given.

    What would not come back is refused where it is written: an instance of a subclass, a secret, a field that is
    excluded or read by another alias than it is written by, a private attribute. Computed fields are not written.

    Args:
        model: a class that derives from ``pydantic.BaseModel``.
    """

    def __init__(self, model: Any) -> None:
        self.name = f"model {model.__name__}"
        self._model = model

    def encode(self, value: Any) -> bytes:
        """The canonical bytes of an instance; they are read again, for it may have been changed since it was made.

        Raises:
            TypeError: it is no instance.
            ValueError: it is not valid any more, or what comes back is not equal to it.
        """
        if not isinstance(value, self._model):
            raise TypeError(f"it must be an instance, got {type(value).__name__}")
        data = canonical_bytes(
            self._model.model_dump(value, mode="json", by_alias=True, round_trip=True, warnings=False)
        )
        returned = self.decode(data)
        if returned != value:
            raise ValueError(_difference(value, returned))
        return data

    def decode(self, data: bytes) -> Any:
        """An instance.

        Raises:
            ValueError: the bytes are not JSON of the model.
        """
        return self._model.model_validate(parse_json(data))


def _difference(value: Any, returned: Any) -> str:
    """What of an instance does not come back; no values are named, for they may be secrets."""
    if type(returned) is not type(value):
        return f"a {type(value).__name__} comes back as a {type(returned).__name__}"
    for name in type(value).model_fields:
        if getattr(returned, name) != getattr(value, name):
            return f"{name} does not come back as it is; look at its aliases, whether it is excluded, and its type"
    return "what it has beside its fields does not come back; look at extra and private attributes"


JSON: Final = JsonCodec()
CBOR: Final = CborCodec()
