"""Checks of listeners."""

from __future__ import annotations

from collections.abc import Mapping

from django.core.checks import CheckMessage, Error

from .. import registry
from ..core.config import BusConfig
from ..core.listeners import Listener, gap_misfit, misfit
from ..core.topics import ChannelTopic


def check_listeners(configs: Mapping[str, BusConfig]) -> list[CheckMessage]:
    """bus.E130, E131: listeners that could not be called."""
    messages: list[CheckMessage] = []
    for alias in configs:
        declared = {channel.name: channel for channel in registry.channels(alias)}
        for listener in registry.listeners(alias):
            messages += _signature(listener, declared.get(listener.channel))
            messages += _on_gap(listener)
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
