"""A channel's message: written, read, and shown to browsers, whoever published it."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_redis_bus.core.causation import Cause
from django_redis_bus.core.events import Event
from django_redis_bus.core.exceptions import PayloadError, UnreadableEntry
from django_redis_bus.core.live import LiveReader, Place, as_json, encode_live, is_presence, offset_of
from django_redis_bus.core.payloads import Payloads
from tests.core.examples import OrderData

NAME = "chat:lobby"
NO_EVENT = {"specversion": "0.3", "id": "7", "source": "s", "type": "t"}
FRAMES = '{"specversion":"1.0"},{"do":"welcome"}'
PLACE = b',"epoch":"k3f9","offset":"42-1839274"}'


def written(data: bytes = b'{"a":1}', **options: Any) -> bytes:
    said = {"event_id": "e1", "source": "shop", "event_type": "chat.said", "time_text": "2026-11-23T05:00:00Z"}
    return encode_live(data=data, **(said | options))


def kept(raw: bytes) -> bytes:
    """As lua/cast.lua publishes it."""
    return raw[:-1] + PLACE


def reader(payload: Any = None, *, version: int = 1, max_bytes: int = 1_000_000) -> LiveReader:
    return LiveReader(Payloads("chat:{room}", payload, version, what="Channel"), max_bytes=max_bytes)


def read(raw: bytes, payload: Any = None, **options: Any) -> Event[Any]:
    return reader(payload, **options).read(NAME, raw)


# --- written and read


def test_a_message_is_one_cloud_event_in_json() -> None:
    assert json.loads(written()) == {
        "specversion": "1.0",
        "id": "e1",
        "source": "shop",
        "type": "chat.said",
        "time": "2026-11-23T05:00:00Z",
        "datacontenttype": "application/json",
        "data": {"a": 1},
    }


def test_all_that_can_be_said_comes_back() -> None:
    raw = written(
        subject="7", key="k", schema="bus:chat:{room}:v1", traceparent="00-1-2-03", ephemeral=True,
        cause=Cause(None, "c0", "c1", 3), extensions={"authorid": "7", "authorname": "Ada \"the\" 1st"},
    )  # fmt: skip
    event = read(kept(raw))
    assert (event.id, event.source, event.type, event.data) == ("e1", "shop", "chat.said", {"a": 1})
    assert (event.subject, event.key, event.traceparent, event.time_text) == (
        "7",
        "k",
        "00-1-2-03",
        "2026-11-23T05:00:00Z",
    )
    assert (event.correlation_id, event.causation_id, event.hops) == ("c0", "c1", 3)
    assert event.extensions == {"authorid": "7", "authorname": 'Ada "the" 1st'}
    assert (event.topic, event.foreign, event.ephemeral, event.version) == (NAME, False, True, 1)
    assert (event.epoch, event.offset) == ("k3f9", "42-1839274")


@pytest.mark.parametrize("name", ["epoch", "offset", "ephemeral", "foreign", "data", "Upper", "a-b"])
def test_an_extension_cannot_take_the_name_of_what_redis_adds(name: str) -> None:
    with pytest.raises(PayloadError, match="no name for an extension"):
        written(extensions={name: "x"})


def test_data_is_read_as_the_payload_type() -> None:
    assert read(written(b'{"id":7,"total":"9.90"}'), OrderData).data == OrderData(id=7, total=Decimal("9.90"))
    with pytest.raises(UnreadableEntry, match=r"\$\.id") as caught:
        read(written(b'{"id":"seven"}'), OrderData)
    assert caught.value.reason == "invalid_payload"


def test_an_older_version_goes_through_the_upcasters() -> None:
    live = reader(OrderData, version=2)
    live.payloads.upcasters[1] = lambda data: {"id": data["number"]}
    assert live.read(NAME, written(b'{"number":7}')).data.id == 7
    assert live.read(NAME, written(b'{"id":7}', schema="bus:chat:{room}:v2")).data.id == 7
    with pytest.raises(UnreadableEntry, match=r"channel 'chat:\{room\}' is newer"):
        live.read(NAME, written(schema="bus:chat:{room}:v3"))


def test_types_are_those_of_the_mapping() -> None:
    assert read(written(b'{"id":7}'), {"chat.said": OrderData}).data.id == 7
    with pytest.raises(UnreadableEntry, match="declares no event type 'other'"):
        read(written(event_type="other"), {"chat.said": OrderData})


def test_what_is_too_large_is_refused_and_an_envelope_is_not_counted() -> None:
    data = b'"' + b"x" * 98 + b'"'
    assert read(written(data), max_bytes=100).data == "x" * 98
    for raw in (written(b'"' + b"x" * 99 + b'"'), b"x" * 101, b'{"a":"' + b"x" * 101 + b'"}'):
        with pytest.raises(UnreadableEntry) as caught:
            read(raw, max_bytes=100)
        assert caught.value.reason == "too_large"


@pytest.mark.parametrize("change", [{"event_id": ""}, {"event_id": "a\x00b"}, {"source": "a\nb"}, {"event_type": ""}])
def test_attributes_that_are_none_are_refused(change: dict[str, str]) -> None:
    with pytest.raises(UnreadableEntry, match="control characters"):
        read(written(**change))


# --- by other programs


def test_a_cloud_event_of_another_program_is_one() -> None:
    raw = b"""{
        "type": "x", "specversion": "1.0", "source": "node", "id": "1",
        "stamp": "s", "count": 5, "flag": true, "data_base64": "AAEC"
    }"""
    event = read(raw)
    assert (event.foreign, event.source, event.data) == (False, "node", b"\x00\x01\x02")
    assert event.extensions == {"stamp": "s", "count": "5", "flag": "true"}


@pytest.mark.parametrize(
    ("raw", "data", "said"),
    [
        (b"hello", "hello", ""),
        (b"", "", ""),
        (b"42", 42, ""),
        (b"null", None, ""),
        (b'{"type":"note.added","id":7}', {"type": "note.added", "id": 7}, "note.added"),
        (b'{"type":7}', {"type": 7}, ""),
        (b'{"specversion":"1.0","id":7,"source":"s","type":"t"}', NO_EVENT | {"specversion": "1.0", "id": 7}, "t"),
        (b'{"specversion":"0.3","id":"7","source":"s","type":"t"}', NO_EVENT, "t"),
        (b'{"broken"', '{"broken"', ""),
        (b"NaN", "NaN", ""),
        (b"\xff\x00", b"\xff\x00", ""),
        ("grüß".encode(), "grüß", ""),
        (b"[" * 100_000 + b"]" * 100_000, "[" * 100_000 + "]" * 100_000, ""),
    ],
    ids=lambda value: repr(value)[:20],
)  # fmt: skip
def test_whatever_is_published_by_hand_is_an_event(raw: bytes, data: object, said: str) -> None:
    event = read(raw)
    assert (event.data, event.type, event.foreign, event.source, event.topic) == (data, said, True, "", NAME)
    assert len(event.id) == 32
    assert read(raw).id != event.id
    assert event.offset is event.epoch is None


def test_a_foreign_message_must_fit_the_payload_type() -> None:
    assert read(b'{"id":"7"}', OrderData).data == OrderData(id=7)
    with pytest.raises(UnreadableEntry):
        read(b"hello", OrderData)


def test_keyspace_notifications_are_names_not_numbers() -> None:
    assert reader().read("__keyevent@0__:expired", b"42").data == "42"
    assert reader().read("__keyspace@0__:42", b'{"a"').data == '{"a"'


# --- where it stands


def test_the_place_is_found_without_decoding() -> None:
    assert offset_of(kept(written())) == Place("k3f9", "42-1839274")
    assert offset_of(written()) is None


@pytest.mark.parametrize(
    "raw",
    [
        b"hello",
        b'{"a":1' + PLACE,  # not ours
        written(b'{"a":1' + PLACE),  # in the data
        written(json.dumps(PLACE.decode()).encode()),
        kept(written()) + b" ",
        b"",
    ],
)
def test_what_only_looks_like_a_place_is_none(raw: bytes) -> None:
    assert offset_of(raw) is None


# --- for browsers


def test_a_browser_gets_the_very_bytes() -> None:
    raw = kept(written())
    assert as_json(raw) is raw


@pytest.mark.parametrize(
    ("raw", "data"),
    [(b"hello", "hello"), (b"[1]", [1]), (FRAMES.encode(), FRAMES)],
)
def test_a_foreign_message_is_wrapped(raw: bytes, data: object) -> None:
    shown = json.loads(as_json(raw))
    assert (shown["data"], shown["foreign"], shown["specversion"], shown["source"]) == (data, True, "1.0", "")


def test_foreign_bytes_are_base64() -> None:
    assert json.loads(as_json(b"\xff\x00"))["data_base64"] == "/wA="
    # Well-formed JSON, but not text: a frame of it would be refused
    assert json.loads(as_json(written(b'"\xff"')))["foreign"] is True


def test_a_browser_gets_one_line() -> None:
    raw = b'{\n"specversion":"1.0",\r\n"id":"1","source":"s","type":"t","data":{"a":\n1}}'
    assert json.loads(as_json(raw)) == json.loads(raw)
    assert b"\n" not in as_json(raw)
    assert b"\r" not in as_json(raw)


@given(st.binary(max_size=60) | st.text(max_size=40).map(lambda t: t.encode("utf-8", "surrogatepass")))
def test_nothing_that_is_published_breaks_a_frame(raw: bytes) -> None:
    assert json.loads(as_json(raw).decode())["specversion"] == "1.0"
    assert read(raw).foreign


# --- who comes and goes


PRESENT = (
    b'{"specversion":"1.0","id":"a-1","source":"sh\\"op","type":"bus.presence.joined","time":"2026-11-22T08:00:00Z",'
    b'"datacontenttype":"application/json","data":{"member":{"id":"7","name":"ada"}},"ephemeral":true}'
)


@pytest.mark.parametrize("payload", [OrderData, {"order": OrderData}])
def test_who_comes_and_goes_is_no_data_of_the_channel(payload: Any) -> None:
    event = read(PRESENT, payload)
    assert (event.type, event.data) == ("bus.presence.joined", {"member": {"id": "7", "name": "ada"}})


def test_who_comes_and_goes_is_known_without_decoding() -> None:
    assert is_presence(PRESENT)
    for other in (
        written(event_type="bus.other"),
        written(b'{"type":"bus.presence.joined"}'),
        written(b'{"source":"","type":"bus.presence.joined"}', event_type="said"),
        b'{"type":"bus.presence.joined"}',
        written(source='","type":"bus.presence.'),
    ):
        assert not is_presence(other)
