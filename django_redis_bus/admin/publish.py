"""An event made by hand: topic and type chosen, payload filled in, shown as it will be sent, then sent.

Works without JavaScript: choosing a topic or a type asks for the page again.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.models import ADDITION
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..core.events import Message, Published
from ..core.exceptions import BusError, PayloadError
from ..core.telling import printable
from ..models import ChannelPage, StreamPage
from ..operations import composing
from ..operations.asking import ACT_S
from ..operations.composing import Target
from ..operations.shapes import Shape
from .acts import CONFIRMED, NOT_RECORDED, failed, posted
from .audit import Record
from .payload_form import PayloadForm
from .payload_modes import payload_form, switched
from .routing import Route
from .visits import Visit
from .wording import linked

JSON = "json"
SWITCH = "switch"
"""Posted by the button that fills the payload in the other way: as JSON, or field by field."""


class EventForm(forms.Form):
    """What is said of an event beside its payload.

    Args:
        target: a field is made for each of its placeholders.
    """

    key = forms.CharField(
        label=gettext_lazy("Ordering key"),
        required=False,
        max_length=500,
        help_text=gettext_lazy("Events with one key are handled in order. Empty: none."),
    )
    subject = forms.CharField(
        label=gettext_lazy("Subject"), required=False, max_length=500, help_text=gettext_lazy("What it is about.")
    )
    event_id = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(self, target: Target, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._names = {f"p{place}": name for place, name in enumerate(target.parameters)}
        places = {
            place: forms.CharField(label=f"{{{name}}}", max_length=128, help_text=_("Part of the topic's name."))
            for place, name in self._names.items()
        }
        self.fields = {**places, **self.fields}

    @property
    def parameters(self) -> dict[str, str]:
        """The values of the placeholders; once it is valid."""
        return {name: self.cleaned_data[place] for place, name in self._names.items()}

    def place_of(self, name: str) -> str | None:
        """Return the field that an error about `name` belongs to, None if to none of these."""
        found = {name: place for place, name in self._names.items()} | {"key": "key", "subject": "subject"}
        return found.get(name)

    def with_parameters(self, values: dict[str, str]) -> EventForm:
        """Fill in the placeholders that a concrete name holds."""
        self.initial.update({place: values.get(name, "") for place, name in self._names.items()})
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An event that is being made.

    Attributes:
        type: of the event.
        shape: of its payload, as it is filled in.
        typed: its payload type has fields, whether or not they are filled in one by one.
    """

    target: Target
    type: str
    shape: Shape
    typed: bool
    event: EventForm
    payload: PayloadForm


def show(visit: Visit) -> HttpResponseBase:
    given = visit.given("topic").strip()
    target = composing.target(visit.bus, given) if given else None
    if target is None:
        unknown = _("Nothing declares “%(topic)s”.") % {"topic": printable(given[:200])} if given else ""
        return shown(visit, None, unknown=unknown)
    draft = _draft(visit, target, given)
    if visit.request.method != "POST" or not {"edit", SWITCH}.isdisjoint(visit.request.POST):
        return shown(visit, draft)
    message = _message(visit, draft)
    if message is None:
        return shown(visit, draft)
    if CONFIRMED not in visit.request.POST:
        return _preview(visit, draft, message)
    return _send(visit, draft, message)


def shown(visit: Visit, draft: Draft | None, *, unknown: str = "") -> HttpResponseBase:
    """Return the page: without a draft, the choice of a topic."""
    as_json = draft is not None and draft.typed and draft.shape.fields is None
    where = {"topic": visit.given("topic"), "type": draft.type} if draft else {}
    return visit.page(
        "publish.html",
        _("Publish"),
        targets=composing.targets(visit.bus),
        draft=draft,
        unknown=unknown,
        as_json=as_json,
        action=visit.url("publish", **where, mode=JSON if as_json else ""),
        bare=visit.url("publish"),
    )


