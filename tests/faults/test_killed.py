"""Consumers that are killed: nothing is lost, no innocent is condemned, the pill is found."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from tests.faults.fleet import Fleet, wait_for
from tests.servers import Server

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("topic", "arguments"),
    [("events:work", []), ("events:work", ["--threads", "4"]), ("events:batches", []), ("events:loop", [])],
)
def test_killed_again_and_again_in_the_middle_of_batches(
    server: Server, fleet_of: Callable[..., Fleet], topic: str, arguments: list[str]
) -> None:
    # Given two consumers at work
    fleet = fleet_of(server, topic)
    fleet.publish(400, "sleep", s=0.004)
    running = [fleet.start(*arguments).ready(), fleet.start(*arguments).ready()]

    # When one after the other is killed, four times
    for round_number in range(4):
        before = len(fleet.done())
        wait_for(lambda before=before: len(fleet.done()) > min(before + 15, 395))
        running[round_number % 2].kill()
        running[round_number % 2] = fleet.start(*arguments)

    # Then everything is handled, and nobody is blamed for having been in hand
    fleet.reconcile()
    assert fleet.dead() == {}
    again = sum(count - 1 for count in fleet.log("done").values())
    assert again <= 4 * 200  # no more than what the four had in hand


@pytest.mark.parametrize("how", ["exit", "kill"])
def test_a_pill_is_found_and_its_neighbours_are_handled(fleet: Fleet, how: str) -> None:
    # Given a pill among innocents, and two supervised processes
    fleet.publish(15)
    [pill] = fleet.publish(1, how)
    fleet.publish(15)

    supervisor = fleet.start("--processes", "2")

    fleet.reconcile()
    assert fleet.dead() == {pill: "crashed"}
    assert fleet.done() == set(fleet.published) - {pill}
    begun = fleet.log("begun")
    assert begun[pill] <= 2 + 3  # twice among others, then as often as it has attempts
    assert supervisor.stop() == 0


def test_a_pill_of_one_group_does_not_condemn_the_innocents_of_another(
    server: Server, fleet_of: Callable[..., Fleet]
) -> None:
    # Given a group whose pill ends the process at once, and a slow group with few attempts in the same process
    fleet = fleet_of(server, "events:pair")
    [pill] = fleet.publish(1, "kill", pill=1)
    fleet.publish(3)

    # When the process is started again until the pill is found
    for _ in range(12):
        consumer = fleet.start()
        wait_for(lambda consumer=consumer: consumer.process.poll() is not None or fleet.dead("pills"))
        if fleet.dead("pills"):
            break

    # Then the slow group has lost nothing
    fleet.reconcile("slow")
    assert fleet.dead("pills") == {pill: "crashed"}
    assert fleet.dead("slow") == {}


def test_a_stop_reaches_every_process_of_a_set(fleet: Fleet) -> None:
    fleet.publish(200, "sleep", s=0.005)
    supervisor = fleet.start("--processes", "2").ready(2)

    supervisor.signal(signal.SIGINT)

    assert supervisor.end() == 0
    assert fleet.client.hgetall(fleet.keys().consumers) == {}
    fleet.start()
    fleet.reconcile()
    assert set(fleet.log("done").values()) == {1}
