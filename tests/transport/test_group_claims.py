"""Claims: what retry, claim_due and claim_expired.lua guarantee."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from django_redis_bus.core.ports import Claimed, Failure
from django_redis_bus.transport.group import RedisGroupLink
from tests.transport.groups import RELEASED_MS, Group

LEASE_MS = 60_000


def expired(link: RedisGroupLink, count: int = 10, cursor: bytes = b"-", **more: Any) -> Claimed:
    return link.claim_expired(
        count, LEASE_MS, cursor, more.get("own", False), more.get("in_hand", []), more.get("suspects", True)
    )


def ids_of(claimed: Claimed) -> list[bytes]:
    return [d.entry_id for d in claimed.deliveries]


# --- retry.lua and claim_due.lua


def test_a_failed_entry_stays_pending_and_is_due_at_one_time(group: Group) -> None:
    link = group.link("a")
    [entry_id] = group.given(link)

    gone = link.retry([Failure(entry_id, 5000, "ValueError: no")])

    assert gone == []
    assert group.pending() == {entry_id: ("a", 1)}
    due = group.due(entry_id)
    assert due is not None
    assert 3000 < due - group.now_ms() <= 5000
    failure = group.failure(entry_id)
    assert failure is not None
    assert (failure["error"], failure["started"]) == ("ValueError: no", False)
    assert link.claim_due(10, True).deliveries == []


def test_only_its_owner_may_schedule_a_retry(group: Group) -> None:
    [entry_id] = group.given(group.link("a"))

    gone = group.link("b").retry([Failure(entry_id, 0, "")])

    assert gone == [entry_id]
    assert group.due(entry_id) is None


def test_the_first_failure_is_remembered_with_the_last(group: Group) -> None:
    link = group.link("a")
    [entry_id] = group.given(link)
    link.retry([Failure(entry_id, 0, "one")])
    first = group.failure(entry_id)
    assert first is not None
    first["first"] -= 5000
    group.client.hset(group.keys.failures, entry_id, msgspec.json.encode(first))
    link.claim_due(1, True)

    link.retry([Failure(entry_id, 0, "two")])

    second = group.failure(entry_id)
    assert second is not None
    assert second["first"] == first["first"]
    assert second["last"] > first["first"]
    assert second["error"] == "two"


def test_a_due_retry_is_taken_by_one_and_its_attempt_rises_before_any_code_runs(group: Group) -> None:
    one, two = group.link("a"), group.link("b")
    [entry_id] = group.given(one)
    one.retry([Failure(entry_id, 0, "")])

    claimed = two.claim_due(10, True)

    [delivery] = claimed.deliveries
    assert (delivery.entry_id, delivery.attempt, delivery.redelivered, delivery.solo) == (entry_id, 2, True, False)
    assert delivery.fields == [b"n", b"0"]
    assert group.pending() == {entry_id: ("b", 2)}
    assert one.claim_due(10, True).deliveries == []


def test_no_more_retries_are_taken_than_asked_for(group: Group) -> None:
    link = group.link("a")
    ids = group.given(link, 5)
    link.retry([Failure(i, 0, "") for i in ids])

    assert ids_of(link.claim_due(2, True)) == ids[:2]
    assert ids_of(link.claim_due(10, True)) == ids[2:]


def test_a_retry_that_an_operator_acked_is_forgotten(group: Group) -> None:
    link = group.link("a")
    [entry_id] = group.given(link)
    link.retry([Failure(entry_id, 0, "")])
    group.client.xack(group.keys.stream, "g", entry_id)

    claimed = link.claim_due(10, True)

    assert (claimed.deliveries, claimed.lost) == ([], [])
    assert group.due(entry_id) is None
    assert group.failure(entry_id) is None


def test_a_retry_whose_payload_was_trimmed_is_lost_acked_and_told(group: Group) -> None:
    link = group.link("a")
    first, second = group.given(link, 2)
    link.retry([Failure(first, 0, ""), Failure(second, 0, "")])
    group.client.xdel(group.keys.stream, first)

    claimed = link.claim_due(10, True)

    assert claimed.lost == [first]
    assert ids_of(claimed) == [second]
    assert set(group.pending()) == {second}
    assert group.failure(first) is None


def test_a_suspect_whose_retry_is_due_comes_alone(group: Group) -> None:
    link = group.link("a")
    ids = group.given(link, 3)
    link.retry([Failure(i, 0, "") for i in ids])
    group.client.hset(group.keys.failures, ids[1], msgspec.json.encode({"expired": 2}))

    rounds = [link.claim_due(10, True) for _ in range(3)]

    assert [[(d.entry_id, d.solo) for d in r.deliveries] for r in rounds] == [
        [(ids[0], False)], [(ids[1], True)], [(ids[2], False)],
    ]  # fmt: skip
    failure = group.failure(ids[1])
    assert failure is not None
    assert failure["started"] is True


# --- claim_expired.lua


def test_what_is_within_its_lease_is_left_alone(group: Group) -> None:
    [entry_id] = group.given(group.link("a"))
    group.silence(entry_id, LEASE_MS - 5000)

    assert expired(group.link("b")).deliveries == []


def test_what_waits_for_its_retry_is_left_alone(group: Group) -> None:
    link = group.link("a")
    [entry_id] = group.given(link)
    link.retry([Failure(entry_id, 99_000, "")])
    group.silence(entry_id, LEASE_MS)

    assert expired(group.link("b")).deliveries == []


def test_the_first_time_entries_come_in_a_batch_and_no_attempt_is_counted(group: Group) -> None:
    ids = group.given(group.link("a"), 3)
    for i in ids:
        group.silence(i, LEASE_MS)

    claimed = expired(group.link("b"))

    assert [(d.entry_id, d.attempt, d.solo) for d in claimed.deliveries] == [(i, 1, False) for i in ids]
    assert set(group.pending().values()) == {("b", 1)}


def test_from_the_second_time_on_they_come_alone_and_only_starts_are_counted(group: Group) -> None:
    # Given three entries with which their owner died twice
    ids = group.given(group.link("a"), 3)
    link = group.link("b")
    for i in ids:
        group.silence(i, LEASE_MS)
    expired(link)
    for i in ids:
        group.silence(i, LEASE_MS)

    # When they are claimed, the first of them three times, because each run ends with the process
    seen = []
    for _ in range(3):
        [delivery] = expired(link).deliveries
        seen.append((delivery.entry_id, delivery.attempt, delivery.solo))
        group.silence(ids[0], LEASE_MS)

    # Then the first is charged for each run but the first, and its neighbours for none
    assert seen == [(ids[0], 1, True), (ids[0], 2, True), (ids[0], 3, True)]
    link.ack([ids[0]], False)
    [delivery] = expired(link).deliveries
    assert (delivery.entry_id, delivery.attempt, delivery.solo) == (ids[1], 1, True)


def test_what_was_released_comes_at_once_without_suspicion(group: Group) -> None:
    link = group.link("a")
    ids = group.given(link, 3)

    assert link.release(ids) == 3
    claimed = [expired(group.link("b"))]
    for _ in range(3):
        group.link().release(ids)
        link = group.link()
        for i in ids:
            group.silence(i, RELEASED_MS)
        claimed.append(expired(link))

    for each in claimed:
        assert [(d.entry_id, d.attempt, d.solo) for d in each.deliveries] == [(i, 1, False) for i in ids]


def test_a_suspect_that_was_released_before_its_run_is_not_charged(group: Group) -> None:
    link = group.link("a")
    [entry_id] = group.given(link)
    for _ in range(2):
        group.silence(entry_id, LEASE_MS)
        expired(link)

    link.release([entry_id])
    [delivery] = expired(link).deliveries

    assert (delivery.attempt, delivery.solo) == (1, True)


def test_under_its_own_name_it_takes_what_is_fresh_but_not_in_hand(group: Group) -> None:
    link = group.link("a")
    ids = group.given(link, 3)
    group.given(group.link("b"), 1)

    claimed = expired(link, own=True, in_hand=[ids[1]])

    assert ids_of(claimed) == [ids[0], ids[2]]


def test_what_is_in_hand_is_not_taken_however_silent(group: Group) -> None:
    link = group.link("a")
    [entry_id] = group.given(link)
    group.silence(entry_id, LEASE_MS)

    assert expired(link, in_hand=[entry_id]).deliveries == []


def test_pending_entries_whose_payload_was_trimmed_are_lost_acked_and_told(group: Group) -> None:
    ids = group.given(group.link("a"), 4)
    for i in ids:
        group.silence(i, LEASE_MS)
    group.client.xtrim(group.keys.stream, minid=ids[2], approximate=False)

    claimed = expired(group.link("b"))

    assert claimed.lost == ids[:2]
    assert ids_of(claimed) == ids[2:]
    assert set(group.pending()) == set(ids[2:])


def test_the_cursor_reaches_an_old_entry_behind_many_young_ones(group: Group) -> None:
    # Given 1,200 young entries and an old one behind them
    ids = group.given(group.link("a"), 1201)
    group.silence(ids[-1], LEASE_MS)
    link = group.link("b")

    # When the claim goes on from where it stopped
    found: list[bytes] = []
    cursor = b"-"
    for _ in range(10):
        claimed = expired(link, count=1, cursor=cursor)
        found += ids_of(claimed)
        cursor = claimed.cursor
        if cursor == b"-":
            break

    assert found == [ids[-1]]
    assert cursor == b"-"


@pytest.mark.parametrize("count", [1, 3, 7])
def test_whatever_the_chunk_every_expired_entry_is_taken_once(group: Group, count: int) -> None:
    ids = group.given(group.link("a"), 20)
    for i in ids:
        group.silence(i, LEASE_MS)
    link = group.link("b")

    found: list[bytes] = []
    cursor = b"-"
    while True:
        claimed = expired(link, count=count, cursor=cursor)
        found += ids_of(claimed)
        cursor = claimed.cursor
        if cursor == b"-":
            break

    assert found == ids
