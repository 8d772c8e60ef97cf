"""The pages about the console against the code: what one has and the other lacks is a failure. And their pictures."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from importlib import import_module
from inspect import Parameter, Signature, isfunction, signature
from pathlib import Path
from typing import get_args

import pytest

from django_redis_bus.models import Overview
from django_redis_bus.operations import dead, pending
from tests.pages import CODE, DOCS, PACKAGE, PAGES, ROOT, first_column, rows, section

PICTURE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+)\)")

# --- operations


# Between the operations: nobody above them calls these.
INNER = {"acting", "letters", "looking", "pending_rows", "resending", "steps"}


def _signatures(name: str) -> Iterator[str]:
    """Yield the functions of a module that ask a bus, as the page writes them."""
    module = import_module(f"django_redis_bus.operations.{name}")
    for function in vars(module).values():
        if isfunction(function) and function.__module__ == module.__name__ and not function.__name__.startswith("_"):
            found = signature(function)
            if next(iter(found.parameters), "") in ("asking", "bus"):
                plain = [each.replace(annotation=Parameter.empty) for each in found.parameters.values()]
                shown = found.replace(parameters=plain, return_annotation=Signature.empty)
                yield f"{name}.{function.__name__}{shown}".replace("'", '"')


def test_operations_page_has_each_function_with_its_arguments_and_no_other() -> None:
    modules = {path.stem for path in (PACKAGE / "operations").glob("[a-z]*.py")} - INNER
    text = (DOCS / "reference/operations.md").read_text()
    documented = [code for code in first_column(text) if "(" in code]

    assert len(documented) == len(set(documented))
    assert set(documented) == {shown for name in modules for shown in _signatures(name)}


def test_operations_page_has_the_filters() -> None:
    text = (DOCS / "reference/operations.md").read_text()
    for module in (dead, pending):
        name = module.__name__.rpartition(".")[2]
        [line] = [line for line in text.splitlines() if line.startswith(f"`{name}.Match`")]

        # Behind a name may stand its values, in brackets.
        assert CODE.findall(re.sub(r" \(.*?\)", "", line)) == [f"{name}.Match", *(f.name for f in fields(module.Match))]


# --- the console


def test_console_page_has_each_permission_and_no_other() -> None:
    documented = first_column(section("how-to/operate-the-bus.md", "Who may do what"))

    assert documented == [f"django_redis_bus.{codename}" for codename, _ in Overview._meta.permissions]


def test_console_page_has_each_state_of_what_is_pending() -> None:
    text = section("how-to/operate-the-bus.md", "Read the pages").partition("| State |")[2]

    assert [row[0] for row in rows(text) if len(row) == 2 and row[0] != "Meaning"] == list(get_args(pending.State))


# --- pictures


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_pictures_are_described_and_are_pictures(page: Path) -> None:
    for text, path in PICTURE.findall(page.read_text()):
        assert len(text.split()) > 3, path
        assert (page.parent / path).read_bytes()[:8] == b"\x89PNG\r\n\x1a\n", path


def test_each_picture_is_shown_somewhere() -> None:
    shown = {(page.parent / path).resolve() for page in PAGES for _, path in PICTURE.findall(page.read_text())}

    assert set((DOCS / "images").iterdir()) == shown
