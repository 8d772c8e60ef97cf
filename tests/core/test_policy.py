from __future__ import annotations

import copy
import math
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_redis_bus.core.exceptions import HopLimitExceeded, UnreadableEntry
from django_redis_bus.core.policy import ACK, Ack, DeadLetter, Reason, Reject, Retry, RetryLater, decide, overdue


def settle(error: BaseException | None, *, attempt: int = 1, policy: Retry | None = None, luck: float = 0.0) -> Any:
    return decide(error, attempt=attempt, policy=policy or Retry(), luck=luck)


def test_returning_is_success() -> None:
    assert settle(None) is ACK


def test_raising_is_a_retry_after_the_backoff() -> None:
    error = ValueError("x")
    assert settle(error, policy=Retry(backoff_s=2)) == RetryLater(wait_s=2, error=error)


def test_the_wait_grows_up_to_its_limit() -> None:
    policy = Retry(backoff_s=1, factor=3, max_backoff_s=20, max_attempts=99)
    waits = [settle(ValueError(), attempt=n, policy=policy).wait_s for n in range(1, 6)]
    assert waits == [1, 3, 9, 20, 20]


def test_jitter_takes_off_up_to_its_share() -> None:
    policy = Retry(backoff_s=10, jitter=0.5)
    assert settle(ValueError(), policy=policy, luck=0.0).wait_s == 10
    assert settle(ValueError(), policy=policy, luck=0.5).wait_s == 7.5


def test_the_last_attempt_ends_as_a_dead_letter() -> None:
    policy = Retry(max_attempts=3)
    assert isinstance(settle(ValueError(), attempt=2, policy=policy), RetryLater)
    assert settle(ValueError(), attempt=3, policy=policy).reason == Reason.EXHAUSTED
    assert settle(ValueError(), policy=Retry(max_attempts=1)).reason == Reason.EXHAUSTED


def test_reject_is_a_dead_letter_at_once() -> None:
    decision = settle(Reject("no such customer"))
    assert (decision.reason, str(decision.error)) == (Reason.REJECTED, "no such customer")


def test_an_unreadable_entry_keeps_its_reason() -> None:
    assert settle(UnreadableEntry(Reason.TOO_LARGE, "x")).reason == Reason.TOO_LARGE


def test_a_retry_that_is_raised_says_when() -> None:
    assert settle(Retry(after=30), policy=Retry(backoff_s=1)).wait_s == 30
    assert settle(Retry(after=0), policy=Retry(backoff_s=1)).wait_s == 0
    assert settle(Retry(), policy=Retry(backoff_s=4)).wait_s == 4


def test_a_retry_that_is_raised_counts_as_an_attempt() -> None:
    assert settle(Retry(after=30), attempt=5, policy=Retry(max_attempts=5)).reason == Reason.EXHAUSTED


def test_a_retry_that_is_raised_is_granted_whatever_the_policy_retries() -> None:
    assert isinstance(settle(Retry(after=1), policy=Retry(retry_on=KeyError)), RetryLater)


def test_only_what_retry_on_names_is_retried() -> None:
    policy = Retry(retry_on=(ConnectionError,))
    assert isinstance(settle(ConnectionResetError(), policy=policy), RetryLater)
    assert settle(ValueError(), policy=policy).reason == Reason.NOT_RETRYABLE


def test_dead_letter_on_wins_over_retry_on() -> None:
    policy = Retry(retry_on=OSError, dead_letter_on=[PermissionError, FileNotFoundError])
    assert isinstance(settle(OSError(), policy=policy), RetryLater)
    assert settle(FileNotFoundError(), policy=policy).reason == Reason.NOT_RETRYABLE


@pytest.mark.parametrize("given_as", [ValueError, (ValueError,), [ValueError], {ValueError}, iter([ValueError])])
def test_exceptions_may_be_given_in_any_collection(given_as: Any) -> None:
    # A list would make isinstance raise TypeError at the first failure, in the consumer.
    assert isinstance(settle(ValueError(), policy=Retry(retry_on=given_as)), RetryLater)


