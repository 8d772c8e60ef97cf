"""One run of the demo: open the shop, serve, close it, account for everything."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
import urllib.request
from itertools import dropwhile
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import CommandError

from django_redis_bus import bus
from example_project.shop.topics import KEPT

from .facts import Facts
from .poison import publish_poison
from .processes import START, Child, free_port
from .reconcile import Account, reconcile
from .screen import BOLD, DIM, RED, Screen
from .stopping import SIGNALS, Stop
from .traffic import Traffic
from .watch import Watch

POISON_AT_S = 4.0
SETTLE_S = 20.0


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
        facts = Facts(bus.url)  # embedded:// starts its server here
        try:
            consumer = self._start("consumer", "consume_stream")
            self._start("web server", "runserver", "--noreload", f"127.0.0.1:{self.port}")
            self._wait_for_page()
            self._welcome()
            traffic = Traffic()
            watch = Watch(self.screen, facts)
            self._serve(traffic, facts, watch)
            self._settle(traffic, facts, watch)
            differences = self._page_differences() if self.limit_s is not None else []
            if code := consumer.stop():
                differences.append(f"the consumer ended with exit code {code}:\n{consumer.log_tail()}")
            account = _account(traffic, facts)
            self.screen.account(account, silent=traffic.silent, retried=facts.retried())
            differences += account.differences
            differences += [f"group {name!r} is in no account" for name in sorted(facts.unknown_groups())]
            self.screen.verdict(differences)
            return not differences
        finally:
            for child in self.children:
                child.stop()
            facts.close()

    def _start(self, name: str, *arguments: str) -> Child:
        child = Child(name, Path(settings.DATA_DIR) / f"{name.replace(' ', '-')}.log", *arguments)
        self.children.append(child)
        return child

    def _welcome(self) -> None:
        say = self.screen.say
        say(f"\n  The shop    {self.url}", BOLD)
        say(f"  Its admin   {self.url}admin/   user admin, password admin (for this demo only)")
        say(f"  Redis       {bus.clients.where}")
        say(f"  Files       {settings.DATA_DIR}: the database, consumer.log, web-server.log", DIM)
        until = "Ctrl-C ends it" if self.limit_s is None else f"it ends after {self.limit_s:.0f} seconds"
        say(f"\n  Per group: events handled, ~ waiting for a retry, ! dead letters; {until}.\n", DIM)

    # --- the shop is open

    def _serve(self, traffic: Traffic, facts: Facts, watch: Watch) -> None:
        opened = time.monotonic()
        happened: list[tuple[str, str]] = []
        line_at_s = 1.0
        poisoned = False
        while not self.stop.requests:
            now_s = time.monotonic() - opened
            if self.limit_s is not None and now_s >= self.limit_s:
                break
            happened += traffic.run_due(now_s)
            if not poisoned and now_s >= POISON_AT_S:
                poisoned = True
                entry_id = publish_poison(facts.redis)
                self.screen.note(f"poison: somebody adds an event by hand that breaks off half-way, {entry_id}", RED)
            if now_s >= line_at_s:
                self.screen.second(now_s, len(traffic.saved), facts.tally(), happened)
                happened.clear()
                line_at_s = now_s // 1 + 1
                self._check_children()
            watch.look()
            self.stop.sleep(0.1)
        if happened:
            self.screen.second(time.monotonic() - opened, len(traffic.saved), facts.tally(), happened)

    def _settle(self, traffic: Traffic, facts: Facts, watch: Watch) -> None:
        """Wait until nothing is under way and nothing waits for a retry, or SETTLE_S."""
        self.screen.say("\nThe shop has closed; what is under way is finished ...", DIM)
        asked = self.stop.requests
        deadline = time.monotonic() + SETTLE_S
        while time.monotonic() < deadline and self.stop.requests == asked:
            watch.look()
            if not any(g.under_way or g.retrying for g in _account(traffic, facts).groups):
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


def _account(traffic: Traffic, facts: Facts) -> Account:
    saved, entries = traffic.saved, facts.entries()
    if len(entries) >= KEPT:
        # After a night the stream is trimmed to its RETENTION: what came before its oldest entry is past accounting.
        kept = {entry.change for entry in entries}
        saved = list(dropwhile(lambda change: change not in kept, saved))
    return reconcile(saved, entries, facts.groups())


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
