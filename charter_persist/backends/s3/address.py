"""Where an archive in S3 is: ``s3://bucket/prefix?endpoint=https://host&region=eu-central-1``.

Credentials never stand in it: they come from the environment, a web identity, or the machine. Imports ``errors``.

Source: CCOS-2, RELIABILITY P47.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from charter_persist.errors import InvalidInputError

_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_SEGMENT: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}")
_REGION: Final = re.compile(r"[a-z0-9-]{1,64}")
_FORM: Final = "s3://bucket/prefix?endpoint=https://host&region=eu-central-1"


@dataclass(frozen=True, slots=True)
class S3Address:
    """A place in a bucket.

    Attributes:
        bucket: its name.
        prefix: that every key begins with, without a slash at its ends; may be empty.
        endpoint: ``https://host`` or, of a server on this machine, ``http://host:port``; None for Amazon's own.
        region: None where the environment tells.
    """

    bucket: str
    prefix: str = ""
    endpoint: str | None = None
    region: str | None = None


def parse_address(url: str) -> S3Address:
    """Read such a URL.

    Raises:
        InvalidInputError: it is not one, or credentials stand in it; the message does not repeat them.
    """
    try:
        parts = urlsplit(url)
        given = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError as exc:
        raise InvalidInputError(f"an archive in S3 is named like {_FORM}") from exc
    if "@" in url.partition("?")[0]:
        raise InvalidInputError(
            "credentials do not belong into the URL of an archive in S3; put AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY into the environment"
        )
    options = dict(given)
    unknown = sorted(set(options) - {"endpoint", "region"})
    if parts.scheme != "s3" or parts.fragment or unknown or len(options) != len(given):
        raise InvalidInputError(f"an archive in S3 is named like {_FORM}; it takes endpoint and region, each once")
    if _BUCKET.fullmatch(parts.netloc) is None:
        raise InvalidInputError(f"{parts.netloc!r} is not the name of a bucket; write {_FORM}")
    prefix = parts.path.strip("/")
    if prefix and not all(_SEGMENT.fullmatch(segment) for segment in prefix.split("/")):
        raise InvalidInputError(
            f"the prefix {prefix[:80]!r} may hold letters, digits, '.', '_' and '-' between slashes; choose such a one"
        )
    region = options.get("region")
    if region is not None and _REGION.fullmatch(region) is None:
        raise InvalidInputError(f"{region[:80]!r} is not a region; write it like eu-central-1")
    endpoint = options.get("endpoint")
    return S3Address(parts.netloc, prefix, None if endpoint is None else _checked_endpoint(endpoint), region)


def _checked_endpoint(text: str) -> str:
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError as exc:
        raise InvalidInputError("the endpoint is not a URL; write it like https://host:port") from exc
    extra = parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc
    if parts.scheme not in ("http", "https") or not parts.hostname or extra:
        raise InvalidInputError("the endpoint is a scheme, a host and a port, like https://host:port")
    return f"{parts.scheme}://{parts.netloc}"
