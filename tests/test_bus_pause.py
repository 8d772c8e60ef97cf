"""manage.py bus_pause."""

from __future__ import annotations

import getpass
import logging
from collections.abc import Callable
from typing import Any

import pytest
import redis

from django_redis_bus import Event
from tests.operations.ward import Ward
from tests.terminal import run

HERE = ("events:order", "billing")


@pytest.fixture
def ward(
    bus_settings: Callable[..., None], redis_client: redis.Redis, prefix: str, declare: Callable[..., Any]
) -> Ward:
    """A stream with a handler."""

    @declare("events:order").handler(group="billing")
    def charge(event: Event[Any]) -> None: ...

    return Ward(redis_client, prefix)


def handler() -> str:
    from django_redis_bus import registry

    return next(each.name for each in registry.handlers("default") if each.group == "billing")


def test_a_group(ward: Ward, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "django_redis_bus.operations")

    assert (
        run("bus_pause", "pause", *HERE, "--why", "no\x1b gateway").out == "Group billing of events:order is paused.\n"
    )
    listed = run("bus_pause", "list").out
    assert listed.startswith("events:order, group billing: paused since 2")
    assert listed.endswith(f"Z by {getpass.getuser()}: no� gateway\n")
    assert run("bus_pause", "list", "events:order", "--json").json["events:order"][0]["group"] == "billing"

    assert run("bus_pause", "resume", *HERE).out == "Group billing of events:order goes on.\n"
    assert run("bus_pause", "resume", *HERE).out == "Group billing of events:order was not paused.\n"
    assert run("bus_pause", "list").out == "Nothing is paused.\n"
    assert [record.getMessage().rpartition(": ")[2] for record in caplog.records] == [
        "paused", "resumed", "was not paused",
    ]  # fmt: skip


def test_a_handler(ward: Ward) -> None:
    assert run("bus_pause", "pause", *HERE, "--handler", handler()).code == 0
    assert f"group billing, handler {handler()}: paused" in run("bus_pause", "list").out
    assert run("bus_pause", "resume", *HERE, "--handler", handler(), "--json").json == {"was_paused": True}


def test_a_paused_handler_that_has_gone_meanwhile_can_go_on(ward: Ward) -> None:
    ward.client.hset(ward.keys.paused, "billing shop.renamed", "{}")

    assert run("bus_pause", "resume", *HERE, "--handler", "shop.renamed").out.endswith("goes on.\n")
    assert run("bus_pause", "resume", *HERE, "--handler", "shop.renamed").code == 2


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["pause", "events:order"], "pause needs a stream and a group"),
        (["resume"], "resume needs a stream and a group"),
        (["list", *HERE], "list takes a stream"),
        (["pause", "events:ordr", "billing"], "There is no stream 'events:ordr'"),
        (["list", "events:ordr"], "There is no stream 'events:ordr'"),
        (["pause", "events:order", "biling"], "has no group 'biling'. Did you mean 'billing'?"),
        (["pause", *HERE, "--handler", "nobody"], "has no handler 'nobody'"),
        (["resume", *HERE, "--handler", "nobody"], "has no handler 'nobody'"),
        (["resume", *HERE, "--why", "x"], "--why goes with pause"),
    ],
)
def test_a_wrong_command_line_is_told(ward: Ward, arguments: list[str], what: str) -> None:
    ran = run("bus_pause", *arguments)

    assert what in ran.error
    assert ran.code == 2
    assert run("bus_pause", "list").out == "Nothing is paused.\n"


def test_redis_is_away(bus_settings: Callable[..., None], declare: Callable[..., Any]) -> None:
    bus_settings(LOCATION="redis://127.0.0.1:1")
    declare("events:order")

    for arguments in (["list"], ["pause", *HERE], ["resume", *HERE]):
        assert run("bus_pause", *arguments).code == 1
