"""The wheel, installed by an ordinary user in an empty environment without compilers, does what the first page says."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LEAST = 11
NOBODY = 65534
# What any machine has; no cc, no cargo, no go.
PROGRAMS = (
    "sh",
    "env",
    "ls",
    "rm",
    "cat",
    "uname",
    "mktemp",
    "basename",
    "dirname",
    "nsenter",
    "unshare",
    "mount",
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def place():
    folder = Path(tempfile.mkdtemp(prefix="quorate-wheel-", dir="/var/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def wheel(place):
    if shutil.which("cargo") is None and not (Path.home() / ".cargo/bin/cargo").exists():
        pytest.skip("NOT TRIED: no cargo to build the wheel with")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--wheel-dir",
        str(place / "dist"),
        ".",
    ]
    environment = {**os.environ, "QUORATE_REPOSITORY": "https://git.example.org/quorate", "QUORATE_REF": "v9"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=1000, check=False
    )
    if done.returncode != 0 and "Could not fetch" in done.stderr:
        pytest.skip(f"NOT TRIED: the build's requirements cannot be had: {done.stderr[-300:]}")
    assert done.returncode == 0, done.stderr[-3000:]
    (found,) = (place / "dist").glob("*.whl")
    return found


def _paths():
    """Every Python of this machine by its version, 3.11 and later: of the search path, and of pyenv."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    folders = [Path(sys.base_prefix) / "bin", *map(Path, os.environ["PATH"].split(os.pathsep))]
    folders += sorted(pyenv.glob("versions/*/bin"), reverse=True)
    found = {}
    for folder in folders:
        for path in folder.glob("python3.*"):
            _, _, minor = path.name.partition("python3.")
            if minor.isdecimal() and int(minor) >= LEAST and "shims" not in path.parts:
                found.setdefault(int(minor), path)
    return found


PATHS = _paths()
DECLARED = {
    int(line.rpartition(".")[2])
    for line in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["classifiers"]
    if line.startswith("Programming Language :: Python :: 3.")
}


class Bare:
    """An ordinary user's machine with Python alone: a home of his own, an empty environment, few programs."""

    def __init__(self, place):
        self.home = place / "home"
        self.programs = place / "programs"
        self.venv = self.home / "venv"
        self.home.mkdir()
        self.programs.mkdir()
        for name in PROGRAMS:
            if found := shutil.which(name):
                (self.programs / name).symlink_to(found)
        if os.geteuid() == 0:
            os.chown(self.home, NOBODY, NOBODY)

    def run(self, *command, expect=0, timeout=600, **environment):
        own = {
            "PATH": f"{self.venv}/bin:{self.programs}",
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            **{name: value for name, value in os.environ.items() if name.startswith(("PIP_", "HTTP"))},
            **environment,
        }
        who = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
        done = subprocess.run(
            command,
            cwd=self.home,
            env=own,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            **who,
        )
        assert done.returncode == expect, (
            f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        )
        return done.stdout


def _python(machine):
    """An interpreter that an ordinary user may run: root's own may stand in root's home."""
    wanted = "import sys, ensurepip; sys.exit(sys.version_info < (3, 11))"
    for python in (f"{sys.base_prefix}/bin/python3", "/usr/bin/python3", "/usr/local/bin/python3"):
        try:
            machine.run(python, "-c", wanted)
        except (OSError, AssertionError):
            continue
        return python
    pytest.skip("NOT TRIED: no Python from 3.11 on, with ensurepip, that an ordinary user may run")


@pytest.fixture(scope="module")
def bare(place, wheel):
    machine = Bare(place)
    machine.run(_python(machine), "-m", "venv", str(machine.venv))
    try:
        machine.run(f"{machine.venv}/bin/pip", "install", "--quiet", "--only-binary=:all:", str(wheel))
    except AssertionError as error:
        if "No matching distribution" in str(error) or "Could not fetch" in str(error):
            pytest.skip(f"NOT TRIED: the requirements cannot be had: {str(error)[-300:]}")
        raise
    return machine


def test_one_wheel_serves_every_python(wheel):
    assert "-py3-none-" in wheel.name


