"""Every verb that is done from a page about Redis: how it is asked for, what it needs, what it says and leaves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.test import Client
from django.urls import reverse

from django_redis_bus.operations import pausing, replaying
from tests.operations.ward import DEAD, TOPIC, Ward

STREAM = {"stream": TOPIC}
GROUP = STREAM | {"group": "billing"}


@dataclass(frozen=True, kw_only=True)
class Verb:
    """A verb.

    Attributes:
        name: as its record begins.
        route, query: the page that does it.
        needs: permission beside see_bus.
        given: brings a ward into need of it, and returns what is posted.
        also: what the confirmation asks for.
        question: that the confirmation asks.
        answer: that the page gives afterwards.
        record: the end of the record.
        more_needs: permissions beside that.
    """

    name: str
    route: str
    query: dict[str, str]
    needs: str
    given: Callable[[Ward], dict[str, Any]]
    also: dict[str, str] = field(default_factory=dict)
    question: str
    answer: str
    record: str
    flag: int = CHANGE
    model: str = "streampage"
    more_needs: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.name

    @property
    def rights(self) -> tuple[str, ...]:
        return ("see_bus", self.needs, *self.more_needs)

    def address(self, **more: str) -> str:
        return reverse(f"admin:django_redis_bus_{self.route}", query=self.query | more)


def hidden(html: str) -> dict[str, list[str]]:
    """Return the hidden fields of a page's last form, as a browser posts them."""
    from html.parser import HTMLParser

    found: dict[str, list[str]] = {}

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
            said = dict(attributes)
            if tag == "form":
                found.clear()
            if tag == "input" and said.get("type") == "hidden":
                found.setdefault(str(said["name"]), []).append(str(said["value"]))

    Reader().feed(html)
    return {name: values for name, values in found.items() if name != "csrfmiddlewaretoken"}


def confirm(client: Client, address: str, data: dict[str, Any], **also: str) -> Any:
    """Ask for an act, confirm it as a browser would, and return the page that follows."""
    asked = client.post(address, data)
    assert asked.status_code == 200, asked
    return client.post(address, hidden(asked.content.decode()) | also | {"confirmed": "1"}, follow=True)


def state(ward: Ward) -> dict[bytes, bytes | None]:
    """Return all that Redis holds of a test."""
    prefix = ward.key.removesuffix(f":{TOPIC}")
    return {key: ward.client.dump(key) for key in sorted(ward.client.scan_iter(f"*{prefix}*"))}


def held(ward: Ward) -> tuple[object, ...]:
    """Return which entries, dead letters and pending entries there are."""
    groups = ward.client.xinfo_groups(ward.key)
    return ward.entries(), ward.letters(), sorted(ward.pending()) if groups else []


def records() -> list[LogEntry]:
    """Return what stands in the admin's log, the oldest first."""
    return list(LogEntry.objects.order_by("id"))


def _chosen(act: str, ids: list[str]) -> dict[str, Any]:
    return {"act": act, "id": ids}


def _replayed(ward: Ward) -> dict[str, Any]:
    ward.read(3)
    return {"act": "replay", "whence": "all", "per_s": "2.5"}


def _under_way(ward: Ward) -> dict[str, Any]:
    ward.read(3)
    replaying.start(ward.asking(), TOPIC, replaying.plan(ward.asking(), TOPIC, "billing", "all"), by="bob")
    return {"act": "cancel"}


def _running(ward: Ward) -> dict[str, Any]:
    ward.make_group()
    return {"act": "pause"}


def _paused(ward: Ward) -> dict[str, Any]:
    ward.make_group()
    pausing.pause(ward.asking(), TOPIC, "billing", by="bob")
    return {"act": "resume"}


def _long(ward: Ward) -> dict[str, Any]:
    ward.add(5)
    return {"keep": "2", "age": ""}


VERBS = (
    Verb(
        name="retry", route="pending_act", query=GROUP, needs="operate_bus",
        given=lambda ward: _chosen("retry", ward.waiting(2)),
        question="Retry 2 pending entries now?", answer="2 entries are tried again now.", record="2 done",
    ),
    Verb(
        name="claim", route="pending_act", query=GROUP, needs="operate_bus",
        given=lambda ward: [ward.silent(), _chosen("claim", ward.waiting(2))][1], also={"to": DEAD},
        question="Hand 2 pending entries to another consumer?", answer="2 entries have a new owner.",
        record="2 done",
    ),
    Verb(
        name="bury", route="pending_act", query=GROUP, needs="operate_bus",
        given=lambda ward: _chosen("bury", ward.waiting(2)), also={"why": "the card is lost"},
        question="Move 2 pending entries to the dead letters?", answer="2 entries are dead letters now.",
        record="2 done",
    ),
    Verb(
        name="ack", route="pending_act", query=GROUP, needs="destroy_bus", flag=DELETION,
        given=lambda ward: _chosen("ack", ward.waiting(2)),
        question="Discard 2 pending entries?", answer="2 entries are settled.", record="2 done",
    ),
    Verb(
        name="redrive", route="dead_act", query=STREAM, needs="operate_bus", model="deadletterpage",
        given=lambda ward: _chosen("redrive", ward.dead(2)),
        question="Redrive 2 dead letters?", answer="2 dead letters are with their groups again.", record="2 done",
    ),
    Verb(
        name="discard", route="dead_act", query=STREAM, needs="destroy_bus", flag=DELETION, model="deadletterpage",
        given=lambda ward: _chosen("discard", ward.dead(2)),
        question="Discard 2 dead letters?", answer="2 dead letters are discarded.", record="2 done",
    ),
    Verb(
        name="replay", route="replay", query=GROUP, needs="operate_bus", given=_replayed,
        question="Replay 3 entries?", answer="The replay of 3 entries begins.", record=": begun",
    ),
    Verb(
        name="cancel", route="replay", query=GROUP, needs="operate_bus", given=_under_way,
        question="Cancel the replay of group “billing”?", answer="The replay is cancelled.", record="1 done",
    ),
    Verb(
        name="pause", route="pause", query=GROUP, needs="operate_bus", given=_running, also={"why": "a deploy"},
        question="Pause group “billing”?", answer="Told to pause: group “billing”.", record="1 done",
    ),
    Verb(
        name="resume", route="pause", query=GROUP, needs="operate_bus", given=_paused,
        question="Resume group “billing”?", answer="Goes on: group “billing”.", record="1 done",
    ),
    Verb(
        name="trim", route="trim", query=STREAM, needs="destroy_bus", flag=DELETION, given=_long,
        question="Remove 3 entries from the stream?", answer="3 entries were removed.", record="3 done",
    ),
)  # fmt: skip
PUBLISH = Verb(
    name="publish", route="publish", query={"topic": TOPIC, "type": "shop.order.created"}, needs="operate_bus",
    flag=ADDITION, given=lambda ward: {"payload-json": '{"id": 7}', "event_id": "12345678123456781234567812345678"},
    question="Send this event?", answer="Added to stream events:order as entry", record="",
)  # fmt: skip
