"""The loop of one consumer in one group of one stream: read, feed, settle; heal; stop."""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Lock
from time import monotonic, sleep

from ..core.exceptions import TransportError
from ..core.pace import TURN_S, Pace
from ..core.ports import Delivery, GroupLink, Opened
from .claiming import Claiming
from .executors import Executor
from .health import Health
from .lanes import by_key
from .membership import Membership
from .options import LoopOptions
from .orders import Orders
from .quota import Quota
from .settling import Settling
from .stopping import Stopping

logger = logging.getLogger("django_redis_bus.consumer")

BLOCK_MS = 500  # an idle read waits so long: the time to notice a stop
REST_S = 0.2  # between two looks of a group that is paused


class GroupLoop:
    """Runs in one thread from `run` to its end.

    Args:
        link, executor, pace, options: its own.
        orders: what operators have told its group.
        stopping, health: shared by the loops of the process.
        luck: returns a random number in [0, 1).
        opened: called with the state of the group, once, before the first read.
        alone: held while a suspect runs; shared by the loops of the process, for if it dies, one is to blame.
    """

    def __init__(
        self,
        link: GroupLink,
        executor: Executor,
        pace: Pace,
        options: LoopOptions,
        *,
        orders: Orders,
        stopping: Stopping,
        health: Health,
        luck: Callable[[], float],
        opened: Callable[[str, Opened], None],
        alone: Lock,
    ) -> None:
        self.link = link
        self.executor = executor
        self.options = options
        self.orders = orders
        self.settling = Settling(link, options)
        self.fatal: BaseException | None = None
        self.ended = False
        self.cut_off = False
        """The deadline passed before everything in hand was settled."""
        self._pace = pace
        self._stopping = stopping
        self._alone = alone
        self._gone = False
        self._claiming = Claiming(link, options.name, lease_s=options.lease_s, retention=options.retention, luck=luck)
        self.membership = Membership(
            link, options, settling=self.settling, claiming=self._claiming, orders=orders, health=health, luck=luck,
            opened=opened,
        )  # fmt: skip
        self._next: list[Delivery] = []
        self._full = self._claimed = False
        self._quota = Quota(options)
        self._turn_ends = 0.0

    # --- called by other threads

    @property
    def empty(self) -> bool:
        """Whether it has nothing in hand."""
        return self.settling.idle

    def abandon(self) -> None:
        """The deadline has passed with a handler still running here: let others take everything in hand."""
        self.cut_off = True
        if in_hand := self.settling.in_hand():
            self.link.release(in_hand)

    def run(self) -> None:
        """Consume until asked to stop, or until `burst` or `max_events` is reached. Never raises; see `fatal`."""
        try:
            while not (self._stopping.requested or self._quota.used_up):
                if (wait_s := self.membership.attempt(self._turn)) > 0:
                    self._stopping.wait(wait_s)
            self._finish()
        except BaseException as error:
            self.fatal = error
        finally:
            self.ended = True  # for the keeper, which shares the link
            self.executor.close()
            self.link.close()

    def _turn(self) -> None:
        """One round: settle what finished, ask for more, run what is here, take what came."""
        if self.orders.paused:
            self._rest()
            return
        acks = self.settling.settle()
        self._claim()  # after settling: what has finished but is not settled leaves no room for more
        batch = self._next
        held = self._held
        want = self._want(held, batch)
        asked_at = monotonic()
        self._claimed = self._claimed and not want
        if want or acks:
            self.link.send(acks, want, self._block_ms(held) if want else None)
        self._next = []
        if batch:
            self._feed(batch)
        if want or acks:
            fresh = self.link.receive()
            self.settling.acked()
            if want:
                self._arrived(fresh, want, asked_at if batch else monotonic())
        self._collect(wait_s=TURN_S if not want and self.executor.held else 0.0)
        if not (held or self._next):
            self._when_idle()

    def _rest(self) -> None:
        """One round of a group that is paused: finish what runs, take nothing.

        What has a key stays here and is renewed, for later events of its key would overtake it; the rest is given back.
        """
        self._next, back = by_key(self.executor.take_back(REST_S) + self._next)
        self.settling.give_back(back)
        self._quota.gave_back(len(back))
        self._collect(REST_S if self.executor.held else 0.0)
        self._send_acks()
        self._claiming.tidy()
        if not (self.executor.held or self.settling.unsettled):
            self._quota.idle(searching=False)
            self._stopping.wait(REST_S)

    def _collect(self, wait_s: float) -> None:
        """Take in what the executor has finished."""
        self.settling.take(self.executor.drain(wait_s, self._pace.enough()))
        if not self.executor.inline:
            self._pace.measured(*self.executor.spent())

    def _want(self, held: int, batch: list[Delivery]) -> int:
        if self.settling.stuck(self._pace.batch):
            return 0
        if self.executor.inline and batch and not self._full:
            return 0  # nothing waits behind this batch: run it now, read after it
        return self._quota.room(self._pace.want(held))

    def _block_ms(self, held: int) -> int | None:
        if self.options.burst:
            return None
        if not held:
            wait_ms = self._claiming.until_next_ms(BLOCK_MS)
            return wait_ms if wait_ms > 1 else None  # more to claim: not even the millisecond that BLOCK 1 costs
        return None if self.executor.inline else int(TURN_S * 1000)

    def _arrived(self, fresh: list[Delivery], want: int, since: float) -> None:
        self._full = len(fresh) >= want
        if not fresh:
            return
        self.settling.lease(fresh, since)
        if monotonic() - since > self.options.lease_s / 2:
            # They came while a handler ran for longer than expected: a peer may have them already.
            fresh = self.settling.still_ours(fresh)
        self._quota.took(len(fresh))
        self._next += fresh

    def _feed(self, batch: list[Delivery]) -> None:
        started = monotonic()
        self._turn_ends = started + self.options.lease_s / 2
        left = self.executor.feed(batch, self._keep_going)
        if left:
            # Asked to stop, or the batch takes longer than anyone could know when it was read: others may have it.
            # But what has a key stays here and is renewed, for later events of its key would overtake it.
            keep, back = ([], left) if self._stopping.requested else by_key(left)
            self._next = keep + self._next
            self.settling.give_back(back)
            self._quota.gave_back(len(back))
        if self.executor.inline:
            self._pace.measured(len(batch) - len(left), monotonic() - started)

    def _keep_going(self) -> bool:
        return not (self._stopping.requested or self.orders.paused) and monotonic() < self._turn_ends

    def _claim(self) -> None:
        """Take what is due for a retry and what others left behind, if there is room for it."""
        if self.settling.released:
            self.settling.released = False
            self._claiming.look_at_leases()  # if nobody else wants it, it is ours again as soon as there is room
        if not self._claiming.is_time():
            return
        self._claiming.tidy()
        room = self._quota.room(self._pace.want(self._held))
        # New entries have their turn after each claim, however many retries are due.
        if self._claimed or room <= 0 or self.settling.stuck(self._pace.batch):
            return
        suspects = self._alone.acquire(blocking=False)
        try:
            deliveries = self._claiming.claim(room, self.settling.claimable, suspects=suspects)
            if not deliveries:
                return
            self._claimed = True
            self._quota.took(len(deliveries))
            self.settling.lease(deliveries, monotonic())
            if deliveries[0].solo:
                self._run_alone(deliveries)
            else:
                self._next = deliveries + self._next
        finally:
            if suspects:
                self._alone.release()

    @property
    def _held(self) -> int:
        return self.executor.held + len(self._next)

    def _run_alone(self, suspects: list[Delivery]) -> None:
        """Run an entry with which its owner died more than once; nothing else is fed meanwhile."""
        try:
            self._send_acks()  # if this one ends the process, what is done stays done
        except TransportError:
            self.settling.give_back(suspects)
            self._quota.gave_back(len(suspects))
            raise
        self._feed(suspects)
        while self.executor.held and not self._stopping.requested:
            self._collect(TURN_S)
        self._collect(0.0)

    def _when_idle(self) -> None:
        if self.settling.unsettled:
            self._stopping.wait(TURN_S)  # Redis refuses something; asking again at once would not change its mind
            return
        if self._quota.idle(searching=self._claiming.searching):
            self._claiming.look_now()

    def _finish(self) -> None:
        """Let running handlers finish until the deadline, settle, release the rest, leave."""
        self.settling.give_back(self._next + self.executor.take_back(min(1.0, self._stopping.left_s)))
        self._next = []
        while self.executor.held and self._stopping.left_s > 0:
            self._collect(min(TURN_S, self._stopping.left_s))
        self._collect(0.0)
        self.cut_off = self.executor.held > 0
        while not self._gone:
            if self.settling.idle and not self.membership.entered:
                break  # nothing to say, and perhaps nobody to say it to
            if (wait_s := self.membership.attempt(self._goodbye)) > 0:
                if self._stopping.left_s <= 0:
                    self.cut_off = True
                    break
                sleep(min(wait_s, self._stopping.left_s))
        self.settling.report()

    def _goodbye(self) -> None:
        self._send_acks()
        self.settling.give_up()
        self.settling.release()
        self.membership.heartbeat.beat()
        self.link.leave()
        self._gone = True

    def _send_acks(self) -> None:
        """Settle everything that has finished, without reading more."""
        if acks := self.settling.settle():
            self.link.send(acks, 0, None)
            self.link.receive()
            self.settling.acked()
