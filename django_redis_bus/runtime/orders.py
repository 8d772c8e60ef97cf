"""What operators have told a group to do: nothing, for a while, or not to call some of its handlers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection

logger = logging.getLogger("django_redis_bus.consumer")


class Orders:
    """The orders of one group. Given by the keeper's thread, followed by the loop's.

    Args:
        group: its name.
        name: of its loop, for messages.
        hold: told which handlers are not to be called.
    """

    def __init__(self, group: str, name: str, hold: Callable[[frozenset[str]], None]) -> None:
        self.paused = False
        """The group takes nothing."""
        self._group = group
        self._name = name
        self._hold = hold
        self._handlers: frozenset[str] = frozenset()

    def give(self, paused: Collection[str]) -> None:
        """Take in what is paused of the stream: "<group>", or "<group>\\n<handler>"."""
        group = self._group in paused
        own = f"{self._group}\n"
        handlers = frozenset(each.removeprefix(own) for each in paused if each.startswith(own))
        if handlers != self._handlers:
            self._hold(handlers)
            for handler in sorted(handlers - self._handlers):
                logger.warning("%s: %s is paused; its events are put aside", self._name, handler)
            for handler in sorted(self._handlers - handlers):
                logger.warning("%s: %s goes on", self._name, handler)
            self._handlers = handlers
        if group != self.paused:
            self.paused = group
            logger.warning(
                "%s: %s", self._name, "paused; what runs is finished, nothing more is taken" if group else "goes on"
            )
