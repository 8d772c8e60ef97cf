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
from tests.operations.scene import TOPIC, Scene
from tests.servers import Server


@dataclass
class Order:
    id: int
    card: str | None = None


def resend(scene: Scene, dead_id: str, data: Any, **more: Any) -> Published:
    return dead.resend(scene.asking(), scene.topic, dead_id, data, **more)


def added(scene: Scene) -> dict[str, str]:
    """Return the newest entry, in the order of its fields."""
    fields = list(scene.entries().values())[-1]
    return {name.decode(): value.decode() for name, value in fields.items()}


def test_a_copy_with_other_data_for_the_group_alone(scene: Scene) -> None:
    said = {
        "ce_subject": "7", "ce_partitionkey": "k", "ce_tenant": "acme", "ce_correlationid": "first", "ce_hops": "3",
        "ce_traceparent": f"00-{'a' * 32}-{'b' * 16}-01",
    }  # fmt: skip
    [letter] = scene.bury(*scene.read(**said))

    published = resend(scene, letter, {"id": 7})

    copy = added(scene)
    assert next(iter(copy.items())) == ("bus_only_for", "billing")
    assert copy.pop("ce_id") == published.event_id != "e0"
    assert copy.pop("ce_traceparent").startswith(f"00-{'a' * 32}-")
    assert copy == {
        "bus_only_for": "billing", "ce_specversion": "1.0", "ce_source": "tests", "ce_type": "shop.order.created",
        "ce_time": "2026-11-22T08:00:00+00:00", "ce_subject": "7", "ce_partitionkey": "k", "ce_tenant": "acme",
        "ce_correlationid": "first", "ce_causationid": "e0", "ce_hops": "4", "content-type": "application/json",
        "data": '{"id":7}',
    }  # fmt: skip
    assert (published.topic, published.entry_id) == (TOPIC, list(scene.entries())[-1])
    assert scene.letters() == {}


def test_for_everyone(scene: Scene) -> None:
    [letter] = scene.dead()
    scene.client.xgroup_destroy(scene.key, scene.group)

    resend(scene, letter, {"id": 7}, everyone=True)

    assert next(iter(added(scene))) == "ce_specversion"


def test_the_data_has_to_fit(scene: Scene, declare: Callable[..., Any], bus_settings: Any, any_server: Server) -> None:
    bus_settings(LOCATION=any_server.url)
    declare(TOPIC, payload=Order)
    [letter] = scene.dead()

    with pytest.raises(PayloadError, match=r"\$\.id"):
        resend(scene, letter, {"id": "x"})
    assert (list(scene.letters()), len(scene.entries())) == ([letter], 1)

    resend(scene, letter, {"id": 8})
    assert added(scene)["data"] == '{"id":8}'


def test_an_event_of_an_old_version_is_sent_as_of_the_current_one(
    scene: Scene, declare: Callable[..., Any], bus_settings: Any, any_server: Server
) -> None:
    bus_settings(LOCATION=any_server.url)
    declare(TOPIC, payload={"shop.order.created": Order}, version=3)
    [letter] = scene.bury(*scene.read(ce_type="shop.order.created.v2"))

    resend(scene, letter, {"id": 8})

    assert (added(scene)["ce_type"], added(scene)["ce_dataschema"]) == ("shop.order.created", f"bus:{TOPIC}:v3")


