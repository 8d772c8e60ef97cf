"""SIGTERM: out at once when idle, within the deadline when busy, nothing lost, exit codes that mean something."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

import pytest

from tests.faults.fleet import Fleet, wait_for
from tests.servers import Server

pytestmark = pytest.mark.slow

# The promise is one second. A process of a loaded machine gets more here; the deadline it must not wait for is 20.
AT_ONCE_S = 3.0


@pytest.mark.parametrize("topic", ["events:work", "events:loop"])
@pytest.mark.parametrize("arguments", [[], ["--threads", "4"]])
def test_idle_it_is_out_at_once(
    server: Server, fleet_of: Callable[..., Fleet], topic: str, arguments: list[str]
) -> None:
    fleet = fleet_of(server, topic)
    fleet.publish(5)
    consumer = fleet.start(*arguments).ready()
    fleet.reconcile()

    asked = time.monotonic()
    code = consumer.stop()

    assert code == 0
    assert time.monotonic() - asked < AT_ONCE_S
    assert "Stopped: 5 handled" in consumer.output
    assert fleet.client.hgetall(fleet.keys().consumers) == {}


@pytest.mark.parametrize("topic", ["events:work", "events:loop"])
@pytest.mark.parametrize("arguments", [[], ["--threads", "4"]])
def test_busy_it_finishes_what_runs_and_a_peer_takes_the_rest_at_once(
    server: Server, fleet_of: Callable[..., Fleet], topic: str, arguments: list[str]
) -> None:
    fleet = fleet_of(server, topic)
    fleet.publish(30, "sleep", s=0.5)
    consumer = fleet.start(*arguments, lease="60").ready()
    wait_for(lambda: fleet.log("begun"))

    code = consumer.stop()

    # Everything that began is done, and acked
    assert code == 0
    begun = set(fleet.log("begun"))
    assert fleet.done() == begun
    assert not set(fleet.pending()) & begun
    # and the rest need not wait for its lease of a minute, nor for that of a peer of another name
    fleet.start("--threads", "10", "--consumer", "peer", lease="60")
    fleet.reconcile()
    assert set(fleet.log("done").values()) == {1}


@pytest.mark.parametrize(
    ("topic", "arguments"), [("events:work", []), ("events:work", ["--threads", "2"]), ("events:loop", [])]
)
def test_beyond_the_deadline_it_is_cut_off_and_says_so(
    server: Server, fleet_of: Callable[..., Fleet], topic: str, arguments: list[str]
) -> None:
    fleet = fleet_of(server, topic)
    [long] = fleet.publish(1, "sleep", s=30)
    consumer = fleet.start(*arguments, lease="60", DRAIN=1).ready()
    wait_for(lambda: fleet.log("begun"))

    asked = time.monotonic()
    code = consumer.stop()

    assert code == 3
    assert time.monotonic() - asked < 1 + AT_ONCE_S
    assert "cut off" in consumer.output
    [pending] = fleet.client.xpending_range(fleet.key, "work", "-", "+", 10)
    assert pending["message_id"].decode() == long
    assert pending["time_since_delivered"] >= 86_400_000  # given back


def test_asked_twice_it_does_not_wait_for_the_deadline(fleet: Fleet) -> None:
    fleet.publish(1, "sleep", s=30)
    consumer = fleet.start(DRAIN=25).ready()
    wait_for(lambda: fleet.log("begun"))

    consumer.ask()
    time.sleep(0.5)
    asked = time.monotonic()
    consumer.ask()

    assert consumer.end() == 3
    assert time.monotonic() - asked < AT_ONCE_S


def test_a_thread_that_a_coroutine_waits_for_does_not_hold_the_process(
    server: Server, fleet_of: Callable[..., Fleet]
) -> None:
    # Given what `await Model.objects.aget()` is when the database hangs: a thread that nobody can end
    fleet = fleet_of(server, "events:loop")
    fleet.publish(1, "thread", s=30)
    consumer = fleet.start(DRAIN=1).ready()
    wait_for(lambda: fleet.log("begun"))

    asked = time.monotonic()
    code = consumer.stop()

    assert code == 3
    assert time.monotonic() - asked < 1 + AT_ONCE_S


def test_with_a_frozen_redis_it_is_out_at_once_when_idle(
    own_server: Callable[..., Server], fleet_of: Callable[..., Fleet]
) -> None:
    server = own_server(aof=False)
    fleet = fleet_of(server)
    consumer = fleet.start().ready()
    server.freeze()
    time.sleep(1.5)  # its keeper waits for an answer by now as well

    asked = time.monotonic()
    code = consumer.stop()

    server.thaw()
    assert code == 0
    assert time.monotonic() - asked < AT_ONCE_S


def test_with_a_frozen_redis_it_ends_soon_after_the_deadline_when_busy(
    own_server: Callable[..., Server], fleet_of: Callable[..., Fleet]
) -> None:
    server = own_server(aof=False)
    fleet = fleet_of(server)
    fleet.publish(3, "sleep", s=1)
    consumer = fleet.start(DRAIN=2).ready()
    wait_for(lambda: fleet.log("begun"))
    server.freeze()

    asked = time.monotonic()
    code = consumer.stop()

    server.thaw()
    assert code == 3
    assert time.monotonic() - asked < 2 + AT_ONCE_S
    fleet.start()
    fleet.reconcile()


def test_frozen_beyond_its_lease_and_its_name_it_goes_on_as_another(fleet: Fleet) -> None:
    # Given a consumer that is frozen with a batch in hand
    fleet.publish(40, "sleep", s=0.02)
    frozen = fleet.start().ready()
    [name] = fleet.client.hkeys(fleet.keys().consumers)
    wait_for(fleet.done)
    frozen.signal(signal.SIGSTOP)
    # whose heartbeat is old by now (moved here, rather than waited for)
    fleet.client.hset(fleet.keys().consumers, name, fleet.client.hget(fleet.keys().consumers, name).replace(
        b'"beat":', b'"beat":1,"was":'
    ))  # fmt: skip

    # When another takes its name and its work, and the frozen one wakes up
    other = fleet.start().ready()
    assert f", as {name.decode()}:" in other.output
    wait_for(lambda: not fleet.pending())
    frozen.signal(signal.SIGCONT)
    wait_for(lambda: fleet.client.hlen(fleet.keys().consumers) == 2)
    fleet.publish(100, "sleep", s=0.005)

    # Then both work, under two names, and nothing is lost
    fleet.reconcile()
    assert fleet.dead() == {}
    assert len({line.split()[2] for line in fleet.lines()[-60:]}) == 2
    assert max(fleet.log("done").values()) <= 2
    assert frozen.stop() == other.stop() == 0


@pytest.mark.parametrize("wait_s", [0.6, 0.9])
def test_told_to_stop_while_its_processes_start(fleet: Fleet, wait_s: float) -> None:
    fleet.publish(20, "sleep", s=0.05)
    supervisor = fleet.start("--processes", "3")
    wait_for(supervisor.children)
    time.sleep(wait_s - 0.6)

    code = supervisor.stop()

    assert code == 0
    fleet.start()
    fleet.reconcile()
    assert fleet.dead() == {}
