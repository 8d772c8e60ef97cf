"""What must not be shown stays out of every text that a failure leaves behind."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest

from django_redis_bus.core.events import Event
from django_redis_bus.core.handlers import Router
from django_redis_bus.core.policy import ACK, Decision, Reject, Retry
from django_redis_bus.core.ports import Delivery
from django_redis_bus.core.reading import EntryReader
from django_redis_bus.core.redaction import REDACTED, Redaction
from django_redis_bus.middleware import Middleware
from django_redis_bus.middleware.logging import Logging
from django_redis_bus.runtime.dispatch import Dispatcher
from django_redis_bus.runtime.settling import ERROR_CHARS, TRACEBACK_CHARS, describe, trace
from tests.core.examples import reader as plain_reader
from tests.runtime.examples import delivery, handler

SECRET = "ann@example.com"
DATA = b'{"id": 7, "email": "ann@example.com", "lines": [{"price": "99.95"}]}'
PATHS = ("email", "lines[].price")

Fail = Callable[[Any], Any]


def dispatcher(*handlers: Any, middleware: Any = (), reader: EntryReader | None = None, paths: Any = PATHS) -> Any:
    read = reader or plain_reader()
    return Dispatcher(read, Router(handlers), list(middleware), lambda: 0.0, Redaction(paths, read.plain_data))


def sync(fn: Fail, **options: Any) -> Decision:
    return dispatcher(handler(fn, retry=options.pop("retry", Retry())), **options).run(delivery(data=DATA))  # type: ignore[no-any-return]


def on_a_loop(fn: Fail, **options: Any) -> Decision:
    async def coroutine(event: Any) -> None:
        fn(event)

    made = dispatcher(handler(coroutine, is_async=True, retry=options.pop("retry", Retry())), **options)
    return asyncio.run(made.arun(delivery(data=DATA)))


def in_a_batch(fn: Fail, **options: Any) -> Decision:
    made = dispatcher(handler(lambda events: fn(events[0]), batch=5, retry=options.pop("retry", Retry())), **options)
    [(_, decision)] = made.run_batch([delivery(data=DATA)])
    return decision


Run = Callable[..., Any]


@pytest.fixture(params=[sync, on_a_loop, in_a_batch])
def run(request: pytest.FixtureRequest) -> Run:
    """Run one event through a handler of each kind."""
    return request.param  # type: ignore[no-any-return]


def texts(decision: Any) -> str:
    """What Redis keeps of a failure."""
    return describe(decision.error, decision.scrub) + "\n" + trace(decision.error, decision.scrub)


def quoting(event: Event[Any]) -> None:
    try:
        raise KeyError(event.data["email"])
    except KeyError as cause:
        error = ValueError(f"no account for {event.data['email']}, {event.data['lines'][0]!r}")
        error.add_note(f"asked for {event.data['email'].upper()}")
        raise error from cause


def test_errors_their_causes_and_notes_are_scrubbed(run: Run) -> None:
    said = texts(run(quoting))
    assert f"ValueError: no account for {REDACTED}, {{'price': '{REDACTED}'}}" in said
    assert f"KeyError: '{REDACTED}'" in said
    assert f"asked for {REDACTED}" in said
    assert "quoting" in said
    assert SECRET not in said.lower()
    assert "99.95" not in said


def test_without_paths_nothing_is_done(run: Run) -> None:
    def fail(event: Event[Any]) -> None:
        raise ValueError(event.data["email"])

    decision = sync(fail, paths=("id",))
    assert SECRET in texts(decision)
    read = plain_reader()
    plain = Dispatcher(read, Router([handler(fail)]), [], lambda: 0.0).run(delivery(data=DATA))
    assert SECRET in texts(plain)
    assert plain.scrub is str  # type: ignore[union-attr]


def test_a_success_is_just_an_ack(run: Run) -> None:
    assert run(lambda event: None) is ACK


def test_what_a_handler_changed_is_hidden_all_the_same(run: Run) -> None:
    def fail(event: Event[Any]) -> None:
        email = event.data.pop("email")
        event.data["lines"].clear()
        raise ValueError(f"{email} 99.95")

    assert describe((decision := run(fail)).error, decision.scrub) == f"ValueError: {REDACTED} {REDACTED}"


def test_a_secret_at_the_edge_of_what_is_kept(run: Run) -> None:
    # Given errors so long that the cut goes through the secret: half of it would not be recognised
    def fail(event: Event[Any]) -> None:
        raise ValueError("x" * (ERROR_CHARS - 20) + event.data["email"] + "y" * (TRACEBACK_CHARS - 8) + "\nend")

    decision = run(fail)
    assert "ann" not in describe(decision.error, decision.scrub)
    assert "com" not in trace(decision.error, decision.scrub)[:100]


def test_the_errors_of_a_batch_quote_any_of_its_events() -> None:
    def fail(events: list[Event[Any]]) -> None:
        raise ValueError(" ".join(event.data["email"] for event in events))

    def fail_one(events: list[Event[Any]]) -> list[Exception | None]:
        return [None, ValueError(f"like {events[0].data['email']}")]

    deliveries = [delivery(number, data=b'{"email": "person-%d@b"}' % number) for number in (1, 2)]
    done = dispatcher(handler(fail, batch=5)).run_batch(deliveries)
    assert {describe(d.error, d.scrub) for _, d in done} == {f"ValueError: {REDACTED} {REDACTED}"}
    (_, first), (_, second) = dispatcher(handler(fail_one, batch=5)).run_batch(deliveries)
    assert first is ACK
    assert describe(second.error, second.scrub) == f"ValueError: like {REDACTED}"


# --- entries that cannot be read


class Order(msgspec.Struct):
    id: int
    email: str


def test_an_error_of_an_upcaster_is_scrubbed(run: Run) -> None:
    def step(data: dict[str, Any]) -> dict[str, Any]:
        raise ValueError(f"what is {data['email']}?")

    reader = plain_reader(Order, version=2)
    reader.payloads.upcasters[1] = step
    decision = run(lambda event: None, reader=reader)
    assert decision.reason == "invalid_payload"
    assert f"ValueError('what is {REDACTED}?')" in describe(decision.error, decision.scrub)
    assert SECRET not in texts(decision)


@pytest.mark.parametrize(
    "fields",
    [
        {"data": b"{not json"},
        {"data": b"\xff\xfe"},
        {"content__type": b"image/png"},
        {"content__encoding": b"deflate", "data": b"nonsense"},
        {"data": None},
    ],
    ids=str,
)
def test_an_entry_without_readable_data_is_still_a_dead_letter(fields: dict[str, bytes | None]) -> None:
    made = dispatcher(handler(lambda event: 1 / 0), reader=plain_reader(Order))
    decision: Any = made.run(delivery(**({"data": DATA} | fields)))  # type: ignore[arg-type]
    assert decision.reason in ("undecodable", "invalid_payload")
    assert describe(decision.error, decision.scrub)


def test_a_foreign_entry_is_scrubbed() -> None:
    def fail(event: Event[Any]) -> None:
        raise ValueError(event.data.pop("email"))

    decision: Any = dispatcher(handler(fail)).run(Delivery(b"1-0", [b"email", SECRET.encode(), b"id", b"7"]))
    assert describe(decision.error, decision.scrub) == f"ValueError: {REDACTED}"


# --- the log


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Callable[[], str]:
    """All that was logged, as a handler writes it."""
    caplog.set_level(logging.DEBUG)
    return lambda: "\n".join(logging.Formatter("%(levelname)s %(message)s").format(r) for r in caplog.records)


@pytest.mark.parametrize("retry", [Retry(), Retry(max_attempts=1)], ids=["retried", "dead"])
def test_the_log_shows_none_of_it(run: Run, logged: Callable[[], str], retry: Retry) -> None:
    run(quoting, middleware=[Logging()], retry=retry)
    said = logged()
    assert REDACTED in said
    assert SECRET not in said.lower()
    assert "99.95" not in said
    # and a traceback is marked line by line
    if retry.max_attempts == 1:
        assert "\n    | Traceback" in said


def test_a_traceback_without_secrets_stays_one(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    def fail(event: Event[Any]) -> None:
        raise ValueError("harmless")

    run(fail, middleware=[Logging()], retry=Retry(max_attempts=1))
    [record] = caplog.records
    assert record.exc_info is not None


def test_a_rejection_is_scrubbed(run: Run, logged: Callable[[], str]) -> None:
    def reject(event: Event[Any]) -> None:
        raise Reject(f"{event.data['email']} is gone")

    decision = run(reject, middleware=[Logging()])
    assert describe(decision.error, decision.scrub) == f"Reject: {REDACTED} is gone"
    assert f"is a dead letter (rejected): {REDACTED} is gone" in logged()
    assert SECRET not in logged()


def test_the_error_of_a_middleware_shows_none_of_it(run: Run, logged: Callable[[], str]) -> None:
    class Careless(Middleware):
        def failed(self) -> None:
            raise RuntimeError("while another error was handled")

        async def afailed(self) -> None:
            self.failed()

        def outcome(self, handler: Any, event: Any, *rest: Any) -> None:
            raise RuntimeError(f"cannot count {event.data['email']}")

    for fn in (quoting, lambda event: None):
        run(fn, middleware=[Careless()])
    said = logged()
    assert said.count(f"cannot count {REDACTED}") == 2
    assert "while another error was handled" in said
    assert SECRET not in said.lower()


def test_what_surrounds_the_handler_is_scrubbed_too(run: Run) -> None:
    class Picky(Middleware):
        @contextmanager
        def around(self, event: Event[Any], handler: Any) -> Iterator[None]:
            raise ValueError(f"not {event.data['email']}")
            yield

    decision = run(lambda event: None, middleware=[Picky()])
    assert describe(decision.error, decision.scrub) == f"ValueError: not {REDACTED}"
