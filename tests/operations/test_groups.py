"""The groups of a stream: how far behind, who is in them, what is paused and what waits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from django_redis_bus.operations.groups import GroupReport
from django_redis_bus.operations.pausing import pause
from django_redis_bus.operations.streams import StreamReport, named, stream
from django_redis_bus.operations.values import Count
from tests.operations.seeing import HOSTILE, Scene

Declare = Callable[..., Any]
MINUTE_MS = 60_000


def group_of(report: StreamReport, name: str = "billing") -> GroupReport:
    return next(group for group in report.groups if group.name == name)


# --- groups: how far behind


def test_a_group_tells_what_is_unread_and_what_is_pending(scene: Scene) -> None:
    scene.add(3, ago_ms=2 * MINUTE_MS)
    scene.add(7, ago_ms=MINUTE_MS)
    scene.group(read=4)

    group = group_of(stream(scene.asking(), "events:order"))

    assert (group.exists, group.pending, group.unread, group.behind) == (True, 4, Count(6), Count(10))
    assert group.oldest_s is not None
    assert 120 <= group.oldest_s < 130
    assert group.last_delivered


def test_a_group_that_is_up_to_date_has_no_oldest_event(scene: Scene) -> None:
    ids = scene.add(3, ago_ms=MINUTE_MS)
    scene.group(read=3)
    scene.client.xack(scene.key(), "billing", *ids)

    report = stream(scene.asking(), "events:order")

    assert (group_of(report).behind, group_of(report).oldest_s, report.oldest_s) == (Count(0), None, None)


def test_what_redis_does_not_know_is_counted(scene: Scene) -> None:
    ids = scene.add(30)
    scene.group(start=ids[4])
    scene.client.xdel(scene.key(), ids[10])
    assert scene.client.xinfo_groups(scene.key())[0]["lag"] is None

    assert group_of(stream(scene.asking(), "events:order")).unread == Count(24)


@pytest.mark.parametrize(("whole", "bound"), [(False, 1_000), (True, 10_000)])
def test_counting_has_a_bound(scene: Scene, whole: bool, bound: int) -> None:
    first = scene.add()[0]
    fill = "for i = 1, 12000 do redis.call('XADD', KEYS[1], '*', 'n', i) end"
    scene.client.eval(fill, 1, scene.key())
    scene.client.xdel(scene.key(), scene.add()[0])
    for name in ("a", "b"):
        scene.group(name, start=first)

    report = stream(scene.asking(), "events:order") if whole else named(scene.asking(), ["events:order"])[0]

    assert [group.unread for group in report.groups] == [Count(bound, at_least=True)] * 2
    assert str(report.groups[0].behind) == f"≥ {bound:,}"


def test_counting_for_many_groups_has_one_bound(scene: Scene) -> None:
    first = scene.add()[0]
    scene.client.eval("for i = 1, 3000 do redis.call('XADD', KEYS[1], '*', 'n', i) end", 1, scene.key())
    scene.client.xdel(scene.key(), scene.add()[0])
    for n in range(5):
        scene.group(str(n), start=first)

    [report] = named(scene.asking(), ["events:order"])

    assert [group.unread.at_least for group in report.groups] == [True] * 5
    assert sum(group.unread.number for group in report.groups) == 2_000


def test_counting_large_entries_ends_sooner(scene: Scene) -> None:
    first = scene.add()[0]
    fill = "for i = 1, 30 do redis.call('XADD', KEYS[1], '*', 'x', string.rep('x', 500000)) end"
    scene.client.eval(fill, 1, scene.key())
    scene.client.xdel(scene.key(), scene.add()[0])
    scene.group(start=first)

    unread = group_of(stream(scene.asking(), "events:order")).unread

    assert unread.at_least
    assert 5 <= unread.number <= 20


def test_ids_of_the_future_have_no_age(scene: Scene) -> None:
    scene.client.xadd(scene.key(), {"n": 1}, id="99999999999999-1")
    scene.client.xadd(scene.key(), {"n": 1})
    scene.group()

    report = stream(scene.asking(), "events:order")

    assert (group_of(report).oldest_s, report.per_s) == (0.0, None)
    assert report.last_id == "99999999999999-2"


# --- groups: theirs and ours


def test_groups_of_other_programs_and_those_that_nobody_has_made_are_both_shown(scene: Scene, declare: Declare) -> None:
    orders = declare("events:order")

    @orders.handler(group="mail", types=["b", "a"], idempotent=False)
    def send(event: Any) -> None: ...

    scene.add(3, ago_ms=MINUTE_MS)
    scene.group("theirs")

    mail, theirs = stream(scene.asking(), "events:order").groups

    assert (mail.name, mail.exists, mail.unread) == ("mail", False, Count(3))
    # Not up to date: all that is there waits for it.
    assert mail.oldest_s is not None
    assert 60 <= mail.oldest_s < 70
    assert [(handler.name.rpartition(".")[2], handler.types) for handler in mail.handlers] == [("send", ("a", "b"))]
    assert (theirs.name, theirs.exists, theirs.handlers) == ("theirs", True, ())


def test_what_is_paused_is_shown(scene: Scene, declare: Declare) -> None:
    orders = declare("events:order")

    @orders.handler(group="billing")
    def charge(event: Any) -> None: ...

    scene.add()
    scene.group()
    name = f"{charge.__module__}.{charge.__qualname__}"
    pause(scene.asking(), "events:order", "billing", by="ann", why="invoices")
    pause(scene.asking(), "events:order", "billing", name, by="bob")
    scene.client.hset(scene.keys().paused, "by-hand", b"\xff")

    group = group_of(stream(scene.asking(), "events:order"))

    assert group.pause is not None
    assert (group.pause.by, group.pause.why) == ("ann", "invoices")
    assert group.handlers[0].pause is not None
    assert group.handlers[0].pause.by == "bob"


def test_retries_are_counted_with_the_keys_that_wait(scene: Scene, declare: Declare) -> None:
    declare("events:order")
    ids = [scene.publish({"n": n}, key=f"k{n % 3}") for n in range(30)]
    scene.group(read=30)
    now = scene.now_ms()
    scene.client.zadd(scene.keys("billing").retry, {e: now + 1000 * (n - 5) for n, e in enumerate(ids)})

    group = group_of(stream(scene.asking(), "events:order"))
    short = group_of(named(scene.asking(), ["events:order"])[0])

    assert (group.retrying, group.keys) == (30, ("k0", "k1", "k2"))
    assert 6 <= group.due <= 12
    assert group.next_s is not None
    assert -10 < group.next_s <= -5
    assert (short.retrying, short.keys, short.consumers) == (30, (), ())


def test_names_that_are_hostile_break_nothing(scene: Scene) -> None:
    scene.add(1, HOSTILE)
    scene.group("\x1b[2Jgroup", HOSTILE, read=1, consumer=HOSTILE)
    scene.client.xgroup_create(scene.key(HOSTILE), b"\xff\xfe", "0")
    scene.client.hset(scene.keys("\x1b[2Jgroup", HOSTILE).replay, mapping={"since": "x", "done": "many"})

    [found] = named(scene.asking(), [HOSTILE])

    assert [group.name for group in found.groups] == ["\x1b[2Jgroup", "��"]
    assert found.groups[0].replay is not None  # it can be cancelled
