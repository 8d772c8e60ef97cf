"""The server restarts, dies, freezes, forgets, kills connections: consumers heal, and nothing that it kept is lost."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
import redis

from tests.faults.fleet import Fleet, wait_for
from tests.servers import Server

pytestmark = pytest.mark.slow

Fleets = Callable[..., Fleet]
Servers = Callable[..., Server]


def at_work(fleet: Fleet, *arguments: str) -> None:
    """Two consumers in the middle of 300 events."""
    for consumer in [fleet.start(*arguments), fleet.start(*arguments)]:
        consumer.ready()
    fleet.publish(300, "sleep", s=0.005)
    wait_for(lambda: len(fleet.done()) > 10)


def healed(fleet: Fleet) -> None:
    """Nothing is lost, nothing was given up, and both still live and stop as asked."""
    fleet.publish(50)
    fleet.reconcile()
    assert fleet.dead() == {}
    assert [consumer.process.poll() for consumer in fleet.consumers] == [None, None]
    for consumer in fleet.consumers:
        consumer.ask()
    assert [consumer.end() for consumer in fleet.consumers] == [0, 0]


@pytest.mark.parametrize("arguments", [[], ["--threads", "4"]])
def test_the_server_is_restarted(own_server: Servers, fleet_of: Fleets, arguments: list[str]) -> None:
    server = own_server(aof=True)
    fleet = fleet_of(server)
    at_work(fleet, *arguments)

    server.restart()
    time.sleep(0.5)
    server.restart()

    healed(fleet)
    # And each says once per outage that it is over; the last of them perhaps a moment later
    for one in fleet.consumers:
        wait_for(lambda one=one: one.output.count("Redis is unavailable") == one.output.count("Redis is back"))


def test_the_server_is_killed(own_server: Servers, fleet_of: Fleets) -> None:
    server = own_server(aof=True, args=("--appendfsync", "always"))
    fleet = fleet_of(server)
    at_work(fleet)

    server.kill()
    time.sleep(1.0)
    server.start()

    healed(fleet)


def test_the_server_is_frozen_for_longer_than_any_timeout(own_server: Servers, fleet_of: Fleets) -> None:
    server = own_server(aof=False)
    fleet = fleet_of(server)
    at_work(fleet)

    server.freeze()
    time.sleep(6.5)
    server.thaw()

    healed(fleet)
    # One line when it began and one when it was over, in each
    for output in [consumer.output for consumer in fleet.consumers]:
        assert output.count("Redis is unavailable") == 1
        assert output.count("Redis is back") == 1


def test_every_connection_is_killed_again_and_again(own_server: Servers, fleet_of: Fleets) -> None:
    server = own_server(aof=False)
    fleet = fleet_of(server)
    at_work(fleet)

    for _ in range(20):
        for client in fleet.client.client_list():
            if client["name"] == "django-redis-bus":
                try:
                    fleet.client.client_kill_filter(_id=client["id"])
                except redis.ResponseError:
                    pass  # it has gone by itself meanwhile
        time.sleep(0.1)

    healed(fleet)


@pytest.mark.parametrize("start", ["all", "new"])
def test_everything_is_flushed(own_server: Servers, fleet_of: Fleets, start: str) -> None:
    server = own_server(aof=False)
    fleet = fleet_of(server)
    for consumer in [fleet.start("--from", start), fleet.start("--from", start)]:
        consumer.ready()
    fleet.publish(100, "sleep", s=0.005)
    wait_for(lambda: len(fleet.done()) > 10)

    fleet.client.flushall()
    fleet.published.clear()  # what was published before is gone; what comes now, at once, is not
    fleet.publish(100)

    healed(fleet)


def test_the_group_is_destroyed(own_server: Servers, fleet_of: Fleets) -> None:
    fleet = fleet_of(own_server(aof=False))
    at_work(fleet)
    assert fleet.pending()

    for _ in range(5):
        fleet.client.xgroup_destroy(fleet.key, "work")
        fleet.publish(20)
        time.sleep(0.2)

    healed(fleet)


def test_the_stream_is_deleted(own_server: Servers, fleet_of: Fleets) -> None:
    fleet = fleet_of(own_server(aof=False))
    at_work(fleet)

    fleet.client.delete(fleet.key)
    fleet.published.clear()
    fleet.publish(100)

    healed(fleet)


def test_the_stream_is_deleted_while_they_wait(own_server: Servers, fleet_of: Fleets) -> None:
    fleet = fleet_of(own_server(aof=False))
    for consumer in [fleet.start(), fleet.start()]:
        consumer.ready()

    for _ in range(5):
        fleet.client.delete(fleet.key)
        time.sleep(0.2)

    healed(fleet)


def test_scripts_are_forgotten(own_server: Servers, fleet_of: Fleets) -> None:
    fleet = fleet_of(own_server(aof=False))
    fleet.publish(30, "raise")
    at_work(fleet)

    fleet.client.script_flush()

    fleet.reconcile()
    assert set(fleet.dead().values()) == {"exhausted"}
    assert len(fleet.dead()) == 30


def test_the_server_is_not_there_at_first(own_server: Servers, fleet_of: Fleets) -> None:
    server = own_server(aof=True)
    fleet = fleet_of(server)
    server.stop()
    consumer = fleet.start()
    wait_for(lambda: "Redis is unavailable" in consumer.output)
    time.sleep(1.0)
    assert consumer.process.poll() is None

    server.start()
    consumer.ready()
    fleet.publish(10)

    fleet.reconcile()
    assert consumer.output.count("Redis is unavailable") == 1
    assert consumer.stop() == 0


def test_without_a_server_it_is_stopped_at_once(own_server: Servers, fleet_of: Fleets) -> None:
    server = own_server(aof=False)
    fleet = fleet_of(server)
    server.kill()
    consumer = fleet.start()
    wait_for(lambda: "Redis is unavailable" in consumer.output)
    time.sleep(1.0)

    asked = time.monotonic()

    assert consumer.stop() == 0
    assert time.monotonic() - asked < 3


def test_a_server_that_is_full_gets_acks_and_keeps_what_failed(own_server: Servers, fleet_of: Fleets) -> None:
    # Given a full server, with good events and more bad ones than a batch holds
    server = own_server(aof=False)
    fleet = fleet_of(server)
    bad = fleet.publish(40, "raise")
    fleet.publish(100)
    fleet.client.set("ballast", b"x" * 8_000_000)
    fleet.client.config_set("maxmemory-policy", "noeviction")
    fleet.client.config_set("maxmemory", "6mb")
    with pytest.raises(redis.exceptions.OutOfMemoryError):
        fleet.client.set("more", "x")

    # When a consumer starts there
    consumer = fleet.start("--batch", "20").ready()

    # Then the good ones are handled and acked, nothing bad is dead or lost, and it does not spin
    wait_for(lambda: "is full" in consumer.output)
    time.sleep(1.0)
    assert set(fleet.pending()) >= set(bad)
    assert fleet.dead() == {}
    used = fleet.cpu_s(consumer)
    time.sleep(2.0)
    assert fleet.cpu_s(consumer) - used < 0.6
    assert "is full" in consumer.output

    # And when there is room again, the rest follows
    fleet.client.config_set("maxmemory", "0")
    fleet.reconcile()
    assert fleet.dead() == dict.fromkeys(bad, "exhausted")
    assert consumer.stop() == 0


def test_a_consumer_leaves_a_full_server_in_time(own_server: Servers, fleet_of: Fleets) -> None:
    server = own_server(aof=False)
    fleet = fleet_of(server)
    bad = fleet.publish(5, "raise")
    fleet.client.set("ballast", b"x" * 8_000_000)
    fleet.client.config_set("maxmemory", "6mb")
    consumer = fleet.start(lease="60").ready()
    wait_for(lambda: "is full" in consumer.output)

    assert consumer.stop() == 0

    fleet.client.config_set("maxmemory", "0")
    fleet.start("--consumer", "peer", lease="60")
    fleet.reconcile()
    assert fleet.dead() == dict.fromkeys(bad, "exhausted")
