"""What keeps publishers and publish() silent: muted(), switches, ENABLED."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from django_redis_bus import bus, buses
from django_redis_bus.models import OutboxEvent
from tests.app.models import Order

Declare = Callable[..., Any]


@pytest.fixture
def stored(redis_client: Any, prefix: str) -> Callable[[], list[bytes]]:
    """The data in the stream."""
    return lambda: [fields[b"data"] for _, fields in redis_client.xrange(f"{prefix}:events:order")]


@pytest.mark.django_db
class TestMuted:
    def test_nothing_is_published(self, declare: Declare, stored: Any) -> None:
        orders = declare()
        with bus.muted():
            assert orders.publish(1).state == "muted"
            assert orders.publish(1, delay=5).state == "muted"
            assert {r.state for r in bus.publish_many([(orders, 1)])} == {"muted"}  # type: ignore[union-attr]
        assert stored() == []
        assert not OutboxEvent.objects.exists()
        assert orders.publish(2).state == "added"

    async def test_async_tasks_each_have_their_own(self, declare: Declare) -> None:
        orders = declare()

        async def other() -> str:
            await asyncio.sleep(0.05)
            return (await orders.apublish(1)).state

        task = asyncio.create_task(other())
        with bus.muted():
            assert (await orders.apublish(1)).state == "muted"
            assert await task == "added"
        await bus.aclose()

    @pytest.mark.parametrize("delivery", ["immediate", "on_commit", "outbox"])
    def test_publishers_keep_silent(
        self, bus_settings: Any, stored: Any, delivery: str, django_capture_on_commit_callbacks: Any
    ) -> None:
        entry = {"MODEL": "tests_app.Order", "TOPIC": "events:order", "DELIVERY": delivery}
        bus_settings(STREAMS={"events:order": {}}, PUBLISHERS={"o": entry})
        with django_capture_on_commit_callbacks(execute=True):
            with bus.muted():
                Order.objects.create()
            assert not OutboxEvent.objects.exists()
            Order.objects.create()
        assert len(stored()) == 1

    def test_another_bus_is_not_muted(self, bus_settings: Any, server: Any, prefix: str) -> None:
        bus_settings(others={"eu": {"LOCATION": server.url, "KEY_PREFIX": prefix, "STREAMS": {"events:order": {}}}})
        with bus.muted():
            assert buses["eu"].publish("events:order", 1).state == "added"


@pytest.mark.django_db(transaction=True)
class TestSwitches:
    @pytest.fixture(autouse=True)
    def publisher(self, bus_settings: Any) -> Any:
        def make(**options: Any) -> None:
            entry = {"MODEL": "tests_app.Order", "TOPIC": "events:order", **options}
            bus_settings(STREAMS={"events:order": {}}, PUBLISHERS={"orders": entry})

        make()
        return make

    def test_a_publisher_can_be_switched_off_and_on(self, stored: Any) -> None:
        bus.disable_publisher("orders")
        Order.objects.create()
        assert stored() == []
        assert bus.disabled_publishers() == {"orders"}
        bus.enable_publisher("orders")
        Order.objects.create()
        assert len(stored()) == 1

    def test_another_process_learns_of_it_with_its_events(self, stored: Any, redis_client: Any, prefix: str) -> None:
        redis_client.sadd(f"{prefix}:publishers:off", "orders")
        Order.objects.create()
        Order.objects.create()
        assert len(stored()) == 1

    def test_the_setting(self, publisher: Any, stored: Any) -> None:
        publisher(ENABLED=False)
        Order.objects.create()
        assert stored() == []

    def test_the_command(self, capsys: pytest.CaptureFixture[str], stored: Any) -> None:
        call_command("bus_publishers", "disable", "orders")
        assert "off" in capsys.readouterr().out
        Order.objects.create()
        call_command("bus_publishers", "--json")
        assert '"state": "off"' in capsys.readouterr().out
        call_command("bus_publishers", "enable", "orders")
        assert capsys.readouterr().out == "orders  tests_app.Order  events:order  on_commit  on\n"
        assert stored() == []

    def test_a_misspelt_name(self) -> None:
        with pytest.raises(CommandError, match="Did you mean 'orders'"):
            call_command("bus_publishers", "disable", "order")
