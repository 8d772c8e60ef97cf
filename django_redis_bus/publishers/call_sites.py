"""Where a project's own code writes to published models without an event: what `bus_audit` says of the code.

It reads the source, and imports and runs nothing. What it cannot follow, such as a queryset that a function returns,
it does not find.
"""

from __future__ import annotations

import ast
import re
import sysconfig
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from django.apps import AppConfig
from django.db.models import Manager, Model

from .auditing import UNANNOUNCED, Finding, Published, publishes

_WRITES = UNANNOUNCED | {f"a{name}": action for name, action in UNANNOUNCED.items()} | {"_raw_delete": "deleted"}
_CONFLICTS = ("ignore_conflicts", "update_conflicts")
# Folders of an app whose code writes to no production database, or as historical models, which nobody publishes.
_LEFT_OUT = {"migrations", "tests", "node_modules", "site-packages", "dist-packages"}
_WRITING = (
    r"\b(?:insert\s+(?:\w+\s+)?into|replace\s+into|update(?:\s+only)?|delete\s+from(?:\s+only)?|truncate(?:\s+table)?"
    r"|merge\s+into|copy)\s+"
)
# What returns something else than a queryset.
_LAST = {
    "get", "first", "last", "earliest", "latest", "create", "get_or_create", "update_or_create", "count", "exists",
    "contains", "aggregate", "in_bulk", "explain", "delete", *UNANNOUNCED,
}  # fmt: skip
_MEND = "Use a publishing manager or save() and delete(), or publish by hand."


class _Source(NamedTuple):
    """What an expression is: a manager or a queryset of a published model."""

    entry: Published
    publishes: bool
    certain: bool = True


def sources(apps: Iterable[AppConfig]) -> list[Path]:
    """Return the files of the project's own apps, those of installed packages left out."""
    installed = [Path(path).resolve() for path in set(sysconfig.get_paths().values())]
    package = Path(__file__).resolve().parent.parent
    found: dict[Path, None] = {}
    for app in apps:
        folder = Path(app.path).resolve()
        if folder == package or any(folder.is_relative_to(path) for path in installed):
            continue
        for path in sorted(folder.rglob("*.py")):
            inside = path.relative_to(folder)
            if not _LEFT_OUT.intersection(inside.parts) and not inside.name.startswith(("test_", "conftest.")):
                found[path] = None
    return list(found)


class CallSites:
    """Finds writes to published models in source files.

    Args:
        entries: the published models.
    """

    def __init__(self, entries: Sequence[Published]) -> None:
        self.classes: dict[str, tuple[Published, type[Model]]] = {}
        self.accessors: dict[str, _Source] = {}
        self.managers: dict[str, _Source] = {}
        self._tables: list[tuple[re.Pattern[str], Published]] = []
        for entry in entries:
            for model in entry.classes:
                self.classes.setdefault(model.__name__, (entry, model))
                for field in model._meta.local_fields:
                    remote: Any = field.remote_field
                    if remote is not None and not remote.hidden and remote.multiple:
                        source = _Source(entry, publishes(model._default_manager), certain=False)
                        self.accessors.setdefault(remote.accessor_name, source)
                for manager in model._meta.managers:
                    for kind in (type(manager), getattr(manager, "_queryset_class", Manager)):
                        if not kind.__module__.startswith("django"):
                            self.managers.setdefault(kind.__name__, _Source(entry, publishes(manager)))
            table = re.escape(entry.model._meta.db_table)
            self._tables.append((re.compile(rf'{_WRITING}(?:[\w"`\[\]]+\.)?["`\[]?{table}\b', re.IGNORECASE), entry))

    def of_file(self, path: Path, shown: str) -> Iterator[tuple[Published, Finding]]:
        """Yield what stands in one file, called `shown`. Raises SyntaxError, UnicodeDecodeError."""
        reader = _Reader(self, shown)
        reader.visit(ast.parse(path.read_bytes(), filename=shown))
        yield from reader.found

    def in_sql(self, text: str) -> Iterator[Published]:
        """Yield the models whose tables a text writes to."""
        return (entry for pattern, entry in self._tables if pattern.search(text))


