"""The Lua scripts as they are sent."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

from django_redis_bus.transport import group
from django_redis_bus.transport.scripts import script

NAMES = sorted(path.name.removesuffix(".lua") for path in files("django_redis_bus.transport").joinpath("lua").iterdir())


@pytest.mark.parametrize("name", ["pending_look", "pending_act", "dead", "redrive"])
def test_what_scripts_have_in_common_stands_in_each(name: str) -> None:
    text = script(name).text.decode()

    assert text.count("local function judging(") == 1
    assert text.index("local now = ") < text.index("local function judging(") < text.rindex("judging(KEYS")


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_left_to_include_and_flags_come_first(name: str) -> None:
    text = script(name).text.decode()

    assert "-- include" not in text
    assert "#!lua" not in text[1:]


def test_who_is_alive_is_the_same_for_operators_and_consumers() -> None:
    text = script("judging").text.decode()

    assert re.findall(r"ALIVE_MS = (\d+)", text) == [str(group.ALIVE_MS)]
    assert re.findall(r"RELEASED_MS = (\d+)", text) == re.findall(
        r"RELEASED_MS = (\d+)", script("release").text.decode()
    )
