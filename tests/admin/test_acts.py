"""Every verb: nothing on GET, nothing without a token or the right, a confirmation with the number, a record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import DatabaseError
from django.test import Client
from django.urls import resolve

from django_redis_bus.admin import audit
from tests.operations.ward import TOPIC, Ward

from .conftest import RIGHTS, Staff
from .verbs import PUBLISH, VERBS, Verb, confirm, held, hidden, records, state

Declare = Callable[..., Any]
each_verb = pytest.mark.parametrize("verb", [*VERBS, PUBLISH], ids=str)


@pytest.fixture(autouse=True)
def declared(declare: Declare) -> None:
    declare(TOPIC)


@each_verb
def test_a_get_changes_nothing(verb: Verb, staff: Staff, ward: Ward) -> None:
    # Given an operator who may do it
    data = verb.given(ward)
    before = state(ward)
    # When somebody makes him follow a link that says all that is needed
    answer = staff(*verb.rights).get(verb.address(), data | verb.also | {"confirmed": "1"} | verb.query)
    # Then
    assert answer.status_code in (200, 405)
    assert state(ward) == before
    assert records() == []


@each_verb
def test_nothing_is_done_without_a_token(verb: Verb, person: Callable[..., Any], ward: Ward) -> None:
    data = verb.given(ward)
    before = state(ward)
    client = Client(enforce_csrf_checks=True)
    client.force_login(person(*verb.rights, is_staff=True))
    assert client.post(verb.address(), data | verb.also | {"confirmed": "1"}).status_code == 403
    assert state(ward) == before
    assert records() == []


@each_verb
def test_nothing_is_done_without_the_right(verb: Verb, staff: Staff, ward: Ward) -> None:
    # Given somebody with every right but this one
    data = verb.given(ward)
    before = state(ward)
    client = staff(*(right for right in RIGHTS if right != verb.needs))
    # When he asks, and when he claims to have confirmed
    asked = client.post(verb.address(), data)
    confirmed = client.post(verb.address(), data | verb.also | {"confirmed": "1"})
    # Then
    assert (asked.status_code, confirmed.status_code) == (403, 403)
    assert state(ward) == before
    assert records() == []


@each_verb
def test_it_is_confirmed_with_its_number_before_anything_is_done(verb: Verb, staff: Staff, ward: Ward) -> None:
    data = verb.given(ward)
    before = state(ward)
    answer = staff(*verb.rights).post(verb.address(), data)
    text = answer.content.decode()
    assert answer.status_code == 200
    assert verb.question in text
    assert TOPIC in text
    assert "What happens" in text
    assert 'name="confirmed"' in text
    assert "csrfmiddlewaretoken" in text
    assert state(ward) == before
    assert records() == []


@each_verb
def test_it_is_done_told_and_recorded(verb: Verb, staff: Staff, ward: Ward) -> None:
    data = verb.given(ward)
    before = state(ward)
    client = staff(*verb.rights)
    answer = confirm(client, verb.address(), data, **verb.also)
    assert verb.answer in answer.content.decode()
    assert state(ward) != before
    [record] = records()
    assert record.change_message.startswith(f"{verb.name}, ")
    assert " asked" in record.change_message
    assert record.change_message.endswith(verb.record)
    assert (record.user.username, record.action_flag, record.content_type.model) == ("user0", verb.flag, verb.model)
    assert record.object_repr.startswith(TOPIC)
    assert record.object_repr.endswith("bus default")


@each_verb
def test_confirmed_twice_is_done_once(verb: Verb, staff: Staff, ward: Ward) -> None:
    # Given a confirmation that two operators have open
    data = verb.given(ward)
    ada, bob = staff(*verb.rights), staff(*verb.rights)
    form = hidden(ada.post(verb.address(), data).content.decode()) | verb.also | {"confirmed": "1"}
    # When both confirm
    ada.post(verb.address(), form)
    after = held(ward)
    answer = bob.post(verb.address(), form, follow=True)
    # Then nothing is doubled or lost, and each has his own record, if he did something
    assert answer.status_code == 200
    assert held(ward) == after
    assert {record.user.username for record in records()} <= {"user0", "user1"}


@each_verb
def test_what_cannot_be_recorded_is_not_done(
    verb: Verb, staff: Staff, ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = verb.given(ward)
    before = state(ward)

    def fails(*args: Any, **values: Any) -> None:
        raise DatabaseError("the disk is full")

    client = staff(*verb.rights)
    monkeypatch.setattr(LogEntry.objects, "create", fails)
    answer = confirm(client, verb.address(), data, **verb.also)
    assert "could not be written to the admin" in answer.content.decode()
    assert state(ward) == before


@each_verb
def test_the_record_waits_for_no_commit_that_the_act_might_not_live_to_see(verb: Verb) -> None:
    assert "default" in resolve(verb.address().partition("?")[0]).func._non_atomic_requests


def test_a_record_that_cannot_be_completed_leaves_what_was_done(
    staff: Staff, ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    verb = VERBS[0]
    data = verb.given(ward)

    def fails(*args: Any, **values: Any) -> None:
        raise DatabaseError("the disk is full")

    monkeypatch.setattr(LogEntry, "save", lambda self, **options: fails() if options.get("update_fields") else None)
    monkeypatch.setattr(LogEntry.objects, "create", lambda **values: LogEntry(**values))
    answer = confirm(staff(*verb.rights), verb.address(), data)
    assert verb.answer in answer.content.decode()


def test_a_record_is_bounded_whatever_it_is_about(rf: Any, person: Callable[..., Any]) -> None:
    request = rf.post("/")
    request.user = person("see_bus")
    record = audit.Record(request, audit.LogEntry, "x\x1b[31m" * 1000, "retry\n" * 1000)
    record.end("e" * 100_000)
    [entry] = records()
    assert len(entry.object_repr) == audit.REPR_CHARS
    assert len(entry.object_id) == audit.ID_CHARS
    assert len(entry.change_message) == audit.MESSAGE_CHARS
    assert entry.object_repr.isprintable()
    assert entry.change_message.isprintable()
