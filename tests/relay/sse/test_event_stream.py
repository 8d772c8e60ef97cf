"""text/event-stream: lines, and the places in ids."""

from __future__ import annotations

import json

import pytest

from django_redis_bus.relay import event_stream
from django_redis_bus.relay.event_stream import LOST, NEW, Place, event_id, place_at, read_places
from django_redis_bus.relay.timeline import Position

from .event_source import Parser

FIRST = place_at(Position("k3f9", "42-183"))


@pytest.mark.parametrize("places", [[FIRST], [LOST, LOST], [NEW, FIRST], [FIRST, NEW], [FIRST, LOST, FIRST]])
def test_places_are_read_as_they_were_written(places: list[Place]) -> None:
    parser = Parser()
    parser.feed(event_id(places))

    assert read_places(parser.last_id, len(places)) == places


def test_nothing_is_known_of_somebody_new() -> None:
    assert read_places("", 3) == [NEW, NEW, NEW]


@pytest.mark.parametrize(
    "text", ["x", "e:1", ":1-2", "e:1-2,e:1-2", "e:-1-2", "e:1-2 ", "e:1-2\n", "é:1-2", "e:" + "1" * 20 + "-2"]
)
def test_what_is_no_place_is_lost(text: str) -> None:
    assert read_places(text, 1) == [LOST]


def test_one_that_is_no_place_takes_none_from_the_others() -> None:
    assert read_places("e:1-2,what,k3f9:42-183", 3) == [place_at(Position("e", "1-2")), LOST, FIRST]


def test_a_million_commas_are_read_as_fast_as_a_few() -> None:
    assert read_places("," * 1_000_000, 2) == [LOST, LOST]


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n", "\n\n"])
def test_line_ends_between_members_stay_within_the_event(end: str) -> None:
    said = f'{{"data":{end}"id: 5",{end}"type": "t"}}'

    parser = Parser()
    events = parser.feed(event_stream.message("chat:a\nevent: gap", said))

    assert events == [("message", {"topic": "chat:a\nevent: gap", "event": json.loads(said)})]
    assert parser.last_id == ""
