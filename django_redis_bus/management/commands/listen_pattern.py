"""manage.py listen_pattern: run the listeners of channels, or print what is published."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from ... import registry
from ...announcing import Announcer
from ...bus import Bus
from ...core.events import Event
from ...core.exceptions import AccessRefused, BusError
from ...core.gaps import Gap
from ...core.globs import is_glob
from ...core.telling import printable
from ...listening import declared_as
from ...runtime.supervisor import PARENT_VARIABLE, orphaned
from ..options import EXIT_USAGE, add_bus, add_reload, bus_of, count_from
from ..printing import as_json, as_text
from ..reloading import run_with_reloader

AT_ONCE_S = 0.15
"""How long a call that is under way may take when the process is told to stop."""
CUT_S = 0.4
"""A process that still runs then ends all the same: a function holds it up, or nobody reads what is printed."""
LOOK_S = 0.1
QUEUE = 10_000
"""Messages that wait to be printed."""


class Command(BaseCommand):
    help = (
        "Run the listeners of channels; or, with patterns, print what is published to them. Until SIGTERM or SIGINT. "
        "Example: manage.py listen_pattern 'chat:*' --json"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add = parser.add_argument
        add(
            "patterns",
            nargs="*",
            metavar="PATTERN",
            help="names and Redis glob patterns to print; default: run the registered listeners",
        )
        add_bus(parser)
        add("--json", action="store_true", help="print JSON lines")
        add("--raw", action="store_true", help="the patterns are Redis's own: no key prefix is put before them")
        add("--count", type=count_from(1), default=None, metavar="N", help="end after N events")
        add_reload(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        bus = bus_of(options)
        for option in ("json", "raw"):
            if options[option] and not options["patterns"]:
                raise CommandError(f"--{option} goes with patterns to print; name one.", returncode=EXIT_USAGE)
        if not options["patterns"] and not registry.listeners(bus.alias):
            raise CommandError(
                f"Bus {bus.alias!r} has no listeners. Write one in the handlers.py of an installed app: "
                "@CHAT.listener(); or name patterns to print.",
                returncode=EXIT_USAGE,
            )
        if options["reload"]:
            # What Django's reloader starts again and again would outlive it if it is killed.
            os.environ.setdefault(PARENT_VARIABLE, str(os.getpid()))
            run_with_reloader(self._listen_until_edited, options)
        else:
            asyncio.run(self._listen(bus, options))

    def _listen_until_edited(self, options: dict[str, Any]) -> None:
        asyncio.run(self._listen(bus_of(options), options))
        if orphaned():
            os.kill(os.getpid(), signal.SIGTERM)  # the main thread watches files, and would go on doing so

    async def _listen(self, bus: Bus, options: dict[str, Any]) -> None:
        printed: Counter[str] = Counter()
        counts = bus.live.counts

        def summary() -> str:
            return _summary(options, counts, printed)

        stop = asyncio.Event()
        if threading.current_thread() is threading.main_thread():
            _on_signals(asyncio.get_running_loop(), stop, summary)
        work = self._print(bus, options, printed) if options["patterns"] else self._run(bus, options)
        tasks = [asyncio.create_task(each) for each in (work, stop.wait(), _until_orphaned())]
        told = asyncio.create_task(Announcer(bus, "listen_pattern", lambda: _facts(bus, options)).run())
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for each in done:
                each.result()
        except AccessRefused as error:
            hint = " Redis wants a pattern to be granted as it is written." if _has_globs(options) else ""
            raise CommandError(f"{error}.{hint}") from error
        except BusError as error:
            raise CommandError(str(error), returncode=EXIT_USAGE) from error
        except BrokenPipeError:  # what it was piped to has seen enough; Python flushes its output once more
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        finally:
            for each in (*tasks, told):
                each.cancel()
            await bus.aclose_live(AT_ONCE_S)
            await bus.aclose()
        (self.stderr if options["json"] else self.stdout).write(summary())
        signal.setitimer(signal.ITIMER_REAL, 0)

    async def _print(self, bus: Bus, options: dict[str, Any], printed: Counter[str]) -> None:
        line = as_json if options["json"] else as_text
        heard = bus.listen(
            *options["patterns"], queue=QUEUE, presence=True, raw=options["raw"], deadline_s=None,
            on_ready=lambda: self._ready(bus, options),
        )  # fmt: skip
        async for item in heard:
            channel = declared_as(bus.alias, item.topic) if isinstance(item, Event) and not options["raw"] else None
            self.stdout.write(line(item, channel.redact if channel is not None else ()))
            self.stdout.flush()
            printed["gaps" if isinstance(item, Gap) else "events"] += 1
            if printed["events"] == options["count"]:
                return

    def _ready(self, bus: Bus, options: dict[str, Any]) -> None:
        out = self.stderr if options["json"] else self.stdout
        out.write(f"Listening to {', '.join(map(printable, options['patterns']))} on {bus.clients.where}")
        out.flush()

    async def _run(self, bus: Bus, options: dict[str, Any]) -> None:
        async def start(listener: Any) -> None:
            subscription = await bus.start_listener(listener, deadline_s=None)
            self.stdout.write(f"{', '.join(subscription.topics)} on {bus.clients.where}: {listener.name}")
            self.stdout.flush()

        await asyncio.gather(*map(start, registry.listeners(bus.alias)))
        counts = bus.live.counts
        while options["count"] is None or counts["delivered"] + counts["failed"] < options["count"]:  # noqa: ASYNC110
            await asyncio.sleep(LOOK_S)


async def _until_orphaned() -> None:
    while not orphaned():  # noqa: ASYNC110
        await asyncio.sleep(1.0)


def _summary(options: dict[str, Any], counts: Counter[str], printed: Counter[str]) -> str:
    if options["patterns"]:
        text = f"Stopped: {printed['events']:,} printed"
    else:
        text = f"Stopped: {counts['delivered']:,} delivered, {counts['failed']:,} failed"
    gaps = "1 gap" if counts["gaps"] == 1 else f"{counts['gaps']:,} gaps"
    return f"{text}, {counts['unreadable']:,} unreadable, {counts['dropped']:,} dropped, {gaps}."


def _facts(bus: Bus, options: dict[str, Any]) -> dict[str, Any]:
    topics = options["patterns"] or [each.channel for each in registry.listeners(bus.alias)]
    counts = bus.live.counts
    return {"topics": topics, **{name: counts[name] for name in ("delivered", "dropped", "gaps")}}


def _has_globs(options: dict[str, Any]) -> bool:
    return any(map(is_glob, options["patterns"]))


def _on_signals(loop: asyncio.AbstractEventLoop, stop: asyncio.Event, summary: Callable[[], str]) -> None:
    def ask(*_: object) -> None:
        # No lock may be taken here: the signal may have come while this very thread holds it.
        signal.setitimer(signal.ITIMER_REAL, CUT_S)
        loop.call_soon_threadsafe(stop.set)

    def cut(*_: object) -> None:
        if select.select([], [2], [], 0)[1]:  # else it is a pipe that nobody reads
            os.write(2, f"{summary()}\n".encode())
        os._exit(0)

    signal.signal(signal.SIGALRM, cut)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ask)
