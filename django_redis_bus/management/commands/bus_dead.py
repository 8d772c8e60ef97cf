"""manage.py bus_dead: dead letters; why they are dead, and what is to become of them."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from ...core.exceptions import did_you_mean
from ...core.policy import Reason
from ...operations import dead
from ...operations.asking import Asking
from ...operations.bounds import newest_dead
from ...operations.dead import Chosen, DeadLetter, Match
from ...operations.telling import tell
from ...operations.values import Acted
from ..letter_lines import about_letter, in_brief
from ..operating import add_yes, confirm, many, note, nothing_there, operator, perform, told, usage, visit, write
from ..options import add_bus, bus_of, count_from
from ..output import printed
from ..tables import name

ACTS = {
    "redrive": "Send {these} back to {group}?",
    "discard": "Throw {these} away for good?",
}
DONE = {"redrive": "sent back", "discard": "thrown away"}
ACTIONS = ["list", "show", *ACTS, "resend", "export"]
EXPORT_S = 600.0
REASONS = sorted(reason for what, reason in vars(Reason).items() if what.isupper())


class Command(BaseCommand):
    help = (
        "Show dead letters and why they are dead; send them back to the group that gave them up, send a corrected "
        "copy, throw them away, or write them to a file. "
        "Example: manage.py bus_dead redrive events:order --group billing --reason exhausted"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add = parser.add_argument
        add("action", metavar="ACTION", choices=ACTIONS, help=", ".join(ACTIONS))
        add("topic", metavar="STREAM", help="its name, without the key prefix")
        add("ids", nargs="*", metavar="ID", help="of dead letters")
        add_bus(parser)
        add("--all", action="store_true", help="act on all dead letters of the stream")
        add("--group", default="", metavar="GROUP", help="only those that this group gave up")
        add("--reason", default="", metavar="REASON", help="only those with this reason, such as exhausted")
        add("--type", default="", metavar="TYPE", help="only those of this event type")
        add("--text", default="", metavar="TEXT", help="only those with this text in their error or their event")
        add("--count", type=count_from(1), default=50, metavar="N", help="with list: show N (default: 50)")
        add("--after", default="", metavar="ID", help="with list: go on behind this one; with export: begin behind it")
        add("--data", default=None, metavar="JSON", help="with resend: the corrected data; - reads it from stdin")
        add("--everyone", action="store_true", help="with resend: for all groups, and not only the one that gave it up")
        add("--output", default=None, type=Path, metavar="FILE", help="with export: write to this file")
        add_yes(parser)
        add("--json", action="store_true", help="print JSON")

    @printed
    def handle(self, *, action: str, topic: str, **options: Any) -> None:
        match = Match(group=options["group"], reason=options["reason"], type=options["type"], text=options["text"])
        _check(action, match, options)
        with told(options, topic):
            match action:
                case "list":
                    self._list(topic, match, options)
                case "show":
                    self._show(topic, options)
                case "resend":
                    self._resend(topic, options)
                case "export":
                    self._export(topic, match, options)
                case _:
                    self._act(action, topic, match, options)

    def _list(self, topic: str, match: Match, options: dict[str, Any]) -> None:
        asking = visit(options)
        number = dead.count(asking, topic, match, payloads=True)
        page = dead.listing(asking, topic, match, after=options["after"], count=options["count"], payloads=True)
        if not page.items and (missing := nothing_there(options, topic)):
            raise usage(missing)
        lines = [f"{name(topic)}: {many(number, 'dead letter')}{', the newest first' if page.items else ''}"]
        for letter in page.items:
            lines += in_brief(letter)
        if page.following is not None:
            lines.append(f"There may be more: --after {page.following}")
        write(self, options, page, "\n".join(lines))

    def _show(self, topic: str, options: dict[str, Any]) -> None:
        found = [_letter(topic, dead_id, options) for dead_id in options["ids"]]
        write(self, options, found, "\n\n".join("\n".join(about_letter(letter)) for letter in found))

    def _act(self, action: str, topic: str, match: Match, options: dict[str, Any]) -> None:
        ids = options["ids"]
        chosen: Chosen = ids
        these = many(len(ids), "dead letter")
        if ids and (missing := nothing_there(options, topic)):
            raise usage(missing)
        if not ids:
            chosen = match = replace(match, until=newest_dead(visit(options), topic))
            number = dead.count(visit(options), topic, match, payloads=True)
            if not number.number and not number.at_least:
                if missing := nothing_there(options, topic):
                    raise usage(missing)
                write(self, options, Acted(), "Nothing matches.")
                return
            these = many(number, "dead letter")
        group = f"group {name(match.group)}" if match.group else "their groups"
        confirm(self, options, ACTS[action].format(these=f"{these} of {name(topic)}", group=group))
        perform(
            self, options, partial(_do, action=action, topic=topic, chosen=chosen),
            did=DONE[action],
            what=f"{action} dead letters ({f'{len(ids)} named' if ids else _filter(match)})", about=topic,
            named=bool(ids),
        )  # fmt: skip

    def _resend(self, topic: str, options: dict[str, Any]) -> None:
        [dead_id] = options["ids"]
        letter = _letter(topic, dead_id, options)
        try:
            data = json.loads(sys.stdin.read() if options["data"] == "-" else options["data"])
        except ValueError as error:
            raise usage(f"--data is no JSON: {error}") from error
        to = "all groups" if options["everyone"] else f"group {name(letter.group)}"
        confirm(self, options, f"Send a corrected copy of dead letter {dead_id} to {to}, and remove the letter?")
        try:
            published = dead.resend(visit(options), topic, dead_id, data, everyone=options["everyone"])
        except LookupError as error:
            raise CommandError(str(error)) from error
        said = f"added as entry {published.entry_id}, event {published.event_id}"
        tell(operator(), f"resend dead letter {dead_id} to {to}", f"{topic} on {bus_of(options).clients.where}", said)
        sent = {"entry_id": published.entry_id, "event_id": published.event_id}
        write(self, options, sent, f"Sent: {said}.")

    def _export(self, topic: str, match: Match, options: dict[str, Any]) -> None:
        match = replace(match, until=newest_dead(visit(options), topic))
        lines = _lines(topic, match, options)
        number = 0
        if options["output"] is None:
            for line in lines:
                self.stdout.write(line)
                number += 1
            self.stdout.flush()
        else:
            try:
                # Personal data: for nobody else, and over no file that is there.
                with open(options["output"], "x", opener=partial(os.open, mode=0o600)) as file:
                    for line in lines:
                        file.write(f"{line}\n")
                        number += 1
            except OSError as error:
                raise CommandError(f"{options['output']} cannot be written: {error.strerror}.") from error
        if not number and (missing := nothing_there(options, topic)):
            raise usage(missing)
        where = f"{topic} on {bus_of(options).clients.where}"
        tell(operator(), f"export dead letters ({_filter(match)})", where, f"{number:,} written")
        note(self, f"{many(number, 'dead letter')} written.")


def _do(asking: Asking, after: str, *, action: str, topic: str, chosen: Chosen) -> Acted:
    verb = dead.redrive if action == "redrive" else dead.discard
    return verb(asking, topic, chosen, after=after)


def _letter(topic: str, dead_id: str, options: dict[str, Any]) -> DeadLetter:
    found = dead.letter(visit(options), topic, dead_id, payloads=True)
    if found is None:
        if missing := nothing_there(options, topic):
            raise usage(missing)
        raise CommandError(f"Stream {topic!r} has no dead letter {dead_id!r}.")
    return found


def _lines(topic: str, match: Match, options: dict[str, Any]) -> Iterator[str]:
    after = options["after"]
    while True:
        number = 0
        for line in dead.export(visit(options, EXPORT_S), topic, match, payloads=True, after=after):
            yield line
            number += 1
        if number < dead.AT_ONCE:
            return
        after = json.loads(line)["dead_id"]


def _check(action: str, match: Match, options: dict[str, Any]) -> None:
    ids, filtered = options["ids"], match != Match()
    if match.reason and match.reason not in REASONS:
        raise usage(f"No dead letter has reason {match.reason!r}. {did_you_mean(match.reason, REASONS).strip()}")
    if action in ACTS and sum(map(bool, (ids, options["all"], filtered))) != 1:
        raise usage(f"Say what to {action}: the ids of dead letters, a filter such as --group billing, or --all.")
    if action in ("list", "export") and (ids or options["all"]):
        raise usage(f"{action} takes filters; without any it is of all.")
    if action == "show" and (not ids or options["all"] or filtered):
        raise usage("show takes the ids of dead letters.")
    if action == "resend" and (len(ids) != 1 or options["all"] or filtered or options["data"] is None):
        raise usage("resend takes the id of one dead letter, and --data.")
    if action != "resend" and (options["data"] is not None or options["everyone"]):
        raise usage("--data and --everyone go with resend.")
    if action != "export" and options["output"] is not None:
        raise usage("--output goes with export.")


def _filter(match: Match) -> str:
    parts = {"group": match.group, "reason": match.reason, "type": match.type, "text": match.text}
    return ", ".join(f"{what} {value!r}" for what, value in parts.items() if value) or "all"
