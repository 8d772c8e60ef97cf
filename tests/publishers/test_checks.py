"""One test per id of checks/publishers.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.checks import CheckMessage

from django_redis_bus.checks.publishers import check_publishers
from django_redis_bus.conf import configs

Check = Callable[..., list[CheckMessage]]
HERE = "tests.publishers.examples"


@pytest.fixture
def check(bus_settings: Any) -> Check:
    """Return what the checks say about one entry, of Order unless told otherwise."""

    def run(**entry: Any) -> list[CheckMessage]:
        if not {"MODEL", "SIGNAL"} & entry.keys():
            entry["MODEL"] = "tests_app.Order"
        bus_settings(
            STREAMS={"events:order": {}, "tenant:{tenant}:orders": {}},
            CHANNELS={"chat:{room}": {}},
            PUBLISHERS={"p": {"TOPIC": "events:order"} | {k: v for k, v in entry.items() if v is not None}},
        )
        return check_publishers(configs())

    return run


def one(messages: list[CheckMessage], id: str, key: str | None, *hints: str) -> CheckMessage:
    """Assert that there is one message, with this id, about this key, whose hint says all of `hints`."""
    [message] = messages
    assert message.id == f"bus.{id}"
    place = "REDIS_BUS['default']['PUBLISHERS']['p']" + (f"[{key!r}]" if key else "")
    assert message.msg.startswith(place + " ")
    assert message.hint
    for hint in hints:
        assert hint in message.hint
    return message


@pytest.mark.parametrize(
    "entry",
    [
        {},
        {
            "FIELDS": ["id", "pk", "customer", "customer_id", "status"],
            "ONLY_IF_CHANGED": ["status"],
            "KEY": "customer.name",
            "TOPIC": "tenant:{customer.name}:orders",
            "ACTIONS": ["created", "updated", "deleted", "m2m_changed"],
            "WHEN": f"{HERE}.is_paid",
            "TYPE": "orders.{action}",
        },
        {"FIELDS": "__all__", "DELIVERY": "immediate"},
        {"EXCLUDE": ["extra"], "KEY": "pk"},
        {"PAYLOAD": f"{HERE}.order_payload"},
        {"SIGNAL": f"{HERE}.paid", "SENDER": f"{HERE}.Till", "FIELDS": ["amount"], "WHEN": f"{HERE}.is_large"},
        {"SIGNAL": "django.db.models.signals.post_delete", "SENDER": "tests_app.Order"},
        {"SIGNAL": f"{HERE}.paid", "TOPIC": "tenant:{tenant}:orders", "PAYLOAD": f"{HERE}.login_payload"},
    ],
    ids=str,
)
def test_good_entries(check: Check, entry: dict[str, Any]) -> None:
    assert check(**entry) == []


def test_e101_neither_or_both(check: Check) -> None:
    assert "neither" in one(check(MODEL=None, SIGNAL=None), "E101", None, "MODEL", "SIGNAL").msg
    both = check(MODEL="tests_app.Order", SIGNAL="django.db.models.signals.post_save")
    assert "both" in one(both, "E101", None).msg


def test_e102_unknown_model(check: Check) -> None:
    one(check(MODEL="tests_app.Ordr"), "E102", "MODEL", "Did you mean 'tests_app.Order'?")
    one(check(MODEL="Order"), "E102", "MODEL", "app_label.Model")
    one(check(MODEL="shop.models.Order"), "E102", "MODEL", "app_label.Model")


@pytest.mark.parametrize("key", ["FIELDS", "EXCLUDE"])
def test_e103_unknown_field(check: Check, key: str) -> None:
    message = one(check(**{key: ["id", "totl"]}), "E103", key, "Did you mean 'total'?", "status, total")
    assert "'totl'" in message.msg


def test_e104_fields_and_exclude(check: Check) -> None:
    one(check(FIELDS=["id"], EXCLUDE=["status"]), "E104", "EXCLUDE", "EXCLUDE alone")
    one(check(FIELDS="__all__", EXCLUDE=["status"]), "E104", "EXCLUDE")


@pytest.mark.parametrize(("name", "kind"), [("tags", "many-to-many"), ("lines", "reverse"), ("giftorder", "reverse")])
def test_e105_not_a_column(check: Check, name: str, kind: str) -> None:
    assert kind in one(check(FIELDS=[name]), "E105", "FIELDS", "PAYLOAD").msg


def test_e106_unknown_action(check: Check) -> None:
    one(check(ACTIONS=["created", "update"]), "E106", "ACTIONS", "Did you mean 'updated'?")


def test_e107_bad_dotted_path(check: Check) -> None:
    one(check(PAYLOAD=f"{HERE}.order_paylod"), "E107", "PAYLOAD", "Did you mean 'order_payload'?")
    one(check(WHEN="tests.publishers.nowhere.is_paid"), "E107", "WHEN", "module")
    one(check(WHEN="is_paid"), "E107", "WHEN", "dotted path")
    one(check(SIGNAL="django.contrib.auth.signals.logged_in"), "E107", "SIGNAL", "Did you mean 'user_logged_in'?")
    one(check(SIGNAL=f"{HERE}.paid", SENDER="tests_app.Ordr"), "E107", "SENDER", "Did you mean 'tests_app.Order'?")


def test_e108_not_callable_or_no_signal(check: Check) -> None:
    one(check(PAYLOAD=f"{HERE}.not_callable"), "E108", "PAYLOAD", "def payload(instance, action)")
    one(check(WHEN=f"{HERE}.not_callable"), "E108", "WHEN", "def when(instance, action)")
    one(check(SIGNAL=f"{HERE}.order_payload"), "E108", "SIGNAL", "Signal")


def test_e109_payload_with_fields(check: Check) -> None:
    one(check(PAYLOAD=f"{HERE}.order_payload", FIELDS=["id"]), "E109", "FIELDS", "Keep one")
    one(check(PAYLOAD=f"{HERE}.order_payload", EXCLUDE=["id"]), "E109", "EXCLUDE", "Keep one")


def test_e110_only_if_changed_unknown_field(check: Check) -> None:
    one(check(ONLY_IF_CHANGED=["stats"]), "E110", "ONLY_IF_CHANGED", "Did you mean 'status'?")


def test_e111_undeclared_topic(check: Check) -> None:
    one(check(TOPIC="events:ordr"), "E111", "TOPIC", "Stream('events:ordr') or Channel('events:ordr')", "Did you mean")
    one(check(TOPIC="events:{status}"), "E111", "TOPIC")


def test_a_placeholder_fits_whatever_its_type(check: Check, declare_channel: Any) -> None:
    declare_channel("support:{ticket}", parameters={"ticket": int})
    assert check(TOPIC="support:{pk}") == check(TOPIC="support:7") == []
    one(check(TOPIC="support:open"), "E111", "TOPIC")
    one(check(TOPIC="suport:{pk}"), "E111", "TOPIC", "Did you mean 'support:{ticket}'?")


def test_e112_a_live_message_cannot_wait_in_the_outbox(check: Check) -> None:
    for topic in ("chat:{status}", "chat:lobby"):
        one(check(TOPIC=topic, DELIVERY="outbox"), "E112", "DELIVERY", "'on_commit'")
        assert check(TOPIC=topic, DELIVERY="on_commit") == []
        assert check(TOPIC=topic, DELIVERY="immediate") == []


def test_e113_placeholder_that_the_model_lacks(check: Check) -> None:
    one(check(TOPIC="tenant:{custmer.name}:orders"), "E113", "TOPIC", "Did you mean 'customer'?")


def test_e115_unknown_delivery(check: Check) -> None:
    one(check(DELIVERY="on_comit"), "E115", "DELIVERY", "Did you mean 'on_commit'?")


def test_e116_keys_of_the_other_kind(check: Check) -> None:
    one(check(SENDER="tests_app.Order"), "E116", "SENDER", "remove it")
    one(check(SIGNAL=f"{HERE}.paid", FIELDS="__all__"), "E116", "FIELDS", "one by one")
    one(check(SIGNAL=f"{HERE}.paid", EXCLUDE=["id"]), "E116", "EXCLUDE")
    one(check(SIGNAL=f"{HERE}.paid", ONLY_IF_CHANGED=["id"]), "E116", "ONLY_IF_CHANGED")
    one(check(SIGNAL=f"{HERE}.paid", CHANGES=True), "E116", "CHANGES")


def test_e117_key_that_the_model_lacks(check: Check) -> None:
    one(check(KEY="custmer.name"), "E117", "KEY", "Did you mean 'customer'?")


def test_e118_wrong_arguments(check: Check) -> None:
    one(check(PAYLOAD=f"{HERE}.takes_nothing"), "E118", "PAYLOAD", "def takes_nothing(instance, action)")
    one(check(PAYLOAD=f"{HERE}.asynchronous"), "E118", "PAYLOAD", "def asynchronous(instance, action)")
    signal = check(SIGNAL=f"{HERE}.paid", WHEN=f"{HERE}.takes_nothing")
    one(signal, "E118", "WHEN", "def takes_nothing(sender, **kwargs)")


def test_e119_no_topic_name(check: Check) -> None:
    one(check(TOPIC="events order"), "E119", "TOPIC", "events:order")
    one(check(TOPIC="events:{}"), "E119", "TOPIC", "events:order")


def test_e120_type_placeholders(check: Check) -> None:
    one(check(TYPE="orders.{}"), "E120", "TYPE", "{action}")
    one(check(TYPE="orders.{status"), "E120", "TYPE", "{action}")
    one(check(TYPE="orders.{statu}"), "E113", "TYPE", "Did you mean 'status'?")
    assert not check(TYPE="orders.{status}.{action}")


def test_w101_m2m_changed_without_such_a_field(check: Check) -> None:
    entry = {"MODEL": "tests_app.Tag", "ACTIONS": ["created", "m2m_changed"]}
    one(check(**entry), "W101", "ACTIONS", "declares the field")


def test_w102_only_if_changed_without_updates(check: Check) -> None:
    one(check(ONLY_IF_CHANGED=["status"], ACTIONS=["created"]), "W102", "ONLY_IF_CHANGED", '"updated"')


def test_w103_deletions_of_everything(check: Check) -> None:
    one(check(SIGNAL="django.db.models.signals.post_delete"), "W103", "SIGNAL", "SENDER")
    assert check(SIGNAL="django.db.models.signals.post_save") == []


def test_w104_models_that_send_no_signals(check: Check) -> None:
    one(check(MODEL="tests_app.Order_tags"), "W104", "MODEL", "m2m_changed")


def test_w105_saves_by_signal_into_the_outbox(check: Check) -> None:
    entry = {"SIGNAL": "django.db.models.signals.post_save", "SENDER": "tests_app.Order", "FIELDS": ["instance.pk"]}
    one(check(**entry, DELIVERY="outbox"), "W105", "SIGNAL", '"MODEL"')
    assert check(**entry) == []


def test_several_mistakes_are_several_messages(check: Check) -> None:
    found = check(FIELDS=["totl", "tags"], ACTIONS=["create"], DELIVERY="later", TOPIC="nowhere")
    assert sorted(str(m.id) for m in found) == ["bus.E103", "bus.E105", "bus.E106", "bus.E111", "bus.E115"]


def test_mistakes_found_while_parsing_are_not_reported_again(check: Check) -> None:
    assert check(TOPIC=5) == []
