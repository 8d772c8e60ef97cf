"""Topics as server-sent events: for pages that only listen, or where no WebSocket gets through.

Needs ASGI; works without Channels.
"""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import AnonymousUser
from django.db.transaction import non_atomic_requests
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_GET

from ..access import allowed
from ..bus import buses
from ..core.telling import printable
from . import event_stream
from .subscriber import Subscriber
from .topics import find


@login_not_required  # who may join is said by each channel, and nobody may unless it says so
@require_GET
@non_atomic_requests
async def live_events(request: HttpRequest, bus: str = "default") -> HttpResponseBase:
    """Stream topics to an EventSource: `?topic=chat:lobby&topic=user:7`.

    Query:
        topic: each topic that is wanted. The browser's user must be allowed to join all of them.
        history: so many of the newest messages of each topic, to begin with.
        last: where the page was made, as an event id says it ("epoch:offset" for each topic, in their order, joined by
            commas); what came after it is sent. A browser that comes back says so by itself, with Last-Event-ID.

    Events: messages, whose data is {"topic": …, "event": a CloudEvent}; and "joined", "gap", "interrupted" and "left".
    Presence is not told here.

    Args:
        bus: alias in REDIS_BUS.
    """
    if not hasattr(request, "scope"):
        return _refusal(501, "Server-sent events need ASGI: this is WSGI, where each would keep a thread for itself.")
    served = buses[bus]
    topics = list(dict.fromkeys(request.GET.getlist("topic")))
    most = served.config.relay.rooms
    if not 0 < len(topics) <= most:
        return _refusal(400, f"Say which topics are wanted, 1 to {most}: ?topic=chat:lobby&topic=…")
    try:
        history = int(request.GET.get("history", 0))
    except ValueError:
        return _refusal(400, "history is a number of messages.")
    user = await request.auser() if hasattr(request, "auser") else AnonymousUser()
    memberships = []
    for topic in topics:
        membership = find(served, topic)
        if membership is None:
            return _refusal(404, f"There is no topic {printable(topic)!r}.")
        if not await allowed(membership.channel.can_join, user, membership.parameters):
            return _refusal(403, f"You may not join {printable(topic)!r}.")
        memberships.append(membership)
    places = event_stream.read_places(request.headers.get("Last-Event-ID") or request.GET.get("last", ""), len(topics))
    subscriber = Subscriber(served, {"session": getattr(request, "session", None)}, user)
    return StreamingHttpResponse(
        subscriber.run(memberships, places, history=max(0, min(history, served.config.relay.history))),
        content_type="text/event-stream",
        headers={
            "Cache-Control": "no-cache, no-transform",
            # nginx would keep it until its buffer is full, and Django's GZipMiddleware would compress it.
            "X-Accel-Buffering": "no",
            "Content-Encoding": "identity",
        },
    )


def _refusal(status: int, text: str) -> HttpResponse:
    return HttpResponse(
        f"{text}\n", status=status, content_type="text/plain; charset=utf-8", headers={"Cache-Control": "no-store"}
    )
