from __future__ import annotations

import inspect
import re

import pytest

from django_redis_bus.core import exceptions
from django_redis_bus.core.exceptions import BusError, PayloadError, UnknownTopic, did_you_mean

OURS = {
    name: each
    for name, each in vars(exceptions).items()
    if inspect.isclass(each) and each.__module__ == exceptions.__name__
}


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    # Given what is drawn: each name, and how far it is indented
    drawn: dict[str, str] = {}
    path: list[str] = []
    for line in (exceptions.__doc__ or "").splitlines():
        found = re.match(r"([│├└─ ]*)([A-Z]\w+)(  |$)", line)
        if found:
            depth = len(found[1]) // 4
            path = [*path[:depth], found[2]]
            drawn[found[2]] = path[depth - 1] if depth else "Exception"
    # Then it is what the classes say
    assert drawn == {name: each.__bases__[0].__name__ for name, each in OURS.items()}


@pytest.mark.parametrize("each", OURS.values())
def test_one_except_catches_them_all(each: type) -> None:
    assert issubclass(each, BusError)


def test_those_that_are_also_pythons_own() -> None:
    assert issubclass(UnknownTopic, LookupError)
    assert issubclass(PayloadError, ValueError)


def test_a_payload_error_knows_where() -> None:
    error = PayloadError("bad", topic="events:order", path="$.id")
    assert (error.topic, error.path, str(error)) == ("events:order", "$.id", "bad")
    assert (PayloadError("bad").topic, PayloadError("bad").path) == ("", "$")


def test_an_unknown_topic_lists_the_known_and_says_what_to_write() -> None:
    said = str(UnknownTopic.among("events:ordr", ["events:order", "other"], alias="eu"))
    assert "Did you mean 'events:order'?" in said
    assert "REDIS_BUS['eu']['STREAMS']" in said
    said = str(UnknownTopic.among("zzz", ["events:order", "other"], alias="eu"))
    assert "Known: 'events:order', 'other'." in said


def test_what_is_known_is_listed_in_order_and_not_for_ever() -> None:
    assert did_you_mean("zzz", []) == "None is declared yet. "
    assert did_you_mean("zzz", ["b", "a"]) == "Known: 'a', 'b'. "
    assert did_you_mean("zzz", map(str, range(100))).count(",") == 20
