"""An entry written, and read again."""

from __future__ import annotations

import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_redis_bus.core.attributes import attribute, extension, is_text, split_version
from django_redis_bus.core.causation import Cause
from django_redis_bus.core.envelope import encode, key_of
from django_redis_bus.core.exceptions import PayloadError
from django_redis_bus.core.serializers import Serializer, compress
from tests.core.examples import JSON, MSGPACK, entry, reader, refusal

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def written(**options: Any) -> list[bytes | str]:
    usual = {
        "event_id": "e-1",
        "source": "shop",
        "event_type": "shop.order.created",
        "time_text": "2026-11-22T08:00:00Z",
        "content_type": "application/json",
        "data": b"{}",
    }
    return encode(**(usual | options))


def on_the_wire(fields: list[bytes | str]) -> list[bytes]:
    return [field.encode() if isinstance(field, str) else field for field in fields]


def test_the_fields_are_cloudevents_in_binary_mode_and_always_in_this_order() -> None:
    fields = written(subject="7", key="k", schema="bus:events:order:v2", extensions={"tenant": "acme"})
    assert fields == [
        "ce_specversion", "1.0", "ce_id", "e-1", "ce_source", "shop", "ce_type", "shop.order.created",
        "ce_time", "2026-11-22T08:00:00Z", "ce_subject", "7", "ce_partitionkey", "k",
        "ce_dataschema", "bus:events:order:v2", "ce_tenant", "acme", "content-type", "application/json", b"data", b"{}",
    ]  # fmt: skip


def test_what_is_not_said_is_not_written() -> None:
    assert written()[::2] == ["ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "content-type", b"data"]


def test_a_cause_travels() -> None:
    # Given an event published while another was handled
    cause = Cause(traceparent=TRACE, correlation_id="first", causation_id="before", hops=3)
    flat = on_the_wire(written(cause=cause, traceparent=TRACE))
    # When it is read
    event = reader().read(b"1-1", flat)
    # Then it names what led to it
    assert (event.traceparent, event.correlation_id, event.causation_id, event.hops) == (TRACE, "first", "before", 3)


def test_without_a_cause_there_is_none() -> None:
    event = reader().read(b"5-0", entry(), attempt=3)
    assert (event.traceparent, event.correlation_id, event.causation_id, event.hops) == (None, None, None, 0)
    assert (event.topic, event.entry_id, event.attempt, event.foreign) == ("events:order", "5-0", 3, False)


# CloudEvents text; not sampled from everything, so that spaces, marks and line separators are often met.
text = st.text(min_size=1, max_size=50).filter(is_text) | st.sampled_from(
    ["a b", "10\u00a0€", "東京　タワー", "👩‍👩‍👧", "می‌خواهم", "a\u2028b", "ce_partitionkey", "data"]
)
names = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=40).filter(lambda name: _is_free(name))
plain_data = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=10,
)  # fmt: skip


def _is_free(name: str) -> bool:
    try:
        return bool(extension(name))
    except PayloadError:
        return False


@given(
    event_id=text,
    source=text,
    event_type=text,
    subject=st.none() | text,
    key=st.none() | text,
    extensions=st.dictionaries(names, text, max_size=3),
    data=plain_data,
    serializer=st.sampled_from([JSON, MSGPACK]),
    compressed=st.booleans(),
    versioned=st.booleans(),
)
def test_what_is_written_is_read_again(
    event_id: str,
    source: str,
    event_type: str,
    subject: str | None,
    key: str | None,
    extensions: dict[str, str],
    data: Any,
    serializer: Serializer,
    compressed: bool,
    versioned: bool,
) -> None:
    # Given an entry as a bus writes it: a type that ends in a version has a schema beside it
    encoded = serializer.encode(data)
    versioned = versioned or split_version(event_type)[1] is not None
    flat = on_the_wire(
        written(
            event_id=attribute("id", event_id),
            source=source,
            event_type=event_type,
            subject=subject,
            key=key,
            content_type=serializer.content_type,
            data=compress(encoded) if compressed else encoded,
            compressed=compressed,
            schema="bus:events:order:v1" if versioned else None,
            extensions=extensions,
        )
    )
    # When it is read
    event = reader().read(b"1-1", flat)
    # Then nothing has changed
    assert (event.id, event.source, event.type) == (event_id, source, event_type)
    assert (event.subject, event.key, event.extensions, event.data) == (subject, key, extensions, data)
    assert key_of(flat) == (None if key is None else key.encode())


