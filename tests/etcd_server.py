"""etcd for tests: one node, or three that form a cluster, on loopback, with data of their own; and what breaks them.

Loaded by ``pytest_plugins`` in ``tests/conftest.py``. A test that asks for etcd fails where the binary is missing.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

READY_TIMEOUT_S = 60.0
UNASKED_PORTS = (20_000, 32_000)  # below those that the kernel gives to whoever names none
CHANCE = random.SystemRandom()  # that of `random` is seeded alike before each test
MISSING = "the tests of etcd need the binary `etcd` 3.4 or newer in PATH: apt-get install etcd-server etcd-client"


class NoEtcdError(Exception):
    """There is no etcd here, or it did not start; the message says why."""


@dataclass(frozen=True)
class Certificates:
    """Files of an authority, of a server on 127.0.0.1 and of a client."""

    ca: Path
    server: Path
    server_key: Path
    client: Path
    client_key: Path


class Member:
    """One process of etcd: started, killed and started again on the same data and ports."""

    def __init__(self, name: str, folder: Path, options: Sequence[str], tls: Certificates | None) -> None:
        self.name = name
        self.client_port, self.peer_port, self.metrics_port = free_ports(3)
        self.peers = ""
        self._folder = folder
        self._options = list(options)
        self._tls = tls
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.client_port}"

    @property
    def peer_url(self) -> str:
        return f"http://127.0.0.1:{self.peer_port}"

    def start(self) -> None:
        """Run it; a second call while it runs does nothing."""
        if self._process is not None:
            return
        client = f"{'https' if self._tls else 'http'}://{self.endpoint}"
        arguments = {
            "name": self.name,
            "data-dir": self._folder / self.name,
            "listen-client-urls": client,
            "advertise-client-urls": client,
            "listen-peer-urls": self.peer_url,
            "initial-advertise-peer-urls": self.peer_url,
            "listen-metrics-urls": f"http://127.0.0.1:{self.metrics_port}",
            "initial-cluster": self.peers or f"{self.name}={self.peer_url}",
        }
        if self._tls:
            arguments |= {"cert-file": self._tls.server, "key-file": self._tls.server_key}
        command = ["etcd", *(f"--{name}={value}" for name, value in arguments.items()), *self._options]
        with (self._folder / f"{self.name}.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def wait(self) -> None:
        """Return when it answers, with a leader."""
        deadline = time.monotonic() + READY_TIMEOUT_S
        while '"health":"true"' not in self._page("health"):
            if self._process is None or self._process.poll() is not None or time.monotonic() > deadline:
                raise NoEtcdError(f"etcd did not start: {(self._folder / f'{self.name}.log').read_text()[-2000:]}")
            time.sleep(0.05)

    def leads(self) -> bool:
        """Whether it says that it is the leader."""
        return re.search(r"^etcd_server_is_leader 1$", self._page("metrics"), re.MULTILINE) is not None

    def _page(self, name: str) -> str:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/{name}", timeout=5) as page:
                return page.read().decode()
        except (OSError, urllib.error.URLError):
            return ""

    def pause(self) -> None:
        """Let it stand still: connections stay and nothing answers. Returns when it does."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED)

    def go_on(self) -> None:
        """End the pause."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it at once; a second call does nothing."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


class EtcdCluster:
    """Members that form one cluster.

    Args:
        members: how many.
        options: further arguments of each.
        tls: certificates, where clients must use TLS.
    """

    def __init__(self, members: int = 3, *, options: Sequence[str] = (), tls: Certificates | None = None) -> None:
        if shutil.which("etcd") is None:
            raise NoEtcdError(MISSING)
        self._folder = Path(tempfile.mkdtemp(prefix="charter-etcd-"))
        self.tls = tls
        self.credentials = ""
        self.members = [Member(f"m{n}", self._folder, options, tls) for n in range(members)]
        peers = ",".join(f"{member.name}={member.peer_url}" for member in self.members)
        try:
            for member in self.members:
                member.peers = peers
                member.start()
            for member in self.members:
                member.wait()
        except BaseException:
            self.stop()
            raise

    @property
    def endpoints(self) -> tuple[str, ...]:
        """``host:port`` of each member."""
        return tuple(member.endpoint for member in self.members)

    @property
    def url(self) -> str:
        """Of all members, with the namespace that no test uses."""
        return self.url_of("charter")

    def fresh_url(self) -> str:
        """Of all members, with a namespace that nothing else uses."""
        return self.url_of(f"test-{uuid.uuid4().hex}")

    def url_of(self, namespace: str, *endpoints: str) -> str:
        """Of the endpoints, all members' by default, with a namespace."""
        question = f"?ca={self.tls.ca}" if self.tls else ""
        return f"etcd://{self.credentials}{','.join(endpoints or self.endpoints)}/{namespace}{question}"

    def leader(self) -> Member:
        """The member that leads; waits until there is one."""
        deadline = time.monotonic() + READY_TIMEOUT_S
        while time.monotonic() < deadline:
            for member in self.members:
                if member.leads():
                    return member
            time.sleep(0.05)
        raise NoEtcdError("the members found no leader")

    def kill_leader(self) -> Member:
        """End the member that leads; `Member.start` brings it back."""
        member = self.leader()
        member.kill()
        return member

    @contextmanager
    def losing_leaders(self, every_s: float) -> Iterator[list[str]]:
        """Kill the leader again and again during the block, and start it once the others had half of the time."""
        killed: list[str] = []
        over = threading.Event()

        def lose() -> None:
            while not over.wait(every_s / 2):
                member = self.kill_leader()
                killed.append(member.name)
                over.wait(every_s / 2)
                member.start()
                member.wait()

        thread = threading.Thread(target=lose)
        thread.start()
        try:
            yield killed
        finally:
            over.set()
            thread.join()

    def heal(self) -> None:
        """Start every member that does not run, and wait for all."""
        for member in self.members:
            member.start()
        for member in self.members:
            member.wait()

    def control(self, *arguments: str, user: str = "") -> str:
        """What etcdctl says."""
        tls = ["--cacert", str(self.tls.ca)] if self.tls else []
        who = ["--user", user] if user else []
        command = ["etcdctl", "--endpoints", ",".join(self.endpoints), *tls, *who, *arguments]
        done = subprocess.run(command, env={**os.environ, "ETCDCTL_API": "3"}, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def demand_sign_in(self, user: str, password: str, namespace: str) -> None:
        """Switch authentication on; the user may read and write one namespace."""
        self.control("user", "add", "root:root-secret")
        self.control("user", "grant-role", "root", "root")
        self.control("role", "add", user)
        self.control("role", "grant-permission", user, "readwrite", f"{namespace}/", "--prefix")
        self.control("user", "add", f"{user}:{password}")
        self.control("user", "grant-role", user, user)
        self.control("auth", "enable")

    def stop(self) -> None:
        """End every member and remove its data; a second call does nothing."""
        for member in self.members:
            member.kill()
        shutil.rmtree(self._folder, ignore_errors=True)


class EtcdServer(EtcdCluster):
    """One node."""

    def __init__(self, *, options: Sequence[str] = (), tls: Certificates | None = None) -> None:
        super().__init__(1, options=options, tls=tls)

    @property
    def member(self) -> Member:
        return self.members[0]


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now, and that no socket gets without asking: a member comes back on its own."""
    found: list[int] = []
    while len(found) < count:
        port = CHANCE.randrange(*UNASKED_PORTS)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            found += [] if port in found else [port]
    return found


def make_certificates(folder: Path) -> Certificates:
    """A new authority, and what it signed."""
    folder.mkdir(parents=True, exist_ok=True)
    found = Certificates(
        *(folder / name for name in ("ca.pem", "server.pem", "server.key", "client.pem", "client.key"))
    )
    authority_key = folder / "ca.key"
    _openssl("req", "-x509", *_NEW_KEY, "-keyout", authority_key, "-out", found.ca, "-subj", "/CN=test authority")
    for certificate, key, name in (
        (found.server, found.server_key, "server"),
        (found.client, found.client_key, "client"),
    ):
        request, extensions = folder / f"{name}.csr", folder / f"{name}.ext"
        extensions.write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth,clientAuth\n")
        _openssl("req", *_NEW_KEY, "-keyout", key, "-out", request, "-subj", f"/CN={name}")
        signing = ("-CA", found.ca, "-CAkey", authority_key, "-CAcreateserial", "-extfile", extensions)
        _openssl("x509", "-req", "-days", "2", "-in", request, "-out", certificate, *signing)
    return found


_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def _openssl(*arguments: object) -> None:
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def etcd_server() -> Iterator[EtcdServer]:
    """The one node of the run, for tests that do not break it. Progress of a watch is told every fifth of a second."""
    server = EtcdServer(options=["--experimental-watch-progress-notify-interval=200ms"])
    yield server
    server.stop()


@pytest.fixture(scope="session")
def _etcd_three() -> Iterator[EtcdCluster]:
    cluster = EtcdCluster()
    yield cluster
    cluster.stop()


@pytest.fixture
def etcd_cluster(_etcd_three: EtcdCluster) -> Iterator[EtcdCluster]:
    """The three nodes of the run, all up before the test and after it."""
    _etcd_three.heal()
    yield _etcd_three
    _etcd_three.heal()


@pytest.fixture
def etcd_url(etcd_server: EtcdServer) -> str:
    """The one node, with a namespace that nothing else uses."""
    return etcd_server.fresh_url()
