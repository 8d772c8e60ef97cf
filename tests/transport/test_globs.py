"""core.globs against the servers whose patterns it has to understand."""

from __future__ import annotations

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from django_redis_bus.core.globs import matcher
from tests.servers import Server

# Few letters, so that something matches now and then. No byte above 127 in ranges: whether those are signed is up to
# the machine that Redis was compiled for.
TEXTS = st.lists(st.sampled_from([b"a", b"b", b"c", b":", b"*", b"\\", b"]", b"^", b"-"]), min_size=0, max_size=6)
PATTERNS = st.lists(
    st.sampled_from([b"a", b"b", b"c", b":", b"*", b"?", b"[", b"]", b"^", b"-", b"\\", b"[ab]", b"[^a]", b"[a-b]"]),
    min_size=1,
    max_size=8,
)


@pytest.fixture
def client(any_server: Server) -> redis.Redis:
    return any_server.client()


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pattern=PATTERNS.map(b"".join), text=TEXTS.map(b"".join))
def test_matches_what_the_server_matches(client: redis.Redis, pattern: bytes, text: bytes) -> None:
    prefix = b"globs-"  # the server is shared
    pubsub = client.pubsub()
    pubsub.psubscribe(prefix + pattern)
    pubsub.get_message(timeout=5)
    try:
        assert bool(client.publish(prefix + text, b"")) == matcher(prefix + pattern)(prefix + text)
    finally:
        pubsub.close()
