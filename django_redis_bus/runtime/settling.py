"""Performs decisions: acks, retries, dead letters, releases. The one place that does, and it forgets nothing it has
not done."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from ..core.exceptions import OutOfMemory, UnreadableEntry
from ..core.policy import ACK, Ack, DeadLetter, Decision, Hold, RetryLater
from ..core.ports import Delivery, Failure, Grave, GroupLink
from ..core.telling import printable, said, traceback_text
from .dispatch import Done
from .options import LoopOptions

logger = logging.getLogger("django_redis_bus.consumer")

ERROR_CHARS = 1_000
TRACEBACK_CHARS = 8_000


@dataclass(slots=True)
class Counts:
    """What became of the deliveries of one loop."""

    handled: int = 0
    retried: int = 0
    dead: int = 0
    taken_over: int = 0
    """Finished here after another consumer had taken them: they may run twice."""


class Settling:
    """What one loop has in hand and what it still has to tell the transport."""

    def __init__(self, link: GroupLink, options: LoopOptions) -> None:
        self.counts = Counts()
        self.released = False
        """Something was given back; whoever looks for it sets this to False."""
        self._link = link
        self._name = options.name
        self._late_s = options.lease_s / 2
        self._leases: dict[bytes, float] = {}
        # Written by the keeper alone, as `_leases` is by the loop alone: so neither brings back what the other removed.
        self._renewed: dict[bytes, float] = {}
        self._done: Done = []
        self._acks: list[bytes] = []
        self._back: list[bytes] = []
        self._full = False
        self._doubtful: set[bytes] = set()
        """Acked over a connection that was lost: Redis may have it."""

    # --- what is in hand; `in_hand`, `older_than`, `renewed` and `gone` are also called by the keeper's thread

    def lease(self, deliveries: list[Delivery], now: float) -> None:
        """Note that the leases of these began now."""
        self._leases.update(dict.fromkeys([d.entry_id for d in deliveries], now))

    def in_hand(self) -> list[bytes]:
        """Return the ids of everything read and not settled."""
        return [*self._leases.copy(), *(delivery.entry_id for delivery, _ in self._done)]

    def claimable(self, own: bool) -> list[bytes]:
        """Return the ids that a claim could take though they are ours: with `own` all that Redis still has as pending
        for us, else only what was last heard of half a lease ago."""
        late = monotonic() - self._late_s
        leases = self._leases.copy() if own else self.older_than(late)
        return [*leases, *(delivery.entry_id for delivery, _ in self._done), *self._acks]

    def oldest(self) -> tuple[bytes, float] | None:
        """Return the id of what has been in hand longest, and since when; None if nothing is."""
        return next(iter(self._leases.copy().items()), None)

    def older_than(self, moment: float) -> list[bytes]:
        """Return the ids whose leases began before `moment`."""
        renewed = self._renewed
        return [i for i, since in self._leases.copy().items() if since < moment and renewed.get(i, since) < moment]

    def renewed(self, entry_ids: list[bytes], gone: list[bytes], now: float) -> None:
        """Note the outcome of a renewal."""
        kept = {i: at for i, at in self._renewed.items() if i in self._leases}
        self._renewed = kept | dict.fromkeys(set(entry_ids).difference(gone), now)

    def _is_late(self, entry_id: bytes, late: float) -> bool:
        """Whether it was last heard of before `late`, so that another may have it by now."""
        return self._leases.get(entry_id, late) <= late and self._renewed.get(entry_id, late) <= late

    # --- what has finished

    def take(self, done: Done) -> None:
        """Take in finished deliveries."""
        self._done += done

    def still_ours(self, deliveries: list[Delivery]) -> list[Delivery]:
        """Renew the leases of these at once; return those that no other has taken."""
        gone = set(self._link.renew([d.entry_id for d in deliveries]))
        for entry_id in gone:
            self._leases.pop(entry_id, None)
        ours = [d for d in deliveries if d.entry_id not in gone]
        self.lease(ours, monotonic())
        return ours

    def give_back(self, deliveries: list[Delivery]) -> None:
        """Take in deliveries that did not run, for `release`."""
        self._back += [d.entry_id for d in deliveries]

    def give_up(self) -> None:
        """Take in all that is still in hand, for `release`: what runs, and what Redis refuses to let us settle."""
        self._back = self.in_hand()

    @property
    def unsettled(self) -> int:
        return len(self._done) + len(self._acks)

    @property
    def idle(self) -> bool:
        return not (self._done or self._acks or self._back or self._leases)

    def stuck(self, limit: int) -> bool:
        """Whether so much waits to be settled that reading more would only add to it."""
        return len(self._done) >= limit

    def settle(self) -> list[bytes]:
        """Perform every decision that needs a call of its own; return the ids of plain acks for the next `send`.

        What raises stays noted and is tried again at the next call; all of it can be done twice without harm.
        """
        if self._back:
            self.release()
        late = monotonic() - self._late_s
        careful: list[tuple[Delivery, Decision | Hold]] = []
        leases = self._leases
        acks = self._acks
        for item in self._done:
            delivery, decision = item
            if decision is ACK and not delivery.redelivered:
                entry_id = delivery.entry_id
                since = leases.pop(entry_id, late)
                if since > late or self._renewed.get(entry_id, late) > late:
                    acks.append(entry_id)
                    continue
                leases[entry_id] = since
            careful.append(item)
        self._done = careful
        if careful:
            self._settle_carefully(late)
        return acks

    def acked(self) -> None:
        """The acks that `settle` returned have arrived."""
        self.counts.handled += len(self._acks)
        self._acks = []

    def distrust(self) -> None:
        """Acks under way may have got lost: they go again, fenced, for they are no longer young."""
        self._done += [(Delivery(entry_id, []), ACK) for entry_id in self._acks]
        self._doubtful.update(self._acks)
        self._acks = []

    def _settle_carefully(self, late: float) -> None:
        acks = [d.entry_id for d, decision in self._done if isinstance(decision, Ack)]
        if acks:
            fence = any(self._is_late(entry_id, late) for entry_id in acks)
            # What nobody has any more, and was acked before, is what that ack has done.
            gone = [entry_id for entry_id in self._link.ack(acks, fence) if entry_id not in self._doubtful]
            self._doubtful.difference_update(acks)
            self._settled(set(acks), gone)
            self.counts.handled += len(acks) - len(gone)
        held = [(d.entry_id, decision.handler) for d, decision in self._done if isinstance(decision, Hold)]
        if held:
            self._settled({entry_id for entry_id, _ in held}, self._link.hold(held))
        try:
            self._bury_and_retry()
        except OutOfMemory as error:
            # Acks still work on a full Redis, and let it shrink. What cannot be written stays with us.
            if not self._full:
                self._full = True
                logger.error("%s: failed events cannot be put aside and are kept in hand. %s", self._name, error)
        else:
            self._full = False

    def _bury_and_retry(self) -> None:
        for delivery, decision in list(self._done):
            if isinstance(decision, DeadLetter):
                grave = Grave(
                    delivery.entry_id,
                    delivery.attempt if decision.ran else delivery.attempt - 1,
                    decision.reason,
                    describe(decision.error, decision.scrub),
                    trace(decision.error, decision.scrub),
                )
                mine = self._link.bury(grave)
                self._settled({delivery.entry_id}, [] if mine else [delivery.entry_id])
                self.counts.dead += mine
        later = [(d, decision) for d, decision in self._done if isinstance(decision, RetryLater)]
        if later:
            failures = [
                Failure(d.entry_id, int(decision.wait_s * 1000), describe(decision.error, decision.scrub))
                for d, decision in later
            ]
            gone = self._link.retry(failures)
            self._settled({d.entry_id for d, _ in later}, gone)
            self.counts.retried += len(later) - len(gone)

    def _settled(self, entry_ids: set[bytes], gone: list[bytes]) -> None:
        self._done = [item for item in self._done if item[0].entry_id not in entry_ids]
        for entry_id in entry_ids:
            self._leases.pop(entry_id, None)
        if gone:
            self.counts.taken_over += len(gone)
            logger.warning(
                "%s: %d events finished here after their lease had gone to another consumer, the first is %s; "
                "their handlers may run twice. Is the lease shorter than the process can be stopped or stalled?",
                self._name, len(gone), gone[0].decode(),
            )  # fmt: skip

    def release(self) -> None:
        """Let others take what did not run."""
        if self._back:
            self._link.release(self._back)
            for entry_id in self._back:
                self._leases.pop(entry_id, None)
            self._back = []
            self.released = True

    def report(self) -> None:
        """Say what is left behind, at the end."""
        if self._leases:
            logger.warning(
                "%s: %d events were still in hand at the end; another consumer takes them when their lease ends",
                self._name, len(self._leases),
            )  # fmt: skip


def describe(error: BaseException, scrub: Callable[[str], str]) -> str:
    """Return an error as one printable line."""
    text = said(error) if isinstance(error, UnreadableEntry) else f"{type(error).__name__}: {said(error)}"
    # Scrubbed before it is cut: half a secret would not be recognised.
    return printable(scrub(text)[:ERROR_CHARS])


def trace(error: BaseException, scrub: Callable[[str], str]) -> str:
    """Return the end of the error's traceback, where the cause stands."""
    return scrub(traceback_text(error))[-TRACEBACK_CHARS:].encode(errors="backslashreplace").decode()
