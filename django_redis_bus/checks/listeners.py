"""Checks of listeners."""

from __future__ import annotations

from collections.abc import Mapping

from django.core.checks import CheckMessage, Error

from .. import registry
from ..core.config import BusConfig
from ..core.listeners import Listener, first_parameter, gap_misfit, misfit
from ..core.topics import ChannelTopic


def check_listeners(configs: Mapping[str, BusConfig]) -> list[CheckMessage]:
    """bus.E130–E132: listeners that could not be called, or not with what they expect."""
    messages: list[CheckMessage] = []
    for alias in configs:
        declared = {channel.name: channel for channel in registry.channels(alias)}
        for listener in registry.listeners(alias):
            messages += _signature(listener, declared.get(listener.channel))
            messages += _on_gap(listener)
            messages += _no_event(listener, declared.get(listener.channel))
    return messages


def _signature(listener: Listener, channel: ChannelTopic | None) -> list[CheckMessage]:
    why = misfit(listener)
    if why is None:
        return []
    placeholders = channel.pattern.parameters if channel is not None else ()
    example = ", ".join(["event", *(name for name in placeholders if name.isidentifier())])
    return [
        Error(
            f"Listener {listener.name} of channel {listener.channel!r} cannot be called: {why}.",
            hint=f"It takes an Event, and by name what the channel's name holds: "
            f"def {getattr(listener.fn, '__name__', 'listener')}({example}): …",
            id="bus.E130",
        )
    ]


def _no_event(listener: Listener, channel: ChannelTopic | None) -> list[CheckMessage]:
    first = first_parameter(listener.fn)
    if channel is None or first == "event" or first not in channel.pattern.parameters:
        return []
    return [
        Error(
            f"Listener {listener.name} of channel {listener.channel!r}: its first parameter {first!r} is called as a "
            "placeholder, and would be given the event.",
            hint=f"def {getattr(listener.fn, '__name__', 'listener')}(event, {first}): …",
            id="bus.E132",
        )
    ]


def _on_gap(listener: Listener) -> list[CheckMessage]:
    why = gap_misfit(listener.on_gap) if listener.on_gap is not None else None
    if why is None:
        return []
    return [
        Error(
            f"Listener {listener.name}: its on_gap cannot be called with one Gap: {why}.",
            hint="def missed(gap): …",
            id="bus.E131",
        )
    ]
