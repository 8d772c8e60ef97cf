"""What is shown of a LOCATION."""

from __future__ import annotations

import pytest

from django_redis_bus.transport.clients import address


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("redis://127.0.0.1:6379/0", "redis://127.0.0.1:6379/0"),
        ("rediss://shop:secret@redis.example.org:6380/2", "rediss://redis.example.org:6380/2"),
        ("redis://:se/cr#e?t@x@127.0.0.1:6379/0", "redis://127.0.0.1:6379/0"),
        ("unix:///run/redis.sock?password=secret&db=1", "unix:///run/redis.sock"),
        ("embedded:///var/lib/shop", "embedded:///var/lib/shop"),
    ],
)
def test_no_part_of_a_password_is_shown(location: str, shown: str) -> None:
    assert address(location) == shown
