"""What becomes of a delivery: the retry policy, and the pure decision taken from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import inf, isfinite
from typing import Any

from .exceptions import HopLimitExceeded, UnreadableEntry


class Reason:
    """Why an entry is a dead letter."""

    UNDECODABLE = "undecodable"  # bytes that are not what the entry says they are
    UNKNOWN_TYPE = "unknown_type"  # a type that the stream's declaration does not list
    UNKNOWN_VERSION = "unknown_version"  # a schema version without a way to the current one
    INVALID_PAYLOAD = "invalid_payload"  # well-formed, but not the declared payload type
    TOO_LARGE = "too_large"  # data above MAX_EVENT_BYTES
    REJECTED = "rejected"  # the handler raised Reject
    NOT_RETRYABLE = "not_retryable"  # the policy does not retry this exception
    EXHAUSTED = "exhausted"  # the last attempt failed
    CRASHED = "crashed"  # its handler ended the process too often
    OPERATOR = "operator"  # somebody decided so


class Retry(Exception):
    """How an event is tried again: a handler's policy, or raised by it as a request.

    As a policy: `@ORDERS.handler(retry=Retry(max_attempts=5, backoff_s=2))`.
    Raised: `raise Retry(after=30)` asks for the next attempt in 30 seconds; it counts as an attempt.

    Args:
        max_attempts: runs in all, the first included; then the entry is a dead letter. 1 means never again.
        max_crashes: runs alone that end with the process (killed, out of memory); then the entry is a dead letter.
        after: seconds until the next attempt, instead of the backoff.
        backoff_s: seconds before the second attempt; each further one waits `factor` times longer.
        max_backoff_s: the longest wait in seconds.
        factor: growth of the wait from attempt to attempt.
        jitter: up to which share of the wait is randomly taken off, 0 to 1, so that failures spread.
        retry_on: only these exceptions are retried; others are dead letters at once.
        dead_letter_on: these are dead letters at once, even if `retry_on` names a base class of theirs.
    """

    def __init__(
        self,
        message: str = "",
        *,
        max_attempts: int = 10,
        max_crashes: int = 3,
        after: float | None = None,
        backoff_s: float = 1.0,
        max_backoff_s: float = 600.0,
        factor: float = 2.0,
        jitter: float = 0.25,
        retry_on: type[BaseException] | Iterable[type[BaseException]] = (Exception,),
        dead_letter_on: type[BaseException] | Iterable[type[BaseException]] = (),
    ) -> None:
        if not isinstance(message, str):
            raise TypeError("Retry takes a message; give numbers by name: Retry(max_attempts=…), Retry(after=…).")
        super().__init__(message or (f"again in {after} s" if after is not None else "again"))
        if max_attempts < 1:
            raise ValueError("Retry(max_attempts=…) counts the first run too: give 1 or more.")
        if max_crashes < 1:
            raise ValueError("Retry(max_crashes=…) must be 1 or more.")
        if not all(isfinite(s) and s >= 0 for s in (backoff_s, max_backoff_s, 0 if after is None else after)):
            raise ValueError("Retry: seconds must be finite and not negative.")
        if not 0 <= jitter <= 1 or not 1 <= factor < inf:
            raise ValueError("Retry: jitter is a share from 0 to 1, factor is finite and at least 1.")
        self.max_attempts = max_attempts
        self.max_crashes = max_crashes
        self.after = after
        self.backoff_s = backoff_s
        self.max_backoff_s = max_backoff_s
        self.factor = factor
        self.jitter = jitter
        self.retry_on = _classes("retry_on", retry_on)
        self.dead_letter_on = _classes("dead_letter_on", dead_letter_on)

    def __reduce__(self) -> tuple[type[Retry], tuple[str], dict[str, object]]:
        return (type(self), (str(self),), self.__dict__)

    def wait_s(self, attempt: int, luck: float) -> float:
        """Return the seconds to wait after failed attempt number `attempt`; `luck` is random in [0, 1)."""
        if self.after is not None:
            return self.after
        try:
            wait = min(self.backoff_s * self.factor ** (attempt - 1), self.max_backoff_s)
        except OverflowError:
            wait = self.max_backoff_s
        return wait * (1 - self.jitter * luck)


def _classes(argument: str, given: Any) -> tuple[type[BaseException], ...]:
    classes = (given,) if isinstance(given, type) else tuple(given)
    if not all(isinstance(each, type) and issubclass(each, BaseException) for each in classes):
        raise ValueError(f"Retry({argument}=…) takes exception classes.")
    return classes


class Reject(Exception):
    """Raised by a handler: this event can never be handled, make it a dead letter now.

    Args:
        reason: for the operator who will look at it.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Ack:
    """Handled, or nothing to do with this group."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryLater:
    """Failed; due again `wait_s` seconds from now."""

    wait_s: float
    error: BaseException
    scrub: Callable[[str], str] = str
    """Takes out of the error's texts what must not be shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """Given up."""

    reason: str
    error: BaseException
    ran: bool = True
    """False if it was given up before this run began."""
    scrub: Callable[[str], str] = str
    """Takes out of the error's texts what must not be shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Not run: its handler, of this name, is paused. It comes again, and no attempt is counted."""

    handler: str


Decision = Ack | RetryLater | DeadLetter
ACK = Ack()


def decide(error: BaseException | None, *, attempt: int, policy: Retry, luck: float) -> Decision:
    """Turn what a handler did into what happens to the entry.

    Args:
        error: what it raised; None if it returned.
        attempt: number of this run, from 1.
        policy: the handler's.
        luck: random in [0, 1), for the jitter.
    """
    if error is None:
        return ACK
    if isinstance(error, UnreadableEntry):
        return DeadLetter(reason=error.reason, error=error)
    if isinstance(error, Reject):
        return DeadLetter(reason=Reason.REJECTED, error=error)
    if isinstance(error, Retry):
        if attempt >= policy.max_attempts:
            return DeadLetter(reason=Reason.EXHAUSTED, error=error)
        wait_s = error.after if error.after is not None else policy.wait_s(attempt, luck)
        return RetryLater(wait_s=wait_s, error=error)
    # SystemExit and the like say nothing about the event: they are retried as other failures are.
    retryable = isinstance(error, policy.retry_on) or not isinstance(error, Exception)
    # A circle of events stays one however often it is tried.
    hopeless = isinstance(error, (*policy.dead_letter_on, HopLimitExceeded))
    if hopeless or not retryable:
        return DeadLetter(reason=Reason.NOT_RETRYABLE, error=error)
    if attempt >= policy.max_attempts:
        return DeadLetter(reason=Reason.EXHAUSTED, error=error)
    return RetryLater(wait_s=policy.wait_s(attempt, luck), error=error)


def overdue(attempt: int, crashes: int, policy: Retry) -> DeadLetter | None:
    """Return the dead letter for a redelivered entry whose next run would be one too many.

    Args:
        attempt: number of the run that would begin now.
        crashes: how many of the runs before ended with the process, as far as is known.
        policy: the handler's.
    """
    if crashes >= policy.max_crashes or (crashes and attempt > policy.max_attempts):
        error = RuntimeError(f"the process ended in {crashes} of the {attempt - 1} runs of this event's handler")
        return DeadLetter(reason=Reason.CRASHED, error=error, ran=False)
    if attempt > policy.max_attempts:  # fewer attempts are allowed than when it was put aside
        error = RuntimeError(f"it has failed {attempt - 1} times, and {policy.max_attempts} runs are allowed")
        return DeadLetter(reason=Reason.EXHAUSTED, error=error, ran=False)
    return None
