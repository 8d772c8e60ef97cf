"""Pending entries: what operators see of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from django_redis_bus.core.exceptions import GroupMissing
from django_redis_bus.operations import pending
from django_redis_bus.operations.pending import Match, PendingEntry
from django_redis_bus.operations.values import Count, Page
from tests.operations.scene import ALIVE, DEAD, Scene

ALL = Match()


def listed(scene: Scene, match: Match = ALL, *, payloads: bool = True, **options: Any) -> Page[PendingEntry]:
    return pending.listing(scene.asking(), scene.topic, scene.group, match, payloads=payloads, **options)


def ids(page: Page[PendingEntry]) -> list[str]:
    return [entry.entry_id for entry in page.items]


def counted(scene: Scene, match: Match = ALL, *, payloads: bool = True) -> Count:
    return pending.count(scene.asking(), scene.topic, scene.group, match, payloads=payloads)


def test_each_entry_has_its_state(scene: Scene) -> None:
    # Given one in each state, in the order of their ids
    [running] = scene.running()
    [waiting] = scene.waiting()
    [held] = scene.waiting(held=True)
    [dead] = scene.silent(idle_ms=100)
    [expired] = scene.silent(consumer=ALIVE, idle_ms=60_000)

    page = listed(scene)

    assert [(entry.entry_id, entry.state) for entry in page.items] == [
        (running, "running"), (waiting, "waiting"), (held, "held"), (dead, "silent"), (expired, "silent"),
    ]  # fmt: skip
    assert page.following is None
    for entry in page.items:
        assert ids(listed(scene, Match(state=entry.state)))[0] in (entry.entry_id, dead)


def test_an_old_heartbeat_is_none(scene: Scene) -> None:
    scene.beats("web-3", ago_ms=11_000)
    scene.read(1, "web-3")

    assert listed(scene).items[0].state == "silent"


def test_a_consumer_with_a_lease_of_its_own(scene: Scene) -> None:
    scene.beats("web-3", lease_ms=120_000)
    scene.silent(consumer="web-3", idle_ms=60_000)

    assert listed(scene).items[0].state == "running"


@pytest.mark.parametrize("record", [b"no json", b"[]", b'{"beat": "x"}', b'{"beat": null}', b"\xff"])
def test_a_record_that_is_none_is_no_heartbeat(scene: Scene, record: bytes) -> None:
    scene.client.hset(scene.keys.consumers, ALIVE, record)
    [entry_id] = scene.running()
    scene.client.hset(scene.keys.failures, entry_id, record)

    assert [(entry.state, entry.error) for entry in listed(scene).items] == [("silent", "")]


def test_all_that_is_known_of_one(scene: Scene) -> None:
    [entry_id] = scene.waiting(due_in_ms=60_000, error="ValueError: no such customer")
    note = scene.note(entry_id)
    assert note is not None
    scene.client.hset(scene.keys.failures, entry_id, json.dumps(note | {"crashes": 2}))

    [entry] = listed(scene).items

    assert (entry.consumer, entry.attempts, entry.crashes) == (ALIVE, 1, 2)
    assert (entry.error, entry.first_ms, entry.last_ms) == ("ValueError: no such customer", note["first"], note["last"])
    assert entry.next_s is not None
    assert 50 < entry.next_s <= 60
    assert entry.shown is not None
    assert (entry.shown.type, entry.shown.data) == ("shop.order.created", '{\n  "id": 0\n}')


def test_one_whose_payload_is_gone(scene: Scene) -> None:
    [entry_id] = scene.waiting()
    scene.trimmed(entry_id)

    assert [(entry.entry_id, entry.shown) for entry in listed(scene).items] == [(entry_id, None)]


def test_page_by_page(scene: Scene) -> None:
    made = scene.waiting(7)

    first = listed(scene, count=3)
    second = listed(scene, count=3, after=first.following)
    third = listed(scene, count=3, after=second.following)

    assert [ids(first), ids(second), ids(third)] == [made[:3], made[3:6], made[6:]]
    assert third.following is None
    assert listed(scene, count=7).following is None
    assert listed(scene, Match(state="waiting"), count=7).following is None


def test_a_filter_looks_at_so_many_and_goes_on_from_there(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pending, "LOOKED_AT", 40)
    monkeypatch.setattr(pending, "PAGE", 20)
    scene.waiting(50)
    [wanted] = scene.silent()

    first = listed(scene, Match(state="silent"))

    assert (first.items, first.looked_at, first.cut_short) == ((), 40, True)
    assert ids(listed(scene, Match(state="silent"), after=first.following)) == [wanted]


def test_filters(scene: Scene) -> None:
    waiting = scene.waiting(2, error="Timeout: the GATEWAY")
    other = scene.waiting(error="ValueError: no")
    silent = scene.silent(idle_ms=3_600_000)

    assert ids(listed(scene, Match(consumer=DEAD))) == silent
    assert ids(listed(scene, Match(state="waiting"))) == waiting + other
    assert ids(listed(scene, Match(idle_s=3_000))) == silent
    assert ids(listed(scene, Match(error="gateway"))) == waiting
    assert ids(listed(scene, Match(until=waiting[0]))) == waiting[:1]
    assert ids(listed(scene, Match(error="gateway", until=waiting[0]))) == waiting[:1]
    assert counted(scene, Match(error="gateway")) == Count(2)
    assert counted(scene, Match(until=waiting[0])) == Count(1)
    assert counted(scene, Match(until=silent[0])) == Count(4)
    assert counted(scene) == Count(4)


def test_what_must_not_be_seen_is_no_answer_to_a_filter(scene: Scene) -> None:
    scene.waiting(error="ValueError: card 4711")

    [entry] = listed(scene, payloads=False).items
    assert entry.error == "ValueError"
    assert entry.shown is not None
    assert entry.shown.data is None
    assert listed(scene, Match(error="4711"), payloads=False).items == ()
    assert counted(scene, Match(error="4711"), payloads=False) == Count(0)
    assert counted(scene, Match(error="valueerror"), payloads=False) == Count(1)
    assert counted(scene, Match(error="4711")) == Count(1)


def test_counting_stops(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pending, "AT_ONCE", 40)
    monkeypatch.setattr(pending, "PAGE", 20)
    scene.waiting(100)

    assert counted(scene, Match(state="waiting")) == Count(40, at_least=True)
    assert counted(scene) == Count(100)


def test_nothing_is_pending(scene: Scene) -> None:
    scene.make_group()

    assert listed(scene) == Page(items=())
    assert counted(scene) == Count(0)


def test_there_is_no_such_group(scene: Scene) -> None:
    scene.add()

    with pytest.raises(GroupMissing):
        listed(scene)
    with pytest.raises(GroupMissing):
        counted(scene)
