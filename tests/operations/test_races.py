"""Two operators at one time, and an operator while consumers are at work: nothing is lost, and nothing comes twice."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from threading import Barrier, Thread
from typing import Any

from django_redis_bus import Event
from django_redis_bus.bus import buses
from django_redis_bus.core.exceptions import ConfigurationError
from django_redis_bus.operations import dead, pending, replaying
from django_redis_bus.operations.asking import ACT_S, Asking
from django_redis_bus.operations.values import Acted, Count
from tests.contract.consuming import FAST, TOPIC, Contract, wait_for
from tests.operations.ward import DEAD, Ward

OPERATORS = 4


def at_once(acts: list[Callable[[], Any]]) -> list[Any]:
    """Perform acts at the same moment, each in a thread of its own."""
    ready, done = Barrier(len(acts)), []

    def perform(act: Callable[[], Acted]) -> None:
        ready.wait()
        done.append(act())

    threads = [Thread(target=perform, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return done


def test_of_all_who_bury_an_entry_one_does(ward: Ward) -> None:
    ids = ward.waiting(100) + ward.silent(100)

    def bury() -> Acted:
        return pending.bury(ward.asking(), ward.topic, ward.group, ids, by="ann")

    done = at_once([bury] * OPERATORS)

    assert sum(acted.done for acted in done) == 200
    assert Counter(fields[b"dead_entry"].decode() for fields in ward.letters().values()) == Counter(ids)
    assert ward.pending() == {}


def test_of_all_who_redrive_a_letter_one_does(ward: Ward) -> None:
    ids = ward.read(200)
    letters = ward.bury(*ids)
    ward.trimmed(*ids[:100])

    def redrive() -> Acted:
        return dead.redrive(ward.asking(), ward.topic, letters)

    done = at_once([redrive] * OPERATORS)

    assert sum(acted.done for acted in done) == 200
    assert sorted(ward.pending()) == sorted(ids[100:])
    copies = [fields[b"ce_id"] for fields in ward.entries().values() if b"bus_only_for" in fields]
    assert len(copies) == len(set(copies)) == 100
    assert ward.letters() == {}


def test_of_all_who_send_a_correction_one_does(ward: Ward) -> None:
    [letter] = ward.dead()

    def resend() -> Acted:
        try:
            dead.resend(ward.asking(), ward.topic, letter, {"id": 1})
        except LookupError:
            return Acted()
        return Acted(done=1)

    assert sum(acted.done for acted in at_once([resend] * OPERATORS)) == 1
    assert len(ward.entries()) == 2


def test_different_verbs_on_the_same_entries(ward: Ward) -> None:
    # Given entries, and operators who do not agree
    ids = ward.waiting(150) + ward.silent(150)

    def act(verb: Callable[..., Acted], **options: Any) -> Callable[[], Acted]:
        return lambda: verb(ward.asking(), ward.topic, ward.group, ids, **options)

    acts = [act(pending.bury, by="ann"), act(pending.ack)]
    done = at_once([*acts, *acts])
    at_once([act(pending.retry), act(pending.claim, to=DEAD)])

    # Then each entry is buried or acked, and never both
    assert sum(acted.done for acted in done) == 300
    kept = [fields[b"dead_entry"].decode() for fields in ward.letters().values()]
    assert len(kept) == len(set(kept)) <= 300
    assert ward.pending() == {}
    assert not ward.client.exists(ward.keys.retry, ward.keys.failures)


def test_a_replay_is_begun_as_another_cancels_it(ward: Ward) -> None:
    ids = ward.read(3)
    plan = replaying.plan(ward.asking(), ward.topic, ward.group, "all")

    def begin() -> None:
        for _ in range(100):
            try:
                begun = replaying.start(ward.asking(), ward.topic, plan, per_s=2.5, by="ann")
            except ConfigurationError:  # the one before is still under way
                continue
            assert (begun.total, begun.until, begun.per_s, begun.by) == (Count(3), ids[-1], 2.5, "ann")
            assert ward.now_ms() - 60_000 < begun.started_ms <= ward.now_ms()

    def cancel() -> None:
        for _ in range(300):
            replaying.cancel(ward.asking(), ward.topic, ward.group)

    at_once([begin, cancel, cancel])


class Work:
    """A handler that fails by chance, and takes its time by chance."""

    def __init__(self) -> None:
        self.handled: Counter[int] = Counter()
        self.heals = False
        self._luck = random.Random(1)

    def __call__(self, event: Event[Any]) -> None:
        number = event.data["n"]
        if not self.heals and self._luck.random() < 0.5:
            raise ValueError("not now")
        time.sleep(self._luck.random() / 1000)
        self.handled[number] += 1


def test_an_operator_at_work_beside_consumers(contract: Contract) -> None:
    # Given two consumers, of which one has threads, that fail half of what they run; and one that has died
    stream, work = contract.stream(), Work()
    stream.handler(group="g", retry=FAST)(_named(work))
    published = contract.publish(stream, *({"n": n} for n in range(60)))
    contract.taken_by_a_dead_consumer(40, silent_ms=0)
    running = [contract.start(batch=5), contract.start(threads=3, batch=5)]

    # When an operator does everything to everything for two seconds, while more is published
    until, number, luck = time.monotonic() + 2, 60, random.Random(2)
    acted: Counter[str] = Counter()
    while time.monotonic() < until:
        published += contract.publish(stream, *({"n": number + n} for n in range(5)))
        number += 5
        asking = Asking(buses["default"], ACT_S)
        for verb in luck.sample(["retry", "bury", "redrive", "claim"], 2):
            acted[verb] += _do(asking, verb, contract).done
        if luck.random() < 0.1:  # history is trimmed away behind the dead letters
            for fields in contract.dead()[:1]:
                contract.client.xdel(contract.key, fields[b"dead_entry"])

    # Then everything is handled once when the handler is mended and the dead letters are sent back
    work.heals = True
    wait_for(lambda: not contract.pending(), what="for the rest")
    while contract.dead():
        dead.redrive(Asking(buses["default"], ACT_S), TOPIC, dead.Match())
        wait_for(lambda: not contract.pending() and contract.settled(), what="for what was sent back")
    for each in running:
        assert each.stop() == 0
    assert min(acted[verb] for verb in ("retry", "bury", "redrive")) > 0, acted
    assert work.handled == Counter(range(number))
    assert len(published) == number


def _named(work: Work) -> Callable[[Event[Any]], None]:
    def handle(event: Event[Any]) -> None:
        work(event)

    return handle


def _do(asking: Asking, verb: str, contract: Contract) -> Acted:
    match verb:
        case "retry":
            return pending.retry(asking, TOPIC, "g", pending.Match())
        case "bury":
            return pending.bury(asking, TOPIC, "g", pending.Match(), by="ann")
        case "claim":
            to = min(name for name in contract.consumers() if name != dead.OPERATOR)
            return pending.claim(asking, TOPIC, "g", pending.Match(), to=to)
        case _:
            return dead.redrive(asking, TOPIC, dead.Match())


def test_a_replay_and_a_redrive_of_the_same_entries(contract: Contract) -> None:
    # Given dead letters, and a replay that hands the same entries to the group
    stream, work = contract.stream(), Work()
    work.heals = True
    stream.handler(group="g", retry=FAST)(_named(work))
    ids = contract.publish(stream, *({"n": n} for n in range(100)))
    contract.taken_by_a_dead_consumer(100)
    pending.bury(Asking(buses["default"], ACT_S), TOPIC, "g", ids, by="ann")
    asking = Asking(buses["default"], ACT_S)
    replaying.start(asking, TOPIC, replaying.plan(asking, TOPIC, "g", "all"), by="ann")

    running = contract.start(batch=10)
    while contract.dead():
        dead.redrive(Asking(buses["default"], ACT_S), TOPIC, dead.Match())
    wait_for(lambda: _is_over(), what="for the replay")
    wait_for(lambda: not contract.pending(), what="for what was handed out")

    # Then each is run once for each of the two at most, and never beside itself
    assert running.stop() == 0
    assert set(work.handled) == set(range(100))
    assert max(work.handled.values()) <= 2


def _is_over() -> bool:
    found = replaying.replay(Asking(buses["default"], ACT_S), TOPIC, "g")
    return found is not None and found.is_over
