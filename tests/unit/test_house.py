"""The house rules that a linter does not know: who may import whom, sizes, and what must never appear."""

from __future__ import annotations

import ast
import importlib.metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("harness", "workloads", "nemesis", "checkers", "reports")
PLUGS = {"workloads", "nemesis", "checkers", "reports"}
# The layers above the plugs, which may import them; everything else in harness/ is the core.
ABOVE = (
    "harness/run",
    "harness/campaign",
    "harness/cli",
    "harness/pytest_plugin.py",
    "harness/testing.py",
)
# Who may ask for the date, and why.
WALL_CLOCK = {
    "harness/cluster/identity.py": "run ids sort by date",
    "harness/cluster/docker/leftovers.py": "a ledger of another process tells when it was written",
    "nemesis/clock/tool.py": "the host's wall clock must be shown not to move",
}
LINES_MAX = 500
FUNCTION_LINES_MAX = 60


def sources() -> list[Path]:
    found = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    return [path for path in found if "_native" not in path.parts and "target" not in path.parts]


def imports(path: Path) -> set[str]:
    """Top-level packages imported anywhere in the file, type-checking blocks left out."""
    found = set()
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def test_the_core_imports_no_plug():
    wrong = []
    for path in sources():
        name = str(path.relative_to(ROOT))
        if not name.startswith("harness/") or name.startswith(ABOVE):
            continue
        # `from quorate.harness import run` is resolved late by harness/__init__.py, which is no part of the core.
        if name == "harness/__init__.py":
            continue
        wrong += [f"{name} imports {module}" for module in imports(path) if module.split(".")[0] in PLUGS]
    assert wrong == []


def test_checkers_know_no_cluster_and_reports_no_live_run():
    wrong = []
    for path in sources():
        name = str(path.relative_to(ROOT))
        if not name.startswith(("checkers/", "reports/")):
            continue
        closed = (
            "quorate.harness.cluster",
            "quorate.harness.systems",
            "quorate.harness.run.runner",
            "nemesis",
            "workloads",
        )
        wrong += [f"{name} imports {module}" for module in imports(path) if module.startswith(closed)]
    assert wrong == []


def test_modules_and_functions_stay_small():
    wrong = []
    for path in sources():
        text = path.read_text()
        name = path.relative_to(ROOT)
        if text.count("\n") > LINES_MAX:
            wrong.append(f"{name} has more than {LINES_MAX} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > FUNCTION_LINES_MAX:
                    wrong.append(f"{name}:{node.lineno} {node.name} has {lines} lines")
    assert wrong == []


def test_the_docker_folder_is_no_package():
    assert not list((ROOT / "docker").rglob("__init__.py")), "it would hide the docker SDK"


def test_no_wall_clock_in_the_harness():
    """Intervals of a history must come from one monotonic clock, and draws from the run's seed."""
    forbidden = {("time", "time"), ("time", "time_ns"), ("random", "random")}
    wrong = []
    for path in sources():
        name = str(path.relative_to(ROOT))
        nodes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)]
        called = [node for node in nodes if isinstance(node.value, ast.Name)]
        found = [
            node for node in called if (node.value.id, node.attr) in forbidden and name not in WALL_CLOCK
        ]
        wrong += [f"{name}:{node.lineno} {node.value.id}.{node.attr}" for node in found]
    assert wrong == []


@pytest.mark.parametrize("group", ["systems", "workloads", "faults", "checkers", "reports"])
def test_every_registered_part_loads(group):
    for point in importlib.metadata.entry_points(group=f"quorate.{group}"):
        assert point.load() is not None


def test_no_benchmark_hides_a_package():
    """`python bench/x.py` puts bench/ first on the path: a file there named like a package would be imported for it."""
    taken = {path.stem for path in (ROOT / "bench").glob("*.py")} & {*PACKAGES, "docker"}
    assert taken == set()
