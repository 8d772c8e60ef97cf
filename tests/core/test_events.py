from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from django_redis_bus.core.events import Event, Message, Published


def event(**attributes: Any) -> Event[Any]:
    return Event(**({"id": "1", "source": "s", "type": "t", "data": {}} | attributes))


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-22T08:00:00Z", dt.datetime(2026, 11, 22, 8, tzinfo=dt.UTC)),
        ("2026-11-22T08:00:00.5+02:00", dt.datetime(2026, 11, 22, 6, 0, 0, 500_000, tzinfo=dt.UTC)),
        (None, None),
        ("", None),
        ("yesterday", None),
        ("1700000000", None),
        ("2026-11-22T08:00:00", None),
        ("2016-12-31T23:59:60Z", None),
    ],
)
def test_the_time_is_aware_or_none(text: str | None, moment: dt.datetime | None) -> None:
    assert event(time_text=text).time == moment


@pytest.mark.parametrize(
    "value",
    [
        event(),
        Message(topic="a", event_id="1", type="t", fields=[]),
        Published(topic="a", event_id="1", entry_id="1-1"),
    ],
)
def test_values_are_frozen_and_keyword_only(value: Any) -> None:
    with pytest.raises(AttributeError):
        value.type = "other"
    with pytest.raises(TypeError):
        type(value)("a", "b", "c")


def test_events_do_not_share_their_extensions() -> None:
    one, two = event(), event()
    one.extensions["a"] = "b"
    assert two.extensions == {}
