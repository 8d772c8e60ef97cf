"""Event streams need no Channels: a project that has no WebSocket installs none."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

SCRIPT = """
import asyncio, sys
sys.modules["channels"] = sys.modules["channels_redis"] = sys.modules["daphne"] = None
import django
from django.conf import settings
settings.ALLOWED_HOSTS = ["testserver"]
settings.ROOT_URLCONF = "django_redis_bus.relay.urls"
django.setup()
from django_redis_bus import Channel
from django_redis_bus.access import anyone
from tests.relay.sse.event_source import EventSource

CHAT = Channel("chat:{room}", history=10, can_join=anyone)

async def main():
    source = await EventSource("chat:lobby").joined()
    await CHAT(room="lobby").apublish("hello")
    print(await source.take(1))
    await source.leave()

asyncio.run(main())
"""


def test_a_stream_without_channels(process_env: Any) -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], env=process_env(), capture_output=True, text=True, timeout=60)

    assert done.stdout == "['hello']\n", done.stderr
