"""bus.live.attach: what is heard, by whom, how often, and what Redis is asked for it."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from typing import Any

import pytest
import redis

from django_redis_bus import Bus, buses
from tests.listening.conftest import Ear, Publish, until
from tests.servers import Server


def asked(client: redis.Redis, prefix: str) -> tuple[list[str], list[int]]:
    """What the server knows: our channels, and how many clients have them."""
    names = sorted(client.pubsub_channels(f"{prefix}:*"))
    return [n.decode().partition(":")[2] for n in names], [count for _, count in client.pubsub_numsub(*names)]


async def test_a_name_and_a_pattern_are_heard_from_then_on(bus: Bus, publish: Publish) -> None:
    ear = Ear(bus)
    await ear.attach("chat:lobby", patterns=["user:*"])

    await publish("chat:lobby", "a")
    await publish("chat:other", "b")
    await publish("user:7", "c")

    await until(lambda: len(ear.heard) == 2)
    assert ear.heard == ["chat:lobby=a", "user:7=c"]
    assert ear.patterns == [None, "user:*"]


async def test_overlapping_names_and_patterns_give_each_message_once(bus: Bus, publish: Publish) -> None:
    ear = Ear(bus)
    await ear.attach("chat:lobby", patterns=["chat:*", "*:lobby", "c*"])

    await publish("chat:lobby", "a")
    await publish("chat:x", "b")
    await publish("x:lobby", "c")
    await publish("cx", "d")

    await until(lambda: len(ear.heard) == 4)
    await publish("chat:lobby", "end")
    await until(lambda: ear.heard[-1] == "chat:lobby=end")
    assert ear.heard == ["chat:lobby=a", "chat:x=b", "x:lobby=c", "cx=d", "chat:lobby=end"]
    assert ear.patterns[:4] == [None, "chat:*", "*:lobby", "c*"]


async def test_each_attachment_gets_it_by_its_own_subscription(bus: Bus, publish: Publish) -> None:
    one, two, three = Ear(bus), Ear(bus), Ear(bus)
    await one.attach("chat:lobby")
    await two.attach(patterns=["chat:*"])
    await three.attach("chat:lobby", patterns=["chat:*"])

    await publish("chat:lobby", "a")

    await until(lambda: one.heard and two.heard and three.heard)
    await asyncio.sleep(0.05)
    assert one.heard == two.heard == three.heard == ["chat:lobby=a"]


async def test_redis_hears_of_the_first_and_the_last_only(bus: Bus, redis_client: redis.Redis, prefix: str) -> None:
    monitor = redis_client.client_list
    ears = [Ear(bus) for _ in range(3)]
    attached = [await ear.attach("chat:lobby", "chat:x") for ear in ears]
    assert asked(redis_client, prefix) == (["chat:lobby", "chat:x"], [1, 1])
    # One connection, whatever the number of attachments
    assert sum(c["sub"] == "2" for c in monitor()) == 1

    await attached[0].close()
    await attached[1].close()
    assert asked(redis_client, prefix) == (["chat:lobby", "chat:x"], [1, 1])

    await attached[2].close()
    await attached[2].close()
    await until(lambda: asked(redis_client, prefix) == ([], []))


async def test_a_name_that_nobody_wants_any_more_is_given_up(
    bus: Bus, publish: Publish, redis_client: redis.Redis, prefix: str
) -> None:
    stays, goes = Ear(bus), Ear(bus)
    await stays.attach("a")
    going = await goes.attach("a", "b", patterns=["c*"])

    await going.close()
    await until(lambda: asked(redis_client, prefix) == (["a"], [1]))
    await publish("a", "x")

    await until(lambda: stays.heard == ["a=x"])
    assert goes.heard == []


async def test_given_up_and_wanted_again_at_once(bus: Bus, publish: Publish) -> None:
    stays, ear = Ear(bus), Ear(bus)
    await stays.attach("other")
    for n in range(20):
        attached = await ear.attach("a")
        await publish("a", str(n))
        await until(lambda n=n: ear.heard[-1:] == [f"a={n}"])  # type: ignore[misc]
        await attached.close()
    assert len(ear.heard) == 20
    assert bus.live.counts["reconnects"] == 0


async def test_many_at_once(bus: Bus, publish: Publish, redis_client: redis.Redis, prefix: str) -> None:
    ears = [Ear(bus) for _ in range(200)]
    attached = await asyncio.gather(*(ear.attach(f"room:{n}", "all") for n, ear in enumerate(ears)))

    await publish("all", "x")
    await publish("room:7", "y")

    await until(lambda: all(ear.heard for ear in ears))
    await until(lambda: ears[7].heard == ["all=x", "room:7=y"])
    await asyncio.gather(*(each.close() for each in attached))
    await until(lambda: asked(redis_client, prefix) == ([], []))


async def test_names_are_taken_literally(bus: Bus, publish: Publish) -> None:
    # Given a room called by a user what would be a pattern
    ear = Ear(bus)
    await ear.attach("chat:*", "chat:[a-z]")

    await publish("chat:lobby", "secret")
    await publish("chat:*", "mine")

    await until(lambda: ear.heard)
    assert ear.heard == ["chat:*=mine"]


async def test_raw_names_have_no_prefix(bus: Bus, publish: Publish, prefix: str) -> None:
    ear = Ear(bus)
    await ear.attach(f"{prefix}-a", patterns=[f"{prefix}-b*"], raw=True)

    await publish(f"{prefix}-a", "1", raw=True)
    await publish(f"{prefix}-bc", "2", raw=True)

    await until(lambda: len(ear.heard) == 2)
    assert ear.heard == [f"{prefix}-a=1", f"{prefix}-bc=2"]


async def test_keyspace_notifications(own_server: Callable[..., Server], bus_settings: Callable[..., None]) -> None:
    server = own_server(aof=False)
    server.client().config_set("notify-keyspace-events", "KEA")
    bus_settings(LOCATION=server.url)
    ear = Ear(buses["default"])
    await ear.attach("__keyevent@0__:del", patterns=["__keyspace@0__:shop:*"])

    server.client().set("shop:x", "1")
    server.client().delete("shop:x")

    await until(lambda: len(ear.heard) == 3)
    assert ear.heard == ["__keyspace@0__:shop:x=set", "__keyspace@0__:shop:x=del", "__keyevent@0__:del=shop:x"]
    await buses["default"].aclose()


async def test_names_that_are_no_text(bus: Bus, prefix: str, redis_client: redis.Redis) -> None:
    ear = Ear(bus)
    await ear.attach(patterns=["a*"])

    redis_client.publish(f"{prefix}:a".encode() + b"\xff", "x")

    await until(lambda: ear.heard == ["a\\xff=x"])


async def test_accepts_limits_a_pattern_and_is_asked_once(bus: Bus, publish: Publish) -> None:
    ear = Ear(bus)
    questions: list[str] = []

    def is_short(topic: str) -> bool:
        questions.append(topic)
        return len(topic) < 8

    await ear.attach(patterns=["chat:*", "chat:long*"], accepts={"chat:*": is_short})
    await publish("chat:a", "1", "2")
    await publish("chat:longer", "3")
    await publish("chat:other-one", "4")
    await publish("chat:b", "5")

    await until(lambda: "chat:b=5" in ear.heard)
    assert ear.heard == ["chat:a=1", "chat:a=2", "chat:longer=3", "chat:b=5"]
    assert questions.count("chat:a") == 1


async def test_nothing_to_attach_to_is_a_mistake(bus: Bus) -> None:
    with pytest.raises(ValueError, match="at least one"):
        await bus.live.attach(on_message=lambda *message: None)


async def test_a_callback_that_fails_hurts_nobody(bus: Bus, publish: Publish, caplog: pytest.LogCaptureFixture) -> None:
    def fail(*message: Any) -> None:
        raise ValueError("no")

    ear = Ear(bus)
    await bus.live.attach(channels=["a"], on_message=fail)
    await ear.attach("a")

    await publish("a", "1", "2")

    await until(lambda: ear.heard == ["a=1", "a=2"])
    assert bus.live.counts["failed"] == 2
    assert "A message of a could not be passed on" in caplog.text


# --- the event loop and the process


def test_each_event_loop_has_its_own(bus_settings: Callable[..., None], prefix: str, redis_client: redis.Redis) -> None:
    async def once(n: int) -> list[Any]:
        bus = buses["default"]
        ear = Ear(bus)
        await ear.attach("a")
        redis_client.publish(f"{prefix}:a", str(n))
        await until(lambda: ear.heard)
        return ear.heard

    # asyncio.run cancels what listens, and that closes its connection: any warning would fail this test
    assert [asyncio.run(once(n)) for n in range(3)] == [["a=0"], ["a=1"], ["a=2"]]
    deadline = time.monotonic() + 5
    while asked(redis_client, prefix) != ([], []):
        assert time.monotonic() < deadline


async def test_a_child_process_does_not_use_it(bus: Bus) -> None:
    ear = Ear(bus)
    await ear.attach("a")
    heres = bus._heres
    assert heres is not None

    heres._pid = os.getpid() + 1  # as a fork would make it seem

    assert bus.live is not ear
    assert not bus.live.is_connected
    await heres.aclose(0.1)
