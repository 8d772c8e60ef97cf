from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec
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


class Payload(msgspec.Struct):
    email: str


@pytest.mark.parametrize("data", [{"email": "ann@example.com"}, Payload("ann@example.com"), "ann@example.com"])
def test_an_event_in_a_text_shows_which_it_is_and_not_its_data(data: Any) -> None:
    one = event(
        id="e-1", source="shop", type="shop.order.created", topic="events:order", subject="7", key="k", data=data,
        time_text="2026-11-22T08:00:00Z", entry_id="1-0", attempt=2, extensions={"tenant": "ann@example.com"},
    )  # fmt: skip
    assert (
        repr(one)
        == str(one)
        == f"{one}"
        == (
            "Event(id='e-1', source='shop', type='shop.order.created', topic='events:order', subject='7', key='k', "
            f"time_text='2026-11-22T08:00:00Z', entry_id='1-0', attempt=2, data=<{type(data).__name__}>)"
        )
    )
    assert "example.com" not in str([one, {"e": one}])
    # nor in what rich shows of a frame's variables
    assert "example.com" not in str(one.__rich_repr__())


def test_an_event_in_a_text_is_one_line() -> None:
    assert "\n" not in repr(event(id="a\nb", key="\x1b[2J"))
    assert repr(event()) == "Event(id='1', source='s', type='t', topic='', attempt=1, data=<dict>)"


def test_a_message_does_not_show_its_data() -> None:
    message = Message(topic="events:order", event_id="1", type="t", fields=["data", b"secret"], key="7")
    assert repr(message) == "Message(topic='events:order', event_id='1', type='t', key='7')"
