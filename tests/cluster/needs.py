"""What a test needs of the machine: asked of the doctor's own probes, whose reason it is skipped with."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest

from quorate.harness.cluster import doctor
from quorate.harness.core.finding import Finding
from quorate.harness.core.system import System


def needs(probe: Callable[[], Finding]) -> pytest.MarkDecorator:
    """Skip the test where the probe fails; it is tried when the tests are collected."""
    found = probe()
    return pytest.mark.skipif(not found.ok, reason=found.in_words())


def program(name: str, package: str) -> pytest.MarkDecorator:
    """Skip the test where a program that only the test itself uses is not installed."""
    return pytest.mark.skipif(
        shutil.which(name) is None, reason=f"this test runs {name}: apt-get install {package}"
    )


def or_skip(system: System) -> None:
    """Skip the test that calls this where the system's server cannot be had, or has no Java to run on."""
    if (why := system.unobtainable()) is not None:
        pytest.skip(why)
    if system.image_kind == "jre" and not (found := doctor.java()).ok:
        pytest.skip(found.in_words())
