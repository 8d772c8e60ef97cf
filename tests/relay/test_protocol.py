"""Frames: how one is read, and how one is written."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from django_redis_bus.relay import protocol
from django_redis_bus.relay.limits import Bucket
from django_redis_bus.relay.protocol import Join, Malformed, Ping, Publish, User


def test_frames_of_a_client() -> None:
    assert protocol.read('{"do":"ping"}') == Ping()
    assert protocol.read('{"do":"join","topic":"a","id":1,"epoch":"e","offset":"1-2","history":5}') == Join(
        topic="a", id=1, epoch="e", offset="1-2", history=5
    )
    assert protocol.read('{"topic":"a","data":null,"do":"publish","id":"x"}') == Publish(topic="a", data=None, id="x")


def test_members_of_a_later_version_are_ignored() -> None:
    assert protocol.read('{"do":"ping","mood":"good"}') == Ping()


def refusal(text: str) -> Malformed | None:
    """Why a text is no frame."""
    try:
        protocol.read(text)
    except Malformed as error:
        return error
    return None


@given(st.text() | st.recursive(st.none() | st.integers() | st.text(), lambda s: st.lists(s)).map(json.dumps))
def test_whatever_comes_is_a_frame_or_malformed(text: str) -> None:
    refused = refusal(text)

    assert refused is None or str(refused)


MEMBERS = st.sampled_from(["do", "id", "topic", "data", "epoch", "offset", "history", "type"])
VALUES = st.none() | st.integers() | st.text() | st.booleans() | st.sampled_from(["join", "publish"])


@given(st.dictionaries(MEMBERS, VALUES))
def test_an_object_is_never_hopeless(frame: dict[str, Any]) -> None:
    refused = refusal(json.dumps(frame))

    assert refused is None or refused.hopeless is not _encodable(frame)


def _encodable(frame: dict[str, Any]) -> bool:
    """Whether it is JSON that has a UTF-8 form: no half of a surrogate pair."""
    try:
        json.dumps(frame, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def test_an_error_names_a_topic_unless_it_is_longer_than_one_can_be() -> None:
    assert json.loads(protocol.error("forbidden", "no", id=1, topic="chat:a")) == {
        "do": "error", "id": 1, "topic": "chat:a", "code": "forbidden", "message": "no",
    }  # fmt: skip
    assert "topic" not in json.loads(protocol.error("unknown_topic", "no", topic="x" * 501))


def test_an_event_stands_in_its_frame_as_it_was_published() -> None:
    event = '{"specversion":"1.0","data":"é\\u2028"}'

    frame = json.loads(protocol.opening('chat:"a') + event + "}")

    assert frame == {"do": "event", "topic": 'chat:"a', "event": json.loads(event)}


def test_welcome() -> None:
    frame = json.loads(
        protocol.welcome(user=User(id="7", name="ada"), spread_ms=10_000, keepalive_ms=15_000, message_bytes=16_384)
    )

    assert frame == {
        "do": "welcome",
        "version": 1,
        "user": {"id": "7", "name": "ada"},
        "reconnect": {"least_ms": 500, "most_ms": 30_000, "spread_ms": 10_000},
        "keepalive_ms": 15_000,
        "message_bytes": 16_384,
    }


def test_every_close_code_has_a_reason_and_can_be_sent_by_every_server() -> None:
    codes = {value for name, value in vars(protocol.Close).items() if name.isupper()}

    assert codes == set(protocol.REASONS)
    assert all(4000 <= code <= 4999 for code in codes)
    assert all(len(reason.encode()) <= 123 for reason in protocol.REASONS.values())


def test_a_bucket_gives_its_burst_and_then_its_rate() -> None:
    bucket = Bucket(rate=2, burst=3, now_s=0)

    assert [bucket.take(0.0) for _ in range(4)] == [True, True, True, False]
    assert [bucket.take(0.5), bucket.take(0.6)] == [True, False]
    assert bucket.refused == 1
    assert [bucket.take(100.0) for _ in range(4)] == [True, True, True, False]
