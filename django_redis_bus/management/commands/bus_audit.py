"""manage.py bus_audit: where published models are written to without events."""

from __future__ import annotations

import dataclasses
import json
import sys
from itertools import groupby
from pathlib import Path
from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError, CommandParser

from ...conf import configs
from ...core.exceptions import did_you_mean
from ...publishers.auditing import Finding, Published, holes, published
from ...publishers.call_sites import CallSites, sources
from ..output import printed

Audited = list[tuple[Published, list[Finding]]]


class Command(BaseCommand):
    help = (
        "Name the ways to write to published models that make no events: managers, relations, and calls in the code of "
        "the project. Asks neither a database nor Redis. Example: manage.py bus_audit --fail"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--bus", metavar="ALIAS", help="only publishers of this bus (default: of all)")
        parser.add_argument("--json", action="store_true", dest="as_json", help="print JSON")
        parser.add_argument("--fail", action="store_true", help="exit with 1 if something is found")

    @printed
    def handle(self, *, bus: str | None, as_json: bool, fail: bool, **options: Any) -> None:
        known = configs()
        if bus is not None and bus not in known:
            raise CommandError(f"REDIS_BUS has no alias {bus!r}. {did_you_mean(bus, known)}".strip(), returncode=2)
        entries = published([known[bus]] if bus is not None else known.values())
        found, unread = _audit(entries)
        if as_json:
            self.stdout.write(json.dumps({"models": [_plain(*each) for each in found], "unread": unread}, indent=2))
        else:
            for entry, findings in found:
                self._tell(entry, findings)
            self._sum_up(found, unread)
        if fail and any(findings for _, findings in found):
            sys.exit(1)

    def _tell(self, entry: Published, findings: list[Finding]) -> None:
        names = ", ".join(name if alias == "default" else f"{name} of bus {alias}" for alias, name in entry.publishers)
        title = self.style.MIGRATE_HEADING(entry.model._meta.label)
        self.stdout.write(f"{title}, published by {names} ({', '.join(sorted(entry.actions))})")
        of_model = [finding for finding in findings if finding.path is None]
        in_code = [finding for finding in findings if finding.path is not None]
        for finding in of_model:
            self.stdout.write(f"  {finding.where}: {finding.what}.\n      {self.style.NOTICE(finding.mend)}")
        places = [f"{finding.path}:{finding.line}" for finding in in_code]
        width = max(map(len, places), default=0)
        for mend, group in groupby(zip(places, in_code, strict=True), key=lambda pair: pair[1].mend):
            for place, finding in group:
                self.stdout.write(f"  {place:{width}}  {finding.where}: {finding.what}.")
            self.stdout.write(f"      {self.style.NOTICE(mend)}")
        self.stdout.write("" if findings else "  Nothing found.\n\n")

    def _sum_up(self, found: Audited, unread: list[str]) -> None:
        for path in unread:
            self.stdout.write(self.style.WARNING(f"{path} cannot be read as Python."))
        count = sum(len(findings) for _, findings in found)
        models = f"{len(found)} published model{'s' if len(found) != 1 else ''}"
        if not found:
            self.stdout.write("No model is published.")
        elif count:
            ways = f"{count} way{'s' if count != 1 else ''}"
            self.stdout.write(self.style.WARNING(f"{ways} to write to {models} without an event."))
        else:
            self.stdout.write(self.style.SUCCESS(f"No way was found to write to {models} without an event."))


def _audit(entries: list[Published]) -> tuple[Audited, list[str]]:
    """Return the findings of each model, and the files that could not be read."""
    found = {id(entry): (entry, holes(entry)) for entry in entries}
    sites, unread, here = CallSites(entries), [], Path.cwd().resolve()
    for path in sources(apps.get_app_configs()) if entries else ():
        shown = str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
        try:
            for entry, finding in sites.of_file(path, shown):
                found[id(entry)][1].append(finding)
        except (SyntaxError, UnicodeDecodeError, ValueError):
            unread.append(shown)
    return list(found.values()), unread


def _plain(entry: Published, findings: list[Finding]) -> dict[str, Any]:
    return {
        "model": entry.model._meta.label,
        "publishers": [{"bus": alias, "name": name} for alias, name in entry.publishers],
        "actions": sorted(entry.actions),
        "findings": [dataclasses.asdict(finding) for finding in findings],
    }
