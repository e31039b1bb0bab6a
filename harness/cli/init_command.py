"""`quorate init`: a first gate for a project, and the workflow that runs it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from quorate.harness.core import registry
from quorate.harness.core.test import UsageError

_GATE: Final = """\
# A gate: `quorate campaign consistency.toml` exits with 0 only if every verdict is the expected one.
name = "consistency"

[defaults]
system = "{system}"
time = "30s"
rate = 200.0

[matrix]
workload = ["register", "append"]
faults = ["none", "partition,kill"]

# That the gate can fail: a simulated store with a known bug, which must be found.
[[include]]
system = "simulated"
workload = "register"
faults = "partition"
settings = {{ bug = "stale-read" }}
expect = "invalid"
"""

_TEST: Final = '''\
"""The same promise as a test of pytest: `pytest test_consistency.py`. More: quorate's page docs/pytest.md."""

import pytest


@pytest.mark.timeout(300)
def test_registers_are_linearizable(quorate_run):
    """Raises with the anomaly explained, and the command that repeats it, where the promise is broken."""
    done = quorate_run(system="{system}", workload="register", faults=("partition", "kill"), time=30.0)
    assert done.verdict == "valid"


def test_a_stale_read_would_be_found(quorate_run):
    settings = {{"bug": "stale-read"}}
    with pytest.raises(AssertionError):
        quorate_run(system="simulated", faults=("partition",), time=15.0, settings=settings)
'''

_WORKFLOW: Final = """\
# Written by `quorate init`.
name: consistency
on:
  pull_request:
  schedule:
    - cron: "0 2 * * *"

jobs:
  gate:
    runs-on: ubuntu-24.04
    timeout-minutes: 60
    permissions:
      contents: read
      security-events: write # for the alerts
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with:
          python-version: "3.12"
      - run: pip install quorate
      - name: Servers of earlier runs
        uses: actions/cache@v4
        with:
          path: ~/.cache/quorate
          key: quorate-${{ runner.os }}-${{ runner.arch }}-${{ hashFiles('consistency.toml') }}
          restore-keys: quorate-${{ runner.os }}-${{ runner.arch }}-
      - run: quorate doctor
      - run: quorate campaign consistency.toml --jobs 2 --budget 45m --junit out.xml --sarif out.sarif
      - name: Keep the runs
        if: always()
        uses: actions/upload-artifact@v4
        with:
          name: quorate
          path: |
            out.xml
            store/campaigns
          retention-days: 14
      - name: Alerts in the Security tab
        if: always() && hashFiles('out.sarif') != ''
        uses: github/codeql-action/upload-sarif@v3
        with:
          sarif_file: out.sarif
          category: quorate
"""


@click.command(
    "init",
    epilog="""\b
Examples:
  quorate init
  quorate init etcd@3.6 --into ./tests
""",
)
@click.argument("system", default="etcd")
@click.option(
    "--into",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    help="The project's folder.",
    show_default="here",
)
@click.option("--force", is_flag=True, help="Overwrite existing files.")
def command(system: str, into: Path, force: bool) -> None:  # noqa: FBT001 - click passes flags by name
    """Write a gate for SYSTEM (a campaign file and a test for pytest) and a GitHub workflow that runs it."""
    registry.check("systems", system.partition("@")[0])
    files = {
        into / "consistency.toml": _GATE.format(system=system),
        into / "test_consistency.py": _TEST.format(system=system),
        into / ".github" / "workflows" / "consistency.yml": _WORKFLOW,
    }
    there = [str(path) for path in files if path.exists()]
    if there and not force:
        raise UsageError(f"{', '.join(there)}: there already; --force writes over it")
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        click.echo(f"wrote {path}")
    click.echo(f"next: quorate doctor, then quorate campaign {into / 'consistency.toml'}")
