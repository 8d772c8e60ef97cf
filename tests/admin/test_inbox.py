"""The inbox in Django admin."""

from __future__ import annotations

import pytest
from django.urls import reverse

from django_redis_bus.models import InboxEvent

from .conftest import Staff

LIST = "admin:django_redis_bus_inboxevent_changelist"


@pytest.fixture
def remembered(db: None) -> InboxEvent:
    InboxEvent.objects.create(digest="b" * 32, group="mail", event_id="e2", handled_ms=1_795_388_384_771)
    return InboxEvent.objects.create(digest="a" * 32, group="<billing>", event_id="e\x1b1", handled_ms=2**62)


def test_what_is_remembered(staff: Staff, remembered: InboxEvent) -> None:
    client = staff("see_bus")
    text = client.get(reverse(LIST)).content.decode()
    assert "e�1" in text
    assert "&lt;billing&gt;" in text
    assert "<billing>" not in text
    assert "e�1" not in client.get(f"{reverse(LIST)}?group=mail").content.decode()
    assert "e�1" not in client.get(f"{reverse(LIST)}?q=e2").content.decode()
    row = client.get(reverse("admin:django_redis_bus_inboxevent_change", args=["a" * 32]))
    assert "a" * 32 in row.content.decode()


def test_it_is_read_only_for_everybody(staff: Staff, remembered: InboxEvent) -> None:
    client = staff(is_superuser=True)
    assert client.post(reverse("admin:django_redis_bus_inboxevent_delete", args=["a" * 32])).status_code == 403
    assert client.get(reverse("admin:django_redis_bus_inboxevent_add")).status_code == 403
    assert 'name="action"' not in client.get(reverse(LIST)).content.decode()
    assert staff("operate_bus").get(reverse(LIST)).status_code == 403
