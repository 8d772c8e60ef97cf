"""The entries of a stream, page by page: forwards, backwards, filtered, and with a bound."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal

import pytest

from django_redis_bus.core.exceptions import ConfigurationError, PublishError
from django_redis_bus.operations.entries import LOOKED_AT, LOOKED_AT_BYTES, browse, entry
from tests.operations.seeing import Scene

Declare = Callable[..., Any]
FILL = "for i = 1, tonumber(ARGV[1]) do redis.call('XADD', KEYS[1], '*', 'n', i, 'x', ARGV[2]) end"


def ids(scene: Scene, **options: Any) -> list[str]:
    return [shown.entry_id for shown in browse(scene.asking(), "events:order", payloads=True, **options).items]


def walked(scene: Scene, direction: Literal["older", "newer"], **options: Any) -> list[str]:
    """Return the ids of all pages."""
    found: list[str] = []
    start: str | None = ""
    while start is not None:
        page = browse(scene.asking(), "events:order", start=start, direction=direction, payloads=True, **options)
        found += [shown.entry_id for shown in page.items]
        start = page.following
    return found


@pytest.mark.parametrize("number", [0, 1, 9, 10, 11, 25])
def test_every_entry_is_on_one_page_in_both_directions(scene: Scene, number: int) -> None:
    made = scene.add(number)

    assert walked(scene, "older", count=10) == made[::-1]
    assert walked(scene, "newer", count=10) == made


def test_the_last_page_says_so(scene: Scene) -> None:
    scene.add(20)

    first = browse(scene.asking(), "events:order", count=10, payloads=True)
    last = browse(scene.asking(), "events:order", count=10, start=first.following or "", payloads=True)

    assert first.following is not None
    assert (len(last.items), last.following, first.cut_short, last.cut_short) == (10, None, False, False)


def test_entries_of_one_millisecond_are_told_apart(scene: Scene) -> None:
    for sequence in (0, 1, 18446744073709551615):
        scene.client.xadd(scene.key(), {"n": 1}, id=f"1700000000000-{sequence}")
    scene.client.xadd(scene.key(), {"n": 1}, id="1700000000001-0")

    made = ["1700000000000-0", "1700000000000-1", "1700000000000-18446744073709551615", "1700000000001-0"]
    assert walked(scene, "newer", count=1) == made
    assert walked(scene, "older", count=1) == made[::-1]


def test_a_page_begins_at_an_id_or_at_a_time(scene: Scene) -> None:
    for second in range(5):
        scene.client.xadd(scene.key(), {"n": 1}, id=f"{1_700_000_000_000 + 1_000 * second}-0")
    moment = datetime.fromtimestamp(1_700_000_002, UTC).isoformat()

    assert ids(scene, start="1700000002000-0", direction="newer") == [f"170000000{n}000-0" for n in (2, 3, 4)]
    assert ids(scene, start=moment, direction="newer") == [f"170000000{n}000-0" for n in (2, 3, 4)]
    assert ids(scene, start=moment) == [f"170000000{n}000-0" for n in (2, 1, 0)]
    assert ids(scene, start="1700000002000") == [f"170000000{n}000-0" for n in (2, 1, 0)]


@pytest.mark.parametrize("start", ["yesterday", "all", "new", "1-2-3", "2026-11-22T08:00:00", "-", "9" * 30])
def test_what_is_no_place_is_refused(scene: Scene, start: str) -> None:
    with pytest.raises(ConfigurationError, match="place"):
        browse(scene.asking(), "events:order", start=start, payloads=True)


def test_filters_find_type_key_and_text(scene: Scene, declare: Declare) -> None:
    declare("events:order")
    made = [
        scene.publish({"n": n}, type="order.made" if n % 2 else "order.paid", key=f"k{n % 3}", subject=f"s{n}")
        for n in range(12)
    ]

    assert ids(scene, type="order.made", direction="newer") == made[1::2]
    assert ids(scene, key="k1", direction="newer") == made[1::3]
    assert ids(scene, text='"n":7') == [made[7]]
    assert ids(scene, text="S7", type="order.paid") == []
    assert walked(scene, "newer", count=2, type="order.made") == made[1::2]


def test_looking_ends_at_a_bound_and_goes_on_from_there(scene: Scene) -> None:
    scene.client.eval(FILL, 1, scene.key(), LOOKED_AT + 500, "")
    [wanted] = scene.add(1, needle="here")
    scene.client.eval(FILL, 1, scene.key(), LOOKED_AT + 500, "")

    first = browse(scene.asking(), "events:order", text="here", payloads=True)
    second = browse(scene.asking(), "events:order", text="here", start=first.following or "", payloads=True)

    assert (first.items, first.cut_short, first.looked_at) == ((), True, LOOKED_AT)
    assert [shown.entry_id for shown in second.items] == [wanted]
    assert (second.cut_short, second.looked_at) == (True, LOOKED_AT)
    assert walked(scene, "older", text="here") == [wanted]


def test_large_entries_make_shorter_pages(scene: Scene) -> None:
    scene.client.eval(FILL, 1, scene.key(), 40, "x" * 1_000_000)

    page = browse(scene.asking(), "events:order", payloads=True)

    assert page.cut_short
    assert LOOKED_AT_BYTES / 1_000_000 - 1 <= len(page.items) <= LOOKED_AT_BYTES / 1_000_000 + 3
    assert len(walked(scene, "newer")) == 40


def test_one_entry(scene: Scene) -> None:
    [made] = scene.add(1, n="7")

    found = entry(scene.asking(), "events:order", made, payloads=True)

    assert found is not None
    assert found.data == '{\n  "n": "7"\n}'
    assert entry(scene.asking(), "events:order", "1-1", payloads=True) is None
    with pytest.raises(ConfigurationError, match="no entry id"):
        entry(scene.asking(), "events:order", "-", payloads=True)


def test_a_key_of_another_type_is_an_error(scene: Scene) -> None:
    scene.client.set(scene.key(), "x")

    with pytest.raises(PublishError, match="WRONGTYPE"):
        browse(scene.asking(), "events:order", payloads=True)
