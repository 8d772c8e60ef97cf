"""Checks of Django Channels' layers, which a bridge and the project's own consumers send over."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning
from django.utils.module_loading import import_string

from .. import conf, registry
from ..core.exceptions import did_you_mean


def check_channel_layers(aliases: Collection[str]) -> list[CheckMessage]:
    """bus.E165, W125, W126: layers that a bridge cannot send over, and hosts that give up on consumers that wait.

    Args:
        aliases: of the buses.
    """
    layers = conf.channel_layers()
    return [
        *(message for alias in aliases for message in _bridges(alias, layers)),
        *(
            message
            for alias, entry in layers.items()
            if (waits_s := _waits_s(entry)) is not None
            for message in _impatient(
                f"CHANNEL_LAYERS[{alias!r}]['CONFIG']['hosts']", entry.get("CONFIG") or {}, waits_s
            )
        ),
    ]


def _bridges(alias: str, layers: Mapping[str, Any]) -> Iterator[CheckMessage]:
    for listener in registry.listeners(alias):
        layer = getattr(listener.fn, "channel_layer", None)
        if layer is None:
            continue
        if layer not in layers:
            yield Error(
                f"{listener.name}: CHANNEL_LAYERS has no layer {layer!r}.",
                hint=did_you_mean(layer, layers).strip() if layers else 'CHANNEL_LAYERS = {"default": {"BACKEND": …}}',
                id="bus.E165",
            )
        elif _stays_inside(layers[layer]):
            yield CheckWarning(
                f"{listener.name}: this layer does not leave the process that sends, which is listen_pattern.",
                hint="Use a layer of channels-redis: channels_redis.pubsub.RedisPubSubChannelLayer.",
                id="bus.W126",
            )


def _stays_inside(entry: Any) -> bool:
    from channels.layers import InMemoryChannelLayer

    layer = _class_of(entry)
    return layer is not None and issubclass(layer, InMemoryChannelLayer)


def _class_of(entry: Any) -> Any:
    """Return the class of a layer; None if it cannot be had, which Channels says itself."""
    try:
        layer = import_string(entry["BACKEND"])
    except Exception:
        return None
    return layer if isinstance(layer, type) else None


def _waits_s(entry: Any) -> float | None:
    """Return how long one read of this layer blocks; None if it is no RedisChannelLayer."""
    layer = _class_of(entry)
    try:
        from channels_redis.core import RedisChannelLayer
    except ImportError:
        return None
    return float(layer.brpop_timeout) if layer is not None and issubclass(layer, RedisChannelLayer) else None


def _impatient(place: str, config: Mapping[str, Any], waits_s: float) -> Iterator[CheckMessage]:
    hosts = config.get("hosts")
    for number, (host, timeout_s) in enumerate(_timeouts_s(hosts)):
        if timeout_s is not None and timeout_s <= waits_s:
            yield CheckWarning(
                f"{place}{f'[{number}]' if hosts else ''}: its connections wait {timeout_s:g} s for an answer "
                f"(socket_timeout), and RedisChannelLayer asks for answers that may take {waits_s:g} s. A consumer "
                "that gets no message for so long ends with a TimeoutError.",
                hint=f"{_mended(hosts[number] if hosts else None, host)} Or use another BACKEND: "
                "channels_redis.pubsub.RedisPubSubChannelLayer.",
                id="bus.W125",
            )


def _timeouts_s(hosts: Any) -> list[tuple[dict[str, Any], float | None]]:
    """Return each host as channels-redis understands it, and the timeout that its connections get. Connects to none."""
    from channels_redis.utils import create_pool, decode_hosts

    try:
        # A connection of theirs tells: the URL counts before the host's keys, and these before redis-py's default.
        return [(host, create_pool(host).make_connection().socket_timeout) for host in decode_hosts(hosts)]
    except Exception:  # a host that cannot be used at all: the layer says so itself
        return []


def _mended(written: Any, host: Mapping[str, Any]) -> str:
    """Say what to type. Nothing of a URL is repeated: it may hold a password."""
    address = str(host.get("address", ""))
    if "socket_timeout=" in address:
        return 'Write {"address": "redis://…", "socket_timeout": None}, without socket_timeout in the URL, which wins.'
    if isinstance(written, Mapping):
        return 'Give it "socket_timeout": None.'
    if address:
        return 'Write "hosts": [{"address": "redis://…", "socket_timeout": None}].'
    place = f'"host": {json.dumps(host["host"])}, "port": {host["port"]}'
    return f'Write "hosts": [{{{place}, "socket_timeout": None}}].'
