"""What operations report, as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..core.config import Retention
from ..operations.groups import ConsumerReport, GroupReport
from ..operations.overview import Overview
from ..operations.pausing import Pause
from ..operations.rates import Minute
from ..operations.streams import StreamReport
from ..operations.values import Page
from .tables import name, size, span, table

SHOWN_GROUPS = "those of this project and those with most to do are shown"
_HEADS = ("STREAM, GROUP", "EVENTS", "UNREAD", "PENDING", "RETRIES", "DEAD", "OLDEST", "CONSUMERS")


def about_server(found: Overview) -> Iterator[str]:
    """Yield what is known of the server of a bus."""
    server = found.server
    facts = [f"{server.kind} {name(server.version)}", name(server.role), f"answers in {server.answers_ms:.0f} ms"]
    if server.uptime_s is not None:
        facts.append(f"up for {span(server.uptime_s)}")
    yield f"Bus {found.alias} on {server.where}: {', '.join(filter(None, facts))}"
    of = f" of {size(server.most_bytes)}" if server.most_bytes else ""
    memory = [f"{size(server.memory_bytes)}{of}", name(server.policy), _kept(server.aof, server.snapshots)]
    yield f"  memory {', '.join(filter(None, memory))}"
    load = [("connections", server.connections), ("blocked", server.blocked), ("replicas", server.replicas)]
    numbers = [f"{number:,} {what}" for what, number in load if number is not None]
    if server.operations_per_s is not None:
        numbers.append(f"{server.operations_per_s:,} commands per second")
    if numbers:
        yield f"  {', '.join(numbers)}"
    if found.circuit != "closed":
        yield f"  the circuit of this process is {found.circuit}"


def about_streams(page: Page[StreamReport]) -> Iterator[str]:
    """Yield a table of streams and their groups."""
    if not page.items:
        yield "No streams: none is declared, and none has been consumed."
        return
    rows = [row for report in page.items for row in _rows(report)]
    yield from table(_HEADS, rows)
    if page.following is not None:
        yield f"More follow: manage.py bus_info --after {name(page.following, 500)}"


def about_stream(report: StreamReport) -> Iterator[str]:
    """Yield all that is known of a stream."""
    declared = f", declared as {report.declaration}" if report.declaration else ", which nothing declares"
    yield f"Stream {name(report.topic, 500)}{declared if report.declaration != report.topic else ''}"
    if report.trouble:
        yield f"  {report.trouble}"
        return
    if not report.exists:
        yield "  There is no such key: nothing has been published, and nobody has consumed it."
    if not (report.exists or report.dead or report.groups):
        return
    rate = "" if report.per_s is None else f", {_rate(report.per_s)}"
    yield f"  {_plural(report.length, 'event')} of {report.added:,} ever added, {size(report.bytes)}{rate}"
    yield f"  {_plural(report.dead, 'dead letter')}; keeps {_keeps(report.retention)}; {report.removable} to be trimmed"
    if report.first_id:
        yield f"  first {report.first_id}, last {report.last_id}"
    for group in report.groups:
        yield ""
        yield from _about_group(group)
    if report.more_groups:
        yield ""
        yield f"  {_plural(report.more_groups, 'more group')}; {SHOWN_GROUPS}"


def about_minutes(minutes: Sequence[Minute]) -> Iterator[str]:
    """Yield how much flowed."""
    for last in (5, len(minutes)):
        shown = minutes[-last:]
        added = [minute.added for minute in shown if minute.added is not None]
        numbers = [f"{sum(added):,} added" if added else "unknown how many added"]
        numbers += [f"{sum(getattr(each, what) for each in shown):,} {what}" for what in ("handled", "failed", "dead")]
        yield f"Last {last} minutes: {', '.join(numbers)}"


def _rows(report: StreamReport) -> Iterator[tuple[str, ...]]:
    if report.trouble:
        yield (name(report.topic), "?", *[""] * 6)
        return
    yield (name(report.topic), f"{report.length:,}", "", "", "", f"{report.dead:,}", span(report.oldest_s), "")
    for group in report.groups:
        pause = " (paused)" if group.pause is not None else ""
        consumers = f"{group.alive:,}" if group.exists else "never"
        yield (
            f"  {name(group.name)}{pause}", "", str(group.unread), f"{group.pending:,}", f"{group.retrying:,}", "",
            span(group.oldest_s), consumers,
        )  # fmt: skip
    if report.more_groups:
        yield (f"  {_plural(report.more_groups, 'more group')}", *[""] * 7)


def _about_group(group: GroupReport) -> Iterator[str]:
    oldest = "up to date" if group.oldest_s is None else f"the oldest event is {span(group.oldest_s)} old"
    yield f"  Group {name(group.name, 200)}: {group.unread} unread, {group.pending:,} pending, {oldest}"
    if not group.exists:
        yield "    nobody has ever consumed it"
    if group.pause is not None:
        yield f"    paused{_paused(group.pause)}"
    if group.retrying:
        first = "now" if group.next_s is not None and group.next_s <= 0 else f"in {span(group.next_s)}"
        yield f"    {_plural(group.retrying, 'retry', 'retries')}, {group.due:,} of them due; the first {first}"
    if group.keys:
        yield f"    of keys {', '.join(name(key) for key in group.keys)}"
    if group.replay is not None:
        state = "over" if group.replay.is_over else "under way"
        yield f"    replay {state}: {group.replay.done:,} of {group.replay.total}, by {name(group.replay.by)}"
    for handler in group.handlers:
        types = f" of {', '.join(map(name, handler.types))}" if handler.types else ""
        paused = f", paused{_paused(handler.pause)}" if handler.pause is not None else ""
        yield f"    handler {handler.name}{types}{paused}"
    if group.consumers:
        rows = [_consumer(consumer) for consumer in group.consumers]
        heads = ("CONSUMER", "STATE", "PENDING", "IDLE", "IN HAND", "LONGEST", "LEASE")
        yield from (f"    {line}" for line in table(heads, rows, left=2))
    elif group.exists:
        yield "    no consumer"


def _consumer(consumer: ConsumerReport) -> tuple[str, ...]:
    state = "paused" if consumer.paused else "alive"
    if not consumer.is_alive:
        state = f"silent for {span(consumer.beat_s)}" if consumer.beat_s is not None else "no heartbeat"
    held = "-" if consumer.held is None else f"{consumer.held:,}"
    return (
        name(consumer.name), state, f"{consumer.pending:,}", span(consumer.idle_s), held, span(consumer.oldest_s),
        span(consumer.lease_s),
    )  # fmt: skip


def _paused(pause: Pause) -> str:
    by = f" by {name(pause.by)}" if pause.by else ""
    return f"{by}: {name(pause.why, 200)}" if pause.why else by


def _kept(aof: bool | None, snapshots: bool | None) -> str:
    kinds = [kind for kind, has in (("an append-only file", aof), ("snapshots", snapshots)) if has]
    if kinds:
        return f"kept in {' and '.join(kinds)}"
    return "not kept on disk" if aof is False and snapshots is False else ""


def _keeps(retention: Retention) -> str:
    limits = [] if retention.count is None else [f"the newest {retention.count:,}"]
    if retention.age_s is not None:
        limits.append(f"those of the last {span(retention.age_s)}")
    return " and ".join(limits) or "everything"


def _rate(per_s: float) -> str:
    for number, unit in ((per_s, "second"), (per_s * 60, "minute"), (per_s * 3600, "hour")):
        if number >= 1:
            return f"about {number:,.0f} per {unit}"
    return "less than 1 per hour"


def _plural(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"