def test_campaigns_keys_and_the_clock_helper_are_in_it(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    wanted = ["quorate/campaigns/smoke.toml", "quorate/harness/systems/releases/keys/consul.asc"]
    if sys.platform == "linux":
        wanted.append(f"quorate/nemesis/clock/native/built/{_helper()}")
    assert [name for name in wanted if name not in names] == []
    assert not [name for name in names if name.startswith("quorate/checkers/native/")]


def test_its_description_has_no_relative_links(wheel):
    with zipfile.ZipFile(wheel) as bundle:
        (name,) = [name for name in bundle.namelist() if name.endswith(".dist-info/METADATA")]
        text = bundle.read(name).decode()
    assert "](https://git.example.org/quorate/blob/v9/docs/faults.md)" in text
    assert "](https://git.example.org/quorate/raw/v9/docs/images/report.png)" in text
    assert "](docs/" not in text
    assert "Project-URL: Changelog, https://git.example.org/quorate/blob/v9/CHANGELOG.md" in text
    assert "License-Expression: MIT" in text


def test_it_works_for_an_ordinary_user_without_compilers(bare):
    for program in ("gcc", "cc", "cargo", "go", "rustc"):
        assert not (bare.programs / program).exists()
    told = bare.run("quorate", "test", "simulated", "-w", "register", "-f", "partition", "--time", "15s")
    assert "VALID" in told
    bare.run("quorate", "report", "store/latest")
    assert (bare.home / "store/latest/report.html").stat().st_size > 1000
    assert "valid" in bare.run("quorate", "check", "store/latest").lower()
    stale = ("--set", "bug=stale-read", "-f", "partition", "--time", "15s", "--seed", "7")
    bare.run("quorate", "test", "simulated", *stale, expect=1)


def test_it_brings_campaigns_and_writes_a_gate(bare):
    bare.run("quorate", "campaign", "tutorial", "--quiet", "--jobs", "2")
    bare.run("quorate", "init")
    assert (bare.home / "consistency.toml").exists()


def test_servers_come_from_an_archive_of_a_mirror(bare, place):
    vendors = _vendors()(place / "served")
    try:
        vendors.root.mkdir()
        vendors.etcd("3.6.16")
        told = bare.run("quorate", "fetch", "etcd@3.6.16", QUORATE_ETCD_MIRROR=vendors.url)
    finally:
        vendors.close()
    assert "from the release archive at" in told
    assert "sha256 verified" in told


@pytest.mark.parametrize("minor", sorted(DECLARED | set(PATHS)), ids=lambda minor: f"3.{minor}")
def test_the_same_wheel_serves_this_python(minor, wheel, place):
    if minor not in PATHS:
        pytest.skip(
            f"NOT TRIED: no Python 3.{minor} on this machine, neither of the search path nor of pyenv"
        )
    venv = place / f"python-3.{minor}"
    # Without its pip, which takes longer to unpack than all else; the one that is here installs for it.
    subprocess.run([PATHS[minor], "-m", "venv", "--without-pip", venv], check=True, timeout=120)
    pip = [sys.executable, "-m", "pip", "--python", str(venv / "bin/python"), "install", "--quiet"]
    done = subprocess.run(
        [*pip, "--no-compile", "--only-binary=:all:", str(wheel)],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    if done.returncode != 0 and (
        "No matching distribution" in done.stderr or "Could not fetch" in done.stderr
    ):
        pytest.skip(f"NOT TRIED: the requirements for 3.{minor} cannot be had: {done.stderr[-300:]}")
    assert done.returncode == 0, done.stderr

    def quorate(*words):
        # As whoever runs the tests: root's own Pythons may be out of an ordinary user's reach.
        command = [str(venv / "bin/quorate"), *words]
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(venv), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            command, cwd=venv, env=environment, capture_output=True, text=True, timeout=200, check=False
        )
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout

    assert quorate("--version").startswith("quorate ")
    assert "VALID" in quorate("test", "simulated", "-f", "partition,kill", "--time", "10s")
    assert "valid" in quorate("check", "store/latest").lower()
    quorate("report", "store/latest")
    assert (venv / "store/latest/report.html").stat().st_size > 1000


def _helper():
    import platform  # noqa: PLC0415

    from quorate.nemesis.clock.compiling import NAME  # noqa: PLC0415

    return f"{NAME}-{platform.machine()}"


def _vendors():
    spec = importlib.util.spec_from_file_location("vendors", ROOT / "tests/unit/releases/vendors.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Vendors
