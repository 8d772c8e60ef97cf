"""manage.py bus_trim: make a stream shorter, as far as no group needs its entries."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from ... import consuming, registry
from ...core.config import Retention
from ...core.exceptions import BusError
from ...operations import trimming
from ...operations.telling import tell
from ...operations.trimming import Preview
from ..operating import add_yes, confirm, many, nothing_there, operator, seconds, told, usage, visit, write
from ..options import add_bus, bus_of, count_from
from ..output import printed
from ..tables import name, span


class Command(BaseCommand):
    help = (
        "Remove the entries of a stream that exceed what it should keep and that no live group needs. Consumers do so "
        "by themselves, by what is declared. Example: manage.py bus_trim events:order --count 10000 --dry-run"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add = parser.add_argument
        add("topic", metavar="STREAM", help="its name, without the key prefix")
        add_bus(parser)
        add("--count", type=count_from(0), default=None, metavar="N", help="keep the newest N (default: as declared)")
        add("--age", type=seconds, default=None, metavar="AGE", help="keep what is younger, such as 7d")
        add("--dry-run", action="store_true", help="only tell how many would go")
        add_yes(parser)
        add("--json", action="store_true", help="print JSON")

    @printed
    def handle(self, *, topic: str, **options: Any) -> None:
        with told(options, topic):
            retention = _retention(topic, options)
            preview = trimming.preview(visit(options), topic, retention)
            number = preview.removable
            kept = f"{name(topic)} keeps {_kept(retention)}"
            if not number.number and not number.at_least:
                if missing := nothing_there(options, topic):
                    raise usage(missing)
                text = f"Nothing is to be removed: {kept}, and what a group still needs."
                self._tell(options, preview, 0, f"{text}{_held(preview)}")
            elif options["dry_run"]:
                text = f"{many(number, 'entry', 'entries')} would be removed: {kept}."
                self._tell(options, preview, 0, f"{text}{_held(preview)}")
            else:
                these = many(number, "entry", "entries")
                confirm(self, options, f"Remove {these} of {name(topic)} for good? It {kept.partition(' ')[2]}.")
                self._trim(topic, retention, preview, options)

    def _trim(self, topic: str, retention: Retention, preview: Preview, options: dict[str, Any]) -> None:
        removed = 0
        what, where = f"trim to {_kept(retention)}", f"{topic} on {bus_of(options).clients.where}"
        try:
            while cut := trimming.trim(visit(options), topic, retention):
                removed += cut
        except BusError as error:
            tell(operator(), what, where, f"{removed:,} removed; then {error}")
            raise
        tell(operator(), what, where, f"{removed:,} removed")
        self._tell(options, preview, removed, f"{many(removed, 'entry', 'entries')} removed.")

    def _tell(self, options: dict[str, Any], preview: Preview, removed: int, text: str) -> None:
        said = {"removable": preview.removable, "removed": removed, "held": preview.held, "held_by": preview.held_by}
        write(self, options, said, text)


def _retention(topic: str, options: dict[str, Any]) -> Retention:
    if options["count"] is not None or options["age"] is not None:
        return Retention(count=options["count"], age_s=options["age"])
    bus = bus_of(options)
    declared = registry.find_stream(bus.alias, topic)
    if declared is None:
        raise usage(
            nothing_there(options, topic)
            or f"Nothing declares stream {topic!r}: say what it keeps by --count or --age."
        )
    return consuming.retention(bus, declared)


def _held(preview: Preview) -> str:
    if not preview.held_by:
        return ""
    verb = "is" if preview.held == (1, False) else "are"
    return f" {preview.held} more {verb} held by group {name(preview.held_by)}."


def _kept(retention: Retention) -> str:
    limits = [] if retention.count is None else [f"the newest {retention.count:,}"]
    if retention.age_s is not None:
        limits.append(f"what is younger than {span(retention.age_s)}")
    return " and ".join(limits) or "everything"
