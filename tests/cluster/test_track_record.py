"""The known bugs of real servers, a tenth of them each time: those that must be seen are, the others raise no alarm.

`campaigns/knownbugs.toml` says what is expected. A bug that shows in most runs, not in all, has three.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import msgspec
import pytest

from quorate.harness.core.exits import Exit
from tests.rotating import part_of

# A build of minutes may come first.
pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1200)]

PARTS = 10
TRIES = 3
BUILD_S = 600
FILE = Path(__file__).parents[2] / "campaigns" / "knownbugs.toml"
ROWS = tomllib.loads(FILE.read_text())["include"]
# The simulated system has separate tests; what may be seen or not is for campaigns, which count. Long and short ones
# in each part.
REAL = [
    place for place, row in enumerate(ROWS) if row["system"] != "simulated" and row.get("expect") != "any"
]
REAL.sort(key=lambda place: -float(ROWS[place].get("time", "40s").removesuffix("s")))


def named(place: int) -> str:
    row = ROWS[place]
    return f"{row['system']}-{row.get('workload', 'register')}-{row.get('expect', 'invalid')}"


@pytest.mark.parametrize("place", part_of(REAL, PARTS), ids=named)
def test_the_verdict_is_the_expected_one(quorate_test, place):
    from quorate.harness.campaign.file import load  # noqa: PLC0415 - it checks every cell: not while tests are collected

    cell = load(FILE).cells[place]
    assert cell.test.system == ROWS[place]["system"]
    fetched = subprocess.run(
        [sys.executable, "-m", "quorate.harness.cli.main", "fetch", cell.test.system],
        capture_output=True, text=True, timeout=BUILD_S, check=False,
    )  # fmt: skip
    if fetched.returncode:
        pytest.skip(f"{cell.test.system} is not available here: {fetched.stderr.strip()[-300:]}")
    words = shlex.split(msgspec.structs.replace(cell.test, cluster="local").command())[2:]
    said = []
    for _ in range(TRIES):
        code, results = quorate_test(*words)
        said.append(results["reason"])
        if code == {"invalid": Exit.ANOMALY, "valid": Exit.VALID}[cell.expect]:
            return
        assert cell.expect == "invalid" or code != Exit.ANOMALY, said
    pytest.fail("; ".join(said))
