from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.crc import key_slot

from django_redis_bus.core.keys import ChannelKeys, GroupKeys, stream_key

SIDE = ["dead", "groups", "retry", "consumers", "failures", "position"]


def test_the_streams_key_is_plain() -> None:
    assert stream_key("shop", "events:order") == "shop:events:order"
    assert stream_key("", "events:order") == "events:order"


def test_the_side_keys() -> None:
    keys = GroupKeys(stream="shop:events:order", group="billing")
    assert keys.dead == "{shop:events:order}:dead"
    assert keys.groups == "{shop:events:order}:groups"
    assert keys.retry == "{shop:events:order}:billing:retry"
    assert keys.consumers == "{shop:events:order}:billing:consumers"
    assert keys.failures == "{shop:events:order}:billing:failures"
    assert keys.position == "{shop:events:order}:billing:position"


def test_the_keys_beside_a_channel_are_in_one_cluster_slot() -> None:
    keys = ChannelKeys("shop:chat:lobby")
    assert (keys.live, keys.history) == ("{shop:chat:lobby}:live", "{shop:chat:lobby}:history")
    assert keys.members == "{shop:chat:lobby}:members"
    assert len({key_slot(key.encode()) for key in (keys.live, keys.history, keys.members, keys.channel)}) == 1


TOPICS = st.from_regex(re.compile(r"[A-Za-z0-9_.\-:@+]{1,30}"), fullmatch=True)


@given(topic=TOPICS, group=st.text(min_size=1, max_size=20))
def test_all_keys_of_a_group_are_in_the_streams_cluster_slot(topic: str, group: str) -> None:
    keys = GroupKeys(stream=stream_key("shop", topic), group=group)
    slots = {key_slot(getattr(keys, name).encode(errors="surrogatepass")) for name in SIDE}
    assert slots == {key_slot(keys.stream.encode())}


@pytest.mark.parametrize("group", ["dead", "groups", "retry", "a:retry"])
def test_no_groups_name_makes_two_keys_one(group: str) -> None:
    ours, others = GroupKeys(stream="s", group=group), GroupKeys(stream="s", group="a")
    assert len({getattr(ours, name) for name in SIDE}) == len(SIDE)
    assert {getattr(ours, n) for n in SIDE[2:]} & {getattr(others, n) for n in SIDE} == set()
