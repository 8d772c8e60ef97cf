"""Claims and settlements: what claim_due, claim_expired, ack, retry, dead, release and renew.lua guarantee."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from django_redis_bus.core.ports import Claimed, Failure, Grave
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


# --- ack.lua, renew.lua, release.lua


def test_an_ack_clears_all_that_is_noted(group: Group) -> None:
    link = group.link("a")
    [entry_id] = group.given(link)
    link.retry([Failure(entry_id, 0, "")])

    assert link.ack([entry_id], True) == []

    assert group.pending() == {}
    assert group.due(entry_id) is None
    assert group.failure(entry_id) is None


def test_a_fenced_ack_of_what_another_has_changes_nothing(group: Group) -> None:
    old, new = group.link("a"), group.link("b")
    mine, theirs = group.given(old, 2)
    group.silence(theirs, LEASE_MS)
    expired(new)

    gone = old.ack([mine, theirs, b"1-1"], True)

    assert gone == [theirs, b"1-1"]
    assert group.pending() == {theirs: ("b", 1)}


def test_renewing_starts_the_lease_anew_without_counting(group: Group) -> None:
    link = group.link("a")
    [entry_id] = group.given(link)
    group.silence(entry_id, LEASE_MS)

    assert link.renew([entry_id]) == []

    assert group.idle_ms(entry_id) < 5000
    assert group.pending() == {entry_id: ("a", 1)}


@pytest.mark.parametrize("verb", ["renew", "release"])
def test_what_another_has_is_not_taken_back(group: Group, verb: str) -> None:
    old, new = group.link("a"), group.link("b")
    [entry_id] = group.given(old)
    group.silence(entry_id, LEASE_MS)
    expired(new)

    said = getattr(old, verb)([entry_id, b"1-1"])

    assert said == ([entry_id, b"1-1"] if verb == "renew" else 0)
    assert group.pending() == {entry_id: ("b", 1)}
    assert group.idle_ms(entry_id) < 5000


# --- dead.lua


def grave(entry_id: bytes, **changes: Any) -> Grave:
    return Grave(
        entry_id, *({"attempts": 3, "reason": "exhausted", "error": "E: x", "traceback": "T"} | changes).values()
    )


def test_a_dead_letter_says_everything_and_leaves_nothing_behind(group: Group) -> None:
    link = group.link("a")
    group.client.xadd(group.keys.stream, {b"a\x00\xff": b"\x80\x00", b"a": b""})
    link.send([], 1, None)
    [delivery] = link.receive()
    link.retry([Failure(delivery.entry_id, 0, "")])
    noted = group.failure(delivery.entry_id)
    before = group.now_ms()

    assert link.bury(grave(delivery.entry_id))

    [letter] = group.dead()
    assert noted is not None
    assert int(letter.pop(b"dead_last")) >= before
    assert letter == {
        b"dead_group": b"g", b"dead_entry": delivery.entry_id, b"dead_reason": b"exhausted", b"dead_error": b"E: x",
        b"dead_traceback": b"T", b"dead_attempts": b"3", b"dead_consumer": b"a",
        b"dead_first": str(noted["first"]).encode(), b"a\x00\xff": b"\x80\x00", b"a": b"",
    }  # fmt: skip
    assert (group.pending(), group.due(delivery.entry_id), group.failure(delivery.entry_id)) == ({}, None, None)


def test_burying_twice_adds_nothing(group: Group) -> None:
    link = group.link("a")
    [entry_id] = group.given(link)

    assert link.bury(grave(entry_id))
    assert not link.bury(grave(entry_id))

    assert len(group.dead()) == 1


def test_only_its_owner_buries_an_entry(group: Group) -> None:
    [entry_id] = group.given(group.link("a"))

    assert not group.link("b").bury(grave(entry_id))

    assert group.dead() == []
    assert group.pending() == {entry_id: ("a", 1)}


def test_an_entry_of_thousands_of_fields_is_buried_byte_for_byte(group: Group) -> None:
    link = group.link("a")
    fields = {f"f{n}".encode(): bytes([n % 256, 0xFF]) for n in range(5000)}
    entry_id = group.client.xadd(group.keys.stream, fields)
    link.send([], 1, None)
    [delivery] = link.receive()

    assert link.bury(grave(entry_id))

    [letter] = group.dead()
    packed = msgspec.msgpack.decode(_as_bin(letter[b"dead_packed"]), type=list[bytes])
    assert packed == delivery.fields
    assert dict(zip(packed[::2], packed[1::2], strict=True)) == fields


def _as_bin(packed: bytes) -> bytes:
    """Lua packs every string as text, whatever is in it; msgspec insists on UTF-8 there."""
    out = bytearray(packed[:3])
    assert packed[0] == 0xDC  # array 16
    at = 3
    while at < len(packed):
        kind = packed[at]
        if 0xA0 <= kind <= 0xBF:
            size, head = kind & 0x1F, 1
        else:
            assert kind == 0xD9
            size, head = packed[at + 1], 2
        out += bytes([0xC4, size]) + packed[at + head : at + head + size]
        at += head + size
    return bytes(out)


def test_a_dead_entry_without_payload_is_only_acked(group: Group) -> None:
    link = group.link("a")
    [entry_id] = group.given(link)
    group.client.xdel(group.keys.stream, entry_id)

    assert link.bury(grave(entry_id))

    assert group.dead() == []
    assert group.pending() == {}
