"""What a page says beside the number, once something was done: where it is now, and what it still waits for."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest

from django_redis_bus.operations import pausing, replaying
from django_redis_bus.operations.dead import OPERATOR
from tests.operations.ward import ALIVE, TOPIC, Ward

from .conftest import RIGHTS, Staff
from .verbs import GROUP, STREAM, confirm

At = Callable[..., str]


def told(answer: Any) -> str:
    """Return the messages of a page, as HTML."""
    [found] = re.findall(r'<ul class="messagelist">.*?</ul>', answer.content.decode(), re.DOTALL)
    return unescape(found)


def test_a_retry_of_a_paused_group_says_that_it_waits_for_the_group(staff: Staff, at: At, ward: Ward) -> None:
    [waits] = ward.waiting()
    pausing.pause(ward.asking(), TOPIC, "billing", by="ada")
    answer = confirm(staff(*RIGHTS), at("pending_act", **GROUP), {"act": "retry", "id": waits})
    assert "1 entry is due now. The group is paused: it is tried once the group is resumed." in told(answer)
    assert "tried again now" not in told(answer)


def test_who_owns_an_entry_already_is_not_called_its_new_owner(staff: Staff, at: At, ward: Ward) -> None:
    [waits] = ward.waiting()
    answer = confirm(staff(*RIGHTS), at("pending_act", **GROUP), {"act": "claim", "id": waits}, to=ALIVE)
    assert "0 entries have a new owner." in told(answer)
    assert "1 was left alone: that consumer owns it already." in told(answer)


def test_what_only_waits_for_a_consumer_is_no_choice_for_one(staff: Staff, at: At, ward: Ward) -> None:
    ward.read(consumer=OPERATOR)
    [waits] = ward.waiting()
    text = staff(*RIGHTS).post(at("pending_act", **GROUP), {"act": "claim", "id": waits}).content.decode()
    assert f'<option value="{ALIVE}"' in text
    assert f'<option value="{OPERATOR}"' not in text


def test_the_confirmation_of_one_redrive_names_what_it_is(staff: Staff, at: At, ward: Ward) -> None:
    [letter] = ward.bury(*ward.read(ce_partitionkey="key<7>"))
    text = staff(*RIGHTS).post(at("dead_act", **STREAM), {"act": "redrive", "id": letter}).content.decode()
    facts = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", text)
    labels = [label for label, _value in facts]
    assert labels == ["Stream", "Group", "Event type", "Key", "Dead letter"]
    for value in ("billing", "key&lt;7&gt;", letter):
        assert any(value in said for _label, said in facts)
    assert "Among them" not in text


def test_the_confirmation_of_several_names_them(staff: Staff, at: At, ward: Ward) -> None:
    few, many = ward.dead(2), ward.dead(4)
    client = staff(*RIGHTS)
    text = client.post(at("dead_act", **STREAM), {"act": "redrive", "id": few}).content.decode()
    assert "These:" in text
    text = client.post(at("dead_act", **STREAM), {"act": "redrive", "id": [*few, *many]}).content.decode()
    assert "Among them:" in text


def test_after_a_redrive_one_gets_to_where_it_is_now(staff: Staff, at: At, ward: Ward) -> None:
    [letter] = ward.dead()
    answer = confirm(staff(*RIGHTS), at("dead_act", **STREAM), {"act": "redrive", "id": letter})
    assert f'<a href="{at("pending", bus="default", **GROUP)}"' in told(answer)
    assert "What fails again comes back here" in told(answer)


def test_after_a_discard_nothing_is_said_to_come_back(staff: Staff, at: At, ward: Ward) -> None:
    [letter] = ward.dead()
    answer = confirm(staff(*RIGHTS), at("dead_act", **STREAM), {"act": "discard", "id": letter})
    assert "comes back" not in told(answer)


@pytest.mark.parametrize("is_alive", [True, False])
def test_a_replay_that_nobody_carries_out_is_told_before_and_after(
    staff: Staff, at: At, ward: Ward, is_alive: bool
) -> None:
    # Given a group whose consumer may have gone
    ward.read(2)
    ward.client.hset(ward.keys.groups, "billing", ward.now_ms() - (0 if is_alive else 3_600_000))
    client = staff(*RIGHTS)
    # When
    asked = client.post(at("replay", **GROUP), {"act": "replay", "whence": "all"}).content.decode()
    answer = confirm(client, at("replay", **GROUP), {"act": "replay", "whence": "all"}).content.decode()
    # Then
    for text in (asked, answer):
        assert ("nothing moves until one is" in text) is not is_alive


def test_why_a_replay_ended_before_its_time_is_said(staff: Staff, at: At, ward: Ward) -> None:
    ward.read(2)
    replaying.start(ward.asking(), TOPIC, replaying.plan(ward.asking(), TOPIC, "billing", "all"), by="ada")
    ward.client.hset(ward.keys.replay, mapping={"over": 1, "trouble": "its <rate> is none", "done": 1})
    client = staff("see_bus")
    for page in ("replay", "stream"):
        text = client.get(at(page, **GROUP)).content.decode()
        assert "its &lt;rate&gt; is none" in text
        assert "ended before its time" in text
