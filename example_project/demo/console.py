"""Somebody who looks at the bus in the shop's admin, by the web server and with a password, as a person does."""

from __future__ import annotations

import html
import re
import urllib.parse
import urllib.request
from collections.abc import Collection
from http.cookiejar import CookieJar

from .reconcile import differ

CONSOLE = "admin/django_redis_bus/"
DEAD_ID = re.compile(r'name="id" value="(\d+-\d+)"')
NEXT = re.compile(r'href="([^"]*)" rel="next"')
PAGES = 20
"""So many pages of dead letters are turned."""


class Operator:
    """One visit.

    Args:
        url: of the shop, with its final slash.

    Attributes:
        found: ids of the dead letters that the pages show.
    """

    def __init__(self, url: str) -> None:
        self.found: set[str] = set()
        self._url = url
        self._cookies = CookieJar()
        # No proxy: the page is on this machine, whatever the environment says.
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(self._cookies)
        )

    def differences(self, stream: str, groups: Collection[str], dead: Collection[str]) -> list[str]:
        """Return what the pages do not show as it is.

        Args:
            stream: its name, without the prefix.
            groups: of the stream.
            dead: ids of its dead letters.
        """
        try:
            self._log_in("admin", "admin")
            overview = self._page("overview/")
            one = self._page("streampage/stream/", stream=stream)
            self._turn(stream)
        except OSError as error:
            return [f"the console of the admin does not answer: {error}"]
        return [
            *differ("not on the console's overview", (name for name in (stream, *groups) if name not in overview)),
            *differ("not on the console's page of the stream", (name for name in groups if name not in one)),
            *differ("dead letters that the console does not show", set(dead) - self.found),
            *differ("dead letters on the console that are not there", self.found - set(dead)),
        ]

    def _log_in(self, name: str, password: str) -> None:
        url = f"{self._url}admin/login/?next=/admin/"
        self._opener.open(url, timeout=10).close()
        token = next((cookie.value or "" for cookie in self._cookies if cookie.name == "csrftoken"), "")
        form = {"username": name, "password": password, "csrfmiddlewaretoken": token}
        self._opener.open(url, urllib.parse.urlencode(form).encode(), timeout=10).close()

    def _turn(self, stream: str) -> None:
        """Look at each page of dead letters."""
        page = self._page("deadletterpage/", stream=stream)
        self.found.update(DEAD_ID.findall(page))
        for _ in range(PAGES):
            following = NEXT.search(page)
            if following is None:
                return
            page = self._read(urllib.parse.urljoin(self._url, html.unescape(following[1])))
            self.found.update(DEAD_ID.findall(page))

    def _page(self, path: str, **query: str) -> str:
        return self._read(f"{self._url}{CONSOLE}{path}?{urllib.parse.urlencode(query)}")

    def _read(self, url: str) -> str:
        with self._opener.open(url, timeout=10) as reply:
            return str(reply.read().decode())
