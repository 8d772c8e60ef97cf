"""Where event streams are: include("django_redis_bus.relay.urls"). The WebSocket is in relay.routing."""

from __future__ import annotations

from django.urls import path

from .sse import live_events

urlpatterns = [path("bus/events/", live_events, name="live_events")]
