"""Trimming: what trim.lua guarantees, through RedisGroupLink.tidy."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from django_redis_bus.core.config import Retention
from django_redis_bus.transport import group as group_module
from django_redis_bus.transport.group import RedisGroupLink
from tests.transport.groups import Group


@pytest.fixture
def link(group: Group) -> Iterator[RedisGroupLink]:
    return group.link("a")


def fill(group: Group, count: int) -> list[bytes]:
    pipe = group.client.pipeline()
    for n in range(count):
        pipe.xadd(group.keys.stream, {"n": n})
    return list(pipe.execute())


def handle(link: RedisGroupLink, count: int) -> None:
    link.send([], count, None)
    ids = [d.entry_id for d in link.receive()]
    assert len(ids) == count
    link.send(ids, 0, None)
    link.receive()


def first(group: Group) -> bytes:
    return group.client.xrange(group.keys.stream, count=1)[0][0]


@pytest.mark.parametrize(("total", "kept"), [(50, 20), (1000, 20), (1000, 950), (3000, 0), (25_000, 100)])
def test_what_is_handled_is_trimmed_to_the_count(group: Group, link: RedisGroupLink, total: int, kept: int) -> None:
    ids = fill(group, total)
    handle(link, total)

    removed = link.tidy(Retention(count=kept))

    left = group.client.xlen(group.keys.stream)
    # The last handled entry marks where the group is, so it stays.
    assert left == max(kept, 1)
    assert removed == total - left
    assert first(group) == ids[-left]


def test_what_was_not_read_stays_whatever_the_count(group: Group, link: RedisGroupLink) -> None:
    ids = fill(group, 500)
    handle(link, 300)

    link.tidy(Retention(count=10))

    # Part of a node may stay longer, never less than what is needed.
    assert ids.index(first(group)) in range(200, 300)


def test_what_is_pending_stays_whatever_the_count_and_age(group: Group, link: RedisGroupLink) -> None:
    ids = fill(group, 500)
    link.send([], 500, None)
    link.receive()
    link.send([*ids[:120], *ids[121:]], 0, None)
    link.receive()

    link.tidy(Retention(count=10, age_s=0.001))

    assert first(group) == ids[120]
    assert group.client.xlen(group.keys.stream) == 380


def test_the_slowest_group_decides(group: Group, link: RedisGroupLink) -> None:
    ids = fill(group, 400)
    handle(link, 400)
    group.client.xgroup_create(group.keys.stream, "slow", id=ids[149])

    link.tidy(Retention(count=10))

    assert ids.index(first(group)) in range(100, 150)


def test_a_group_that_has_read_nothing_holds_everything(group: Group, link: RedisGroupLink) -> None:
    fill(group, 400)
    handle(link, 400)
    group.client.xgroup_create(group.keys.stream, "new", id="0")

    link.tidy(Retention(count=10, age_s=0.001))

    assert group.client.xlen(group.keys.stream) == 400


def test_a_group_that_is_dead_for_long_holds_nothing(
    group: Group, link: RedisGroupLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_module, "PIN_MS", 60_000)
    fill(group, 400)
    handle(link, 400)
    group.client.xgroup_create(group.keys.stream, "dead", id="0")
    group.client.hset(group.keys.groups, "dead", group.now_ms() - 60_001)

    link.tidy(Retention(count=10))

    assert group.client.xlen(group.keys.stream) == 10


def test_a_group_of_another_program_counts_from_when_it_is_first_seen(
    group: Group, link: RedisGroupLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(group, 400)
    handle(link, 400)
    group.client.xgroup_create(group.keys.stream, "foreign", id="0")

    link.tidy(Retention(count=10))
    assert group.client.xlen(group.keys.stream) == 400
    seen = int(group.client.hget(group.keys.groups, "foreign"))
    assert seen > group.now_ms() - 5000

    link.tidy(Retention(count=10))
    assert int(group.client.hget(group.keys.groups, "foreign")) == seen


def test_entries_beyond_the_age_go_and_younger_ones_stay(group: Group, link: RedisGroupLink) -> None:
    hour_ago = group.now_ms() - 3_600_000
    for n in range(150):
        group.client.xadd(group.keys.stream, {"n": n}, id=f"{hour_ago}-{n}")
    young = fill(group, 150)
    handle(link, 300)

    link.tidy(Retention(count=None, age_s=1800))

    assert first(group) == young[0]
    assert group.client.xlen(group.keys.stream) == 150


def test_old_entries_that_a_group_needs_stay(group: Group, link: RedisGroupLink) -> None:
    hour_ago = group.now_ms() - 3_600_000
    for n in range(300):
        group.client.xadd(group.keys.stream, {"n": n}, id=f"{hour_ago}-{n}")
    handle(link, 100)

    link.tidy(Retention(count=None, age_s=1800))

    assert first(group) == f"{hour_ago}-99".encode()


def test_without_limits_nothing_goes(group: Group, link: RedisGroupLink) -> None:
    fill(group, 300)
    handle(link, 300)

    assert link.tidy(Retention(count=None, age_s=None)) == 0
    assert group.client.xlen(group.keys.stream) == 300


def test_below_the_count_nothing_goes(group: Group, link: RedisGroupLink) -> None:
    fill(group, 300)
    handle(link, 300)

    assert link.tidy(Retention(count=300)) == 0


def test_an_empty_stream_is_no_problem(group: Group, link: RedisGroupLink) -> None:
    assert link.tidy(Retention(count=1, age_s=1)) == 0
