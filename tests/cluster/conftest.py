"""What tests on real clusters share: an ordinary user, wherever the tests themselves run as root."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOBODY = 65534


@pytest.fixture(scope="session")
def user() -> list[str]:
    """Return the start of a command line that runs Python with quorate as an ordinary user."""
    become = (
        ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"] if os.geteuid() == 0 else []
    )
    paths = f"{ROOT}:{sysconfig.get_paths()['purelib']}"
    environment = ["env", "-i", "HOME=/tmp", f"PATH={os.environ['PATH']}", f"PYTHONPATH={paths}"]
    for python in (sys.executable, "/usr/bin/python3"):  # root's own Python may be out of the user's reach
        command = [*become, *environment, "PYTHONDONTWRITEBYTECODE=1", python]
        tried = subprocess.run(
            [*command, "-c", "import harness.cluster"], capture_output=True, check=False, cwd="/"
        )
        if tried.returncode == 0:
            break
    else:
        pytest.skip("no Python that an ordinary user can run quorate with")
    probe = "from harness.cluster.local.rootless import obstacle; print(obstacle() or '')"
    problem = subprocess.run(
        [*command, "-c", probe], capture_output=True, text=True, check=True, cwd="/"
    ).stdout
    if problem.strip():
        pytest.skip(f"this machine forbids user namespaces: {problem.strip()}")
    return command
