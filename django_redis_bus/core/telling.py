"""Errors as text: safe to print whatever came over the wire, and without our own frames."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from textwrap import indent
from types import TracebackType

PACKAGE = __name__.partition(".")[0]

ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]


def printable(text: str, keep: str = "") -> str:
    """Return text without line breaks, terminal codes and lone surrogates, but for the characters in `keep`."""
    return "".join(c if c.isprintable() or c in keep else "�" for c in text)


def said(error: BaseException, how: Callable[[object], str] = str) -> str:
    """Return what an error says of itself; its own code may fail at that."""
    try:
        return how(error)
    except Exception:
        return f"a {type(error).__name__} whose text cannot be had"


def users_frames(error: BaseException) -> TracebackType | None:
    """Return the error's traceback from the first frame that is not ours; all of it if every frame is."""
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_globals.get("__name__", "").partition(".")[0] == PACKAGE:
        frames = frames.tb_next
    return frames or error.__traceback__


def traceback_text(error: BaseException) -> str:
    """Return the formatted traceback, "" if the error was never raised."""
    frames = users_frames(error)
    return "".join(traceback.format_exception(type(error), error, frames)) if frames is not None else ""


def loggable(error: BaseException | None, scrub: Callable[[str], str] = str) -> tuple[str, ExcInfo | None]:
    """Return how a log shows the traceback of `error`: text to append to the message, and the record's exc_info.

    One of them is empty; both are if the error was never raised. Python's formatter writes the lines of an error as
    they are: those that could pass for lines of the log, that a file cannot take, or that show what `scrub` hides,
    become part of the message, cleaned.
    """
    if error is None or error.__traceback__ is None:
        return "", None
    if _is_one_line(error) and (scrub is str or scrub(text := traceback_text(error)) == text):
        return "", (type(error), error, users_frames(error))
    text = printable(scrub(traceback_text(error)), keep="\n")
    return "\n" + indent(text.rstrip("\n"), "    | ", lambda line: True), None


def _is_one_line(error: BaseException) -> bool:
    """Return whether the error, its causes and their notes are printable text."""
    todo: list[BaseException | None] = [error]
    seen: set[int] = set()
    while todo:
        each = todo.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        if not "".join([said(each), *getattr(each, "__notes__", ())]).isprintable():
            return False
        todo += [each.__cause__, each.__context__]
        if isinstance(each, BaseExceptionGroup):
            todo += each.exceptions
    return True
