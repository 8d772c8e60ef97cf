"""Publishing to channels: one result each, in order; what is kept is what was heard."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from django_redis_bus.core.events import LIVE_ONLY, Keeping
from django_redis_bus.core.keys import ChannelKeys
from django_redis_bus.core.live import offset_of
from django_redis_bus.transport.casting import PER_SCRIPT
from django_redis_bus.transport.publish import CHUNK, CHUNK_BYTES, Appended, Cast, Entry, Live, append
from tests.servers import Server
from tests.transport.appending import Connect, colours, entry, put, stored
from tests.transport.casting import KEPT, Ear, history, live, numbers


@colours
async def test_what_is_not_kept_is_published_as_it_is(
    any_server: Server, prefix: str, clients_of: Connect, colour: str
) -> None:
    ear = Ear(any_server, f"{prefix}:c")
    for count in (1, 2, CHUNK + 7):
        what = [live(prefix, n) for n in range(count)]

        found = await put(clients_of(any_server), what, colour)

        assert found == [Cast(1)] * count
        assert ear.heard(count) == [each.data for each in what]
    assert any_server.client().keys(f"*{prefix}*") == []


@colours
async def test_nobody_hears_it(any_server: Server, prefix: str, clients_of: Connect, colour: str) -> None:
    [found] = await put(clients_of(any_server), [live(prefix, 1)], colour)
    assert found == Cast(0)


@colours
async def test_what_is_kept_says_where_it_stands(
    any_server: Server, prefix: str, clients_of: Connect, colour: str
) -> None:
    # Given one message, then more than a script takes
    ear, count = Ear(any_server, f"{prefix}:c"), 2 * PER_SCRIPT + 3
    clients = clients_of(any_server)

    [first] = await put(clients, [live(prefix, 0, keeping=KEPT)], colour)
    rest = await put(clients, [live(prefix, n, keeping=KEPT) for n in range(1, count)], colour)

    # Then they are heard in order, each with its place, and the very same bytes are kept under it
    heard = ear.heard(count)
    assert numbers(heard) == list(range(count))
    found = [each for each in (first, *rest) if isinstance(each, Cast)]
    assert [offset_of(raw) for raw in heard] == [(each.epoch, each.offset) for each in found]
    assert [int(str(each.offset).partition("-")[0]) for each in found] == list(range(1, count + 1))
    assert {each.epoch for each in found} == {found[0].epoch}
    assert history(any_server, prefix) == [(str(f.offset).encode(), raw) for f, raw in zip(found, heard, strict=True)]
    client, keys = any_server.client(), ChannelKeys(f"{prefix}:c")
    assert client.hgetall(keys.live) == {b"epoch": str(found[0].epoch).encode(), b"n": str(count).encode()}
    assert all(50_000 < client.pttl(key) <= 60_000 for key in (keys.live, keys.history))


def test_exactly_the_newest_are_kept(any_server: Server, prefix: str, clients_of: Connect) -> None:
    clients = clients_of(any_server)
    for n in range(250):
        append(clients, [live(prefix, n, keeping=Keeping(100, 60_000))], window_s=None, deadline_s=5.0)
    assert numbers([raw for _, raw in history(any_server, prefix)]) == list(range(150, 250))


def test_the_random_part_differs(any_server: Server, prefix: str, clients_of: Connect) -> None:
    # A number that is used again after a loss must be another offset, in each process and batch.
    found = append(
        clients_of(any_server), [live(prefix, n, keeping=KEPT) for n in range(50)], window_s=None, deadline_s=5.0
    )
    parts = {int(str(each.offset).partition("-")[2]) for each in found if isinstance(each, Cast)}
    assert len(parts) == 50
    assert all(0 < part < 2**31 for part in parts)


@colours
async def test_what_is_said_in_passing_keeps_its_place_and_no_number(
    any_server: Server, prefix: str, clients_of: Connect, colour: str
) -> None:
    ear = Ear(any_server, f"{prefix}:c")
    what = [live(prefix, n, keeping=LIVE_ONLY if n % 2 else KEPT) for n in range(6)]

    found = await put(clients_of(any_server), what, colour)

    heard = ear.heard(6)
    assert numbers(heard) == list(range(6))
    assert [heard[n] for n in (1, 3, 5)] == [what[n].data for n in (1, 3, 5)]
    assert [f.offset is None for f in found if isinstance(f, Cast)] == [False, True] * 3
    assert [i.partition(b"-")[0] for i, _ in history(any_server, prefix)] == [b"1", b"2", b"3"]


@colours
async def test_streams_and_channels_go_together(
    any_server: Server, prefix: str, clients_of: Connect, colour: str
) -> None:
    # Given two streams, a channel without and two with a history, mixed
    kinds: list[Callable[[int], Entry | Live]] = [
        lambda n: entry(prefix, n, stream="a"),
        lambda n: live(prefix, n, channel="x"),
        lambda n: entry(prefix, n, stream="b", once=True),
        lambda n: live(prefix, n, channel="y", keeping=KEPT),
        lambda n: live(prefix, n, channel="z", keeping=KEPT),
    ]
    what = [kinds[n % 5](n) for n in range(50)]
    ears = {name: Ear(any_server, f"{prefix}:{name}") for name in "xyz"}
    clients = clients_of(any_server)
    await put(clients, what[:5], colour)  # the scripts are known now
    for ear in ears.values():
        ear.heard(1)

    found = await put(clients, what[5:], colour)

    assert [type(f) for f in found] == [Cast if isinstance(each, Live) else Appended for each in what[5:]]
    for place, stream in ((0, "a"), (2, "b")):
        assert stored(any_server.client(), prefix, stream) == list(range(place, 50, 5))
    for place, channel in ((1, "x"), (3, "y"), (4, "z")):
        assert numbers(ears[channel].heard(9)) == list(range(place + 5, 50, 5))
        assert (len(history(any_server, prefix, channel)) == 10) is (channel != "x")


def test_one_round_trip_takes_them_all(server: Server, prefix: str, clients_of: Connect, monkeypatch: Any) -> None:
    clients = clients_of(server)
    what = [
        *(entry(prefix, n) for n in range(20)),
        *(live(prefix, n, channel=f"c{n}") for n in range(20)),
        *(live(prefix, n, channel="kept", keeping=KEPT) for n in range(20)),
    ]
    append(clients, what, window_s=None, deadline_s=5.0)
    connection = clients.publishing().take()
    exchanged: list[int] = []
    exchange = type(connection).exchange

    def counting(self: Any, pieces: Any, count: int, replies: list[Any]) -> None:
        exchanged.append(count)
        exchange(self, pieces, count, replies)

    monkeypatch.setattr(type(connection), "exchange", counting)
    clients.publishing().give(connection)

    append(clients, what, window_s=None, deadline_s=5.0)

    # MULTI, 20 XADD, EXEC; 20 PUBLISH; one script
    assert exchanged == [22 + 20 + 1]


def test_a_new_epoch_begins_where_the_number_is_unknown(any_server: Server, prefix: str, clients_of: Connect) -> None:
    clients, client, keys = clients_of(any_server), any_server.client(), ChannelKeys(f"{prefix}:c")

    def publish(*ns: int) -> list[Any]:
        what = [live(prefix, n, keeping=KEPT) for n in ns]
        return list(append(clients, what, window_s=None, deadline_s=5.0))

    [first] = publish(1)
    # When the number is gone (expired, flushed), the history goes with it
    client.delete(keys.live)
    second, third = publish(2, 3)
    assert first.epoch != second.epoch == third.epoch
    assert [f.offset.partition("-")[0] for f in (second, third)] == ["1", "2"]
    assert numbers([raw for _, raw in history(any_server, prefix)]) == [2, 3]
    # When somebody sets it back, too: else an offset would be given twice
    client.hset(keys.live, "n", "0")
    fourth, fifth = publish(4, 5)
    assert second.epoch != fourth.epoch == fifth.epoch
    assert client.hget(keys.live, "epoch") == fourth.epoch.encode()
    assert numbers([raw for _, raw in history(any_server, prefix)]) == [4, 5]
    # When the history alone is gone, the numbers go on
    client.delete(keys.history)
    [sixth] = publish(6)
    assert (sixth.epoch, sixth.offset.partition("-")[0]) == (fourth.epoch, "3")


@colours
async def test_large_messages_leave_in_several_pieces(
    any_server: Server, prefix: str, clients_of: Connect, colour: str
) -> None:
    text = b'{"data":"%s"}' % (b"x" * (CHUNK_BYTES // 3))
    what = [
        Live(f"{prefix}:{channel}", text, keeping)
        for channel, keeping in (("c", LIVE_ONLY), ("d", KEPT))
        for _ in "abcde"
    ]
    found = await put(clients_of(any_server), what, colour, deadline_s=30.0)
    assert [type(f) for f in found] == [Cast] * 10
    assert [i.partition(b"-")[0] for i, _ in history(any_server, prefix, "d")] == [b"1", b"2", b"3", b"4", b"5"]


@pytest.mark.parametrize("bytes_", [b'{"data":"\\u0000%s %d"}', '{"data":"ü\U0001f600"}'.encode()])
def test_what_stands_in_the_data_is_not_touched(
    any_server: Server, prefix: str, clients_of: Connect, bytes_: bytes
) -> None:
    ear = Ear(any_server, f"{prefix}:c")
    append(clients_of(any_server), [Live(f"{prefix}:c", bytes_, KEPT)], window_s=None, deadline_s=5.0)
    [heard] = ear.heard(1)
    assert heard.startswith(bytes_[:-1])
    assert json.loads(heard)["data"] == json.loads(bytes_)["data"]
