"""Many WebSocket clients in one process, so cheap that they are not what is measured."""

from __future__ import annotations

import re
import resource
import selectors
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import suppress

from .floor import Work
from .hubs import PATH
from .job import Heard, Job

SENT = re.compile(rb'"n":\s?(\d+),\s?"sent":\s?([0-9.]+)')
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
LATE_S = 5.0
"""What comes later than so long after everything was said counts as lost."""
UNREAD_S = 15.0
"""How long a slow reader's bytes may take to come once it reads."""
SMALL = 4096
"""A slow reader's receive buffer."""


def topic(room: int) -> str:
    return f"bench:room{room}"


class Client:
    """One socket, in one room."""

    def __init__(self, port: int, room: int, *, buffer: int = 0) -> None:
        self.socket = socket.socket()
        if buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.socket.settimeout(UNREAD_S)
        self.socket.connect(("127.0.0.1", port))
        self.last = -1
        self.code = 0
        """What the server closed it with; 1006 if it just went away."""
        self._rest = b""
        self._upgrade(port)
        self._write(TEXT, b'{"do":"join","topic":"%s","id":1}' % topic(room).encode())
        while not any(b'"joined"' in text for text in self.texts(self._received())):
            if self.code:
                raise RuntimeError(f"The server closed a socket that wanted to join: {self.code}")

    def texts(self, data: bytes) -> Iterator[bytes]:
        """Return the messages that are complete with these bytes; answer pings."""
        data = self._rest + data if self._rest else data
        at, end = 0, len(data)
        while end - at >= 2:
            kind, size = data[at] & 15, data[at + 1]
            head = at + 2
            if size == 126:
                head = at + 4
                size = int.from_bytes(data[at + 2 : head], "big") if head <= end else end
            elif size == 127:
                head = at + 10
                size = int.from_bytes(data[at + 2 : head], "big") if head <= end else end
            if head + size > end:
                break
            at = head + size
            if kind == TEXT:
                yield data[head:at]
            elif kind == PING:
                self._write(PONG, data[head:at])
            elif kind == CLOSE:
                self.code = int.from_bytes(data[head : head + 2], "big")
        self._rest = data[at:]

    def drain(self) -> int:
        """Read what is there until the server closes; return how it did."""
        until = time.monotonic() + UNREAD_S
        with suppress(TimeoutError):
            while not self.code and time.monotonic() < until:
                for _ in self.texts(self._received()):
                    pass
        return self.code

    def _upgrade(self, port: int) -> None:
        self.socket.sendall(
            f"GET /{PATH} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: http://127.0.0.1:{port}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self._received()
            if self.code:
                break
        head, _, self._rest = answer.partition(b"\r\n\r\n")
        if b" 101 " not in head:
            raise RuntimeError(f"The server answered {head!r}.")

    def _received(self) -> bytes:
        try:
            data = self.socket.recv(65536)
        except ConnectionError:
            data = b""
        if not data:
            self.code = self.code or 1006
        return data

    def _write(self, kind: int, payload: bytes) -> None:
        # The mask is zero: what it would hide is not secret.
        self.socket.sendall(struct.pack("!BB", 0x80 | kind, 0x80 | len(payload)) + bytes(4) + payload)


def read(job: Job) -> Work:
    """Read until `job.events` messages have come to all of them together, or nothing comes any more."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    clients = [Client(job.port, n % job.rooms) for n in range(job.sockets)]
    slow = [Client(job.port, 0, buffer=SMALL) for _ in range(job.slow)]
    selector = selectors.DefaultSelector()
    for client in clients:
        selector.register(client.socket, selectors.EVENT_READ, client)

    def run() -> Heard:
        delays: list[float] = []
        ended = time.monotonic()
        until = ended + job.seconds + LATE_S
        while len(delays) < job.events and (left := until - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                client = key.data
                _hear(client, delays)
                ended = time.monotonic()
                if client.code:
                    selector.unregister(client.socket)
        closed = [client.code for client in clients if client.code]
        return Heard(delays_s=delays, ended=ended, closed=closed + [client.drain() for client in slow])

    return run


def _hear(client: Client, delays: list[float]) -> None:
    try:
        data = client.socket.recv(65536)
    except ConnectionError:
        data = b""
    if not data:
        client.code = client.code or 1006
    now = time.monotonic()
    for text in client.texts(data):
        if found := SENT.search(text):
            n = int(found[1])
            if n <= client.last:
                raise RuntimeError(f"Message {n} came after {client.last}.")
            client.last = n
            delays.append(now - float(found[2]))
