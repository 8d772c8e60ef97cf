"""What Redis and the database say: asked directly, by the names the reference documents, not through the library.

An account that the library gave of itself would prove nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as Refused
from redis.exceptions import TimeoutError as NoAnswer
from redis.retry import Retry

from example_project.shop.models import Effect, Invoice, Mail, OrderChange, StockMove
from example_project.shop.topics import CREATED, DELETED, UPDATED

from .reconcile import Change, Entry, GroupFacts

AWAY = (Refused, NoAnswer)
"""What asking raises while Redis is away."""
STREAM = "shop:events:order"
DEAD = f"{{{STREAM}}}:dead"

# Each group of the stream: the rows that its handlers write, and the event types they want (None is all).
# The board's handler writes none: what it does is seen in a browser.
GROUPS: Mapping[str, tuple[type[Effect] | None, frozenset[str] | None]] = {
    "billing": (Invoice, frozenset({CREATED})),
    "stock": (StockMove, None),
    "mail": (Mail, frozenset({CREATED, UPDATED})),
    "statistics": (OrderChange, None),
    "board": (None, None),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """A failure that waits for its retry; with a reason, a dead letter.

    Attributes:
        last_ms: when it failed.
        attempt: the number of the attempt that failed, if it is known.
        wait_s: from that to the next attempt, if it is known.
    """

    group: str
    entry_id: str
    error: str
    reason: str | None = None
    last_ms: int = 0
    attempt: int | None = None
    wait_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupTally:
    handled: int
    retrying: int
    dead: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Totals of what was added since the start."""

    added: int
    groups: Mapping[str, GroupTally]


