"""What waits for one socket."""

from __future__ import annotations

import asyncio
from typing import Any

from django_redis_bus.relay.outgoing import Outgoing


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
