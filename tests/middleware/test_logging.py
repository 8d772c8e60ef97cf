from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from django_redis_bus.core.exceptions import UnreadableEntry
from django_redis_bus.core.policy import ACK, DeadLetter, Reason, Reject, RetryLater
from django_redis_bus.middleware.logging import Logging
from tests.middleware.examples import delivery, event, handler

LOGGER = "django_redis_bus.outcome"
EVIL = "a\r\n2026-11-22 ERROR all is lost\x1b[2J\x00\u2028%s%n{0}"
LINE_ENDS = ("\n", "\r", "\x1b", "\x00", "\u2028")


class Mute(Exception):
    """An error that cannot even say what it is."""

    def __str__(self) -> str:
        raise RuntimeError("no words")

    __repr__ = __str__


def raised(error: BaseException) -> BaseException:
    """The error with a traceback."""
    try:
        raise error
    except BaseException as caught:
        return caught


def logging_of(stream: str, group: str) -> Logging:
    made = Logging()
    made.stream, made.group = stream, group
    return made


@pytest.fixture
def outcome(caplog: pytest.LogCaptureFixture) -> Callable[..., logging.LogRecord]:
    """Tell the middleware of an outcome; returns the one record."""
    caplog.set_level(logging.INFO, LOGGER)

    def tell(decision: Any, *, of: Any = None, by: Any = None, to: Any = None) -> logging.LogRecord:
        caplog.clear()
        logging_of("events:order", "billing").outcome(
            by or handler(), of or event(), to or delivery(), decision, 0.0123
        )
        [record] = caplog.records
        return record

    return tell


def formatted(record: logging.LogRecord) -> str:
    """As a handler would write it."""
    return logging.Formatter("%(levelname)s %(message)s").format(record)


def test_handled_is_one_line_of_facts(outcome: Callable[..., logging.LogRecord]) -> None:
    record = outcome(ACK, of=event(key="7"), to=delivery(attempt=3))
    assert formatted(record) == (
        "INFO events:order 1700000000000-0 shop.order.created "
        "(group billing, shop.handlers.charge, attempt 3, 12.3 ms) handled"
    )
    facts = {name: value for name, value in vars(record).items() if name.startswith("bus_")}
    assert facts == {
        "bus_stream": "events:order", "bus_group": "billing", "bus_handler": "shop.handlers.charge",
        "bus_type": "shop.order.created", "bus_key": "7", "bus_event_id": "e-1", "bus_entry_id": "1700000000000-0",
        "bus_attempt": 3, "bus_seconds": 0.0123,
    }  # fmt: skip


def test_a_retry_is_a_warning_that_says_when(outcome: Callable[..., logging.LogRecord]) -> None:
    record = outcome(RetryLater(wait_s=2.5, error=raised(ValueError("busy"))))
    assert record.levelno == logging.WARNING
    assert formatted(record).endswith("will be retried in 2.5 s: ValueError('busy')")


def test_a_dead_letter_is_an_error_with_its_traceback(outcome: Callable[..., logging.LogRecord]) -> None:
    record = outcome(DeadLetter(reason=Reason.EXHAUSTED, error=raised(ValueError("broken"))))
    assert record.levelno == logging.ERROR
    assert "is a dead letter (exhausted): broken" in record.getMessage()
    # as exc_info, which error trackers group by
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], ValueError)
    assert "Traceback" in formatted(record)


def test_an_error_without_words_is_named(outcome: Callable[..., logging.LogRecord]) -> None:
    assert "ValueError()" in outcome(DeadLetter(reason=Reason.EXHAUSTED, error=ValueError())).getMessage()


@pytest.mark.parametrize("error", [Mute(), raised(Mute())])
def test_an_error_whose_own_text_fails_is_logged_all_the_same(
    outcome: Callable[..., logging.LogRecord], error: Mute
) -> None:
    assert "Mute" in formatted(outcome(RetryLater(wait_s=1, error=error)))
    assert "Mute" in formatted(outcome(DeadLetter(reason=Reason.EXHAUSTED, error=error)))


def test_an_unreadable_entry_is_known_by_its_id(caplog: pytest.LogCaptureFixture) -> None:
    error = UnreadableEntry(Reason.UNDECODABLE, "no field ce_id")
    dead = DeadLetter(reason=error.reason, error=error)
    logging_of("events:order", "billing").outcome(None, None, delivery(), dead, 0.0)
    [record] = caplog.records
    assert record.getMessage() == (
        "events:order 1700000000000-0 untyped (group billing, not read, attempt 1, 0.0 ms) "
        "is a dead letter (undecodable): no field ce_id"
    )


