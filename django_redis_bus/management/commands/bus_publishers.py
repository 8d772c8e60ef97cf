"""bus_publishers: which publishers there are, and switch one off while everything runs."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ...bus import Bus, buses
from ...core.exceptions import BusError
from ..output import printed


class Command(BaseCommand):
    help = (
        "List the publishers of a bus, or switch one off or on in every process, within seconds and without a deploy. "
        "Example: manage.py bus_publishers disable order-events"
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("action", nargs="?", choices=["list", "disable", "enable"], default="list")
        parser.add_argument("names", nargs="*", metavar="NAME", help="names in PUBLISHERS")
        parser.add_argument("--bus", default="default", help="alias in REDIS_BUS (default: %(default)s)")
        parser.add_argument("--json", action="store_true", help="print the list as JSON")

    @printed
    def handle(self, *, action: str, names: list[str], bus: str, json: bool, **options: Any) -> None:
        try:
            one = buses[bus]
            if action != "list" and not names:
                raise CommandError(f"Name the publishers to {action}: {', '.join(one.config.publishers) or 'none'}.")
            for name in names:
                if action == "disable":
                    one.disable_publisher(name)
                elif action == "enable":
                    one.enable_publisher(name)
                else:
                    raise CommandError("list takes no names.")
            self._list(one, as_json=json)
        except BusError as error:
            raise CommandError(str(error)) from error

    def _list(self, bus: Bus, *, as_json: bool) -> None:
        off = bus.disabled_publishers()
        rows = [
            {
                "name": name,
                "of": config.model or config.signal,
                "topic": config.topic,
                "delivery": config.delivery,
                "state": "off (ENABLED)" if not config.enabled else "off" if name in off else "on",
            }
            for name, config in bus.config.publishers.items()
        ]
        if as_json:
            self.stdout.write(json.dumps(rows, indent=2))
            return
        if not rows:
            self.stdout.write(f"Bus {bus.alias!r} has no PUBLISHERS.")
            return
        widths = [max(len(str(row[key])) for row in rows) for key in rows[0]]
        for row in rows:
            line = "  ".join(
                str(value).ljust(width) for value, width in zip(row.values(), widths, strict=True)
            ).rstrip()
            self.stdout.write(line if row["state"] == "on" else self.style.WARNING(line))
