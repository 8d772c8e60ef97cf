"""Publishers with SIGNAL: any Django signal, by dotted path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.apps import apps
from django.db.models.fields.files import FieldFile
from django.dispatch import Signal
from django.utils.module_loading import import_string

from django_redis_bus.core.config import PublisherConfig
from django_redis_bus.core.exceptions import ConfigurationError

from .addressing import Template, in_kwargs, text_of
from .publisher import Publisher


def find_signal(path: str) -> Signal:
    """Return the signal at a dotted path. Raises ImportError, ConfigurationError if it is no signal."""
    found = import_string(path)
    if not isinstance(found, Signal):
        raise ConfigurationError(f"{path} is not a Signal")
    return found


def find_sender(path: str | None) -> Any:
    """Return the sender that "app_label.Model" or a dotted path means. Raises ImportError."""
    if path is None:
        return None
    if path.count(".") == 1:
        try:
            return apps.get_model(path)
        except LookupError:
            pass
    return import_string(path)


def type_text(source: str, config: PublisherConfig) -> str:
    """Return TYPE, or what stands for it: the name of the signal after the SOURCE of the bus."""
    return config.type or f"{source}.{(config.signal or '').rpartition('.')[2]}"


class SignalPublisher(Publisher):
    """Publishes each sending of one signal.

    Args:
        alias: the bus.
        source: its SOURCE, the beginning of the default event type.
        config: the entry.
    """

    def __init__(self, alias: str, source: str, config: PublisherConfig) -> None:
        super().__init__(alias, config)
        if config.fields == "__all__" or config.exclude:
            raise ConfigurationError("a signal's arguments have to be named one by one in FIELDS")
        path = config.signal or ""
        self._signal = find_signal(path)
        self._sender = find_sender(config.sender)
        self._type = Template(type_text(source, config), in_kwargs)
        self._topic = Template(config.topic, in_kwargs)
        self._key = in_kwargs(config.key) if config.key else None
        self._data = [(name, in_kwargs(name)) for name in config.fields or ()]

    def connect(self) -> None:
        """Connect to the signal, of SENDER alone if there is one."""
        self.listen(self._signal, self.received, self._sender, "signal")

    def received(self, sender: Any, **kwargs: Any) -> None:
        """Publish, unless WHEN says no."""
        kwargs.pop("signal", None)
        if self.silent(bool(kwargs.get("raw"))):
            return
        about = f"signal {self.config.signal}"
        try:
            if self.when is not None and not self.when(sender, **kwargs):
                return
            named = {"sender": sender, **kwargs}
            data = self.payload(sender, **kwargs) if self.payload is not None else self._named(named)
            self.publish(
                about,
                data,
                topic=self._topic.name(named),
                type=self._type.name(named),
                key=text_of(self._key(named)) if self._key is not None else None,
                subject=None,
                using=kwargs.get("using"),
            )
        except Exception as error:
            self.failed(error, about)

    def _named(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        values = {name: look_up(arguments) for name, look_up in self._data}
        return {name: value.name if isinstance(value, FieldFile) else value for name, value in values.items()}
