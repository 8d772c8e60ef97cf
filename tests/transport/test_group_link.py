"""Opening, joining, heartbeats: what open, join and beat.lua guarantee."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from django_redis_bus.core.config import Retention
from django_redis_bus.core.exceptions import ConsumerNameTaken, GroupMissing
from django_redis_bus.core.ports import Report
from django_redis_bus.transport.group import ALIVE_MS
from tests.transport.groups import Group

KEEP_ALL = Retention(count=None, age_s=None)


# --- open.lua


@pytest.mark.parametrize(("start", "expected"), [("0", 3), ("$", 0)])
def test_a_new_group_begins_where_it_is_told(group: Group, start: str, expected: int) -> None:
    group.add(3)
    link = group.link(joined=False)

    opened = link.open(start)
    link.join()
    link.send([], 10, None)

    assert (opened.created, opened.recreated, opened.length) == (True, False, 3)
    assert len(link.receive()) == expected


def test_opening_makes_a_stream_that_is_missing(group: Group) -> None:
    opened = group.link(joined=False).open("0")

    assert (opened.created, opened.length, opened.unread) == (True, 0, 0)


def test_an_existing_group_keeps_its_position(group: Group) -> None:
    group.given(group.link("a"), 2)

    opened = group.link(joined=False).open("0")

    assert not opened.created
    group.client.xadd(group.keys.stream, {"n": "new"})
    again = group.link("b")
    again.send([], 10, None)
    assert len(again.receive()) == 1


def test_a_destroyed_group_comes_back_before_its_lowest_pending_entry(group: Group) -> None:
    link = group.link("a")
    first, second, third = group.given(link, 3)
    link.send([first], 0, None)
    link.receive()
    link.beat(Report())

    group.client.xgroup_destroy(group.keys.stream, "g")
    opened = link.open("0")

    assert opened.recreated
    link.join()
    link.send([], 10, None)
    assert [d.entry_id for d in link.receive()] == [second, third]


def test_a_destroyed_group_with_nothing_pending_comes_back_where_it_was(group: Group) -> None:
    link = group.link("a")
    ids = group.given(link, 3)
    link.send(ids, 0, None)
    link.receive()
    link.beat(Report())

    group.client.xgroup_destroy(group.keys.stream, "g")
    later = group.add(2)
    link.open("0")
    link.send([], 10, None)

    assert [d.entry_id for d in link.receive()] == later


def test_a_stream_that_begins_anew_with_lower_ids_is_read_from_its_beginning(group: Group) -> None:
    # Given a stream whose ids ran ahead of the clock, which an operator therefore deleted
    link = group.link("a")
    group.client.xadd(group.keys.stream, {"n": 0}, id="9999999999999-5")
    link.send([], 1, None)
    link.receive()
    link.beat(Report())
    group.client.delete(group.keys.stream)

    # When it is written to again
    ids = group.add(2)
    link.open("0")
    link.send([], 10, None)

    # Then the position of the old one does not hide what is new
    assert [d.entry_id for d in link.receive()] == ids


def test_a_deleted_stream_made_anew_by_the_group_itself_is_read_from_its_beginning(group: Group) -> None:
    link = group.link("a")
    group.client.xadd(group.keys.stream, {"n": 0}, id="9999999999999-5")
    link.send([], 1, None)
    link.receive()
    link.beat(Report())
    group.client.delete(group.keys.stream)

    link.open("0")
    ids = group.add(2)
    link.send([], 10, None)

    assert [d.entry_id for d in link.receive()] == ids


@pytest.mark.parametrize(
    ("entry_id", "before"),
    [
        ("7-0", b"6-18446744073709551615"),
        ("7-3", b"7-2"),
        ("0-1", b"0-0"),
        ("7-18446744073709551615", b"7-0"),
    ],
)
def test_the_position_is_an_id_before_the_lowest_pending_entry(group: Group, entry_id: str, before: bytes) -> None:
    link = group.link("a")
    group.client.xadd(group.keys.stream, {"n": 0}, id=entry_id)
    link.send([], 1, None)
    link.receive()

    assert link.beat(Report())

    assert group.client.get(group.keys.position) == before


# --- join.lua


def test_consumers_of_one_host_get_names_by_number(group: Group) -> None:
    names = [group.link().consumer for _ in range(3)]

    host = names[0].removesuffix("-1")
    assert names == [f"{host}-1", f"{host}-2", f"{host}-3"]


def test_of_many_who_start_at_once_each_gets_a_name_of_its_own(group: Group) -> None:
    links = [group.link(joined=False) for _ in range(12)]
    links[0].open("0")

    with ThreadPoolExecutor(12) as pool:
        names = list(pool.map(lambda link: link.join(), links))

    assert len(set(names)) == 12


def test_a_name_that_is_taken_is_refused(group: Group) -> None:
    group.link("a")

    with pytest.raises(ConsumerNameTaken, match="a consumer named 'a' is alive"):
        group.link("a")


def test_who_joins_again_keeps_its_name(group: Group) -> None:
    group.link()
    link = group.link()
    name = link.consumer

    assert link.join() == name


def test_who_finds_all_names_forgotten_takes_its_own_again(group: Group) -> None:
    group.link()
    link = group.link()
    name = link.consumer
    group.client.delete(group.keys.consumers)

    assert link.join() == name


def test_the_name_of_a_silent_consumer_is_free(group: Group) -> None:
    group.link("a")
    group.alter("a", beat=group.now_ms() - ALIVE_MS - 1, pid=os.getpid())

    assert group.link("a").consumer == "a"


def test_the_name_of_a_process_that_is_gone_is_free_at_once(group: Group) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    group.link("a")
    group.alter("a", pid=gone.pid)

    assert group.link("a").consumer == "a"


def test_the_name_of_a_consumer_on_another_machine_is_not_judged_by_its_pid(group: Group) -> None:
    group.link("a")
    group.alter("a", pid=2**22 + 1, namespace="elsewhere")

    with pytest.raises(ConsumerNameTaken):
        group.link("a")


# --- beat.lua


def test_a_heartbeat_renews_the_record_and_the_group(group: Group) -> None:
    link = group.link("a")
    group.alter("a", beat=1)
    group.client.hset(group.keys.groups, "g", 1)

    assert link.beat(Report())

    record = group.record("a")
    assert record is not None
    assert record["beat"] > group.now_ms() - 5000
    assert int(group.client.hget(group.keys.groups, "g")) > group.now_ms() - 5000


@pytest.mark.parametrize("lost", ["taken", "forgotten"])
def test_who_lost_its_name_is_told_and_changes_nothing(group: Group, lost: str) -> None:
    link = group.link("a")
    if lost == "taken":
        group.alter("a", token="another", beat=7)
    else:
        group.client.hdel(group.keys.consumers, "a")

    assert not link.beat(Report())

    record = group.record("a")
    assert record is None if lost == "forgotten" else record is not None and record["beat"] == 7


def test_a_heartbeat_of_a_destroyed_group_says_so(group: Group) -> None:
    link = group.link("a")
    group.client.xgroup_destroy(group.keys.stream, "g")

    with pytest.raises(GroupMissing):
        link.beat(Report())
