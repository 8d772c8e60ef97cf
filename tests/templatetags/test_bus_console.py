"""How the console writes numbers, durations and what came over the wire."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.utils.translation import override

from django_redis_bus.operations.values import Count
from django_redis_bus.templatetags import bus_console as tags


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (None, "–"),
        (-3.0, "0 ms"),
        (0.0, "0 ms"),
        (0.0003, "< 1 ms"),
        (0.34, "340 ms"),
        (0.9996, "1 s"),
        (12.4, "12 s"),
        (59.7, "1 min"),
        (192, "3 min 12 s"),
        (3_600, "1 h"),
        (3_601, "1 h"),
        (93_784, "1 d 2 h"),
        (1_209_600, "14 d"),
        (86_400 * 1234, "1,234 d"),
    ],
)
def test_a_duration_is_its_two_greatest_units(seconds: float | None, written: str) -> None:
    assert tags.duration(seconds) == written


@pytest.mark.parametrize(
    ("value", "written"),
    [(None, "–"), (0, "0"), (1234567, "1,234,567"), (Count(7), "7"), (Count(1000, True), "\u2066≥ 1,000\u2069")],
)
def test_a_number_is_grouped_and_says_where_counting_stopped(value: object, written: str) -> None:
    assert tags.number(value) == written


def test_a_number_is_written_as_the_language_writes_it() -> None:
    with override("de"):
        assert tags.number(1234567) == "1.234.567"
        assert tags.rate(3.25) in ("3,2/s", "3,3/s")


@pytest.mark.parametrize(
    ("per_s", "written"),
    [(None, "–"), (0.0, "0/s"), (1830.4, "1,830/s"), (3.2, "3.2/s"), (0.5, "30/min"), (0.01, "36/h")],
)
def test_a_rate_has_the_unit_that_gives_a_number_to_read(per_s: float | None, written: str) -> None:
    assert tags.rate(per_s) == written


def test_text_from_the_wire_is_shown_without_what_deceives_and_is_cut() -> None:
    assert tags.wire("a\x1b[31m\u202eb\ud800c") == "a�[31m�b�c"
    assert tags.wire("x" * 300) == "x" * 200 + "…"
    assert tags.wire("x" * 200) == "x" * 200


@pytest.mark.parametrize("entry_id", ["", "0-0", "-", "abc-1", "99999999999999999999-0", "١٢-0"])
def test_an_id_that_is_no_moment_is_none(entry_id: str) -> None:
    assert tags.id_moment(entry_id) is None


def test_an_id_tells_when_its_entry_was_added() -> None:
    assert tags.id_moment("1764403200000-5") == datetime(2025, 11, 29, 8, tzinfo=UTC)


def test_a_moment_is_shown_in_the_users_time_zone_and_kept_whole_for_machines(settings: Any) -> None:
    settings.TIME_ZONE = "Europe/Berlin"
    shown = tags.bus_when(datetime(2025, 11, 29, 8, 0, 1, tzinfo=UTC))
    assert 'datetime="2025-11-29T09:00:01.000+01:00"' in shown
    assert "09:00:01</time>" in shown
    assert tags.bus_when(None) == "–"


def test_events_are_counted_in_words() -> None:
    assert tags.events(1) == "1 event"
    assert tags.events(Count(2000)) == "2,000 events"


def test_a_payload_in_one_line_is_cut_and_a_plain_value_is_safe() -> None:
    assert tags.oneline('{\n  "id": 1\n}') == '{ "id": 1 }'
    assert len(tags.oneline("x" * 5000)) == 161
    assert tags.plainly({"name": "A\u202e"}) == '{"name": "A�"}'


def test_how_long_ago() -> None:
    assert [tags.ago(None), tags.ago(0.97), tags.ago(1.2), tags.ago(900)] == ["–", "just now", "1 s ago", "15 min ago"]


def test_a_size_in_its_unit() -> None:
    assert tags.size(1_572_864) == "1.5\xa0MB"
    assert tags.size(None) == "–"


@pytest.mark.parametrize(
    ("written", "digits"),
    [
        (lambda: tags.duration(192), "3"),
        (lambda: tags.rate(12), "12"),
        (lambda: tags.size(1_572_864), "1.5"),
        (lambda: tags.number(Count(700, True)), "700"),
    ],
)
def test_a_number_and_its_unit_keep_their_order_from_right_to_left(written: Any, digits: str) -> None:
    with override("he"):
        isolated = written()
    assert digits in isolated
    assert isolated[0] in "\u2066\u2068"
    assert isolated[-1] == "\u2069"


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("shop.order:made", "shop.<wbr>order:<wbr>made"),
        ("a__b--c", "a__<wbr>b--<wbr>c"),
        ("...", "..."),
        ("", ""),
        ("<b>.x", "&lt;b&gt;.<wbr>x"),
    ],
)
def test_a_name_breaks_after_its_separators(name: str, written: str) -> None:
    assert tags.breaking(name) == written
