"""manage.py bus_pause: let a group, or one handler of it, take nothing for a while."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from ... import registry
from ...operations import pausing
from ...operations.pausing import Pause
from ...operations.telling import tell
from ..operating import nothing_there, operator, told, usage, visit, write
from ..options import add_bus, bus_of
from ..output import printed
from ..tables import name


class Command(BaseCommand):
    help = (
        "Let a group, or one handler of it, take nothing until it may go on; consumers obey within a second. "
        "Example: manage.py bus_pause pause events:order billing --why 'the gateway is down'"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add = parser.add_argument
        add("action", metavar="ACTION", choices=["list", "pause", "resume"], help="list, pause or resume")
        add("topic", nargs="?", default="", metavar="STREAM", help="its name, without the key prefix")
        add("group", nargs="?", default="", metavar="GROUP")
        add_bus(parser)
        add("--handler", default="", metavar="NAME", help="only this handler of the group, by its dotted name")
        add("--why", default="", metavar="TEXT", help="with pause: for the others")
        add("--json", action="store_true", help="print JSON")

    @printed
    def handle(self, *, action: str, topic: str, group: str, handler: str, why: str, **options: Any) -> None:
        with told(options, topic, group):
            if action == "list":
                if group or handler or why:
                    raise usage("list takes a stream, or none for all.")
                self._list(topic, options)
                return
            if not topic or not group:
                raise usage(f"{action} needs a stream and a group.")
            if missing := nothing_there(options, topic, group):
                raise usage(missing)
            what = f"handler {name(handler, 200)} of group {name(group)}" if handler else f"group {name(group)}"
            if action == "pause":
                value: Any = pausing.pause(visit(options), topic, group, handler, by=operator(), why=why)
                said, text = "paused", f"{what} of {name(topic)} is paused."
            else:
                if why:
                    raise usage("--why goes with pause.")
                was_paused = pausing.resume(visit(options), topic, group, handler)
                said = "resumed" if was_paused else "was not paused"
                value = {"was_paused": was_paused}
                text = f"{what} of {name(topic)} {'goes on' if was_paused else 'was not paused'}."
            tell(operator(), f"{action} {what}", f"{topic} on {bus_of(options).clients.where}", said)
            write(self, options, value, f"{text[0].upper()}{text[1:]}")

    def _list(self, topic: str, options: dict[str, Any]) -> None:
        alias = bus_of(options).alias
        topics = [topic] if topic else [s.name for s in registry.streams(alias) if not s.pattern.parameters]
        asking = visit(options)
        found = {each: pausing.pauses(asking, each) for each in topics}
        if topic and not found[topic] and (missing := nothing_there(options, topic)):
            raise usage(missing)
        lines = [_line(each, pause) for each, pauses in found.items() for pause in pauses]
        write(
            self,
            options,
            {each: pauses for each, pauses in found.items() if pauses},
            "\n".join(lines) or "Nothing is paused.",
        )


def _line(topic: str, pause: Pause) -> str:
    what = f"{name(topic)}, group {name(pause.group)}"
    if pause.handler:
        what += f", handler {name(pause.handler, 200)}"
    since = ""
    if pause.at_ms:
        since = f" since {datetime.fromtimestamp(pause.at_ms / 1000, UTC):%Y-%m-%d %H:%M:%S}Z"
    by = f" by {name(pause.by)}" if pause.by else ""
    return f"{what}: paused{since}{by}{f': {name(pause.why, 200)}' if pause.why else ''}"
