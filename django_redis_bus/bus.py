"""Bus: publish events to one configured Redis. `bus` is the default one, `buses["eu"]` another."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from functools import partial
from threading import Lock
from typing import Any, cast

from django.core.signals import setting_changed
from django.dispatch import receiver
from django.utils.functional import LazyObject, empty

from . import conf, registry
from .bus_listening import Listening
from .bus_publishing import Item, Publishing, Topic
from .core.breaker import Circuit
from .core.config import BusConfig
from .core.exceptions import ConfigurationError, did_you_mean
from .muting import muting
from .sending import Sender
from .transport.clients import Clients

__all__ = ["Bus", "Buses", "Item", "Topic", "bus", "buses"]


class Bus(Publishing, Listening):
    """One configured Redis. Made by `buses`, one per alias; nothing is connected before its first use."""

    def __init__(self, config: BusConfig) -> None:
        self.clients = Clients(
            config.location,
            options=config.options,
            embedded_dir=conf.embedded_dir(),
        )
        super().__init__(config, Sender(config, self.clients, partial(registry.limit, config.alias)))

    def __repr__(self) -> str:
        return f"Bus({self.alias!r}, {self.clients.where})"

    async def aclose(self) -> None:
        """Close the connections of the running event loop: before the end of an `asyncio.run` of your own."""
        await self.aclose_live()
        await self.clients.aclose()

    @property
    def url(self) -> str:
        """The URL for any other Redis client; starts the embedded server if LOCATION asks for one."""
        return self.clients.url()

    @property
    def circuit(self) -> Circuit:
        """Whether this process asks Redis at all just now: its state, the failures in a row, the next probe."""
        return self.sender.circuit()

    @property
    def counts(self) -> Counter[str]:
        """How many events of this process went to the "outbox" in Redis's stead, were "dropped", or "failed"."""
        return Counter(self.sender.counts)

    # --- silence

    def muted(self) -> AbstractContextManager[None]:
        """Publish nothing to this bus inside the block: neither publishers nor calls, in this thread or task.

        For imports, fixtures and repairs: `with bus.muted(): load_old_orders()`.
        """
        return muting(self.alias)

    # --- switches

    def disable_publisher(self, name: str) -> None:
        """Switch a publisher off in every process, until `enable_publisher`; each knows of it 5 s after its next event.

        Raises ConfigurationError if PUBLISHERS has no such name, Unavailable if Redis cannot be told.
        """
        self.sender.switches.disable(name)

    def enable_publisher(self, name: str) -> None:
        """Switch a publisher on again. Raises as `disable_publisher` does."""
        self.sender.switches.enable(name)

    def disabled_publishers(self) -> frozenset[str]:
        """Ask Redis which publishers are switched off. Raises Unavailable."""
        return self.sender.switches.read()


class Buses(Mapping[str, Bus]):
    """Every configured bus by its alias, as `caches` and `connections` are."""

    def __init__(self) -> None:
        self._made: dict[str, Bus] = {}
        self._lock = Lock()

    def __getitem__(self, alias: str) -> Bus:
        made = self._made.get(alias)
        if made is None:
            with self._lock:
                made = self._made.get(alias)
                if made is None:
                    made = self._made[alias] = self._make(alias)
        return made

    def _make(self, alias: str) -> Bus:
        known = conf.configs()
        if alias not in known:
            raise ConfigurationError(f"REDIS_BUS has no alias {alias!r}. {did_you_mean(alias, known).strip()}")
        for problem in conf.problems():
            raise ConfigurationError(f"{problem.message} {problem.hint} ({problem.id})")
        return Bus(known[alias])

    def __iter__(self) -> Iterator[str]:
        return iter(conf.configs())

    def __len__(self) -> int:
        return len(conf.configs())

    def __contains__(self, alias: object) -> bool:
        return alias in conf.configs()

    def reset(self) -> None:
        """Close and forget every bus; settings have changed."""
        with self._lock:
            for made in self._made.values():
                made.clients.close()
            self._made.clear()


buses = Buses()


class _DefaultBus(LazyObject):  # type: ignore[type-arg]
    def _setup(self) -> None:
        self._wrapped = buses["default"]

    def __repr__(self) -> str:
        return "<bus 'default'>" if self._wrapped is empty else repr(self._wrapped)


_default = _DefaultBus()
bus = cast("Bus", _default)
"""The bus under the alias "default"."""


def _begin_anew() -> None:
    """Forget every bus after a fork: another thread may have held a lock of theirs, and will never let it go here."""
    buses._lock = Lock()
    buses._made.clear()
    _default._wrapped = cast("Any", empty)


os.register_at_fork(after_in_child=_begin_anew)


@receiver(setting_changed)
def _forget(*, setting: str, **kwargs: Any) -> None:
    # `conf` has been imported before this module, so its receiver has run before this one.
    if setting in ("REDIS_BUS", "BASE_DIR"):
        buses.reset()
        _default._wrapped = cast("Any", empty)
