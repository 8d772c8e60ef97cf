"""Runs a page of the documentation as its reader would: files, commands, and what they print.

How a page says it:

- a python block whose first line is a path comment is a file; "at the end" appends to it;
- a python block that begins with "# in: python manage.py shell" is pasted there;
- sh blocks are run line by line; `consume_stream` without --burst stays running, as in a terminal of its own;
- the lines of a text block must be printed by the last command or by the consumer, in this order.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from time import monotonic, sleep

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# ([\w/]+\.py)(, at the end)?\n")
SHELL = "# in: python manage.py shell\n"
# Not for a test: the environment is there, and what it installs is the code under test.
SKIPPED = ("pip ", "python -m venv", ". .venv")
# What differs from run to run.
VARYING = (
    (re.compile(r"\b\d{13}-\d+\b"), "<entry>"),
    (re.compile(r"\b\d+\.\d m?s\b"), "<time>"),
    (re.compile(r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ"), "<moment>"),
    (re.compile(r"\bas \S+-1:"), "as <consumer>:"),
)
PATIENCE_S = 20.0


def blocks(page: Path) -> list[tuple[str, str]]:
    """Return the language and the text of each fenced block."""
    return FENCE.findall(page.read_text())


class Walkthrough:
    """One reader in one directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.consumer: subprocess.Popen[bytes] | None = None
        self._log = directory / "consumer.log"
        self._said = ""
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        self._env = {k: v for k, v in os.environ.items() if k != "DJANGO_SETTINGS_MODULE"}
        self._env |= {"PATH": path, "PYTHONUNBUFFERED": "1"}

    def follow(self, page: Path) -> None:
        """Do everything that the page says. Raises AssertionError where something else comes out."""
        try:
            for language, text in blocks(page):
                if language == "python" and (file := FILE.match(text)):
                    with (self.directory / file[1]).open("a" if file[2] else "w") as out:
                        out.write(text)
                elif language == "python" and text.startswith(SHELL):
                    self._run("python manage.py shell", text)
                elif language == "sh":
                    for line in text.splitlines():
                        self._command(line)
                elif language == "text":
                    self._expect(text)
        finally:
            self._end()

    def _end(self) -> None:
        """Stop the consumer as a reader would: its end is also the end of the embedded server."""
        if self.consumer is None:
            return
        if self.consumer.poll() is None:
            self.consumer.send_signal(signal.SIGINT)
        try:
            self.consumer.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.consumer.kill()
            self.consumer.wait()

    def _command(self, line: str) -> None:
        if line.startswith(SKIPPED):
            return
        if "consume_stream" in line and "--burst" not in line:
            with self._log.open("wb") as log:
                command = [sys.executable, *line.split()[1:]]
                self.consumer = subprocess.Popen(
                    command, cwd=self.directory, env=self._env, stdout=log, stderr=subprocess.STDOUT
                )
            return
        self._run(line)

    def _run(self, line: str, pasted: str = "") -> None:
        done = subprocess.run(
            line, shell=True, cwd=self.directory, env=self._env, input=pasted, text=True, capture_output=True,
            timeout=60, check=False,
        )  # fmt: skip
        self._said = done.stdout + done.stderr
        assert done.returncode == 0, f"{line}\n{self._said}"

    def _expect(self, text: str) -> None:
        if text.startswith("Stopped") and self.consumer is not None:
            self.consumer.send_signal(signal.SIGINT)
            assert self.consumer.wait(PATIENCE_S) == 0, self._heard
        wanted = [line.removesuffix("…").rstrip() for line in text.splitlines()]
        deadline = monotonic() + PATIENCE_S
        while (missing := _missing(wanted, self._heard)) is not None:
            assert monotonic() < deadline, f"nobody printed {missing!r}; printed was:\n{self._heard}"
            sleep(0.05)

    @property
    def _heard(self) -> str:
        return self._said + (self._log.read_text() if self._log.exists() else "")


def _missing(wanted: list[str], heard: str) -> str | None:
    """Return the first wanted line that is not heard after those before it."""
    lines = iter(_settled(heard).splitlines())
    for want in wanted:
        if not any(_settled(want) in line for line in lines):
            return want
    return None


def _settled(text: str) -> str:
    for varying, name in VARYING:
        text = varying.sub(name, text)
    return text
