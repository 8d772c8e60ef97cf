"""A project with a relay, for servers that tests start: see servers.py."""

from __future__ import annotations

import os

import django
from channels.routing import ProtocolTypeRouter
from django.conf import settings

settings.ALLOWED_HOSTS = ["localhost"]
settings.SESSION_ENGINE = "django.contrib.sessions.backends.file"
settings.SESSION_FILE_PATH = os.environ.get("BUS_TEST_SESSIONS", "/tmp")
django.setup()

from django_redis_bus import Channel  # noqa: E402
from django_redis_bus.access import anyone, owner, signed_in  # noqa: E402
from django_redis_bus.relay.routing import websocket_application  # noqa: E402

CHAT = Channel("chat:{room}", history=1000, can_join=anyone, can_publish=anyone)
LIVE = Channel("live:{room}", can_join=anyone, can_publish=anyone)
TEAM = Channel("team:{room}", history=100, can_join=signed_in, can_publish=signed_in, presence=True)
USER = Channel("user:{id}", parameters={"id": int}, history=10, can_join=owner)

application = ProtocolTypeRouter({"websocket": websocket_application()})
