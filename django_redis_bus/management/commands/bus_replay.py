"""manage.py bus_replay: a group gets again what it has had."""

from __future__ import annotations

from time import monotonic, sleep
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from ...core.exceptions import Unavailable
from ...operations import replaying
from ...operations.replaying import Plan, Replay
from ...operations.telling import tell
from ..operating import add_yes, confirm, many, note, operator, told, usage, visit, write
from ..options import add_bus, bus_of
from ..output import printed
from ..tables import name

TROUBLE_CHARS = 200
LOOK_S = 1.0
"""How often --wait looks."""
STUCK_S = 15.0
"""Without progress for so long, something is in its way."""


class Command(BaseCommand):
    help = (
        "Hand to a group again what it has had from an entry or a time on; no other group sees it. Its consumers carry "
        "it out. Example: manage.py bus_replay events:order billing --from 2026-11-22T08:00:00Z --dry-run"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add = parser.add_argument
        add("topic", metavar="STREAM", help="its name, without the key prefix")
        add("group", metavar="GROUP")
        add_bus(parser)
        add("--from", default="", dest="since", metavar="WHERE", help="all, an entry id, or a time with its zone")
        add("--rate", type=_rate, default=None, metavar="N", help="at most N entries per second")
        add("--dry-run", action="store_true", help="only tell how many there are")
        add("--status", action="store_true", help="tell how far a replay is")
        add("--cancel", action="store_true", help="end a replay where it is")
        add("--wait", action="store_true", help="show its progress until it is over")
        add_yes(parser)
        add("--json", action="store_true", help="print JSON")

    @printed
    def handle(self, *, topic: str, group: str, since: str, **options: Any) -> None:
        asked = [what for what in ("status", "cancel") if options[what]]
        if len(asked) + bool(since) > 1 or (options["cancel"] and options["wait"]):
            raise usage("Give one of --from, --status and --cancel; --wait goes with the first two, or alone.")
        if not since and (options["dry_run"] or options["rate"] is not None):
            raise usage("--dry-run and --rate go with --from.")
        if not (asked or since or options["wait"]):
            raise usage("Say where to begin: --from all, an entry id, or a time such as 2026-11-22T08:00:00Z.")
        with told(options, topic, group):
            if options["cancel"]:
                self._cancel(topic, group, options)
            elif since:
                self._start(topic, group, since, options)
            else:
                self._status(topic, group, options)

    def _start(self, topic: str, group: str, since: str, options: dict[str, Any]) -> None:
        plan = replaying.plan(visit(options), topic, group, since)
        if options["dry_run"]:
            write(self, options, plan, "\n".join([*_planned(topic, plan), *_stands(plan)]))
            return
        if not plan.count.number and not plan.count.at_least:
            write(self, options, plan, "Nothing is there to be replayed.")
            return
        for line in _planned(topic, plan)[1:]:
            note(self, line)
        these = many(plan.count, "entry", "entries")
        confirm(self, options, f"Let group {name(group)} of {name(topic)} handle {these} again?")
        begun = replaying.start(visit(options), topic, plan, per_s=options["rate"], by=operator())
        what = f"replay from {plan.since} to {plan.until}{_limit(begun)}"
        tell(operator(), what, f"{topic}, group {group} on {bus_of(options).clients.where}", f"begun, {these}")
        if options["wait"]:
            self._watch(topic, group, options)
        else:
            text = "\n".join([f"Begun: {these}. See how far it is: --status.", *_stands(begun)])
            write(self, options, begun, text)

    def _status(self, topic: str, group: str, options: dict[str, Any]) -> None:
        if options["wait"]:
            self._watch(topic, group, options)
            return
        found = replaying.replay(visit(options), topic, group)
        if found is None:
            replaying.plan(visit(options), topic, group, "all")  # a group that is not there is told so
        lines = ["No replay."] if found is None else [_progress(found), *_stands(found)]
        write(self, options, found, "\n".join(lines))

    def _cancel(self, topic: str, group: str, options: dict[str, Any]) -> None:
        found = replaying.replay(visit(options), topic, group)
        if found is None:
            replaying.plan(visit(options), topic, group, "all")
            raise CommandError(f"Group {group!r} of {topic!r} has no replay.")
        if not found.is_over:
            confirm(self, options, f"End the replay of group {name(group)} after {found.done:,} of {found.total}?")
        replaying.cancel(visit(options), topic, group)
        said = f"{found.done:,} of {found.total} had been handed out"
        tell(operator(), "cancel replay", f"{topic}, group {group} on {bus_of(options).clients.where}", said)
        write(
            self,
            options,
            found,
            f"{'Forgotten' if found.is_over else 'Cancelled'}: {said}. What the group has got stays with it.",
        )

    def _watch(self, topic: str, group: str, options: dict[str, Any]) -> None:
        try:
            self._wait(topic, group, options)
        except KeyboardInterrupt:
            raise CommandError("Watched no longer. The replay goes on; --cancel ends it.") from None

    def _wait(self, topic: str, group: str, options: dict[str, Any]) -> None:
        moved, before, is_away, hinted, is_consumed = monotonic(), -1, False, False, True
        while True:
            try:
                found = replaying.replay(visit(options), topic, group)
            except Unavailable as error:
                if not is_away:
                    note(self, f"{error}. Waiting for it.")
                is_away = True
                sleep(LOOK_S)
                continue
            if is_away:
                note(self, "Redis is back.")
                is_away = False
            if found is None:
                raise CommandError(f"Group {group!r} of {topic!r} has no replay; it may have been cancelled.")
            looked_at = found.done + found.passed
            if looked_at != before or found.is_over:
                moved, before, hinted = monotonic(), looked_at, False
                note(self, _progress(found))
            elif found.is_consumed and monotonic() - moved > STUCK_S and not hinted:
                hinted = True
                note(self, "Nothing moves. Is the group paused, or busy? See bus_info.")
            if is_consumed:
                for line in _stands(found):
                    note(self, line)
            is_consumed = found.is_consumed
            if found.is_over:
                write(self, options, found, f"Over: {many(found.done, 'entry', 'entries')} handed to the group.")
                return
            sleep(LOOK_S)


def _planned(topic: str, plan: Plan) -> list[str]:
    lines = [
        f"{many(plan.count, 'entry', 'entries')} of {name(topic)} would be handed to group {name(plan.group)} again,"
    ]
    lines[0] += f" from {plan.since} to {plan.until}."
    if plan.remembered:
        handlers = ", ".join(plan.remembered)
        lines.append(f"Idempotent handlers pass over events that they remember: {handlers}.")
    return lines


def _progress(found: Replay) -> str:
    looked_at = found.done + found.passed
    share = (
        f" ({min(looked_at / found.total.number, 1):.0%})" if found.total.number and not found.total.at_least else ""
    )
    passed = f", {found.passed:,} passed over as they were pending" if found.passed else ""
    state = "over" if found.is_over else f"under way{_limit(found)}"
    by = f", begun by {name(found.by)}" if found.by else ""
    why = f". It ended before its time: {name(found.trouble, TROUBLE_CHARS)}" if found.trouble else ""
    return f"Replay {state}: {found.done:,} of {found.total} handed out{share}{passed}{by}{why}"


def _stands(found: Plan | Replay) -> list[str]:
    """Return what to say if nobody carries it out."""
    if found.is_consumed or (isinstance(found, Replay) and found.is_over):
        return []
    return [f"No consumer of {name(found.group)} lives: nothing moves until one does."]


def _limit(found: Replay) -> str:
    return f", {found.per_s:g} per second" if found.per_s is not None else ""


def _rate(text: str) -> float:
    value = float(text)
    if not 0 < value < 1e6:
        raise ValueError
    return value


_rate.__name__ = "number above 0"
