"""One delivery, one decision, whatever the entry or the handler does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from django_redis_bus.core.events import Event
from django_redis_bus.core.policy import ACK, DeadLetter, Reject, Retry, RetryLater
from django_redis_bus.core.ports import Delivery
from tests.core.examples import OrderData
from tests.runtime.examples import delivery, dispatcher, handler, in_words

Run = Callable[[Callable[[Any], Any], Delivery], Any]


def sync(fn: Callable[[Any], Any], what: Delivery, **options: Any) -> Any:
    return dispatcher(handler(fn), **options).run(what)


def on_a_loop(fn: Callable[[Any], Any], what: Delivery, **options: Any) -> Any:
    async def coroutine(event: Any) -> None:
        await asyncio.sleep(0)
        fn(event)

    return asyncio.run(dispatcher(handler(coroutine, is_async=True), **options).arun(what))


def in_a_batch(fn: Callable[[Any], Any], what: Delivery, **options: Any) -> Any:
    def batch(events: list[Any]) -> None:
        [event] = events
        fn(event)

    [(whose, decision)] = dispatcher(handler(batch, batch=10), **options).run_batch([what])
    assert whose is what
    return decision


@pytest.fixture(params=[sync, on_a_loop, in_a_batch])
def run(request: pytest.FixtureRequest) -> Run:
    """One delivery through a handler of each kind."""
    return request.param


def raising(error: BaseException) -> Callable[[Any], None]:
    def handle(event: object) -> None:
        raise error

    return handle


def test_returning_is_an_ack_and_the_handler_has_the_event(run: Run) -> None:
    seen: list[Event[Any]] = []
    assert run(seen.append, delivery(5, attempt=2)) is ACK
    [event] = seen
    assert (event.data, event.type, event.entry_id, event.attempt) == ({"id": 7}, "shop.order.created", "5-0", 2)


def test_what_a_handler_returns_does_not_matter(run: Run) -> None:
    assert run(lambda event: False, delivery()) is ACK


@pytest.mark.parametrize(
    ("error", "decision"),
    [
        (ValueError("x"), "RetryLater 2"),
        (Retry(after=30), "RetryLater 30"),
        (Reject("never"), "rejected"),
        (RecursionError(), "RetryLater 2"),
        (MemoryError(), "RetryLater 2"),
        (StopIteration(), "RetryLater 2"),
        (ExceptionGroup("several", [ValueError()]), "RetryLater 2"),
        (SystemExit(1), "RetryLater 2"),
        (GeneratorExit(), "RetryLater 2"),
    ],
)
def test_raising_is_decided_by_the_policy(run: Run, error: BaseException, decision: str) -> None:
    assert in_words(run(raising(error), delivery())) == decision


def test_the_last_attempt_is_the_last(run: Run) -> None:
    assert in_words(run(raising(ValueError()), delivery(attempt=2))) == "RetryLater 4"
    assert in_words(run(raising(ValueError()), delivery(attempt=3))) == "exhausted"


@pytest.mark.parametrize(
    ("flat", "reason"),
    [
        ([], "undecodable"),
        ([b"a"], "undecodable"),
        (delivery(data=b"\x80\x04").fields, "undecodable"),
        (delivery(data=b'{"more":' + b"[" * 5_000).fields, "undecodable"),
        (delivery(data=b'{"id":"x"}').fields, "invalid_payload"),
        (delivery(data=b" " * 2_000_000).fields, "too_large"),
        (delivery(ce_type=b"order.v9").fields, "unknown_version"),
    ],
)
def test_an_unreadable_entry_is_a_dead_letter_and_no_handler_sees_it(run: Run, flat: list[bytes], reason: str) -> None:
    seen: list[object] = []
    decision = run(seen.append, Delivery(b"1-0", flat), payload=OrderData)  # type: ignore[call-arg]
    assert in_words(decision) == reason
    assert seen == []


def test_an_entry_whose_runs_ended_with_the_process_is_not_run_once_more(run: Run) -> None:
    # Given a policy of three attempts, and a fourth delivery whose runs before died with their process
    seen: list[object] = []
    decision = run(seen.append, delivery(attempt=4, redelivered=True, crashes=3))
    # Then user code is not called
    assert in_words(decision) == "crashed"
    assert in_words(run(seen.append, delivery(attempt=4, redelivered=True))) == "exhausted"
    assert seen == []
    assert run(seen.append, delivery(attempt=3, redelivered=True, crashes=2)) is ACK


def test_each_type_has_its_handler_and_the_rest_is_acked_unseen() -> None:
    seen: list[str] = []
    both = dispatcher(
        handler(lambda event: seen.append("created"), types=["shop.order.created"], name="a"),
        handler(lambda event: seen.append("paid"), types=["shop.order.paid"], name="b"),
    )
    decisions = [both.run(delivery(ce_type=t)) for t in (b"shop.order.paid", b"shop.order.created", b"shop.order.lost")]
    assert decisions == [ACK] * 3
    assert seen == ["paid", "created"]


def test_an_unreadable_entry_is_a_dead_letter_also_where_nobody_wants_its_type() -> None:
    one = dispatcher(handler(print, types=["other"]))
    assert in_words(one.run(delivery(data=b"{"))) == "undecodable"


# --- batches


def test_a_batch_handler_takes_lists_of_its_size_in_order() -> None:
    seen: list[list[int]] = []
    one = dispatcher(handler(lambda events: seen.append([e.data for e in events]), batch=3, name="h"))
    done = one.run_batch([delivery(n, data=b"%d" % n) for n in range(1, 8)])
    assert seen == [[1, 2, 3], [4, 5, 6], [7]]
    assert [decision for _, decision in done] == [ACK] * 7


def test_a_batch_may_say_how_each_went() -> None:
    def handle(events: list[Event[Any]]) -> list[BaseException | None]:
        return [None, ValueError("later"), Reject("never"), None]

    deliveries = [delivery(n) for n in range(1, 5)]
    done = dispatcher(handler(handle, batch=10)).run_batch(deliveries)
    assert [whose for whose, _ in done] == deliveries
    assert [in_words(decision) for _, decision in done] == ["Ack", "RetryLater 2", "rejected", "Ack"]


@pytest.mark.parametrize("said", [[], [None], [None] * 3, "ab", ["ok", "ok"], [None, True], 7, {}, iter([None, None])])
def test_a_batch_that_says_something_else_has_failed_as_a_whole(said: Any) -> None:
    done = dispatcher(handler(lambda events: said, batch=10, name="h")).run_batch([delivery(1), delivery(2)])
    assert [in_words(decision) for _, decision in done] == ["RetryLater 2", "RetryLater 2"]
    assert all(isinstance(d, RetryLater) and isinstance(d.error, TypeError) for _, d in done)
    assert all("batch handler h " in str(d.error) for _, d in done if isinstance(d, RetryLater | DeadLetter))


def test_a_batch_that_raises_has_failed_as_a_whole_and_is_then_run_one_by_one() -> None:
    # Given a batch with one bad event
    seen: list[list[int]] = []

    def handle(events: list[Event[Any]]) -> None:
        seen.append([event.data for event in events])
        if 2 in seen[-1]:
            raise ValueError("two")

    one = dispatcher(handler(handle, batch=10))
    done = one.run_batch([delivery(n, data=b"%d" % n) for n in (1, 2, 3)])
    assert [in_words(decision) for _, decision in done] == ["RetryLater 2"] * 3
    # When it comes again
    done = one.run_batch([delivery(n, data=b"%d" % n, attempt=2, redelivered=True) for n in (1, 2, 3)])
    # Then the good ones pass
    assert seen == [[1, 2, 3], [1], [2], [3]]
    assert [in_words(decision) for _, decision in done] == ["Ack", "RetryLater 4", "Ack"]


def test_a_suspect_runs_alone() -> None:
    seen: list[int] = []
    one = dispatcher(handler(lambda events: seen.append(len(events)), batch=10, name="h"))
    one.run_batch([delivery(1), delivery(2, solo=True), delivery(3)])
    assert sorted(seen) == [1, 2]


def test_what_cannot_be_read_does_not_spoil_the_batch() -> None:
    seen: list[int] = []
    one = dispatcher(handler(lambda events: seen.append(len(events)), batch=10, name="h"))
    bad = [Delivery(b"2-0", []), Delivery(b"3-0", [b"odd"]), delivery(4, data=b"{")]
    done = one.run_batch([delivery(1), *bad, delivery(5)])
    assert seen == [2]
    assert {whose.entry_id: in_words(decision) for whose, decision in done} == {
        b"1-0": "Ack", b"2-0": "undecodable", b"3-0": "undecodable", b"4-0": "undecodable", b"5-0": "Ack",
    }  # fmt: skip


def test_batch_handlers_of_a_group_have_their_own_batches() -> None:
    seen: list[tuple[str, int]] = []
    one = dispatcher(
        handler(lambda events: seen.append(("a", len(events))), types=["a"], batch=2, name="a"),
        handler(lambda events: seen.append(("b", len(events))), types=["b"], batch=5, name="b"),
    )
    types = [b"a", b"b", b"a", b"c", b"a", b"b"]
    done = one.run_batch([delivery(n, ce_type=t) for n, t in enumerate(types)])
    assert sorted(seen) == [("a", 1), ("a", 2), ("b", 2)]
    assert len(done) == 6


async def test_cancelling_is_passed_on_only_when_the_consumer_ends() -> None:
    # Given a handler that is cut off, or that met somebody else's cancelled task
    async def handle(event: object) -> None:
        raise asyncio.CancelledError

    one = dispatcher(handler(handle, is_async=True))
    assert in_words(await one.arun(delivery())) == "RetryLater 2"
    one.closing = True
    with pytest.raises(asyncio.CancelledError):
        await one.arun(delivery())


def test_a_def_that_returns_a_coroutine_has_done_nothing_and_fails() -> None:
    # Given a decorator that hides that its function is async
    async def charge(event: Event[Any]) -> None: ...

    def wrapped(event: Event[Any]) -> Any:
        return charge(event)

    # Then returning is no success
    decision = sync(wrapped, delivery())
    assert isinstance(decision, RetryLater)
    assert "returned an awaitable" in str(decision.error)


def test_ctrl_c_in_the_main_thread_is_for_the_person_who_pressed_it() -> None:
    with pytest.raises(KeyboardInterrupt):
        sync(raising(KeyboardInterrupt()), delivery())
