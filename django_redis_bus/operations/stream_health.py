"""What is wrong with a stream and its groups, in the language that is active."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from shlex import quote

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ..core.telling import printable
from ..transport.group import PIN_MS
from .groups import GroupReport
from .health import Finding, Level
from .looking import id_ms
from .streams import StreamReport
from .wording import count_text, number_text, plural_of, span_text

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
            title=_(
                "Stream %(topic)s: its ids are %(time)s ahead of the server's clock. Ages and trimming by age are "
                "wrong."
            )
            % {"topic": topic, "time": span_text(ahead_s)},
            hint=_(
                "Some program gives ids of its own: let it XADD with *, and set the clocks. New ids go on above the "
                "highest; move what is left to a new stream, or XDEL %(key)s <id>… and XSETID %(key)s 0-1 to set it "
                "back."
            )
            % {"key": key},
        )
    if report.dead:
        title = ngettext(
            "Stream %(topic)s has %(count)s dead letter.", "Stream %(topic)s has %(count)s dead letters.", report.dead
        )
        yield Finding(
            level="warning",
            id="dead",
            topic=report.topic,
            title=title % {"topic": topic, "count": number_text(report.dead)},
            hint=_("manage.py bus_dead list %(topic)s says why; mend the cause, then: %(command)s")
            % {"topic": typed, "command": f"manage.py bus_dead redrive {typed} --all"},
        )
    for group in report.groups:
        yield from _of_group(report, group, key)


def _unreadable(report: StreamReport, key: str) -> Finding:
    wrong_type = report.exists
    hint = (
        _("Another program uses the key %(key)s: TYPE %(key)s. Give the bus a KEY_PREFIX of its own.")
        if wrong_type
        else _(
            "Grant the user of the bus what it needs: ACL SETUSER <user> ~%(key)s and the keys beside it, {%(key)s}:*."
        )
    )
    return Finding(
        level="error",
        id="wrong-type" if wrong_type else "refused",
        topic=report.topic,
        title=_("Stream %(topic)s: %(what)s") % {"topic": _shown(report.topic), "what": report.trouble},
        hint=hint % {"key": key},
    )


def _of_group(report: StreamReport, group: GroupReport, key: str) -> Iterator[Finding]:
    def finding(level: Level, name: str, what: str, hint: str) -> Finding:
        names = {"topic": _shown(report.topic), "group": _shown(group.name), "what": what}
        title = _("Stream %(topic)s, group %(group)s: %(what)s") % names
        return Finding(level=level, id=name, topic=report.topic, group=group.name, title=title, hint=hint)

    topic, name = _typed(report.topic), _typed(group.name)
    yield from _paused(group, f"manage.py bus_pause resume {topic} {name}", finding)
    consume = f"manage.py consume_stream {topic} --group {name}"
    if not group.exists or not group.alive:
        yield from _unattended(report, group, key, consume, finding)
        return
    if group.longest_s is not None and group.longest_s > LATE_S:
        yield finding(
            "warning",
            "hanging",
            _("a handler has had one event in hand for %(time)s.") % {"time": span_text(group.longest_s)},
            _(
                "See what it waits for, and give its calls a time-out. If it hangs, restart that consumer: its event "
                "runs again."
            ),
        )
    waits_only = group.retrying >= group.pending and not group.unread.number
    if group.oldest_s is not None and group.oldest_s > LATE_S and group.pause is None and not waits_only:
        what = ngettext(
            "its oldest event is %(age)s old, though %(alive)s consumer is alive. %(behind)s to do.",
            "its oldest event is %(age)s old, though %(alive)s consumers are alive. %(behind)s to do.",
            group.alive,
        )
        numbers = {
            "age": span_text(group.oldest_s), "alive": number_text(group.alive), "behind": count_text(group.behind),
        }  # fmt: skip
        yield finding(
            "warning",
            "late",
            what % numbers,
            _("Handlers hang, or are too slow for what comes. More consumers share the work: %(command)s")
            % {"command": consume},
        )
    if group.retrying >= MANY_RETRIES:
        what = ngettext("%(count)s event waits for a retry.", "%(count)s events wait for a retry.", group.retrying)
        yield finding(
            "warning",
            "retries",
            what % {"count": number_text(group.retrying)},
            _("%(command)s shows their errors.") % {"command": f"manage.py bus_pending list {topic} --group {name}"},
        )


def _paused(group: GroupReport, resume: str, finding: _Make) -> Iterator[Finding]:
    for pause in (group.pause, *(handler.pause for handler in group.handlers)):
        if pause is None:
            continue
        if pause.handler:
            what = _("handler %(handler)s is paused by %(by)s") if pause.by else _("handler %(handler)s is paused")
        else:
            what = _("it is paused by %(by)s") if pause.by else _("it is paused")
        what %= {"handler": pause.handler, "by": _shown(pause.by)}
        why = f": {_shown(pause.why)}" if pause.why else ""
        command = f"{resume} --handler {_typed(pause.handler)}" if pause.handler else resume
        hint = _("When that is over, resume it in admin, or: %(command)s") % {"command": command}
        yield finding("warning", "paused", f"{what}{why}.", hint)


def _unattended(report: StreamReport, group: GroupReport, key: str, consume: str, finding: _Make) -> Iterator[Finding]:
    """Yield what is wrong with a group without a live consumer."""
    destroy = _("If nobody needs it any more: %(command)s") % {
        "command": f"XGROUP DESTROY {key} {_typed(group.name)}",
    }
    behind = group.behind
    if group.handlers and not group.exists:
        what = _("handlers are declared and nobody has ever consumed it.")
        if report.length:
            kept = ngettext("%(count)s event is in the stream.", "%(count)s events are in the stream.", report.length)
            what = f"{what} {kept % {'count': number_text(report.length)}}"
        yield finding("error" if report.length else "warning", "unconsumed", what, consume)
    elif group.handlers:
        if group.last_alive_s is None:
            what = _("no consumer is alive.")
        else:
            what = _("no consumer is alive for %(age)s.") % {"age": span_text(group.last_alive_s)}
        if behind.number:
            waits = ngettext("%(count)s event waits.", "%(count)s events wait.", plural_of(behind))
            what = f"{what} {waits % {'count': count_text(behind)}}"
        yield finding("error" if behind.number else "warning", "no-consumer", what, consume)
    elif behind.number and report.declaration:
        what = ngettext(
            "no handler of this project is in it, and %(count)s event waits.",
            "no handler of this project is in it, and %(count)s events wait.",
            plural_of(behind),
        )
        yield finding(
            "warning",
            "unknown-group",
            what % {"count": count_text(behind)},
            " ".join((_("Another program may consume it, or used to."), destroy)),
        )
    if group.exists and behind.number and _exceeds(report) and (group.last_alive_s or 0) < PIN_MS / 1000:
        yield finding(
            "warning",
            "pins",
            _("nobody consumes it, and the stream keeps what it has not handled: it grows beyond its retention."),
            " ".join((_("Start its consumers."), destroy)),
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
