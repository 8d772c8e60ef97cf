"""What is wrong with a stream and its groups. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from shlex import quote

from ..core.telling import printable
from ..transport.group import PIN_MS
from .groups import GroupReport
from .health import Finding, Level
from .looking import id_ms
from .streams import StreamReport

AHEAD_MS = 60_000
"""Clocks may differ by a little."""
LATE_S = 300.0
"""Events that are older than this should have been handled."""
MANY_RETRIES = 100
NAME_CHARS = 500

_Make = Callable[[Level, str, str, str], Finding]


def of_stream(report: StreamReport, *, key: str, now_ms: int) -> Iterator[Finding]:
    """Yield what is wrong with a stream.

    Args:
        key: of the stream in Redis.
        now_ms: by the server's clock.
    """
    topic, typed, key = _shown(report.topic), _typed(report.topic), _typed(key)
    if report.trouble:
        yield _unreadable(report, key)
        return
    if report.last_id and id_ms(report.last_id) > now_ms + AHEAD_MS:
        ahead_s = (id_ms(report.last_id) - now_ms) / 1000
        yield Finding(
            level="warning",
            id="clock",
            topic=report.topic,
            title=f"Stream {topic}: its ids are {ahead_s:,.0f} s ahead of the server's clock. Ages and trimming "
            "by age are wrong.",
            hint="Some program gives ids of its own: let it XADD with *, and set the clocks. New ids go on above the "
            f"highest; move what is left to a new stream, or XDEL {key} <id>… and XSETID {key} 0-1 to set it back.",
        )
    if report.dead:
        yield Finding(
            level="warning",
            id="dead",
            topic=report.topic,
            title=f"Stream {topic} has {_number(report.dead, 'dead letter')}.",
            hint=f"manage.py bus_dead list {typed} says why; mend the cause, then: "
            f"manage.py bus_dead redrive {typed} --all",
        )
    for group in report.groups:
        yield from _of_group(report, group, key)


def _unreadable(report: StreamReport, key: str) -> Finding:
    wrong_type = report.exists
    topic = _shown(report.topic)
    return Finding(
        level="error",
        id="wrong-type" if wrong_type else "refused",
        topic=report.topic,
        title=f"Stream {topic}: {report.trouble}",
        hint=f"Another program uses the key {key}: TYPE {key}. Give the bus a KEY_PREFIX of its own."
        if wrong_type
        else f"Grant the user of the bus what it needs: ACL SETUSER <user> ~{key} and the keys beside it, {{{key}}}:*.",
    )


def _of_group(report: StreamReport, group: GroupReport, key: str) -> Iterator[Finding]:
    def finding(level: Level, name: str, title: str, hint: str) -> Finding:
        place = f"Stream {_shown(report.topic)}, group {_shown(group.name)}"
        return Finding(level=level, id=name, topic=report.topic, group=group.name, title=f"{place}: {title}", hint=hint)

    yield from _paused(group, finding)
    topic, name = _typed(report.topic), _typed(group.name)
    consume = f"manage.py consume_stream {topic} --group {name}"
    if not group.exists or not group.alive:
        yield from _unattended(report, group, key, consume, finding)
        return
    if group.longest_s is not None and group.longest_s > LATE_S:
        yield finding(
            "warning",
            "hanging",
            f"a handler has had one event in hand for {_ago(group.longest_s)}.",
            "See what it waits for, and give its calls a time-out. If it hangs, restart that consumer: its event runs "
            "again.",
        )
    waits_only = group.retrying >= group.pending and not group.unread.number
    if group.oldest_s is not None and group.oldest_s > LATE_S and group.pause is None and not waits_only:
        yield finding(
            "warning",
            "late",
            f"its oldest event is {_ago(group.oldest_s)} old, though {_number(group.alive, 'consumer')} "
            f"{'is' if group.alive == 1 else 'are'} alive. {group.behind} to do.",
            f"Handlers hang, or are too slow for what comes. More consumers share the work: {consume}",
        )
    if group.retrying >= MANY_RETRIES:
        yield finding(
            "warning",
            "retries",
            f"{group.retrying:,} events wait for a retry.",
            f"manage.py bus_pending list {topic} --group {name} shows their errors.",
        )


def _paused(group: GroupReport, finding: _Make) -> Iterator[Finding]:
    for pause in (group.pause, *(handler.pause for handler in group.handlers)):
        if pause is not None:
            what = f"handler {pause.handler} is" if pause.handler else "it is"
            by = f" by {_shown(pause.by)}" if pause.by else ""
            why = f": {_shown(pause.why)}" if pause.why else ""
            yield finding("warning", "paused", f"{what} paused{by}{why}.", "Resume it in admin when that is over.")


def _unattended(report: StreamReport, group: GroupReport, key: str, consume: str, finding: _Make) -> Iterator[Finding]:
    """Yield what is wrong with a group without a live consumer."""
    destroy = f"If nobody needs it any more: XGROUP DESTROY {key} {_typed(group.name)}"
    behind = group.behind
    since = "" if group.last_alive_s is None else f" for {_ago(group.last_alive_s)}"
    if group.handlers and not group.exists:
        yield finding(
            "error" if report.length else "warning",
            "unconsumed",
            "handlers are declared and nobody has ever consumed it"
            + (f"; {_number(report.length, 'event')} in the stream." if report.length else "."),
            consume,
        )
    elif group.handlers:
        yield finding(
            "error" if behind.number else "warning",
            "no-consumer",
            f"no consumer is alive{since}"
            + (f", and {behind} {'event waits' if behind == (1, False) else 'events wait'}." if behind.number else "."),
            consume,
        )
    elif behind.number and report.declaration:
        yield finding(
            "warning",
            "unknown-group",
            f"no handler of this project is in it, and it is {behind} behind.",
            f"Another program may consume it, or used to. {destroy}",
        )
    if group.exists and behind.number and _exceeds(report) and (group.last_alive_s or 0) < PIN_MS / 1000:
        yield finding(
            "warning",
            "pins",
            "nobody consumes it, and the stream keeps what it has not handled: it grows beyond its retention.",
            f"Start its consumers. {destroy}",
        )


def _exceeds(report: StreamReport) -> bool:
    keep = report.retention
    if keep.count is not None and report.length > 1.1 * keep.count + 100:
        return True
    return keep.age_s is not None and report.oldest_s is not None and report.oldest_s > 1.1 * keep.age_s


def _typed(name: str) -> str:
    """Return a name as it can be typed in a shell, whoever has given it."""
    return quote(_shown(name))


def _shown(name: str) -> str:
    return printable(name[:NAME_CHARS])


def _number(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def _ago(seconds: float) -> str:
    for length, unit in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * length:
            return f"{seconds / length:,.0f} {unit}"
    return f"{seconds:,.0f} s"
