"""The console's pages as their server makes them: visits in one process, timed, and the memory that they take."""

from __future__ import annotations

import json
import sys
import time
import tracemalloc
from statistics import median
from typing import Any

from .job import STREAM, Job
from .project import setup_console

VISITS = 7
PREFIX = "admin:django_redis_bus_"

Page = tuple[str, str, dict[str, str]]
"""How it is called, its address, and its query."""


def pages(group: str) -> list[Page]:
    """Return the pages that show what is in Redis."""
    stream = {"stream": STREAM}
    return [
        ("overview", "overview", {}),
        ("streams", "streams", {}),
        ("one stream", "stream", stream),
        ("entries", "entries", stream),
        ("entries, a text that is nowhere", "entries", stream | {"text": "nowhere to be found"}),
        ("pending", "pending", stream | {"group": group}),
        ("pending, an error that is nowhere", "pending", stream | {"group": group, "error": "nowhere to be found"}),
        ("dead letters", "dead", stream),
        ("dead letters, a text that is nowhere", "dead", stream | {"text": "nowhere to be found"}),
        ("replay: the form", "replay", stream | {"group": group}),
        ("trim: what would go", "trim", stream),
        ("channels", "channels", {}),
    ]


def visit(client: Any, address: str, query: dict[str, str]) -> dict[str, float]:
    """Return how long a page takes, in ms, and the most memory that it needs at one time, in KB."""
    from django.urls import reverse

    url = reverse(PREFIX + address)
    taken = []
    for _ in range(VISITS):
        started = time.perf_counter()
        answer = client.get(url, query)
        taken.append((time.perf_counter() - started) * 1000)
        if answer.status_code != 200:
            raise SystemExit(f"{url} {query}: {answer.status_code} {answer.content[:2000]!r}")
    tracemalloc.start()
    client.get(url, query)
    peak = tracemalloc.get_traced_memory()[1] / 1024
    tracemalloc.stop()
    return {"median_ms": median(taken), "max_ms": max(taken), "peak_kb": peak}


def main() -> None:
    job = Job(**json.loads(sys.argv[1]))
    setup_console(job)
    from django.contrib.auth.models import User
    from django.test import Client

    client = Client()
    client.force_login(User.objects.create_superuser("ada"))
    for _, address, query in pages(job.group):
        visit(client, address, query)  # what is loaded once is there now
    print("ready", flush=True)
    for _ in sys.stdin:
        print(
            json.dumps({name: visit(client, address, query) for name, address, query in pages(job.group)}), flush=True
        )


if __name__ == "__main__":
    main()
