"""The example's pages in a real browser, served by its real server in a process of its own."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import quote

import pytest

from tests.conftest import PROGRAMS, ROOT, missing
from tests.example.conftest import Shop
from tests.example.conftest import migrated as migrated
from tests.servers import Server

from .apps import ROOMS

# What Chromium itself reports when a server is not there, whatever the page does about it.
AWAY = ("net::ERR_", "WebSocket connection to")
# What Django's ASGI handler itself leaves in the log when a browser goes away before it has its answer. A page of the
# console that listens or updates by itself may be left so; no other page may leave anything.
GONE = ("django.core.exceptions.RequestAborted", "ResourceWarning: Unclosed file <tempfile.SpooledTemporaryFile")
Page: TypeAlias = Any
"""Playwright's, which need not be installed."""


class Web:
    """`manage.py runserver`: daphne, with pages, WebSockets and event streams."""

    def __init__(self, shop: Shop, port: int, log: Path) -> None:
        self.shop = shop
        self.address = f"127.0.0.1:{port}"
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, path: str = "") -> str:
        return f"http://{self.address}/{path}"

    def start(self) -> Web:
        """Start it, if it does not run, and wait until it answers."""
        if self._process is not None:
            return self
        arguments = [sys.executable, str(ROOT / "manage.py"), "runserver", "--noreload", self.address]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                arguments, env=self.shop.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                opener.open(self.url("chat/"), timeout=10).close()
                return self
            except OSError:
                time.sleep(0.05)
        raise AssertionError(self.log)

    @property
    def log(self) -> str:
        return self._log.read_text()

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End it by a signal."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(20)
            self._process = None


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> Iterator[Shop]:
    """A shop whose Redis keeps what it has confirmed. A module shares it; its tests have own rooms and orders."""
    directory = tmp_path_factory.mktemp("browser")
    shutil.copy(migrated, directory / "shop.sqlite3")
    program = PROGRAMS["valkey"] or PROGRAMS["redis-server"]
    if program is None:
        missing("valkey")
    server = Server(program, aof=True).start()
    shop = Shop(directory, server)
    shop.env["DJANGO_SETTINGS_MODULE"] = "tests.browser.settings"
    yield shop
    server.close()


@pytest.fixture(scope="module")
def shared_web(request: pytest.FixtureRequest, shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    server = Web(shop, _free_port(), tmp_path_factory.mktemp("web") / "web.log")
    yield server
    server.stop()
    ends = re.findall(r"^Traceback.*\n(?: .*\n)*(.*)", server.log, re.MULTILINE)
    borne = GONE if request.path.name.startswith("test_console") else ()
    assert server.log.count("Traceback") == sum(end.startswith(borne) for end in ends), server.log


@pytest.fixture
def web(shared_web: Web) -> Web:
    """The shop's web server. A test that stops it need not start it again."""
    return shared_web.start()


@pytest.fixture(scope="module")
def chrome() -> Iterator[Any]:
    """A headless Chromium. For a module and no longer: its loop is in the way of tests with a loop of their own."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("playwright")
    programs = (os.environ.get("CHROME"), *map(shutil.which, ("chromium", "google-chrome", "chromium-browser")))
    program = next(filter(None, programs), None)
    if program is None:
        missing("Chromium or Chrome, on PATH or at CHROME=…,")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-dev-shm-usage"], timeout=60_000
        )
        yield browser
        browser.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


Open: TypeAlias = Callable[..., Page]
CONSOLE = "admin/django_redis_bus/"
STAFF = """
from django.contrib.auth.models import Permission, User
User.objects.create_superuser('ada', password='ada')
may = ['see_bus', 'see_payloads', 'operate_bus', 'view_customer', 'change_customer', 'view_mail']
grace = User.objects.create_user('grace', password='grace', is_staff=True)
grace.user_permissions.set(Permission.objects.filter(codename__in=may))
"""


@pytest.fixture
def open_page(chrome: Any, web: Web) -> Iterator[Open]:
    """A factory of pages, each in a browser of its own as far as cookies go: open_page("board/", viewport=…).

    At the end no page has reported an error, nor anything that its Content-Security-Policy refused.
    """
    errors: list[str] = []
    contexts: list[Any] = []

    def watch(message: Any) -> None:
        # A page that says itself that something is not there is no fault; a script that is missing is one.
        is_told = "status of 404" in message.text and "?stream=nothing:here" in message.location["url"]
        if message.type == "error" and not is_told and not any(text in message.text for text in AWAY):
            errors.append(message.text)

    def make(path: str | None, **options: Any) -> Page:
        contexts.append(chrome.new_context(**options))
        page = contexts[-1].new_page()
        page.set_default_timeout(15_000)
        page.on("console", watch)
        page.on("pageerror", lambda error: errors.append(str(error)))
        if path is not None:
            page.goto(web.url(path))
        return page

    yield make
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture(scope="module")
def staff(shop: Shop) -> dict[str, Any]:
    """Cookies of who has entered the admin: ada may do everything, grace is an operator who may not destroy."""
    shop.python(STAFF)
    return {}


@pytest.fixture
def log_in(open_page: Open, web: Web, staff: dict[str, Any]) -> Open:
    """A factory of browsers in which somebody has entered the admin: log_in("admin/", "grace", viewport=…)."""

    def make(path: str, name: str = "ada", **options: Any) -> Page:
        page = open_page(None, storage_state=staff.get(name), **options)
        # The admin has no icon, and a browser asks for one.
        page.route("**/favicon.ico", lambda route: route.fulfill(status=204))
        if name in staff:
            page.goto(web.url(path))
            return page
        page.goto(web.url(f"admin/login/?next=/{quote(path)}"))
        page.locator("#id_username").fill(name)
        page.locator("#id_password").fill(name)
        page.locator("[type=submit]").click()
        page.wait_for_url(web.url(path))
        staff[name] = page.context.storage_state()
        return page

    return make


@pytest.fixture(scope="module")
def rooms() -> Iterator[str]:
    return iter(ROOMS)


@pytest.fixture
def room(rooms: Iterator[str]) -> str:
    """A room of the chat in which nobody has been."""
    return next(rooms)


@pytest.fixture
def come_in(open_page: Open, web: Web, room: str) -> Callable[..., Page]:
    """A factory of people in a room of the chat, the test's own or another: come_in("ada", room="tea")."""

    def make(name: str, *, room: str = room, **options: Any) -> Page:
        page = open_page(None, **options)
        page.request.get(web.url("chat/"))
        (token,) = (cookie["value"] for cookie in page.context.cookies() if cookie["name"] == "csrftoken")
        page.request.post(web.url("chat/"), form={"name": name, "csrfmiddlewaretoken": token}, max_redirects=0)
        page.goto(web.url(f"chat/{room}/"))
        page.get_by_text("Connected", exact=True).wait_for()
        return page

    return make


@pytest.fixture(scope="module")
def consumer(shop: Shop) -> Iterator[None]:
    """`manage.py consume_stream` beside the test."""
    with ExitStack() as stack:
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "manage.py"), "consume_stream"],
            env=shop.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        stack.callback(process.wait, 20)
        stack.callback(process.terminate)
        yield
