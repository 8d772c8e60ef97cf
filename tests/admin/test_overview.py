"""The overview: what is wrong comes first, then how much, then who works."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from django_redis_bus.admin import overview
from django_redis_bus.operations.values import Count

from . import reports as made
from .conftest import Staff

Render = Callable[..., str]
At = Callable[..., str]


def words(page: str) -> str:
    """The text of a page's content, in one line."""
    content = page[page.index('id="content-main"') :].replace("<wbr>", "")
    return " ".join(re.sub(r"<[^>]+>", " ", content).split())


def test_findings_stand_first_with_their_level_in_words_and_their_hint(page: Render) -> None:
    findings = (
        made.a_finding(level="error", title="Nobody consumes mail", hint="Start it.", topic="events:order"),
        made.a_finding(),
    )
    text = words(page(overview.shown, made.an_overview(made.a_stream(), findings=findings), (), ()))
    assert "Error Nobody consumes mail Start it. Look at events:order" in text
    assert "Warning Redis may evict streams Set noeviction." in text
    assert text.index("Nobody consumes") < text.index("may evict") < text.index("Behind")


def test_that_nothing_is_wrong_is_said(page: Render) -> None:
    assert "Nothing is wrong" in words(page(overview.shown, made.an_overview(), (), ()))


def test_totals_are_sums_over_groups_and_say_when_they_are_only_a_bound(page: Render) -> None:
    streams = (
        made.a_stream(
            groups=(made.a_group(pending=3, unread=Count(1000, True), oldest_s=7200.0, retrying=2, alive=2),)
        ),
        made.a_stream(
            "events:invoice", groups=(made.a_group(pending=1, unread=Count(7), retrying=1, alive=1),), dead=5
        ),
    )
    text = words(page(overview.shown, made.an_overview(*streams), (), (made.a_listener(), made.a_listener("b"))))
    assert "Behind \u2066≥ 1,011\u2069" in text
    assert "Oldest waits 2 h" in text
    assert "Retrying 3" in text
    assert "Dead letters 7" in text
    assert "Consumers 3" in text
    assert "Listeners 2" in text


def test_the_server_is_told_of_and_what_it_does_not_say_is_left_out(page: Render) -> None:
    text = words(page(overview.shown, made.an_overview(), (), ()))
    for fact in (
        "Valkey 8.1.1",
        "redis.internal:6379/0",
        "Runs for 14 d",
        "2.0",
        "noeviction",
        "append-only file and snapshots",
    ):
        assert fact in text
    silent = made.a_server(uptime_s=None, memory_bytes=None, policy="", aof=None, snapshots=None, connections=None)
    text = words(page(overview.shown, made.an_overview(server=silent), (), ()))
    assert "it does not say" in text
    assert "Runs for" not in text
    assert "Memory" not in text
    careless = made.a_server(aof=False, snapshots=False)
    assert "nothing is kept" in words(page(overview.shown, made.an_overview(server=careless), (), ()))


def test_the_circuit_breaker_of_this_process_is_told_of(page: Render) -> None:
    for circuit, said in (
        ("closed", "publishes to Redis"),
        ("open", "does not ask Redis"),
        ("half-open", "tries Redis"),
    ):
        assert said in words(page(overview.shown, made.an_overview(circuit=circuit), (), ()))


def test_consumers_at_work_tell_what_they_hold_the_longest_first(page: Render) -> None:
    workers = (made.a_worker(name="quick", oldest_s=0.5), made.a_worker(name="slow", oldest_s=90.0, lease_s=120.0))
    text = words(page(overview.shown, made.an_overview(made.a_stream()), workers, ()))
    assert text.index("slow") < text.index("quick")
    assert "for 1 min 30 s" in text
    assert "2 min" in text


def test_many_consumers_are_counted_and_not_all_shown(page: Render) -> None:
    workers = [made.a_worker(name=f"worker-{number}") for number in range(overview.AT_WORK + 7)]
    text = words(page(overview.shown, made.an_overview(), workers, ()))
    assert "and 7 more" in text
    assert text.count("worker-") == overview.AT_WORK


def test_a_chart_has_a_name_a_description_and_a_table_beside_it(page: Render) -> None:
    text = page(overview.shown, made.an_overview(), (), ())
    assert re.search(r'<svg[^>]*role="img"[^>]*aria-labelledby="bus-chart-title bus-chart-desc"', text)
    assert "events were added" in text
    assert text.count('<tr><th scope="row">') >= 60


def test_numbers_in_the_drawing_are_no_matter_of_language(page: Render, settings: Any) -> None:
    settings.LANGUAGE_CODE = "de"
    text = page(overview.shown, made.an_overview(), (), ())
    drawing = text[text.index("<svg viewBox") :].partition("</svg>")[0]
    values = re.findall(r' (?:x|y|width|height|x1|x2|y1|y2)="([^"]+)"', drawing)
    assert len(values) > 500
    for value in values:
        assert re.fullmatch(r"\d+(\.\d+)?", value)
    assert 'data-bus-refresh="5"' in text


def test_a_real_bus_is_shown(staff: Staff, at: At, declare: Callable[..., Any]) -> None:
    # Given a stream with a handler that nobody runs, and an event
    stream = declare()

    @stream.handler(group="billing")
    def charge(event: object) -> None: ...

    stream.publish({"id": 1})
    # When
    text = words(staff("see_bus").get(at("overview")).content.decode())
    # Then
    assert "events:order the newest 100,000 1" in text
    assert "billing not made yet" in text
    assert "Behind 1" in text
