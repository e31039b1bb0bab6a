"""The house rules that a linter does not know: who may import whom, sizes, and what must never appear."""

from __future__ import annotations

import ast
import importlib.metadata
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("harness", "workloads", "nemesis", "checkers", "reports")
PLUGS = {"workloads", "nemesis", "checkers", "reports"}
# What each floor of harness/ may import of the others. Plugs stand beside `run` and see what `SEEN_BY_PLUGS` lists.
GROUND = {"core", "history", "generators"}
FLOORS = {
    "core": GROUND,
    "history": GROUND,
    "generators": GROUND,
    "cluster": GROUND,
    "memberlogs": GROUND,
    "systems": {*GROUND, "cluster"},
}
# The floors above the plugs may import any of those below, and none above.
ABOVE = {
    "run": {"campaign", "experiments", "cli"},
    "campaign": {"experiments", "cli"},
    "experiments": {"cli"},
}
SEEN_BY_PLUGS = {
    "workloads": GROUND,
    "nemesis": {*GROUND, "cluster", "systems"},
    "checkers": {"core", "history"},
    "reports": {"core", "history"},
}
# Who may ask for the date, and why.
WALL_CLOCK = {
    "harness/cluster/identity.py": "run ids sort by date",
    "harness/cluster/compose/node.py": "an engine is asked for what a container has said since a date",
    "harness/cluster/docker/leftovers.py": "a ledger of another process tells when it was written",
    "nemesis/clock/tool.py": "the host's wall clock must be shown not to move",
}
LINES_MAX = 500
FUNCTION_LINES_MAX = 60
# Lines with data whose keys no type knows (docs/decisions/results.md). The number may only fall: lower it when it does.
UNTYPED_MAX = 211


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


def rooms(path: Path) -> set[tuple[str, str]]:
    """What a file imports of quorate, as (folder, floor): `quorate.harness.core.fault` is ("harness", "core")."""
    inside = [name.split(".") for name in imports(path) if name.startswith("quorate.")]
    return {(parts[1], parts[2] if len(parts) > 2 else "") for parts in inside}


@pytest.mark.parametrize("floor", FLOORS)
def test_a_floor_of_the_harness_imports_only_what_is_below_it(floor):
    wrong = []
    for path in (ROOT / "harness" / floor).rglob("*.py"):
        for folder, room in rooms(path):
            if folder in PLUGS or (folder == "harness" and room not in FLOORS[floor] | {floor}):
                wrong.append(f"{path.relative_to(ROOT)} imports {folder}.{room}")
    assert wrong == []


@pytest.mark.parametrize("floor", ABOVE)
def test_a_floor_above_the_plugs_imports_none_above_itself(floor):
    wrong = []
    for path in (ROOT / "harness" / floor).rglob("*.py"):
        for folder, room in rooms(path):
            if folder == "harness" and room in ABOVE[floor]:
                wrong.append(f"{path.relative_to(ROOT)} imports {folder}.{room}")
    assert wrong == []


@pytest.mark.parametrize("plug", SEEN_BY_PLUGS)
def test_plugs_see_the_core_alone(plug):
    wrong = []
    for path in (ROOT / plug).rglob("*.py"):
        for folder, room in rooms(path):
            seen = folder == plug or (folder == "harness" and room in SEEN_BY_PLUGS[plug])
            if not seen and (plug, folder) != ("workloads", "checkers"):
                wrong.append(f"{path.relative_to(ROOT)} imports {folder}.{room}")
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


def test_data_between_modules_gets_types():
    """Who reads a dictionary by string keys declares its format again; what many read has one owner, a struct."""
    pattern = re.compile(r"\b(?:dict|Mapping)\[str, Any\]")
    lines = [line for path in sources() for line in path.read_text().splitlines() if pattern.search(line)]
    assert len(lines) <= UNTYPED_MAX, "declare a struct (quorate/harness/core/results.py shows how)"


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


def test_waiting_for_an_answer_is_until():
    """`until` asks at once, again at the deadline, and never longer; a loop of another kind gives its reason."""
    wrong = []
    for path in sources():
        text = path.read_text()
        if "sleep(" not in text:
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.While | ast.For):
                calls = [call.func for call in ast.walk(node) if isinstance(call, ast.Call)]
                called = {call.attr for call in calls if isinstance(call, ast.Attribute)}
                before = text.splitlines()[node.lineno - 2]
                if "sleep" in called and called & {"time", "monotonic"} and "# Not `until`: " not in before:
                    wrong.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert [one for one in wrong if not one.startswith("harness/core/clock.py")] == []


@pytest.mark.parametrize("group", ["systems", "workloads", "faults", "checkers", "reports"])
def test_every_registered_part_loads(group):
    for point in importlib.metadata.entry_points(group=f"quorate.{group}"):
        assert point.load() is not None


def test_no_benchmark_hides_a_package():
    """`python bench/x.py` puts bench/ first on the path: a file there named like a package would be imported for it."""
    taken = {path.stem for path in (ROOT / "bench").glob("*.py")} & {*PACKAGES, "docker"}
    assert taken == set()


def test_pages_and_docstrings_name_files_that_exist():
    named = re.compile(
        r"\b(?:harness|workloads|nemesis|checkers|reports|bench|docs|tests/(?:unit|quality|cluster))/[\w/.-]+\.(?:py|rs|go|md|toml)\b"
    )
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md"), *sources()]
    wrong = [
        f"{page.relative_to(ROOT)}: {name}"
        for page in pages
        for name in named.findall(page.read_text())
        if not any((folder / name).exists() for folder in (ROOT, ROOT / "quorate", page.parent))
    ]
    assert wrong == []
