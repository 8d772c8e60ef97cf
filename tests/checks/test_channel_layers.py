"""The checks of CHANNEL_LAYERS, and that what they say is so: consumers that wait are watched until they die."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from django.core.checks import CheckMessage

from django_redis_bus.checks import check_bus
from django_redis_bus.checks.channel_layers import check_channel_layers
from tests.servers import Server

core = pytest.importorskip("channels_redis.core")
REDIS = "channels_redis.core.RedisChannelLayer"
PUBSUB = "channels_redis.pubsub.RedisPubSubChannelLayer"
SHORT = {"socket_timeout": 5}
"""What redis-py does by itself from version 8 on; in the tests of the texts, so that they are alike with older ones."""


class Patient(core.RedisChannelLayer):  # type: ignore[misc]
    """A project's own subclass."""

    brpop_timeout = 1


def found(settings: Any, *hosts: Any, backend: str = REDIS, **config: Any) -> list[CheckMessage]:
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": backend, "CONFIG": {"hosts": list(hosts), **config}}}
    messages = check_channel_layers(["default"])
    assert [message for message in check_bus() if message in messages] == messages
    return messages


def only(settings: Any, *hosts: Any, **options: Any) -> CheckMessage:
    [message] = found(settings, *hosts, **options)
    assert message.id == "bus.W125"
    assert not message.is_serious()
    return message


# --- bus.W125


def test_w125(settings: Any) -> None:
    message = only(settings, {"address": "redis://h:1/0", **SHORT})

    assert message.msg == (
        "CHANNEL_LAYERS['default']['CONFIG']['hosts'][0]: its connections wait 5 s for an answer (socket_timeout), "
        "and RedisChannelLayer asks for answers that may take 5 s. A consumer that gets no message for so long ends "
        "with a TimeoutError."
    )
    assert message.hint == (
        'Give it "socket_timeout": None. Or use another BACKEND: channels_redis.pubsub.RedisPubSubChannelLayer.'
    )


def test_w125_for_a_url_that_sets_it_and_wins(settings: Any) -> None:
    for host in ("redis://h:1/0?socket_timeout=5", {"address": "redis://h?socket_timeout=5", "socket_timeout": None}):
        hint = only(settings, host).hint or ""
        assert "without socket_timeout in the URL, which wins" in hint


@pytest.fixture
def impatient_by_default() -> None:
    """With the redis-py that is installed a connection has a timeout that nobody gave it."""
    from redis.asyncio import Connection

    if Connection().socket_timeout is None:
        pytest.skip("this redis-py waits for ever by default")


@pytest.mark.usefixtures("impatient_by_default")
@pytest.mark.parametrize(
    ("host", "hint"),
    [
        ("redis://:secret@h:1/0", '"hosts": [{"address": "redis://…", "socket_timeout": None}]'),
        (("h", 6380), '"hosts": [{"host": "h", "port": 6380, "socket_timeout": None}]'),
        (["h", 6380], '"hosts": [{"host": "h", "port": 6380, "socket_timeout": None}]'),
        ({"address": "redis://:secret@h:1/0"}, 'Give it "socket_timeout": None.'),
        ({"host": "h", "port": 6380, "password": "secret"}, 'Give it "socket_timeout": None.'),
        ({"master_name": "m", "sentinels": [("h", 26379)]}, 'Give it "socket_timeout": None.'),
    ],
)
def test_w125_for_each_form_of_a_host(settings: Any, host: Any, hint: str) -> None:
    message = only(settings, host)

    assert hint in (message.hint or "")
    assert "secret" not in f"{message.msg} {message.hint}"


@pytest.mark.usefixtures("impatient_by_default")
def test_w125_without_hosts(settings: Any) -> None:
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": REDIS}}

    [message] = check_channel_layers(["default"])

    assert "['hosts']: its connections wait 5 s" in message.msg
    assert '"hosts": [{"address": "redis://…", "socket_timeout": None}]' in (message.hint or "")


def test_w125_names_the_hosts_that_have_it(settings: Any) -> None:
    messages = found(
        settings, {"host": "a", "port": 1, "socket_timeout": None}, *({"host": "b", "port": 2} | SHORT,) * 2
    )

    assert [message.msg.partition(": its")[0][-3:] for message in messages] == ["[1]", "[2]"]


