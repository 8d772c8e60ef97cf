"""Does the account balance? Pure: facts in, differences out; facts.py collects them.

Two equations, entry by entry and not only by their sums:

    saved = published                             each committed change is one entry of the stream, and only one
    published = handled + retrying + dead         for each consumer group
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

NAMED = 5
"""How many culprits one line names."""


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
class GroupFacts:
    """What Redis and the database say about one group.

    Attributes:
        last_delivered: id of the last entry the group has read (XINFO GROUPS).
        lag: entries it has not read, as Redis counts them; None if Redis cannot tell.
        pending: ids delivered and not acked (XPENDING).
        scheduled: ids in the retry ZSET.
        dead: original ids of its dead letters, one per dead letter.
        wants: event types it has handlers for; None is all.
        effects: event ids of the rows its handlers wrote.
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
        published: entries that are such a change.
        others: further entries: published by hand, or saved by somebody else, in the admin say.
        differences: what does not add up; nothing if all is well.
    """

    saved: int
    published: int
    others: int
    groups: tuple[GroupAccount, ...]
    differences: tuple[str, ...]


def reconcile(saved: Sequence[Change], entries: Sequence[Entry], groups: Sequence[GroupFacts]) -> Account:
    """Return the account and its differences."""
    expected, found = Counter(saved), Counter(e.change for e in entries if e.change is not None)
    differences = [
        *_differ("saved, but not in the stream", (expected - found).elements()),
        *_differ("in the stream more than once", (c for c in expected if found[c] > expected[c])),
        *_differ("event ids that two entries share", _repeated(e.event_id for e in entries)),
    ]
    published = sum(1 for e in entries if e.change in expected)
    accounts = []
    for group in groups:
        account, wrong = _group(group, entries)
        accounts.append(account)
        differences += [f"{group.name}: {text}" for text in wrong]
    return Account(
        saved=len(saved),
        published=published,
        others=len(entries) - published,
        groups=tuple(accounts),
        differences=tuple(differences),
    )


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
    without_effect = [e for e in wanted if e.event_id not in group.effects]
    account = GroupAccount(
        name=group.name,
        handled=len(acked) - len(without_effect),
        retrying=len(retrying),
        dead=len(buried),
        under_way=len(running) + len(unread),
    )
    wrong = [
        *_differ("not read", unread),
        *_differ("read, and neither finished nor put aside", running),
        *_differ("acked, but its handler left no row", without_effect),
        *_differ("both pending and dead", (e for e in buried if e.entry_id in group.pending)),
        *_differ("dead letters twice", _repeated(group.dead)),
        *_differ("dead, but not in the stream", dead - {e.entry_id for e in entries}),
        *_differ("waiting for a retry, but not pending", group.scheduled - group.pending),
    ]
    if group.lag is not None and group.lag != len(unread):
        wrong.append(f"Redis counts {group.lag} unread entries, their ids say {len(unread)}")
    total = account.handled + account.retrying + account.dead
    if total != len(entries):
        wrong.append(f"{len(entries)} published, but {total} handled, retrying or dead")
    return account, wrong


def _differ(what: str, culprits: Iterable[object]) -> list[str]:
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
