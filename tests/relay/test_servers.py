"""The relay behind real ASGI servers: two processes, restarts, slow readers, and what a browser is told at the door."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from django_redis_bus.bus import buses

from .conftest import eventually
from .servers import AsgiServer

pytestmark = pytest.mark.slow
ORIGIN = "http://localhost"


@pytest.fixture
def serve(process_env: Any, tmp_path: Path) -> Iterator[Callable[..., AsgiServer]]:
    """A factory of servers on this test's prefix: serve("uvicorn", RELAY={…})."""
    made: list[AsgiServer] = []

    def make(kind: str = "uvicorn", **options: Any) -> AsgiServer:
        env = process_env(BUS_TEST_OPTIONS=json.dumps(options), BUS_TEST_SESSIONS=str(tmp_path))
        made.append(AsgiServer(kind, env, tmp_path / f"log{len(made)}").start())
        return made[-1]

    yield make
    for each in made:
        each.close()


@asynccontextmanager
async def page(server: AsgiServer, path: str = "", **options: Any) -> AsyncIterator[ClientConnection]:
    """A socket that has been welcomed."""
    url = server.url.removesuffix("/bus/") + path if path else server.url
    async with connect(url, origin=options.pop("origin", ORIGIN), compression=None, **options) as socket:
        assert json.loads(await socket.recv())["do"] == "welcome"
        yield socket


async def ask(socket: ClientConnection, do: str, **parts: Any) -> dict[str, Any]:
    await socket.send(json.dumps({"do": do, "id": 1} | parts))
    while (frame := json.loads(await socket.recv())).get("id") != 1:
        pass
    return dict(frame)


async def numbers(socket: ClientConnection, until: int) -> list[int]:
    """The numbers in the events that come, up to the last one."""
    found: list[int] = []
    while not found or found[-1] != until:
        async with asyncio.timeout(20):
            frame = json.loads(await socket.recv())
        if frame["do"] == "event":
            found.append(frame["event"]["data"]["n"])
    return found


async def closed(socket: ClientConnection) -> tuple[int, str]:
    """How the socket ends."""

    async def read_on() -> None:
        while True:
            await socket.recv()

    with pytest.raises(ConnectionClosed) as end:
        await asyncio.wait_for(read_on(), 20)
    assert end.value.rcvd is not None, end
    return end.value.rcvd.code, end.value.rcvd.reason or "no reason: daphne sends none"


@pytest.mark.parametrize("kind", ["uvicorn", "daphne"])
async def test_at_the_door(serve: Any, kind: str) -> None:
    server = serve(kind)

    def how(code: int, reason: str) -> tuple[int, str]:
        return code, reason if kind == "uvicorn" else "no reason: daphne sends none"

    base = server.url.removesuffix("/bus/")

    # A browser that is refused hears why only if its subprotocol is accepted.
    for offered in (None, ["bus.v1"]):
        for url, origin, why in (
            (f"{base}/elsewhere/", ORIGIN, how(4404, "unknown path")),
            (server.url, "http://evil.example", how(4403, "foreign origin")),
            (f"{base}/elsewhere/", "http://evil.example", how(4403, "foreign origin")),
        ):
            async with connect(url, origin=origin, subprotocols=offered) as socket:
                assert socket.subprotocol == (offered and offered[0])
                assert await closed(socket) == why
    async with page(server, subprotocols=["bus.v1"]) as socket:
        assert socket.subprotocol == "bus.v1"
        await socket.send(b"bytes")
        assert await closed(socket) == how(4400, "bad frame")
    assert "Traceback" not in server.log.read_text()


async def test_two_processes_share_a_room(serve: Any) -> None:
    one, two = serve("uvicorn"), serve("daphne")
    async with page(one) as ada, page(two) as bob:
        await ask(ada, "join", topic="chat:a")
        await ask(bob, "join", topic="chat:a")
        async with page(one) as here, page(two) as there:
            for each in (here, there):
                await ask(each, "join", topic="chat:a")
            for number in range(21):
                await ask(ada if number % 2 else bob, "publish", topic="chat:a", data={"n": number})

            assert await numbers(here, 20) == list(range(21))
            assert await numbers(there, 20) == list(range(21))

    async with page(one) as late:
        joined = await ask(late, "join", topic="chat:a", history=50)
    assert [event["data"]["n"] for event in joined["messages"]] == list(range(21))