def test_w125_for_a_subclass_looks_at_how_long_that_one_waits(settings: Any) -> None:
    backend = f"{__name__}.Patient"

    assert found(settings, {"address": "redis://h", "socket_timeout": 1.5}, backend=backend) == []
    assert "may take 1 s" in only(settings, {"address": "redis://h", "socket_timeout": 1}, backend=backend).msg


@pytest.mark.parametrize(
    "host",
    [
        {"address": "redis://h", "socket_timeout": None},
        {"address": "redis://h", "socket_timeout": 30},
        {"host": "h", "port": 1, "socket_timeout": None},
        {"master_name": "m", "sentinels": [("h", 26379)], "socket_timeout": None},
        "redis://h?socket_timeout=30",
    ],
)
def test_w125_is_silent_about_hosts_that_wait_long_enough(settings: Any, host: Any) -> None:
    assert found(settings, host) == []


@pytest.mark.parametrize(
    "entry",
    [
        {"BACKEND": PUBSUB, "CONFIG": {"hosts": ["redis://h?socket_timeout=5"]}},
        {"BACKEND": "channels.layers.InMemoryChannelLayer"},
        # Channels itself has an error for each of these
        {"BACKEND": "nowhere.Layer"},
        {"BACKEND": REDIS, "CONFIG": {"hosts": "redis://h"}},
        {"BACKEND": REDIS, "CONFIG": {"hosts": ["h:1"]}},
        {"BACKEND": REDIS, "CONFIG": {"hosts": [{"adress": "redis://h"}]}},
        {"BACKEND": REDIS, "CONFIG": {"hosts": ["redis://h?socket_timeout=None"]}},
        {},
        None,
    ],
)
def test_w125_is_silent_about_other_layers_and_other_mistakes(settings: Any, entry: Any) -> None:
    settings.CHANNEL_LAYERS = {"default": entry}

    assert check_channel_layers(["default"]) == []


@pytest.mark.parametrize("layers", [None, {}, "redis://h"])
def test_a_project_without_layers_has_nothing_to_hear(settings: Any, layers: Any) -> None:
    settings.CHANNEL_LAYERS = layers

    assert check_channel_layers(["default"]) == []


# --- what it says is so


@pytest.fixture
def listening(own_server: Callable[..., Server]) -> Iterator[tuple[str, int]]:
    """Host and port of a server: a tuple cannot say where a socket is."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own_server("redis-server", args=("--port", str(port), "--bind", "127.0.0.1"))
    return "127.0.0.1", port


async def lives(layer: Any, seconds: float) -> bool:
    """Whether a consumer without messages still waits after so long, and then gets one."""
    channel = await layer.new_channel()
    receiving = asyncio.ensure_future(layer.receive(channel))
    try:
        await asyncio.wait({receiving}, timeout=seconds)
        if not receiving.done():
            await layer.send(channel, {"type": "told"})
        return await asyncio.wait_for(receiving, 5) == {"type": "told"}
    except redis.TimeoutError:
        return False
    finally:
        await layer.close_pools()


@pytest.mark.slow
async def test_w125_warns_of_each_host_with_which_an_idle_consumer_dies_and_of_no_other(
    settings: Any, listening: tuple[str, int]
) -> None:
    # Given hosts in each form, as they are and as the hints would have them
    host, port = listening
    url = f"redis://{host}:{port}/0"
    hosts: list[Any] = [
        url,
        (host, port),
        {"address": url},
        {"host": host, "port": port},
        f"{url}?socket_timeout=5",
        {"address": f"{url}?socket_timeout=5", "socket_timeout": None},
        {"address": url, "socket_timeout": 2},
        {"address": url, "socket_timeout": None},
        {"host": host, "port": port, "socket_timeout": None},
        {"address": url, "socket_timeout": 30},
    ]
    warned = [bool(found(settings, each)) for each in hosts]
    layers = [core.RedisChannelLayer(hosts=[each]) for each in hosts]

    # When nobody sends anything for longer than the layer asks
    alive = await asyncio.gather(*(lives(layer, layer.brpop_timeout + 1.5) for layer in layers))

    # Then those die that the check warned of
    assert [not each for each in alive] == warned
    assert warned[4:7] == [True] * 3
    assert warned[7:] == [False] * 3
