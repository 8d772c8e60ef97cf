"""Entries of megabytes: neither Redis nor who asks ever has many of them in hand, and none is passed over."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from django_redis_bus.operations import dead, entries, pending, replaying, streams, trimming
from django_redis_bus.operations.entries import LOOKED_AT_BYTES
from django_redis_bus.operations.values import Count
from tests.operations.ward import EVENT, Ward

MB = 1_000_000
LARGE = '{"id":"%s"}' % ("x" * 2 * MB)
HALF = "x" * (MB // 2)


@contextmanager
def in_memory(most: int) -> Iterator[None]:
    """Check that no more bytes than these are in use at one time."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < most
    finally:
        tracemalloc.stop()


@contextmanager
def reads(ward: Ward, most: int) -> Iterator[None]:
    """Check that Redis is asked for entries so many times at most, also within scripts."""
    ward.client.config_resetstat()
    yield
    asked = ward.client.info("commandstats")
    assert sum(asked.get(f"cmdstat_{name}", {}).get("calls", 0) for name in ("xrange", "xrevrange")) <= most


def all_pages(page: Callable[[str], object]) -> list[str]:
    """Return the ids on all pages of a listing, each of which is bounded."""
    found: list[str] = []
    after: str | None = ""
    while after is not None:
        with in_memory(40 * MB):
            shown = page(after)
        after = shown.following  # type: ignore[attr-defined]
        ids = [getattr(each, "dead_id", "") or each.entry_id for each in shown.items]  # type: ignore[attr-defined]
        assert 0 < len(ids) <= LOOKED_AT_BYTES / (2 * MB) + 1
        assert shown.cut_short == (after is not None)  # type: ignore[attr-defined]
        found += ids
    return found


def test_a_page_of_pending_entries(ward: Ward) -> None:
    ids = ward.running(12, data=LARGE)

    found = all_pages(
        lambda after: pending.listing(
            ward.asking(), ward.topic, ward.group, pending.Match(), after=after, payloads=True
        )
    )

    assert found == ids


@pytest.mark.parametrize("text", ["", "shop.order"])
def test_a_page_of_dead_letters(ward: Ward, text: str) -> None:
    made = [ward.letter("1-1", EVENT | {"data": LARGE}) for _ in range(12)]

    found = all_pages(
        lambda after: dead.listing(ward.asking(), ward.topic, dead.Match(text=text), after=after, payloads=True)
    )

    assert found == made[::-1]


def test_a_page_of_entries(ward: Ward) -> None:
    ids = ward.add(12, data=LARGE)

    found = all_pages(lambda after: entries.browse(ward.asking(), ward.topic, start=after, payloads=True))

    assert found == ids[::-1]


@pytest.mark.parametrize("sign", ["x", "\u00e9", "\\\\", "="], ids=["plain", "foreign", "escaped", "formula"])
def test_an_export_has_one_letter_in_hand(ward: Ward, sign: str) -> None:
    data = f'{{"id":"{sign * (2 * MB // len(sign.encode()))}"}}'
    made = [ward.letter("1-1", EVENT | {"data": data}) for _ in range(6)]
    written = 0

    with in_memory(60 * MB):
        for line in dead.export(ward.asking(20), ward.topic, dead.Match(), payloads=True):
            assert made[written] in line[:100]
            written += 1

    assert written == len(made)


def test_what_is_done_to_letters_does_not_fetch_what_was_given_up(ward: Ward) -> None:
    ward.make_group()
    made = [ward.letter("1-1", EVENT | {"data": LARGE}) for _ in range(12)]

    with in_memory(2 * MB):
        assert dead.count(ward.asking(), ward.topic, dead.Match(group="billing"), payloads=True) == Count(12)
        assert dead.redrive(ward.asking(), ward.topic, made[:2]).done == 2
        assert dead.redrive(ward.asking(), ward.topic, dead.Match(group="billing")).done == 10


def test_counting_reads_a_few_megabytes_at_a_time(ward: Ward) -> None:
    ids = ward.add(30, data=HALF)
    key = ward.key

    found, place = ward.asking().run("count", [key], "-", "+")

    assert 5 <= found <= 12
    # And goes on where it was
    number = found
    while place:
        found, place = ward.asking().run("count", [key], place.decode(), "+")
        number += found
    assert number == len(ids)


def test_small_entries_before_large_ones_do_not_make_it_read_many(ward: Ward) -> None:
    ward.add(200, data="x")
    ward.add(60, data=HALF)

    found, _ = ward.asking().run("count", [ward.key], "-", "+")

    assert 200 < found <= 230


def test_a_dry_run_and_a_preview_count_large_entries_to_the_end(ward: Ward) -> None:
    ids = ward.read(30, data=HALF)

    assert replaying.plan(ward.asking(), ward.topic, ward.group, "all").count == Count(30)
    assert trimming._count(ward.asking(), ward.key, ids[0], ids[-1], whole=True) == Count(30)


def test_a_stream_with_groups_everywhere(ward: Ward) -> None:
    # Given groups of which Redis cannot tell the lag, each at another place
    ids = ward.add(40, data=HALF)
    ward.trimmed(ids[-2])
    for n in range(30):
        ward.make_group(f"g{n:02}", ids[n])

    with reads(ward, 60):
        report = streams.stream(ward.asking(), ward.topic)

    assert len(report.groups) == 30
    assert all(group.unread.number or group.unread.at_least for group in report.groups)
    assert report.groups[0].oldest_s is not None


def test_ordering_keys_of_large_entries(ward: Ward) -> None:
    for n in range(20):
        ward.waiting(data=HALF, ce_partitionkey=f"k{n:02}")

    [group] = streams.stream(ward.asking(), ward.topic).groups

    assert 5 <= len(group.keys) <= 12
