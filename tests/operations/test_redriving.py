"""Redrive: a dead letter goes back to its own group, and away, both or neither."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from django_redis_bus.core.exceptions import OutOfMemory
from django_redis_bus.operations import dead, pending
from django_redis_bus.operations.dead import OPERATOR, Match
from django_redis_bus.operations.values import Acted
from tests.operations.ward import ALIVE, DEAD, Ward
from tests.servers import Server


def redrive(ward: Ward, chosen: dead.Chosen, **more: Any) -> Acted:
    return dead.redrive(ward.asking(), ward.topic, chosen, **more)


def test_an_entry_that_is_still_there_is_pending_again_as_for_the_first_time(ward: Ward) -> None:
    ids = ward.read(2)
    letters = ward.bury(*ids)
    ward.client.hset(ward.keys.failures, ids[0], '{"error":"before"}')
    entries = ward.entries()

    assert redrive(ward, letters) == Acted(done=2)

    assert ward.pending() == dict.fromkeys(ids, (OPERATOR, 0))
    assert [(ward.due_in_ms(each) or 0) <= 0 for each in ids] == [True, True]
    assert [list(ward.note(each) or {}) for each in ids] == [["again"], ["again"]]
    assert (ward.letters(), ward.entries()) == ({}, entries)


def test_an_entry_that_is_gone_comes_as_a_copy_for_its_group_alone(ward: Ward) -> None:
    [entry_id] = ward.read()
    fields = ward.entries()[entry_id]
    [letter] = ward.bury(entry_id)
    ward.trimmed(entry_id)

    assert redrive(ward, [letter]) == Acted(done=1)

    [copy] = ward.entries().values()
    assert list(copy.items()) == [(b"bus_only_for", b"billing"), *fields.items()]
    assert (ward.letters(), ward.pending()) == ({}, {})


def test_a_copy_of_a_copy_has_one_address(ward: Ward) -> None:
    [letter] = ward.bury(*ward.read(bus_only_for="billing"))
    made = ward.letter("1-1", {"bus_only_for": "mail", "a": "1"})
    ward.trimmed(*ward.entries())

    assert redrive(ward, [letter, made]) == Acted(done=2)

    assert [list(copy).count(b"bus_only_for") for copy in ward.entries().values()] == [1, 1]
    assert [next(iter(copy.items())) for copy in ward.entries().values()][1] == (b"bus_only_for", b"billing")


def test_a_stream_made_anew_may_have_another_entry_under_that_id(ward: Ward) -> None:
    [entry_id] = ward.read()
    [letter] = ward.bury(entry_id)
    ward.client.delete(ward.key)
    ward.client.xadd(ward.key, {"another": "1"}, id=entry_id)
    ward.make_group()
    ward.client.xreadgroup(ward.group, ALIVE, {ward.key: ">"})
    ward.client.xack(ward.key, ward.group, entry_id)

    assert redrive(ward, [letter]) == Acted(done=1)

    assert ward.pending() == {}
    assert [b"bus_only_for" in fields for fields in ward.entries().values()] == [False, True]


def test_a_group_made_anew_comes_to_it_anyway(ward: Ward) -> None:
    [letter] = ward.dead()
    ward.client.xgroup_destroy(ward.key, ward.group)
    ward.make_group()

    assert redrive(ward, [letter]) == Acted(done=1)

    assert (ward.letters(), ward.pending(), len(ward.entries())) == ({}, {}, 1)


def test_without_its_group_a_letter_stays(ward: Ward) -> None:
    letters = ward.dead(2)
    ward.client.xgroup_destroy(ward.key, ward.group)

    assert redrive(ward, letters) == Acted(left_alone={"no group": 2})
    ward.client.delete(ward.key)
    assert redrive(ward, Match()) == Acted(left_alone={"no group": 2})

    assert list(ward.letters()) == letters
    assert not ward.client.exists(ward.key)


@pytest.mark.parametrize(
    ("owner", "idle_ms", "waits", "due"),
    [(ALIVE, 0, True, True), (DEAD, 60_000, False, True), (ALIVE, 0, False, False)],
    ids=["waiting", "silent", "running"],
)
def test_one_that_is_pending_already(ward: Ward, owner: str, idle_ms: int, waits: bool, due: bool) -> None:
    # Given an entry that a replay, say, has handed to the group again
    [entry_id] = ward.read(consumer=owner)
    letter = ward.letter(entry_id, ward.entries()[entry_id])
    ward.client.xclaim(ward.key, ward.group, owner, 0, [entry_id], idle=idle_ms, justid=True)
    if waits:
        ward.client.zadd(ward.keys.retry, {entry_id: ward.now_ms() + 600_000})

    assert redrive(ward, [letter]) == Acted(done=1)

    # Then it is due once, or runs already; and nobody who has it in hand loses it
    assert ward.pending() == {entry_id: (owner, 1)}
    assert (ward.due_in_ms(entry_id) is not None) == due
    assert (ward.letters(), len(ward.entries())) == ({}, 1)


def test_letters_of_several_groups_go_to_their_own(ward: Ward) -> None:
    ids = ward.read(4)
    ward.client.xgroup_create(ward.key, "mail", "$")
    made = [ward.bury(entry_id, group=("billing", "mail")[n % 2])[0] for n, entry_id in enumerate(ids)]

    assert redrive(ward, made) == Acted(done=4)

    for group, wanted in (("billing", ids[::2]), ("mail", ids[1::2])):
        found = ward.client.xpending_range(ward.key, group, "-", "+", 10)
        assert [each["message_id"].decode() for each in found] == wanted


def test_all_that_match(ward: Ward) -> None:
    ward.dead(150, error="Timeout: x")
    ward.bury(*ward.read(2), reason="rejected")

    assert redrive(ward, Match(reason="exhausted", text="timeout")) == Acted(done=150)

    assert len(ward.pending()) == 150
    assert len(ward.letters()) == 2


@pytest.mark.parametrize(
    "fields",
    [{"dead_packed": b"\x91\xa1a"}, {"dead_packed": b"\xc1"}, {"dead_packed": "x", "a": "1"}, {}],
    ids=["an odd number", "no messagepack", "a field of that name", "nothing"],
)
def test_letters_that_no_bus_wrote(ward: Ward, fields: dict[str, Any]) -> None:
    ward.make_group()
    by_hand = ward.client.xadd(ward.keys.dead, {"group": "billing", "a": "1"}).decode()
    letter = ward.letter("1-1", fields)
    bad_id = ward.letter("99999999999999999999-99999999999999999999", {"a": "1"})
    no_id = ward.letter("x", {"a": "1"})

    acted = redrive(ward, [by_hand, letter, no_id, "1-1"])
    assert acted.left_alone["gone"] == 1
    assert acted.left_alone["unreadable"] == (2 if "a" in fields else 3)
    assert redrive(ward, [bad_id]) == Acted(done=1)


def test_a_hostile_entry_is_not_taken_for_what_is_said_of_it(ward: Ward) -> None:
    # Given an entry whose own fields are those of a dead letter, given up by a group
    hostile = {"dead_packed": b"\x92\xa1a\xa1b", "dead_group": "mail"}
    [entry_id] = ward.waiting(**hostile)
    fields = ward.entries()[entry_id]
    pending.bury(ward.asking(), ward.topic, ward.group, [entry_id], by="ann")
    ward.trimmed(entry_id)

    # Then it is kept whole, aside from what is said of it
    [(letter, kept)] = ward.letters().items()
    assert list(kept)[-1] == b"dead_packed"
    assert len(kept) == 10
    assert kept[b"dead_group"] == b"billing"

    # And comes back byte for byte
    assert redrive(ward, [letter]) == Acted(done=1)
    [copy] = ward.entries().values()
    assert list(copy.items()) == [(b"bus_only_for", b"billing"), *fields.items()]


def test_more_fields_than_can_be_copied(ward: Ward) -> None:
    [here] = ward.bury(*ward.read(**{f"f{n}": n for n in range(4_100)}))
    [entry_id] = ward.read(**{f"f{n}": n for n in range(4_100)})
    [gone] = ward.bury(entry_id)
    ward.trimmed(entry_id)

    assert redrive(ward, [here, gone]) == Acted(done=1, left_alone={"too many fields": 1})
    assert list(ward.letters()) == [gone]


def test_large_ones_in_several_calls(ward: Ward) -> None:
    letters = ward.bury(*ward.read(7, data="x" * 1_500_000))

    assert redrive(ward, letters) == Acted(done=7)
    assert (len(ward.pending()), ward.letters()) == (7, {})


def test_on_a_full_redis_a_letter_stays_and_nothing_is_added(
    own_server: Callable[..., Server], bus_settings: Callable[..., None], prefix: str
) -> None:
    server = own_server(maxmemory="20mb", aof=False)
    bus_settings(LOCATION=server.url)
    ward = Ward(server.client(), prefix)
    [gone, here] = ward.read(2)
    letters = ward.bury(gone, here)
    ward.trimmed(gone)
    before = ward.entries()
    server.client().config_set("maxmemory", 1)

    with pytest.raises(OutOfMemory):
        redrive(ward, [letters[0]])

    assert list(ward.letters()) == letters
    assert ward.entries() == before
    # What is still in the stream can go back all the same
    assert redrive(ward, [letters[1]]) == Acted(done=1)
    server.client().config_set("maxmemory", "20mb")
    assert redrive(ward, Match()) == Acted(done=1)
