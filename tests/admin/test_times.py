"""One format for times on all pages, and the zone that they are in, once."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.urls import reverse

from django_redis_bus.admin import streams
from tests.operations.ward import Ward

from . import reports as made
from .conftest import RIGHTS, Staff
from .verbs import GROUP, STREAM

At = Callable[..., str]
ZONE = "Times are in Asia/Tokyo."


@pytest.mark.parametrize(
    ("name", "query"), [("overview", {}), ("stream", STREAM), ("entries", STREAM), ("pending", GROUP), ("dead", STREAM)]
)
def test_a_page_says_its_zone_once(
    name: str, query: dict[str, str], staff: Staff, at: At, ward: Ward, settings: Any
) -> None:
    settings.TIME_ZONE = "Asia/Tokyo"
    ward.waiting()
    text = staff(*RIGHTS).get(at(name, **query)).content.decode()
    assert text.count(ZONE) == 1


def test_the_tables_of_the_database_say_it_too(staff: Staff, db: None, settings: Any) -> None:
    settings.TIME_ZONE = "Asia/Tokyo"
    for model in ("outboxevent", "inboxevent"):
        address = reverse(f"admin:django_redis_bus_{model}_changelist")
        assert staff(*RIGHTS).get(address).content.decode().count(ZONE) == 1


def test_a_page_without_times_says_no_zone(staff: Staff, at: At) -> None:
    assert "Times are in" not in staff(*RIGHTS).get(at("stream", stream="events:nowhere")).content.decode()


def test_the_chart_counts_hours_as_the_tables_do(page: Callable[..., str]) -> None:
    text = page(streams.shown, made.a_stream(), made.an_hour())
    assert re.search(r'<th scope="row">\d\d:\d\d</th>', text)
    assert not re.search(r"\b[ap]\.m\.", text)
