"""The clock helper comes built in a wheel; a checkout compiles it; without either, the error says what to install."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from quorate.harness.core.outcome import Broken
from quorate.nemesis.clock import build
from quorate.nemesis.clock.compiling import MACHINES, NAME

ROOT = Path(__file__).parents[3]

pytestmark = [
    pytest.mark.skipif(platform.machine() not in MACHINES, reason="the helper is for x86-64"),
    pytest.mark.skipif(shutil.which("gcc") is None, reason="compiles: apt-get install gcc libc6-dev"),
]


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as the build of a wheel leaves it."""
    folder = tmp_path_factory.mktemp("wheel") / "clock"
    shutil.copytree(ROOT / "nemesis" / "clock", folder, ignore=shutil.ignore_patterns("__pycache__"))
    spec = importlib.util.spec_from_file_location("build_backend", ROOT / "tools" / "build_backend.py")
    assert spec is not None
    assert spec.loader is not None
    backend = importlib.util.module_from_spec(spec)
    pytest.importorskip("maturin")
    spec.loader.exec_module(backend)
    backend._add_clock_helper(folder)
    return folder


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Path], Path]:
    """What `helper` returns where the package lies at this path, on a machine without a compiler and with no cache."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def find(package: Path) -> Path:
        monkeypatch.setattr(build, "SOURCES", package / "native")
        monkeypatch.setattr(build, "BUILT", package / "native" / "built")
        return build.helper.__wrapped__()

    return find


def test_a_wheel_brings_the_helper_and_needs_no_compiler(package, installed, tmp_path):
    path = installed(package)
    assert path == package / "native" / "built" / f"{NAME}-{platform.machine()}"
    assert b'"real_ns"' in subprocess.check_output([path, "host"])
    assert not (tmp_path / "cache").exists()


def test_it_is_static_so_that_it_runs_in_any_node(package):
    binary = (package / "native" / "built" / f"{NAME}-{platform.machine()}").read_bytes()
    headers_at, (size, count) = struct.unpack_from("<Q", binary, 32)[0], struct.unpack_from("<HH", binary, 54)
    kinds = [struct.unpack_from("<I", binary, headers_at + number * size)[0] for number in range(count)]
    interpreter = 3
    assert kinds
    assert interpreter not in kinds


def test_a_mode_lost_in_unpacking_is_given_back_in_the_cache(package, installed, tmp_path):
    copy = tmp_path / "clock"
    shutil.copytree(package, copy)
    (copy / "native" / "built" / f"{NAME}-{platform.machine()}").chmod(0o644)
    path = installed(copy)
    assert path.is_relative_to(tmp_path / "cache")
    assert os.access(path, os.X_OK)


def test_with_neither_one_is_told_what_to_install(package, installed, tmp_path):
    copy = tmp_path / "clock"
    shutil.copytree(package, copy, ignore=shutil.ignore_patterns("built"))
    with pytest.raises(Broken, match="apt-get install gcc libc6-dev"):
        installed(copy)
