"""What all tests of event streams need."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from django_redis_bus.access import anyone

from ..conftest import close_relay
from .event_source import EventSource


@pytest.fixture(autouse=True)
def site(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["testserver"]
    settings.ROOT_URLCONF = "django_redis_bus.relay.urls"
    settings.MIDDLEWARE = ["django.middleware.gzip.GZipMiddleware"]


@pytest.fixture
def chat(channel: Any) -> Any:
    return channel("chat:{room}", history=100, can_join=anyone)


@pytest.fixture
async def listen(bus_settings: Any) -> AsyncIterator[Callable[..., EventSource]]:
    """A factory of EventSources: listen("chat:lobby", last_id="…")."""
    made: list[EventSource] = []

    def make(*topics: str, **options: Any) -> EventSource:
        made.append(EventSource(*topics, **options))
        return made[-1]

    yield make
    for each in made:
        await each.leave()
    await close_relay()