class Facts:
    """Facts about everything that is added to the stream after this object was made.

    Args:
        url: of the server.
        since: an entry id, for everything after that one.
    """

    def __init__(self, url: str, *, since: str | None = None) -> None:
        # Any, because redis-py's annotations say "value or awaitable". Nothing is decoded: it need not be text.
        # One retry: the connection may be from before an outage.
        self.redis: Any = Redis.from_url(url, protocol=2, socket_timeout=1.0, retry=Retry(NoBackoff(), 1))
        self._start = since or self._last_id(STREAM)
        self._dead_start = self._last_id(DEAD)
        self._added_before = self._added()
        # Group -> the last entry counted, and how many of them were added since the start. Redis's own counter
        # (entries-read) would not do: it is not known for each group, and an earlier run moved it too.
        self._read: dict[str, tuple[str, int]] = {}
        self.shown: Callable[[], Collection[str]] = tuple
        """Returns the ids of the events that the board's handler has shown."""

    def close(self) -> None:
        """Close the connection."""
        self.redis.close()

    # --- for the account

    def entries(self, until: str = "+") -> list[Entry]:
        """Return the entries since the start, oldest first, up to an id or to a moment (ms)."""
        return [_entry(entry_id, fields) for entry_id, fields in self.redis.xrange(STREAM, f"({self._start}", until)]

    def groups(self) -> list[GroupFacts]:
        """Return what is known of each group since the start."""
        infos = self._infos()
        dead = self.dead_letters()
        found = []
        for name, (model, wants) in GROUPS.items():
            info = infos.get(name)
            pending = self._pending(name) if info else []
            scheduled = {i.decode() for i in self.redis.zrange(_side(name, "retry"), 0, -1)}
            found.append(
                GroupFacts(
                    name=name,
                    last_delivered=info["last-delivered-id"].decode() if info else "0-0",
                    lag=info["lag"] if info else None,
                    pending=frozenset(row["message_id"].decode() for row in pending),
                    scheduled=frozenset(filter(self._is_new, scheduled)),
                    dead=tuple(t.entry_id for t in dead if t.group == name and self._is_new(t.entry_id)),
                    wants=wants,
                    effects=self._effects(model),
                )
            )
        return found

    def _effects(self, model: type[Effect] | None) -> Collection[str]:
        return tuple(model._default_manager.values_list("event_id", flat=True)) if model else self.shown()

    def retried(self) -> int:
        """Return how many invoices since the start took more than one attempt."""
        ids = [e.event_id for e in self.entries()]
        late = Invoice.objects.filter(attempts__gt=1).values_list("event_id", flat=True)
        return len(set(late).intersection(ids))

    def unknown_groups(self) -> set[str]:
        """Return groups of the stream that are in no account, because nobody here has heard of them."""
        return set(self._infos()) - set(GROUPS)

    # --- for the live lines: cheap enough for every second

    def tally(self) -> Tally:
        """Return totals of what was added since the start."""
        infos = self._infos()
        dead = [t.group for t in self.dead_letters() if self._is_new(t.entry_id)]
        tallies = {}
        for name in GROUPS:
            scheduled = [i for i in self.redis.zrange(_side(name, "retry"), 0, -1) if self._is_new(i.decode())]
            read = self._count_read(name, infos[name]["last-delivered-id"].decode()) if name in infos else 0
            pending = len(self._pending(name)) if name in infos else 0
            tallies[name] = GroupTally(
                handled=max(read - pending - dead.count(name), 0),
                retrying=len(scheduled),
                dead=dead.count(name),
            )
        return Tally(added=self._added() - self._added_before, groups=tallies)

    def retries(self) -> list[Trouble]:
        """Return what waits for a retry now."""
        found = []
        for name in GROUPS:
            scheduled = self.redis.zrange(_side(name, "retry"), 0, -1, withscores=True)
            failures = self.redis.hgetall(_side(name, "failures")) if scheduled else {}
            for entry_id, due_ms in scheduled:
                if entry_id not in failures:
                    continue  # two answers, between which it was handled
                record = json.loads(failures[entry_id])
                last_ms = int(record.get("last", 0))
                pending = self.redis.xpending_range(STREAM, name, entry_id, entry_id, 1)
                found.append(
                    Trouble(
                        group=name,
                        entry_id=entry_id.decode(),
                        error=record.get("error", ""),
                        last_ms=last_ms,
                        attempt=pending[0]["times_delivered"] if pending else None,
                        # Two answers, between which it may have failed again: then these do not belong together.
                        wait_s=(due_ms - last_ms) / 1000 if 0 < last_ms < due_ms else None,
                    )
                )
        return found

    def dead_letters(self) -> list[Trouble]:
        """Return the dead letters since the start."""
        return [
            Trouble(
                group=fields[b"dead_group"].decode(),
                entry_id=fields[b"dead_entry"].decode(),
                error=fields[b"dead_error"].decode(errors="replace"),
                reason=fields[b"dead_reason"].decode(),
            )
            for _, fields in self.redis.xrange(DEAD, f"({self._dead_start}", "+")
        ]

    def dead_ids(self) -> list[str]:
        """Return the ids that all dead letters have, those from before the start as well."""
        return [dead_id.decode() for dead_id, _ in self.redis.xrange(DEAD)]

    def entry(self, entry_id: str) -> Entry | None:
        """Return one entry; None if it is gone."""
        rows = self.redis.xrange(STREAM, entry_id, entry_id)
        return _entry(*rows[0]) if rows else None

    # --- Redis

    def _last_id(self, key: str) -> str:
        return self.redis.xinfo_stream(key)["last-generated-id"].decode() if self.redis.exists(key) else "0-0"

    def _infos(self) -> dict[str, dict[str, Any]]:
        if not self.redis.exists(STREAM):
            return {}
        return {info["name"].decode(): info for info in self.redis.xinfo_groups(STREAM)}

    def _added(self) -> int:
        return int(self.redis.xinfo_stream(STREAM)["entries-added"]) if self.redis.exists(STREAM) else 0

    def _pending(self, group: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.redis.xpending_range(STREAM, group, f"({self._start}", "+", 1_000_000)
        return found

    def _count_read(self, group: str, last_delivered: str) -> int:
        """Return how many entries since the start the group has read; counts what came since the last look."""
        last, count = self._read.get(group, (self._start, 0))
        if _order(last_delivered) > _order(last):
            count += len(self.redis.xrange(STREAM, f"({last}", last_delivered))
            self._read[group] = last_delivered, count
        return count

    def _is_new(self, entry_id: str) -> bool:
        return _order(entry_id) > _order(self._start)


def _side(group: str, what: str) -> str:
    return f"{{{STREAM}}}:{group}:{what}"


def _order(entry_id: str) -> tuple[int, ...]:
    return tuple(map(int, entry_id.split("-")))


def _entry(entry_id: bytes | str, fields: Mapping[bytes, bytes]) -> Entry:
    event_type = fields.get(b"ce_type", b"").decode(errors="replace")
    try:
        data = json.loads(fields[b"data"])
        change = Change(order=data["id"], what="deleted" if event_type == DELETED else data["status"])
    except (KeyError, TypeError, ValueError):
        change = None
    return Entry(
        entry_id=entry_id if isinstance(entry_id, str) else entry_id.decode(),
        event_id=fields.get(b"ce_id", b"").decode(errors="replace"),
        type=event_type,
        change=change,
    )
