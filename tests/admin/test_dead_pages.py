"""The pages of dead letters: which streams have some, the list of one, one of them, and a file of them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from django_redis_bus.admin import dead_export
from tests.operations.ward import TOPIC, Ward

from .conftest import RIGHTS, Staff
from .verbs import STREAM, confirm, hidden, records

At = Callable[..., str]
Declare = Callable[..., Any]


def test_the_first_page_says_how_many_each_stream_has(staff: Staff, at: At, ward: Ward, declare: Declare) -> None:
    declare(TOPIC)
    declare("events:login")
    ward.dead(3)
    text = staff("see_bus").get(at("dead")).content.decode()
    assert at("dead", bus="default", **STREAM).replace("&", "&amp;") in text
    assert "<b>3</b>" in text
    assert "events:login" in text


def test_the_list_shows_why_and_is_filtered(staff: Staff, at: At, ward: Ward) -> None:
    [one] = ward.dead(error="ValueError: <i>no</i>")
    [other] = ward.dead(reason="rejected", error="Reject: \x1b[31mnever")
    client = staff("see_bus", "see_payloads")
    text = client.get(at("dead", **STREAM)).content.decode()
    assert "ValueError: &lt;i&gt;no&lt;/i&gt;" in text
    assert "Reject: �[31mnever" in text
    for query, found, missing in (
        ({"reason": "rejected"}, other, one),
        ({"text": "valueerror"}, one, other),
        ({"group": "billing", "reason": "exhausted"}, one, other),
    ):
        text = client.get(at("dead", **STREAM, **query)).content.decode()
        assert f"id={found}" in text
        assert f"id={missing}" not in text
    assert "No dead letter matches" in client.get(at("dead", **STREAM, type="none")).content.decode()


def test_the_filter_proposes_the_groups_and_types_that_are_declared(
    staff: Staff, at: At, ward: Ward, declare: Declare
) -> None:
    @declare(TOPIC).handler(group="billing", types=["shop.order.created"])
    def charge(event: object) -> None: ...

    text = staff("see_bus").get(at("dead", **STREAM)).content.decode()
    assert '<option value="billing"></option>' in text
    assert '<option value="shop.order.created"></option>' in text


def test_one_letter_whole_for_who_may_see_payloads(staff: Staff, at: At, ward: Ward) -> None:
    [dead_id] = ward.dead(traceback="Traceback\n  <card 4111>", error="ValueError: 4111")
    address = at("dead_letter", **STREAM, id=dead_id)
    text = staff("see_bus", "see_payloads").get(address).content.decode()
    assert "Traceback\n  &lt;card 4111&gt;" in text
    assert "&quot;id&quot;: 0" in text
    hidden_from = staff("see_bus", "operate_bus", "destroy_bus").get(address).content.decode()
    assert "4111" not in hidden_from
    assert "&quot;id&quot;: 0" not in hidden_from
    assert "ValueError" in hidden_from
    assert "hidden from you" in hidden_from


def test_only_what_somebody_may_do_is_offered(staff: Staff, at: At, ward: Ward) -> None:
    [dead_id] = ward.dead()
    address = at("dead_letter", **STREAM, id=dead_id)
    for rights, offered in (
        (("see_bus",), []),
        (("see_bus", "operate_bus"), ["redrive"]),
        (("see_bus", "destroy_bus"), ["discard"]),
        (RIGHTS, ["redrive", "discard"]),
    ):
        text = staff(*rights).get(address).content.decode()
        assert re.findall(r'name="act" value="(\w+)"', text) == offered
        assert ("Edit a copy" in text) is (rights == RIGHTS)


@pytest.mark.parametrize("dead_id", ["1-1", "*", "<b>"])
def test_a_letter_that_is_not_there_is_told_within_the_console(staff: Staff, at: At, ward: Ward, dead_id: str) -> None:
    for route in ("dead_letter", "dead_edit"):
        answer = staff(*RIGHTS).get(at(route, **STREAM, id=dead_id))
        assert answer.status_code == 404
        assert "it may have been redriven or discarded" in answer.content.decode()
        assert f'href="{at("dead", bus="default")}"' in answer.content.decode()


def test_all_that_match_and_nothing_that_came_later(staff: Staff, at: At, ward: Ward) -> None:
    ward.dead(2)
    [rejected] = ward.dead(reason="rejected")
    client, address = staff(*RIGHTS), at("dead_act", **STREAM, reason="exhausted")
    asked = client.post(address, {"act": "discard", "all": "1"}).content.decode()
    assert "Discard 2 dead letters?" in asked
    [later] = ward.dead()
    answer = client.post(address, hidden(asked) | {"confirmed": "1"}, follow=True)
    assert set(ward.letters()) == {rejected, later}
    assert answer.redirect_chain == [(at("dead", bus="default", **STREAM, reason="exhausted"), 302)]
    assert "reason='exhausted'" in records()[0].change_message


def test_all_that_match_is_no_oracle_for_what_is_hidden(staff: Staff, at: At, ward: Ward) -> None:
    ward.dead(error="ValueError: card 4111")
    client, address = staff("see_bus", "operate_bus", "destroy_bus"), at("dead_act", **STREAM, text="4111")
    answer = client.post(address, {"act": "discard", "all": "1"}, follow=True)
    assert "nothing that was chosen is there any more" in answer.content.decode()
    client.post(address, {"act": "discard", "all": "1", "confirmed": "1"})
    assert len(ward.letters()) == 1


def test_redriven_letters_go_to_their_group_alone(staff: Staff, at: At, ward: Ward) -> None:
    [entry_id] = ward.read()
    [dead_id] = ward.bury(entry_id)
    ward.make_group("mail", start="$")
    confirm(staff(*RIGHTS), at("dead_act", **STREAM), {"act": "redrive", "id": dead_id})
    assert list(ward.pending()) == [entry_id]
    assert ward.client.xpending(ward.key, "mail")["pending"] == 0
    assert ward.letters() == {}


def test_a_letter_whose_group_is_gone_is_left_alone(staff: Staff, at: At, ward: Ward) -> None:
    [dead_id] = ward.dead()
    ward.client.xgroup_destroy(ward.key, ward.group)
    answer = confirm(staff(*RIGHTS), at("dead_act", **STREAM), {"act": "redrive", "id": dead_id})
    assert "the group no longer exists" in answer.content.decode()
    assert list(ward.letters()) == [dead_id]


# --- export


def test_an_export_is_a_file_of_json_lines(staff: Staff, at: At, ward: Ward) -> None:
    letters = ward.dead(2, error='=HYPERLINK("http://x")')
    ward.dead(reason="rejected")
    answer = staff("see_bus", "see_payloads").post(at("dead_export", **STREAM, reason="exhausted"))
    lines = answer.content.decode().splitlines()
    assert len(lines) == 2
    assert all(line.startswith("{") for line in lines)
    assert all(dead_id in answer.content.decode() for dead_id in letters)
    assert json.loads(lines[0])
    assert answer.headers["Content-Type"].startswith("application/x-ndjson")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="dead-letters-events-order.jsonl"'
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    [record] = records()
    assert record.change_message == "export all that match reason='exhausted': 2 exported"


def test_an_export_is_asked_for_by_its_button(staff: Staff, at: At, ward: Ward) -> None:
    ward.dead()
    client = staff(*RIGHTS)
    assert "Export" in client.get(at("dead", **STREAM)).content.decode()
    assert client.get(at("dead_export", **STREAM)).status_code == 405


def test_only_who_may_see_payloads_may_export(staff: Staff, at: At, ward: Ward) -> None:
    ward.dead()
    client = staff("see_bus", "operate_bus", "destroy_bus")
    assert client.post(at("dead_export", **STREAM)).status_code == 403
    assert "Export" not in client.get(at("dead", **STREAM)).content.decode()


def test_a_hostile_name_makes_no_header_of_its_own(staff: Staff, at: At, ward: Ward) -> None:
    answer = staff(*RIGHTS).post(at("dead_export", stream='a"\r\nSet-Cookie: x=y;é/../b'))
    assert answer.headers["Content-Disposition"] == 'attachment; filename="dead-letters-a-Set-Cookie-x-y-..-b.jsonl"'
    assert not answer.cookies


def test_an_export_that_is_too_large_is_refused_and_not_cut(
    staff: Staff, at: At, ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_export, "EXPORT_BYTES", 1_000)
    ward.dead(5)
    answer = staff(*RIGHTS).post(at("dead_export", **STREAM))
    assert answer.status_code == 400
    assert "bus_dead export" in answer.content.decode()
