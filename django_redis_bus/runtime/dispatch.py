"""Run one delivery: read the entry, find its handler, call it inside the middleware, decide."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from threading import current_thread, main_thread
from time import perf_counter
from typing import Any

from ..core.answers import errors_of, refuse
from ..core.causation import together
from ..core.envelope import ONLY_FOR
from ..core.events import Event
from ..core.exceptions import UnreadableEntry
from ..core.handlers import Handler, MiddlewareHooks, Router
from ..core.policy import ACK, Ack, Decision, Hold, Retry, decide, overdue
from ..core.ports import Delivery
from ..core.reading import EntryReader
from ..core.redaction import Redaction, Scrub
from .hooks import complain, overridden, wants_acks

Done = list[tuple[Delivery, Decision | Hold]]
Seen = tuple[Delivery, Event[Any] | None]

_UNREAD = Retry()
"""The policy of what never reached a handler."""


class Dispatcher:
    """Turns deliveries into decisions. Never raises for what an entry, a handler or a middleware does.

    Args:
        reader: entries to Events.
        router: Events to handlers.
        middleware: outermost first; hooks they do not override are never called.
        luck: returns a random number in [0, 1).
        redaction: what the texts of errors must not show; None if they may show all.
        group: whose deliveries these are.

    Attributes:
        paused: names of handlers that are not called for now.
        closing: coroutines that are cancelled from now on are cut off; before, a handler cancelled itself.
    """

    def __init__(
        self,
        reader: EntryReader,
        router: Router,
        middleware: Sequence[MiddlewareHooks],
        luck: Callable[[], float],
        redaction: Redaction | None = None,
        group: str = "",
    ) -> None:
        self.paused: frozenset[str] = frozenset()
        self.closing = False
        self._group = group.encode()
        self._read = reader.read
        self._only = router.only
        self._route = router.route
        self._luck = luck
        self._redaction = redaction
        self._begin = overridden(middleware, "begin")
        self._abegin = overridden(middleware, "abegin")
        self._around = overridden(middleware, "around")
        # The default list has one: it is called without the detour for many.
        self._one_around = self._around[0] if len(self._around) == 1 else None
        self._failed = overridden(middleware, "failed")
        self._afailed = overridden(middleware, "afailed")
        self._outcome = overridden(middleware, "outcome")
        # The hooks that want to hear of successes too, asked before each batch: a logger may be silent on them.
        self._on_ack = self._outcome

    def begin(self) -> None:
        """Call before each batch, in the thread that runs it."""
        self._on_ack = [hook for hook in self._outcome if wants_acks(hook)]
        for hook in self._begin:
            try:
                hook()
            except Exception as trouble:
                complain(hook, trouble)

    async def abegin(self) -> None:
        """Call before each batch of coroutines."""
        for hook in self._abegin:
            try:
                await hook()
            except Exception as trouble:
                complain(hook, trouble)

    def run(self, delivery: Delivery) -> Decision | Hold:
        """Run a delivery's handler here and now."""
        if delivery.fields and delivery.fields[0] == ONLY_FOR and delivery.fields[1] != self._group:
            return ACK
        started = perf_counter()
        handler: Handler | None = None
        event: Event[Any] | None = None
        try:
            event = self._read(delivery.entry_id, delivery.fields, delivery.attempt)
            handler = self._only or self._route(event.type)
            if handler is None:
                decision: Decision = ACK
            elif self.paused and handler.name in self.paused:
                return Hold(handler=handler.name)
            elif delivery.redelivered and (dead := _overdue(delivery, handler)) is not None:
                decision = dead
            else:
                if self._one_around is None:
                    returned = self._call(handler, event)
                elif (context := self._one_around(event, handler)) is None:
                    returned = handler.fn(event)
                else:
                    with context:
                        returned = handler.fn(event)
                if returned is not None:
                    refuse(returned, handler.name)
                decision = ACK
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt) and current_thread() is main_thread():
                raise  # somebody pressed Ctrl-C in a script or test that consumes in its own thread
            scrub = self._scrubber([(delivery, event)])
            decision = self._decide(error, delivery, handler, scrub)
            self._after_failure(error, scrub)
        for hook in self._on_ack if decision is ACK else self._outcome:
            try:
                hook(handler, event, delivery, decision, perf_counter() - started)
            except Exception as trouble:
                complain(hook, trouble, self._scrubber([(delivery, event)]))
        return decision

    async def arun(self, delivery: Delivery) -> Decision | Hold:
        """Run a delivery's `async def` handler on this event loop."""
        if delivery.fields and delivery.fields[0] == ONLY_FOR and delivery.fields[1] != self._group:
            return ACK
        started = perf_counter()
        handler: Handler | None = None
        event: Event[Any] | None = None
        try:
            event = self._read(delivery.entry_id, delivery.fields, delivery.attempt)
            handler = self._only or self._route(event.type)
            if handler is None:
                decision: Decision = ACK
            elif self.paused and handler.name in self.paused:
                return Hold(handler=handler.name)
            elif delivery.redelivered and (dead := _overdue(delivery, handler)) is not None:
                decision = dead
            else:
                await self._acall(handler, event)
                decision = ACK
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError):
                if self.closing:
                    raise
                error = RuntimeError("the handler was cancelled from within")
            scrub = self._scrubber([(delivery, event)])
            decision = self._decide(error, delivery, handler, scrub)
            if not isinstance(error, UnreadableEntry):
                for afailed in self._afailed:
                    try:
                        await afailed()
                    except Exception as trouble:
                        complain(afailed, trouble, scrub)
        self._tell(handler, event, delivery, decision, perf_counter() - started)
        return decision

    def run_batch(self, deliveries: Sequence[Delivery]) -> Done:
        """Run deliveries of a group with batch handlers: one call per handler, one decision per delivery."""
        done: Done = []
        calls: dict[str, tuple[Handler, list[tuple[Delivery, Event[Any]]]]] = {}
        for delivery in deliveries:
            if delivery.fields and delivery.fields[0] == ONLY_FOR and delivery.fields[1] != self._group:
                done.append((delivery, ACK))
                continue
            try:
                event = self._read(delivery.entry_id, delivery.fields, delivery.attempt)
            except Exception as error:
                decision = self._decide(error, delivery, None, self._scrubber([(delivery, None)]))
                self._finish(done, None, None, delivery, decision, 0.0)
                continue
            handler = self._only or self._route(event.type)
            if handler is not None and handler.name in self.paused:
                done.append((delivery, Hold(handler=handler.name)))
                continue
            dead = _overdue(delivery, handler) if handler and delivery.redelivered else None
            if handler is None or dead is not None:
                self._finish(done, handler, event, delivery, dead or ACK, 0.0)
            elif delivery.attempt > 1 or delivery.solo:
                # A batch that failed as a whole is run again one by one: the good ones pass.
                self._run_together(done, handler, [(delivery, event)])
            else:
                calls.setdefault(handler.name, (handler, []))[1].append((delivery, event))
        for handler, items in calls.values():
            size = handler.batch or 1
            for at in range(0, len(items), size):
                self._run_together(done, handler, items[at : at + size])
        return done

    def _run_together(self, done: Done, handler: Handler, items: list[tuple[Delivery, Event[Any]]]) -> None:
        started = perf_counter()
        errors: list[BaseException | None] = [None] * len(items)
        scrub: Scrub = str
        try:
            events = [event for _, event in items]
            said = self._call(handler, together(events), events)
            errors = errors_of(said, len(items), handler.name)
            if any(error is not None for error in errors):
                scrub = self._scrubber(items)
        except BaseException as error:
            errors = [error] * len(items)
            scrub = self._scrubber(items)
            self._after_failure(error, scrub)
        seconds = (perf_counter() - started) / len(items)
        for (delivery, event), failure in zip(items, errors, strict=True):
            decision = ACK if failure is None else self._decide(failure, delivery, handler, scrub)
            self._finish(done, handler, event, delivery, decision, seconds)

    def _finish(
        self, done: Done, handler: Handler | None, event: Event[Any] | None, delivery: Delivery, decision: Decision,
        seconds: float,
    ) -> None:  # fmt: skip
        done.append((delivery, decision))
        self._tell(handler, event, delivery, decision, seconds)

    def _tell(
        self, handler: Handler | None, event: Event[Any] | None, delivery: Delivery, decision: Decision, seconds: float
    ) -> None:
        for hook in self._outcome:
            try:
                hook(handler, event, delivery, decision, seconds)
            except Exception as trouble:
                complain(hook, trouble, self._scrubber([(delivery, event)]))

    def _call(self, handler: Handler, event: Event[Any], events: list[Event[Any]] | None = None) -> object:
        argument = event if events is None else events
        with ExitStack() as stack:
            for context in self._contexts(handler, event):
                stack.enter_context(context)
            return handler.fn(argument)

    async def _acall(self, handler: Handler, event: Event[Any]) -> None:
        with ExitStack() as stack:
            for context in self._contexts(handler, event):
                stack.enter_context(context)
            await handler.fn(event)

    def _contexts(self, handler: Handler, event: Event[Any]) -> list[AbstractContextManager[object]]:
        return [context for around in self._around if (context := around(event, handler)) is not None]

    def _scrubber(self, seen: Iterable[Seen]) -> Scrub:
        """Return what cleans the texts of an error that may quote these."""
        if self._redaction is None:
            return str
        return self._redaction.scrubber((delivery.fields, event.data if event else None) for delivery, event in seen)

    def _decide(self, error: BaseException, delivery: Delivery, handler: Handler | None, scrub: Scrub) -> Decision:
        policy = _UNREAD if handler is None else handler.retry
        decision = decide(error, attempt=delivery.attempt, policy=policy, luck=self._luck())
        return decision if scrub is str or isinstance(decision, Ack) else replace(decision, scrub=scrub)

    def _after_failure(self, error: BaseException, scrub: Scrub) -> None:
        if not isinstance(error, UnreadableEntry):
            for hook in self._failed:
                try:
                    hook()
                except Exception as trouble:
                    complain(hook, trouble, scrub)


def _overdue(delivery: Delivery, handler: Handler) -> Decision | None:
    return overdue(delivery.attempt, delivery.crashes, handler.retry)
