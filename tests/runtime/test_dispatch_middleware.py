"""Middleware around handlers: order, what is called when, and what its own failures do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest

from django_redis_bus.core.events import Event
from django_redis_bus.core.handlers import Handler
from django_redis_bus.core.policy import Reject
from django_redis_bus.middleware import Middleware
from tests.runtime.examples import delivery, dispatcher, handler, in_words

Log = list[Any]


class Noting(Middleware):
    """Writes down each hook that is called."""

    def __init__(self, name: str, log: Log) -> None:
        self.name = name
        self.log = log

    def begin(self) -> None:
        self.log.append(f"{self.name} begin")

    async def abegin(self) -> None:
        self.log.append(f"{self.name} abegin")

    @contextmanager
    def _inside(self) -> Iterator[None]:
        self.log.append(f"{self.name} in")
        try:
            yield
        finally:
            self.log.append(f"{self.name} out")

    def around(self, event: Event[Any], handler: Handler) -> AbstractContextManager[object]:
        return self._inside()

    def failed(self) -> None:
        self.log.append(f"{self.name} failed")

    async def afailed(self) -> None:
        self.log.append(f"{self.name} afailed")

    def outcome(self, handler: Any, event: Any, delivery: Any, decision: Any, seconds: float) -> None:
        assert seconds >= 0
        self.log.append(
            (self.name, handler and handler.name, event and event.id, delivery.entry_id, in_words(decision))
        )


@pytest.fixture
def log() -> Log:
    return []


def test_the_first_in_the_list_is_the_outermost(log: Log) -> None:
    one = dispatcher(
        handler(lambda event: log.append("handler"), name="h"), middleware=[Noting("a", log), Noting("b", log)]
    )
    one.begin()
    one.run(delivery())
    assert log == [
        "a begin", "b begin", "a in", "b in", "handler", "b out", "a out",
        ("a", "h", "e-1", b"1-0", "Ack"), ("b", "h", "e-1", b"1-0", "Ack"),
    ]  # fmt: skip


async def test_the_same_for_coroutines(log: Log) -> None:
    async def handle(event: object) -> None:
        log.append("handler")
        raise ValueError

    one = dispatcher(handler(handle, is_async=True), middleware=[Noting("a", log), Noting("b", log)])
    await one.abegin()
    await one.arun(delivery())
    assert log == [
        "a abegin", "b abegin", "a in", "b in", "handler", "b out", "a out", "a afailed", "b afailed",
        ("a", "handle", "e-1", b"1-0", "RetryLater 2"), ("b", "handle", "e-1", b"1-0", "RetryLater 2"),
    ]  # fmt: skip


def test_around_a_batch_once_and_an_outcome_for_each(log: Log) -> None:
    one = dispatcher(handler(lambda events: [None, Reject("no")], batch=5, name="h"), middleware=[Noting("a", log)])
    one.run_batch([delivery(1), delivery(2)])
    assert log == [
        "a in", "a out", ("a", "h", "e-1", b"1-0", "Ack"), ("a", "h", "e-1", b"2-0", "rejected"),
    ]  # fmt: skip


def test_after_a_failure_the_failed_hook(log: Log) -> None:
    def handle(event: object) -> None:
        raise Reject("no")

    dispatcher(handler(handle), middleware=[Noting("a", log)]).run(delivery())
    assert log == ["a in", "a out", "a failed", ("a", "handle", "e-1", b"1-0", "rejected")]


def test_what_never_reached_a_handler_has_an_outcome_and_no_failure(log: Log) -> None:
    one = dispatcher(handler(print, types=["other"]), middleware=[Noting("a", log)])
    one.run(delivery(1, data=b"{"))
    one.run(delivery(2))
    one.run_batch([delivery(3, data=b"{")])
    assert log == [
        ("a", None, None, b"1-0", "undecodable"),
        ("a", None, "e-1", b"2-0", "Ack"),
        ("a", None, None, b"3-0", "undecodable"),
    ]


def test_hooks_that_do_nothing_are_not_called(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given middleware that overrides one hook, and a base class that would tell of any other call
    seen: list[str] = []

    def called(*args: object) -> None:
        seen.append("a hook of the base class")

    called.is_no_op = True  # type: ignore[attr-defined]
    for hook in ("begin", "around", "failed", "outcome"):
        monkeypatch.setattr(Middleware, hook, called)

    class One(Middleware):
        def begin(self) -> None:
            seen.append("begin")

    # When a batch begins and its event fails
    one = dispatcher(handler(lambda event: 1 / 0, name="h"), middleware=[One(), Middleware()])
    one.begin()
    assert in_words(one.run(delivery())) == "RetryLater 2"
    # Then only what was overridden was called
    assert seen == ["begin"]


@pytest.mark.parametrize("others", [0, 1])
def test_a_middleware_may_have_no_context_for_an_event(log: Log, others: int) -> None:
    class Choosy(Middleware):
        def around(self, event: Event[Any], handler: Handler) -> None:
            return None

    one = dispatcher(handler(log.append), middleware=[Choosy(), *[Noting("a", log)] * others])
    assert in_words(one.run(delivery())) == "Ack"


@pytest.mark.parametrize("others", [0, 1])
@pytest.mark.parametrize("where", ["around", "enter", "exit"])
def test_a_middleware_that_fails_around_a_handler_fails_the_event(log: Log, where: str, others: int) -> None:
    # Given middleware that cannot do its work: the handler must not count as run without it
    class Failing(Middleware):
        def around(self, event: Event[Any], handler: Handler) -> AbstractContextManager[object]:
            if where == "around":
                raise ValueError(where)
            return self._context()

        @contextmanager
        def _context(self) -> Iterator[None]:
            if where == "enter":
                raise ValueError(where)
            yield
            raise ValueError(where)

    one = dispatcher(handler(lambda event: None, name="h"), middleware=[*[Noting("a", log)] * others, Failing()])
    assert in_words(one.run(delivery())) == "RetryLater 2"


class Broken(Middleware):
    """Fails where its failure is nobody's business."""

    def begin(self) -> None:
        raise ValueError("begin")

    async def abegin(self) -> None:
        raise ValueError("abegin")

    def failed(self) -> None:
        raise ValueError("failed")

    async def afailed(self) -> None:
        raise ValueError("afailed")

    def outcome(self, *args: object) -> None:
        raise ValueError("outcome")


