"""A TCP proxy between a client and Azurite, in which a test does to the bytes what a network may do."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass


class CutError(Exception):
    """Raised by a fault: the bytes that it holds are passed on, then the connection is closed."""


@dataclass(eq=False)
class Exchange:
    """A request and, as far as it has come, its answer."""

    line: str
    range: str
    number: int  # of the reads of blobs through this proxy, from 1 on; 0 for other requests
    sent: int = 0  # bytes of the answer, its head included

    @property
    def is_read(self) -> bool:
        return self.number > 0


class Proxy:
    """Passes on what comes; `instead` may answer a request itself, `on_way` and `to_server` may change what is sent."""

    def __init__(self, target: int) -> None:
        self.instead: Callable[[Exchange], bytes | None] = lambda exchange: None
        self.on_way: Callable[[Exchange, bytes], bytes] = lambda exchange, data: data
        self.to_server: Callable[[Exchange, bytes], bytes] = lambda exchange, data: data
        self.exchanges: list[Exchange] = []
        self._target = target
        self._lock = threading.Lock()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def reads(self) -> list[Exchange]:
        return [exchange for exchange in self.exchanges if exchange.is_read]

    def close(self) -> None:
        self._server.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._server.accept()
                threading.Thread(target=self._serve, args=[client], daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        server = socket.create_connection(("127.0.0.1", self._target))
        current: list[Exchange] = []
        back = threading.Thread(target=self._answers, args=[client, server, current], daemon=True)
        back.start()
        try:
            while data := client.recv(1 << 16):
                if re.match(rb"(GET|HEAD|PUT|DELETE) ", data):
                    current[:] = [self._exchange(data)]
                    answer = self.instead(current[0])
                    if answer is not None:
                        client.sendall(answer)
                        continue
                server.sendall(self.to_server(current[0], data))
        except OSError:
            pass
        finally:
            _close(client, server)

    def _answers(self, client: socket.socket, server: socket.socket, current: list[Exchange]) -> None:
        try:
            while data := server.recv(1 << 16):
                exchange = current[0]
                passed = self.on_way(exchange, data)
                client.sendall(passed)
                exchange.sent += len(data)
        except CutError as cut:
            with suppress(OSError):
                client.sendall(cut.args[0])
        except OSError:
            pass
        finally:
            _close(client, server)

    def _exchange(self, data: bytes) -> Exchange:
        text = data.decode("latin-1")
        line = text.partition("\r\n")[0]
        ranges = re.search(r"(?im)^(?:x-ms-)?range: *(\S+)", text)
        with self._lock:
            is_read = line.startswith("GET ") and ranges is not None
            number = len(self.reads) + 1 if is_read else 0
            self.exchanges.append(Exchange(line, ranges[1] if ranges else "", number))
            return self.exchanges[-1]


@contextmanager
def proxy_to(port: int) -> Iterator[Proxy]:
    proxy = Proxy(port)
    try:
        yield proxy
    finally:
        proxy.close()


def cut_at(exchange: Exchange, data: bytes, position: int) -> bytes:
    """Let the answer through up to `position`; there the connection breaks."""
    if exchange.sent + len(data) >= position:
        raise CutError(data[: position - exchange.sent])
    return data


def _close(*connections: socket.socket) -> None:
    for connection in connections:
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        connection.close()
