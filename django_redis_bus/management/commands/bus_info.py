"""manage.py bus_info: a bus at a glance, or some of its streams with all that is known of them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from ...bus import Bus
from ...core.exceptions import BusError
from ...operations.asking import ACT_S, Asking
from ...operations.health import Finding
from ...operations.overview import overview, stream_findings
from ...operations.rates import minutes
from ...operations.streams import stream, streams
from ..operating import nothing_there, usage
from ..options import add_bus, bus_of
from ..output import printed
from ..plain import plain
from ..reports import about_minutes, about_server, about_stream, about_streams


class Command(BaseCommand):
    help = (
        "Show a bus at a glance: its server, its streams and groups, and what is wrong; or name streams to see all "
        "that is known of them. Example: manage.py bus_info events:order"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("topics", nargs="*", metavar="STREAM", help="names of streams, without the key prefix")
        add_bus(parser)
        parser.add_argument("--after", default="", metavar="STREAM", help="list the streams after this one")
        parser.add_argument("--json", action="store_true", help="print JSON")
        parser.add_argument("--fail", action="store_true", help="exit with 1 if an error is found, not only warnings")

    @printed
    def handle(self, *, topics: list[str], after: str, fail: bool, **options: Any) -> None:
        bus = bus_of(options)
        try:
            findings = self._named(bus, topics, options) if topics else self._all(bus, after, options)
        except BusError as error:
            raise CommandError(str(error)) from error
        if fail and any(finding.level == "error" for finding in findings):
            sys.exit(1)

    def _all(self, bus: Bus, after: str, options: dict[str, Any]) -> Sequence[Finding]:
        found = overview(Asking(bus, ACT_S))
        page, findings = found.streams, found.findings
        if after:
            asking = Asking(bus, ACT_S)
            page = streams(asking, after=after)
            findings = stream_findings(asking, page.items)
        if options["json"]:
            told = found if not after else {"streams": page, "findings": findings}
            self.stdout.write(json.dumps(plain(told), indent=2))
            return findings
        if not after:
            self._print(about_server(found))
        self._print(["", *about_streams(page)])
        if not after:
            self._print(["", *about_minutes(found.minutes)])
        self._print([""])
        self._tell(findings)
        return findings

    def _named(self, bus: Bus, topics: Sequence[str], options: dict[str, Any]) -> Sequence[Finding]:
        findings: list[Finding] = []
        told = []
        for topic in topics:
            asking = Asking(bus, ACT_S)
            report = stream(asking, topic)
            if not (report.exists or report.declaration or report.dead or report.trouble):
                raise usage(nothing_there(options, topic) or f"There is no stream {topic!r}.")
            flow = minutes(asking, [topic])
            wrong = stream_findings(asking, [report])
            findings += wrong
            told.append({"stream": report, "minutes": flow, "findings": wrong})
            if not options["json"]:
                about = ["", *about_minutes(flow)] if report.exists else []
                self._print([*about_stream(report), *about, ""])
        if options["json"]:
            self.stdout.write(json.dumps(plain(told), indent=2))
        else:
            self._tell(findings)
        return findings

    def _print(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.stdout.write(line)

    def _tell(self, findings: Sequence[Finding]) -> None:
        if not findings:
            self.stdout.write(self.style.SUCCESS("Nothing is wrong."))
        for finding in findings:
            style = self.style.ERROR if finding.level == "error" else self.style.WARNING
            self.stdout.write(style(f"{finding.level.upper()} ({finding.id}): {finding.title}"))
            self.stdout.write(f"    {finding.hint}")
