"""The page of pending entries, and what is done from it."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from django_redis_bus.admin import acts
from django_redis_bus.admin.pending_acts import RETRY
from django_redis_bus.operations import acting, pending
from django_redis_bus.operations.dead import OPERATOR
from django_redis_bus.operations.values import Count
from tests.operations.ward import ALIVE, DEAD, TOPIC, Ward

from .conftest import RIGHTS, Staff
from .verbs import GROUP, confirm, hidden, records

At = Callable[..., str]


def test_each_entry_with_its_state_owner_and_error(staff: Staff, at: At, ward: Ward) -> None:
    [waits] = ward.waiting(error="ValueError: <b>no</b> \x1b[31mcard")
    [silent] = ward.silent()
    text = staff("see_bus", "see_payloads").get(at("pending", **GROUP)).content.decode()
    assert waits in text
    assert silent in text
    assert "ValueError: &lt;b&gt;no&lt;/b&gt; �[31mcard" in text
    assert DEAD in text
    assert 'name="id"' not in text  # nothing to be ticked by who may do nothing


def test_who_may_not_see_payloads_sees_only_the_class_of_an_error(staff: Staff, at: At, ward: Ward) -> None:
    ward.waiting(error="ValueError: card 4111")
    client = staff("see_bus", "operate_bus")
    text = client.get(at("pending", **GROUP)).content.decode()
    assert "ValueError" in text
    assert "4111" not in text
    assert "No pending entry matches" in client.get(at("pending", **GROUP, error="4111")).content.decode()


def test_only_the_acts_that_somebody_may_do_are_offered(staff: Staff, at: At, ward: Ward) -> None:
    ward.waiting()
    operates = staff("see_bus", "operate_bus").get(at("pending", **GROUP)).content.decode()
    destroys = staff("see_bus", "destroy_bus").get(at("pending", **GROUP)).content.decode()
    assert re.findall(r'name="act" value="(\w+)"', operates) == ["retry", "claim", "bury"]
    assert re.findall(r'name="act" value="(\w+)"', destroys) == ["ack"]


def test_without_a_group_one_is_chosen(staff: Staff, at: At, ward: Ward) -> None:
    ward.waiting()
    ward.make_group("mail<b>")
    text = staff("see_bus").get(at("pending", stream=TOPIC)).content.decode()
    assert "Of which group?" in text
    assert "mail&lt;b&gt;" in text
    assert "mail<b>" not in text


def test_a_group_or_a_filter_that_is_none_is_said(staff: Staff, at: At, ward: Ward) -> None:
    ward.waiting()
    client = staff("see_bus")
    for query in ({"group": "bill"}, {"group": "billing", "state": "happy"}, {"group": "billing", "idle": "nan"}):
        answer = client.get(at("pending", stream=TOPIC, **query))
        assert answer.status_code == 400


def test_all_that_match_keeps_the_filter(staff: Staff, at: At, ward: Ward) -> None:
    # Given three of two kinds
    ward.waiting(2, error="ValueError: no")
    [other] = ward.waiting(error="KeyError: 'x'")
    client = staff(*RIGHTS)
    address = at("pending_act", **GROUP, error="valueerror")
    # When all that match are discarded
    asked = client.post(address, {"act": "ack", "all": "1"}).content.decode()
    assert "Discard 2 pending entries?" in asked
    assert "error: valueerror" in asked
    answer = client.post(address, hidden(asked) | {"confirmed": "1"})
    # Then the other is there, and the filter as well
    assert list(ward.pending()) == [other]
    assert answer.headers["Location"] == at("pending", bus="default", **GROUP, error="valueerror")
    [record] = records()
    assert "error='valueerror'" in record.change_message


def test_what_came_while_somebody_read_the_question_is_not_included(staff: Staff, at: At, ward: Ward) -> None:
    ward.waiting(2)
    client = staff(*RIGHTS)
    form = hidden(client.post(at("pending_act", **GROUP), {"act": "ack", "all": "1"}).content.decode())
    [later] = ward.waiting()
    client.post(at("pending_act", **GROUP), form | {"confirmed": "1"})
    assert list(ward.pending()) == [later]


def test_what_runs_is_left_alone_and_that_is_said(staff: Staff, at: At, ward: Ward) -> None:
    [runs], [waits] = ward.running(), ward.waiting()
    answer = confirm(staff(*RIGHTS), at("pending_act", **GROUP), {"act": "ack", "id": [runs, waits, "1-1"]})
    text = answer.content.decode()
    assert "1 entry is settled." in text
    assert "1 is running just now and was left alone." in text
    assert "1 is no longer there: somebody, or a consumer, was quicker." in text
    assert list(ward.pending()) == [runs]
    assert "2 left alone" not in records()[0].change_message
    assert "1 left alone (running)" in records()[0].change_message


def test_more_than_one_go_can_do_is_gone_on_with(
    staff: Staff, at: At, ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given more than are acted on in one go
    monkeypatch.setattr(acting, "AT_ONCE", 2)
    monkeypatch.setattr(pending, "PAGE", 2)
    ward.waiting(5)
    client, address = staff(*RIGHTS), at("pending_act", **GROUP)
    answer = confirm(client, address, {"act": "ack", "all": "1"})
    # When it is gone on with, as often as it is offered
    goes = 1
    while b">Go on<" in answer.content:
        answer = client.post(address, hidden(answer.content.decode()) | {"confirmed": "1"}, follow=True)
        goes += 1
        assert goes < 6
    # Then
    assert ward.pending() == {}
    assert goes >= 3
    assert len(records()) == goes


def test_a_form_that_is_wrong_is_asked_for_again(staff: Staff, at: At, ward: Ward) -> None:
    [waits] = ward.waiting()
    client = staff(*RIGHTS)
    data = {"act": "claim", "id": waits}
    answer = client.post(at("pending_act", **GROUP), data | {"to": "nobody", "confirmed": "1"})
    assert "Select a valid choice" in answer.content.decode()
    assert ward.pending()[waits][0] == ALIVE
    assert records() == []


def test_nothing_can_be_claimed_for_nobody(staff: Staff, at: At, ward: Ward) -> None:
    [waits] = ward.waiting()
    ward.client.xgroup_createconsumer(ward.key, ward.group, OPERATOR)
    asked = staff(*RIGHTS).post(at("pending_act", **GROUP), {"act": "claim", "id": waits}).content.decode()
    assert f'<option value="{ALIVE}">' in asked
    assert OPERATOR not in asked


def test_who_buries_and_why_stands_in_the_dead_letter(staff: Staff, at: At, ward: Ward) -> None:
    [waits] = ward.waiting()
    confirm(staff(*RIGHTS), at("pending_act", **GROUP), {"act": "bury", "id": waits}, why="lost <card>")
    [letter] = ward.letters().values()
    assert b"by user0: lost <card>" in letter[b"dead_error"]


def test_nothing_chosen_is_nothing_done(staff: Staff, at: At, ward: Ward) -> None:
    ward.waiting()
    client = staff(*RIGHTS)
    answer = client.post(at("pending_act", **GROUP), {"act": "ack"}, follow=True)
    assert "no entry was chosen" in answer.content.decode()
    answer = client.post(at("pending_act", **GROUP, error="nowhere"), {"act": "ack", "all": "1"}, follow=True)
    assert "nothing that was chosen is there any more" in answer.content.decode()
    assert records() == []


def test_what_is_no_id_no_act_and_no_place_is_refused(staff: Staff, at: At, ward: Ward) -> None:
    ward.waiting()
    client = staff(*RIGHTS)
    for data in (
        {"act": "ack", "id": "*"},
        {"act": "drop", "id": "1-1"},
        {"act": "ack", "all": "1", "until": "+"},
        {"act": "ack", "id": "1-1", "after": "- +"},
        {"act": "ack", "id": [f"{n}-0" for n in range(1_001)]},
    ):
        assert client.post(at("pending_act", **GROUP), data).status_code == 400


def test_a_number_that_counting_stopped_at_is_said_to_be_the_least() -> None:
    assert acts.shown(RETRY.question, Count(10_000, at_least=True)) == "Retry at least 10,000 pending entries now?"
