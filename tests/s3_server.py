"""A server that speaks S3, on this machine, and a proxy before it that fails, stalls or leaves headers out on request.

It handles one request at a time, as S3 handles one conditional write of a key at a time.
"""

from __future__ import annotations

import http.client
import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from charter_persist.backends.s3 import S3Address, parse_address

REGION = "us-east-1"
Act = Callable[[str, str], str | None]
"""What happens to a request, by its method and path: None, "500", "stall", "lose the answer" or "ignore conditions"."""


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The address of a server."""
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=False)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@dataclass
class Bucket:
    """A new bucket."""

    endpoint: str
    name: str = field(default_factory=lambda: f"b-{uuid.uuid4()}")

    def address(self, prefix: str = "", endpoint: str | None = None) -> S3Address:
        """A place in it."""
        return parse_address(self.url(prefix, endpoint))

    def url(self, prefix: str = "", endpoint: str | None = None) -> str:
        """The URL of a place in it."""
        return f"s3://{self.name}/{prefix}?endpoint={endpoint or self.endpoint}&region={REGION}"

    def client(self) -> Any:
        """Leads to it past the package."""
        import obstore.store

        return obstore.store.S3Store(
            self.name, endpoint=self.endpoint, region=REGION, client_options={"allow_http": True}
        )

    def put(self, key: str, data: bytes) -> None:
        """Write an object, whatever is there."""
        self.client().put(key, data)

    def keys(self) -> list[str]:
        """What is in it."""
        return [found["path"] for page in self.client().list() for found in page]


@pytest.fixture
def bucket(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """A new bucket, and credentials for it in the environment."""
    for name, value in (("ACCESS_KEY_ID", "testing"), ("SECRET_ACCESS_KEY", "testing"), ("REGION", REGION)):
        monkeypatch.setenv(f"AWS_{name}", value)
    made = Bucket(s3_server)
    connection = http.client.HTTPConnection(s3_server.removeprefix("http://"), timeout=30)
    # The server checks no signature, but takes the service from the shape of one.
    signature = (
        f"AWS4-HMAC-SHA256 Credential=testing/20260101/{REGION}/s3/aws4_request, SignedHeaders=host, Signature=0"
    )
    connection.request("PUT", f"/{made.name}", headers={"Authorization": signature})
    assert connection.getresponse().status == 200
    connection.close()
    return made


class FaultProxy:
    """Forwards requests, but for those that `act` does something else to."""

    def __init__(self, target: str) -> None:
        self.act: Act = lambda method, path: None
        self.requests: list[str] = []
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _forward(self) -> None:
                proxy.requests.append(self.command)
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                what = proxy.act(self.command, self.path)
                if what == "stall":
                    time.sleep(3)
                    self.close_connection = True
                    return
                if what in ("500", "503"):
                    self._answer(int(what), {}, b"<Error><Code>InternalError</Code></Error>")
                    return
                headers = {
                    k: v for k, v in self.headers.items() if what != "ignore conditions" or k.lower() != "if-none-match"
                }
                connection = http.client.HTTPConnection(target.removeprefix("http://"), timeout=30)
                connection.request(self.command, self.path, body, headers)
                response = connection.getresponse()
                data = response.read()
                connection.close()
                if what == "lose the answer":
                    self.close_connection = True
                    return
                self._answer(response.status, dict(response.getheaders()), data)

            def _answer(self, status: int, headers: dict[str, str], data: bytes) -> None:
                self.send_response_only(status)
                length = headers.get("Content-Length", str(len(data))) if self.command == "HEAD" else str(len(data))
                for name, value in headers.items():
                    if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                        self.send_header(name, value)
                self.send_header("Content-Length", length)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(data)

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _forward  # noqa: N815  # names of the base class

            def log_message(self, format: str, *args: Any) -> None:  # name of the base class
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def fault_proxy(s3_server: str) -> Iterator[FaultProxy]:
    """A proxy before the server."""
    proxy = FaultProxy(s3_server)
    yield proxy
    proxy.close()
