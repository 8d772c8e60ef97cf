"""manage.py bus_pending: what a group has read and not settled, and what is to become of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from ...operations import pausing, pending
from ...operations.asking import Asking
from ...operations.bounds import newest_read
from ...operations.pausing import Pause
from ...operations.pending import Chosen, Match, PendingEntry
from ...operations.values import Acted
from ..operating import add_yes, confirm, many, nothing_there, operator, perform, seconds, told, usage, visit, write
from ..options import add_bus, count_from
from ..output import printed
from ..tables import name, span

ACTS = {
    "retry": "Try {these} again now?",
    "claim": "Make {to} the owner of {these}?",
    "ack": "Discard {these}, as if they had been handled? That cannot be undone.",
    "bury": "Move {these} to the dead letters?",
}
DONE = {"retry": "tried again now", "claim": "claimed", "ack": "discarded", "bury": "moved to the dead letters"}
STATES = ("running", "waiting", "held", "silent")
ERROR_CHARS = 300


class Command(BaseCommand):
    help = (
        "Show what a group has read and not settled, try it again now, give it to another consumer, discard it, or "
        "move it to the dead letters. What runs is left alone. "
        "Example: manage.py bus_pending retry events:order billing --error Timeout"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add = parser.add_argument
        add("action", metavar="ACTION", choices=["list", *ACTS], help="list, retry, claim, ack (discard) or bury")
        add("topic", metavar="STREAM", help="its name, without the key prefix")
        add("group", metavar="GROUP")
        add("ids", nargs="*", metavar="ID", help="entries to act on")
        add_bus(parser)
        add("--all", action="store_true", help="act on all entries")
        add("--consumer", default="", metavar="NAME", help="only those of this consumer")
        add("--state", default="", choices=STATES, help="only those in this state")
        add("--idle", default=0.0, type=seconds, metavar="SECONDS", help="only those silent for so long at least")
        add("--error", default="", metavar="TEXT", help="only those with this text in their last error")
        add("--to", default="", metavar="CONSUMER", help="with claim: the new owner")
        add("--why", default="", metavar="TEXT", help="with bury: kept in the dead letter")
        add("--count", type=count_from(1), default=50, metavar="N", help="with list: show N (default: 50)")
        add("--after", default="", metavar="ID", help="with list: begin behind this entry")
        add_yes(parser)
        add("--json", action="store_true", help="print JSON")

    @printed
    def handle(self, *, action: str, topic: str, group: str, **options: Any) -> None:
        match = Match(
            consumer=options["consumer"], state=options["state"], idle_s=options["idle"], error=options["error"]
        )
        _check(action, match, options)
        with told(options, topic, group):
            if action == "list":
                self._list(topic, group, match, options)
            else:
                self._act(action, topic, group, match, options)

    def _list(self, topic: str, group: str, match: Match, options: dict[str, Any]) -> None:
        asking = visit(options)
        number = pending.count(asking, topic, group, match, payloads=True)
        page = pending.listing(
            asking, topic, group, match, after=options["after"], count=options["count"], payloads=True
        )
        lines = [*_paused(topic, group, options), f"{name(topic)}, group {name(group)}: {number} pending"]
        for entry in page.items:
            lines += _lines(entry)
        if page.following is not None:
            lines.append(f"There may be more: --after {page.following}")
        write(self, options, page, "\n".join(lines))

    def _act(self, action: str, topic: str, group: str, match: Match, options: dict[str, Any]) -> None:
        ids = options["ids"]
        if ids:
            chosen: Chosen = ids
            these = many(len(ids), "entry", "entries")
        else:
            until = newest_read(visit(options), topic, group)
            chosen = match = Match(
                consumer=match.consumer, state=match.state, idle_s=match.idle_s, error=match.error, until=until
            )
            number = pending.count(visit(options), topic, group, match, payloads=True)
            if not number.number and not number.at_least:
                if missing := nothing_there(options, topic, group):
                    raise usage(missing)
                write(self, options, Acted(), "Nothing matches.")
                return
            these = many(number, "pending entry", "pending entries")
        did, beside = DONE[action], ""
        if action == "retry" and any(not pause.handler for pause in _pauses(topic, group, options)):
            did, beside = "due now", "; the group is paused"
        confirm(self, options, ACTS[action].format(these=f"{these} of group {name(group)}", to=name(options["to"])))
        perform(
            self, options, partial(_do(action, options), topic=topic, group=group, chosen=chosen),
            did=did, beside=beside,
            what=f"{action} pending entries ({f'{len(ids)} named' if ids else _filter(match)})",
            about=f"{topic}, group {group}", named=bool(ids),
        )  # fmt: skip


def _do(action: str, options: dict[str, Any]) -> Callable[..., Acted]:
    def act(asking: Asking, after: str, *, topic: str, group: str, chosen: Chosen) -> Acted:
        match action:
            case "retry":
                return pending.retry(asking, topic, group, chosen, after=after)
            case "claim":
                return pending.claim(asking, topic, group, chosen, to=options["to"], after=after)
            case "ack":
                return pending.ack(asking, topic, group, chosen, after=after)
            case _:
                by, why = operator(), options["why"]
                return pending.bury(asking, topic, group, chosen, by=by, why=why, after=after)

    return act


def _check(action: str, match: Match, options: dict[str, Any]) -> None:
    filtered = match != Match()
    if action == "list":
        if options["ids"] or options["all"]:
            raise usage("list shows pages; entries are named, and --all given, to act on them.")
    elif sum(map(bool, (options["ids"], options["all"], filtered))) != 1:
        raise usage(f"Say what to {action}: the ids of entries, a filter such as --state waiting, or --all.")
    if bool(options["to"]) != (action == "claim"):
        raise usage("claim needs --to, the new owner, and nothing else takes it.")


def _pauses(topic: str, group: str, options: dict[str, Any]) -> list[Pause]:
    return [pause for pause in pausing.pauses(visit(options), topic) if pause.group == group]


def _paused(topic: str, group: str, options: dict[str, Any]) -> list[str]:
    """Return a line about each pause: what waits then waits for somebody to end it."""
    found = []
    for pause in _pauses(topic, group, options):
        what = f"Handler {name(pause.handler, 200)}" if pause.handler else "The group"
        by = f" by {name(pause.by)}" if pause.by else ""
        found.append(f"{what} is paused{by}{f': {name(pause.why, 200)}' if pause.why else ''}")
    return found


def _lines(entry: PendingEntry) -> list[str]:
    facts = [entry.state, f"run {entry.attempts}"]
    if entry.next_s is not None:
        facts.append("due now" if entry.next_s <= 0 else f"due in {span(entry.next_s)}")
    facts.append(f"{'last with' if entry.next_s is not None else 'with'} {name(entry.consumer)}")
    facts.append(f"silent for {span(entry.idle_s)}" if entry.state == "silent" else "")
    if entry.crashes:
        facts.append(many(entry.crashes, "crash", "crashes"))
    shown = entry.shown
    event = "its payload is gone from the stream" if shown is None else " ".join(filter(None, (shown.type, shown.key)))
    found = [f"{entry.entry_id}  {', '.join(filter(None, facts))}  {name(event, 200)}".rstrip()]
    if entry.error:
        found.append(f"    {name(entry.error, ERROR_CHARS)}")
    return found


def _filter(match: Match) -> str:
    parts = {"consumer": match.consumer, "state": match.state, "idle": match.idle_s, "error": match.error}
    return ", ".join(f"{what} {value!r}" for what, value in parts.items() if value) or "all"