async def test_who_changes_servers_while_messages_stream_misses_nothing(
    serve: Any, bus_settings: Any, channel: Any
) -> None:
    servers = [serve("uvicorn"), serve("uvicorn")]
    chat = channel("chat:{room}", history=1000)
    last = 400

    async def stream() -> None:
        for number in range(last + 1):
            await chat(room="a").apublish({"n": number})
            await asyncio.sleep(0.002)

    async def wander(which: int) -> list[int]:
        """Change servers every few messages, and resume from the last place seen."""
        heard: list[int] = []
        place: dict[str, Any] = {"epoch": epoch, "offset": offset}
        while not heard or heard[-1] != last:
            which += 1
            async with page(servers[which % 2]) as socket:
                joined = await ask(socket, "join", topic="chat:a", **place)
                assert joined["recovered"] is True
                events = joined["messages"]
                place = {"epoch": joined["epoch"], "offset": joined["offset"]}
                heard += [event["data"]["n"] for event in events]
                for _ in range(7 + which % 5):
                    if heard and heard[-1] == last:
                        break
                    event = json.loads(await socket.recv())["event"]
                    place["offset"] = event["offset"]
                    heard.append(event["data"]["n"])
        return heard

    async with page(servers[0]) as first:
        joined = await ask(first, "join", topic="chat:a")
        epoch, offset = joined["epoch"], joined["offset"]
        streaming = asyncio.create_task(stream())
        results = await asyncio.gather(*(wander(number) for number in range(6)), numbers(first, last))
        await streaming

    assert all(result == list(range(last + 1)) for result in results)
    await buses["default"].aclose()


async def test_a_server_that_stops_sends_its_pages_away_and_they_miss_nothing(serve: Any) -> None:
    one, two = serve("uvicorn"), serve("uvicorn")
    async with page(one) as ada:
        joined = await ask(ada, "join", topic="chat:a")
        await asyncio.to_thread(one.stop, signal.SIGTERM)
        code, _ = await closed(ada)
    async with page(two) as bob:
        await ask(bob, "join", topic="chat:a")
        await ask(bob, "publish", topic="chat:a", data={"n": 1})
        one.start()
        async with page(one) as ada:
            again = await ask(ada, "join", topic="chat:a", epoch=joined["epoch"], offset=joined["offset"])

    assert code == 1012
    assert again["recovered"] is True
    assert [event["data"]["n"] for event in again["messages"]] == [1]
    assert "Traceback" not in one.log.read_text()


async def test_a_slow_reader_is_closed_and_the_others_do_not_wait(serve: Any, bus_settings: Any, channel: Any) -> None:
    server = serve("uvicorn", RELAY={"queue": 50})
    chat = channel("chat:{room}", history=1000)
    slow_socket = socket.socket()
    slow_socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow_socket.connect(("127.0.0.1", server.port))
    slow_socket.setblocking(False)
    async with (
        connect(server.url, sock=slow_socket, origin=ORIGIN, compression=None, max_queue=1, ping_interval=None) as slow,
        page(server) as good,
    ):
        await slow.recv()
        joined = await ask(slow, "join", topic="chat:a")
        await ask(good, "join", topic="chat:a")
        hearing = asyncio.create_task(numbers(good, 600))
        for number in range(601):
            await chat(room="a").apublish({"n": number, "text": "x" * 10_000})
        assert await hearing == list(range(601))

        assert await closed(slow) == (4408, "resume")
    async with page(server) as slow:
        again = await ask(slow, "join", topic="chat:a", epoch=joined["epoch"], offset=joined["offset"])

    assert again["recovered"] is False  # 601 of such a size are more than one answer holds
    await buses["default"].aclose()


async def test_a_room_that_everybody_has_left_is_left_on_redis_too(serve: Any, server: Any, prefix: str) -> None:
    relay = serve("uvicorn")
    name = f"{prefix}:chat:a"
    client = server.client()
    async with page(relay) as ada, page(relay) as bob:
        for each in (ada, bob):
            await ask(each, "join", topic="chat:a")
        assert client.pubsub_numsub(name) == [(name.encode(), 1)]
        await ask(ada, "leave", topic="chat:a")
        await ask(bob, "leave", topic="chat:a")
        assert (await ask(ada, "join", topic="chat:a"))["do"] == "joined"

    await eventually(lambda: client.pubsub_numsub(name) == [(name.encode(), 0)], within_s=15)
