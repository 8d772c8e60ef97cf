"""manage.py relay_outbox: ship the events that lie in the outbox."""

from __future__ import annotations

import atexit
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from time import sleep, time
from typing import Any

import msgspec
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, connections

from ... import conf
from ...bus import buses
from ...core.exceptions import BusError, did_you_mean
from ...core.sections import duration_s
from ...outbox import table
from ...outbox.orphans import unknown
from ...outbox.relay import BATCH, NO_OUTBOX, POLL_S, Relay, RelayOptions
from ...outbox.repairing import republish, retry_parked
from ...outbox.reporting import Report, report
from ...runtime.stopping import Stopping
from ...runtime.supervisor import EXIT_CUT_OFF, PARENT_VARIABLE, orphaned
from ..reloading import run_with_reloader

EXIT_FAILED = 1
EXIT_USAGE = 2

MOST_BATCH = 1_000
"""More are not written as one piece."""


class Command(BaseCommand):
    help = (
        "Ship the events that lie in the outbox to Redis, until SIGTERM or SIGINT. Any number may run side by side. "
        "Example: manage.py relay_outbox"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add = parser.add_argument
        add(
            "--database",
            action="append",
            default=[],
            metavar="ALIAS",
            help="only this database; may be repeated. Default: each that has the table",
        )
        add("--bus", action="append", default=[], metavar="ALIAS", help="only for this bus; may be repeated")
        add(
            "--batch",
            type=_batch,
            default=BATCH,
            metavar="N",
            help=f"most events per round trip (default {BATCH}, at most {MOST_BATCH})",
        )
        add("--burst", action="store_true", help="end when nothing is due; exit code 1 if something could not be sent")
        add(
            "--poll",
            type=_seconds,
            default=POLL_S,
            metavar="SECONDS",
            help=f"how long an idle relay sleeps at most (default {POLL_S:g})",
        )
        add("--status", action="store_true", help="show what lies in the outbox, and end")
        add("--json", action="store_true", help="with --status: as JSON")
        add(
            "--republish-since",
            type=_moment_ms,
            default=None,
            metavar="TIME",
            help="first send again what was sent since: 15m ago, or 2026-11-22T08:00:00Z. After a failover of Redis",
        )
        add("--retry-parked", action="store_true", help="first try again what was parked")
        add("--reload", action="store_true", help="restart when code changes")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["json"] and not options["status"]:
            raise CommandError("--json goes with --status.", returncode=EXIT_USAGE)
        databases, names = self._databases(options["database"]), self._buses(options["bus"])
        if options["status"]:
            reports = [
                report(alias, name)
                for alias in databases
                for name in (names if options["bus"] else [*names, *unknown(alias)])
            ]
            self._show(reports, as_json=options["json"])
            return
        if options["reload"] and options["burst"]:
            raise CommandError("--reload goes on and --burst ends; leave one away.", returncode=EXIT_USAGE)
        self._repair(options, databases, names)
        if options["reload"]:
            # What Django's reloader starts again and again would outlive it if it is killed.
            os.environ.setdefault(PARENT_VARIABLE, str(os.getpid()))
            run_with_reloader(self._relay_until_edited, options, databases, names)
        elif code := self._relay(options, databases, names):
            sys.exit(code)

    def _databases(self, asked: Sequence[str]) -> list[str]:
        for alias in asked:
            if alias not in connections.settings:
                raise CommandError(
                    f"DATABASES has no alias {alias!r}. {did_you_mean(alias, connections.settings).strip()}",
                    returncode=EXIT_USAGE,
                )
        try:
            for alias in asked:
                table.required(alias)
            found = list(dict.fromkeys(asked)) or table.aliases()
        except BusError as error:
            raise CommandError(str(error)) from error
        except DatabaseError as error:
            raise CommandError(
                f"It is not known which databases have an outbox; name one by --database. {error}"
            ) from error
        if not found:
            raise CommandError(NO_OUTBOX)
        return found

    def _buses(self, asked: Sequence[str]) -> list[str]:
        try:
            return [buses[alias].alias for alias in dict.fromkeys(asked or buses)]
        except BusError as error:
            raise CommandError(str(error), returncode=EXIT_USAGE) from error

    def _repair(self, options: dict[str, Any], databases: Sequence[str], names: Sequence[str]) -> None:
        since_ms = options["republish_since"]
        if not options["retry_parked"] and since_ms is None:
            return
        if options["reload"]:
            raise CommandError("--reload would repair again and again; do that without it.", returncode=EXIT_USAGE)
        for alias in databases:
            if since_ms is not None:
                count = republish(alias, names, since_ms=since_ms)
                self.stdout.write(f"Database {alias}: {count:,} sent events are pending again.")
            if options["retry_parked"]:
                count = retry_parked(alias, names)
                self.stdout.write(f"Database {alias}: {count:,} parked events are pending again.")

    # --- relay

    def _relay(self, options: dict[str, Any], databases: Sequence[str], names: Sequence[str]) -> int:
        stopping = Stopping(max(conf.configs()[name].drain_s for name in names))
        chosen = RelayOptions(
            buses=tuple(names), batch=options["batch"], poll_s=options["poll"], burst=options["burst"]
        )
        relay = Relay(databases, chosen, stopping)
        in_main_thread = threading.current_thread() is threading.main_thread()
        if in_main_thread:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: stopping.request())
        else:
            # The reloader ends this process from its main thread.
            atexit.register(relay.stop_soon)
        may_exit = in_main_thread and getattr(self, "_called_from_command_line", False)
        threading.Thread(target=self._watch, args=(relay, stopping, may_exit), daemon=True).start()
        for alias in databases:
            where = ", ".join(f"bus {name} on {buses[name].clients.where}" for name in names)
            self.stdout.write(f"Outbox of database {alias}: to {where}")
        self.stdout.flush()
        relay.run()
        return self._end(relay, databases, names, burst=options["burst"])

    def _end(self, relay: Relay, databases: Sequence[str], names: Sequence[str], *, burst: bool) -> int:
        counts = relay.counts
        self.stdout.write(
            f"Stopped: {counts['sent']:,} published, {counts['failed']:,} put aside for another try, "
            f"{counts['parked']:,} parked."
        )
        if not relay.ended:
            return EXIT_CUT_OFF
        reports = [report(alias, name) for alias in databases for name in names] if burst else []
        pending, parked = sum(r.pending for r in reports), sum(r.parked for r in reports)
        if pending or parked:
            self.stdout.write(f"Left: {pending:,} pending, {parked:,} parked. See relay_outbox --status.")
            return EXIT_FAILED
        return 0

    def _watch(self, relay: Relay, stopping: Stopping, may_exit: bool) -> None:
        """End the relay with the process that started it, and the process when the relay does not end in time."""
        while not relay.ended:
            if orphaned() and not stopping.requested:
                stopping.request()
            if may_exit and stopping.requested and not stopping.left_s:
                logging.getLogger("django_redis_bus.outbox").error("The relay was cut off by the drain deadline")
                logging.shutdown()
                os._exit(EXIT_CUT_OFF)
            sleep(0.1)

    def _relay_until_edited(self, options: dict[str, Any], databases: Sequence[str], names: Sequence[str]) -> None:
        self._relay(options, databases, names)
        if orphaned():
            os.kill(os.getpid(), signal.SIGTERM)  # the main thread watches files, and would go on doing so

    # --- show

    def _show(self, reports: Sequence[Report], *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps([asdict(each) for each in reports], indent=2))
            return
        for each in reports:
            age = "" if each.oldest_pending_s is None else f", the oldest {each.oldest_pending_s:,.0f} s old"
            failing = f", {each.failing:,} failing" if each.failing else ""
            stranger = "" if each.known else " (REDIS_BUS has no such alias)"
            self.stdout.write(
                f"Database {each.database}, bus {each.bus}{stranger}: {each.pending:,} pending{failing}{age}; "
                f"{each.scheduled:,} scheduled; {each.sent:,} sent; {each.parked:,} parked"
            )
            for one in each.parked_events:
                self.stdout.write(
                    self.style.ERROR(
                        f"  row {one.row}, {one.topic}, {one.type} {one.event_id}: parked {one.at} after "
                        f"{one.attempts} attempts: {one.error}"
                    )
                )
            if each.parked > len(each.parked_events):
                self.stdout.write(f"  … and {each.parked - len(each.parked_events):,} more")


def _batch(text: str) -> int:
    value = int(text)
    if not 1 <= value <= MOST_BATCH:
        raise ValueError
    return value


_batch.__name__ = f"whole number from 1 to {MOST_BATCH}"


def _seconds(text: str) -> float:
    value = duration_s(float(text) if text.replace(".", "", 1).isdecimal() else text)
    if value < 0.01:
        raise ValueError
    return value


_seconds.__name__ = "time of at least 0.01 seconds, such as 0.5 or 2s,"


def _moment_ms(text: str) -> int:
    try:
        return int((time() - duration_s(text)) * 1000)
    except ValueError:
        pass
    try:
        moment = msgspec.convert(text, datetime)
    except msgspec.ValidationError:
        raise ValueError from None
    if moment.tzinfo is None:
        raise ValueError
    return int(moment.timestamp() * 1000)


_moment_ms.__name__ = "time with its zone (2026-11-22T08:00:00Z) or how long ago (15m),"
