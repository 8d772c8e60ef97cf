"""Which streams, channels and handlers a project declares, in code and in settings."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from functools import cache
from typing import TypeVar

from django.core.signals import setting_changed
from django.dispatch import receiver
from django.utils.module_loading import autodiscover_modules

from . import conf
from .core.config import Limit
from .core.exceptions import ConfigurationError, UnknownTopic
from .core.handlers import Handler
from .core.listeners import Listener
from .core.topics import Address, ChannelTopic, StreamTopic

T = TypeVar("T", StreamTopic, ChannelTopic)

_streams: dict[tuple[str, str], StreamTopic] = {}
_channels: dict[tuple[str, str], ChannelTopic] = {}
_handlers: dict[tuple[str, str], Handler] = {}
_listeners: dict[tuple[str, str], Listener] = {}
# Names come from users: so many are remembered with what they are.
_MOST_NAMES = 10_000
_addresses: dict[tuple[str, str], Address] = {}
_discovered = False


def discover() -> None:
    """Import topics.py and handlers.py of every installed app, once."""
    global _discovered
    if not _discovered:
        _discovered = True
        autodiscover_modules("topics", "handlers")


def add_stream(stream: StreamTopic) -> None:
    """Register a stream declared in code. Raises ConfigurationError if another has its name."""
    known = _streams.get((stream.bus_alias, stream.name))
    if known is not None and known.declared_in != stream.declared_in:
        raise ConfigurationError(
            f"Stream {stream.name!r} of bus {stream.bus_alias!r} is declared twice: in {known.declared_in} and in "
            f"{stream.declared_in}. Declare it once, in a topics.py, and import it."
        )
    _streams[stream.bus_alias, stream.name] = stream
    _addresses.clear()


def add_channel(channel: ChannelTopic) -> None:
    """Register a channel declared in code. Raises ConfigurationError if another has its name."""
    known = _channels.get((channel.bus_alias, channel.name))
    if known is not None and known.declared_in != channel.declared_in:
        raise ConfigurationError(
            f"Channel {channel.name!r} of bus {channel.bus_alias!r} is declared twice: in {known.declared_in} and in "
            f"{channel.declared_in}. Declare it once, in a topics.py, and import it."
        )
    _channels[channel.bus_alias, channel.name] = channel
    _addresses.clear()


def add_handler(alias: str, handler: Handler) -> None:
    """Register a handler; a function registered again (a reloaded module) takes its own place.

    Raises ConfigurationError if another function has its name and group.
    """
    key = alias, f"{handler.stream} {handler.group} {handler.name}"
    known = _handlers.get(key)
    if known is not None and _place(known) != _place(handler):
        raise ConfigurationError(
            f"Stream {handler.stream!r}, group {handler.group!r}: two handlers are called {handler.name}. "
            "The second would replace the first; give it another name."
        )
    _handlers[key] = handler


def add_listener(alias: str, listener: Listener) -> None:
    """Register a listener; a function registered again (a reloaded module) takes its own place.

    Raises ConfigurationError if another function has its name and channel.
    """
    key = alias, f"{listener.channel} {listener.name}"
    known = _listeners.get(key)
    if known is not None and _place(known) != _place(listener):
        raise ConfigurationError(
            f"Channel {listener.channel!r}: two listeners are called {listener.name}. "
            "The second would replace the first; give it another name."
        )
    _listeners[key] = listener


def declared() -> list[StreamTopic]:
    """Return the streams that code declares, also for aliases that do not exist."""
    return list(_streams.values())


def declared_channels() -> list[ChannelTopic]:
    """Return the channels that code declares, also for aliases that do not exist."""
    return list(_channels.values())


def streams(alias: str) -> list[StreamTopic]:
    """Return the streams of a bus: those in code, then those only in settings."""
    discover()
    found = {name: stream for (bus, name), stream in _streams.items() if bus == alias}
    config = conf.configs().get(alias)
    for name in config.streams if config else ():
        if name not in found:
            found[name] = _stream_in_settings(name, alias)
    return list(found.values())


def channels(alias: str) -> list[ChannelTopic]:
    """Return the channels of a bus: those in code, then those only in settings."""
    discover()
    found = {name: channel for (bus, name), channel in _channels.items() if bus == alias}
    config = conf.configs().get(alias)
    for name in config.channels if config else ():
        if name not in found:
            found[name] = _channel_in_settings(name, alias)
    return list(found.values())


def find_stream(alias: str, name: str) -> StreamTopic | None:
    """Return the stream that `name` is: declared under exactly this text, or matching its placeholders."""
    exact = _streams.get((alias, name))
    return exact or _match(streams(alias), name)


def find_channel(alias: str, name: str) -> ChannelTopic | None:
    """Return the channel that `name` is: declared under exactly this text, or matching its placeholders."""
    exact = _channels.get((alias, name))
    return exact or _match(channels(alias), name)


def address(alias: str, name: str) -> Address:
    """Return the stream or channel that a concrete name belongs to. Raises UnknownTopic, listing the known ones."""
    found = _addresses.get((alias, name))
    if found is None:
        topic: StreamTopic | ChannelTopic | None = find_stream(alias, name) or find_channel(alias, name)
        if topic is None:
            known = [s.name for s in streams(alias)] + [c.name for c in channels(alias)]
            raise _misfit(alias, name) or UnknownTopic.among(name, known, alias=alias, what="stream or channel")
        found = topic.address() if topic.name == name else Address(topic, name)
        if len(_addresses) >= _MOST_NAMES:
            _addresses.clear()
        _addresses[alias, name] = found
    return found


def channel(alias: str, name: str) -> ChannelTopic:
    """Return the declared channel that `name` is, as the settings would have it. Raises UnknownTopic."""
    found = find_channel(alias, name)
    if found is None:
        known = [c.name for c in channels(alias)]
        raise _misfit(alias, name) or UnknownTopic.among(name, known, alias=alias, what="channel")
    return found.under(conf.configs()[alias].channels.get(found.name))


def stream(alias: str, name: str) -> StreamTopic:
    """Return the declared stream that `name` is. Raises UnknownTopic, listing the known ones."""
    found = find_stream(alias, name)
    if found is None:
        raise UnknownTopic.among(name, [s.name for s in streams(alias)], alias=alias)
    return found


def limit(alias: str, name: str) -> Limit | None:
    """Return the MAX_LAG of the stream that `name` is: as in settings, else as declared in code."""
    found = find_stream(alias, name)
    if found is None:
        return None
    configured = conf.configs()[alias].streams.get(found.name)
    return (configured.limit if configured is not None else None) or found.limit


def handlers(alias: str) -> Iterator[Handler]:
    """Return every handler of a bus, in the order of registration."""
    discover()
    return (handler for (bus, _), handler in list(_handlers.items()) if bus == alias)


def listeners(alias: str) -> list[Listener]:
    """Return every listener of a bus, in the order of registration."""
    discover()
    return [listener for (bus, _), listener in _listeners.items() if bus == alias]


def remove_stream(stream: StreamTopic) -> None:
    """Forget a stream and its handlers; for tests that declare their own."""
    for key, handler in list(_handlers.items()):
        if key[0] == stream.bus_alias and handler.stream == stream.name:
            del _handlers[key]
    _streams.pop((stream.bus_alias, stream.name), None)
    _addresses.clear()


def remove_channel(channel: ChannelTopic) -> None:
    """Forget a channel and its listeners; for tests that declare their own."""
    for key, listener in list(_listeners.items()):
        if key[0] == channel.bus_alias and listener.channel == channel.name:
            del _listeners[key]
    _channels.pop((channel.bus_alias, channel.name), None)
    _addresses.clear()


@receiver(setting_changed)
def _forget(*, setting: str, **kwargs: object) -> None:
    if setting == "REDIS_BUS":
        _addresses.clear()


@cache
def _channel_in_settings(name: str, alias: str) -> ChannelTopic:
    return ChannelTopic(name, bus=alias, declared_in=f"REDIS_BUS[{alias!r}]['CHANNELS']")


@cache
def _stream_in_settings(name: str, alias: str) -> StreamTopic:
    return StreamTopic(name, bus=alias, declared_in=f"REDIS_BUS[{alias!r}]['STREAMS']")


def _place(handler: Handler | Listener) -> object:
    code = getattr(inspect.unwrap(handler.fn), "__code__", None)
    return None if code is None else (code.co_filename, code.co_firstlineno)


def _misfit(alias: str, name: str) -> UnknownTopic | None:
    for topic in channels(alias):
        if topic.pattern.parse(name) is not None:
            return UnknownTopic.misfit(name, topic.name, alias=alias)
    return None


def _match(known: Sequence[T], name: str) -> T | None:
    for topic in known:
        if topic.name == name:
            return topic
    for topic in known:
        if topic.pattern.parameters and topic.parse(name) is not None:
            return topic
    return None
