"""Does the account balance? Pure: facts in, differences out; facts.py and outbox.py collect them.

Three equations, entry by entry and not only by their sums:

    saved = published                             each committed change is one entry of the stream, and only one
    rows of the outbox = published                what was rolled back has no row, so it can be no entry; none waits
    published = handled + retrying + dead         for each consumer group, and with one effect each
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

NAMED = 5
"""How many culprits one line names."""
WAITING, SENT, PARKED = ("pending", "scheduled"), "sent", "parked"
"""States of rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What happened to an order: "created", "paid", "shipped" or "deleted". Each happens to it once."""

    order: int
    what: str

    def __str__(self) -> str:
        return f"#{self.order} {self.what}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry of the stream. `change` is None if it cannot be read."""

    entry_id: str
    event_id: str
    type: str
    change: Change | None

    def __str__(self) -> str:
        return f"{self.entry_id} ({self.change or 'unreadable'})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of the outbox. `state` is "pending", "scheduled", "sent" or "parked"."""

    event_id: str
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupFacts:
    """What Redis and the database say about one group.

    Attributes:
        last_delivered: id of the last entry the group has read (XINFO GROUPS).
        lag: entries it has not read, as Redis counts them; None if Redis cannot tell.
        pending: ids delivered and not acked (XPENDING).
        scheduled: ids in the retry ZSET.
        dead: original ids of its dead letters, one per dead letter.
        wants: event types it has handlers for; None is all.
        effects: event ids of the rows its handlers wrote, one per row.
    """

    name: str
    last_delivered: str
    lag: int | None
    pending: frozenset[str]
    scheduled: frozenset[str]
    dead: tuple[str, ...]
    wants: frozenset[str] | None
    effects: Collection[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupAccount:
    """One line of the summary. `under_way` is what was read and neither finished nor put aside, or not yet read."""

    name: str
    handled: int
    retrying: int
    dead: int
    under_way: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The summary.

    Attributes:
        saved: changes that had to become events.
        committed: rows of the outbox; `waiting` of them have not been published, `parked` never will be by themselves.
        published: entries that are such a change.
        others: further entries: published by hand, or saved by somebody else, in the admin say.
        differences: what does not add up; nothing if all is well.
    """

    saved: int
    committed: int
    waiting: int
    parked: int
    published: int
    others: int
    groups: tuple[GroupAccount, ...]
    differences: tuple[str, ...]


def reconcile(
    saved: Sequence[Change], rows: Sequence[Row], entries: Sequence[Entry], groups: Sequence[GroupFacts]
) -> Account:
    """Return the account and its differences."""
    expected, found = Counter(saved), Counter(e.change for e in entries if e.change is not None)
    differences = [
        *differ("saved, but not in the stream", (expected - found).elements()),
        *differ("in the stream more than once", (c for c in expected if found[c] > expected[c])),
        *differ("event ids that two entries share", _repeated(e.event_id for e in entries)),
        *differ("in another order than they were saved", _out_of_order(saved, entries)),
        *_outbox(rows, entries),
    ]
    published = sum(1 for e in entries if e.change in expected)
    accounts = []
    for group in groups:
        account, wrong = _group(group, entries)
        accounts.append(account)
        differences += [f"{group.name}: {text}" for text in wrong]
    return Account(
        saved=len(saved),
        committed=len(rows),
        waiting=sum(1 for row in rows if row.state in WAITING),
        parked=sum(1 for row in rows if row.state == PARKED),
        published=published,
        others=len(entries) - published,
        groups=tuple(accounts),
        differences=tuple(differences),
    )


def _outbox(rows: Sequence[Row], entries: Sequence[Entry]) -> list[str]:
    committed, published = {row.event_id for row in rows}, {e.event_id for e in entries}
    # What cannot be read was added by hand.
    ghosts = [e for e in entries if e.change is not None and e.event_id not in committed]
    return [
        *differ("still in the outbox", (row.event_id for row in rows if row.state in WAITING)),
        *differ("parked in the outbox", (row.event_id for row in rows if row.state == PARKED)),
        *differ("sent by the outbox, but not in the stream", _ids(rows, SENT) - published),
        *differ("in the stream, but never committed", ghosts),
    ]


def _ids(rows: Iterable[Row], state: str) -> set[str]:
    return {row.event_id for row in rows if row.state == state}


def _out_of_order(saved: Sequence[Change], entries: Sequence[Entry]) -> list[str]:
    """Return the orders whose events do not stand in the stream as they were saved."""
    found = _by_order(e.change for e in entries if e.change is not None)
    wrong = []
    for order, changes in _by_order(saved).items():
        here = [change for change in found[order] if change in changes]
        # Those that are missing, or there twice, are told elsewhere.
        if list(dict.fromkeys(here)) != [change for change in changes if change in here]:
            wrong.append(f"#{order} " + ", ".join(change.what for change in here))
    return wrong


def _by_order(changes: Iterable[Change]) -> defaultdict[int, list[Change]]:
    by_order: defaultdict[int, list[Change]] = defaultdict(list)
    for change in changes:
        by_order[change.order].append(change)
    return by_order


def _group(group: GroupFacts, entries: Sequence[Entry]) -> tuple[GroupAccount, list[str]]:
    unread = [e for e in entries if _order(e.entry_id) > _order(group.last_delivered)]
    read = entries[: len(entries) - len(unread)]
    dead = set(group.dead)
    running = [e for e in read if e.entry_id in group.pending - group.scheduled]
    retrying = [e for e in read if e.entry_id in group.pending & group.scheduled]
    buried = [e for e in read if e.entry_id in dead]
    acked = [e for e in read if e.entry_id not in group.pending | dead]
    # A group without a handler for a type acks it unseen: that is handled. What it wants must have left a row.
    wanted = [e for e in acked if group.wants is None or e.type in group.wants]
    effects = Counter(group.effects)
    without_effect = [e for e in wanted if not effects[e.event_id]]
    account = GroupAccount(
        name=group.name,
        handled=len(acked) - len(without_effect),
        retrying=len(retrying),
        dead=len(buried),
        under_way=len(running) + len(unread),
    )
    wrong = [
        *differ("not read", unread),
        *differ("read, and neither finished nor put aside", running),
        *differ("acked, but its handler left no row", without_effect),
        *differ("its handler left more than one row", (e for e in entries if effects[e.event_id] > 1)),
        *differ("both pending and dead", (e for e in buried if e.entry_id in group.pending)),
        *differ("dead letters twice", _repeated(group.dead)),
        *differ("dead, but not in the stream", dead - {e.entry_id for e in entries}),
        *differ("waiting for a retry, but not pending", group.scheduled - group.pending),
    ]
    if group.lag is not None and group.lag != len(unread):
        wrong.append(f"Redis counts {group.lag} unread entries, their ids say {len(unread)}")
    total = account.handled + account.retrying + account.dead
    if total != len(entries):
        wrong.append(f"{len(entries)} published, but {total} handled, retrying or dead")
    return account, wrong


def differ(what: str, culprits: Iterable[object]) -> list[str]:
    names = sorted(map(str, culprits))
    if not names:
        return []
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return [f"{what}: {', '.join(names[:NAMED])}{more}"]


def _repeated(ids: Iterable[str]) -> list[str]:
    return [each for each, times in Counter(ids).items() if times > 1]


def _order(entry_id: str) -> tuple[int, int]:
    ms, _, sequence = entry_id.partition("-")
    return int(ms), int(sequence or 0)
