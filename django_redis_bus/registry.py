"""Which streams, channels and handlers a project declares, in code and in settings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from django.utils.module_loading import autodiscover_modules

from . import conf
from .core.exceptions import ConfigurationError
from .core.handlers import Handler

if TYPE_CHECKING:
    from .topics import Channel, Stream

_streams: dict[tuple[str, str], Stream] = {}
_channels: dict[tuple[str, str], Channel] = {}
_handlers: dict[tuple[str, str], Handler] = {}
_discovered = False


def discover() -> None:
    """Import topics.py and handlers.py of every installed app, once."""
    global _discovered
    if not _discovered:
        _discovered = True
        autodiscover_modules("topics", "handlers")


def add_stream(stream: Stream) -> None:
    """Register a stream declared in code. Raises ConfigurationError if another has its name."""
    known = _streams.get((stream.bus_alias, stream.name))
    if known is not None and known.declared_in != stream.declared_in:
        raise ConfigurationError(
            f"Stream {stream.name!r} of bus {stream.bus_alias!r} is declared twice: in {known.declared_in} and in "
            f"{stream.declared_in}. Declare it once, in a topics.py, and import it."
        )
    _streams[stream.bus_alias, stream.name] = stream


def add_channel(channel: Channel) -> None:
    """Register a channel declared in code."""
    _channels[channel.bus_alias, channel.name] = channel


def add_handler(alias: str, handler: Handler) -> None:
    """Register a handler; a function registered again (a reloaded module) takes its own place."""
    _handlers[alias, f"{handler.stream} {handler.group} {handler.name}"] = handler


def streams(alias: str) -> list[Stream]:
    """Return the streams of a bus: those in code, then those only in settings."""
    from .topics import Stream

    discover()
    declared = {name: stream for (bus, name), stream in _streams.items() if bus == alias}
    config = conf.configs().get(alias)
    for name in config.streams if config else ():
        if name not in declared:
            declared[name] = Stream.from_settings(name, alias)
    return list(declared.values())


def channels(alias: str) -> list[Channel]:
    """Return the channels of a bus: those in code, then those only in settings."""
    from .topics import Channel

    discover()
    declared = {name: channel for (bus, name), channel in _channels.items() if bus == alias}
    config = conf.configs().get(alias)
    for name in config.channels if config else ():
        if name not in declared:
            declared[name] = Channel.from_settings(name, alias)
    return list(declared.values())


def declared() -> list[tuple[tuple[str, str], Stream]]:
    """Return what code declares: ((alias, name), stream), for aliases that exist and those that do not."""
    return list(_streams.items())


def find_stream(alias: str, name: str) -> Stream | None:
    """Return the stream that `name` is: declared under exactly this text, or matching its placeholders."""
    known = streams(alias)
    return next((s for s in known if s.name == name), None) or next(
        (s for s in known if s.pattern.parameters and s.pattern.parse(name) is not None), None
    )


def find_channel(alias: str, name: str) -> Channel | None:
    """Return the channel that `name` is: declared under exactly this text, or matching its placeholders."""
    known = channels(alias)
    return next((c for c in known if c.name == name), None) or next(
        (c for c in known if c.pattern.parameters and c.pattern.parse(name) is not None), None
    )


def handlers(alias: str) -> Iterator[Handler]:
    """Return every handler of a bus, in the order of registration."""
    discover()
    return (handler for (bus, _), handler in list(_handlers.items()) if bus == alias)


def remove_handlers(stream: Stream) -> None:
    """Forget the handlers of a stream; for tests that declare their own."""
    for key, handler in list(_handlers.items()):
        if key[0] == stream.bus_alias and handler.stream == stream.name:
            del _handlers[key]


def remove_stream(stream: Stream) -> None:
    """Forget a stream and its handlers; for tests that declare their own."""
    remove_handlers(stream)
    _streams.pop((stream.bus_alias, stream.name), None)
