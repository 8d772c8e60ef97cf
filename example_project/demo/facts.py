"""What Redis and the database say: asked directly, by the names the reference documents, not through the library.

An account that the library wrote about itself would prove nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from redis import Redis

from example_project.shop.models import Effect, Invoice, Mail, OrderChange, StockMove
from example_project.shop.topics import CREATED, DELETED, UPDATED

from .reconcile import Change, Entry, GroupFacts

STREAM = "shop:events:order"
DEAD = f"{{{STREAM}}}:dead"

# Each group of the stream: the rows its handlers write, and the event types they want (None is all).
GROUPS: Mapping[str, tuple[type[Effect], frozenset[str] | None]] = {
    "billing": (Invoice, frozenset({CREATED})),
    "stock": (StockMove, None),
    "mail": (Mail, frozenset({CREATED, UPDATED})),
    "statistics": (OrderChange, None),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupTally:
    """Running totals of one group, since its beginning except for `retrying`."""

    read: int = 0
    pending: int = 0
    retrying: int = 0
    dead: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Running totals, cheap enough for every second."""

    added: int
    groups: Mapping[str, GroupTally]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """A failure that waits for its retry, or a dead letter."""

    group: str
    entry_id: str
    error: str
    dead_reason: str | None = None
    attempts: int | None = None


class Facts:
    """Reads facts about everything that was added to the stream after this object was made.

    Args:
        redis: a client that decodes nothing: foreign bytes need not be text.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self.start = "0-0"
        self._dead_start = "0-0"
        if redis.exists(STREAM):
            self.start = _text(_flat(redis, "XINFO", "STREAM", STREAM)["last-generated-id"])
        if redis.exists(DEAD):
            self._dead_start = _text(_flat(redis, "XINFO", "STREAM", DEAD)["last-generated-id"])

    # --- for the account

    def entries(self) -> list[Entry]:
        """Return the entries since the start, oldest first."""
        rows = self._call("XRANGE", STREAM, f"({self.start}", "+")
        return [_entry(_text(entry_id), _pairs(fields)) for entry_id, fields in rows]

    def groups(self) -> list[GroupFacts]:
        """Return what is known of each group since the start."""
        known = self._infos()
        return [
            GroupFacts(
                name=name,
                last_delivered=_text(known[name]["last-delivered-id"]) if name in known else "0-0",
                lag=known[name]["lag"] if name in known else None,
                pending=frozenset(_text(row[0]) for row in self._pending(name)) if name in known else frozenset(),
                scheduled=frozenset(
                    _text(i) for i in self._call("ZRANGE", f"{{{STREAM}}}:{name}:retry", 0, -1) if self._is_new(i)
                ),
                dead=tuple(t.entry_id for t in self.dead_letters() if t.group == name and self._is_new(t.entry_id)),
                wants=wants,
                effects=frozenset(model._default_manager.values_list("event_id", flat=True)),
            )
            for name, (model, wants) in GROUPS.items()
        ]

    def unknown_groups(self) -> set[str]:
        """Return groups of the stream that nobody here has heard of."""
        return set(self._infos()) - set(GROUPS)

    # --- for the live lines

    def tally(self) -> Tally:
        """Return running totals."""
        if not self._redis.exists(STREAM):
            return Tally(added=0, groups={name: GroupTally() for name in GROUPS})
        dead = [t.group for t in self.dead_letters()]
        groups = {
            name: GroupTally(
                read=info["entries-read"] or 0,
                pending=info["pending"],
                retrying=self._call("ZCARD", f"{{{STREAM}}}:{name}:retry"),
                dead=dead.count(name),
            )
            for name, info in self._infos().items()
        }
        return Tally(added=_flat(self._redis, "XINFO", "STREAM", STREAM)["entries-added"], groups=groups)

    def retries(self) -> list[Trouble]:
        """Return what waits for a retry now."""
        found = []
        for name in GROUPS:
            scheduled = {_text(i) for i in self._call("ZRANGE", f"{{{STREAM}}}:{name}:retry", 0, -1)}
            for entry_id, record in _pairs(self._call("HGETALL", f"{{{STREAM}}}:{name}:failures")).items():
                if entry_id in scheduled:
                    error = json.loads(record).get("error", "")
                    found.append(Trouble(group=name, entry_id=entry_id, error=error))
        return found

    def dead_letters(self) -> list[Trouble]:
        """Return the dead letters since the start."""
        rows = [_pairs(fields) for _, fields in self._call("XRANGE", DEAD, f"({self._dead_start}", "+")]
        return [
            Trouble(
                group=_text(row["dead_group"]),
                entry_id=_text(row["dead_entry"]),
                error=_text(row["dead_error"]),
                dead_reason=_text(row["dead_reason"]),
                attempts=int(row["dead_attempts"]),
            )
            for row in rows
        ]

    def entry(self, entry_id: str) -> Entry | None:
        """Return one entry, None if it is not there."""
        rows = self._call("XRANGE", STREAM, entry_id, entry_id)
        return _entry(entry_id, _pairs(rows[0][1])) if rows else None

    # --- Redis

    def _call(self, *command: str | int) -> Any:
        return self._redis.execute_command(*command)  # type: ignore[no-untyped-call]

    def _infos(self) -> dict[str, dict[str, Any]]:
        if not self._redis.exists(STREAM):
            return {}
        rows = [_pairs(row) if isinstance(row, list) else row for row in self._call("XINFO", "GROUPS", STREAM)]
        return {_text(row["name"]): row for row in map(_texted, rows)}

    def _pending(self, group: str) -> list[Any]:
        rows = self._call("XPENDING", STREAM, group, f"({self.start}", "+", 1_000_000)
        return list(rows)

    def _is_new(self, entry_id: bytes | str) -> bool:
        return _number(_text(entry_id)) > _number(self.start)
