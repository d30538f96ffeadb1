"""A TCP proxy on loopback that can cut the connection when it sees certain bytes, from the server or to it."""

from __future__ import annotations

import contextlib
import socket
import threading
import time


class Proxy:
    """Forwards to a server; `cut_after` names bytes whose arrival from the server ends the connection unanswered.

    `cut_request` names bytes on the way to the server that end it: `reaches_server` says whether the server still gets
    them. Its answer is lost in either case.

    `hold_request` names bytes on the way to the server that are kept until `release`: then they reach it, and nothing that
    the client sent after them does. `held` is set when they have come, `arrived` when the server has had time for them.
    """

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.cut_after: bytes | None = None
        self.cut_request: bytes | None = None
        self.reaches_server = True
        self.hold_request: bytes | None = None
        self.held, self.arrived = threading.Event(), threading.Event()
        self._released = threading.Event()
        self.cuts = 0
        self._deaf: set[socket.socket] = set()
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._target)
                self._open += [client, server]
                for pair, back in (((client, server), False), ((server, client), True)):
                    threading.Thread(target=self._pump, args=(*pair, back), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, back: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if back and self.cut_after is not None and self.cut_after in data:
                    self.cut_after = None
                    self.cuts += 1
                    break
                if not back and self.cut_request is not None and self.cut_request in data:
                    self._lose_answer(sink, data)
                    break
                if not back and self.hold_request is not None and self.hold_request in data:
                    self._hold(sink, data)
                    break
                if source not in self._deaf:
                    sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _lose_answer(self, server: socket.socket, data: bytes) -> None:
        self.cut_request = None
        self.cuts += 1
        if self.reaches_server:
            self._deaf.add(server)
            server.sendall(data)
            time.sleep(0.3)

    def _hold(self, server: socket.socket, data: bytes) -> None:
        self.hold_request = None
        self.held.set()
        self._released.wait()
        server.sendall(data)
        time.sleep(0.5)
        self.arrived.set()

    def release(self) -> None:
        """Let what is held reach the server."""
        self._released.set()

    def drop_all(self) -> None:
        """Cut every connection now."""
        for end in self._open:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Stop."""
        self.release()
        self._listener.close()
        self.drop_all()
        for end in self._open:
            end.close()
