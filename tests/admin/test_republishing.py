"""Sending again what was sent since a moment."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from django_redis_bus.admin import republishing
from django_redis_bus.models import OutboxEvent
from django_redis_bus.outbox.rows import now_ms
from django_redis_bus.outbox.states import State

from .conftest import RIGHTS, Staff
from .test_outbox import LIST, Put, put, states
from .verbs import confirm, hidden, records

__all__ = ["put"]
HOUR_MS = 3_600_000
# The page looks for the table in each of them.
pytestmark = pytest.mark.django_db(databases=["default", "other"])


def form(hours_ago: float = 2, **changes: str) -> dict[str, Any]:
    since = timezone.localtime() - timedelta(hours=hours_ago)
    return {"since": since.strftime("%Y-%m-%dT%H:%M:%S"), "of_bus": "default", "database": "default"} | changes


@pytest.fixture
def address() -> str:
    return reverse("admin:django_redis_bus_republish")


def test_what_was_sent_since_then_is_pending_again(staff: Staff, put: Put, address: str) -> None:
    # Given rows of before and after that moment, and others
    [before] = put(state=State.SENT, moment_ms=now_ms() - 3 * HOUR_MS)
    [after] = put(state=State.SENT, moment_ms=now_ms() - HOUR_MS)
    [parked] = put(state=State.PARKED, moment_ms=now_ms() - HOUR_MS)
    client = staff("see_bus", "operate_bus")
    # When
    asked = client.post(address, form()).content.decode()
    assert "Send 1 event again?" in asked
    assert states()[after] == State.SENT
    answer = client.post(address, hidden(asked) | {"confirmed": "1"}, follow=True)
    # Then
    assert "1 sent event is pending again." in answer.content.decode()
    assert answer.redirect_chain == [(reverse(LIST), 302)]
    assert states() == {before: State.SENT, after: State.PENDING, parked: State.PARKED}
    [record] = records()
    assert record.change_message.startswith("republish, 1 asked, sent from ")
    assert record.object_repr == "outbox of database default, bus default"


def test_what_is_sent_while_somebody_reads_the_question_is_not_sent_again(staff: Staff, put: Put, address: str) -> None:
    put(state=State.SENT, moment_ms=now_ms() - HOUR_MS)
    client = staff(*RIGHTS)
    posted = hidden(client.post(address, form()).content.decode())
    [later] = put(state=State.SENT, moment_ms=now_ms() + 1000)
    client.post(address, posted | {"confirmed": "1"})
    assert states()[later] == State.SENT


def test_more_than_one_go_can_do_is_gone_on_with(
    staff: Staff, put: Put, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(republishing, "AT_ONCE", 2)
    put(3, state=State.SENT, moment_ms=now_ms() - HOUR_MS)
    client = staff(*RIGHTS)
    answer = confirm(client, address, form())
    assert "Go on" in answer.content.decode()
    client.post(address, hidden(answer.content.decode()) | {"confirmed": "1"})
    assert set(states().values()) == {State.PENDING}


@pytest.mark.parametrize("changes", [{"since": "soon"}, {"of_bus": "eu"}, {"database": "nowhere"}])
def test_a_form_that_is_wrong_sends_nothing(staff: Staff, put: Put, address: str, changes: dict[str, str]) -> None:
    put(state=State.SENT, moment_ms=now_ms() - HOUR_MS)
    answer = staff(*RIGHTS).post(address, form(**changes) | {"confirmed": "1"})
    assert "bus-refused" in answer.content.decode()
    assert set(states().values()) == {State.SENT}


def test_only_who_operates_may(staff: Staff, put: Put, address: str) -> None:
    put(state=State.SENT, moment_ms=now_ms() - HOUR_MS)
    client = staff("see_bus", "see_payloads", "destroy_bus")
    assert client.get(address).status_code == 403
    assert client.post(address, form() | {"confirmed": "1"}).status_code == 403
    assert address not in client.get(reverse(LIST)).content.decode()
    assert OutboxEvent.objects.filter(state=State.SENT).count() == 1


def test_nothing_sent_since_then_is_nothing_done(staff: Staff, put: Put, address: str) -> None:
    answer = staff(*RIGHTS).post(address, form(), follow=True)
    assert "no row of that bus was sent since then" in answer.content.decode()
