"""What waits for one socket."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from django_redis_bus.relay.outgoing import FEW_CHARACTERS, MOST_CHARACTERS, Outgoing


class Wire:
    """An ASGI server's send, which a test may block."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.flows = asyncio.Event()
        self.flows.set()
        self.overflows = 0

    async def send(self, message: Any) -> None:
        await self.flows.wait()
        self.sent.append(message)

    def overflowed(self) -> None:
        self.overflows += 1


def numbered(count: int) -> list[dict[str, Any]]:
    return [{"n": number} for number in range(count)]


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_messages_leave_in_order() -> None:
    wire = Wire()
    outgoing = Outgoing(wire.send, most=10, overflowed=wire.overflowed)
    for message in numbered(3):
        outgoing.put(message)
    await turns()
    outgoing.put_text("hello")
    await turns()

    assert wire.sent == [*numbered(3), {"type": "websocket.send", "text": "hello"}]
    outgoing.close()


async def test_a_burst_in_one_turn_is_no_slow_reader() -> None:
    wire = Wire()
    outgoing = Outgoing(wire.send, most=10, overflowed=wire.overflowed)
    await turns()
    for message in numbered(1_000):
        outgoing.put(message)
    await turns()

    assert wire.overflows == 0
    assert wire.sent == numbered(1_000)
    outgoing.close()


async def test_who_does_not_read_overflows_with_one_too_many() -> None:
    wire = Wire()
    wire.flows.clear()
    outgoing = Outgoing(wire.send, most=10, overflowed=wire.overflowed)
    for message in numbered(11):  # one is being sent
        outgoing.put(message)
        await turns()
    assert wire.overflows == 0

    outgoing.put({})
    await turns()

    assert wire.overflows == 1
    outgoing.close()


async def test_after_the_end_nothing_is_sent() -> None:
    wire = Wire()
    outgoing = Outgoing(wire.send, most=10, overflowed=wire.overflowed)
    outgoing.put({"n": 1})
    outgoing.close()
    outgoing.put({"n": 2})
    await turns()

    assert wire.sent == []
    assert len(outgoing) == 0


async def test_a_few_long_frames_overflow_as_many_short_ones_do() -> None:
    wire = Wire()
    wire.flows.clear()
    outgoing = Outgoing(wire.send, most=100, overflowed=wire.overflowed)
    for _ in range(4):
        outgoing.put_text("x" * (MOST_CHARACTERS // 4))
        await turns()
    assert wire.overflows == 0

    outgoing.put_text("x")
    await turns()

    assert wire.overflows == 1
    outgoing.close()


async def test_what_was_sent_is_not_counted_any_more() -> None:
    wire = Wire()
    outgoing = Outgoing(wire.send, most=100, overflowed=wire.overflowed)
    for _ in range(10):
        outgoing.put_text("x" * (MOST_CHARACTERS // 4))
        await turns()

    assert (wire.overflows, outgoing.characters) == (0, 0)
    outgoing.close()


@pytest.mark.parametrize("end", ["sent", "closed"])
async def test_who_wants_to_add_something_large_waits_until_little_is_left(end: str) -> None:
    wire = Wire()
    wire.flows.clear()
    outgoing = Outgoing(wire.send, most=100, overflowed=wire.overflowed)
    outgoing.put_text("x" * FEW_CHARACTERS)
    await asyncio.wait_for(outgoing.almost_sent(), 1)
    outgoing.put_text("x")

    waits = [asyncio.create_task(outgoing.almost_sent()) for _ in range(2)]
    await turns()
    assert not any(each.done() for each in waits)
    if end == "sent":
        wire.flows.set()
    else:
        outgoing.close()
    await turns()

    assert all(each.done() for each in waits)
    outgoing.close()
