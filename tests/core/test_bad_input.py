"""Bad input of every kind becomes UnreadableEntry with a named reason, and nothing else: the consumer lives."""

from __future__ import annotations

import tracemalloc
import zlib
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from django_redis_bus.core.exceptions import UnreadableEntry
from django_redis_bus.core.policy import Reason
from django_redis_bus.core.reading import EntryReader
from tests.core.examples import Line, OrderData, OrderModel, entry, reader, refusal

PICKLE = b"\x80\x04\x8c\x05posix\x94\x8c\x06system\x94\x93\x94\x8c\x02id\x94\x85\x94R\x94."


@pytest.mark.parametrize(
    ("content_type", "data"),
    [
        (b"application/json", b""),
        (b"application/json", b"{"),
        (b"application/json", b"not json"),
        (b"application/json", b'{"id":7} and more'),
        (b"application/json", b'{"id":NaN}'),
        (b"application/json", b'"\xff"'),
        (b"application/json", b'{"\xff":1}'),
        (b"application/json", b'"\\ud800"'),
        (b"application/json", b'{"a":"\x00"}'),
        (b"application/json", PICKLE),
        (b"application/json", b"\xef\xbb\xbf{}"),
        (b"application/msgpack", b""),
        (b"application/msgpack", b"\xc1"),
        (b"application/msgpack", b"\xa1\xff"),
        (b"application/msgpack", b"\xdd\xff\xff\xff\xff"),
        (b"application/msgpack", PICKLE),
        (b"text/plain", b"\xff\xfe"),
        (b"application/x-python-pickle", PICKLE),
        (b"application/\xff", b"{}"),
        (b"", b"{"),
    ],
)
def test_data_that_is_not_what_the_entry_says_is_undecodable(content_type: bytes, data: bytes) -> None:
    error = refusal(entry(content__type=content_type, data=data))
    assert error.reason == Reason.UNDECODABLE


@pytest.mark.parametrize("levels", [100_000, 1_000_000])
@pytest.mark.parametrize("payload", [None, OrderData, OrderModel])
@pytest.mark.parametrize(
    ("content_type", "opening"),
    [(b"application/json", b"["), (b"application/json", b'{"id":'), (b"application/msgpack", b"\x91")],
)
def test_data_nested_too_deeply_is_undecodable_or_no_payload(
    content_type: bytes, opening: bytes, payload: object, levels: int
) -> None:
    # Given data so deep that a decoder meets RecursionError, which is no ValueError
    data = opening * levels
    # Then it is refused, and not by chance as too large
    error = refusal(entry(content__type=content_type, data=data), reader(payload, max_bytes=10**8))
    assert error.reason in {Reason.UNDECODABLE, Reason.INVALID_PAYLOAD}


@pytest.mark.parametrize("levels", [100_000, 1_000_000])
def test_closed_deep_nesting_without_a_payload_type_is_undecodable(levels: int) -> None:
    error = refusal(entry(data=b"[" * levels + b"]" * levels), reader(max_bytes=10**8))
    assert error.reason == Reason.UNDECODABLE
    assert "deeply" in str(error)


def test_data_above_the_limit_is_too_large() -> None:
    limited = reader(max_bytes=100)
    error = refusal(entry(data=b'"' + b"x" * 99 + b'"'), limited)
    assert error.reason == Reason.TOO_LARGE
    assert limited.read(b"1-1", entry(data=b'"' + b"x" * 98 + b'"')).data == "x" * 98


def test_a_decompression_bomb_stops_at_the_limit() -> None:
    # Given 200 MB in 200 kB
    bomb = zlib.compress(b"\0" * 200_000_000)
    flat = entry(content__encoding=b"deflate", data=bomb)
    # When it is read
    tracemalloc.start()
    error = refusal(flat)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # Then it was never there as a whole
    assert error.reason == Reason.TOO_LARGE
    assert peak < 20_000_000


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        (b"deflate", b"not compressed"),
        (b"deflate", b""),
        (b"deflate", zlib.compress(b'{"id":7}' * 9)[:-3]),
        (b"deflate", zlib.compress(b"{}") + b"more"),
        (b"gzip", zlib.compress(b"{}")),
        (b"\xff\x00", b"{}"),
    ],
)
def test_broken_compression_is_undecodable(encoding: bytes, data: bytes) -> None:
    assert refusal(entry(content__encoding=encoding, data=data)).reason == Reason.UNDECODABLE


@pytest.mark.parametrize("name", ["ce_id", "ce_source", "ce_type", "ce_subject", "ce_partitionkey", "ce_time"])
@pytest.mark.parametrize("value", [b"a\x00b", b"a\nb", b"a\x1b[2Jb", b"\xff", b"\xc2\x85", b"\xed\xa0\x80"])
def test_control_characters_and_bad_utf8_in_attributes_are_undecodable(name: str, value: bytes) -> None:
    assert refusal(entry(**{name: value})).reason == Reason.UNDECODABLE


@pytest.mark.parametrize(
    "name", ["ce_traceparent", "ce_correlationid", "ce_causationid", "ce_dataschema", "ce_own", "ce_\n", "ce_\udcff"]
)
def test_control_characters_in_rarer_attributes_are_undecodable(name: str) -> None:
    flat = [*entry(), name.encode(errors="surrogateescape"), b"a\x00b"]
    assert refusal(flat).reason == Reason.UNDECODABLE


