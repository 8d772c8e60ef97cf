"""One connection: replies belong to their commands, whatever happens to the server or the connection."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Thread
from time import monotonic

import pytest

from django_redis_bus.core.exceptions import BusError, PublishError, Unavailable
from django_redis_bus.transport.clients import Clients
from django_redis_bus.transport.scripts import script
from django_redis_bus.transport.wire import Wire, pack
from tests.servers import Server


@pytest.fixture
def wire_to() -> Callable[..., Wire]:
    def make(server: Server, *, timeout_s: float = 2.0, url: str = "") -> Wire:
        clients = Clients(url or server.url, options={}, embedded_dir=Path("/nonexistent"))
        made.append((clients, Wire(clients.pool(timeout_s), clients.where)))
        return made[-1][1]

    made: list[tuple[Clients, Wire]] = []
    yield make
    for clients, wire in made:
        wire.close()
        clients.close()


def test_an_error_reply_is_returned_and_those_behind_it_are_still_read(
    server: Server, prefix: str, wire_to: Callable[..., Wire]
) -> None:
    wire = wire_to(server)

    wire.send(pack("SET", prefix, "x"), pack("XLEN", prefix), pack("GET", prefix))
    replies = [wire.receive() for _ in range(3)]

    assert replies[0] == b"OK"
    assert "WRONGTYPE" in str(replies[1])
    assert replies[2] == b"x"


def test_a_call_raises_for_an_error_reply_and_the_connection_goes_on(
    server: Server, prefix: str, wire_to: Callable[..., Wire]
) -> None:
    wire = wire_to(server)
    wire.call("SET", prefix, "x")

    with pytest.raises(PublishError, match="WRONGTYPE"):
        wire.call("XLEN", prefix)

    assert wire.call("GET", prefix) == b"x"


def test_a_script_the_server_forgot_is_sent_again(server: Server, prefix: str, wire_to: Callable[..., Wire]) -> None:
    wire = wire_to(server)
    keys = [f"{prefix}:s", f"{prefix}:position"]
    wire.run(script("open"), keys, "g", "0")

    wire.call("SCRIPT", "FLUSH")

    assert wire.run(script("open"), keys, "g", "0")[0] == 0


def test_a_killed_connection_is_told_once_and_the_next_call_connects_anew(
    server: Server, wire_to: Callable[..., Wire]
) -> None:
    wire = wire_to(server)
    connection_id = wire.call("CLIENT", "ID")

    server.client().client_kill_filter(_id=connection_id)

    with pytest.raises(Unavailable):
        wire.call("PING")
    assert wire.call("PING") == b"PONG"


def test_a_reply_that_came_too_late_is_never_taken_for_another(
    own_server: Callable[..., Server], wire_to: Callable[..., Wire]
) -> None:
    server = own_server()
    wire = wire_to(server, timeout_s=0.3)
    wire.call("PING")

    server.freeze()
    with pytest.raises(Unavailable):
        wire.call("ECHO", "late")
    server.thaw()

    assert wire.call("ECHO", "mine") == b"mine"


def test_another_thread_interrupts_a_read_that_waits(server: Server, prefix: str, wire_to: Callable[..., Wire]) -> None:
    wire = wire_to(server, timeout_s=30.0)
    wire.send(pack("BLPOP", f"{prefix}:nothing", 20))
    seen: list[BaseException] = []

    def read() -> None:
        try:
            wire.receive()
        except BusError as error:
            seen.append(error)

    started = monotonic()
    thread = Thread(target=read)
    thread.start()
    thread.join(0.2)
    wire.interrupt()
    thread.join(10)

    assert [type(e) for e in seen] == [Unavailable]
    assert monotonic() - started < 10


def test_closing_with_a_reply_owed_drops_the_connection(server: Server, wire_to: Callable[..., Wire]) -> None:
    wire = wire_to(server)
    wire.send(pack("ECHO", "owed"))

    wire.close()

    assert wire.call("ECHO", "mine") == b"mine"


def test_a_call_before_the_last_reply_was_read_is_a_loud_bug(server: Server, wire_to: Callable[..., Wire]) -> None:
    wire = wire_to(server)
    wire.send(pack("ECHO", "owed"))

    with pytest.raises(AssertionError, match="still owed"):
        wire.call("PING")


def test_a_server_that_refuses_at_the_door_is_a_bus_error(server: Server, wire_to: Callable[..., Wire]) -> None:
    wire = wire_to(server, url=f"{server.url}?db=9999")

    with pytest.raises(PublishError, match="DB index"):
        wire.call("PING")
