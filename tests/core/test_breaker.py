"""The circuit breaker, with a clock of the test's own."""

from __future__ import annotations

from django_redis_bus.core.breaker import LONGEST, Breaker

NO_LUCK = 0.5  # the middle: a wait of exactly its length


def opened(failures: int = 3) -> Breaker:
    breaker = Breaker(failures=failures, cooldown_s=1.0)
    for _ in range(failures):
        breaker.failed(0.0, NO_LUCK)
    return breaker


def test_a_closed_circuit_lets_everything_through() -> None:
    breaker = Breaker(failures=3, cooldown_s=1.0)
    assert breaker.allows(0.0)
    assert breaker.circuit(0.0).state == "closed"
    assert not breaker.succeeded()


def test_it_opens_after_failures_in_a_row_and_says_so_once() -> None:
    breaker = Breaker(failures=3, cooldown_s=1.0)
    assert [breaker.failed(0.0, NO_LUCK) for _ in range(4)] == [False, False, True, False]
    assert breaker.is_open
    assert not breaker.allows(0.9)
    circuit = breaker.circuit(0.4)
    assert (circuit.state, circuit.failures) == ("open", 4)
    assert circuit.retry_in_s == 0.6


def test_a_success_between_starts_the_count_anew() -> None:
    breaker = Breaker(failures=2, cooldown_s=1.0)
    breaker.failed(0.0, NO_LUCK)
    breaker.succeeded()
    assert not breaker.failed(0.0, NO_LUCK)
    assert not breaker.is_open


def test_one_probe_at_a_time_when_the_wait_is_over() -> None:
    breaker = opened()
    assert breaker.allows(1.0)
    assert breaker.circuit(1.0).state == "half-open"
    assert not breaker.allows(1.0)


def test_a_probe_that_succeeds_closes_it_and_the_next_wait_is_short_again() -> None:
    breaker = opened(failures=1)
    assert breaker.allows(1.0)
    breaker.failed(1.0, NO_LUCK)
    assert breaker.allows(3.0)
    assert breaker.succeeded()
    assert not breaker.is_open
    breaker.failed(10.0, NO_LUCK)
    assert breaker.circuit(10.0).retry_in_s == 1.0


def test_the_wait_doubles_with_each_probe_that_fails_up_to_a_limit() -> None:
    breaker = opened()
    waits, now = [], 0.0
    for _ in range(7):
        now += breaker.circuit(now).retry_in_s
        assert breaker.allows(now)
        breaker.failed(now, NO_LUCK)
        waits.append(round(breaker.circuit(now).retry_in_s, 6))
    assert waits == [2.0, 4.0, 8.0, 16.0, LONGEST, LONGEST, LONGEST]


def test_what_was_under_way_when_it_opened_does_not_prolong_the_wait() -> None:
    breaker = opened()
    assert not breaker.failed(0.5, NO_LUCK)
    assert breaker.allows(1.0)


def test_a_probe_that_nobody_reports_is_given_up() -> None:
    breaker = opened()
    assert breaker.allows(1.0)
    assert not breaker.allows(1.9)
    assert breaker.allows(2.1)


def test_luck_spreads_the_probes_of_many_processes() -> None:
    waits = []
    for luck in (0.0, 0.999):
        breaker = Breaker(failures=1, cooldown_s=1.0)
        breaker.failed(0.0, luck)
        waits.append(breaker.circuit(0.0).retry_in_s)
    assert waits[0] == 0.8
    assert 1.19 < waits[1] < 1.2
