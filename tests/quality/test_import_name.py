"""Everything installed lives under `quorate`: a project may have packages of all our folders' names."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

FOLDERS = ("harness", "workloads", "nemesis", "checkers", "reports", "docker", "bench", "tools")
OWN_TEST = """
import harness.things
import workloads, nemesis, checkers, reports


def test_own_packages():
    assert {own.OWNER for own in (harness.things, workloads, nemesis, checkers, reports)} == {"the project"}


def test_a_run(quorate_run):
    done = quorate_run(system="simulated", faults=("partition",), time=12.0, fault_interval=4.0, seed=7)
    assert done.verdict == "valid"
"""
SCRIPT = """
import quorate
from quorate import Event, Test, run
from quorate.workloads import register
import harness

assert harness.OWNER == "the project"
assert quorate.__version__
events = [Event(0, 0, 1, "invoke", "read"), Event(1, 5, 1, "ok", "read", None, 3)]
assert quorate.check(events, model="register").verdict == "invalid"
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in FOLDERS[:5]:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text('OWNER = "the project"\n')
    (tmp_path / "harness" / "things.py").write_text('OWNER = "the project"\n')
    (tmp_path / "test_own.py").write_text(OWN_TEST)
    return tmp_path


def test_a_project_with_packages_of_our_folders_names(project):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(project)]
    tried = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False, timeout=120)
    assert tried.returncode == 0, tried.stdout + tried.stderr
    assert "2 passed" in tried.stdout


def test_the_public_face(project):
    tried = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=project, capture_output=True, text=True, check=False, timeout=60
    )
    assert tried.returncode == 0, tried.stderr


@pytest.mark.parametrize("folder", FOLDERS[:5])
def test_a_folder_of_the_checkout_is_not_a_package_by_itself(folder):
    """Imported by two names, a class exists twice, and `except` and `isinstance` miss the other one."""
    root = Path(__file__).parents[2]
    tried = subprocess.run(
        [sys.executable, "-c", f"import {folder}"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert tried.returncode == 1
    assert tried.stderr.splitlines()[-1] == (
        f"ImportError: this is quorate.{folder}: write `import quorate.{folder}`, not `import {folder}`"
    )
