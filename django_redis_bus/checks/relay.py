"""Checks of what browsers may do: settings that let nobody in where somebody is meant, or everybody where nobody is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning

from .. import registry
from ..core.config import BusConfig
from ..core.patterns import Pattern


def check_relay(configs: Mapping[str, BusConfig]) -> list[CheckMessage]:
    """bus.E150, E151, W120, W121: pushed topics that cannot be named, origins that are none, rules that never count,
    and foreign pages let in.
    """
    return [message for alias, config in configs.items() for message in _relay(alias, config)]


def _relay(alias: str, config: BusConfig) -> Iterator[CheckMessage]:
    for text in config.relay.push:
        yield from _pushed(f"REDIS_BUS[{alias!r}]['RELAY']['push']", text)
    if "*" in (config.relay.origins or ()):
        yield CheckWarning(
            f"REDIS_BUS[{alias!r}]['RELAY']['origins'] holds '*': the page of any site may connect as its visitor.",
            hint='Name the origins of your own pages: ["https://shop.example"].',
            id="bus.W121",
        )
    for text in config.relay.origins or ():
        if text != "*" and not _is_origin(text):
            yield Error(
                f"REDIS_BUS[{alias!r}]['RELAY']['origins']: {text!r} is no origin.",
                hint='An origin is a scheme and a host, and a port if it has one: "https://shop.example".',
                id="bus.E151",
            )
    for declared in registry.channels(alias):
        channel = declared.under(config.channels.get(declared.name))
        if channel.can_publish is not None and channel.can_join is None and not _is_pushed(channel.name, config):
            yield CheckWarning(
                f"{channel!r} has can_publish and no can_join: browsers publish where they have joined, so none can.",
                hint="Say who may join: can_join=signed_in.",
                id="bus.W120",
            )


def _is_origin(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return bool(parts.scheme and parts.hostname) and f"{parts.scheme}://{parts.netloc}".lower() == text.lower()
    except ValueError:
        return False


def _is_pushed(name: str, config: BusConfig) -> bool:
    return any(Pattern(text).overlaps(Pattern(name)) for text in config.relay.push)


def _pushed(place: str, text: str) -> Iterator[CheckMessage]:
    for path in Pattern(text).parameters:
        first, _, rest = path.partition(".")
        if first != "user" or not rest:
            yield Error(
                f"{place}: {{{path}}} in {text!r} says nothing of the user.",
                hint="Placeholders are attributes of the user: 'user:{user.pk}'.",
                id="bus.E150",
            )
        elif apps.is_installed("django.contrib.auth") and not _has(rest):
            yield Error(
                f"{place}: {{{path}}} in {text!r} is no attribute of {get_user_model().__name__}.",
                hint="Placeholders are attributes of the user: 'user:{user.pk}'.",
                id="bus.E150",
            )


def _has(path: str) -> bool:
    """Whether the user model has the first attribute of a path; what follows is known only of an instance."""
    model, name = get_user_model(), path.partition(".")[0]
    fields = {field.name for field in model._meta.get_fields()} | {f.attname for f in model._meta.concrete_fields}
    return hasattr(model, name) or name in fields