@pytest.mark.parametrize("given_as", [[ValueError()], ["ValueError"], int, [int], [(ValueError,)]])
def test_what_is_no_exception_class_is_refused(given_as: Any) -> None:
    with pytest.raises(ValueError, match="takes exception classes"):
        Retry(retry_on=given_as)
    with pytest.raises(ValueError, match="takes exception classes"):
        Retry(dead_letter_on=given_as)


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_attempts": 0}, {"backoff_s": -1}, {"max_backoff_s": -1}, {"after": -1}, {"jitter": 1.1}, {"jitter": -0.1},
        {"factor": 0.5}, {"factor": math.inf}, {"factor": math.nan}, {"after": math.inf}, {"after": math.nan},
        {"backoff_s": math.nan}, {"max_backoff_s": math.inf}, {"jitter": math.nan},
    ],
)  # fmt: skip
def test_numbers_that_make_no_wait_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Retry"):
        Retry(**wrong)


@pytest.mark.parametrize("error", [SystemExit(1), KeyboardInterrupt(), GeneratorExit()])
def test_what_is_no_exception_but_raised_all_the_same_is_retried(error: BaseException) -> None:
    assert isinstance(settle(error), RetryLater)
    assert settle(error, attempt=10).reason == Reason.EXHAUSTED
    assert settle(error, policy=Retry(dead_letter_on=(type(error),))).reason == Reason.NOT_RETRYABLE


ERRORS: list[type[BaseException]] = [
    Exception, ValueError, OSError, SystemExit, KeyboardInterrupt, RecursionError, MemoryError, Reject,
]  # fmt: skip


@given(
    error=st.none()
    | st.sampled_from(ERRORS).map(lambda kind: kind("x"))
    | st.builds(Retry, after=st.none() | st.floats(0, 1e9)),
    attempt=st.integers(1, 10**6),
    policy=st.builds(
        Retry,
        max_attempts=st.integers(1, 10**6),
        after=st.none() | st.floats(0, 1e9),
        backoff_s=st.floats(0, 1e300),
        max_backoff_s=st.floats(0, 1e300),
        factor=st.floats(1, 1e300) | st.integers(1, 1_000),
        jitter=st.floats(0, 1),
        retry_on=st.lists(st.sampled_from(ERRORS)),
        dead_letter_on=st.lists(st.sampled_from(ERRORS)),
    ),
    luck=st.floats(0, 1, exclude_max=True),
)  # fmt: skip
def test_there_is_always_a_decision(error: BaseException | None, attempt: int, policy: Retry, luck: float) -> None:
    decision = decide(error, attempt=attempt, policy=policy, luck=luck)
    assert isinstance(decision, Ack) == (error is None)
    if isinstance(decision, RetryLater):
        assert attempt < policy.max_attempts
        assert 0 <= decision.wait_s < math.inf
        assert decision.error is error
    if isinstance(decision, DeadLetter):
        assert decision.reason in vars(Reason).values()


@pytest.mark.parametrize(
    ("attempt", "crashes", "reason"),
    [
        (1, 0, None),
        (5, 0, None),
        (3, 2, None),
        (4, 3, Reason.CRASHED),  # as often as it may end the process
        (6, 1, Reason.CRASHED),  # no attempt is left, and the last ended so
        (6, 0, Reason.EXHAUSTED),  # max_attempts was lowered while it waited
    ],
)
def test_what_is_redelivered_too_often_is_given_up_before_it_runs(
    attempt: int, crashes: int, reason: str | None
) -> None:
    dead = overdue(attempt, crashes, Retry(max_attempts=5, max_crashes=3))
    assert (dead and dead.reason) == reason
    assert dead is None or not dead.ran


def test_a_circle_of_events_is_not_tried_again() -> None:
    assert settle(HopLimitExceeded("17 hops")).reason == Reason.NOT_RETRYABLE


@pytest.mark.parametrize("twin", [copy.copy, copy.deepcopy, lambda error: pickle.loads(pickle.dumps(error))])
def test_a_retry_survives_being_copied(twin: Any) -> None:
    # Exceptions cross process borders in test runners and task queues.
    again = twin(Retry("busy", after=30, max_attempts=7, retry_on=KeyError))
    assert (str(again), again.after, again.max_attempts, again.retry_on) == ("busy", 30, 7, (KeyError,))


def test_a_retry_says_when() -> None:
    assert str(Retry(after=30)) == "again in 30 s"
    assert str(Retry()) == "again"
