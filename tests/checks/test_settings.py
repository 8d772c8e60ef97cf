"""One test for each check of REDIS_BUS: its id, what it says, and what to type."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import CheckMessage, run_checks
from django.core.management import CommandError, call_command

from django_redis_bus.checks import check_bus
from django_redis_bus.checks.settings import check_settings
from django_redis_bus.middleware import DEFAULT

BusSettings = Callable[..., None]


class NeedsMore:
    """A class that cannot be made without arguments."""

    def __init__(self, dsn: str) -> None: ...


not_callable = 7


def only(id: str) -> CheckMessage:
    """The one message that there is; and that all the checks together live to tell it."""
    [message] = check_settings()
    assert message.id == id
    assert message.hint
    assert message.is_serious() == id.startswith("bus.E")
    assert message in check_bus()
    return message


def test_a_good_configuration_has_nothing_to_say(bus_settings: BusSettings) -> None:
    bus_settings(MIDDLEWARE=[*DEFAULT], STREAMS={"events:order": {}}, CHANNELS={"chat:{room}": {}})
    assert check_settings() == []
    assert check_bus() == []


def test_e001(settings: Any) -> None:
    settings.REDIS_BUS = "redis://127.0.0.1:6379/0"
    message = only("bus.E001")
    assert message.msg == "REDIS_BUS must be a mapping of alias to options."
    assert message.hint == 'REDIS_BUS = {"default": {"LOCATION": "redis://127.0.0.1:6379/0"}}'


def test_e002(settings: Any) -> None:
    settings.REDIS_BUS = {"eu": {"LOCATION": "redis://127.0.0.1:6379/0"}}
    assert only("bus.E002").msg == "REDIS_BUS has no alias 'default'."


def test_e001_for_aliases_that_a_database_cannot_tell_apart(bus_settings: BusSettings) -> None:
    bus_settings(others={"eu": {"LOCATION": "redis://eu"}, "EU": {"LOCATION": "redis://eu"}})
    assert only("bus.E001").msg.startswith("REDIS_BUS has the aliases 'eu' and 'EU'")


def test_e003(bus_settings: BusSettings) -> None:
    bus_settings(LEASE="soon")
    message = only("bus.E003")
    assert message.msg.startswith("REDIS_BUS['default']['LEASE'] is 'soon', which is not a number of seconds")
    assert message.hint == 'Give a number of seconds or a text such as "30s", at least 1.'


def test_e004(bus_settings: BusSettings) -> None:
    bus_settings(PUBLISHER={})
    message = only("bus.E004")
    assert message.msg == "REDIS_BUS['default']['PUBLISHER'] is not a known key."
    assert message.hint == "Did you mean 'PUBLISHERS'?"


def test_e005(settings: Any) -> None:
    settings.REDIS_BUS = {"default": {"KEY_PREFIX": "shop"}}
    assert only("bus.E005").msg == "REDIS_BUS['default'] has no LOCATION."


@pytest.mark.parametrize("place", ["STREAMS", "CHANNELS"])
def test_e006(bus_settings: BusSettings, place: str) -> None:
    # Given a name that Stream() would refuse, which the other checks are about to declare
    bus_settings(**{place: {"events order": {}}})
    assert "'events order' is no topic name" in only("bus.E006").msg


def test_e007(bus_settings: BusSettings) -> None:
    bus_settings(PUBLISHERS={"p": {"MODEL": "tests_app.Order"}})
    message = next(m for m in check_settings() if m.id == "bus.E007")
    assert message.msg == "REDIS_BUS['default']['PUBLISHERS']['p'] has no TOPIC."
    assert "TOPIC" in (message.hint or "")


@pytest.mark.parametrize(
    "path", ["nowhere.Middleware", "django_redis_bus.middleware.Nothing", "nodots", f"{__name__}.gone"]
)
def test_e008_not_there(bus_settings: BusSettings, path: str) -> None:
    bus_settings(MIDDLEWARE=[path])
    message = only("bus.E008")
    assert message.msg.startswith(f"REDIS_BUS['default']['MIDDLEWARE']: {path!r} cannot be imported")
    assert message.hint == "Give the dotted path of a Middleware class."


@pytest.mark.parametrize("name", ["NeedsMore", "not_callable", "only"])
def test_e008_no_class_that_can_be_made(bus_settings: BusSettings, name: str) -> None:
    bus_settings(MIDDLEWARE=[f"{__name__}.{name}"])
    assert "is no class that can be made without arguments" in only("bus.E008").msg


def test_e008_a_module_that_fails(bus_settings: BusSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a module that raises anything but ImportError
    (tmp_path / "failing_middleware.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    bus_settings(MIDDLEWARE=["failing_middleware.Timing"])
    # Then the check tells of it, and does not fail in turn
    assert "division by zero" in only("bus.E008").msg
    assert "failing_middleware" not in sys.modules


@pytest.mark.parametrize(
    "location",
    ["redis://:hun/ter2@127.0.0.1:6379/0", "redis://:hun#ter2@127.0.0.1:6379", "redis://:hun?ter2@h", "redis://h:port"],
)
def test_e009(bus_settings: BusSettings, location: str) -> None:
    bus_settings(LOCATION=location)
    message = only("bus.E009")
    assert message.msg == "REDIS_BUS['default']['LOCATION'] cannot be read as a URL."
    assert "%2F" in (message.hint or "")
    assert "hun" not in str(message)


@pytest.mark.parametrize(
    "location", ["redis://h", "rediss://u:p@h:1/2", "unix:///tmp/s", "embedded://", "embedded:///x"]
)
def test_locations_that_can_be_read(bus_settings: BusSettings, location: str) -> None:
    bus_settings(LOCATION=location)
    assert check_settings() == []


def test_every_alias_is_looked_at(bus_settings: BusSettings) -> None:
    bus_settings(others={"eu": {"LOCATION": "redis://h:port"}, "us": {"LOCATION": "redis://h", "MIDDLEWARE": ["x.Y"]}})
    assert [(m.id, m.msg.split("]")[0]) for m in check_settings()] == [
        ("bus.E009", "REDIS_BUS['eu'"),
        ("bus.E008", "REDIS_BUS['us'"),
    ]


@pytest.mark.django_db(databases=["default", "other"])  # Django 6.1 asks them for their features
def test_django_runs_them(bus_settings: BusSettings) -> None:
    bus_settings(LEASE="soon")
    assert "bus.E003" in {message.id for message in run_checks()}
    with pytest.raises(CommandError, match=r"bus\.E003"):
        call_command("check")


def test_e016_an_option_that_redis_py_does_not_know(bus_settings: BusSettings) -> None:
    bus_settings(OPTIONS={"sockt_keepalive": True})
    assert "sockt_keepalive" in only("bus.E016").msg
    bus_settings(OPTIONS={"health_check_interval": 30})
    assert check_settings() == []


def test_w001_an_option_that_the_bus_sets_itself(bus_settings: BusSettings) -> None:
    bus_settings(OPTIONS={"decode_responses": True})
    assert "'decode_responses'" in only("bus.W001").msg


def test_e009_a_database_that_is_no_number(bus_settings: BusSettings) -> None:
    bus_settings(LOCATION="redis://127.0.0.1:6379/zero")
    assert only("bus.E009")


def test_e001_options_where_the_aliases_belong(settings: Any) -> None:
    settings.REDIS_BUS = {"LOCATION": "redis://127.0.0.1:6379/0"}
    assert '"default"' in (only("bus.E001").hint or "")
