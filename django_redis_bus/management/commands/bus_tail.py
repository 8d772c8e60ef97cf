"""manage.py bus_tail: the end of a stream, and what is added to it."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from ... import registry
from ...bus import Bus
from ...core.exceptions import BusError, Unavailable, UnknownTopic
from ...operations.asking import ACT_S, Asking
from ...operations.showing import Shown
from ...operations.tailing import Tail
from ..entry_lines import as_json, as_text
from ..options import EXIT_USAGE, add_bus, bus_of, count_from
from ..output import printed

LOOK_S = 0.25
"""How often it is looked for new entries: a read that blocks would keep a connection, and the server, waiting."""
CUT_S = 0.4
"""A process that still runs so long after the signal ends all the same: nobody reads what it prints."""
PAUSE_S = 1.0
"""How long it waits for a server that is away."""


class Command(BaseCommand):
    help = (
        "Print the newest entries of a stream, and those that are added, until SIGTERM or SIGINT. "
        "Example: manage.py bus_tail events:order --type shop.order.created"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add = parser.add_argument
        add("topic", metavar="STREAM", help="its name, without the key prefix")
        add_bus(parser)
        add("--last", "-n", type=count_from(0), default=10, metavar="N", help="begin with the newest N (default: 10)")
        add("--no-follow", action="store_true", help="end after those")
        add("--count", type=count_from(1), default=None, metavar="N", help="end after N entries")
        add("--type", default="", help="only events of this type")
        add("--key", default="", help="only events of this ordering key")
        add("--text", default="", help="only entries with this text in an attribute or in the data")
        add("--json", action="store_true", help="print JSON lines")

    @printed
    def handle(self, *, topic: str, **options: Any) -> None:
        bus = bus_of(options)
        tail = Tail(
            lambda: Asking(bus, ACT_S), topic, type=options["type"], key=options["key"], text=options["text"],
            payloads=True,
        )  # fmt: skip
        try:
            with _ended_by_signals():
                self._first(bus, tail, topic, options)
        except BusError as error:
            raise CommandError(str(error)) from error

    def _first(self, bus: Bus, tail: Tail, topic: str, options: dict[str, Any]) -> None:
        page = tail.newest(options["last"])
        if not page.items and registry.find_stream(bus.alias, topic) is None:
            asking = Asking(bus, ACT_S)
            if not asking.call("EXISTS", asking.key(topic)):
                known = [each.name for each in registry.streams(bus.alias)]
                raise CommandError(str(UnknownTopic.among(topic, known, alias=bus.alias)), returncode=EXIT_USAGE)
        if page.cut_short:
            self.stderr.write(f"The newest {page.looked_at:,} entries were looked at; older ones may match.")
        left = self._print(page.items, options["count"], options)
        if not options["no_follow"]:
            self._follow(tail, left, options)

    def _follow(self, tail: Tail, left: int | None, options: dict[str, Any]) -> None:
        is_away = False
        while left is None or left > 0:
            try:
                page = tail.further()
            except Unavailable as error:
                if not is_away:
                    self.stderr.write(f"{error}. Waiting for it.")
                is_away = True
                time.sleep(PAUSE_S)
                continue
            if is_away:
                self.stderr.write("Redis is back.")
                is_away = False
            left = self._print(page.items, left, options)
            if not page.cut_short:
                time.sleep(LOOK_S)

    def _print(self, items: Sequence[Shown], left: int | None, options: dict[str, Any]) -> int | None:
        """Print entries, at most `left` of them; return how many more may be printed."""
        for shown in items[:left]:
            self.stdout.write(as_json(shown) if options["json"] else as_text(shown))
        self.stdout.flush()
        return None if left is None else left - len(items)


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """End with 0 at once, whatever is waited for: nothing is lost by it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def cut(*_: object) -> None:
        os._exit(0)

    def end(*_: object) -> None:
        signal.signal(signal.SIGALRM, cut)
        signal.setitimer(signal.ITIMER_REAL, CUT_S)
        sys.exit(0)

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