def _draft(visit: Visit, target: Target, given: str) -> Draft:
    # A type that the topic cannot have came with another topic, in the form that chooses both.
    event_type = visit.given("type").strip()
    if not event_type or (target.closed and event_type not in target.types) or visit.given("was") not in ("", given):
        event_type = target.types[0] if target.types else ""
    declared = composing.shape(visit.bus, target.name, event_type)
    data = visit.request.POST if visit.request.method == "POST" else None
    parameters = composing.parameters(visit.bus, given)
    if data is not None and SWITCH in data:
        # What is not finished is not judged yet.
        event = EventForm(target, initial={"event_id": uuid.uuid4()} | data.dict())
        payload = switched(declared, data, whole=data[SWITCH] == JSON)
    else:
        event = EventForm(target, data, initial={"event_id": uuid.uuid4()}).with_parameters(parameters)
        payload = payload_form(declared, data, whole=visit.given("mode") == JSON)
    return Draft(
        target=target,
        type=event_type,
        shape=payload.shape,
        typed=declared.fields is not None,
        event=event,
        payload=payload,
    )


def _message(visit: Visit, draft: Draft) -> Message | None:
    """Return the event as it would be sent; None if something does not fit, which the forms then say."""
    if not all([draft.event.is_valid(), draft.payload.is_valid()]):
        return None
    said = draft.event.cleaned_data
    try:
        return composing.compose(
            visit.bus,
            draft.target.name,
            draft.payload.plain,
            parameters=draft.event.parameters,
            type=draft.type,
            key=said["key"],
            subject=said["subject"],
            id=said["event_id"].hex,
        )
    except PayloadError as error:
        place = draft.event.place_of(error.path)
        if place is not None:
            draft.event.add_error(place, printable(str(error)))
        else:
            draft.payload.refuse(error)
    except BusError as error:
        draft.payload.add_error(None, printable(str(error)))
    return None


def _preview(visit: Visit, draft: Draft, message: Message) -> HttpResponseBase:
    return visit.page(
        "publish_preview.html",
        _("Send this event?"),
        crumbs=[(_("Publish"), visit.url("publish"))],
        draft=draft,
        message=message,
        sent=composing.as_sent(message),
        hidden=posted(visit.request.POST, ["edit", SWITCH]),
        action=visit.request.get_full_path(),
        back=visit.url("publish"),
    )


def _send(visit: Visit, draft: Draft, message: Message) -> HttpResponseBase:
    request, back = visit.request, visit.url("publish", topic=visit.given("topic"), type=draft.type)
    try:
        record = _record(request, visit.alias, draft, message)
    except DatabaseError:
        messages.error(request, NOT_RECORDED)
        return HttpResponseRedirect(back)
    try:
        published = composing.send(visit.bus, message, within_s=ACT_S)
    except BusError as error:
        failed(request, record, error, _("It was not sent: %(error)s"))
        return HttpResponseRedirect(back)
    where = published.entry_id or ("" if published.receivers is None else f"receivers={published.receivers}")
    record.end(" ".join(filter(None, (published.state, where))))
    level = messages.warning if published.state in ("dropped", "muted", "outbox") else messages.success
    level(request, _told(visit, published))
    return HttpResponseRedirect(back)


def _record(request: HttpRequest, alias: str, draft: Draft, message: Message) -> Record:
    model = ChannelPage if draft.target.what == "channel" else StreamPage
    said = f"publish, 1 asked, type={message.type!r:.200} id={message.event_id}"
    return Record(request, model, f"{message.topic}, bus {alias}", said, flag=ADDITION)


def _told(visit: Visit, published: Published) -> str:
    topic = printable(published.topic)
    match published.state:
        case "added":
            where = visit.url("entry", stream=published.topic, id=published.entry_id)
            return linked(
                _("Added to stream %(topic)s as entry %(link)s."), where, published.entry_id or "", topic=topic
            )
        case "known":
            return _("Stream %(topic)s had this event already; it was not added twice.") % {"topic": topic}
        case "sent":
            heard = _("Sent over channel %(topic)s. Connections that heard it: %(count)s.")
            return heard % {"topic": topic, "count": published.receivers}
        case "outbox":
            return _("Redis did not take it; it is in the outbox, and leaves as soon as that is possible.")
        case _:
            why = {"dropped": _("dropped"), "muted": _("muted")}.get(published.state, published.state)
            return _("It was not sent: %(state)s.") % {"state": why}


ROUTES = (Route(name="publish", path="publish/", show=show, needs="operate", methods=("GET", "POST"), tab="publish"),)
