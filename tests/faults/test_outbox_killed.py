"""The outbox, at each point where somebody may die: the stream tells what was committed, once, and nothing else."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable
from datetime import timedelta

import pytest

from django_redis_bus import bus
from tests.faults.fleet import wait_for
from tests.faults.outbox_shop import OPTIONS, TOPIC, Shop

pytestmark = [pytest.mark.slow, pytest.mark.databases(transaction=True)]


class TestTheWriterDies:
    orders = 3

    def test_before_its_commit(self, shop: Shop) -> None:
        writer = shop.start("write_orders", f"--once={self.orders}", die="before the commit")
        assert writer.end() == -signal.SIGKILL

        shop.drain()
        assert shop.told() == shop.committed() == []

    def test_between_its_commit_and_the_sending(self, shop: Shop) -> None:
        writer = shop.start("write_orders", f"--once={self.orders}", die="before sending")
        assert writer.end() == -signal.SIGKILL
        assert shop.told() == []
        assert len(shop.committed()) == self.orders

        shop.let_time_pass()
        shop.drain()
        shop.reconcile()

    def test_between_the_sending_and_the_marking(self, shop: Shop) -> None:
        writer = shop.start("write_orders", f"--once={self.orders}", die="after sending")
        assert writer.end() == -signal.SIGKILL
        assert len(shop.told()) == self.orders
        assert shop.states() == {"PENDING": self.orders}

        shop.let_time_pass()
        shop.drain()
        shop.reconcile()

    def test_only_as_it_seems_and_sends_when_others_have_gone_on(self, shop: Shop) -> None:
        # Given a writer that is frozen between its commit and the sending
        writer = shop.start("write_orders", f"--once={self.orders}", die="freezing before sending")
        wait_for(writer.is_frozen, what=writer.output)
        # When a relay has looked at the next events of the same orders, for it has sent what came later,
        shop.change()
        shop.place(1)
        shop.relay()
        wait_for(shop.told)
        # and all when the writer's time was over
        shop.let_time_pass()
        shop.settle()
        shop.reconcile()
        # Then the writer does no harm when it wakes up
        writer.signal(signal.SIGCONT)
        assert writer.end() == 0
        shop.reconcile()

    def test_not_but_a_frozen_redis_adds_what_it_was_sent_when_it_wakes_up(
        self, shop: Shop, bus_settings: Callable[..., None]
    ) -> None:
        # Given a process that publishes by itself, whose connection to Redis is open
        bus_settings(LOCATION=shop.server.url, DEADLINE=2.0, **OPTIONS)
        shop.place(self.orders)
        assert shop.states() == {"SENT": self.orders}
        # When Redis freezes, and wakes up when all is over
        shop.server.freeze()
        shop.place(self.orders)
        assert shop.states() == {"SENT": self.orders, "PENDING": self.orders}
        shop.server.thaw()
        wait_for(lambda: len(shop.told()) == 2 * self.orders)
        # Then the relay finds that it need add nothing
        shop.let_time_pass()
        shop.drain()
        shop.reconcile()


# A single event is sent in another way, whatever the database.
@pytest.mark.databases("default", transaction=True)
class TestTheWriterOfOneDies(TestTheWriterDies):
    orders = 1


class TestTheRelayDies:
    @pytest.mark.parametrize("point", ["before sending", "after sending"])
    def test_at_a_point_and_another_goes_on(self, shop: Shop, point: str) -> None:
        shop.place(3)
        assert shop.relay(die=point).end() == -signal.SIGKILL
        assert len(shop.told()) == (3 if point == "after sending" else 0)
        assert shop.states() == {"PENDING": 3}

        shop.let_time_pass()
        shop.drain()
        shop.reconcile()

    def test_asked_to_stop_in_the_middle_of_a_batch_it_leaves_nothing_in_hand(self, shop: Shop) -> None:
        # Given a relay that is sending to a frozen Redis
        shop.place(3)
        shop.server.freeze()
        relay = shop.relay()
        wait_for(shop.in_hand, what=relay.output)
        # When it is asked to stop
        assert relay.stop() == 0
        # Then others need not wait for its lease
        assert shop.states() == {"PENDING": 3}
        assert shop.in_hand() == 0
        shop.server.thaw()
        shop.drain()
        shop.reconcile()


class TestARelayLivesOn:
    def test_when_redis_is_killed_and_started(self, shop: Shop) -> None:
        relay = shop.relay()
        shop.place(1)
        shop.settle()

        shop.server.kill()
        shop.place(3)
        wait_for(lambda: "wait" in relay.output)
        shop.server.start()

        shop.settle()
        shop.reconcile()
        assert relay.stop() == 0
        assert [relay.output.count(words) for words in ("events for bus 'default' wait", "takes events again")] == [
            1,
            1,
        ]

    @pytest.mark.parametrize("own_shop", ["postgresql", "mariadb"], indirect=True)
    def test_when_its_database_is_killed_and_started(self, own_shop: Shop) -> None:
        relay = own_shop.relay()
        own_shop.place(1)
        own_shop.settle()

        assert own_shop.database is not None
        own_shop.database.kill()
        wait_for(lambda: "waits and tries again" in relay.output)
        own_shop.database.start()
        own_shop.place(3)

        own_shop.settle()
        own_shop.reconcile()
        assert relay.stop() == 0
        assert [relay.output.count(words) for words in ("waits and tries again", "goes on after")] == [1, 1]

    @pytest.mark.parametrize("own_shop", ["postgresql", "mariadb"], indirect=True)
    def test_but_not_if_it_finds_no_database_when_it_starts(self, own_shop: Shop) -> None:
        assert own_shop.database is not None
        own_shop.database.kill()
        named, all_of_them = own_shop.relay(), own_shop.start("relay_outbox")
        assert [named.end(), all_of_them.end()] == [1, 1]
        # A supervisor starts it again. It does not say that the table is missing, nor leave this database out.
        assert [relay.output.count("It is not known which") for relay in (named, all_of_them)] == [1, 1]
        own_shop.database.start()


class TestManyRelays:
    def test_none_does_what_another_has_done_and_the_order_of_each_key_holds(self, shop: Shop) -> None:
        # Given three relays that begin together
        relays = [shop.relay("--batch=20") for _ in range(3)]
        for relay in relays:
            relay.said("Outbox of database")
            relay.signal(signal.SIGSTOP)
        shop.place(150, times=4)
        for relay in relays:
            relay.signal(signal.SIGCONT)

        shop.settle()
        shop.reconcile()

        assert [relay.stop() for relay in relays] == [0, 0, 0]
        published = [re.search(r"Stopped: (\d+) published", relay.output) for relay in relays]
        assert sum(int(found[1]) for found in published if found) == 600

    def test_what_comes_after_events_in_the_hands_of_a_frozen_one_waits_for_them(self, shop: Shop) -> None:
        # Given a relay that is frozen with rows in hand
        shop.place(3)
        frozen = shop.relay(die="freezing before sending")
        wait_for(frozen.is_frozen, what=frozen.output)
        # When another has looked at the next events of the same orders, for it has sent what came later,
        shop.change()
        shop.place(1)
        other = shop.relay()
        wait_for(shop.told, what=other.output)
        # and all when the lease was over
        shop.let_time_pass()
        shop.settle()
        shop.reconcile()
        # Then the frozen one does no harm when it wakes up, and goes on
        frozen.signal(signal.SIGCONT)
        assert other.stop() == 0
        shop.change()
        shop.settle()
        shop.reconcile()
        assert frozen.stop() == 0

    @pytest.mark.databases("postgresql", transaction=True)
    def test_a_commit_wakes_one_that_sleeps(self, shop: Shop) -> None:
        # Given a relay that has found nothing for so long that it would not look again for seconds
        relay = shop.relay("--poll=60")
        relay.said("Outbox of database")
        time.sleep(6)  # 0.02 + 0.04 + … + 2.56 = 5.1; the next is 5.12
        # When an event is committed
        begun = time.monotonic()
        shop.place(1)
        shop.settle()
        # Then it leaves at once
        assert time.monotonic() - begun < 2


def test_what_redis_has_forgotten_is_sent_again(shop: Shop) -> None:
    # Given events that were sent
    shop.place(3, times=2)
    shop.drain()
    # When they are sent again
    shop.drain("--republish-since=1h")
    # Then Redis knows them
    shop.reconcile()
    # When Redis comes back empty
    shop.client.flushall()
    shop.drain("--republish-since=1h")
    # Then the stream is what it was
    shop.reconcile()


def test_delayed_events_survive_a_restart_of_everything(own_shop: Shop) -> None:
    # Given one event for soon and one for later
    soon = bus.publish(TOPIC, {"id": 1, "status": "soon"}, delay=2, using=own_shop.alias)
    later = bus.publish(TOPIC, {"id": 2, "status": "later"}, delay=timedelta(hours=1), using=own_shop.alias)
    own_shop.let_go()
    # When everything is killed and started
    own_shop.server.kill()
    if own_shop.database is not None:
        own_shop.database.kill()
        own_shop.database.start()
    own_shop.server.start()
    own_shop.relay()
    # Then what was for soon comes, and only that
    wait_for(lambda: own_shop.states()["SENT"])
    assert own_shop.ids() == [soon.event_id]
    assert own_shop.states() == {"SENT": 1, "SCHEDULED": 1}
    # and what was for later when its time has come
    own_shop.let_time_pass()
    wait_for(lambda: own_shop.states()["SENT"] == 2)
    assert own_shop.ids() == [soon.event_id, later.event_id]
