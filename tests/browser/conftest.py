"""The example's pages in a real browser, served by its real server in a process of its own."""

from __future__ import annotations

import os
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

import pytest

from tests.conftest import ROOT, missing
from tests.example.conftest import Shop
from tests.example.conftest import migrated as migrated
from tests.servers import Server

# What Chromium itself reports when a server is not there, whatever the page does about it.
AWAY = ("net::ERR_", "WebSocket connection to")
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
        """Start it, and wait until it answers."""
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
        raise AssertionError(self._log.read_text())

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End it by a signal."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(20)
            self._process = None


@pytest.fixture
def shop(tmp_path: Path, migrated: Path, own_server: Callable[..., Server]) -> Shop:
    """An empty shop, whose Redis keeps what it has confirmed."""
    shutil.copy(migrated, tmp_path / "shop.sqlite3")
    return Shop(tmp_path, own_server())


@pytest.fixture
def web(shop: Shop, tmp_path: Path, free_port: int) -> Iterator[Web]:
    """The shop's web server."""
    server = Web(shop, free_port, tmp_path / "web.log")
    yield server.start()
    server.stop()
    log = (tmp_path / "web.log").read_text()
    assert "Traceback" not in log, log


@pytest.fixture
def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def chrome() -> Iterator[Any]:
    """A headless Chromium."""
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


Open: TypeAlias = Callable[..., Page]


@pytest.fixture
def open_page(chrome: Any, web: Web) -> Iterator[Open]:
    """A factory of pages, each in a browser of its own as far as cookies go: open_page("board/", viewport=…).

    At the end no page has reported an error, nor anything that its Content-Security-Policy refused.
    """
    errors: list[str] = []

    def watch(message: Any) -> None:
        if message.type == "error" and not any(text in message.text for text in AWAY):
            errors.append(message.text)

    def make(path: str, **options: Any) -> Page:
        page = chrome.new_context(**options).new_page()
        page.set_default_timeout(15_000)
        page.on("console", watch)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(web.url(path))
        return page

    yield make
    assert errors == []


@pytest.fixture
def come_in(open_page: Open) -> Callable[..., Page]:
    """A factory of people in a room of the chat: come_in("ada", room="tea")."""

    def make(name: str, *, room: str = "lobby", **options: Any) -> Page:
        page = open_page("chat/", **options)
        page.get_by_role("button", name=name, exact=True).click()
        if room != "lobby":
            page.goto(page.url.replace("lobby", room))
        page.get_by_text("Connected", exact=True).wait_for()
        return page

    return make


@pytest.fixture
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
