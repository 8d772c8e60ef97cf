"""The outbox, at each point where somebody may die: the stream tells what was committed, once, and nothing else."""

from __future__ import annotations

import signal
from collections.abc import Callable
from datetime import timedelta

import pytest

from django_redis_bus import bus
from tests.faults.fleet import wait_for
from tests.faults.outbox_shop import OPTIONS, TOPIC, Shop

pytestmark = pytest.mark.slow

one_or_many = pytest.mark.parametrize("orders", [1, 3])


@one_or_many
class TestTheWriterDies:
    def test_before_its_commit(self, shop: Shop, orders: int) -> None:
        writer = shop.start("write_orders", f"--once={orders}", die="before the commit")
        assert writer.end() == -signal.SIGKILL

        shop.drain()
        assert shop.told() == shop.committed() == []

    def test_between_its_commit_and_the_sending(self, shop: Shop, orders: int) -> None:
        writer = shop.start("write_orders", f"--once={orders}", die="before sending")
        assert writer.end() == -signal.SIGKILL
        assert shop.told() == []
        assert len(shop.committed()) == orders

        shop.let_time_pass()
        shop.drain()
        shop.reconcile()

    def test_between_the_sending_and_the_marking(self, shop: Shop, orders: int) -> None:
        writer = shop.start("write_orders", f"--once={orders}", die="after sending")
        assert writer.end() == -signal.SIGKILL
        assert len(shop.told()) == orders
        assert shop.states() == {"PENDING": orders}

        shop.let_time_pass()
        shop.drain()
        shop.reconcile()


@one_or_many
def test_a_frozen_redis_keeps_what_it_was_sent_and_adds_it_when_it_wakes_up(
    shop: Shop, bus_settings: Callable[..., None], orders: int
) -> None:
    # Given a process that publishes by itself, whose connection to Redis is open
    bus_settings(LOCATION=shop.server.url, **OPTIONS)
    shop.place(orders)
    assert shop.states() == {"SENT": orders}
    # When Redis freezes, and wakes up when all is over
    shop.server.freeze()
    shop.place(orders)
    assert shop.states() == {"SENT": orders, "PENDING": orders}
    shop.server.thaw()
    wait_for(lambda: len(shop.told()) == 2 * orders)
    # Then the relay finds that it need add nothing
    shop.let_time_pass()
    shop.drain()
    shop.reconcile()


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
        shop.server.freeze()
        shop.place(3)
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

    def test_when_its_database_is_killed_and_started(self, shop: Shop) -> None:
        if shop.database is None:
            pytest.skip("SQLite has no server")
        relay = shop.relay()
        shop.place(1)
        shop.settle()

        shop.database.kill()
        shop.database.start()
        shop.place(3)

        shop.settle()
        shop.reconcile()
        assert relay.stop() == 0

    def test_two_of_them_share_the_work_and_keep_the_order(self, shop: Shop) -> None:
        shop.place(20, times=50)
        relays = [shop.relay("--batch=20"), shop.relay("--batch=20")]
        shop.settle()

        shop.reconcile()
        assert [relay.stop() for relay in relays] == [0, 0]


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


def test_delayed_events_survive_a_restart_of_everything(shop: Shop) -> None:
    # Given one event for soon and one for later
    soon = bus.publish(TOPIC, {"id": 1, "status": "soon"}, delay=2, using=shop.alias)
    later = bus.publish(TOPIC, {"id": 2, "status": "later"}, delay=timedelta(hours=1), using=shop.alias)
    shop.let_go()
    shop.relay().kill()
    # When everything is killed and started
    shop.server.kill()
    if shop.database is not None:
        shop.database.kill()
        shop.database.start()
    shop.server.start()
    shop.relay()
    # Then what was for soon comes, and only that
    wait_for(lambda: shop.states()["SENT"])
    assert shop.ids() == [soon.event_id]
    assert shop.states() == {"SENT": 1, "SCHEDULED": 1}
    # and what was for later when its time has come
    shop.let_time_pass()
    wait_for(lambda: shop.states()["SENT"] == 2)
    assert shop.ids() == [soon.event_id, later.event_id]
