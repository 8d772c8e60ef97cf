"""Being in a group under a name: coming in, and coming back after whatever has happened."""

from __future__ import annotations

import logging
from collections.abc import Callable

from ..core.exceptions import AccessRefused, GroupMissing, PublishError, TransportError
from ..core.ports import GroupLink, Opened
from .claiming import Claiming
from .health import Health
from .heartbeat import Heartbeat
from .options import LoopOptions
from .orders import Orders
from .settling import Settling

logger = logging.getLogger("django_redis_bus.consumer")

GONE_WAIT_S = 0.05  # before a group that has gone is made anew


class Membership:
    """One loop's place in its group.

    Args:
        link, options, settling, claiming, orders: the loop's own.
        health: shared by the loops of the process.
        luck: returns a random number in [0, 1).
        opened: called with the name and the state of the group, once, before the first read.

    Attributes:
        entered: it holds a consumer name.
    """

    def __init__(
        self,
        link: GroupLink,
        options: LoopOptions,
        *,
        settling: Settling,
        claiming: Claiming,
        orders: Orders,
        health: Health,
        luck: Callable[[], float],
        opened: Callable[[str, Opened], None],
    ) -> None:
        self.entered = False
        self.heartbeat = Heartbeat(link, settling, orders)
        self._link = link
        self._options = options
        self._settling = settling
        self._claiming = claiming
        self._orders = orders
        self._health = health
        self._luck = luck
        self._opened = opened
        self._told = False

    def lose_name(self) -> None:
        """Another consumer has our name: enter anew before the next step."""
        self.entered = False

    def attempt(self, step: Callable[[], None]) -> float:
        """Do one step. Returns the seconds to wait before the next: 0, or more if something is wrong."""
        try:
            if not self.entered:
                self._enter()
            step()
        except GroupMissing as error:
            logger.warning("%s: the group has gone and is made anew (%s)", self._options.name, error)
            wait_s = GONE_WAIT_S * (1 + self._luck())
        except PublishError as error:
            # WRONGTYPE, NOPERM: this stream's trouble alone. Who is not let in at all need not try for ever.
            if isinstance(error, AccessRefused) and not self._told:
                raise
            wait_s = self._health.refused(self._options.name, error, self._luck())
        except TransportError as error:
            wait_s = self._health.trouble(self._options.name, error, self._luck())
        else:
            self._health.fine(self._options.name)
            return 0.0
        # Our name may be another's by now, and replies may have been lost on their way to us.
        self.entered = False
        self._settling.distrust()
        return wait_s

    def _enter(self) -> None:
        # Made anew, a group begins where it was or at the beginning: "$" would skip what came since it went.
        opened = self._link.open("0" if self._told else self._options.start)
        self._link.join()
        self.heartbeat.beat()
        self._orders.give(self._link.orders())
        self._claiming.entered()
        self.entered = True
        if not self._told:
            self._told = True
            self._opened(self._link.consumer, opened)
        elif opened.recreated:
            logger.warning("%s: group recreated from where it was; some events may come again", self._options.name)
