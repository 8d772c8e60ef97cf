"""Publishing to channels of a server that is full, frozen, gone, or refuses: one result each, and the truth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django_redis_bus.core.events import LIVE_ONLY
from django_redis_bus.core.exceptions import AccessRefused, BusError, OutOfMemory, PublishError, Unavailable
from django_redis_bus.core.keys import ChannelKeys
from django_redis_bus.transport.publish import CHUNK, Appended, Cast, append
from tests.servers import Server
from tests.transport.appending import Connect, colours, entry, programs, put
from tests.transport.casting import KEPT, Ear, full, history, live, numbers


@colours
@programs
async def test_a_full_server_publishes_what_is_not_kept(
    own_server: Callable[..., Server], prefix: str, clients_of: Connect, colour: str, program: str
) -> None:
    server = own_server(program, aof=False, maxmemory="8mb")
    ear = Ear(server, f"{prefix}:c", f"{prefix}:d")
    full(server)

    found = await put(
        clients_of(server),
        [live(prefix, 1), live(prefix, 2, channel="d", keeping=KEPT), live(prefix, 3, channel="d")],
        colour,
    )

    # Then what would have to be kept is not published either, nor what comes after it in the same channel
    assert found[0] == Cast(1)
    assert [type(f) for f in found[1:]] == [OutOfMemory] * 2
    assert "is full" in str(found[1])
    assert numbers(ear.heard(1)) == [1]


@colours
async def test_a_user_without_the_channel_is_told_and_nothing_is_kept(
    own_server: Callable[..., Server], prefix: str, clients_of: Connect, colour: str
) -> None:
    server = own_server(aof=False)
    server.client().execute_command("ACL", "SETUSER", "default", "resetchannels", f"&{prefix}:open")
    what = [
        live(prefix, 1),
        live(prefix, 2, channel="open"),
        live(prefix, 3, channel="d", keeping=KEPT),
        live(prefix, 4, channel="d", keeping=KEPT),
        entry(prefix, 5),
        *(live(prefix, n, channel="open") for n in range(CHUNK)),
    ]

    found = await put(clients_of(server), what, colour)

    assert [type(f) for f in found[:5]] == [AccessRefused, Cast, AccessRefused, AccessRefused, Appended]
    assert {type(f) for f in found[5:]} == {Cast}
    assert history(server, prefix, "d") == []
    assert server.client().hgetall(ChannelKeys(f"{prefix}:d").live) == {}


def test_a_key_of_another_type_is_told(any_server: Server, prefix: str, clients_of: Connect) -> None:
    client = any_server.client()
    client.set(ChannelKeys(f"{prefix}:a").live, "x")
    client.set(ChannelKeys(f"{prefix}:b").history, "x")
    client.hset(ChannelKeys(f"{prefix}:b").live, mapping={"epoch": "e", "n": "4"})
    what = [live(prefix, n, channel="abc"[n], keeping=KEPT) for n in range(3)]

    found = append(clients_of(any_server), what, window_s=None, deadline_s=5.0)

    assert [type(f) for f in found] == [PublishError, PublishError, Cast]
    assert all("WRONGTYPE" in str(f) for f in found[:2])


@colours
async def test_the_script_is_sent_where_the_server_has_forgotten_it(
    own_server: Callable[..., Server], prefix: str, clients_of: Connect, colour: str
) -> None:
    server = own_server(aof=False)
    clients = clients_of(server)
    ear = Ear(server, f"{prefix}:c")
    for n in range(3):
        server.client().script_flush()
        [found] = await put(clients, [live(prefix, n, keeping=KEPT)], colour)
        assert isinstance(found, Cast)
    assert numbers(ear.heard(3)) == [0, 1, 2]


@colours
async def test_a_frozen_server_is_given_up_in_time(
    own_server: Callable[..., Server], prefix: str, clients_of: Connect, colour: str
) -> None:
    server = own_server(aof=False)
    clients = clients_of(server)
    append(clients, [live(prefix, 0)], window_s=None, deadline_s=5.0)
    server.freeze()
    try:
        what = [live(prefix, 1), live(prefix, 2, keeping=KEPT), entry(prefix, 3)]
        found: list[Any] = list(await put(clients, what, colour, deadline_s=0.2))
    finally:
        server.thaw()
    assert [type(f) for f in found] == [Unavailable] * 3
    assert not any(f.token for f in found[:2])


@colours
async def test_a_server_that_ends_in_the_midst_leaves_a_result_for_each(
    own_server: Callable[..., Server], prefix: str, clients_of: Connect, colour: str
) -> None:
    server = own_server(aof=False)
    clients = clients_of(server)
    append(clients, [live(prefix, 0)], window_s=None, deadline_s=5.0)
    server.kill()
    found = await put(
        clients, [live(prefix, n, keeping=KEPT if n % 2 else LIVE_ONLY) for n in range(CHUNK + 5)], colour
    )
    assert len(found) == CHUNK + 5
    assert all(isinstance(f, BusError) for f in found)
