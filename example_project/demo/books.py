"""The books of one run: what was saved, what the outbox and the stream hold, and the summary of it."""

from __future__ import annotations

from itertools import dropwhile

from example_project.shop.topics import KEPT

from .facts import Facts
from .outbox import Outbox
from .reconcile import Account, reconcile
from .screen import Line
from .traffic import Traffic


class Books:
    """What is counted from when this object was made."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.outbox = Outbox()
        self.traffic = Traffic()

    def account(self) -> Account:
        """Return the account as it stands."""
        saved, rows, entries = self.traffic.saved, self.outbox.rows(), self.facts.entries()
        if len(entries) >= KEPT:
            # After a night the stream is trimmed to its RETENTION: what came before its oldest entry is past
            # accounting.
            kept = {entry.change for entry in entries}
            ids = {entry.event_id for entry in entries}
            saved = list(dropwhile(lambda change: change not in kept, saved))
            rows = list(dropwhile(lambda row: row.event_id not in ids, rows))
        return reconcile(saved, rows, entries, self.facts.groups())

    def lines(self, account: Account) -> list[Line]:
        """Return what the summary counts."""
        relayed, longest_s = self.outbox.relayed()
        late = f", up to {longest_s:.1f} s after the save" if relayed else ""
        entries = account.published + account.others
        traffic = self.traffic
        return [
            Line("saved", account.saved, "changes of orders that were committed, and had to become events"),
            Line(
                "outbox",
                account.committed,
                f"rows written in the same transactions: {account.waiting} pending, {account.parked} parked",
            ),
            Line(
                "published",
                account.published,
                "of the changes are in the stream: each once, those of one order in their order",
            ),
            Line("relayed", relayed, f"of these by relay_outbox, and not by the process that saved{late}"),
            Line(
                "rolled back", traffic.rolled_back, "orders that were undone: neither a row nor an entry tells of them"
            ),
            Line("silent", traffic.silent, "saves that are no news: notes edited"),
            Line("others", account.others, f"entries by hand or by the admin, {entries} in all"),
            Line(
                "retried",
                self.facts.retried(),
                "events that billing could not handle at the first attempt and could later",
            ),
        ]

    def slowest(self, span: tuple[float, float]) -> str:
        """Return how long transactions took while Redis was away, and otherwise."""
        began, ended = span
        durations = self.traffic.durations
        away = [d.took_s for d in durations if began <= d.began < ended]
        there = [d.took_s for d in durations if not began <= d.began < ended]
        return (
            f"Redis was away for {ended - began:.1f} s. {len(away)} transactions were made meanwhile: the slowest took "
            f"{max(away, default=0):.2f} s, the slowest with Redis {max(there, default=0):.2f} s."
        )