def test_a_reject_is_an_answer_and_has_no_traceback(outcome: Callable[..., logging.LogRecord]) -> None:
    record = outcome(DeadLetter(reason=Reason.REJECTED, error=raised(Reject("no such customer"))))
    assert record.exc_info is None
    assert formatted(record).endswith("is a dead letter (rejected): no such customer")


def test_events_that_nobody_wants_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, LOGGER)
    Logging().outcome(None, event(), delivery(), ACK, 0.0)
    assert caplog.records == []


def test_what_is_handled_costs_nothing_where_info_is_off(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, LOGGER)
    Logging().outcome(handler(), event(), delivery(), ACK, 0.0)
    assert caplog.records == []


def test_payloads_are_never_logged(outcome: Callable[..., logging.LogRecord]) -> None:
    for decision in (ACK, DeadLetter(reason=Reason.REJECTED, error=raised(ValueError("no")))):
        record = outcome(decision)
        assert "card-4111" not in formatted(record)
        assert "card-4111" not in str(vars(record))


# --- log injection: what came over the wire must not write log lines of its own


def test_ids_and_types_cannot_write_lines(outcome: Callable[..., logging.LogRecord]) -> None:
    record = outcome(ACK, of=event(id=EVIL, type=EVIL, key=EVIL), to=delivery(entry_id=EVIL.encode()[:1] + b"-\xff"))
    said = formatted(record) + record.bus_type + record.bus_event_id + record.bus_key  # type: ignore[attr-defined]
    assert not any(end in said for end in LINE_ENDS)
    assert "all is lost" in record.bus_type  # type: ignore[attr-defined]


def test_the_texts_of_errors_cannot_write_lines(outcome: Callable[..., logging.LogRecord]) -> None:
    for decision in (
        RetryLater(wait_s=1, error=ValueError(EVIL)),
        DeadLetter(reason=Reason.REJECTED, error=ValueError(EVIL)),
        DeadLetter(reason=Reason.UNDECODABLE, error=UnreadableEntry(Reason.UNDECODABLE, EVIL)),
    ):
        said = formatted(outcome(decision))
        assert not any(end in said for end in LINE_ENDS)


def chained() -> BaseException:
    error = ValueError("harmless")
    error.__cause__ = raised(KeyError("also harmless"))
    error.__cause__.__context__ = ValueError(EVIL)
    return error


def noted() -> BaseException:
    error = ValueError("harmless")
    error.add_note(EVIL)
    return error


@pytest.mark.parametrize(
    "error",
    [ValueError(EVIL), chained(), noted(), ExceptionGroup("several", [ValueError("a"), ValueError(EVIL)])],
    ids=["text", "cause", "note", "group"],
)
def test_tracebacks_cannot_write_lines_that_pass_for_ours(
    outcome: Callable[..., logging.LogRecord], error: BaseException
) -> None:
    # Given a traceback that quotes what came over the wire, deep down
    said = formatted(outcome(DeadLetter(reason=Reason.EXHAUSTED, error=raised(error))))
    # Then it is there, and each of its lines is marked as a part of it
    first, *rest = said.split("\n")
    assert first.startswith("ERROR events:order")
    assert rest
    assert all(line.startswith("    | ") for line in rest)
    assert "all is lost" in said
    assert not any(end in said for end in LINE_ENDS[1:])


def test_an_error_that_causes_itself_is_logged(outcome: Callable[..., logging.LogRecord]) -> None:
    one, two = ValueError("one"), ValueError("two")
    one.__cause__, two.__cause__ = two, one
    assert "one" in formatted(outcome(DeadLetter(reason=Reason.EXHAUSTED, error=raised(one))))


def test_what_is_long_is_cut(outcome: Callable[..., logging.LogRecord]) -> None:
    record = outcome(ACK, of=event(id="x" * 10_000, type="y" * 10_000))
    assert len(record.bus_type) == len(record.bus_event_id) == 300  # type: ignore[attr-defined]
    assert len(outcome(RetryLater(wait_s=1, error=ValueError("z" * 10_000))).getMessage()) < 500
