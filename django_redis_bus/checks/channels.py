"""Checks of channels and of RELAY: names that cannot be told apart, and rules that nobody could be asked by."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from itertools import combinations
from typing import Any

from django.apps import apps
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning
from django.utils.module_loading import import_string

from .. import registry
from ..access import function_at, is_permission
from ..core.config import BusConfig, ChannelConfig
from ..core.exceptions import ConfigurationError, did_you_mean
from ..core.patterns import Pattern
from ..core.topics import ChannelTopic


def check_channels(configs: Mapping[str, BusConfig]) -> list[CheckMessage]:
    """bus.E020–E024, W020, W021: channels that overlap, rules that cannot be asked, and what RELAY names."""
    found: list[CheckMessage] = []
    for alias, config in configs.items():
        channels = registry.channels(alias)
        found += _names(alias, channels)
        found += _typos(alias, config)
        for channel in channels:
            found += _rules(alias, channel, config)
        found += _relay(alias, channels, config)
    known = set(configs)
    found += [
        Error(
            f"{channel!r} is declared for bus {channel.bus_alias!r}, which REDIS_BUS does not have.",
            hint=did_you_mean(channel.bus_alias, known).strip(),
            id="bus.E020",
        )
        for channel in registry.declared_channels()
        if channel.bus_alias not in known
    ]
    return found


def _names(alias: str, channels: list[ChannelTopic]) -> Iterator[CheckMessage]:
    """Yield bus.E021 for two names that some concrete name belongs to both of."""
    hint = "Change one of the names so that their fixed parts differ."
    for one, two in combinations(channels, 2):
        if one.pattern.overlaps(two.pattern):
            message = f"Channels {one.name!r} and {two.name!r} of bus {alias!r} overlap: some names belong to both."
            yield Error(message, hint=hint, id="bus.E021")
    for stream in registry.streams(alias):
        for channel in channels:
            if channel.pattern.overlaps(stream.pattern):
                message = (
                    f"Channel {channel.name!r} and stream {stream.name!r} of bus {alias!r} overlap: nobody could tell "
                    "which of them a name means."
                )
                yield Error(message, hint=hint, id="bus.E021")


def _typos(alias: str, config: BusConfig) -> Iterator[CheckMessage]:
    """Yield bus.W021 for each channel that only the settings have, that says nothing, and almost has another's name."""
    declared = [channel.name for channel in registry.declared_channels() if channel.bus_alias == alias]
    for name, entry in config.channels.items():
        if name in declared or entry != ChannelConfig(name=name):
            continue
        if close := get_close_matches(name, declared, n=1, cutoff=0.8):
            yield CheckWarning(
                f"REDIS_BUS[{alias!r}]['CHANNELS'] has {name!r} without options, and the code declares {close[0]!r}.",
                hint=f"Did you mean {close[0]!r}? If it is another channel, declare it in a topics.py.",
                id="bus.W021",
            )


def _rules(alias: str, channel: ChannelTopic, config: BusConfig) -> Iterator[CheckMessage]:
    """Yield bus.E022 and W020 for each rule that cannot be asked."""
    configured = config.channels.get(channel.name)
    effective = channel.under(configured)
    for key in ("can_join", "can_publish"):
        rule = getattr(effective, key)
        in_settings = configured is not None and getattr(configured, key) is not None
        place = f"REDIS_BUS[{alias!r}]['CHANNELS'][{channel.name!r}][{key.upper()!r}]"
        place = place if in_settings else f"{channel!r}: {key}"
        if rule is None:
            continue
        if is_permission(rule):
            label = rule.partition(".")[0]
            labels = [app.label for app in apps.get_app_configs()]
            if label not in labels:
                yield CheckWarning(
                    f"{place} is the permission {rule!r}, and there is no app {label!r}: nobody but superusers has it.",
                    hint=f"{did_you_mean(label, labels)}A function needs its whole path, with two dots or more.",
                    id="bus.W020",
                )
            continue
        try:
            function = function_at(rule) if isinstance(rule, str) else rule
        except ConfigurationError as error:
            hint = "Write it as you would import it, or name a permission such as 'chat.view_room'."
            yield Error(f"{place}: {str(error).rstrip('.')}.", hint=hint, id="bus.E022")
            continue
        if not _takes(function, channel.pattern.parameters):
            wanted = ", ".join(["user", *channel.pattern.parameters])
            yield Error(
                f"{place}: {_name(function)} cannot be called with the user and the channel's parameters.",
                hint=f"Write it as: def {_name(function)}({wanted}) -> bool. With **parameters it fits any channel.",
                id="bus.E022",
            )


def _takes(function: Callable[..., Any], parameters: tuple[str, ...]) -> bool:
    try:
        inspect.signature(function).bind("user", **dict.fromkeys(parameters, "x"))
    except TypeError:
        return False
    except ValueError:
        pass  # no readable signature
    return True


def _name(function: object) -> str:
    return getattr(function, "__name__", type(function).__name__)


def _relay(alias: str, channels: list[ChannelTopic], config: BusConfig) -> Iterator[CheckMessage]:
    """Yield bus.E023 and E024 for what RELAY names and nobody finds."""
    for name in config.relay.push:
        if not any(channel.pattern.overlaps(Pattern(name)) for channel in channels):
            yield Error(
                f"REDIS_BUS[{alias!r}]['RELAY']['push'] holds {name!r}, and bus {alias!r} has no such channel.",
                hint=f"{did_you_mean(name, [c.name for c in channels])}Write a channel's name as it is declared.",
                id="bus.E023",
            )
    path = config.relay.identity
    if path is not None:
        try:
            import_string(path)
        except Exception as error:  # whatever importing the module raises
            yield Error(
                f"REDIS_BUS[{alias!r}]['RELAY']['identity']: {path!r} cannot be imported: {str(error).rstrip('.')}.",
                hint="Write it as you would import it.",
                id="bus.E024",
            )
