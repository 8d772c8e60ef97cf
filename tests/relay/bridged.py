"""What a project with old Channels code declares: imported by a listen_pattern process."""

from __future__ import annotations

from django_redis_bus import Channel
from django_redis_bus.relay.bridge import bridge

CHAT = Channel("chat:{room}")
bridge(CHAT, group="chat_{room}", type="chat.message")
bridge("orders:*", group="orders")
