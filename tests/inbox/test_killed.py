"""Consumers that are killed in the middle of their transactions: each effect is there once."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.app.models import Tag
from tests.faults.fleet import Consumer, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.databases(transaction=True)]

EVENTS = 150


@pytest.fixture
def start(
    process_env: Callable[..., dict[str, str]], database: str, tmp_path: Path
) -> Iterator[Callable[..., Consumer]]:
    """Start a consumer of tests.inbox.handlers."""
    made: list[Consumer] = []
    env = process_env(default_database=database, BUS_TEST_IMPORT="tests.inbox.handlers")

    def run(*arguments: str) -> Consumer:
        made.append(Consumer([*arguments, "--lease", "2"], env, tmp_path / f"consumer-{len(made)}.log"))
        return made[-1]

    yield run
    for each in made:
        each.ask_once()
    for each in made:
        each.close()


def test_each_effect_is_there_once(
    database: str,
    declare: Callable[..., Any],
    start: Callable[..., Consumer],
    redis_client: redis.Redis,
    prefix: str,
) -> None:
    # Given events, each of them in the stream twice
    stream, key = declare("events:effects"), f"{prefix}:events:effects"
    for number in range(EVENTS):
        stream.publish(number)
    for _, fields in redis_client.xrange(key):
        redis_client.xadd(key, fields)

    # When one of two consumers, one with threads, is killed again and again
    arguments = ((), ("--threads", "3"))
    running = [start(*each) for each in arguments]
    for round_number in range(4):
        before = Tag.objects.using(database).count()
        wait_for(lambda before=before: Tag.objects.using(database).count() > min(before + 20, 2 * EVENTS - 5))
        which = round_number % 2
        running[which].kill()
        running[which] = start(*arguments[which])

    # Then both groups have handled all, and no effect is there twice
    groups = ("one", "many")
    wait_for(
        lambda: (
            all(redis_client.xpending(key, group)["pending"] == 0 for group in groups)
            and unread(redis_client, key) == 0
        )
    )
    names = sorted(tag.name for tag in Tag.objects.using(database).all())
    assert names == sorted(f"{group} {number}" for group, number in itertools.product(groups, range(EVENTS)))
    assert redis_client.exists(f"{{{key}}}:dead") == 0


def unread(client: redis.Redis, key: str) -> int:
    last = client.xinfo_stream(key)["last-generated-id"]
    return sum(group["last-delivered-id"] != last for group in client.xinfo_groups(key))
