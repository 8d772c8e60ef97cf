"""One run of the demo: open the shop, serve, close it, account for everything."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import CommandError

from django_redis_bus import bus

from .audience import Audience
from .books import Books
from .console import Operator
from .facts import GROUPS, Facts
from .logs import log_lines
from .outage import NOTICED_S, START_AT_S, Outage
from .poison import publish_poison
from .processes import START, Child, free_port
from .screen import BOLD, DIM, RED, Line, Screen
from .stopping import SIGNALS, Stop
from .watch import Watch

POISON_AT_S = 3.0
SETTLE_S = 20.0
CHATTY_S, CALM_S = 0.7, 4.0
"""Between two lines of one visitor: in a short run, and when a person may want to say something as well."""


class Demo:
    """One run.

    Args:
        limit_s: end after so many seconds of traffic; None runs until it is asked to stop.
    """

    def __init__(self, screen: Screen, stop: Stop, *, port: int, limit_s: float | None) -> None:
        self.screen = screen
        self.stop = stop
        self.limit_s = limit_s
        self.port = free_port(port)
        self.url = f"http://127.0.0.1:{self.port}/"
        self.children: list[Child] = []

    def run(self) -> bool:
        """Open the shop and close it again. Returns whether all events are accounted for."""
        self.screen.say("Opening the shop ...", DIM)
        call_command("migrate", interactive=False, verbosity=0)
        if not User.objects.filter(username="admin").exists():
            User.objects.create_superuser("admin", "admin@example.com", "admin")
        url = bus.url  # embedded:// starts its server here
        facts = Facts(url)
        books = Books(facts)
        watch = Watch(self.screen, facts, books.outbox)
        planned = self.limit_s is not None and self.limit_s > START_AT_S
        outage = Outage(self.screen, facts, books.outbox, planned=planned)
        try:
            # The consumer uses the embedded server as the demo does, and is the one who stops it if the demo is killed.
            # The others are told where it is: who connects for the first time during an outage would start it again.
            workers = [
                self._start("consumer", "consume_stream"),
                self._start("relay", "relay_outbox", SHOP_REDIS=url),
            ]
            self._start("web server", "runserver", "--noreload", f"127.0.0.1:{self.port}", SHOP_REDIS=url)
            self._wait_for_page()
            audience = Audience(
                f"127.0.0.1:{self.port}", facts.redis, every_s=CHATTY_S if self.limit_s is not None else CALM_S
            )
            facts.shown = audience.shown
            self._let_in(audience)
            self._welcome(outage)
            with log_lines(self.screen):
                self._serve(books, watch, outage, audience)
            outage.end()
            audience.hush()
            self._settle(books, watch, outage, audience)
            differences = self._page_differences() if self.limit_s is not None else []
            differences += audience.differences()
            people = audience.lines()
            if self.limit_s is not None:
                operator = Operator(self.url)
                differences += operator.differences("events:order", GROUPS, facts.dead_ids())
                shown = "dead letters on the pages of the admin: those that are in Redis, each with its reason"
                people.append(Line("console", len(operator.found), shown))
            audience.stop()
            for worker in workers:
                if code := worker.stop():
                    differences.append(f"the {worker.name} ended with exit code {code}:\n{worker.log_tail()}")
            account = books.account()
            self.screen.account(account, [*books.lines(account), *people])
            if outage.span is not None:
                self.screen.say(f"\n  {books.slowest(outage.span)}")
            differences += account.differences
            differences += [f"group {name!r} is in no account" for name in sorted(facts.unknown_groups())]
            self.screen.verdict(differences)
            return not differences
        finally:
            outage.end()
            for child in self.children:
                child.stop()
            facts.close()

    def _start(self, name: str, *arguments: str, **env: str) -> Child:
        child = Child(name, Path(settings.DATA_DIR) / f"{name.replace(' ', '-')}.log", *arguments, **env)
        self.children.append(child)
        return child

    def _welcome(self, outage: Outage) -> None:
        say = self.screen.say
        say(f"\n  The shop    {self.url}", BOLD)
        say(f"  Live board  {self.url}board/")
        say(f"  Chat        {self.url}chat/   ada and linus talk in the lobby, and you can be grace")
        say(f"  Its admin   {self.url}admin/   user admin, password admin (for this demo only)")
        say(f"  Its console {self.url}admin/django_redis_bus/overview/   what flows, what failed, and why")
        say(f"  Redis       {bus.clients.where}")
        say(f"  Files       {settings.DATA_DIR}: the database, consumer.log, relay.log, web-server.log", DIM)
        if outage.possible and self.limit_s is None:
            pid = Path(settings.DATA_DIR) / "redis" / "server.pid"
            say(f"  Try this    kill -9 $(cat {pid})   and Redis is away for {NOTICED_S:.0f} seconds")
        until = "Ctrl-C ends it" if self.limit_s is None else f"it ends after {self.limit_s:.0f} seconds"
        say(
            "\n  Waiting: rows of the outbox that are not in the stream yet. Chat: lines that ada and linus have said.",
            DIM,
        )
        say(f"  Per group: events handled, ~ waiting for a retry, ! dead letters; {until}.\n", DIM)

    # --- the shop is open

    def _serve(self, books: Books, watch: Watch, outage: Outage, audience: Audience) -> None:
        opened = time.monotonic()
        happened: list[tuple[str, str]] = []
        line_at_s = 1.0
        poisoned = False
        while not self.stop.requests:
            now_s = time.monotonic() - opened
            if self.limit_s is not None and now_s >= self.limit_s:
                break
            outage.run_due(now_s)
            happened += books.traffic.run_due(now_s)
            waiting = watch.look_at_outbox()
            if not poisoned and now_s >= POISON_AT_S:
                poisoned = outage.ask(lambda: self._poison(books.facts)) is not None
            if now_s >= line_at_s:
                tally = outage.ask(books.facts.tally)
                self.screen.second(now_s, len(books.traffic.saved), waiting, tally, audience.said, happened)
                outage.noticed(time.monotonic(), answers=tally is not None)
                happened.clear()
                line_at_s = now_s // 1 + 1
                self._check_children()
            outage.ask(watch.look)
            self.stop.sleep(0.1)

    def _let_in(self, audience: Audience) -> None:
        audience.start()
        deadline = time.monotonic() + 15
        while not audience.is_in and not self.stop.requests:
            self._check_children()
            if time.monotonic() > deadline:
                raise CommandError(f"Nobody can come into the chat:\n{self.children[-1].log_tail()}")
            self.stop.sleep(0.05)
        audience.talk()

    def _poison(self, facts: Facts) -> str:
        entry_id = publish_poison(facts.redis)
        self.screen.note(f"poison: somebody adds an event by hand that breaks off half-way, {entry_id}", RED)
        return entry_id

    def _settle(self, books: Books, watch: Watch, outage: Outage, audience: Audience) -> None:
        """Wait until nothing is under way, waits for a retry or has yet to be heard, or SETTLE_S."""
        self.screen.say("\nThe shop has closed; what is under way is finished ...", DIM)
        asked = self.stop.requests
        deadline = time.monotonic() + SETTLE_S
        while time.monotonic() < deadline and self.stop.requests == asked:
            watch.look_at_outbox()
            outage.ask(watch.look)
            account = outage.ask(books.account)
            outage.noticed(time.monotonic(), answers=account is not None)
            settled = account and not account.waiting and not any(g.under_way or g.retrying for g in account.groups)
            if settled and outage.ask(audience.is_settled):
                return
            self._check_children()
            self.stop.sleep(0.2)

    def _check_children(self) -> None:
        for child in self.children:
            if child.exit_code is not None:
                raise CommandError(f"The {child.name} has ended (exit code {child.exit_code}):\n{child.log_tail()}")

    # --- the page

    def _page(self) -> str:
        # No proxy: the page is on this machine, whatever the environment says.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(self.url, timeout=5) as reply:
            return str(reply.read().decode())

    def _wait_for_page(self) -> None:
        deadline = time.monotonic() + 30
        while not self.stop.requests and time.monotonic() < deadline:
            try:
                self._page()
                return
            except OSError:
                self._check_children()
                self.stop.sleep(0.1)

    def _page_differences(self) -> list[str]:
        try:
            return [] if "PAY-" in self._page() else [f"{self.url} shows no invoice"]
        except OSError as error:
            return [f"{self.url} does not answer: {error}"]


def in_a_fresh_directory(arguments: list[str]) -> int:
    """Run manage.py with these arguments on an empty database and an empty Redis, and leave nothing behind.

    It takes a process of its own: where the data are is in the settings, which are read once.
    """
    with tempfile.TemporaryDirectory(prefix="shop-") as directory:
        process = subprocess.Popen(
            [*START, *arguments],
            stdin=subprocess.PIPE,
            env={**os.environ, "SHOP_DATA_DIR": directory},
            start_new_session=True,  # so that a signal reaches it once, from here
        )
        for number in SIGNALS:
            signal.signal(number, lambda received, _: process.send_signal(received))
        return process.wait()
