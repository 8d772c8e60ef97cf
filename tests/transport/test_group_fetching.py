"""The fields of claimed entries, which are fetched after the claim."""

from __future__ import annotations

from tests.transport.groups import Group
from tests.transport.test_group_claims import LEASE_MS, expired


def test_entries_are_fetched_though_others_stand_between_them(group: Group) -> None:
    # Given expired entries far apart, for what stood between them is acked
    owner = group.link("a")
    ids = group.given(owner, 30)
    keep = [ids[0], ids[14], ids[29]]
    owner.ack([i for i in ids if i not in keep], False)
    for i in keep:
        group.silence(i, LEASE_MS)

    claimed = expired(group.link("b"))

    assert [d.entry_id for d in claimed.deliveries] == keep
    assert all(d.fields for d in claimed.deliveries)


def test_entries_that_are_gone_are_lost_and_leave_the_others_alone(group: Group) -> None:
    # Given three expired entries, of which somebody deletes the middle one
    owner = group.link("a")
    ids = group.given(owner, 3)
    for i in ids:
        group.silence(i, LEASE_MS)
    group.client.xdel(group.keys.stream, ids[1])

    claimed = expired(group.link("b"))

    assert [d.entry_id for d in claimed.deliveries] == [ids[0], ids[2]]
    assert set(group.pending()) == {ids[0], ids[2]}
