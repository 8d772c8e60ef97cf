"""Servers with the pages of site.py, and with any settings of the relay."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from .servers import AsgiServer


class Site(AsgiServer):
    """See AsgiServer; the application is site.py."""

    def __init__(self, kind: str, env: dict[str, str], log: Path) -> None:
        super().__init__(kind, env, log)
        self._command = [part.replace("tests.relay.asgi:", "tests.relay.site:") for part in self._command]


def sites(process_env: Any, folder: Path) -> Iterator[Callable[..., Site]]:
    """Yield a factory of running servers, make("daphne", keepalive=1), and end them."""
    made: list[Site] = []

    def make(kind: str = "uvicorn", **relay: Any) -> Site:
        relay = {"origins": ["*"], "spread": 1, "burst": 100} | relay  # Node sends no Origin
        env = process_env(BUS_TEST_OPTIONS=json.dumps({"RELAY": relay}), BUS_TEST_SESSIONS=str(folder))
        made.append(Site(kind, env, folder / f"log{len(made)}"))
        made[-1].start()
        return made[-1]

    yield make
    for each in made:
        each.close()