class _Reader(ast.NodeVisitor):
    """Reads one file from top to bottom and remembers which names stand for what."""

    def __init__(self, sites: CallSites, path: str) -> None:
        self._sites = sites
        self._path = path
        self._names: list[dict[str, _Source | None]] = [{}]
        self._within: list[str] = [""]
        # Names under which classes were imported that are called otherwise.
        self._aliases: dict[str, str] = {}
        self.found: list[tuple[Published, Finding]] = []

    # --- names

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for name in node.names:
            known = self._sites.classes.get(name.name)
            if known is None:
                continue
            ours = known[1].__module__.partition(".")[0]
            foreign = not node.level and (node.module or "").partition(".")[0] != ours
            self._aliases[name.asname or name.name] = "" if foreign else name.name

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._within.append(node.name)
        self._inside(node, {})
        self._within.pop()

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._inside(node, dict.fromkeys(arg.arg for arg in ast.walk(node.args) if isinstance(arg, ast.arg)))

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._inside(node, dict.fromkeys(arg.arg for arg in ast.walk(node.args) if isinstance(arg, ast.arg)))

    def _inside(self, node: ast.AST, names: dict[str, _Source | None]) -> None:
        if "self" in names:
            names["self"] = self._sites.managers.get(self._within[-1])
        self._names.append(names)
        self.generic_visit(node)
        self._names.pop()

    def visit_Assign(self, node: ast.Assign) -> None:
        self.generic_visit(node)
        for target in node.targets:
            self._assign(target, node.value)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self.generic_visit(node)
        self._assign(node.target, node.value)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.generic_visit(node)
        self._assign(node.target, node.value)

    def _assign(self, target: ast.expr, value: ast.expr | None) -> None:
        if isinstance(target, ast.Name):
            self._names[-1][target.id] = self._source(value)

    # --- what is found

    def visit_Call(self, node: ast.Call) -> None:
        self.generic_visit(node)
        if not isinstance(node.func, ast.Attribute) or (action := _WRITES.get(node.func.attr)) is None:
            return
        source, method = self._source(node.func.value), node.func.attr
        if source is None or action not in source.entry.actions:
            return
        # Dictionaries and sets are updated, too, but not with keywords alone.
        if (
            not source.certain
            and method.endswith("update")
            and "bulk" not in method
            and (node.args or not node.keywords)
        ):
            return
        conflicts = [word.arg for word in node.keywords if word.arg in _CONFLICTS]
        if not source.publishes or method == "_raw_delete":
            self._add(source.entry, node, "no event" if source.certain else "perhaps no event")
        elif conflicts and method.endswith("bulk_create"):
            self._add(source.entry, node, f"{conflicts[0]} is refused", "Save them one by one, or: with bus.muted(): …")

    def visit_Expr(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant):  # a docstring
            self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            self._sql(node, node.value)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        self._sql(node, "".join(str(v.value) if isinstance(v, ast.Constant) else "{}" for v in node.values))
        for value in node.values:
            if isinstance(value, ast.FormattedValue):
                self.visit(value)

    def _sql(self, node: ast.expr, text: str) -> None:
        for entry in self._sites.in_sql(text):
            first = " ".join(text.split())
            self._add(
                entry, node, "SQL makes no event", kind="sql", where=first if len(first) < 60 else f"{first[:59]}…"
            )

    def _add(
        self, entry: Published, node: ast.expr, what: str, mend: str = _MEND, *, kind: Any = "call", where: str = ""
    ) -> None:
        where = where or _shown(node)
        finding = Finding(kind=kind, where=where, what=what, mend=mend, path=self._path, line=node.lineno)
        self.found.append((entry, finding))

    # --- what an expression is

    def _source(self, node: ast.expr | None) -> _Source | None:
        if isinstance(node, ast.Await):
            return self._source(node.value)
        if isinstance(node, ast.Name):
            return next((names[node.id] for names in reversed(self._names) if node.id in names), None)
        if isinstance(node, ast.Call):
            # What other methods of a queryset return is taken for a queryset.
            if not isinstance(node.func, ast.Attribute) or _LAST & {node.func.attr, node.func.attr.removeprefix("a")}:
                return None
            return self._source(node.func.value)
        if not isinstance(node, ast.Attribute):
            return None
        known = self._class(node.value)
        if known is not None:
            manager = getattr(known[1], node.attr, None)
            return _Source(known[0], publishes(manager)) if isinstance(manager, Manager) else None
        return self._sites.accessors.get(node.attr)

    def _class(self, node: ast.expr) -> tuple[Published, type[Model]] | None:
        if isinstance(node, ast.Name):
            return self._sites.classes.get(
                self._within[-1] if node.id == "cls" else self._aliases.get(node.id, node.id)
            )
        return self._sites.classes.get(node.attr) if isinstance(node, ast.Attribute) else None


def _shown(node: ast.expr) -> str:
    """Return an expression as it stands in the code, without its arguments."""
    if isinstance(node, ast.Call):
        return f"{_shown(node.func)}({'…' if node.args or node.keywords else ''})"
    if isinstance(node, ast.Attribute):
        return f"{_shown(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "…"
