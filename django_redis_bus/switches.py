"""Publishers switched off while everything runs: a set in Redis, which each process reads every few seconds."""

from __future__ import annotations

import logging
from threading import Lock
from time import monotonic

from .core.config import BusConfig
from .core.exceptions import BusError, ConfigurationError, did_you_mean
from .core.keys import switches_key
from .transport.clients import Clients
from .transport.sets import add, members, remove

logger = logging.getLogger("django_redis_bus.publishers")

LOOK_AGAIN_S = 5.0
"""Within so many seconds of its next event, a process knows what was switched."""


class Switches:
    """Which publishers of one bus are switched off at run time. The setting ENABLED is not looked at.

    Args:
        config: the bus's.
        clients: its connections.
    """

    def __init__(self, config: BusConfig, clients: Clients) -> None:
        self._config = config
        self._clients = clients
        self._key = switches_key(config.key_prefix)
        self._off: frozenset[str] = frozenset()
        self._looked: float | None = None
        self._looking = Lock()

    def off(self, name: str) -> bool:
        """Return whether this process has been told that publisher `name` is off. Asks nobody."""
        return name in self._off

    @property
    def are_stale(self) -> bool:
        """Whether Redis was not asked for a while."""
        return self._looked is None or monotonic() - self._looked >= LOOK_AGAIN_S

    def refresh(self) -> BusError | None:
        """Ask Redis; what was known stays true if it does not answer. Returns the error of that."""
        if not self._looking.acquire(blocking=False):
            return None
        try:
            self._looked = monotonic()
            self.read()
        except BusError as error:
            logger.debug("Bus %r: the switches of its publishers are unknown: %s", self._config.alias, error)
            return error
        finally:
            self._looking.release()
        return None

    def read(self) -> frozenset[str]:
        """Ask Redis which publishers are off. Raises BusError."""
        self._off = frozenset(members(self._clients, self._key, deadline_s=self._config.deadline_s))
        return self._off

    def disable(self, name: str) -> None:
        """Switch a publisher off in every process, within seconds. Raises BusError."""
        self._check(name)
        add(self._clients, self._key, name, deadline_s=self._config.deadline_s)
        self.read()

    def enable(self, name: str) -> None:
        """Switch a publisher on again. Raises BusError."""
        self._check(name)
        remove(self._clients, self._key, name, deadline_s=self._config.deadline_s)
        self.read()

    def _check(self, name: str) -> None:
        known = self._config.publishers
        if name not in known:
            raise ConfigurationError(
                f"Bus {self._config.alias!r} has no publisher {name!r}. {did_you_mean(name, known).strip()}"
            )
