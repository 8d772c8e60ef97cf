"""Checks of PUBLISHERS: every mistake that only Django's models, signals and imports can tell.

Wrong types and unknown keys are found earlier, when the settings are parsed.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import Any, TypeAlias

from django.apps import apps
from django.core import checks
from django.core.checks import CheckMessage, Error
from django.core.exceptions import FieldDoesNotExist
from django.db.models import Model
from django.db.models.signals import post_delete, post_save, pre_delete
from django.dispatch import Signal
from django.utils.module_loading import import_string

from django_redis_bus import registry
from django_redis_bus.core.config import BusConfig, PublisherConfig
from django_redis_bus.core.exceptions import ConfigurationError, did_you_mean
from django_redis_bus.core.patterns import Pattern
from django_redis_bus.core.topics import ChannelTopic, StreamTopic
from django_redis_bus.publishers.models import ACTIONS
from django_redis_bus.publishers.publisher import DELIVERIES
from django_redis_bus.publishers.signals import find_sender

from .publisher_changes import check_changes
from .publisher_payloads import check_payload

Topic: TypeAlias = StreamTopic | ChannelTopic


def check_publishers(configs: Mapping[str, BusConfig]) -> list[CheckMessage]:
    """Return what is wrong with the publishers of every bus."""
    found: list[CheckMessage] = []
    for alias, bus in configs.items():
        for config in bus.publishers.values():
            found += _Entry(alias, config).problems()
    return found


class _Entry:
    """One entry of PUBLISHERS under examination."""

    def __init__(self, alias: str, config: PublisherConfig) -> None:
        self.alias = alias
        self.config = config
        self.place = f"REDIS_BUS[{alias!r}]['PUBLISHERS'][{config.name!r}]"
        self.model: type[Model] | None = None

    def problems(self) -> Iterator[CheckMessage]:
        config = self.config
        if (config.model is None) == (config.signal is None):
            had = "both MODEL and SIGNAL" if config.model else "neither MODEL nor SIGNAL"
            yield self.error(
                "E101",
                None,
                f"has {had}",
                'Give one: "MODEL": "app_label.Model", or "SIGNAL": a dotted path.',
            )
        elif config.model is not None:
            yield from self.of_model(config.model)
        else:
            yield from self.of_signal(config.signal or "")
        yield from self.functions()
        yield from self.topic()
        yield from self.type()
        yield from self.delivery()
        if self.model is not None:
            yield from check_payload(self.alias, config, self.model, self.place)
            yield from check_changes(self.alias, config, self.model, self.place)

    def error(self, number: str, key: str | None, message: str, hint: str) -> Error:
        return Error(f"{self._at(key)} {message.rstrip('.')}.", hint=hint.strip(), id=f"bus.{number}")

    def warning(self, number: str, key: str | None, message: str, hint: str) -> checks.Warning:
        return checks.Warning(f"{self._at(key)} {message.rstrip('.')}.", hint=hint.strip(), id=f"bus.{number}")

    def _at(self, key: str | None) -> str:
        return self.place if key is None else f"{self.place}[{key!r}]"

    # -- MODEL

    def of_model(self, label: str) -> Iterator[CheckMessage]:
        config = self.config
        try:
            model = self.model = apps.get_model(label)
        except (LookupError, ValueError):
            known = [model._meta.label for model in apps.get_models()]
            hint = did_you_mean(label, known) + 'Type it as "app_label.Model".'
            yield self.error("E102", "MODEL", f"is {label!r}, and there is no such model", hint)
            return
        if model._meta.swapped or model._meta.auto_created:
            other = model._meta.swapped or "the model that has the many-to-many field, with m2m_changed"
            yield self.warning("W104", "MODEL", f"is {label!r}, which sends no signals", f"Use {other} in its place.")
        for action in config.actions:
            if action not in ACTIONS:
                hint = did_you_mean(action, ACTIONS)
                yield self.error("E106", "ACTIONS", f"holds {action!r}, which is no action", hint)
        if config.sender is not None:
            yield self.error("E116", "SENDER", "goes with SIGNAL only", "MODEL already says whose; remove it.")
        if config.fields is not None and config.exclude:
            hint = "FIELDS names what to send; EXCLUDE alone means every column but these. Keep one."
            yield self.error("E104", "EXCLUDE", "stands beside FIELDS", hint)
        if isinstance(config.fields, tuple):
            yield from self.columns("FIELDS", config.fields)
        yield from self.columns("EXCLUDE", config.exclude)
        yield from self.columns("ONLY_IF_CHANGED", config.only_if_changed)
        yield from self.path("KEY", config.key)
        if config.only_if_changed and "updated" not in config.actions:
            hint = 'Add "updated" to ACTIONS or remove ONLY_IF_CHANGED: it is about updates only.'
            yield self.warning("W102", "ONLY_IF_CHANGED", "has no effect: updates are not published", hint)
        if "m2m_changed" in config.actions and not model._meta.many_to_many:
            hint = "Publish on the model that declares the field, or remove the action."
            message = f"holds 'm2m_changed', and {model._meta.label} declares no many-to-many field"
            yield self.warning("W101", "ACTIONS", message, hint)

    def columns(self, key: str, names: Iterable[str]) -> Iterator[CheckMessage]:
        assert self.model is not None
        columns = self.model._meta.concrete_fields
        known = [field.name for field in columns]
        usable = {"pk", *known, *(field.attname for field in columns)}
        all_columns = f"The columns of {self.model._meta.label}: {', '.join(known)}."
        for name in names:
            if name in usable:
                continue
            try:
                field = self.model._meta.get_field(name)
            except FieldDoesNotExist:
                number = "E110" if key == "ONLY_IF_CHANGED" else "E103"
                message = f"names {name!r}, and {self.model._meta.label} has no such field"
                yield self.error(number, key, message, _near(name, known) + all_columns)
            else:
                kind = "many-to-many" if field.many_to_many else "reverse" if field.auto_created else "virtual"
                hint = f"Build its part of the data in a PAYLOAD function. {all_columns}"
                yield self.error("E105", key, f"names {name!r}, a {kind} field, which is no column of the row", hint)

    def path(self, key: str, path: str | None) -> Iterator[CheckMessage]:
        """Check that the first step of an attribute path is there; only an instance knows the rest."""
        if path is None or self.model is None:
            return
        first = path.split(".")[0]
        annotated = {name for parent in self.model.__mro__ for name in getattr(parent, "__annotations__", ())}
        names = {field.name for field in self.model._meta.get_fields()}
        if hasattr(self.model, first) or first in names | annotated:
            return
        known = {field.name for field in self.model._meta.concrete_fields} | {"pk"}
        message = f"looks up {path!r}, and {self.model._meta.label} has no attribute {first!r}"
        yield self.error("E117" if key == "KEY" else "E113", key, message, did_you_mean(first, known))

    # -- SIGNAL

    def of_signal(self, path: str) -> Iterator[CheckMessage]:
        config = self.config
        of_models = {
            "FIELDS": config.fields == "__all__",
            "EXCLUDE": config.exclude,
            "ONLY_IF_CHANGED": config.only_if_changed,
            "CHANGES": config.changes,
        }
        for key in [key for key, given in of_models.items() if given][:1]:
            hint = 'Name the signal\'s arguments one by one: "FIELDS": ["user.pk"], or use PAYLOAD and WHEN.'
            yield self.error("E116", key, "goes with MODEL only", hint)
        signal, problem = self.imported("SIGNAL", path)
        if problem is not None:
            yield problem
        elif not isinstance(signal, Signal):
            hint = "SIGNAL is the dotted path of a django.dispatch.Signal object."
            yield self.error("E108", "SIGNAL", f"is {path!r}, which is not a Signal", hint)
        elif signal in (pre_delete, post_delete) and config.sender is None:
            hint = f'Give a SENDER, or use "MODEL" with "ACTIONS": ["deleted"] in place of {path}.'
            yield self.warning("W103", "SIGNAL", "without SENDER makes every deletion of every model slow", hint)
        elif signal is post_save and config.delivery == "outbox":
            hint = 'Use "MODEL" in place of SIGNAL and SENDER: then the save and the row are one transaction.'
            message = "is sent after the transaction of a save: a process that dies then has saved without its event"
            yield self.warning("W105", "SIGNAL", message, hint)
        if config.sender is not None:
            try:
                find_sender(config.sender)
            except ImportError as error:
                known = [model._meta.label for model in apps.get_models()]
                hint = did_you_mean(config.sender, known) + "Type an app_label.Model or a dotted path."
                reason = str(error).rstrip(".")
                message = f"is {config.sender!r}, which is neither a model nor can be imported ({reason})"
                yield self.error("E107", "SENDER", message, hint)

    # -- both

    def imported(self, key: str, path: str) -> tuple[Any, CheckMessage | None]:
        try:
            return import_string(path), None
        except Exception as error:
            # A module that fails while it is imported may raise anything.
            hint = f'{key} is a dotted path, as you would import it: "package.module.name". '
            module, _, name = path.rpartition(".")
            try:
                hint += _near(name, vars(import_module(module)))
            except Exception:
                hint += "Check the module's name first."
            return None, self.error("E107", key, f"is {path!r}, which cannot be imported: {error}", hint)

    def functions(self) -> Iterator[CheckMessage]:
        config = self.config
        if config.payload is not None and (config.fields is not None or config.exclude):
            key = "FIELDS" if config.fields is not None else "EXCLUDE"
            hint = "PAYLOAD returns the whole of the data. Keep one of the two."
            yield self.error("E109", key, "stands beside PAYLOAD", hint)
        for key, path in (("PAYLOAD", config.payload), ("WHEN", config.when)):
            if path is None:
                continue
            found, problem = self.imported(key, path)
            if problem is not None:
                yield problem
            elif not callable(found):
                hint = f"Point {key} to a function: def {key.lower()}{self._arguments()}."
                yield self.error("E108", key, f"is {path!r}, which cannot be called", hint)
            elif not self._fits(found):
                hint = f"Write it as: def {getattr(found, '__name__', key.lower())}{self._arguments()}."
                yield self.error("E118", key, f"is {path!r}, which does not take these arguments", hint)

    def _arguments(self) -> str:
        return "(instance, action)" if self.config.model else "(sender, **kwargs)"

    def _fits(self, function: Callable[..., Any]) -> bool:
        if inspect.iscoroutinefunction(function):
            return False
        try:
            signature = inspect.signature(function)
        except (ValueError, TypeError):
            return True
        try:
            if self.config.model:
                signature.bind("instance", "created")
            else:
                signature.bind_partial("sender")
        except TypeError:
            return False
        return True

    def topic(self) -> Iterator[CheckMessage]:
        name = self.config.topic
        if not name:
            return
        try:
            pattern = Pattern(name)
        except ConfigurationError as error:
            yield self.error("E119", "TOPIC", f"is {name!r}: {error}", "Example: 'events:order'.")
            return
        for path in pattern.parameters:
            yield from self.path("TOPIC", path)
        topics: list[Topic] = [*registry.streams(self.alias), *registry.channels(self.alias)]
        if found := [topic for topic in topics if _holds(topic, pattern)]:
            if isinstance(found[0], ChannelTopic) and self.config.delivery == "outbox":
                hint = "A live message has no memory. Use 'on_commit' or 'immediate', or publish to a stream."
                yield self.error("E112", "DELIVERY", f"is 'outbox', and TOPIC is the channel {name!r}", hint)
            return
        hint = _near(name, [topic.name for topic in topics])
        hint += f"Declare it: Stream({name!r}) or Channel({name!r}) in a topics.py, or put it into "
        hint += f"REDIS_BUS[{self.alias!r}]['STREAMS'] or ['CHANNELS']."
        yield self.error("E111", "TOPIC", f"is {name!r}, and bus {self.alias!r} has no such stream or channel", hint)

    def type(self) -> Iterator[CheckMessage]:
        text = self.config.type
        if text is None:
            return
        try:
            pattern = Pattern(text.replace("{action}", "action") if self.config.model else text)
        except ConfigurationError as error:
            hint = "Example: 'shop.order.{action}' or 'shop.order.{status}'."
            yield self.error("E120", "TYPE", f"is {text!r}: {error}", hint)
            return
        for path in pattern.parameters:
            yield from self.path("TYPE", path)

    def delivery(self) -> Iterator[CheckMessage]:
        delivery = self.config.delivery
        if delivery not in DELIVERIES:
            yield self.error(
                "E115",
                "DELIVERY",
                f"is {delivery!r}, which is no delivery",
                did_you_mean(delivery, DELIVERIES),
            )


def _holds(topic: Topic, name: Pattern) -> bool:
    """Return whether all that `name` becomes has the form of the topic's names. Only an instance knows the values."""
    if not name.parameters:
        return topic.parse(name.text) is not None
    return topic.pattern.parse(name.format(dict.fromkeys(name.parameters, "x"))) is not None


def _near(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, list(known), n=1)
    return f"Did you mean {close[0]!r}? " if close else ""
