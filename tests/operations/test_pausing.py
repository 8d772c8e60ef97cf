"""Pausing where Redis refuses to take more."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import redis

from django_redis_bus.operations import pausing
from tests.operations.ward import Ward
from tests.servers import Server


def test_a_group_can_be_paused_on_a_full_redis(
    own_server: Callable[..., Server], bus_settings: Callable[..., None], prefix: str
) -> None:
    server = own_server(maxmemory="20mb", aof=False)
    bus_settings(LOCATION=server.url)
    ward = Ward(server.client(), prefix)
    [held] = ward.waiting(held=True)
    server.client().config_set("maxmemory", 1)
    with pytest.raises(redis.exceptions.OutOfMemoryError):
        ward.add()

    pausing.pause(ward.asking(), ward.topic, ward.group, by="eve", why="full")

    assert [pause.why for pause in pausing.pauses(ward.asking(), ward.topic)] == ["full"]
    assert pausing.resume(ward.asking(), ward.topic, ward.group)
    assert pausing.pauses(ward.asking(), ward.topic) == ()
    due = ward.due_in_ms(held)
    assert due is not None
    assert due <= 0
