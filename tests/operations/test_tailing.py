"""The end of a stream, and what is added to it."""

from __future__ import annotations

from typing import Any

from django_redis_bus.operations.entries import LOOKED_AT
from django_redis_bus.operations.tailing import Tail
from tests.operations.seeing import Scene


def tail(scene: Scene, **options: Any) -> Tail:
    return Tail(scene.asking, "events:order", payloads=True, **options)


def test_the_newest_come_first_and_then_what_is_added(scene: Scene) -> None:
    made = scene.add(5)
    one = tail(scene)

    assert [shown.entry_id for shown in one.newest(2).items] == made[3:]
    assert one.further().items == ()
    added = scene.add(3)
    assert [shown.entry_id for shown in one.further().items] == added
    assert one.further().items == ()


def test_a_stream_that_is_not_there_yet_is_followed_from_its_first_entry(scene: Scene) -> None:
    one = tail(scene)
    assert one.newest(5).items == ()

    added = scene.add(2)

    assert [shown.entry_id for shown in one.further().items] == added


def test_nothing_is_shown_of_what_was_before(scene: Scene) -> None:
    scene.add(5)
    one = tail(scene)

    assert (one.newest(0).items, one.further().items) == ((), ())


def test_filters_hold_for_both(scene: Scene) -> None:
    scene.add(1, kind="a")
    wanted = scene.add(1, kind="b")
    scene.add(1, kind="a")
    one = tail(scene, text='"kind":"b"')

    assert [shown.entry_id for shown in one.newest(5).items] == wanted
    scene.add(1, kind="a")
    more = scene.add(1, kind="b")
    scene.add(1, kind="a")
    assert [shown.entry_id for shown in one.further().items] == more


def test_a_flood_is_read_in_pages_and_nothing_is_left_out(scene: Scene) -> None:
    one = tail(scene)
    one.newest(0)
    scene.client.eval("for i = 1, 5000 do redis.call('XADD', KEYS[1], '*', 'n', i) end", 1, scene.key())

    pages = [one.further() for _ in range(4)]

    assert [len(page.items) for page in pages] == [LOOKED_AT, LOOKED_AT, 5_000 - 2 * LOOKED_AT, 0]
    assert [page.cut_short for page in pages] == [True, True, False, False]


def test_the_last_id_of_all_has_nothing_after_it(scene: Scene) -> None:
    last = "18446744073709551615-18446744073709551615"
    scene.client.xadd(scene.key(), {"n": 1}, id=last)
    one = tail(scene)

    assert [shown.entry_id for shown in one.newest(5).items] == [last]
    assert one.further().items == ()