@pytest.mark.parametrize("value", ["", "a\nb", "a\x00", "\x7f", "\x85", "\ud800", "\ufffe", "\U0010ffff"])
def test_an_attribute_that_the_specification_forbids_is_refused(value: str) -> None:
    with pytest.raises(PayloadError) as caught:
        written(subject=value)
    assert caught.value.path == "subject"
    with pytest.raises(PayloadError):
        written(key=value)


@pytest.mark.parametrize("value", [7, b"7", None, 1.5, object()])
def test_an_attribute_that_is_no_text_is_refused_with_what_to_write(value: Any) -> None:
    with pytest.raises(PayloadError, match=r"write str\(…\)"):
        attribute("key", value)


@pytest.mark.parametrize(
    "name", ["", "Tenant", "a-b", "a_b", "tenant\n", "x" * 41, "id", "hops", "data", "datacontenttype", "é", "٣", 7]
)
def test_an_extension_with_another_name_than_allowed_is_refused(name: Any) -> None:
    with pytest.raises(PayloadError, match="is no name for an extension"):
        written(extensions={name: "x"})


def test_an_extension_that_is_empty_or_no_text_is_refused() -> None:
    with pytest.raises(PayloadError):
        written(extensions={"tenant": ""})
    with pytest.raises(PayloadError):
        written(extensions={"tenant": 7})


@pytest.mark.parametrize("left_out", ["ce_time", "content-type", "data"])
def test_extensions_of_an_entry_without_all_of_the_usual_fields_are_read(left_out: str) -> None:
    # Given an entry as another program may write it, with as many fields as one of ours
    flat = [*entry(**{left_out: None}), b"ce_tenant", b"acme"]
    # Then its extension is there
    assert reader().read(b"1-1", flat).extensions == {"tenant": "acme"}


def test_fields_that_are_no_attributes_are_no_extensions() -> None:
    assert reader().read(b"1-1", [*entry(), b"retries", b"\xff"]).extensions == {}


def test_an_event_without_data_has_none() -> None:
    # https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md#event-data says that data is optional
    assert reader().read(b"1-1", entry(data=None)).data is None


@pytest.mark.parametrize("content_type", [None, b"application/json; charset=utf-8", b"APPLICATION/JSON"])
def test_json_under_its_other_names(content_type: bytes | None) -> None:
    assert reader().read(b"1-1", entry(content__type=content_type)).data == {"id": 7}


def test_text_and_bytes_as_data() -> None:
    by = reader()
    assert by.read(b"1-1", entry(content__type=b"text/plain", data="é".encode())).data == "é"
    assert by.read(b"1-1", entry(content__type=b"application/octet-stream", data=b"\xff")).data == b"\xff"


def test_a_bus_reads_either_serializer_whatever_it_writes() -> None:
    by = reader()
    assert by.read(b"1-1", entry(content__type=b"application/msgpack", data=b"\x81\xa2id\x07")).data == {"id": 7}
    assert by.read(b"1-2", entry()).data == {"id": 7}


def test_the_same_error_comes_again_for_what_is_remembered() -> None:
    by = reader({"a": int})
    first, second = refusal(entry(ce_type=b"b"), by), refusal(entry(ce_type=b"b"), by)
    assert first.reason == second.reason
    assert by.read(b"1-1", entry(ce_type=b"a", data=b"1")).data == 1


@pytest.mark.parametrize(
    ("flat", "key"),
    [
        (entry(ce_partitionkey=b"42"), b"42"),
        (entry(), None),
        (entry(ce_subject=b"ce_partitionkey"), None),
        (entry(ce_subject=b"ce_partitionkey", ce_partitionkey=b"42"), b"42"),
        ([b"ce_partitionkey"], None),
        ([], None),
    ],
)
def test_the_ordering_key_is_found_without_reading_the_rest(flat: list[bytes], key: bytes | None) -> None:
    assert key_of(flat) == key
