from __future__ import annotations

from typing import Any

import pytest

from example_project.demo.reconcile import Account, Change, Entry, GroupFacts, Row, reconcile

from .conftest import Shop
from .test_shop import CUSTOMER, PLACE

CREATED, PAID = Change(order=1, what="created"), Change(order=1, what="paid")


def entry(n: int, change: Change | None, event_id: str = "") -> Entry:
    kind = "created" if change == CREATED else "updated"
    return Entry(entry_id=f"{n}-0", event_id=event_id or f"e{n}", type=kind, change=change)


ENTRIES = [entry(1, CREATED), entry(2, PAID)]
ROWS = [Row(event_id="e1", state="sent"), Row(event_id="e2", state="sent")]


def group(**changes: Any) -> GroupFacts:
    """A group that has handled ENTRIES."""
    facts: dict[str, Any] = {
        "name": "billing",
        "last_delivered": "2-0",
        "lag": 0,
        "pending": frozenset(),
        "scheduled": frozenset(),
        "dead": (),
        "wants": None,
        "effects": ("e1", "e2"),
    }
    return GroupFacts(**facts | changes)


def account(entries: list[Entry] = ENTRIES, *, rows: list[Row] = ROWS, **changes: Any) -> Account:
    return reconcile([CREATED, PAID], rows, entries, [group(**changes)])


def test_all_handled_reconciles() -> None:
    found = account()
    assert found.differences == ()
    assert (found.saved, found.committed, found.waiting, found.parked) == (2, 2, 0, 0)
    assert (found.published, found.others) == (2, 0)
    assert (found.groups[0].handled, found.groups[0].retrying, found.groups[0].dead) == (2, 0, 0)


def test_retrying_dead_and_unwanted_entries_reconcile() -> None:
    # Given one entry that waits for a retry, one unreadable dead one, and one of a type that the group acks unseen
    entries = [entry(1, CREATED), entry(2, PAID), entry(3, None)]
    first = frozenset({"1-0"})
    found = account(
        entries,
        last_delivered="3-0",
        pending=first,
        scheduled=first,
        dead=("3-0",),
        wants=frozenset({"created"}),
        effects=(),
    )
    assert found.differences == ()
    assert found.others == 1
    assert (found.groups[0].handled, found.groups[0].retrying, found.groups[0].dead) == (1, 1, 1)


@pytest.mark.parametrize(
    ("entries", "difference"),
    [
        (ENTRIES[:1], "saved, but not in the stream: #1 paid"),
        ([*ENTRIES, entry(3, PAID)], "in the stream more than once: #1 paid"),
        ([ENTRIES[0], entry(2, PAID, event_id="e1")], "event ids that two entries share: e1"),
        ([entry(1, PAID), entry(2, CREATED)], "in another order than they were saved: #1 paid, created"),
        ([*ENTRIES, entry(3, Change(order=8, what="created"))], "in the stream, but never committed: 3-0 (#8 created)"),
        ([ENTRIES[0]], "sent by the outbox, but not in the stream: e2"),
    ],
)
def test_a_stream_that_is_not_what_was_saved_does_not_reconcile(entries: list[Entry], difference: str) -> None:
    assert difference in account(entries, last_delivered="9-0", effects=("e1", "e2", "e3")).differences


@pytest.mark.parametrize(
    ("state", "counts", "difference"),
    [
        ("pending", (1, 0), "still in the outbox: e2"),
        ("scheduled", (1, 0), "still in the outbox: e2"),
        ("parked", (0, 1), "parked in the outbox: e2"),
    ],
)
def test_a_row_that_was_left_behind_does_not_reconcile(state: str, counts: tuple[int, int], difference: str) -> None:
    found = account(rows=[ROWS[0], Row(event_id="e2", state=state)])
    assert difference in found.differences
    assert (found.waiting, found.parked) == counts


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({"last_delivered": "1-0", "lag": 1}, "billing: not read: 2-0 (#1 paid)"),
        ({"last_delivered": "1-0", "lag": 0}, "billing: Redis counts 0 unread entries, their ids say 1"),
        ({"effects": ("e1",)}, "billing: acked, but its handler left no row: 2-0 (#1 paid)"),
        ({"effects": ("e1", "e2", "e2")}, "billing: its handler left more than one row: 2-0 (#1 paid)"),
        ({"pending": frozenset({"2-0"})}, "billing: read, and neither finished nor put aside: 2-0 (#1 paid)"),
        ({"scheduled": frozenset({"2-0"})}, "billing: waiting for a retry, but not pending: 2-0"),
        ({"dead": ("2-0", "2-0")}, "billing: dead letters twice: 2-0"),
        ({"dead": ("7-0",)}, "billing: dead, but not in the stream: 7-0"),
        ({"dead": ("2-0",), "pending": frozenset({"2-0"})}, "billing: both pending and dead: 2-0 (#1 paid)"),
    ],
)
def test_a_group_that_lost_track_of_an_entry_does_not_reconcile(changes: dict[str, Any], difference: str) -> None:
    assert difference in account(**changes).differences


def test_sums_that_differ_are_said() -> None:
    assert "billing: 2 published, but 1 handled, retrying or dead" in account(effects=("e1",)).differences


def test_facts_of_a_real_server_miss_what_was_removed(shop: Shop) -> None:
    # Given two orders that were published and handled
    shop.python(CUSTOMER + PLACE + "place(); place()")
    shop.manage("relay_outbox", "--burst")  # what a busy machine's Redis did not take within the deadline
    shop.manage("consume_stream", "--burst")
    # When one entry, and the row of another group's handler, are taken away
    first = shop.redis.xrange("shop:events:order")[0][0]
    shop.redis.xdel("shop:events:order", first)
    ask = (
        "from example_project.demo.facts import Facts; from example_project.demo.outbox import Outbox\n"
        "from example_project.demo.reconcile import *; from django_redis_bus import bus\n"
        "facts = Facts(bus.url, since='0-0'); StockMove.objects.filter(order_number=2).delete()\n"
        "saved = [Change(order=n, what='created') for n in (1, 2)]; rows = Outbox(after=0).rows()\n"
        "print(*reconcile(saved, rows, facts.entries(), facts.groups()).differences, sep='\\n'); facts.close()"
    )
    # Then both are named
    said = shop.python(ask)
    assert "saved, but not in the stream: #1 created" in said
    assert "sent by the outbox, but not in the stream: " in said
    assert "stock: acked, but its handler left no row: " in said
    assert "billing" not in said
