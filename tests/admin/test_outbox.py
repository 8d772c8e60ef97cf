"""The outbox in Django admin: read only, cheap, and repaired with a confirmation and a record."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from django.contrib.admin.models import CHANGE, DELETION
from django.db import connections
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from django_redis_bus import bus
from django_redis_bus.admin import outbox_acts, tables
from django_redis_bus.models import OutboxEvent
from django_redis_bus.outbox import rows
from django_redis_bus.outbox.rows import now_ms
from django_redis_bus.outbox.states import State

from .conftest import RIGHTS, Staff
from .verbs import confirm, hidden, records

Put = Callable[..., list[int]]
LIST = "admin:django_redis_bus_outboxevent_changelist"


@pytest.fixture
def put(db: None, declare: Callable[..., Any]) -> Put:
    """A factory of rows: put(2, state=State.PARKED, error="…") -> ids."""
    declare("events:order", redact=["card"])

    def make(count: int = 1, *, topic: str = "events:order", **values: Any) -> list[int]:
        messages = [bus.message(topic, {"id": n, "card": "x4111"}, type="order.made") for n in range(count)]
        made = [row.id for row in rows.store("default", messages, using="default", moment_ms=now_ms())]
        OutboxEvent.objects.filter(id__in=made).update(**values)
        return made

    return make


def act(name: str, ids: list[int], **more: str) -> dict[str, Any]:
    """What the change list posts."""
    return {"action": name, "_selected_action": [str(each) for each in ids], "index": "0"} | more


def states() -> dict[int, int]:
    return dict(OutboxEvent.objects.values_list("id", "state"))


def test_rows_with_their_state_and_error_and_where_they_are(staff: Staff, put: Put) -> None:
    put(state=State.PARKED, attempts=9, error="PublishError: <b>no</b> \x1b[31m")
    text = staff("see_bus", "see_payloads").get(reverse(LIST)).content.decode()
    assert "order.made" in text
    assert "PublishError: &lt;b&gt;no&lt;/b&gt; �[31m" in text
    assert "9 attempts" in text
    assert "Rows of database “default”" in text


def test_a_row_with_its_payload_for_who_may_see_it(staff: Staff, put: Put) -> None:
    [row] = put()
    address = reverse("admin:django_redis_bus_outboxevent_change", args=[row])
    text = html.unescape(staff("see_bus", "see_payloads").get(address).content.decode())
    assert '"id": 0' in text
    assert '"card": "[redacted]"' in text
    assert "x4111" not in text
    hidden_from = html.unescape(staff("see_bus", "operate_bus").get(address).content.decode())
    assert '"id": 0' not in hidden_from
    assert "Hidden: you may not see payloads." in hidden_from


@pytest.mark.parametrize(
    ("fields", "said"),
    [(b"", "cannot be read"), (b"\xff\xff", "cannot be read"), (b"\x92\xa1a\x01", "no pairs of name and value")],
)
def test_a_row_that_cannot_be_read_says_so(staff: Staff, put: Put, fields: bytes, said: str) -> None:
    [row] = put(fields=fields)
    address = reverse("admin:django_redis_bus_outboxevent_change", args=[row])
    answer = staff(*RIGHTS).get(address)
    assert answer.status_code == 200
    assert said in answer.content.decode()


def test_a_row_of_a_bus_that_is_not_there_hides_its_payload(staff: Staff, put: Put) -> None:
    [row] = put(bus="gone")
    text = staff(*RIGHTS).get(reverse("admin:django_redis_bus_outboxevent_change", args=[row])).content.decode()
    assert "x4111" not in text
    assert "nobody can say what of this may be shown" in text


def test_nobody_adds_changes_or_deletes_by_hand(staff: Staff, put: Put) -> None:
    [row] = put(state=State.PARKED)
    client = staff(is_superuser=True)
    assert client.get(reverse("admin:django_redis_bus_outboxevent_add")).status_code == 403
    assert client.post(reverse("admin:django_redis_bus_outboxevent_change", args=[row]), {}).status_code == 403
    assert client.post(reverse("admin:django_redis_bus_outboxevent_delete", args=[row]), {}).status_code == 403
    assert "delete_selected" not in client.get(reverse(LIST)).content.decode()


def test_who_may_not_see_the_bus_sees_no_rows(staff: Staff, put: Put) -> None:
    [row] = put()
    for client in (staff(), staff("operate_bus", "destroy_bus")):
        assert client.get(reverse(LIST)).status_code == 403
        assert client.get(reverse("admin:django_redis_bus_outboxevent_change", args=[row])).status_code == 403


def test_the_list_costs_the_same_whatever_there_is(staff: Staff, put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "COUNTED", 3)
    put(8)
    client = staff("see_bus")
    with CaptureQueriesContext(connections["default"]) as said:
        text = client.get(reverse(LIST)).content.decode()
    ours = [each["sql"] for each in said if "outboxevent" in each["sql"] and "SELECT" in each["sql"]]
    counts = [sql for sql in ours if "COUNT(" in sql]
    assert counts
    assert all("LIMIT 3" in sql for sql in counts)
    assert all("DISTINCT" not in sql for sql in ours)
    assert "Only the first 3 are counted" in text


def test_filters_and_search(staff: Staff, put: Put) -> None:
    [parked] = put(state=State.PARKED)
    [other] = put(type="order.gone", bus="gone")
    client = staff("see_bus")

    def found(query: str) -> list[str]:
        text = client.get(f"{reverse(LIST)}?{query}").content.decode()
        return re.findall(r"outboxevent/(\d+)/change/", text)

    assert found("state__exact=3") == [str(parked)]
    assert found("bus=gone") == [str(other)]
    assert found("type=order.gone") == [str(other)]
    assert found("q=events:or") == [str(other), str(parked)]
    assert found(f"q={OutboxEvent.objects.get(pk=parked).event_id}") == [str(parked)]
    assert found("q=nothing") == []


def test_parked_ones_are_tried_again_and_nothing_else(staff: Staff, put: Put) -> None:
    # Given one in each state, all of them chosen
    parked, pending, sent = put(2, state=State.PARKED, attempts=9), put(), put(state=State.SENT)
    client, data = staff("see_bus", "operate_bus"), act("retry_parked", [*parked, *pending, *sent])
    # When
    asked = client.post(reverse(LIST), data).content.decode()
    assert "Try 2 parked events again?" in asked
    assert states()[parked[0]] == State.PARKED
    assert records() == []
    answer = client.post(reverse(LIST), hidden(asked) | {"confirmed": "1"}, follow=True)
    # Then
    assert "2 events are pending again." in answer.content.decode()
    assert [states()[row] for row in (*parked, *pending, *sent)] == [0, 0, 0, 2]
    assert OutboxEvent.objects.get(pk=parked[0]).attempts == 0
    [record] = records()
    assert record.change_message.startswith("retry_parked, 2 asked, rows ")
    assert record.change_message.endswith("2 done")
    assert (record.user.username, record.action_flag) == ("user0", CHANGE)


def test_parked_ones_are_deleted_by_who_may_destroy(staff: Staff, put: Put) -> None:
    parked, pending = put(2, state=State.PARKED), put()
    data = act("delete_parked", [*parked, *pending])
    answer = confirm(staff("see_bus", "destroy_bus"), reverse(LIST), data)
    assert "2 parked events are deleted." in answer.content.decode()
    assert list(states()) == pending
    assert records()[0].action_flag == DELETION


@pytest.mark.parametrize(
    ("name", "rights"),
    [("retry_parked", ("see_bus", "destroy_bus")), ("delete_parked", ("see_bus", "operate_bus"))],
)
def test_without_the_right_an_action_is_neither_offered_nor_done(
    staff: Staff, put: Put, name: str, rights: tuple[str, ...]
) -> None:
    parked = put(state=State.PARKED)
    client = staff(*rights)
    assert f'value="{name}"' not in client.get(reverse(LIST)).content.decode()
    client.post(reverse(LIST), act(name, parked, confirmed="1"))
    assert states() == {parked[0]: State.PARKED}
    assert records() == []


def test_all_that_match_and_nothing_that_came_later(staff: Staff, put: Put) -> None:
    put(2, state=State.PARKED, type="order.gone")
    other = put(state=State.PARKED)
    client, address = staff(*RIGHTS), f"{reverse(LIST)}?type=order.gone"
    first = OutboxEvent.objects.order_by("id").first()
    asked = client.post(address, act("delete_parked", [first.pk], select_across="1")).content.decode()
    assert "Delete 2 parked events?" in asked
    later = put(state=State.PARKED, type="order.gone")
    client.post(address, hidden(asked) | {"confirmed": "1"})
    assert list(states()) == [*other, *later]
    assert "type=order.gone" in records()[0].change_message


def test_more_than_one_go_can_do_is_gone_on_with(staff: Staff, put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox_acts, "AT_ONCE", 2)
    parked = put(5, state=State.PARKED)
    client = staff(*RIGHTS)
    answer = confirm(client, reverse(LIST), act("delete_parked", parked))
    goes = 1
    while b">Go on<" in answer.content and goes < 5:
        answer = client.post(reverse(LIST), hidden(answer.content.decode()) | {"confirmed": "1"}, follow=True)
        goes += 1
    assert states() == {}
    assert goes == 3


def test_nothing_parked_is_nothing_done(staff: Staff, put: Put) -> None:
    answer = staff(*RIGHTS).post(reverse(LIST), act("retry_parked", put(2)), follow=True)
    assert "none of the chosen events is parked" in answer.content.decode()
    assert records() == []


def test_a_database_without_the_table_says_what_to_run(staff: Staff, put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    client = staff("see_bus")
    monkeypatch.setattr(OutboxEvent._meta, "db_table", "nowhere")
    answer = client.get(reverse(LIST))
    assert answer.status_code == 400
    assert "manage.py migrate --database default" in answer.content.decode()


def test_a_payload_that_is_nested_too_deeply_is_said_to_be_unreadable(staff: Staff, put: Put) -> None:
    [row] = put()
    fields = [part for pair in (("ce_type", "t"), ("content-type", "application/json")) for part in pair]
    fields += ["data", "[" * 60_000 + "]" * 60_000]
    OutboxEvent.objects.filter(pk=row).update(fields=msgspec.msgpack.encode(fields))
    answer = staff(*RIGHTS).get(reverse("admin:django_redis_bus_outboxevent_change", args=[row]))
    assert "The payload cannot be read." in answer.content.decode()


def test_the_list_tells_rows_apart_by_key_and_subject_and_never_by_payload(
    staff: Staff, db: None, declare: Callable[..., Any]
) -> None:
    # Given a row with both, and one that cannot be read
    declare("events:order")
    sent = bus.message("events:order", {"card": "x4111"}, type="order.made", key="k<7>" + "k" * 200, subject="order/7")
    rows.store("default", [sent], using="default", moment_ms=now_ms())
    [broken] = rows.store("default", [sent], using="default", moment_ms=now_ms())
    OutboxEvent.objects.filter(pk=broken.id).update(fields=b"\xff")
    # When
    text = staff("see_bus").get(reverse(LIST)).content.decode()
    # Then
    assert text.count("key <bdi>k&lt;7&gt;kkk") == 1
    assert "k" * 80 not in text
    assert "subject <bdi>order/7</bdi>" in text
    assert "x4111" not in text
