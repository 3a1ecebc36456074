"""The shape of the package: who imports whom, what is public, what may not be used."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "polargen"
FILES = sorted(PACKAGE.rglob("*.py"))
MOST_LINES = 400

# A module imports only from layers above its own, or from siblings in it.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("errors", "streams"),
    (
        "calendar", "columns", "config", "ddl", "digest", "draw", "driver", "keys", "manifest",
        "pools", "popularity", "rekey", "schema", "time_series",
    ),
    ("scenario",),
    ("plan",),
    ("blocks",),
    (
        "anomalies", "block_order", "checks", "database", "dataset", "embedded", "existing",
        "export", "generators", "guard", "guard_database", "guard_server", "guard_target", "jobs",
        "options", "owned", "progress", "reading", "runs", "selection", "sinks", "sql", "state",
        "stored",
    ),
    (
        "cleanup", "cleanup_run", "database_export", "database_set", "estimate", "executors",
        "orchestrator", "result", "run_job", "workers",
    ),
    ("api", "cli", "python_api"),
)  # fmt: skip
LAYER = {name: number for number, names in enumerate(LAYERS) for name in names}
# Siblings that may not know each other.
STRANGERS = {
    "generators": {"checks", "dataset", "export", "guard", "progress", "reading", "sinks", "sql"},
    "anomalies": {"checks", "dataset", "export", "reading", "sinks", "sql"},
    "sinks": {"anomalies", "checks", "generators", "guard", "progress"},
    "checks": {"generators", "export", "guard", "progress", "sql"},
    "guard": {"checks", "dataset", "export", "generators", "sinks"},
    "progress": {"checks", "dataset", "export", "generators", "sinks"},
}
# NumPy's results for these differ between CPUs; whatever decides a draw may not use them.
INEXACT = {
    "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "power", "float_power", "pow",
    "sin", "cos", "tan", "arcsin", "arccos", "arctan", "arctan2", "sinh", "cosh", "tanh", "cbrt",
}  # fmt: skip
CLOCKS = {"now", "today", "utcnow"}
CLOCK_READERS = {"api", "cli", "jobs", "python_api", "progress", "orchestrator"}


def unit_of(path: Path) -> str:
    """Return the module or package below polargen that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def where(path: Path, line: int) -> str:
    return f"{path.relative_to(PACKAGE.parent)}:{line}"


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def running(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of code that runs: what is only for type checkers is left out."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from running(child)


def imported(path: Path) -> Iterator[tuple[str, int]]:
    """Yield the units of polargen that a file imports, with the line."""
    for node in running(tree(path)):
        if isinstance(node, ast.Import):
            for item in node.names:
                if item.name.startswith("polargen."):
                    yield item.name.split(".")[1], node.lineno
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{where(path, node.lineno)}: relative import"
            if node.module == "polargen":
                for item in node.names:
                    yield item.name, node.lineno
            elif node.module and node.module.startswith("polargen."):
                yield node.module.split(".")[1], node.lineno


def test_every_module__has_a_layer() -> None:
    units = {unit_of(path) for path in FILES} - {"__init__", "__main__"}
    assert units == set(LAYER)


def test_imports__come_from_layers_above() -> None:
    wrong = []
    for path in FILES:
        unit = unit_of(path)
        if unit in ("__init__", "__main__"):
            continue
        for other, line in imported(path):
            if other in ("__init__", unit):
                continue
            if LAYER[other] > LAYER[unit]:
                wrong.append(f"{where(path, line)}: {unit} imports {other}, of a layer below")
            if other in STRANGERS.get(unit, ()):
                wrong.append(f"{where(path, line)}: {unit} may not know {other}")
    assert not wrong, "\n".join(wrong)


def test_imports__make_no_circle_when_modules_load() -> None:
    edges: dict[str, set[str]] = {}
    for path in FILES:
        for node in tree(path).body:  # what is imported inside functions loads later
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("polargen."):
                edges.setdefault(unit_of(path), set()).add(str(node.module).split(".")[1])
    seen: dict[str, bool] = {}

    def visit(unit: str, trail: tuple[str, ...]) -> None:
        assert unit not in trail, " -> ".join((*trail, unit))
        if unit not in seen:
            for other in sorted(edges.get(unit, set()) - {unit}):
                visit(other, (*trail, unit))
            seen[unit] = True

    for unit in sorted(edges):
        visit(unit, ())


def test_modules__are_short() -> None:
    long = {
        where(path, count): count
        for path in FILES
        if (count := len(path.read_text(encoding="utf-8").splitlines())) > MOST_LINES
    }
    assert not long, long


def test_random__is_only_in_streams() -> None:
    wrong = []
    for path in FILES:
        if unit_of(path) == "streams":
            continue
        for node in ast.walk(tree(path)):
            text = ast.unparse(node) if isinstance(node, ast.Attribute) else ""
            if text in ("np.random", "numpy.random"):
                wrong.append(where(path, node.lineno))
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                names = [getattr(node, "module", None) or "", *(item.name for item in node.names)]
                if any(name in ("random", "numpy.random") for name in names):
                    wrong.append(where(path, node.lineno))
    assert not wrong, wrong


def test_inexact_functions__are_not_used() -> None:
    wrong = [
        f"{where(path, node.lineno)}: {ast.unparse(node)}"
        for path in FILES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Attribute)
        and node.attr in INEXACT
        and ast.unparse(node.value) in ("np", "numpy", "math", "pc")
    ]
    assert not wrong, "\n".join(wrong)


def test_clock__is_read_by_the_outer_layers_only() -> None:
    wrong = [
        f"{where(path, node.lineno)}: {ast.unparse(node)}"
        for path in FILES
        if unit_of(path) not in CLOCK_READERS
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in CLOCKS
    ]
    assert not wrong, "\n".join(wrong)


PACKAGES = [path for path in FILES if path.name == "__init__.py"]


@pytest.mark.parametrize("path", PACKAGES, ids=lambda path: str(path.parent.name))
def test_all__is_complete_and_true(path: Path) -> None:
    name = ".".join(path.parent.relative_to(PACKAGE.parent).parts)
    module = importlib.import_module(name)
    listed = set(getattr(module, "__all__", ()))
    wanted = set(taken_from(name)) | set(passed_on(path, name))
    if path.parent == PACKAGE:
        wanted = {one for node in tree(path).body for one in _for_types(node)}
        assert set(module._HOMES) == listed
    assert wanted <= listed, f"missing in {name}.__all__: {sorted(wanted - listed)}"
    for one in listed:
        assert getattr(module, one) is not None


def taken_from(package: str) -> Iterator[str]:
    """Yield the names that modules outside a package import from it itself."""
    folder = PACKAGE.parent / Path(*package.split("."))
    for path in FILES:
        if folder in path.parents:
            continue
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ImportFrom) and node.module == package:
                names = (item.name for item in node.names)
                yield from (name for name in names if not (folder / f"{name}.py").exists())


def passed_on(path: Path, package: str) -> Iterator[str]:
    """Yield the names that a package takes from its modules and does not use itself."""
    used = {node.id for node in ast.walk(tree(path)) if isinstance(node, ast.Name)}
    for node in tree(path).body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{package}."):
            yield from (item.name for item in node.names if item.name not in used)


def _for_types(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        for item in node.body:
            if isinstance(item, ast.ImportFrom):
                yield from (alias.name for alias in item.names)
