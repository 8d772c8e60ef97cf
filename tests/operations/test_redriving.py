"""Redrive: a dead letter goes back to its own group, and away, both or neither."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from django_redis_bus.core.exceptions import OutOfMemory
from django_redis_bus.operations import dead, pending
from django_redis_bus.operations.dead import OPERATOR, Match
from django_redis_bus.operations.values import Acted
from tests.operations.scene import ALIVE, DEAD, Scene
from tests.servers import Server


def redrive(scene: Scene, chosen: dead.Chosen, **more: Any) -> Acted:
    return dead.redrive(scene.asking(), scene.topic, chosen, **more)


def test_an_entry_that_is_still_there_is_pending_again_as_for_the_first_time(scene: Scene) -> None:
    ids = scene.read(2)
    letters = scene.bury(*ids)
    scene.client.hset(scene.keys.failures, ids[0], '{"error":"before"}')
    entries = scene.entries()

    assert redrive(scene, letters) == Acted(done=2)

    assert scene.pending() == dict.fromkeys(ids, (OPERATOR, 0))
    assert [(scene.due_in_ms(each) or 0) <= 0 for each in ids] == [True, True]
    assert scene.note(ids[0]) is None
    assert (scene.letters(), scene.entries()) == ({}, entries)


def test_an_entry_that_is_gone_comes_as_a_copy_for_its_group_alone(scene: Scene) -> None:
    [entry_id] = scene.read()
    fields = scene.entries()[entry_id]
    [letter] = scene.bury(entry_id)
    scene.trimmed(entry_id)

    assert redrive(scene, [letter]) == Acted(done=1)

    [copy] = scene.entries().values()
    assert list(copy.items()) == [(b"bus_only_for", b"billing"), *fields.items()]
    assert (scene.letters(), scene.pending()) == ({}, {})


def test_a_copy_of_a_copy_has_one_address(scene: Scene) -> None:
    [letter] = scene.bury(*scene.read(bus_only_for="billing"))
    made = scene.letter("1-1", {"bus_only_for": "mail", "a": "1"})
    scene.trimmed(*scene.entries())

    assert redrive(scene, [letter, made]) == Acted(done=2)

    assert [list(copy).count(b"bus_only_for") for copy in scene.entries().values()] == [1, 1]
    assert [next(iter(copy.items())) for copy in scene.entries().values()][1] == (b"bus_only_for", b"billing")


def test_a_stream_made_anew_may_have_another_entry_under_that_id(scene: Scene) -> None:
    [entry_id] = scene.read()
    [letter] = scene.bury(entry_id)
    scene.client.delete(scene.key)
    scene.client.xadd(scene.key, {"another": "1"}, id=entry_id)
    scene.make_group()
    scene.client.xreadgroup(scene.group, ALIVE, {scene.key: ">"})
    scene.client.xack(scene.key, scene.group, entry_id)

    assert redrive(scene, [letter]) == Acted(done=1)

    assert scene.pending() == {}
    assert [b"bus_only_for" in fields for fields in scene.entries().values()] == [False, True]


def test_a_group_made_anew_comes_to_it_anyway(scene: Scene) -> None:
    [letter] = scene.dead()
    scene.client.xgroup_destroy(scene.key, scene.group)
    scene.make_group()

    assert redrive(scene, [letter]) == Acted(done=1)

    assert (scene.letters(), scene.pending(), len(scene.entries())) == ({}, {}, 1)


def test_without_its_group_a_letter_stays(scene: Scene) -> None:
    letters = scene.dead(2)
    scene.client.xgroup_destroy(scene.key, scene.group)

    assert redrive(scene, letters) == Acted(left_alone={"no group": 2})
    scene.client.delete(scene.key)
    assert redrive(scene, Match()) == Acted(left_alone={"no group": 2})

    assert list(scene.letters()) == letters
    assert not scene.client.exists(scene.key)


@pytest.mark.parametrize(
    ("owner", "idle_ms", "waits", "due"),
    [(ALIVE, 0, True, True), (DEAD, 60_000, False, True), (ALIVE, 0, False, False)],
    ids=["waiting", "silent", "running"],
)
def test_one_that_is_pending_already(scene: Scene, owner: str, idle_ms: int, waits: bool, due: bool) -> None:
    # Given an entry that a replay, say, has handed to the group again
    [entry_id] = scene.read(consumer=owner)
    letter = scene.letter(entry_id, scene.entries()[entry_id])
    scene.client.xclaim(scene.key, scene.group, owner, 0, [entry_id], idle=idle_ms, justid=True)
    if waits:
        scene.client.zadd(scene.keys.retry, {entry_id: scene.now_ms() + 600_000})

    assert redrive(scene, [letter]) == Acted(done=1)

    # Then it is due once, or runs already; and nobody who has it in hand loses it
    assert scene.pending() == {entry_id: (owner, 1)}
    assert (scene.due_in_ms(entry_id) is not None) == due
    assert (scene.letters(), len(scene.entries())) == ({}, 1)


def test_letters_of_several_groups_go_to_their_own(scene: Scene) -> None:
    ids = scene.read(4)
    scene.client.xgroup_create(scene.key, "mail", "$")
    made = [scene.bury(entry_id, group=("billing", "mail")[n % 2])[0] for n, entry_id in enumerate(ids)]

    assert redrive(scene, made) == Acted(done=4)

    for group, wanted in (("billing", ids[::2]), ("mail", ids[1::2])):
        found = scene.client.xpending_range(scene.key, group, "-", "+", 10)
        assert [each["message_id"].decode() for each in found] == wanted


def test_all_that_match(scene: Scene) -> None:
    scene.dead(150, error="Timeout: x")
    scene.bury(*scene.read(2), reason="rejected")

    assert redrive(scene, Match(reason="exhausted", text="timeout")) == Acted(done=150)

    assert len(scene.pending()) == 150
    assert len(scene.letters()) == 2


@pytest.mark.parametrize(
    "fields",
    [{"dead_packed": b"\x91\xa1a"}, {"dead_packed": b"\xc1"}, {"dead_packed": "x", "a": "1"}, {}],
    ids=["an odd number", "no messagepack", "a field of that name", "nothing"],
)
def test_letters_that_no_bus_wrote(scene: Scene, fields: dict[str, Any]) -> None:
    scene.make_group()
    by_hand = scene.client.xadd(scene.keys.dead, {"group": "billing", "a": "1"}).decode()
    letter = scene.letter("1-1", fields)
    bad_id = scene.letter("99999999999999999999-99999999999999999999", {"a": "1"})
    no_id = scene.letter("x", {"a": "1"})

    acted = redrive(scene, [by_hand, letter, no_id, "1-1"])
    assert acted.left_alone["gone"] == 1
    assert acted.left_alone["unreadable"] == (2 if "a" in fields else 3)
    assert redrive(scene, [bad_id]) == Acted(done=1)


def test_a_hostile_entry_is_not_taken_for_what_is_said_of_it(scene: Scene) -> None:
    # Given an entry whose own fields are those of a dead letter, given up by a group
    hostile = {"dead_packed": b"\x92\xa1a\xa1b", "dead_group": "mail"}
    [entry_id] = scene.waiting(**hostile)
    fields = scene.entries()[entry_id]
    pending.bury(scene.asking(), scene.topic, scene.group, [entry_id], by="ann")
    scene.trimmed(entry_id)

    # Then it is kept whole, aside from what is said of it
    [(letter, kept)] = scene.letters().items()
    assert list(kept)[-1] == b"dead_packed"
    assert len(kept) == 10
    assert kept[b"dead_group"] == b"billing"

    # And comes back byte for byte
    assert redrive(scene, [letter]) == Acted(done=1)
    [copy] = scene.entries().values()
    assert list(copy.items()) == [(b"bus_only_for", b"billing"), *fields.items()]


def test_more_fields_than_can_be_copied(scene: Scene) -> None:
    [here] = scene.bury(*scene.read(**{f"f{n}": n for n in range(4_100)}))
    [entry_id] = scene.read(**{f"f{n}": n for n in range(4_100)})
    [gone] = scene.bury(entry_id)
    scene.trimmed(entry_id)

    assert redrive(scene, [here, gone]) == Acted(done=1, left_alone={"too many fields": 1})
    assert list(scene.letters()) == [gone]


def test_large_ones_in_several_calls(scene: Scene) -> None:
    letters = scene.bury(*scene.read(7, data="x" * 1_500_000))

    assert redrive(scene, letters) == Acted(done=7)
    assert (len(scene.pending()), scene.letters()) == (7, {})


def test_on_a_full_redis_a_letter_stays_and_nothing_is_added(
    own_server: Callable[..., Server], bus_settings: Callable[..., None], prefix: str
) -> None:
    server = own_server(maxmemory="20mb", aof=False)
    bus_settings(LOCATION=server.url)
    scene = Scene(server.client(), prefix)
    [gone, here] = scene.read(2)
    letters = scene.bury(gone, here)
    scene.trimmed(gone)
    before = scene.entries()
    server.client().config_set("maxmemory", 1)

    with pytest.raises(OutOfMemory):
        redrive(scene, [letters[0]])

    assert list(scene.letters()) == letters
    assert scene.entries() == before
    # What is still in the stream can go back all the same
    assert redrive(scene, [letters[1]]) == Acted(done=1)
    server.client().config_set("maxmemory", "20mb")
    assert redrive(scene, Match()) == Acted(done=1)