def test_a_broken_middleware_does_not_stop_the_consumer(log: Log, caplog: pytest.LogCaptureFixture) -> None:
    def handle(event: object) -> None:
        raise Reject("no")

    one = dispatcher(handler(handle, batch=2), middleware=[Broken(), Noting("a", log)])
    one.begin()
    assert in_words(one.run(delivery())) == "rejected"
    assert [in_words(decision) for _, decision in one.run_batch([delivery(2)])] == ["rejected"]
    # Then the others are called all the same, and each trouble is told
    assert [entry[3] for entry in log if isinstance(entry, tuple)] == [b"1-0", b"2-0"]
    assert len(caplog.records) == 5


async def test_nor_on_an_event_loop(log: Log, caplog: pytest.LogCaptureFixture) -> None:
    async def handle(event: object) -> None:
        raise Reject("no")

    one = dispatcher(handler(handle, is_async=True), middleware=[Broken(), Noting("a", log)])
    await one.abegin()
    assert in_words(await one.arun(delivery())) == "rejected"
    assert len(caplog.records) == 3


@pytest.mark.parametrize(("wants", "heard"), [(True, ["Ack", "RetryLater"]), (False, ["RetryLater"])])
def test_who_does_not_want_to_hear_of_successes_hears_of_failures_alone(wants: bool, heard: list[str]) -> None:
    outcomes: list[str] = []

    class Counting(Middleware):
        def wants_acks(self) -> bool:
            return wants

        def outcome(self, handler: Any, event: Any, delivery: Any, decision: Any, seconds: float) -> None:
            outcomes.append(type(decision).__name__)

    # Given a batch of two
    answers = iter([None, ValueError()])

    def handle(event: object) -> None:
        if (error := next(answers)) is not None:
            raise error

    one = dispatcher(handler(handle), middleware=[Counting()])
    one.begin()
    # When one succeeds and one fails
    one.run(delivery())
    one.run(delivery())
    assert outcomes == heard
