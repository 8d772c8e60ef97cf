"""What the demo prints: one line per second, a line per trouble, and the account at the end."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TextIO

from .facts import GROUPS, GroupTally, Tally
from .reconcile import Account

BOLD, DIM, RED, GREEN, YELLOW = "1", "2", "31", "32", "33"
HEADING_EVERY = 20
GROUP_WIDTH = 11


class Line(NamedTuple):
    """One line of the account: a name, a number, and what it means."""

    name: str
    number: int
    meaning: str


class Screen:
    """Writes to a terminal, or to whatever stands in its place.

    Args:
        out: where to.
        colour: None asks the terminal and NO_COLOR (https://no-color.org).
    """

    def __init__(self, out: TextIO, *, colour: bool | None = None) -> None:
        self._out = out
        self._colour = (out.isatty() and not os.environ.get("NO_COLOR")) if colour is None else colour
        self._lines = 0

    def say(self, text: str = "", *codes: str) -> None:
        """Write one line, at once: it may be read through a pipe."""
        try:
            self._out.write(self._paint(text, *codes) + "\n")
        except UnicodeEncodeError:
            self._out.write(text.encode("ascii", "replace").decode() + "\n")
        self._out.flush()

    def second(
        self,
        at_s: float,
        saved: int,
        waiting: int,
        tally: Tally | None,
        said: int,
        happened: Iterable[tuple[str, str]],
    ) -> None:
        """Write the line of one second.

        Args:
            waiting: rows of the outbox that have not been published.
            tally: None while Redis does not answer.
            said: lines in the chat.
            happened: (what, the order it happened to).
        """
        if self._lines % HEADING_EVERY == 0:
            names = "".join(f"{name:>{GROUP_WIDTH}}" for name in GROUPS)
            self.say(f" time saved waiting stream{names}  chat  what happened in the shop", BOLD)
        self._lines += 1
        minutes, seconds = divmod(int(at_s), 60)
        head = f"{minutes:2}:{seconds:02} {saved:5} "
        count = f"{waiting or '-':>7} "
        # Cut before it is painted: codes have no width.
        room = _columns() - len(head + count) - 6 - GROUP_WIDTH * len(GROUPS) - 8
        text = _cut(_sentence(happened), max(room, 16))
        if tally is None:
            cells = self._paint("  away", RED) + f"{'-':>{GROUP_WIDTH}}" * len(GROUPS)
        else:
            cells = f"{tally.added:6}" + "".join(self._cell(group) for group in tally.groups.values())
        self.say(
            f"{head}{self._paint(count, *((YELLOW,) if waiting else ()))}{cells}{said:6}  {self._paint(text, DIM)}"
        )

    def note(self, text: str, *codes: str, in_one_line: bool = False) -> None:
        """Write something that happened, below the line of its second."""
        text = f"       {text}"
        self.say(_cut(text, _columns()) if in_one_line else text, *codes)

    def account(self, account: Account, lines: Sequence[Line]) -> None:
        """Write the account: what was counted, and the equation of each group."""
        self.say("\nThe account", BOLD)
        entries = account.published + account.others
        for name, number, meaning in lines:
            self.say(f"  {name:<11}{number:>6}   {meaning}")
        self.say(f"\n  {'group':<12}{'in stream':>9} = {'handled':>9} + {'retrying':>8} + {'dead':>4}", BOLD)
        for group in account.groups:
            balances = group.handled + group.retrying + group.dead == entries
            self.say(
                f"  {group.name:<12}{entries:>9} {'=' if balances else '≠'} "
                f"{group.handled:>9} + {group.retrying:>8} + {group.dead:>4}",
                *(() if balances else (RED,)),
            )

    def verdict(self, differences: Iterable[str]) -> None:
        """Write the last words."""
        wrong = list(differences)
        if not wrong:
            self.say(
                "\nIt reconciles: every change that was saved is accounted for in every group, and every line that was "
                "said at every client.",
                GREEN,
                BOLD,
            )
            return
        self.say("\nIt does not reconcile:", RED, BOLD)
        for difference in wrong:
            self.say(f"  - {difference}", RED)

    def _cell(self, group: GroupTally) -> str:
        """Return "12", "12 ~1" with one retrying, "12 !1" with one dead."""
        plain, painted = str(group.handled), str(group.handled)
        for sign, number, code in (("~", group.retrying, YELLOW), ("!", group.dead, RED)):
            if number:
                plain += f" {sign}{number}"
                painted += " " + self._paint(f"{sign}{number}", code)
        return " " * (GROUP_WIDTH - len(plain)) + painted

    def _paint(self, text: str, *codes: str) -> str:
        return f"\x1b[{';'.join(codes)}m{text}\x1b[0m" if self._colour and codes else text


def _sentence(happened: Iterable[tuple[str, str]]) -> str:
    """Return "#3 #4 created, #1 paid"."""
    by_what: dict[str, list[str]] = {}
    for what, order in happened:
        by_what.setdefault(what, []).append(order)
    return ", ".join(f"{' '.join(orders)} {what}" for what, orders in by_what.items()) or "-"


def _columns() -> int:
    return shutil.get_terminal_size((120, 24)).columns


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else text[: room - 1] + "…"
