"""Reports made by hand, with defaults: what pages show, without bringing a Redis into that state."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django_redis_bus.admin.overview import Worker
from django_redis_bus.core.config import Retention
from django_redis_bus.operations.channels import ChannelReport, ChannelsReport, Heard, ListenerReport
from django_redis_bus.operations.health import Finding
from django_redis_bus.operations.overview import Overview, Server
from django_redis_bus.operations.pausing import Pause
from django_redis_bus.operations.rates import Minute
from django_redis_bus.operations.replaying import Replay
from django_redis_bus.operations.showing import Shown
from django_redis_bus.operations.streams import ConsumerReport, GroupReport, HandlerReport, StreamReport
from django_redis_bus.operations.values import Count, Page

NOW_MS = 1_764_403_200_000


def a_consumer(name: str = "web1-4711", **said: Any) -> ConsumerReport:
    given = {"host": "web1", "pid": 4711, "lease_s": 60.0, "held": 3, "oldest_id": f"{NOW_MS - 2600}-0"}
    alive = {"is_alive": True, "beat_s": 1.4, "pending": 3, "idle_s": 0.2, "oldest_s": 2.6}
    return ConsumerReport(name=name, **(alive | given | said))


def a_handler(name: str = "shop.handlers.charge", **said: Any) -> HandlerReport:
    return HandlerReport(
        name=name, **({"types": ("shop.order.created",), "idempotent": True, "max_attempts": 5} | said)
    )


def a_group(name: str = "billing", **said: Any) -> GroupReport:
    given: dict[str, Any] = {"exists": True, "handlers": (a_handler(),), "pending": 3, "unread": Count(1204)}
    given |= {"oldest_s": 192.0, "retrying": 4, "due": 1, "next_s": -0.5, "alive": 1, "last_alive_s": 1.4}
    given |= {"last_delivered": f"{NOW_MS}-0", "consumers": (a_consumer(),)}
    return GroupReport(name=name, **(given | said))


def a_stream(topic: str = "events:order", **said: Any) -> StreamReport:
    given: dict[str, Any] = {"declaration": topic, "exists": True, "length": 98_765, "bytes": 14_680_064, "dead": 2}
    given |= {"first_id": f"{NOW_MS - 86_400_000}-0", "last_id": f"{NOW_MS}-3", "added": 1_234_567, "per_s": 3.2}
    given |= {"retention": Retention(count=100_000, age_s=604_800), "removable": Count(0), "groups": (a_group(),)}
    return StreamReport(topic=topic, **(given | said))


def a_replay(**said: Any) -> Replay:
    given: dict[str, Any] = {"group": "search", "since": "0-0", "until": f"{NOW_MS}-0", "at": f"{NOW_MS - 9000}-0"}
    given |= {"done": 4200, "passed": 12, "total": Count(10_000, at_least=True), "per_s": 50.0, "by": "ada"}
    return Replay(**(given | {"started_ms": NOW_MS - 84_000, "is_over": False} | said))


def a_pause(**said: Any) -> Pause:
    return Pause(**({"group": "mail", "by": "ada", "at_ms": NOW_MS - 600_000, "why": "SMTP is down"} | said))


def an_hour() -> tuple[Minute, ...]:
    """Sixty minutes with some traffic; nobody counted what was added in the first five."""
    made = []
    for at in range(60):
        added = None if at < 5 else 40 + (at * 37) % 60
        failed = (at * 7) % 11 if at % 9 == 0 else 0
        made.append(
            Minute(
                at_ms=NOW_MS - (59 - at) * 60_000,
                added=added,
                handled=max(0, (added or 20) - 5 + at % 8),
                failed=failed,
                dead=1 if at % 17 == 4 else 0,
            )
        )
    return tuple(made)


def a_server(**said: Any) -> Server:
    given: dict[str, Any] = {"kind": "Valkey", "version": "8.1.1", "where": "redis.internal:6379/0", "role": "master"}
    given |= {"uptime_s": 1_209_600, "memory_bytes": 2_147_483_648, "most_bytes": 4_294_967_296, "policy": "noeviction"}
    given |= {"aof": True, "snapshots": True, "connections": 42, "blocked": 7, "operations_per_s": 1830, "replicas": 1}
    return Server(**(given | {"answers_ms": 0.8} | said))


def an_overview(*streams: StreamReport, findings: tuple[Finding, ...] = (), **said: Any) -> Overview:
    given = {"alias": "default", "server": a_server(), "minutes": an_hour(), "circuit": "closed"}
    return Overview(**(given | {"streams": Page(items=streams), "findings": findings} | said))


def a_worker(topic: str = "events:order", group: str = "billing", **said: Any) -> Worker:
    return Worker(topic=topic, group=group, consumer=a_consumer(**said))


def a_finding(**said: Any) -> Finding:
    given = {"level": "warning", "id": "eviction", "title": "Redis may evict streams", "hint": "Set noeviction."}
    return Finding(**(given | said))


def an_entry(entry_id: str = f"{NOW_MS}-0", **said: Any) -> Shown:
    given: dict[str, Any] = {"at": datetime(2025, 11, 29, 8, tzinfo=UTC), "event_id": "0193-7a", "source": "shop"}
    given |= {"type": "shop.order.created", "key": "42", "time": "2025-11-29T08:00:00Z", "size": 312}
    given |= {"attributes": (("content-type", "application/json"),), "data": '{\n  "id": 42,\n  "total": "19.90"\n}'}
    return Shown(entry_id=entry_id, **(given | said))


def a_listener(name: str = "web1-812", **said: Any) -> ListenerReport:
    given: dict[str, Any] = {"what": "relay", "is_alive": True, "beat_s": 2.1, "topics": ("chat:*", "news")}
    return ListenerReport(name=name, **(given | {"delivered": 5121, "dropped": 0, "gaps": 1, "sockets": 37} | said))


def a_channel(topic: str = "chat:lobby", **said: Any) -> ChannelReport:
    given: dict[str, Any] = {"declaration": "chat:{room}", "subscribers": 2, "kept": 50, "sockets": 3}
    return ChannelReport(topic=topic, **(given | said))


def the_channels(*channels: ChannelReport, **said: Any) -> ChannelsReport:
    given: dict[str, Any] = {"listeners": (a_listener(),), "active": Count(12), "patterns": 3}
    return ChannelsReport(channels=channels, **(given | said))


def a_message(**said: Any) -> Heard:
    given = {"topic": "chat:lobby", "type": "chat.said", "event_id": "e-1", "time": "2025-11-29T08:00:00Z"}
    return Heard(**(given | {"text": '{"text": "hello"}'} | said))
