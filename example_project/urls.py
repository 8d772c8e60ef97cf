from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

from example_project.chat.views import enter, leave, room
from example_project.shop.views import board, orders

urlpatterns = [
    path("", orders, name="orders"),
    path("board/", board, name="board"),
    path("chat/", enter, name="enter"),
    path("chat/leave/", leave, name="leave"),
    path("chat/<slug:room>/", room, name="room"),
    # Topics over Server-Sent Events, which the board uses. The chat's WebSocket is in asgi.py.
    path("", include("django_redis_bus.relay.urls")),
    path("admin/", admin.site.urls),
]
