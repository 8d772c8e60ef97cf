"""What outbox and inbox hide from who may not see payloads, whatever he asks in the address."""

from __future__ import annotations

from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from django.urls import reverse

from django_redis_bus import bus
from django_redis_bus.models import InboxEvent, OutboxEvent
from django_redis_bus.outbox import rows
from django_redis_bus.outbox.rows import now_ms
from django_redis_bus.outbox.states import State

from .conftest import RIGHTS, Staff

OUTBOX = "admin:django_redis_bus_outboxevent_changelist"
INBOX = "admin:django_redis_bus_inboxevent_changelist"
BLIND = tuple(right for right in RIGHTS if right != "see_payloads")
SECRET = "4111-SECRET"


@pytest.fixture
def parked(db: None, declare: Callable[..., Any]) -> int:
    """The id of a row that failed, with a secret in its payload and in its error."""
    declare("events:order")
    message = bus.message("events:order", {"card": SECRET}, type="order.made")
    [row] = rows.store("default", [message], using="default", moment_ms=now_ms())
    OutboxEvent.objects.filter(pk=row.id).update(state=State.PARKED, error=f"shop.errors.Refused: {SECRET}")
    return int(row.id)


@pytest.mark.parametrize(
    "query",
    ["fields__regex=4111", "fields__contains=4111", "fields__gt=a", "fields=1", "error__startswith=shop", "error=x",
     "order_key__gt=1", "id__gt=0", "state__in=3", "state__isnull=1", "bus__gt=a", "type__regex=.", "nothing=1"],
)  # fmt: skip
def test_no_column_is_asked_but_as_the_filters_do(staff: Staff, parked: int, query: str) -> None:
    answer = staff(*BLIND).get(f"{reverse(OUTBOX)}?{query}")
    assert answer.status_code == 400
    assert "order.made" not in answer.content.decode()


def test_of_the_inbox_neither(staff: Staff, db: None) -> None:
    InboxEvent.objects.create(digest="b" * 32, group="mail", event_id="e2", handled_ms=1)
    client = staff("see_bus")
    assert client.get(f"{reverse(INBOX)}?digest__startswith=b").status_code == 400
    assert client.get(f"{reverse(INBOX)}?group=mail").status_code == 200


@pytest.mark.parametrize(
    "query", ["state__exact=x", f"state__exact={'9' * 5000}", "bus=a%00b", "type=%ff", "q=%00", "p=x", "o=9.-9", "all="]
)
def test_odd_values_break_nothing(staff: Staff, parked: int, query: str) -> None:
    assert staff(*RIGHTS).get(f"{reverse(OUTBOX)}?{query}", follow=True).status_code in (200, 400)


@pytest.mark.parametrize("chosen", ["x", "9" * 5000, "1\x00"])
def test_a_row_that_is_none_is_refused(staff: Staff, parked: int, chosen: str) -> None:
    data = {"action": "retry_parked", "_selected_action": chosen, "index": "0"}
    assert staff(*RIGHTS).post(reverse(OUTBOX), data).status_code == 400


@pytest.mark.parametrize("until", ["9" * 5000, "²", "-1"])
def test_a_bound_that_is_none_is_found_anew(staff: Staff, parked: int, until: str) -> None:
    data = {"action": "retry_parked", "_selected_action": str(parked), "index": "0", "until": until}
    answer = staff(*RIGHTS).post(reverse(OUTBOX), data)
    assert "Try 1 parked event again?" in answer.content.decode()


def test_an_error_says_only_its_class_to_who_may_see_no_payloads(staff: Staff, parked: int) -> None:
    addresses = [reverse(OUTBOX), reverse("admin:django_redis_bus_outboxevent_change", args=[parked])]
    blind, seeing = staff(*BLIND), staff(*RIGHTS)
    for address in addresses:
        hidden_from, shown = (unescape(each.get(address).content.decode()) for each in (blind, seeing))
        assert SECRET not in hidden_from
        assert "shop.errors.Refused" in hidden_from
        assert f"shop.errors.Refused: {SECRET}" in shown


def test_an_error_without_a_class_says_nothing_of_itself(staff: Staff, parked: int) -> None:
    OutboxEvent.objects.update(error=SECRET)
    text = staff(*BLIND).get(reverse(OUTBOX)).content.decode()
    assert SECRET not in text
    assert "It could not be published." in text
