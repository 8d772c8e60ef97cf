"""Places, ids and times that are none: each is answered with what is wrong, and nothing is done."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.urls import reverse

from tests.operations.ward import Ward

from .conftest import RIGHTS, Staff
from .verbs import GROUP, STREAM, records, state

At = Callable[..., str]
HUGE = "99999999999999999999-99999999999999999999"
LATE, EARLY = "9999-12-31T23:59", "0001-01-01T00:00"


@pytest.mark.parametrize("route", ["pending_act", "dead_act"])
@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"id": "1-1", "after": "1-1"}, "no place to go on from"),
        ({"id": "1-1", "after": "9" * 20}, "no place to go on from"),
        ({"all": "1", "after": "x"}, "no place to go on from"),
        ({"all": "1", "until": HUGE}, "no entry id"),
        ({"all": "1", "until": "9" * 5000}, "no entry id"),
        ({"id": HUGE}, "no entry id"),
        ({"id": "١-١"}, "no entry id"),
    ],
)
def test_a_choice_that_is_none(staff: Staff, at: At, ward: Ward, route: str, data: dict[str, str], said: str) -> None:
    ward.silent()
    ward.dead()
    before, act = state(ward), "retry" if route == "pending_act" else "redrive"
    address = at(route, **(GROUP if route == "pending_act" else STREAM))
    answer = staff(*RIGHTS).post(address, {"act": act, "confirmed": "1"} | data)
    assert answer.status_code == 400
    assert said in answer.content.decode()
    assert state(ward) == before
    assert records() == []


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago"])
@pytest.mark.parametrize("moment", [LATE, EARLY, f"{EARLY}+14:00", f"{LATE}:59-14:00", "2026-11-22T08:00+99:99", "1e9"])
def test_entries_from_a_time_beyond_the_calendar(
    staff: Staff, at: At, ward: Ward, settings: object, zone: str, moment: str
) -> None:
    settings.TIME_ZONE = zone  # type: ignore[attr-defined]
    ward.add()
    assert staff("see_bus").get(at("entries", **STREAM, at=moment)).status_code in (200, 400)


@pytest.mark.django_db(databases=["default", "other"])
@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago"])
@pytest.mark.parametrize("moment", [LATE, EARLY])
def test_forms_with_a_time_beyond_the_calendar(
    staff: Staff, at: At, ward: Ward, settings: object, zone: str, moment: str
) -> None:
    settings.TIME_ZONE = zone  # type: ignore[attr-defined]
    ward.read()
    client = staff(*RIGHTS)
    replayed = client.post(at("replay", **GROUP), {"act": "replay", "whence": "time", "at": moment})
    assert replayed.status_code in (200, 302)
    republished = {"since": moment, "of_bus": "default", "database": "default"}
    assert client.post(at("republish"), republished).status_code in (200, 302)


@pytest.mark.django_db(databases=["default", "other"])
@pytest.mark.parametrize("until", ["9" * 5000, "²", "-1"])
def test_a_bound_of_republishing_that_is_none(staff: Staff, until: str, db: None) -> None:
    data = {"since": "2026-01-01T00:00", "of_bus": "default", "database": "default", "until": until}
    answer = staff(*RIGHTS).post(reverse("admin:django_redis_bus_republish"), data, follow=True)
    assert "no row of that bus was sent since then" in answer.content.decode()
