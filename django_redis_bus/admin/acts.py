"""One way for every verb: chosen, confirmed with its number, recorded, done, told.

Nothing here is done on GET. Every verb is one script per entry, so that doing it again does no harm.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from django import forms
from django.contrib import messages
from django.contrib.admin.models import CHANGE
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, models
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect, QueryDict
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy

from ..core.exceptions import BusError, Unavailable
from ..core.telling import printable
from ..operations.values import Acted, Count
from .audit import Record, asked
from .frame import Frame
from .wording import number_text

CONFIRMED = "confirmed"
"""Set by the button of the confirmation, and by nothing else."""
_CONTROL = {"csrfmiddlewaretoken", CONFIRMED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """A verb.

    Attributes:
        name: in forms and in the record.
        needs: the right to do it.
        button: what stands on its button.
        question, done: what is asked before and told after; from ngettext_lazy over "count", showing %(shown)s, or
            about the %(subject)s of an Intent.
        happens: what it does to an entry.
        spares: what it does not touch.
        flag: of django.contrib.admin.models, for its icon among the recent actions.
        said: what the record says once it is done; "" for to how many.
    """

    name: str
    needs: Literal["operate", "destroy"]
    button: Promise
    question: Promise
    done: Promise
    happens: Promise
    spares: Promise
    flag: int = CHANGE
    said: str = ""

    @property
    def destroys(self) -> bool:
        """Whether something is gone for good afterwards."""
        return self.needs == "destroy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """An act that somebody wants done.

    Attributes:
        facts: what it is done to, as label and value.
        about: the same in one line, for the record.
        how: by what the entries were chosen, for the record.
        model: of the console, that the record stands under.
        count: returns how many are meant.
        perform: does it; takes what `form` was filled in with.
        back, place: address and name of the page to go to.
        object_id: of the record, if `about` is none: the key of the one row it is about, or "".
        form: what is still to be said, on the confirmation; bound once that is posted.
        pinned: fields that the confirmation adds to those posted, such as what "all" is up to.
        examples: the first of what is meant.
        subject: what it is done to, if that is one thing: "group “billing”".
        nothing: what is said if the number is none; "" for the usual.
        warning: what stands above the question's explanation.
        then: what is said after it was done to some, beside the number: where they are now.
    """

    act: Act
    facts: Sequence[tuple[str | Promise, str]]
    about: str
    how: str
    model: type[models.Model]
    count: Callable[[], Count]
    perform: Callable[[dict[str, Any]], Acted]
    back: str
    place: str
    object_id: str | None = None
    form: forms.Form | None = None
    pinned: Sequence[tuple[str, str]] = ()
    examples: Sequence[str] = ()
    subject: str = ""
    nothing: str = ""
    then: str = ""
    warning: str = ""


_LEFT: dict[str, Any] = {
    "running": ngettext_lazy(
        "%(count)s is running just now and was left alone.",
        "%(count)s are running just now and were left alone.",
        "count",
    ),
    "gone": ngettext_lazy(
        "%(count)s is no longer there: somebody, or a consumer, was quicker.",
        "%(count)s are no longer there: somebody, or a consumer, was quicker.",
        "count",
    ),
    "changed": ngettext_lazy(
        "%(count)s has changed since it was looked for, and was left alone.",
        "%(count)s have changed since they were looked for, and were left alone.",
        "count",
    ),
    "theirs already": ngettext_lazy(
        "%(count)s was left alone: that consumer owns it already.",
        "%(count)s were left alone: that consumer owns them already.",
        "count",
    ),
    "trimmed": ngettext_lazy(
        "%(count)s was left alone: it has been trimmed out of the stream, and nothing is left of it to keep.",
        "%(count)s were left alone: they have been trimmed out of the stream, and nothing is left of them to keep.",
        "count",
    ),
    "unreadable": ngettext_lazy(
        "%(count)s was left alone: no bus wrote it, so nobody knows which group it is of.",
        "%(count)s were left alone: no bus wrote them, so nobody knows which group they are of.",
        "count",
    ),
    "too many fields": ngettext_lazy(
        "%(count)s was left alone: it has too many fields to be copied.",
        "%(count)s were left alone: they have too many fields to be copied.",
        "count",
    ),
    "no group": ngettext_lazy(
        "%(count)s was left alone: the group no longer exists.",
        "%(count)s were left alone: the group no longer exists.",
        "count",
    ),
}
_LEFT_OTHERWISE: Any = ngettext_lazy(
    "%(count)s was left alone: %(reason)s.", "%(count)s were left alone: %(reason)s.", "count"
)


def conduct(frame: Frame, intent: Intent) -> HttpResponse:
    """Answer a POST that wants an act: with its confirmation, or by doing it if that was confirmed.

    Raises PermissionDenied for who may not, BusError if Redis cannot be asked for the number.
    """
    if frame.request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    if not frame.rights.allow(intent.act.needs):
        raise PermissionDenied
    count = intent.count()
    if not count.number:
        messages.warning(
            frame.request, intent.nothing or _("Nothing was done: nothing that was chosen is there any more.")
        )
        return HttpResponseRedirect(intent.back)
    confirmed = CONFIRMED in frame.request.POST
    if not confirmed or (intent.form is not None and not intent.form.is_valid()):
        return _confirmation(frame, intent, count)
    return _perform(frame, intent, count)


def shown(text: Any, count: Count, subject: str = "") -> str:
    """Return a text of an Act for a number, or for the one thing that it is about."""
    number = number_text(count.number)
    if count.at_least:
        number = _("at least %(n)s") % {"n": number}
    return str(text % {"count": count.number, "shown": number, "subject": subject})


def left_alone(acted: Acted) -> list[str]:
    """Return why entries were left alone, a sentence per reason."""
    return [
        str(_LEFT.get(reason, _LEFT_OTHERWISE) % {"count": number, "reason": reason})
        for reason, number in sorted(acted.left_alone.items())
    ]


def posted(post: QueryDict, without: Sequence[str] = ()) -> list[tuple[str, str]]:
    """Return what was posted, for hidden fields that post it again."""
    return [
        (name, value)
        for name, values in post.lists()
        if name not in _CONTROL and name not in without
        for value in values
    ]


def _confirmation(frame: Frame, intent: Intent, count: Count) -> HttpResponse:
    without = [name for name, _value in intent.pinned] + (list(intent.form.fields) if intent.form else [])
    return frame.page(
        "confirm.html",
        shown(intent.act.question, count, printable(intent.subject)),
        crumbs=[(intent.place, intent.back)],
        act=intent.act,
        facts=[(label, printable(value)) for label, value in intent.facts],
        count=count,
        form=intent.form,
        hidden=[*posted(frame.request.POST, without), *intent.pinned],
        examples=[printable(each) for each in intent.examples],
        action=frame.request.get_full_path(),
        back=intent.back,
        warning=intent.warning,
    )


def _perform(frame: Frame, intent: Intent, count: Count) -> HttpResponse:
    request, act = frame.request, intent.act
    said = ", ".join(filter(None, (act.name, asked(count), intent.how)))
    try:
        record = Record(request, intent.model, intent.about, said, flag=act.flag, object_id=intent.object_id)
    except DatabaseError:
        messages.error(request, NOT_RECORDED)
        return HttpResponseRedirect(intent.back)
    given = intent.form.cleaned_data if intent.form is not None else {}
    try:
        acted = intent.perform(given)
    except (BusError, DatabaseError) as error:
        failed(request, record, error, _("It was not done, or not to all: %(error)s"))
        return HttpResponseRedirect(intent.back)
    record.end(act.said or acted)
    tell(frame, act, acted, printable(intent.subject))
    if acted.done and intent.then:
        messages.info(request, intent.then)
    if not acted.more:
        return HttpResponseRedirect(intent.back)
    return frame.page(
        "more.html",
        shown(act.done, Count(acted.done)),
        crumbs=[(intent.place, intent.back)],
        act=act,
        facts=[(label, printable(value)) for label, value in intent.facts],
        hidden=[*posted(request.POST, ["after"]), ("after", acted.following)],
        action=request.get_full_path(),
        back=intent.back,
    )


def failed(request: HttpRequest, record: Record, error: Exception, text: str) -> None:
    """Record and tell that an act has failed; or, where it was on its way when the time was up, that nobody knows.

    Args:
        text: that it was not done, about %(error)s.
    """
    if isinstance(error, Unavailable) and error.perhaps_sent:
        record.end(f"no answer in time, it may have been done: {error}")
        text = _("No answer came in time, so it may have been done: look before you do it again. %(error)s")
    else:
        record.end(f"failed: {error}")
    messages.error(request, text % {"error": printable(str(error))})


NOT_RECORDED = gettext_lazy("Nothing was done, because who did it could not be written to the admin's log.")


def tell(frame: Frame, act: Act, acted: Acted, subject: str = "") -> None:
    """Leave messages about what an act has done."""
    level = messages.success if acted.done else messages.warning
    level(frame.request, shown(act.done, Count(acted.done), subject))
    for sentence in left_alone(acted):
        messages.warning(frame.request, sentence)
