"""A title says what the page is about, as tabs of a browser and its history show nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape

import pytest

from tests.operations.ward import TOPIC, Ward

from .conftest import RIGHTS, Staff
from .verbs import GROUP, STREAM

At = Callable[..., str]


def titles(text: str) -> set[str]:
    """Return the title and the heading of a page."""
    [title] = re.findall(r"<title>([^|]*) \|", text)
    [heading] = re.findall(r'<h1 class="bus-title"><bdi>(.*)</bdi></h1>', text)
    return {unescape(title), unescape(heading)}


@pytest.mark.parametrize(
    ("name", "query", "title"),
    [
        ("entries", STREAM, "Entries of events:order"),
        ("entries", STREAM | {"live": "1"}, "Live tail of events:order"),
        ("pending", GROUP, "Pending of events:order, group billing"),
        ("replay", GROUP, "Replay of events:order, group billing"),
        ("pause", GROUP, "Pause and resume events:order, group billing"),
        ("trim", STREAM, "Trim events:order"),
        ("dead", STREAM, "Dead letters of events:order"),
    ],
)
def test_the_stream_and_the_group_are_in_it(
    staff: Staff, at: At, ward: Ward, name: str, query: dict[str, str], title: str
) -> None:
    ward.read()
    assert titles(staff(*RIGHTS).get(at(name, **query)).content.decode()) == {title}


def test_where_a_group_is_to_be_chosen_the_stream_is_in_it(staff: Staff, at: At, ward: Ward) -> None:
    ward.read()
    ward.make_group("mail")
    text = staff(*RIGHTS).get(at("pending", stream=TOPIC)).content.decode()
    assert titles(text) == {"Pending of events:order"}


def test_a_long_name_leaves_room_for_the_other(staff: Staff, at: At, ward: Ward) -> None:
    ward.read()
    group = "100%" + "x" * 300
    ward.make_group(group)
    text = staff(*RIGHTS).get(at("pending", stream=TOPIC, group=group)).content.decode()
    assert titles(text) == {f"Pending of events:order, group 100%{'x' * 75}…"}
