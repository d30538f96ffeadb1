"""Keys, their watch and leases on an etcd cluster; no journal. The composition root opens it by `open_etcd`.

What stands here imports neither grpc nor protobuf, so a package without the extra ``etcd`` imports it all the same.

Imports ``backends.contract``, ``errors`` and its own parts. Source: KV-8, DESIGN 1 (two kinds of backend).
"""

from __future__ import annotations

from charter_persist.backends.contract.single import KeyBackend
from charter_persist.backends.etcd.target import TIMEOUT_S, EtcdTarget, parse_etcd_url
from charter_persist.errors import NotSupportedError

__all__ = ["TIMEOUT_S", "EtcdTarget", "open_etcd", "parse_etcd_url"]


def open_etcd(url: str, *, timeout_s: float = TIMEOUT_S) -> KeyBackend:
    """A backend on the cluster at a URL; nothing is sent before it is first used.

    Args:
        url: ``etcd://[user:password@]host:port,host:port[/namespace][?ca=FILE&cert=FILE&key=FILE]``.
        timeout_s: how long one request may take on all endpoints together, in seconds.

    Raises:
        InvalidInputError: the URL is none, or a file that it names cannot be read.
        NotSupportedError: the extra ``etcd`` is not installed.

    Spec: KV-8
    """
    target = parse_etcd_url(url)
    try:
        from charter_persist.backends.etcd.backend import EtcdBackend
    except ModuleNotFoundError as exc:
        if (exc.name or "").partition(".")[0] not in ("grpc", "google"):
            raise
        raise NotSupportedError("etcd needs grpcio and protobuf; pip install charter-persist[etcd]") from exc
    return EtcdBackend(target, timeout_s=timeout_s)
