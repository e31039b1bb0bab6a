"""An unknown release is wrong usage, refused before anything starts, whichever system is asked."""

from __future__ import annotations

import pytest

from quorate.harness.core import registry
from quorate.harness.core.system import SystemOptions
from quorate.harness.core.test import UsageError


@pytest.mark.parametrize(("system", "own"), [("etcd", "binary"), ("consul", "binary"), ("zookeeper", "jars")])
def test_an_unknown_release_is_wrong_usage(system, own):
    make = registry.find("systems", system)
    with pytest.raises(UsageError, match=f"no way to get {system}@nine"):
        make(SystemOptions(release="nine"))
    for options in (
        SystemOptions(release="nine", settings={own: "/opt/mine"}),
        SystemOptions(release="nine", image="mine"),
    ):
        assert make(options).release == "nine"
