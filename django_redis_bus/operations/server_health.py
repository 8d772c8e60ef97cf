"""What is wrong with the server, the connection to it, and the outbox, in the language that is active."""

from __future__ import annotations

from collections.abc import Iterator

from django.utils.translation import gettext as _

from .health import Finding
from .outbox_facts import OutboxFacts
from .server import Server
from .wording import percent_text, span_text

LEAST = {"Redis": (7, 0), "Valkey": (7, 2)}
NEARLY_FULL = 0.9
FULL = 0.98
WAITING_S = 60.0
"""A running relay ships what is committed within a second or two."""


def of_server(server: Server) -> Iterator[Finding]:
    """Yield what is wrong with a server, as far as it says."""
    yield from _memory(server)
    if server.aof is False and server.snapshots is False:
        yield Finding(
            level="error",
            id="persistence",
            title=_("The server writes nothing to disk: a restart loses every stream."),
            hint=_("CONFIG SET appendonly yes, and the same in its configuration file."),
        )
    if server.role in ("slave", "replica"):
        yield Finding(
            level="error",
            id="replica",
            title=_("The server is a replica: nothing can be published to it, consumed or repaired."),
            hint=_("Let LOCATION name the primary. INFO replication says where it is (master_host, master_port)."),
        )
    version = _version(server.version)
    if version and version < LEAST.get(server.kind, (0, 0)):
        least = ".".join(map(str, LEAST[server.kind]))
        names = {"kind": server.kind, "version": server.version, "least": least}
        yield Finding(
            level="error",
            id="version",
            title=_("%(kind)s %(version)s is too old: the bus needs %(least)s or newer.") % names,
            hint=_("Upgrade the server to %(kind)s %(least)s or newer.") % names,
        )


def of_circuit(state: str) -> Iterator[Finding]:
    """Yield a finding if the circuit breaker of this process is not closed."""
    if state != "closed":
        yield Finding(
            level="error",
            id="circuit",
            title=_(
                "This process has stopped asking Redis (its circuit is %(state)s): it did not answer several times."
            )
            % {"state": {"open": _("open"), "half-open": _("half-open")}.get(state, state)},
            hint=_(
                "See the server's log, its load (SLOWLOG GET, INFO commandstats) and the network. It is tried again "
                "by itself; meanwhile ON_FAILURE says what becomes of events."
            ),
        )


def of_outbox(facts: OutboxFacts) -> Iterator[Finding]:
    """Yield what is wrong with the outbox of one database."""
    if facts.oldest_s is not None and facts.oldest_s > WAITING_S:
        yield Finding(
            level="error",
            id="outbox-waiting",
            title=_("Events in the outbox of database %(database)s have waited for %(age)s to be published.")
            % {"database": facts.database, "age": span_text(facts.oldest_s)},
            hint=_("Run manage.py relay_outbox; manage.py relay_outbox --status says what waits."),
        )
    if facts.parked:
        yield Finding(
            level="error",
            id="outbox-parked",
            title=_("The relay has given up events in the outbox of database %(database)s.")
            % {"database": facts.database},
            hint=_(
                "manage.py relay_outbox --status names them and why; when that is mended: "
                "manage.py relay_outbox --burst --retry-parked"
            ),
        )


def _memory(server: Server) -> Iterator[Finding]:
    policy, limit = server.policy, server.most_bytes
    noeviction = _("CONFIG SET maxmemory-policy noeviction, and the same in its configuration file.")
    if policy.startswith("allkeys-"):
        yield Finding(
            level="error" if limit else "warning",
            id="eviction",
            title=_("A full server removes whole streams: its maxmemory-policy is %(policy)s.") % {"policy": policy},
            hint=" ".join((noeviction, _("A cache wants a server of its own."))),
        )
    elif policy.startswith("volatile-") and limit:
        yield Finding(
            level="warning",
            id="eviction",
            title=_(
                "A full server removes keys that expire, with what keeps events from being added twice: its "
                "maxmemory-policy is %(policy)s."
            )
            % {"policy": policy},
            hint=noeviction,
        )
    if limit and server.memory_bytes is not None and server.memory_bytes > NEARLY_FULL * limit:
        share = server.memory_bytes / limit
        yield Finding(
            level="error" if share > FULL else "warning",
            id="memory",
            title=_("The server has used %(share)s of its memory; when it is full, nothing more can be published.")
            % {"share": percent_text(share)},
            hint=_(
                "CONFIG SET maxmemory to more, or make streams shorter: manage.py bus_trim. manage.py bus_info says "
                "which are large."
            ),
        )


def _version(text: str) -> tuple[int, ...]:
    parts = text.split(".")[:2]
    return tuple(map(int, parts)) if len(parts) == 2 and all(part.isdecimal() for part in parts) else ()
