"""The documentation of the commands against the code: what one has and the other lacks is a failure."""

from __future__ import annotations

import re
import shlex
from importlib import import_module

import pytest
from django.core.management.base import BaseCommand

from django_redis_bus.management import operating
from django_redis_bus.runtime import worker
from tests.pages import DOCS, PACKAGE, PAGES, first_column, rows, section

COMMAND_PAGES = ("reference/commands.md", "reference/operator-commands.md")
COMMANDS = sorted(path.stem for path in (PACKAGE / "management/commands").glob("[a-z]*.py"))


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_page_has_each_option_and_no_other(name: str) -> None:
    def options(command: BaseCommand) -> set[str]:
        actions = command.create_parser("manage.py", "x")._actions
        return {a.option_strings[0] if a.option_strings else str(a.metavar or a.dest).upper() for a in actions}

    command = import_module(f"django_redis_bus.management.commands.{name}").Command()
    # What operators do to a bus has a page of its own.
    [page] = [p for p in COMMAND_PAGES if f"\n## {name}\n" in (DOCS / p).read_text()]
    documented = {cell.split()[0] for cell in first_column(section(page, name))}
    documented -= {word for word in documented if not word.startswith("--") and not word.isupper()}

    assert documented == options(command) - options(BaseCommand())


def test_operator_commands_page_has_each_reason_to_leave_something_alone() -> None:
    page = (DOCS / "reference/operator-commands.md").read_text()

    assert first_column(page.partition("## bus_pending")[0]) == list(operating.WHY)


COMMAND_LINES = sorted(
    {
        line.strip()
        for page in PAGES
        for line in re.findall(r"python manage\.py (bus_(?:pending|dead|replay|pause|trim)\b[^`\n]*)", page.read_text())
    }
)


@pytest.mark.parametrize("line", COMMAND_LINES)
def test_lines_that_operators_are_told_to_type_can_be_typed(line: str) -> None:
    name, *arguments = shlex.split(line)
    command = import_module(f"django_redis_bus.management.commands.{name}").Command()

    command.create_parser("manage.py", name).parse_args(arguments)


def test_commands_page_has_the_exit_codes() -> None:
    text = section("reference/commands.md", "consume_stream").partition("### Exit codes")[2]
    documented = {row[0] for row in rows(text.partition("###")[0]) if row[0].isdigit()}

    # argparse ends with 2 by itself.
    assert documented == {str(c) for c in (worker.EXIT_OK, worker.EXIT_FAILED, 2, worker.EXIT_CUT_OFF)}


def test_commands_page_has_each_logger_and_no_other() -> None:
    in_code = {
        name for path in PACKAGE.rglob("*.py") for name in re.findall(r'getLogger\("([^"]+)"\)', path.read_text())
    }

    assert set(first_column(section("reference/commands.md", "Logging"))) == in_code
