"""A management command as its user meets it: what it prints, asks, and ends with."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import Any

import pytest
from django.core.management import CommandError, call_command


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What became of a command.

    Attributes:
        code: that the process would end with.
        error: of the CommandError.
    """

    out: str
    err: str
    code: int
    error: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class _Stdin(io.StringIO):
    """Where somebody sits, or nobody."""

    def __init__(self, text: str, *, is_terminal: bool) -> None:
        super().__init__(text)
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal


def run(*arguments: str, answer: str | None = None, stdin: str = "") -> Ran:
    """Run a command here.

    Args:
        answer: what somebody types at a terminal; None for none.
        stdin: what is piped into it.
    """
    out, err = io.StringIO(), io.StringIO()
    code, error = 0, ""
    with pytest.MonkeyPatch.context() as patch:
        text = stdin if answer is None else f"{answer}\n"
        patch.setattr("sys.stdin", _Stdin(text, is_terminal=answer is not None))
        try:
            call_command(*arguments, "--no-color", stdout=out, stderr=err)
        except CommandError as raised:
            code, error = raised.returncode, str(raised)
        except SystemExit as ended:
            code = int(ended.code or 0)
    return Ran(out=out.getvalue(), err=err.getvalue(), code=code, error=error)
