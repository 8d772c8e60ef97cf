"""Names of groups: legal in Channels, and never one for two topics."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_redis_bus.relay.groups import group_name, legal

layers = pytest.importorskip("channels.layers")
LAYER = layers.BaseChannelLayer()
# Channels' own judgement; before 4.3 by another name.
accepts = getattr(LAYER, "require_valid_group_name", None) or LAYER.valid_group_name
NAMES = st.text(alphabet="ab.:-_@+é/ ", min_size=1, max_size=40) | st.text(min_size=90, max_size=110, alphabet="a:.")


@pytest.mark.parametrize(
    ("topic", "group"),
    [
        ("chat:lobby", "chat.lobby"),
        ("notifications", "notifications"),
        ("tenant:a-b:order_1", "tenant.a-b.order_1"),
        ("a" * 99, "a" * 99),
    ],
)
def test_a_name_that_can_be_read_is_read(topic: str, group: str) -> None:
    assert group_name(topic) == group


@pytest.mark.parametrize(
    ("topic", "start"),
    [
        ("chat:a.b", "chat.a.b"),
        ("chat:ada@example.org", "chat.ada.example.org"),
        ("chat:Zoë", "chat.Zo"),
        ("a:" * 49 + "ab", "a." * 32 + "a"),
        ("é" * 500, ""),
        ("__keyspace@0__:x y", "__keyspace.0__.x.y"),
        ("\udcff", ""),
    ],
)
def test_another_name_is_cut_and_ends_in_its_hash(topic: str, start: str) -> None:
    group = group_name(topic)

    assert accepts(group)
    assert re.fullmatch(re.escape(start) + r"\.\.[0-9a-f]{32}", group)


@given(NAMES, NAMES)
def test_each_is_legal_and_no_two_are_alike(one: str, two: str) -> None:
    for name in (group_name, legal):
        assert accepts(name(one))
        assert (name(one) == name(two)) == (one == two)


def test_nobody_gets_into_a_group_by_a_room_called_like_its_hash() -> None:
    secret = legal("chat_Zoë")

    assert legal(secret) != secret
    assert group_name(secret) != secret


def test_a_name_of_the_projects_own_is_kept() -> None:
    assert legal("chat_lobby.v1") == "chat_lobby.v1"
    assert legal("chat_lobby\n") != "chat_lobby\n"
