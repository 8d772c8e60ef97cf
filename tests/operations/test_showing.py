"""One entry as a person may see it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from django_redis_bus.operations.showing import ATTRIBUTES, DATA_CHARS, TEXT_CHARS, Showing, Shown
from tests.core.examples import OrderData
from tests.operations.seeing import HOSTILE, Scene

Declare = Callable[..., Any]


class Viewer:
    """Adds an entry and looks at it."""

    def __init__(self, scene: Scene, *, payloads: bool = True) -> None:
        self.scene = scene
        self.payloads = payloads

    @property
    def showing(self) -> Showing:
        return Showing(self.scene.asking(), "events:order", payloads=self.payloads)

    def raw(self, entry_id: str) -> tuple[bytes, list[bytes]]:
        [(found, fields)] = self.scene.client.xrange(self.scene.key(), entry_id, entry_id)
        return found, [part for pair in fields.items() for part in pair]

    def event(self, data: Any, **options: Any) -> Shown:
        return self.showing.shown(*self.raw(self.scene.publish(data, **options)))

    def foreign(self, **fields: Any) -> Shown:
        return self.showing.shown(*self.raw(self.scene.add(1, **fields)[0]))

    def holds(self, text: str, data: Any = None, **options: Any) -> bool:
        _, flat = self.raw(self.scene.publish(data, **options))
        return self.showing.matches(flat, text=text)


@pytest.fixture
def see(scene: Scene, declare: Declare) -> Callable[..., Viewer]:
    """see(payloads=False, redact=[…]) -> Viewer of a declared stream."""

    def make(*, payloads: bool = True, **options: Any) -> Viewer:
        declare("events:order", **options)
        return Viewer(scene, payloads=payloads)

    return make


See = Callable[..., Viewer]


def test_an_event_is_shown_with_all_that_it_says(see: See) -> None:
    shown = see().event({"id": 7, "name": "ä"}, type="t.made", key="k", subject="7", extensions={"tenant": "acme"})

    assert (shown.type, shown.key, shown.subject, shown.source) == ("t.made", "k", "7", "tests")
    assert dict(shown.attributes) == {"tenant": "acme", "content-type": "application/json"}
    assert shown.data == '{\n  "id": 7,\n  "name": "ä"\n}'
    assert shown.event_id
    assert shown.time
    assert shown.at is not None
    assert abs((shown.at - datetime.now(UTC)).total_seconds()) < 60
    assert (shown.trouble, shown.foreign, shown.hidden) == ("", False, False)
    assert shown.size > 100


def test_who_may_not_see_payloads_sees_the_rest(see: See) -> None:
    shown = see(payloads=False).event({"secret": 1}, type="t", key="k")

    assert (shown.data, shown.hidden, shown.type, shown.key) == (None, True, "t", "k")
    assert "secret" not in repr(shown)


def test_redacted_paths_are_hidden_from_everybody(see: See) -> None:
    shown = see(redact=["card.number", "lines[].price"]).event({"card": {"number": "4111"}, "lines": [{"price": 9}]})

    assert json.loads(shown.data or "") == {"card": {"number": "[redacted]"}, "lines": [{"price": "[redacted]"}]}


def test_what_cannot_be_read_shows_nothing_of_what_is_redacted(see: See) -> None:
    viewer = see(redact=["card"])
    fields = {"ce_specversion": "1.0", "ce_id": "1", "ce_source": "s", "ce_type": "t", "data": '{"card": "4111"'}

    shown = viewer.foreign(**fields)

    assert shown.data == "[redacted]"
    assert shown.trouble.startswith("undecodable: ")
    assert "4111" not in repr(shown)


@pytest.mark.parametrize("options", [{"COMPRESS_OVER": 10}, {"SERIALIZER": "msgpack"}])
def test_compressed_and_packed_data_are_shown_decoded(
    see: See, bus_settings: Callable[..., None], options: dict[str, Any]
) -> None:
    viewer = see()
    bus_settings(**options)

    shown = viewer.event({"text": "hello " * 20})

    assert json.loads(shown.data or "") == {"text": "hello " * 20}
    assert viewer.holds("HELLO hello", {"text": "hello " * 20})


def test_an_entry_of_another_program_is_shown_as_its_fields(see: See) -> None:
    shown = see().foreign(type="made", id="7", raw=b"\xff\x00", bus_only_for="billing")

    assert (shown.foreign, shown.type) == (True, "made")
    assert json.loads(shown.data or "") == {"type": "made", "id": "7", "raw": "b'\\xff\\x00'"}
    assert shown.attributes == (("bus_only_for", "billing"),)


def test_the_fields_of_another_program_are_its_payload(see: See) -> None:
    shown = see(payloads=False).foreign(type="made", email="x@y.z")

    assert (shown.type, shown.data, shown.attributes) == ("made", None, ())
    assert "x@y.z" not in repr(shown)


def test_fields_beside_an_events_own_are_payload_too(see: See) -> None:
    fields = {"ce_specversion": "1.0", "ce_id": "1", "ce_source": "s", "ce_type": "t", "data": "{}", "email": "x@y.z"}
    viewer = see(payloads=False, redact=["email"])

    hidden = viewer.foreign(**fields)
    viewer.payloads = True
    redacted = viewer.foreign(**fields)

    assert hidden.attributes == ()
    assert redacted.attributes == (("email", "[redacted]"),)


def test_what_does_not_fit_the_payload_type_is_shown_with_its_trouble(see: See, scene: Scene) -> None:
    viewer = see(payload=OrderData)
    fields = {
        "ce_specversion": "1.0", "ce_id": "1", "ce_source": "s", "ce_type": "t", "content-type": "application/json",
    }  # fmt: skip

    shown = viewer.foreign(**fields, data='{"id": "4111"}')
    viewer.payloads = False
    hidden = viewer.foreign(**fields, data='{"id": "4111"}')

    assert json.loads(shown.data or "") == {"id": "4111"}
    assert shown.trouble.startswith("invalid_payload: OrderData: ")
    assert (hidden.trouble, hidden.data) == ("invalid_payload", None)


@pytest.mark.parametrize("data", ["null", '"text"', "[1,2]", "1.5", "true"])
def test_any_json_is_shown(see: See, data: str) -> None:
    shown = see().event(json.loads(data))

    assert json.loads(shown.data or "") == json.loads(data) if data != '"text"' else shown.data == "text"


def test_plain_text_and_bytes_are_shown(see: See) -> None:
    fields = {"ce_specversion": "1.0", "ce_id": "1", "ce_source": "s", "ce_type": "t"}
    viewer = see()

    text = viewer.foreign(**fields, **{"content-type": "text/plain", "data": "hello"})
    raw = viewer.foreign(**fields, **{"content-type": "application/octet-stream", "data": b"\xff"})
    odd = viewer.foreign(**fields, **{"content-type": "image/png", "data": b"\x89PNG"})

    assert (text.data, raw.data, odd.data) == ("hello", "b'\\xff'", "b'\\x89PNG'")
    assert odd.trouble.startswith("undecodable: ")


def _all_texts(shown: Shown) -> Sequence[str]:
    pairs = [text for pair in shown.attributes for text in pair]
    return [shown.event_id, shown.type, shown.source, shown.subject, shown.key, shown.time, shown.trouble, *pairs]


def test_whatever_is_hostile_is_shown_harmless_and_capped(see: See) -> None:
    long = HOSTILE + "x" * 1_000_000
    shown = see().foreign(
        ce_specversion=HOSTILE, ce_id=long, ce_type=long, ce_source=b"\xff\xfe", ce_subject="", ce_time=long,
        ce_evil=long, data=json.dumps({"a": long}),
    )  # fmt: skip

    assert all(text.isprintable() and len(text) <= TEXT_CHARS for text in _all_texts(shown))
    assert shown.data is not None
    assert len(shown.data) <= DATA_CHARS
    assert shown.data.replace("\n", "").isprintable()
    assert shown.trouble


def test_thousands_of_fields_are_counted(see: See) -> None:
    fields = {f"ce_x{n}": "1" for n in range(3_000)}
    shown = see().foreign(ce_type="t", **fields)

    assert len(shown.attributes) == ATTRIBUTES + 1
    assert shown.attributes[-1] == ("…", f"{3_000 - ATTRIBUTES:,} more")
    assert len(see().foreign(**{f"x{n}": "1" for n in range(3_000)}).data or "") <= DATA_CHARS


def test_data_that_is_nested_too_deeply_is_shown_as_it_is(see: See) -> None:
    deep = "[" * 50_000 + "]" * 50_000
    shown = see().foreign(ce_specversion="1.0", ce_id="1", ce_source="s", ce_type="t", data=deep)

    assert shown.trouble == "undecodable: the data is nested too deeply"
    assert (shown.data or "").startswith("[[[")


@pytest.mark.parametrize("entry_id", [b"5-1", b"18446744073709551615-1"])
def test_ids_that_are_no_moments(see: See, entry_id: bytes) -> None:
    shown = see().showing.shown(entry_id, [b"a", b"b"])

    assert (shown.at, shown.entry_id) == (None, entry_id.decode())


def test_streams_that_nothing_declares_are_shown(scene: Scene) -> None:
    [entry_id] = scene.add(1, "by-hand", a="1")

    shown = Showing(scene.asking(), "by-hand", payloads=True).shown(entry_id.encode(), [b"a", b"1"])

    assert json.loads(shown.data or "") == {"a": "1"}


# --- what is looked for


def test_text_is_found_in_attributes_and_in_data(see: See) -> None:
    viewer = see()

    assert viewer.holds("ACME", {}, subject="acme")
    assert viewer.holds("tenant-7", {}, extensions={"tenant": "tenant-7"})
    assert viewer.holds("straße", {"street": "STRASSE 7"})
    assert viewer.holds('say "hi"', {"text": 'say "hi"\nthere'})
    assert viewer.holds("street", {"street": 1})
    assert not viewer.holds("nowhere", {"street": 1})


def test_what_must_not_be_seen_is_not_searched(see: See) -> None:
    viewer = see(payloads=False, redact=["card"])
    data = {"card": "4111", "name": "ann"}

    assert not viewer.holds("ann", data)
    assert not viewer.holds("4111", data)
    viewer.payloads = True
    assert viewer.holds("ann", data)
    assert not viewer.holds("4111", data)


def test_a_type_that_is_redacted_is_no_oracle(see: See) -> None:
    viewer = see(payloads=False, redact=["type"])
    _, flat = viewer.raw(viewer.scene.add(1, type="secret", a="1")[0])

    assert not viewer.showing.matches(flat, type="secret")
    assert not viewer.showing.matches(flat, text="secret")
    assert viewer.showing.shown(b"1-1", flat).type == "[redacted]"


def test_types_and_keys_are_matched_exactly(see: See) -> None:
    viewer = see()
    _, flat = viewer.raw(viewer.scene.publish({}, type="order.made", key="k"))
    _, second = viewer.raw(viewer.scene.add(1, type="made", a="1")[0])

    def matches(**wanted: str) -> bool:
        return viewer.showing.matches(flat, **wanted)

    assert matches(type="order.made", key="k")
    assert not matches(type="order")
    assert not matches(key="K")
    assert viewer.showing.matches(second, type="made")


# --- errors


@pytest.mark.parametrize(
    ("text", "without"),
    [
        ("ValueError: no account x@y.z", "ValueError"),
        ("KeyError: 'x@y.z'", "KeyError"),
        ("shop.errors.Declined: x@y.z", "shop.errors.Declined"),
        ("x@y.z: does not exist", "The handler failed."),
        ("no colon", "The handler failed."),
        ("Declined", "Declined"),
        ("", ""),
    ],
)
def test_without_payloads_an_error_is_its_class(see: See, text: str, without: str) -> None:
    viewer = see(payloads=False)

    assert viewer.showing.error(text) == without
    viewer.payloads = True
    assert viewer.showing.error(text) == text


def test_errors_are_printable_and_capped(see: See) -> None:
    error = see().showing.error(HOSTILE + "x" * 1_000_000)

    assert error.isprintable()
    assert len(error) == DATA_CHARS
