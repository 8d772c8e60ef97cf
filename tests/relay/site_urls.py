"""See site.py."""

from __future__ import annotations

from django.http import HttpRequest, JsonResponse
from django.urls import include, path

from django_redis_bus.bus import buses
from django_redis_bus.relay.rooms import rooms_of


async def members(request: HttpRequest) -> JsonResponse:
    """How many are in each room of this process."""
    rooms = rooms_of(buses["default"])
    return JsonResponse(
        {topic: len(room.members) for topic in request.GET.getlist("topic") if (room := rooms.get(topic))}
    )


urlpatterns = [path("", include("django_redis_bus.relay.urls")), path("members/", members)]