def test_what_was_hidden_comes_back(
    scene: Scene, declare: Callable[..., Any], bus_settings: Any, any_server: Server
) -> None:
    bus_settings(LOCATION=any_server.url)
    declare(TOPIC, redact=["card", "cards[].number"])
    data = '{"id":1,"card":"4711","cards":[{"number":1},{"number":2}],"note":null}'
    [letter] = scene.bury(*scene.read(data=data))
    found = dead.letter(scene.asking(), scene.topic, letter, payloads=True)
    assert found is not None
    assert found.shown.data is not None
    shown = msgspec.json.decode(found.shown.data)
    assert shown["card"] == "[redacted]"

    for wrong, path in (
        (shown | {"other": "[redacted]"}, "$.other"),
        (shown | {"cards": shown["cards"][:1]}, "$.cards[0].number"),
    ):
        with pytest.raises(PayloadError) as refused:
            resend(scene, letter, wrong)
        assert refused.value.path == path
        assert "4711" not in str(refused.value)

    resend(scene, letter, shown | {"id": 2})
    assert msgspec.json.decode(added(scene)["data"]) == msgspec.json.decode(data) | {"id": 2}


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
    scene: Scene, fields: dict[str, str], data: Any, sent: dict[str, str]
) -> None:
    scene.make_group()
    letter = scene.letter("1-1", fields)

    published = resend(scene, letter, data)

    assert added(scene) == {"bus_only_for": "billing"} | sent
    assert published.event_id == published.entry_id


def test_the_data_of_a_foreign_entry_has_to_fit_too(
    scene: Scene, declare: Callable[..., Any], bus_settings: Any, any_server: Server
) -> None:
    bus_settings(LOCATION=any_server.url)
    declare(TOPIC, payload=Order)
    scene.make_group()
    letter = scene.letter("1-1", {"id": "1"})

    with pytest.raises(PayloadError, match=r"\$\.id"):
        resend(scene, letter, {"id": "x"})
    resend(scene, letter, {"id": 2})

    assert added(scene)["id"] == "2"


def test_hostile_attributes_are_left_out(scene: Scene) -> None:
    scene.make_group()
    hostile = {
        "ce_id": "\x1b[31m", "ce_type": "t", "ce_source": b"\xff", "ce_hops": "9" * 50, "ce_time": "never",
        "ce_Bad Name": "x", b"ce_\xff": "x", "ce_offset": "1-1", "ce_fine": "y", "ce_traceparent": "\n",
    }  # fmt: skip
    letter = scene.letter("1-1", hostile)

    resend(scene, letter, {"a": 1})

    copy = added(scene)
    assert copy["ce_hops"] == "1"
    assert {name for name in copy if name not in ("ce_id", "ce_time", "ce_hops")} == {
        "bus_only_for", "ce_specversion", "ce_source", "ce_type", "ce_fine", "content-type", "data",
    }  # fmt: skip


def test_an_event_given_up_for_its_hops_can_be_sent(scene: Scene) -> None:
    [letter] = scene.bury(*scene.read(ce_hops="100000"))

    resend(scene, letter, {"id": 1})

    assert added(scene)["ce_hops"] == "16"


def test_a_type_that_cannot_be_read(scene: Scene) -> None:
    [letter] = scene.bury(*scene.read(ce_type=b"\xff"))

    with pytest.raises(PayloadError, match="type of this event cannot be read"):
        resend(scene, letter, {"id": 1})


def test_there_is_no_such_letter(scene: Scene) -> None:
    [letter] = scene.dead()
    resend(scene, letter, {"id": 1})

    for dead_id in (letter, "1-1", "nonsense"):
        with pytest.raises(LookupError, match="has no dead letter"):
            resend(scene, dead_id, {"id": 1})
    assert len(scene.entries()) == 2


def test_its_group_is_gone(scene: Scene) -> None:
    [letter] = scene.dead()
    scene.client.xgroup_destroy(scene.key, scene.group)

    with pytest.raises(ConfigurationError, match="no group 'billing' any more"):
        resend(scene, letter, {"id": 1})
    assert list(scene.letters()) == [letter]


def test_on_a_full_redis_the_letter_stays(
    own_server: Callable[..., Server], bus_settings: Callable[..., None], prefix: str
) -> None:
    server = own_server(maxmemory="20mb", aof=False)
    bus_settings(LOCATION=server.url)
    scene = Scene(server.client(), prefix)
    [letter] = scene.dead()
    server.client().config_set("maxmemory", 1)

    with pytest.raises(OutOfMemory):
        resend(scene, letter, {"id": 1})

    assert (list(scene.letters()), len(scene.entries())) == ([letter], 1)
