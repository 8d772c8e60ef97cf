"""The pages around the chat. What is said does not pass through here."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth import login, logout
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from .topics import ROOMS

PEOPLE = ["ada", "grace", "linus"]


@login_required
def room(request: HttpRequest, room: str) -> HttpResponse:
    """Show a room. The rest is between chat.js and the bus."""
    if room not in ROOMS:
        raise Http404
    return render(request, "chat/room.html", {"room": room, "title": ROOMS[room], "rooms": ROOMS})


def enter(request: HttpRequest) -> HttpResponse:
    """Be one of PEOPLE, without a password. For a demonstration, and for nothing else."""
    if not settings.DEBUG:
        raise Http404
    if request.method == "POST" and (name := request.POST.get("name")) in PEOPLE:
        user, _ = User.objects.get_or_create(username=name, defaults={"password": "!"})  # a password that none fits
        login(request, user, backend="django.contrib.auth.backends.ModelBackend")
        return redirect("room", "lobby")
    return render(request, "chat/enter.html", {"people": PEOPLE})


@require_POST
def leave(request: HttpRequest) -> HttpResponse:
    """Log out. The relay closes the sockets of this session by itself."""
    logout(request)
    return redirect("enter")
