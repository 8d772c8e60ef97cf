"""What a server says of itself, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from django_redis_bus.core.exceptions import Unavailable
from django_redis_bus.operations.outbox_facts import OutboxFacts
from django_redis_bus.operations.server import Server, info, server
from django_redis_bus.operations.server_health import of_circuit, of_outbox, of_server
from tests.operations.seeing import Scene
from tests.servers import Server as Process

HEALTHY: dict[str, Any] = {
    "kind": "Redis", "version": "7.4.1", "where": "redis://h:6379", "role": "master", "memory_bytes": 50,
    "most_bytes": 100, "policy": "noeviction", "aof": True, "snapshots": False,
}  # fmt: skip


def wrong(**facts: Any) -> list[tuple[str, str]]:
    return [(finding.id, finding.level) for finding in of_server(Server(**HEALTHY | facts))]


# --- what it says


def test_a_server_is_described(
    any_server: Process, bus_settings: Callable[..., None], prefix: str, request: pytest.FixtureRequest
) -> None:
    bus_settings(LOCATION=any_server.url)

    found = server(Scene(any_server.client(), prefix).asking())

    assert found.kind == ("Valkey" if "valkey" in request.node.name else "Redis")
    assert found.version.count(".") == 2
    assert (found.role, found.policy, found.aof, found.snapshots, found.behind_s) == (
        "master", "noeviction", False, False, None,
    )  # fmt: skip
    assert found.memory_bytes
    assert found.connections
    assert (found.most_bytes, found.replicas) == (None, 0)
    assert found.where == any_server.url
    assert found.answers_ms > 0


def test_snapshots_and_a_limit_are_told(
    own_server: Callable[..., Process], bus_settings: Callable[..., None], prefix: str
) -> None:
    process = own_server(maxmemory="50mb", args=("--save", "3600 1"))
    bus_settings(LOCATION=process.url)

    found = server(Scene(process.client(), prefix).asking())

    assert (found.aof, found.snapshots, found.most_bytes) == (True, True, 50 * 1024 * 1024)
    assert found.behind_s is not None


def test_a_managed_service_leaves_much_out(
    own_server: Callable[..., Process], bus_settings: Callable[..., None], prefix: str
) -> None:
    process = own_server(aof=False)
    process.client().execute_command("ACL", "SETUSER", "op", "on", ">pw", "+@all", "-config", "-time", "allkeys")
    bus_settings(LOCATION=process.url, OPTIONS={"username": "op", "password": "pw"})

    found = server(Scene(process.client(), prefix).asking())

    assert (found.snapshots, found.behind_s, found.aof) == (None, None, False)
    assert [finding.id for finding in of_server(found)] == []
    process.client().save()
    assert server(Scene(process.client(), prefix).asking()).snapshots is True


def test_info_is_read_leniently() -> None:
    assert info(b"# Server\r\nredis_version:7.2.0\r\n\r\nodd\r\nrole:" + b"x" * 500) == {
        "redis_version": "7.2.0",
        "role": "x" * 100,
    }
    assert info(None) == {}


def test_a_password_in_the_location_is_never_told(scene: Scene, bus_settings: Callable[..., None]) -> None:
    bus_settings(LOCATION="redis://user:pass-word@127.0.0.1:1/0")

    with pytest.raises(Unavailable) as caught:
        server(scene.asking())

    assert "127.0.0.1:1" in str(caught.value)
    assert "pass-word" not in str(caught.value)


# --- what is wrong


def test_nothing_is_wrong_with_a_healthy_server_or_one_that_says_nothing() -> None:
    assert wrong() == []
    assert list(of_server(Server(kind="Redis", version="", where=""))) == []


@pytest.mark.parametrize(
    ("facts", "found"),
    [
        ({"policy": "allkeys-lru"}, ("eviction", "error")),
        ({"policy": "allkeys-lru", "most_bytes": None}, ("eviction", "warning")),
        ({"policy": "volatile-ttl"}, ("eviction", "warning")),
        ({"memory_bytes": 91}, ("memory", "warning")),
        ({"memory_bytes": 99}, ("memory", "error")),
        ({"aof": False}, ("persistence", "error")),
        ({"role": "slave"}, ("replica", "error")),
        ({"version": "6.2.14"}, ("version", "error")),
        ({"kind": "Valkey", "version": "7.1.9"}, ("version", "error")),
    ],
)
def test_what_is_wrong_with_a_server(facts: dict[str, Any], found: tuple[str, str]) -> None:
    assert wrong(**facts) == [found]


@pytest.mark.parametrize(
    "facts",
    [
        {"policy": "volatile-ttl", "most_bytes": None},
        {"memory_bytes": 90},
        {"memory_bytes": 10**12, "most_bytes": None},
        {"aof": None, "snapshots": None},
        {"aof": False, "snapshots": None},
        {"aof": False, "snapshots": True},
        {"kind": "Valkey", "version": "7.2.0"},
        {"version": "unstable"},
    ],
)
def test_what_is_not(facts: dict[str, Any]) -> None:
    assert wrong(**facts) == []


def test_a_circuit_that_is_not_closed() -> None:
    assert [finding.id for finding in of_circuit("open")] == ["circuit"]
    assert [finding.id for finding in of_circuit("half-open")] == ["circuit"]
    assert list(of_circuit("closed")) == []


def test_an_outbox_in_which_events_wait_or_were_given_up() -> None:
    def found(**facts: Any) -> list[str]:
        made = OutboxFacts(**{"database": "default", "oldest_s": None, "parked": False} | facts)
        return [finding.id for finding in of_outbox(made)]

    assert found() == []
    assert found(oldest_s=59.0) == []
    assert found(oldest_s=61.0) == ["outbox-waiting"]
    assert found(parked=True) == ["outbox-parked"]
