"""Tells of failures, second attempts and dead letters as they come."""

from __future__ import annotations

from collections import defaultdict

from example_project.shop.models import Invoice

from .facts import GROUPS, Facts, Trouble
from .outbox import Outbox
from .screen import GREEN, RED, YELLOW, Screen


class Watch:
    """Compares what waits for a retry, and what is dead, with the last look."""

    def __init__(self, screen: Screen, facts: Facts, outbox: Outbox) -> None:
        self.screen = screen
        self.facts = facts
        self.outbox = outbox
        self._waiting = 0
        self._relayed = 0
        self._failed: dict[tuple[str, str], int] = {}
        self._buried = 0

    def look(self) -> None:
        """Write what is new since the last look."""
        retries = {(t.group, t.entry_id): t for t in self.facts.retries()}
        for key, trouble in retries.items():
            if self._failed.get(key) != trouble.last_ms:
                self._failed[key] = trouble.last_ms
                self.screen.note(f"{self._name(*key)}: {trouble.error}; {_next(trouble)}", YELLOW)
        self._tell_dead()
        # What no longer waits runs again now, or is done.
        for key in self._failed.keys() - retries.keys():
            if self._told_done(*key):
                del self._failed[key]

    def look_at_outbox(self) -> int:
        """Return how many rows wait; write it when none does any more."""
        waiting = self.outbox.waiting()
        if self._waiting and not waiting:
            relayed, longest_s = self.outbox.relayed()
            text = f"the outbox is empty again: the relay has published {relayed - self._relayed} events"
            self.screen.note(f"{text}, up to {longest_s:.1f} s after their save", GREEN)
            self._relayed = relayed
        self._waiting = waiting
        return waiting

    def _tell_dead(self) -> None:
        dead = self.facts.dead_letters()
        groups = defaultdict(list)
        for trouble in dead[self._buried :]:
            groups[trouble.entry_id, f"({trouble.reason}) {trouble.error}"].append(trouble.group)
            self._failed.pop((trouble.group, trouble.entry_id), None)
        for (entry_id, why), names in groups.items():
            self.screen.note(f"{self._name(', '.join(sorted(names)), entry_id)}: a dead letter {why}", RED)
        self._buried = len(dead)

    def _told_done(self, group: str, entry_id: str) -> bool:
        entry = self.facts.entry(entry_id)
        model = GROUPS[group][0]
        done: object = None
        if entry and model:
            done = model._default_manager.filter(event_id=entry.event_id).first()
        elif entry:
            done = entry.event_id in self.facts.shown()
        if done:
            at = f" at attempt {done.attempts}" if isinstance(done, Invoice) else ""
            self.screen.note(f"{self._name(group, entry_id)}: done{at}", GREEN)
        return bool(done)

    def _name(self, groups: str, entry_id: str) -> str:
        entry = self.facts.entry(entry_id)
        return f"{groups}, {(entry and entry.change) or entry_id}"


def _next(trouble: Trouble) -> str:
    """Return "attempt 2 in 0.9 s", as far as it is known."""
    attempt = "it will be tried again" if trouble.attempt is None else f"attempt {trouble.attempt + 1}"
    return attempt if trouble.wait_s is None else f"{attempt} in {trouble.wait_s:.1f} s"
