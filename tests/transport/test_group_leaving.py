"""Leaving and tidying: what leave.lua and tidy.lua guarantee."""

from __future__ import annotations

import json

import pytest

from django_redis_bus.core.config import Retention
from django_redis_bus.core.exceptions import GroupMissing
from django_redis_bus.transport import group as group_module
from tests.transport.groups import Group

KEEP_ALL = Retention(count=None, age_s=None)


def test_who_leaves_with_nothing_pending_is_gone(group: Group) -> None:
    link = group.link("a")
    ids = group.given(link, 1)
    link.send(ids, 0, None)
    link.receive()

    link.leave()

    assert group.record("a") is None
    assert group.consumers() == set()


def test_who_leaves_with_something_pending_stays_in_the_group(group: Group) -> None:
    link = group.link("a")
    [entry_id] = group.given(link)

    link.leave()

    assert group.record("a") is None
    assert group.pending() == {entry_id: ("a", 1)}


def test_who_lost_its_name_takes_nothing_with_it_when_it_leaves(group: Group) -> None:
    link = group.link("a")
    group.given(link)
    group.alter("a", token="another")

    link.leave()

    assert group.record("a") is not None
    assert group.consumers() == {"a"}


def test_leaving_a_deleted_stream_is_no_error(group: Group) -> None:
    link = group.link("a")
    group.client.delete(group.keys.stream)

    link.leave()

    assert group.record("a") is None


def test_only_long_idle_consumers_with_nothing_pending_and_no_heartbeat_are_removed(
    group: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_module, "IDLE_CONSUMER_MS", 0)
    # Given one that went silent, one that went silent with an entry, and one that is alive
    silent, owing, alive = group.link("silent"), group.link("owing"), group.link("alive")
    for link in (silent, alive):
        link.send(group.given(link), 0, None)
        link.receive()
    group.given(owing)
    for name in ("silent", "owing"):
        group.alter(name, beat=1)

    alive.tidy(KEEP_ALL)

    assert group.consumers() == {"owing", "alive"}
    assert group.record("silent") is None
    assert len(group.pending()) == 1


def test_records_of_consumers_that_the_group_does_not_know_are_removed_when_old(
    group: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_module, "IDLE_CONSUMER_MS", 1000)
    link = group.link("a")
    group.client.hset(group.keys.consumers, mapping={
        "old": json.dumps({"beat": 1, "token": "x"}),
        "young": json.dumps({"beat": group.now_ms(), "token": "x"}),
    })  # fmt: skip

    link.tidy(KEEP_ALL)

    assert group.record("old") is None
    assert group.record("young") is not None


@pytest.mark.parametrize("how", ["stream", "group"])
def test_tidying_what_has_gone_says_so(group: Group, how: str) -> None:
    link = group.link("a")
    if how == "stream":
        group.client.delete(group.keys.stream)
    else:
        group.client.xgroup_destroy(group.keys.stream, "g")

    with pytest.raises(GroupMissing):
        link.tidy(Retention(count=1))
