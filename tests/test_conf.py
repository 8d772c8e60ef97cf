from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings

from django_redis_bus import bus, buses, conf
from django_redis_bus.core.parsing import parse_buses


@pytest.mark.usefixtures("bus_settings")  # at the end it tells everybody that the setting is back
def test_without_the_setting_an_embedded_server_is_the_bus(settings: Any) -> None:
    del settings.REDIS_BUS
    conf._parsed.cache_clear()  # Django sends no signal for this
    assert conf.configs()["default"].location == "embedded://"
    assert conf.problems() == []


def test_settings_are_parsed_once(bus_settings: Callable[..., None]) -> None:
    assert conf.configs() is conf.configs()


def test_a_change_is_seen_everywhere(bus_settings: Callable[..., None]) -> None:
    # Given a bus in use
    before = buses["default"]
    assert bus.config is before.config
    # When settings change
    bus_settings(KEY_PREFIX="changed", SOURCE="other")
    # Then everybody has the new one
    assert conf.configs()["default"].source == "other"
    assert buses["default"] is not before
    assert bus.config.key_prefix == "changed"


def test_other_settings_change_nothing(bus_settings: Callable[..., None]) -> None:
    before = buses["default"]
    with override_settings(TIME_ZONE="Europe/Berlin"):
        assert buses["default"] is before


def test_problems_are_those_of_the_parser(bus_settings: Callable[..., None], settings: Any) -> None:
    bus_settings(LEASE="soon", STREAMS={"a b": {}})
    assert conf.problems() == parse_buses(settings.REDIS_BUS)[1]
    assert len(conf.problems()) == 2


def test_an_embedded_server_lives_below_base_dir(
    settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.BASE_DIR = tmp_path / "project"
    assert conf.embedded_dir() == tmp_path / "project" / ".redis-bus"
    settings.BASE_DIR = str(tmp_path)
    assert conf.embedded_dir() == tmp_path / ".redis-bus"
    del settings.BASE_DIR
    monkeypatch.chdir(tmp_path)
    assert conf.embedded_dir() == tmp_path / ".redis-bus"


@pytest.mark.parametrize("debug", [True, False])
def test_debug_is_djangos(settings: Any, debug: bool) -> None:
    settings.DEBUG = debug
    assert conf.debug() is debug
