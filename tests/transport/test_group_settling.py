"""Settlements: what ack, renew, release and dead.lua guarantee."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from django_redis_bus.core.ports import Claimed, Failure, Grave
from django_redis_bus.transport.group import RedisGroupLink
from tests.transport.groups import Group

LEASE_MS = 60_000


def expired(link: RedisGroupLink, count: int = 10, cursor: bytes = b"-", **more: Any) -> Claimed:
    return link.claim_expired(
        count, LEASE_MS, cursor, more.get("own", False), more.get("in_hand", []), more.get("suspects", True)
    )


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
