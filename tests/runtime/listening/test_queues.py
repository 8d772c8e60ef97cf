"""What waits for a listener, and what becomes of what does not fit."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from django_redis_bus.core.gaps import Gap
from django_redis_bus.runtime.listening import queues
from django_redis_bus.runtime.listening.queues import ListenerQueue, queue_for

LOST = Gap(topics=("t",), reason="lost", seconds=1)


class Made:
    """A queue with what it works with."""

    def __init__(self, limit: int, overflow: Any) -> None:
        self.counts: Counter[str] = Counter()
        self.pressed: list[Any] = []
        self.queue: ListenerQueue = queue_for(
            ("t",), limit=limit, overflow=overflow, pressed=self.pressed, counts=self.counts
        )
        self.queue.event_s = 1.0  # a slow listener, for whom nobody waits

    def put(self, *names: str, topic: str = "t") -> None:
        for name in names:
            self.queue.put(topic, name.encode(), None)

    async def take(self, most: int = 100) -> list[str]:
        """What comes next: the data, or "<gap reason missed>"."""
        items = await asyncio.wait_for(self.queue.some(most), 5)
        return [f"<{item.reason} {item.missed}>" if isinstance(item, Gap) else item[1].decode() for item in items]


async def test_first_in_first_out() -> None:
    made = Made(10, "drop_oldest")
    made.put(*"abc")

    assert await made.take(2) == ["a", "b"]
    assert await made.take(2) == ["c"]


async def test_who_waits_is_woken() -> None:
    made = Made(10, "drop_oldest")
    waiting = asyncio.create_task(made.take())
    await asyncio.sleep(0)

    made.put("a", "b")

    assert await waiting == ["a", "b"]


async def test_a_gap_keeps_its_place() -> None:
    made = Made(10, "drop_oldest")
    made.put("a")
    made.queue.put_gap(LOST)
    made.queue.put_gap(LOST)
    made.put("b")

    assert await made.take() == ["a", "<lost None>", "b"]


async def test_drop_oldest_tells_before_what_is_left() -> None:
    made = Made(3, "drop_oldest")
    made.put(*"abcde")

    assert await made.take() == ["<overflow 2>", "c", "d", "e"]
    assert made.counts == {"dropped": 2, "gaps": 1}


async def test_drop_oldest_forgets_no_gap_that_stood_among_the_dropped() -> None:
    made = Made(2, "drop_oldest")
    made.queue.put_gap(LOST)
    made.put(*"abc")

    assert await made.take() == ["<lost None>", "b", "c"]
    assert made.counts["dropped"] == 1


async def test_a_queue_of_gaps_only_makes_room_without_a_loss() -> None:
    made = Made(1, "drop_oldest")
    made.queue.put_gap(LOST)
    made.put("a")

    assert await made.take() == ["<lost None>", "a"]
    assert made.counts["dropped"] == 0


async def test_drop_newest_tells_where_the_hole_is() -> None:
    made = Made(2, "drop_newest")
    made.put(*"abcd")
    assert await made.take(1) == ["a"]
    made.put("e")

    assert await made.take() == ["b", "<overflow 2>", "e"]
    assert made.counts == {"dropped": 2, "gaps": 1}


async def test_drop_newest_tells_at_the_end_if_nothing_comes_after() -> None:
    made = Made(2, "drop_newest")
    made.put(*"abcd")

    assert await made.take() == ["a", "b", "<overflow 2>"]


@pytest.mark.parametrize("overflow", ["drop_oldest", "drop_newest"])
async def test_one_who_stays_slow_is_told_now_and_then_and_of_all(
    overflow: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a clock of our own, and a listener that takes one message where ten come
    now = 100.0
    monkeypatch.setattr(queues, "monotonic", lambda: now)
    made = Made(5, overflow)
    said = []
    for _ in range(30):
        made.put(*"0123456789")
        said += await made.take(1)
        now += 0.1
    while made.queue._size():
        said += await made.take(1)

    # Then it is told about once a second, and each message is delivered or told of
    told = [int(text[10:-1]) for text in said if text.startswith("<overflow")]
    assert 3 <= len(told) <= 5
    assert sum(told) + len(said) - len(told) == 300
    assert made.counts["dropped"] == sum(told)


async def test_coalesce_keeps_the_newest_of_each_topic() -> None:
    made = Made(10, "coalesce")
    made.put("a1", topic="a")
    made.put("b1", topic="b")
    made.put("a2", "a3", topic="a")

    assert await made.take() == ["a3", "b1"]
    assert made.counts == {"coalesced": 2}


async def test_coalesce_puts_nothing_new_before_a_gap() -> None:
    made = Made(10, "coalesce")
    made.put("a1", topic="a")
    made.put("b1", topic="b")
    made.queue.put_gap(LOST)
    made.put("a2", topic="a")

    assert await made.take() == ["b1", "<lost None>", "a2"]


async def test_coalesce_drops_the_oldest_topic_beyond_its_limit() -> None:
    made = Made(2, "coalesce")
    for topic in "abc":
        made.put(f"{topic}1", topic=topic)

    assert await made.take() == ["<overflow 1>", "b1", "c1"]


async def test_topics_of_any_name_are_no_gaps() -> None:
    made = Made(5, "coalesce")
    made.put("x", topic="\0gap")

    assert await made.take() == ["x"]


# --- how the reading waits


async def test_the_reading_waits_for_one_that_is_fast() -> None:
    # Given a full queue of a listener that takes microseconds
    made = Made(4, "drop_oldest")
    made.queue.event_s = 1e-6
    made.put(*"abcd")
    assert made.pressed == [made.queue]

    # When the reading waits for it
    relief = asyncio.create_task(made.queue.relieved())
    await asyncio.sleep(0)
    assert not relief.done()
    await made.take(2)

    # Then it goes on when half is done, and nothing was dropped
    await asyncio.wait_for(relief, 1)
    made.put("e")
    assert await made.take() == ["c", "d", "e"]
    assert made.counts == {}


async def test_the_reading_waits_for_nobody_slow() -> None:
    made = Made(2, "drop_oldest")
    made.put("a", "b")

    await asyncio.wait_for(made.queue.relieved(), 0.01)
    made.pressed.clear()
    made.put("c")
    assert made.pressed == []  # it is not asked again, until it has caught up

    await made.take()
    made.put("d", "e")
    assert made.pressed == [made.queue]


async def test_the_reading_does_not_wait_for_ever() -> None:
    made = Made(2, "drop_oldest")
    made.queue.event_s = None  # nobody knows yet that it hangs in its first call
    made.put("a", "b")

    await asyncio.wait_for(made.queue.relieved(), 5)
    made.put("c")

    assert await made.take() == ["<overflow 1>", "b", "c"]


async def test_block_waits_however_long_it_takes() -> None:
    made = Made(2, "block")
    made.put("a", "b")
    relief = asyncio.create_task(made.queue.relieved())
    await asyncio.sleep(queues.GRACE_S * 2)
    assert not relief.done()

    await made.take(1)

    await asyncio.wait_for(relief, 1)
    assert made.counts == {}


@pytest.mark.parametrize("overflow", ["drop_oldest", "coalesce", "block"])
async def test_ended_it_lets_go_of_everybody(overflow: str) -> None:
    made = Made(1, overflow)
    waiting = asyncio.create_task(made.queue.some(1))
    await asyncio.sleep(0)
    made.put("a")
    made.queue.event_s = None
    made.put("b", topic="b")
    relief = asyncio.create_task(made.queue.relieved())
    await asyncio.sleep(0)

    made.queue.end()

    await asyncio.wait_for(relief, 1)
    await asyncio.wait_for(waiting, 1)
    made.put("c")
    assert await made.take() == []
