"""Where a cluster is and how to sign in there, read from a URL; no message of it ever holds the password.

Imports ``errors``. Source: KV-8.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from charter_persist.errors import InvalidInputError

SCHEME: Final = "etcd"
PORT: Final = 2379
NAMESPACE: Final = "charter"
TIMEOUT_S: Final = 10.0
_NAMESPACE: Final = re.compile(r"[A-Za-z0-9._-]{1,128}")
_URL: Final = re.compile(rf"{SCHEME}://(?P<authority>[^/?#]*)(?P<rest>[^#]*)")
_ENDPOINT: Final = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>\d{1,5}))?")
_PARAMETERS: Final = ("ca", "cert", "key", "tls")
_FORM: Final = "etcd://[user:password@]host:port,host:port[/namespace][?ca=FILE&cert=FILE&key=FILE]"


@dataclass(frozen=True, slots=True)
class EtcdTarget:
    """A cluster, a namespace on it, and what is needed to be let in.

    Attributes:
        endpoints: ``host:port`` of each member that may be asked, in the order in which they are tried.
        namespace: first part of every key that is kept there.
        user: name to sign in with; None where the cluster asks for none.
        password: of that user.
        tls: whether connections are encrypted.
        ca: file with the certificates that the servers must descend from; None means those of the system.
        cert: file with the client's own certificate; None without one.
        key: file with the key of that certificate.
    """

    endpoints: tuple[str, ...]
    namespace: str = NAMESPACE
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: bool = False
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None


def parse_etcd_url(url: str) -> EtcdTarget:
    """What a URL says.

    Args:
        url: as in `open_etcd`. A part of user or password that has a meaning in URLs is percent-encoded. The port is
            2379 and the namespace ``charter`` where none is given. TLS is used where ``ca`` or ``cert`` is given, or
            ``tls=true``.

    Raises:
        InvalidInputError: it is not of that form; the message never quotes what may be a password.
    """
    # Several hosts are no authority of RFC 3986, and releases of Python differ in what they take for one.
    whole = _URL.fullmatch(url)
    if whole is None:
        raise InvalidInputError(f"that is not the URL of an etcd cluster; write {_FORM}")
    parts = urlsplit(f"{SCHEME}://{whole['rest']}")
    who, _, hosts = whole["authority"].rpartition("@")
    user, password = _credentials(who)
    parameters = _parameters(parts)
    if ("cert" in parameters) != ("key" in parameters):
        raise InvalidInputError("give cert and key of the client together in the URL, or neither")
    if parameters.get("tls", "true") not in ("true", "false"):
        raise InvalidInputError("tls in the URL is either true or false")
    files = {name: Path(parameters[name]) for name in ("ca", "cert", "key") if name in parameters}
    if files and parameters.get("tls") == "false":
        raise InvalidInputError("the URL names certificates and says tls=false; take one of them out")
    return EtcdTarget(
        endpoints=tuple(_endpoint(text) for text in hosts.split(",")),
        namespace=_namespace(parts.path),
        user=user,
        password=password,
        tls=bool(files) or parameters.get("tls") == "true",
        **files,
    )


def _credentials(who: str) -> tuple[str | None, str | None]:
    if not who:
        return None, None
    user, _, password = who.partition(":")
    if not user or not password:
        raise InvalidInputError("the URL has a user without a password, or the other way round; write user:password@")
    return unquote(user), unquote(password)


def _endpoint(text: str) -> str:
    match = _ENDPOINT.fullmatch(text)
    port = int(match["port"] or PORT) if match else 0
    if match is None or not 0 < port < 65_536:
        raise InvalidInputError(f"the URL names no host:port where one should stand; write {_FORM}")
    return f"{match['host']}:{port}"


def _namespace(path: str) -> str:
    name = path.removeprefix("/")
    if not name:
        return NAMESPACE
    if not _NAMESPACE.fullmatch(name):
        raise InvalidInputError(
            f"the namespace {name!r} must be one name of letters, digits, dots, dashes or underscores, at most 128"
        )
    return name


def _parameters(parts: SplitResult) -> dict[str, str]:
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    found = dict(pairs)
    unknown = sorted(found.keys() - set(_PARAMETERS))
    if unknown or len(found) != len(pairs) or not all(found.values()):
        raise InvalidInputError(f"after the ? of the URL each of {', '.join(_PARAMETERS)} may stand once, with a value")
    return found