@pytest.mark.parametrize("name", ["ce_id", "ce_source", "ce_specversion"])
def test_an_entry_without_a_required_attribute_is_undecodable(name: str) -> None:
    error = refusal(entry(**{name: None}))
    assert error.reason == Reason.UNDECODABLE
    assert name in str(error)


@pytest.mark.parametrize("fields", [{"ce_id": b""}, {"ce_type": b""}, {"ce_source": b""}, {"ce_specversion": b"0.3"}])
def test_empty_or_foreign_required_attributes_are_undecodable(fields: dict[str, bytes]) -> None:
    assert refusal(entry(**fields)).reason == Reason.UNDECODABLE


@pytest.mark.parametrize("hops", [b"-5", b"", b"1_0", b" 1", b"many", b"9" * 10, b"9" * 5_000, "٣".encode()])
def test_hops_that_are_no_count_are_undecodable(hops: bytes) -> None:
    # A negative number would outwit the guard against circles.
    assert refusal(entry(ce_hops=hops)).reason == Reason.UNDECODABLE


@pytest.mark.parametrize("flat", [[], [b"ce_type"], [b"a", b"b", b"c"], [*entry(), b"ce_more"]])
def test_an_entry_with_no_fields_or_an_odd_number_is_undecodable(flat: list[bytes]) -> None:
    assert refusal(flat).reason == Reason.UNDECODABLE


@pytest.mark.parametrize(
    ("payload", "data", "path"),
    [
        (OrderData, b'{"id":"seven"}', "$.id"),
        (OrderData, b'{"id":7,"lines":[{"sku":"a"},{"sku":5}]}', "$.lines[1].sku"),
        (OrderModel, b'{"id":"seven"}', "$.id"),
        (list[Line], b'[{"sku":null}]', "$[0].sku"),
    ],
)
def test_a_field_of_the_wrong_type_is_named_and_its_value_is_not(payload: object, data: bytes, path: str) -> None:
    error = refusal(entry(data=data), reader(payload))
    assert error.reason == Reason.INVALID_PAYLOAD
    assert path in str(error)
    assert "seven" not in str(error)


def test_a_missing_field_is_invalid_and_named() -> None:
    error = refusal(entry(data=b"{}"), reader(OrderData))
    assert error.reason == Reason.INVALID_PAYLOAD
    assert "`id`" in str(error)


def test_an_unknown_type_lists_what_is_known() -> None:
    by = reader({"shop.order.created": OrderData})
    error = refusal(entry(ce_type=b"shop.order.crated"), by)
    assert error.reason == Reason.UNKNOWN_TYPE
    assert "Did you mean 'shop.order.created'?" in str(error)


def test_what_attackers_vary_is_not_remembered_for_ever() -> None:
    # Given a reader that has met many types and sources, and huge ones
    by = reader()
    for number in range(3_000):
        by.read(b"1-1", entry(ce_type=b"t%d" % number, ce_source=b"s%d" % number))
    before = _remembered(by)
    # When more of them come
    for number in range(100):
        by.read(b"1-1", entry(ce_type=b"u%d" % number + b"x" * 100_000, ce_source=b"v%d" % number))
    # Then it does not grow
    assert _remembered(by) == before <= 2_001


def test_a_huge_type_is_not_remembered() -> None:
    by = reader()
    by.read(b"1-1", entry(ce_type=b"x" * 100_000))
    assert _remembered(by) == 1  # the source


def test_an_entry_with_a_field_twice_has_its_last_value() -> None:
    assert reader().read(b"1-1", [*entry(), b"data", b"1"]).data == 1


FIELD = st.sampled_from(entry()[::2]) | st.sampled_from(
    [b"ce_hops", b"ce_dataschema", b"content-encoding", b"ce_partitionkey", b"type", b"data", b"payload"]
)
VALUE = st.sampled_from([*entry()[1::2], b"deflate", b"bus:x:v2", b"text/plain", b"application/msgpack", b"[" * 3_000])
PAYLOADS = [None, OrderData, OrderModel, {"shop.order.created": OrderData}, list[Line]]


@given(flat=st.lists(st.binary() | FIELD | VALUE), payload=st.sampled_from(PAYLOADS))
@example(flat=[b"data", b'"\xff"'], payload=None)
def test_arbitrary_fields_never_raise_anything_else(flat: list[bytes], payload: object) -> None:
    with suppress(UnreadableEntry):
        assert reader(payload).read(b"1-1", flat).entry_id == "1-1"


@given(
    changed=st.dictionaries(
        st.sampled_from([*entry()[::2], b"ce_hops", b"ce_dataschema", b"ce_x"]), st.binary() | VALUE
    ),
    payload=st.sampled_from(PAYLOADS),
)
def test_an_entry_with_some_fields_changed_never_raises_anything_else(
    changed: dict[bytes, bytes], payload: object
) -> None:
    whole = entry()
    fields = dict(zip(whole[::2], whole[1::2], strict=True)) | changed
    with suppress(UnreadableEntry):
        reader(payload).read(b"1-1", [part for pair in fields.items() for part in pair])


@given(data=st.binary(), payload=st.sampled_from(PAYLOADS))
def test_arbitrary_msgpack_never_raises_anything_else(data: bytes, payload: object) -> None:
    with suppress(UnreadableEntry):
        reader(payload).read(b"1-1", entry(content__type=b"application/msgpack", data=data))


def _remembered(by: EntryReader) -> int:
    return len(by._kinds) + len(by._texts)
