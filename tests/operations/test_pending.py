"""Pending entries: what operators see of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from django_redis_bus.core.exceptions import GroupMissing
from django_redis_bus.operations import pending
from django_redis_bus.operations.pending import Match, PendingEntry
from django_redis_bus.operations.values import Count, Page
from tests.operations.ward import ALIVE, DEAD, Ward

ALL = Match()


def listed(ward: Ward, match: Match = ALL, *, payloads: bool = True, **options: Any) -> Page[PendingEntry]:
    return pending.listing(ward.asking(), ward.topic, ward.group, match, payloads=payloads, **options)


def ids(page: Page[PendingEntry]) -> list[str]:
    return [entry.entry_id for entry in page.items]


def counted(ward: Ward, match: Match = ALL, *, payloads: bool = True) -> Count:
    return pending.count(ward.asking(), ward.topic, ward.group, match, payloads=payloads)


def test_each_entry_has_its_state(ward: Ward) -> None:
    # Given one in each state, in the order of their ids
    [running] = ward.running()
    [waiting] = ward.waiting()
    [held] = ward.waiting(held=True)
    [dead] = ward.silent(idle_ms=100)
    [expired] = ward.silent(consumer=ALIVE, idle_ms=60_000)

    page = listed(ward)

    assert [(entry.entry_id, entry.state) for entry in page.items] == [
        (running, "running"), (waiting, "waiting"), (held, "held"), (dead, "silent"), (expired, "silent"),
    ]  # fmt: skip
    assert page.following is None
    for entry in page.items:
        assert ids(listed(ward, Match(state=entry.state)))[0] in (entry.entry_id, dead)


def test_an_old_heartbeat_is_none(ward: Ward) -> None:
    ward.beats("web-3", ago_ms=11_000)
    ward.read(1, "web-3")

    assert listed(ward).items[0].state == "silent"


def test_a_consumer_with_a_lease_of_its_own(ward: Ward) -> None:
    ward.beats("web-3", lease_ms=120_000)
    ward.silent(consumer="web-3", idle_ms=60_000)

    assert listed(ward).items[0].state == "running"


@pytest.mark.parametrize("record", [b"no json", b"[]", b'{"beat": "x"}', b'{"beat": null}', b"\xff"])
def test_a_record_that_is_none_is_no_heartbeat(ward: Ward, record: bytes) -> None:
    ward.client.hset(ward.keys.consumers, ALIVE, record)
    [entry_id] = ward.running()
    ward.client.hset(ward.keys.failures, entry_id, record)

    assert [(entry.state, entry.error) for entry in listed(ward).items] == [("silent", "")]


def test_all_that_is_known_of_one(ward: Ward) -> None:
    [entry_id] = ward.waiting(due_in_ms=60_000, error="ValueError: no such customer")
    note = ward.note(entry_id)
    assert note is not None
    ward.client.hset(ward.keys.failures, entry_id, json.dumps(note | {"crashes": 2}))

    [entry] = listed(ward).items

    assert (entry.consumer, entry.attempts, entry.crashes) == (ALIVE, 1, 2)
    assert (entry.error, entry.first_ms, entry.last_ms) == ("ValueError: no such customer", note["first"], note["last"])
    assert entry.next_s is not None
    assert 50 < entry.next_s <= 60
    assert entry.shown is not None
    assert (entry.shown.type, entry.shown.data) == ("shop.order.created", '{\n  "id": 0\n}')


def test_one_whose_payload_is_gone(ward: Ward) -> None:
    [entry_id] = ward.waiting()
    ward.trimmed(entry_id)

    assert [(entry.entry_id, entry.shown) for entry in listed(ward).items] == [(entry_id, None)]


def test_page_by_page(ward: Ward) -> None:
    made = ward.waiting(7)

    first = listed(ward, count=3)
    second = listed(ward, count=3, after=first.following)
    third = listed(ward, count=3, after=second.following)

    assert [ids(first), ids(second), ids(third)] == [made[:3], made[3:6], made[6:]]
    assert third.following is None
    assert listed(ward, count=7).following is None
    assert listed(ward, Match(state="waiting"), count=7).following is None


def test_a_filter_looks_at_so_many_and_goes_on_from_there(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pending, "LOOKED_AT", 40)
    monkeypatch.setattr(pending, "PAGE", 20)
    ward.waiting(50)
    [wanted] = ward.silent()

    first = listed(ward, Match(state="silent"))

    assert (first.items, first.looked_at, first.cut_short) == ((), 40, True)
    assert ids(listed(ward, Match(state="silent"), after=first.following)) == [wanted]


def test_filters(ward: Ward) -> None:
    waiting = ward.waiting(2, error="Timeout: the GATEWAY")
    other = ward.waiting(error="ValueError: no")
    silent = ward.silent(idle_ms=3_600_000)

    assert ids(listed(ward, Match(consumer=DEAD))) == silent
    assert ids(listed(ward, Match(state="waiting"))) == waiting + other
    assert ids(listed(ward, Match(idle_s=3_000))) == silent
    assert ids(listed(ward, Match(error="gateway"))) == waiting
    assert ids(listed(ward, Match(until=waiting[0]))) == waiting[:1]
    assert ids(listed(ward, Match(error="gateway", until=waiting[0]))) == waiting[:1]
    assert counted(ward, Match(error="gateway")) == Count(2)
    assert counted(ward, Match(until=waiting[0])) == Count(1)
    assert counted(ward, Match(until=silent[0])) == Count(4)
    assert counted(ward) == Count(4)


def test_what_must_not_be_seen_is_no_answer_to_a_filter(ward: Ward) -> None:
    ward.waiting(error="ValueError: card 4711")

    [entry] = listed(ward, payloads=False).items
    assert entry.error == "ValueError"
    assert entry.shown is not None
    assert entry.shown.data is None
    assert listed(ward, Match(error="4711"), payloads=False).items == ()
    assert counted(ward, Match(error="4711"), payloads=False) == Count(0)
    assert counted(ward, Match(error="valueerror"), payloads=False) == Count(1)
    assert counted(ward, Match(error="4711")) == Count(1)


def test_counting_stops(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pending, "AT_ONCE", 40)
    monkeypatch.setattr(pending, "PAGE", 20)
    ward.waiting(100)

    assert counted(ward, Match(state="waiting")) == Count(40, at_least=True)
    assert counted(ward) == Count(100)


def test_nothing_is_pending(ward: Ward) -> None:
    ward.make_group()

    assert listed(ward) == Page(items=())
    assert counted(ward) == Count(0)


def test_there_is_no_such_group(ward: Ward) -> None:
    ward.add()

    with pytest.raises(GroupMissing):
        listed(ward)
    with pytest.raises(GroupMissing):
        counted(ward)
