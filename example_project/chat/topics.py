"""The chat is this file. The rest is a page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, TypedDict

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from msgspec import Meta

from django_redis_bus import Channel

ROOMS = {"lobby": "Lobby", "packing": "Packing", "tea": "Tea break"}
SAID, TYPING = "chat.said", "chat.typing"


@dataclass(frozen=True, kw_only=True)
class ChatMessage:
    """What somebody says. Who says it is not in here: the server knows, and a browser could claim anything."""

    text: Annotated[str, Meta(min_length=1, max_length=2000)]


class Typing(TypedDict):
    """Somebody is writing. Ephemeral: it is not kept, and nobody misses it."""


def may_enter(user: AbstractBaseUser | AnonymousUser, room: str) -> bool:
    """Who is signed in may be in each room that there is."""
    return user.is_authenticated and room in ROOMS


CHAT = Channel(
    "chat:{room}",
    payload={SAID: ChatMessage, TYPING: Typing},
    history=1000,  # kept for those who come later, or come back
    presence=True,
    can_join=may_enter,
    can_publish=may_enter,
)
