"""A circuit breaker: when a server does not answer, stop to wait for it, and probe it now and then."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock
from typing import Literal

LONGEST = 30
"""The wait between probes grows to so many times the cooldown."""

State = Literal["closed", "open", "half-open"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Circuit:
    """What is known of a circuit.

    Attributes:
        state: "closed" is normal work; "open" asks the server nothing; "half-open" has one probe under way.
        failures: how many attempts failed in a row.
        retry_in_s: seconds until the next probe; 0 unless open.
    """

    state: State
    failures: int
    retry_in_s: float


class Breaker:
    """Opens after `failures` failed attempts in a row; then lets one probe through per wait.

    The wait begins at `cooldown_s` and doubles with each probe that fails. One that is never reported (its thread was
    killed) is given up after as long. Moments are monotonic seconds, from the caller's clock. For many threads.
    """

    def __init__(self, *, failures: int, cooldown_s: float) -> None:
        self._limit = failures
        self._cooldown_s = cooldown_s
        self._lock = Lock()
        self._failures = 0
        self._wait_s = cooldown_s
        self._open_until: float | None = None
        self._probing = False

    @property
    def is_open(self) -> bool:
        """Whether the server is taken for dead, probe or not."""
        return self._open_until is not None

    def allows(self, now: float) -> bool:
        """Return whether an attempt may be made now. If the circuit is open, it is the probe."""
        if not self.is_open:  # the hot path takes no lock
            return True
        with self._lock:
            until = self._open_until
            if until is None:
                return True
            if now < until:
                return False
            self._probing = True
            self._open_until = now + self._wait_s
            return True

    def succeeded(self) -> bool:
        """Note that the server answered. Returns whether that closed the circuit."""
        if self._failures == 0 and self._open_until is None:
            return False
        with self._lock:
            closed = self._open_until is not None
            self._failures = 0
            self._open_until = None
            self._probing = False
            self._wait_s = self._cooldown_s
            return closed

    def failed(self, now: float, luck: float) -> bool:
        """Note that the server did not answer. Returns whether that opened the circuit.

        Args:
            now: the moment.
            luck: a random number in [0, 1): many processes should not probe together.
        """
        with self._lock:
            self._failures += 1
            if self._open_until is None:
                if self._failures < self._limit:
                    return False
                opened = True
            else:
                opened = False
                if not self._probing:
                    return False  # an attempt that was under way when it opened
                self._wait_s = min(self._wait_s * 2, self._cooldown_s * LONGEST)
            self._probing = False
            self._open_until = now + self._wait_s * (0.8 + 0.4 * luck)
            return opened

    def circuit(self, now: float) -> Circuit:
        """Return the state."""
        with self._lock:
            until = self._open_until
            state: State = "closed" if until is None else "half-open" if self._probing else "open"
            wait_s = max(0.0, until - now) if until is not None else 0.0
            return Circuit(state=state, failures=self._failures, retry_in_s=wait_s)
