"""Which options of a test exclude or need one another; the limits of each stand in its declaration (`Test`)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from quorate.harness.core.duration import format_duration
from quorate.harness.core.outcome import UsageError

if TYPE_CHECKING:
    from quorate.harness.core.test import Test


def validate(test: Test, own_server: str) -> None:
    """Raise `UsageError` for options that do not go together; `own_server` is the setting that names a server."""
    _together(test)
    _places(test, own_server)


def _together(test: Test) -> None:
    """Check the load and the faults."""
    _hold(
        (
            (
                not test.system.endswith("@"),
                f"{test.system} names no release: write SYSTEM or SYSTEM@RELEASE",
            ),
            (test.clients >= len(test.workload), "give at least one client to each workload"),
            (test.schedule is None or not test.faults, "give either --faults or --schedule, not both"),
            (
                not test.faults or test.fault_interval < test.time,
                (
                    f"--fault-interval {format_duration(test.fault_interval)} leaves no room for a fault in "
                    f"--time {format_duration(test.time)}"
                ),
            ),
        )
    )


def _places(test: Test, own_server: str) -> None:
    """Check where nodes live and what runs on them."""
    _hold(
        (
            (
                test.image is None or (test.cluster in ("auto", "docker") and not test.virtual),
                f"--image {test.image} needs --cluster docker and a real service",
            ),
            (
                test.build is None
                or (
                    test.image is None
                    and test.release is None
                    and not test.virtual
                    and own_server not in test.settings
                ),
                f"--build {test.build} is the server: give no release, no --image and no --set binary beside it",
            ),
            (
                (test.cluster == "running") == bool(test.endpoints),
                "--cluster running and --endpoints HOST:PORT,… belong together",
            ),
            (
                test.cluster != "running"
                or not (test.faults or test.schedule or test.replay or test.release or test.build),
                "--cluster running takes no faults, no release and no --build: its servers are not quorate's",
            ),
            (
                (test.cluster == "compose") == bool(test.file) == bool(test.service),
                "--cluster compose, --file docker-compose.yml and --service n1=SERVICE,… belong together",
            ),
            (
                test.cluster != "compose" or not (test.release or test.build),
                "--cluster compose takes no release and no --build: the file says what runs",
            ),
            (
                test.cluster != "ssh" or test.inventory is not None,
                "--cluster ssh needs --inventory FILE.toml",
            ),
            (
                test.cluster in ("auto", "simulated") or not test.virtual,
                f"--cluster {test.cluster} needs a real service: {test.system_name} runs inside this process",
            ),
            (
                test.cluster != "simulated" or test.virtual,
                f"--cluster simulated is for simulated systems; {test.system_name} runs on docker, local or ssh",
            ),
        )
    )


def _hold(rules: Iterable[tuple[bool, str]]) -> None:
    """Raise `UsageError` with the sentence of the first rule that does not hold."""
    for holds, sentence in rules:
        if not holds:
            raise UsageError(sentence)
