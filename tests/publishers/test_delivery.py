"""DELIVERY: when events leave, in how many round trips, and which never do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import pytest
from django.db import connection, transaction

from django_redis_bus import buses
from django_redis_bus.sending import Sender
from django_redis_bus.testing import capture_events
from tests.app.models import Order, Tag

from .conftest import Configure

Data = Callable[[], list[Any]]


class Rollback(Exception):
    """Ends an atomic block."""


@contextmanager
def rolled_back() -> Iterator[None]:
    try:
        with transaction.atomic():
            yield
            raise Rollback
    except Rollback:
        pass


@pytest.fixture(params=["on_commit", "outbox"])
def delivery(request: pytest.FixtureRequest) -> str:
    """What waits for the commit: what reaches the stream is the same."""
    return str(request.param)


@pytest.fixture
def saved(publisher: Configure, delivery: str) -> Callable[..., None]:
    publisher(DELIVERY=delivery, FIELDS=["status"])

    def save(*statuses: str) -> None:
        for status in statuses:
            Order.objects.create(status=status)

    return save


@pytest.fixture
def trips(events: list[Any]) -> Iterator[list[int]]:
    """How many messages each round trip carried."""
    carried: list[int] = []
    attempt = Sender.attempt

    def counted(self: Sender, messages: Any, deadline_s: float | None = None) -> Any:
        carried.append(len(messages))
        return attempt(self, messages, deadline_s)

    with mock.patch.object(Sender, "attempt", counted):
        yield carried


@pytest.fixture
def statuses(data: Data) -> Callable[[], list[str]]:
    return lambda: [each["status"] for each in data()]


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
class TestOnCommit:
    def test_nothing_leaves_before_the_commit(self, saved: Any, statuses: Data, trips: list[int]) -> None:
        with transaction.atomic():
            saved("a", "b", "c")
            assert statuses() == []
        assert statuses() == ["a", "b", "c"]
        assert trips == [3]

    def test_without_a_transaction_a_save_is_one_send(self, saved: Any, statuses: Data, trips: list[int]) -> None:
        saved("a")
        assert statuses() == ["a"]
        saved("b")
        assert trips == [1, 1]

    def test_a_rolled_back_change_is_no_event(self, saved: Any, statuses: Data) -> None:
        with rolled_back():
            saved("a")
        saved("b")
        assert statuses() == ["b"]

    def test_a_rolled_back_savepoint_takes_its_own_events(self, saved: Any, statuses: Data) -> None:
        with transaction.atomic():
            saved("a")
            with rolled_back():
                saved("lost")
                with transaction.atomic():
                    saved("lost as well")
            saved("b")
            with transaction.atomic():
                saved("c")
                with rolled_back():
                    saved("lost too")
                saved("d")
            saved("e")
        assert statuses() == ["a", "b", "c", "d", "e"]

    def test_what_was_released_goes_with_the_block_around_it(self, saved: Any, statuses: Data) -> None:
        with transaction.atomic():
            saved("a")
            with rolled_back():
                for status in ("lost 1", "lost 2", "lost 3"):
                    with transaction.atomic():
                        saved(status)
                saved("lost 4")
            saved("b")
        assert statuses() == ["a", "b"]

    def test_a_savepoint_per_row_is_still_few_round_trips(self, saved: Any, statuses: Data, trips: list[int]) -> None:
        expected = [str(i) for i in range(20)]
        with transaction.atomic():
            for status in expected:
                with transaction.atomic():
                    saved(status)
                    with transaction.atomic():
                        Order.objects.get_or_create(status=status)
        assert statuses() == expected
        assert len(trips) <= 2

    def test_the_last_row_can_still_be_rolled_back(self, saved: Any, statuses: Data) -> None:
        with transaction.atomic():
            for i in range(6):
                try:
                    with transaction.atomic():
                        saved(str(i))
                        if i % 2:
                            raise Rollback
                except Rollback:
                    pass
        assert statuses() == ["0", "2", "4"]

    def test_blocks_without_savepoint(self, saved: Any, statuses: Data, trips: list[int]) -> None:
        with transaction.atomic():
            saved("a")
            with transaction.atomic(savepoint=False):
                saved("b")
            saved("c")
        assert statuses() == ["a", "b", "c"]
        assert trips == [3]

    def test_other_callbacks_keep_their_place(self, saved: Any, statuses: Data) -> None:
        seen: list[list[str]] = []
        with transaction.atomic():
            saved("a")
            transaction.on_commit(lambda: seen.append(statuses()))
            saved("b")
        assert seen == [["a"]]
        assert statuses() == ["a", "b"]

    def test_a_callback_that_fails_earlier_stops_nothing_if_it_is_robust(
        self, saved: Any, statuses: Data, caplog: pytest.LogCaptureFixture
    ) -> None:
        with transaction.atomic():
            transaction.on_commit(lambda: 1 // 0, robust=True)
            saved("a")
        assert statuses() == ["a"]

    def test_the_database_of_the_save_decides(self, saved: Any, statuses: Data) -> None:
        # Given transactions on both databases
        with transaction.atomic(), transaction.atomic(using="other"):
            # When a row is saved on one of them
            Order(status="a").save(using="other")
            assert statuses() == []
        assert statuses() == ["a"]
        with transaction.atomic(using="other"):
            Order(status="b").save(using="other")
            saved("c")  # on default, which has no transaction
            assert statuses() == ["a", "c"]
        assert statuses() == ["a", "c", "b"]

    def test_what_is_sent_is_what_was_saved(self, saved: Any, statuses: Data) -> None:
        with transaction.atomic():
            order = Order.objects.create(status="saved")
            order.status = "changed later, never saved"
        assert statuses() == ["saved"]

    def test_a_deletion_knows_its_key_at_commit(self, publisher: Configure, data: Data, delivery: str) -> None:
        publisher(DELIVERY=delivery, ACTIONS=["deleted"])
        with transaction.atomic():
            order = Order.objects.create()
            pk = order.pk
            order.delete()
        assert data() == [{"id": pk}]

    def test_all_events_of_a_transaction_leave_in_order(
        self, bus_settings: Any, events: list[Any], trips: list[int], delivery: str
    ) -> None:
        # Given publishers of two models on two buses
        entry = {"DELIVERY": delivery, "TOPIC": "events:order"}
        streams: dict[str, Any] = {"events:order": {}}
        orders = entry | {"MODEL": "tests_app.Order", "ACTIONS": ["created", "m2m_changed"]}
        tags = entry | {"MODEL": "tests_app.Tag"}
        eu = {"LOCATION": buses["default"].config.location, "STREAMS": streams, "PUBLISHERS": {"tags": tags}}
        bus_settings(STREAMS=streams, PUBLISHERS={"orders": orders, "tags": tags}, others={"eu": eu})
        # When both are saved in one transaction
        with transaction.atomic():
            order = Order.objects.create()
            tag = Tag.objects.create(name="a")
            order.tags.add(tag)
        # Then each bus gets one batch, in the order of what happened
        sent = [(captured.bus, captured.event.type.removeprefix("tests_app.")) for captured in events]
        assert [what for bus, what in sent if bus == "default"] == ["order.created", "tag.created", "order.m2m_changed"]
        assert [what for bus, what in sent if bus == "eu"] == ["tag.created"]
        assert sorted(trips) == [1, 3]

    @pytest.mark.parametrize("delivery", ["on_commit"])
    def test_a_transaction_that_is_managed_by_hand_cannot_wait(
        self, saved: Any, statuses: Data, caplog: pytest.LogCaptureFixture
    ) -> None:
        transaction.set_autocommit(False)
        try:
            saved("a")
            transaction.commit()
        finally:
            transaction.set_autocommit(True)
        assert statuses() == []
        assert "on_commit() cannot be used in manual transaction management" in caplog.text
        assert Order.objects.count() == 1

    def test_immediate_does_not_wait(self, publisher: Configure, statuses: Data) -> None:
        publisher(DELIVERY="immediate", FIELDS=["status"])
        with rolled_back():
            Order.objects.create(status="a")
            assert statuses() == ["a"]


@pytest.mark.django_db
class TestInATestCase:
    """Where the transaction of the test never commits."""

    def test_each_capture_sees_its_own_events(
        self, saved: Any, statuses: Data, django_capture_on_commit_callbacks: Any
    ) -> None:
        saved("before")
        with django_capture_on_commit_callbacks(execute=True):
            saved("a", "b")
        with django_capture_on_commit_callbacks(execute=True):
            saved("c")
            with transaction.atomic():
                saved("d", "e")
        with django_capture_on_commit_callbacks(execute=True):
            saved("f")
        assert statuses() == ["a", "b", "c", "d", "e", "f"]

    def test_blocks_of_the_test_are_transactions(
        self, saved: Any, statuses: Data, trips: list[int], django_capture_on_commit_callbacks: Any
    ) -> None:
        with django_capture_on_commit_callbacks(execute=False):
            Order.objects.update_or_create(pk=1, defaults={"status": "never sent"})
        with django_capture_on_commit_callbacks(execute=True):
            Order.objects.update_or_create(pk=2, defaults={"status": "a"})
            Order.objects.update_or_create(pk=3, defaults={"status": "b"})
            with transaction.atomic():
                for i in range(4, 8):
                    Order.objects.update_or_create(pk=i, defaults={"status": "c"})
        assert statuses() == ["a", "b", "c", "c", "c", "c"]
        assert trips[:2] == [1, 1]
        assert len(trips) <= 4

    def test_two_captures_in_one_block(
        self, saved: Any, statuses: Data, django_capture_on_commit_callbacks: Any
    ) -> None:
        with transaction.atomic():
            with django_capture_on_commit_callbacks(execute=True):
                saved("a")
            with django_capture_on_commit_callbacks(execute=True):
                saved("b")
        assert statuses() == ["a", "b"]

    def test_what_was_sent_is_not_captured_again(self, saved: Any, django_capture_on_commit_callbacks: Any) -> None:
        with capture_events() as captured:
            with django_capture_on_commit_callbacks(execute=True):
                saved("a")
            saved("held back")
        assert [each.event.data["status"] for each in captured] == ["a", "held back"]

    def test_a_rolled_back_block(self, saved: Any, statuses: Data, django_capture_on_commit_callbacks: Any) -> None:
        with django_capture_on_commit_callbacks(execute=True):
            with rolled_back():
                saved("lost")
            saved("a")
        assert statuses() == ["a"]
        assert connection.in_atomic_block
