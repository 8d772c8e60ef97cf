"""A dead letter that is edited and sent again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from django_redis_bus.core.events import Published
from django_redis_bus.core.exceptions import ConfigurationError, OutOfMemory, PayloadError
from django_redis_bus.operations import dead
from tests.operations.ward import TOPIC, Ward
from tests.servers import Server


@dataclass
class Order:
    id: int
    card: str | None = None


def resend(ward: Ward, dead_id: str, data: Any, **more: Any) -> Published:
    return dead.resend(ward.asking(), ward.topic, dead_id, data, **more)


def added(ward: Ward) -> dict[str, str]:
    """Return the newest entry, in the order of its fields."""
    fields = list(ward.entries().values())[-1]
    return {name.decode(): value.decode() for name, value in fields.items()}


def test_a_copy_with_other_data_for_the_group_alone(ward: Ward) -> None:
    said = {
        "ce_subject": "7", "ce_partitionkey": "k", "ce_tenant": "acme", "ce_correlationid": "first", "ce_hops": "3",
        "ce_traceparent": f"00-{'a' * 32}-{'b' * 16}-01",
    }  # fmt: skip
    [letter] = ward.bury(*ward.read(**said))

    published = resend(ward, letter, {"id": 7})

    copy = added(ward)
    assert next(iter(copy.items())) == ("bus_only_for", "billing")
    assert copy.pop("ce_id") == published.event_id != "e0"
    assert copy.pop("ce_traceparent").startswith(f"00-{'a' * 32}-")
    assert copy == {
        "bus_only_for": "billing", "ce_specversion": "1.0", "ce_source": "tests", "ce_type": "shop.order.created",
        "ce_time": "2026-11-22T08:00:00+00:00", "ce_subject": "7", "ce_partitionkey": "k", "ce_tenant": "acme",
        "ce_correlationid": "first", "ce_causationid": "e0", "ce_hops": "4", "content-type": "application/json",
        "data": '{"id":7}',
    }  # fmt: skip
    assert (published.topic, published.entry_id) == (TOPIC, list(ward.entries())[-1])
    assert ward.letters() == {}


def test_for_everyone(ward: Ward) -> None:
    [letter] = ward.dead()
    ward.client.xgroup_destroy(ward.key, ward.group)

    resend(ward, letter, {"id": 7}, everyone=True)

    assert next(iter(added(ward))) == "ce_specversion"


def test_the_data_has_to_fit(ward: Ward, declare: Callable[..., Any], bus_settings: Any, any_server: Server) -> None:
    bus_settings(LOCATION=any_server.url)
    declare(TOPIC, payload=Order)
    [letter] = ward.dead()

    with pytest.raises(PayloadError, match=r"\$\.id"):
        resend(ward, letter, {"id": "x"})
    assert (list(ward.letters()), len(ward.entries())) == ([letter], 1)

    resend(ward, letter, {"id": 8})
    assert added(ward)["data"] == '{"id":8}'


def test_an_event_of_an_old_version_is_sent_as_of_the_current_one(
    ward: Ward, declare: Callable[..., Any], bus_settings: Any, any_server: Server
) -> None:
    bus_settings(LOCATION=any_server.url)
    declare(TOPIC, payload={"shop.order.created": Order}, version=3)
    [letter] = ward.bury(*ward.read(ce_type="shop.order.created.v2"))

    resend(ward, letter, {"id": 8})

    assert (added(ward)["ce_type"], added(ward)["ce_dataschema"]) == ("shop.order.created", f"bus:{TOPIC}:v3")


def test_what_was_hidden_comes_back(
    ward: Ward, declare: Callable[..., Any], bus_settings: Any, any_server: Server
) -> None:
    bus_settings(LOCATION=any_server.url)
    declare(TOPIC, redact=["card", "cards[].number"])
    data = '{"id":1,"card":"4711","cards":[{"number":1},{"number":2}],"note":null}'
    [letter] = ward.bury(*ward.read(data=data))
    found = dead.letter(ward.asking(), ward.topic, letter, payloads=True)
    assert found is not None
    assert found.shown.data is not None
    shown = msgspec.json.decode(found.shown.data)
    assert shown["card"] == "[redacted]"

    for wrong, path in (
        (shown | {"other": "[redacted]"}, "$.other"),
        (shown | {"cards": shown["cards"][:1]}, "$.cards[0].number"),
    ):
        with pytest.raises(PayloadError) as refused:
            resend(ward, letter, wrong)
        assert refused.value.path == path
        assert "4711" not in str(refused.value)

    resend(ward, letter, shown | {"id": 2})
    assert msgspec.json.decode(added(ward)["data"]) == msgspec.json.decode(data) | {"id": 2}


@pytest.mark.parametrize(
    ("fields", "data", "sent"),
    [
        ({"type": "a", "id": "1"}, {"type": "a", "id": "2"}, {"type": "a", "id": "2"}),
        ({"type": "a"}, {"type": "b", "lines": [1, {"n": None}]}, {"type": "b", "lines": '[1,{"n":null}]'}),
        ({"payload": '{"a":1}'}, {"a": 2}, {"payload": '{"a":2}'}),
        ({"Message": "text"}, "other", {"Message": "other"}),
        ({"a": "1"}, [1], {"data": "[1]"}),
        ({"a": "1"}, {}, {"data": "{}"}),
        ({"bus_only_for": "billing", "a": "1"}, {"a": "2"}, {"a": "2"}),
    ],
)
def test_a_foreign_entry_is_written_as_it_was(
    ward: Ward, fields: dict[str, str], data: Any, sent: dict[str, str]
) -> None:
    ward.make_group()
    letter = ward.letter("1-1", fields)

    published = resend(ward, letter, data)

    assert added(ward) == {"bus_only_for": "billing"} | sent
    assert published.event_id == published.entry_id


def test_the_data_of_a_foreign_entry_has_to_fit_too(
    ward: Ward, declare: Callable[..., Any], bus_settings: Any, any_server: Server
) -> None:
    bus_settings(LOCATION=any_server.url)
    declare(TOPIC, payload=Order)
    ward.make_group()
    letter = ward.letter("1-1", {"id": "1"})

    with pytest.raises(PayloadError, match=r"\$\.id"):
        resend(ward, letter, {"id": "x"})
    resend(ward, letter, {"id": 2})

    assert added(ward)["id"] == "2"


def test_hostile_attributes_are_left_out(ward: Ward) -> None:
    ward.make_group()
    hostile = {
        "ce_id": "\x1b[31m", "ce_type": "t", "ce_source": b"\xff", "ce_hops": "9" * 50, "ce_time": "never",
        "ce_Bad Name": "x", b"ce_\xff": "x", "ce_offset": "1-1", "ce_fine": "y", "ce_traceparent": "\n",
    }  # fmt: skip
    letter = ward.letter("1-1", hostile)

    resend(ward, letter, {"a": 1})

    copy = added(ward)
    assert copy["ce_hops"] == "1"
    assert {name for name in copy if name not in ("ce_id", "ce_time", "ce_hops")} == {
        "bus_only_for", "ce_specversion", "ce_source", "ce_type", "ce_fine", "content-type", "data",
    }  # fmt: skip


def test_an_event_given_up_for_its_hops_can_be_sent(ward: Ward) -> None:
    [letter] = ward.bury(*ward.read(ce_hops="100000"))

    resend(ward, letter, {"id": 1})

    assert added(ward)["ce_hops"] == "16"


def test_a_type_that_cannot_be_read(ward: Ward) -> None:
    [letter] = ward.bury(*ward.read(ce_type=b"\xff"))

    with pytest.raises(PayloadError, match="type of this event cannot be read"):
        resend(ward, letter, {"id": 1})


def test_there_is_no_such_letter(ward: Ward) -> None:
    [letter] = ward.dead()
    resend(ward, letter, {"id": 1})

    for dead_id in (letter, "1-1", "nonsense"):
        with pytest.raises(LookupError, match="has no dead letter"):
            resend(ward, dead_id, {"id": 1})
    assert len(ward.entries()) == 2


def test_its_group_is_gone(ward: Ward) -> None:
    [letter] = ward.dead()
    ward.client.xgroup_destroy(ward.key, ward.group)

    with pytest.raises(ConfigurationError, match="no group 'billing' any more"):
        resend(ward, letter, {"id": 1})
    assert list(ward.letters()) == [letter]


def test_on_a_full_redis_the_letter_stays(
    own_server: Callable[..., Server], bus_settings: Callable[..., None], prefix: str
) -> None:
    server = own_server(maxmemory="20mb", aof=False)
    bus_settings(LOCATION=server.url)
    ward = Ward(server.client(), prefix)
    [letter] = ward.dead()
    server.client().config_set("maxmemory", 1)

    with pytest.raises(OutOfMemory):
        resend(ward, letter, {"id": 1})

    assert (list(ward.letters()), len(ward.entries())) == ([letter], 1)
