"""Everybody dies at random for a while; then the stream is compared with what was committed.

BUS_CHAOS_SECONDS=600 goes on for longer, BUS_CHAOS_SEED=1234 does again what a run that failed has printed.
"""

from __future__ import annotations

import os
import random
import secrets
import signal
import time
from collections import Counter
from collections.abc import Callable

import pytest

from tests.faults.fleet import Command
from tests.faults.outbox_shop import Shop

pytestmark = pytest.mark.slow

SECONDS = float(os.environ.get("BUS_CHAOS_SECONDS", "6"))
SEED = int(os.environ.get("BUS_CHAOS_SEED", "0")) or secrets.randbelow(1_000_000)


class Chaos:
    """Two writers, two relays, and what happens to them.

    Attributes:
        happened: how often each thing did.
    """

    def __init__(self, shop: Shop, chance: random.Random) -> None:
        self.happened: Counter[str] = Counter()
        self._shop = shop
        self._chance = chance
        self._writers = [self._writer() for _ in range(2)]
        self._relays = [self._relay() for _ in range(2)]

    def go_on(self, seconds: float) -> None:
        """Let each thing happen once in random order, again and again."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            bag = [self.kill_writer, self.kill_relay, self.freeze_relay, self.kill_redis, self.freeze_redis]
            bag += [self.kill_database] if self._shop.database is not None else []
            self._chance.shuffle(bag)
            for happen in bag:
                self._pause(0.6)
                self._supervise()
                happen()
                self.happened[happen.__name__] += 1

    def end(self) -> None:
        """Let no more be written, all that was be sent, and the relays go."""
        self._supervise()
        for writer in self._writers:
            writer.kill()
        self._shop.settle()
        for relay in self._relays:
            relay.said("Outbox of database")  # before that a signal ends it as it would end anything
            assert relay.stop() == 0, relay.output

    # --- what happens

    def kill_writer(self) -> None:
        at = self._chance.randrange(2)
        self._writers[at].kill()
        self._writers[at] = self._writer()

    def kill_relay(self) -> None:
        at = self._chance.randrange(2)
        self._relays[at].kill()
        self._relays[at] = self._relay()

    def freeze_relay(self) -> None:
        relay = self._chance.choice(self._relays)
        relay.signal(signal.SIGSTOP)
        self._pause(1.0)
        relay.signal(signal.SIGCONT)

    def kill_redis(self) -> None:
        self._shop.server.kill()
        self._pause(0.5)
        self._meanwhile()
        self._shop.server.start()

    def freeze_redis(self) -> None:
        self._shop.server.freeze()
        self._pause(1.5)
        self._meanwhile()
        self._shop.server.thaw()

    def kill_database(self) -> None:
        assert self._shop.database is not None
        self._shop.database.kill()
        self._pause(0.5)
        self._meanwhile()
        self._shop.database.start()

    def _meanwhile(self) -> None:
        """A misfortune seldom comes alone."""
        if self._chance.random() < 0.5:
            self._chance.choice([self.kill_writer, self.kill_relay])()

    # --- pieces

    def _writer(self) -> Command:
        return self._shop.writer(self._chance.randrange(1_000_000))

    def _relay(self) -> Command:
        return self._shop.relay()

    def _pause(self, longest_s: float) -> None:
        time.sleep(self._chance.random() * longest_s)

    def _supervise(self) -> None:
        """Start a relay again that found no database when it started. Nothing else may have ended by itself."""
        for at, relay in enumerate(self._relays):
            if relay.process.poll() is not None and "It is not known" in relay.output:
                self._relays[at] = self._relay()
        for process in [*self._writers, *self._relays]:
            assert process.process.poll() is None, f"It ended by itself:\n{process.output}"


def test_what_is_committed_arrives_once_in_order_and_nothing_else_does(own_shop: Shop) -> None:
    print(f"BUS_CHAOS_SEED={SEED}")

    # Given two writers and two relays, when they, Redis and the database are killed and frozen for a while
    chaos = Chaos(own_shop, random.Random(SEED))
    chaos.go_on(SECONDS)
    chaos.end()

    # Then the stream tells each committed change once, in order
    own_shop.drain()
    own_shop.reconcile()
    # and the writers had committed nothing else, and had undone what nobody heard of
    told = {change.what for change in own_shop.told()}
    undone = own_shop.logged("undone")
    assert own_shop.logged("committed") <= told
    assert undone
    assert not undone & told
    print(f"{own_shop.alias}: {dict(chaos.happened)}, {len(own_shop.told())} told, {len(undone)} undone")


def test_the_count_of_what_happened_is_complete() -> None:
    """Each way to be hurt is in the bag, or the test above shows less than it says."""
    ways: list[Callable[..., None]] = [
        way for name, way in vars(Chaos).items() if name.startswith(("kill_", "freeze_"))
    ]
    assert len(ways) == 6
