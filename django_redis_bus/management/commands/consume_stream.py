"""manage.py consume_stream: run the handlers of streams."""

from __future__ import annotations

import atexit
import logging
import os
import shlex
import signal
import sys
import threading
from time import sleep
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from ... import conf
from ...bus import buses
from ...consuming import BATCH, ConsumeOptions, Subscription, build
from ...core.exceptions import BusError
from ...core.keys import stream_key
from ...core.ports import Opened
from ...core.sections import duration_s
from ...outbox import table
from ...outbox.relay import NO_OUTBOX, Relay, RelayOptions
from ...runtime.stopping import Stopping
from ...runtime.supervisor import EXIT_CUT_OFF, PARENT_VARIABLE, Supervisor, orphaned, supervised
from ...runtime.worker import Worker
from ..options import EXIT_USAGE, add_bus, add_reload, bus_of, count_from
from ..reloading import run_with_reloader


class Command(BaseCommand):
    help = (
        "Run the handlers of streams: read, call, retry, dead-letter, until SIGTERM or SIGINT. "
        "Example: manage.py consume_stream events:order --group billing --threads 8"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add = parser.add_argument
        add("streams", nargs="*", metavar="STREAM", help="streams to consume; default: all with handlers")
        add_bus(parser)
        add("--group", action="append", default=[], metavar="GROUP", help="only this group; may be repeated")
        add("--consumer", default="", metavar="NAME", help="consumer name; default: <host>-<free number>")
        add(
            "--threads",
            type=count_from(0),
            default=0,
            metavar="N",
            help="run `def` handlers in N threads per group; default 0: one after the other",
        )
        add("--processes", type=count_from(1), default=1, metavar="N", help="run N supervised processes (default 1)")
        add("--batch", type=count_from(1), default=BATCH, metavar="N", help=f"most entries per read (default {BATCH})")
        add(
            "--from",
            default="all",
            dest="start",
            metavar="WHERE",
            help="where a new group begins: all (default), new, an entry id, or a time like 2026-11-22T08:00:00Z",
        )
        add("--burst", action="store_true", help="end when nothing is left to do now")
        add("--max-events", type=count_from(1), default=None, metavar="N", help="end each group after N events")
        add(
            "--lease",
            type=_seconds,
            default=None,
            metavar="SECONDS",
            help="silence after which another consumer takes an entry over (default: LEASE of the bus)",
        )
        add("--relay-outbox", action="store_true", help="also ship the outbox, as relay_outbox does: for small sites")
        add_reload(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        bus_of(options)
        if options["relay_outbox"] and (options["burst"] or options["processes"] > 1):
            alone = "--burst" if options["burst"] else "--processes"
            raise CommandError(
                f"--relay-outbox does not go with {alone}; run relay_outbox beside it.", returncode=EXIT_USAGE
            )
        if options["reload"]:
            if options["burst"]:
                raise CommandError("--reload goes on and --burst ends; leave one away.", returncode=EXIT_USAGE)
            if options["processes"] > 1:
                raise CommandError("--reload runs one process; leave --processes away.", returncode=EXIT_USAGE)
            # What Django's reloader starts again and again would outlive it if it is killed.
            os.environ.setdefault(PARENT_VARIABLE, str(os.getpid()))
            run_with_reloader(self._consume_until_edited, options)
        elif options["processes"] > 1:
            if options["consumer"]:
                raise CommandError("--consumer names one process; leave --processes away.", returncode=EXIT_USAGE)
            self._exit(self._supervise(options))
        else:
            self._exit(self._consume(options))

    def _exit(self, code: int) -> None:
        if code == EXIT_CUT_OFF and getattr(self, "_called_from_command_line", False):
            # Python's own end would wait for threads of handlers that were cut off, such as those of asyncio.to_thread.
            logging.shutdown()
            self.stdout.flush()
            os._exit(code)
        if code:
            sys.exit(code)

    def _supervise(self, options: dict[str, Any]) -> int:
        self._build(options, self._stopping(options))  # mistakes are reported once, here
        supervisor = Supervisor(
            child_arguments(options),
            options["processes"],
            drain_s=self._drain_s(options),
            restart=not options["burst"],
            say=lambda text: self.stdout.write(text),
        )
        _on_signals(supervisor.stop)
        return supervisor.run()

    def _consume(self, options: dict[str, Any]) -> int:
        stopping = self._stopping(options)
        worker = self._build(options, stopping)
        if threading.current_thread() is threading.main_thread():
            _on_signals(stopping.request)
        else:
            # The reloader ends this process from its main thread; an embedded server goes after this, not before.
            atexit.register(worker.stop_soon)
        relay = self._start_relay(stopping) if options["relay_outbox"] else None
        code = worker.run()
        if relay is not None:
            code = max(code, self._end_relay(relay, stopping))
        counts = [loop.settling.counts for loop in worker.loops]
        handled = sum(c.handled for c in counts)
        retried = sum(c.retried for c in counts)
        dead = sum(c.dead for c in counts)
        self.stdout.write(f"Stopped: {handled:,} handled, {retried:,} put aside for a retry, {dead:,} dead letters.")
        return code

    def _start_relay(self, stopping: Stopping) -> Relay:
        try:
            databases = table.aliases()
        except DatabaseError as error:
            raise CommandError(f"It is not known which databases have an outbox: {error}") from error
        if not databases:
            raise CommandError(NO_OUTBOX)
        relay = Relay(databases, RelayOptions(), stopping)
        threading.Thread(target=relay.run, name="bus-outbox", daemon=True).start()
        self.stdout.write(f"Outbox of {', '.join(databases)}: relayed by this process.")
        return relay

    def _end_relay(self, relay: Relay, stopping: Stopping) -> int:
        if not stopping.requested:
            stopping.request()
        while not relay.ended and stopping.left_s:
            sleep(0.02)
        self.stdout.write(f"Relayed: {relay.counts['sent']:,} published, {relay.counts['parked']:,} parked.")
        return 0 if relay.ended else EXIT_CUT_OFF

    def _consume_until_edited(self, options: dict[str, Any]) -> None:
        self._consume(options)
        if orphaned():
            os.kill(os.getpid(), signal.SIGTERM)  # the main thread watches files, and would go on doing so

    def _build(self, options: dict[str, Any], stopping: Stopping) -> Worker:
        try:
            return build(
                buses[options["bus"]],
                ConsumeOptions(
                    topics=tuple(options["streams"]),
                    groups=tuple(options["group"]),
                    consumer=options["consumer"],
                    threads=options["threads"],
                    batch=options["batch"],
                    start=options["start"],
                    burst=options["burst"],
                    max_events=options["max_events"],
                    lease_s=options["lease"],
                ),
                stopping,
                lambda consumer, subscription, state: self._opened(options, consumer, subscription, state),
            )
        except BusError as error:
            raise CommandError(str(error), returncode=EXIT_USAGE) from error

    def _opened(self, options: dict[str, Any], consumer: str, subscription: Subscription, state: Opened) -> None:
        names = ", ".join(handler.name for handler in subscription.handlers)
        where = buses[options["bus"]].clients.where
        text = f"{subscription.topic} on {where}, group {subscription.group}, as {consumer}: {names}"
        if state.created and not state.recreated:
            key = stream_key(buses[options["bus"]].config.key_prefix, subscription.topic)
            way = _way_to_new_ones(where, key, subscription.group)
            text += f"\n  New group{_backlog(state, options['start'], way)}"
        elif options["start"] != "all" and not supervised():
            text += f"\n  The group exists and goes on where it was; --from {options['start']} is for new groups only."
        self.stdout.write(text)
        self.stdout.flush()

    def _stopping(self, options: dict[str, Any]) -> Stopping:
        return Stopping(self._drain_s(options))

    def _drain_s(self, options: dict[str, Any]) -> float:
        return conf.configs()[options["bus"]].drain_s


def _way_to_new_ones(where: str, key: str, group: str) -> str:
    """Return how to begin at new events; a stopped embedded server takes no commands."""
    if where.startswith("embedded://"):
        return "choose another group name and start with --from new."
    server = f"-s {where.removeprefix('unix://')}" if where.startswith("unix://") else f"-u {where}"
    destroy = f"redis-cli {server} XGROUP DESTROY {shlex.quote(key)} {shlex.quote(group)}"
    return f"stop, {destroy}, and start with --from new."


def _backlog(state: Opened, start: str, way: str) -> str:
    if start == "new":
        return ": it receives events published from now on."
    if start != "all":
        return f": it receives events from {start} on."
    if not state.length:
        return ", the stream is empty."
    events = "1 earlier event" if state.length == 1 else f"{state.length:,} earlier events"
    return f": it will first receive the {events} of this stream.\n  To start at new ones instead: {way}"


def _on_signals(stop: Any) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop())


def _seconds(text: str) -> float:
    value = duration_s(float(text) if text.replace(".", "", 1).isdigit() else text)
    if value < 1:
        raise ValueError
    return value


_seconds.__name__ = "time of at least 1 second, such as 30 or 2m,"


def child_arguments(options: dict[str, Any]) -> list[str]:
    """Return the arguments of one process of a supervised set."""
    arguments = ["consume_stream", f"--bus={options['bus']}", *(f"--group={group}" for group in options["group"])]
    given = [name for name in ("threads", "batch", "max_events", "lease") if options[name]]
    arguments += [f"--{name.replace('_', '-')}={options[name]}" for name in given]
    arguments.append(f"--from={options['start']}")
    if options["burst"]:
        arguments.append("--burst")
    return [*arguments, "--", *options["streams"]]
