"""How much to read at once: no more than can start soon."""

from __future__ import annotations

# A batch should be done in this time: acks leave once per batch and at least this often, and what waits in one
# process is not waiting for long while another is free.
TURN_S = 0.05


class Pace:
    """Follows how long events take and says how many to read next.

    Args:
        slots: how many events can run at the same moment.
        batch: the most to read at once.
    """

    def __init__(self, *, slots: int, batch: int) -> None:
        self.slots = slots
        self.batch = batch
        self.event_s: float | None = None

    def measured(self, count: int, seconds: float) -> None:
        """Take in that `count` events took `seconds` of one slot together."""
        if count:
            each = seconds / count
            known = self.event_s
            # Slower is believed at once, faster only by halves: one slow event must not be followed by a greedy read.
            self.event_s = each if known is None or each > known else (known + each) / 2

    @property
    def soon(self) -> int:
        """How many events can start within one turn."""
        if self.event_s is None:
            return max(self.slots, min(10, self.batch))
        return max(self.slots, int(self.slots * TURN_S / max(self.event_s, 1e-7)))

    @property
    def chunk(self) -> int:
        """How many to take at once when nothing is held."""
        return min(self.batch, self.soon)

    def want(self, held: int) -> int:
        """Return how many more to read while `held` events are running or waiting here; 0 is read nothing.

        Slow events are read one by one as slots get free. Fast ones are read in whole chunks, one ahead of the one
        that runs: reading them singly would cost a round trip each.
        """
        soon = self.soon
        if soon <= self.slots:
            return max(0, min(self.batch, self.slots - held))
        return self.chunk if 2 * soon - held >= self.chunk else 0

    def enough(self) -> int:
        """Return how many finished events are worth a round trip before the turn is over."""
        return 1 if self.soon <= self.slots else max(1, self.chunk // 2)
