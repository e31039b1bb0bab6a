"""`quorate replay`: the same operations and the same faults asked again."""

from __future__ import annotations

import click

from quorate.harness.cli.places import run_folder
from quorate.harness.cli.test_command import run_tests
from quorate.harness.core.exits import worst


@click.command(
    "replay",
    epilog="""\b
Examples:
  quorate replay store/latest
  quorate replay store/latest --repeat 10
""",
)
@click.argument("run")
@click.option("--repeat", type=click.IntRange(1, 10_000), default=1, help="Number of repetitions.")
@click.option("--trust", is_flag=True, help="Allow programs and images that the run's settings name.")
@click.option(
    "--store", type=click.Path(file_okay=False), help="Directory for the new runs. [that of the run]"
)
@click.option("--json", "as_json", is_flag=True, help="Print only results.json and the run's folder.")
@click.option("--quiet", is_flag=True, help="Print only the verdict.")
def command(
    run: str,
    repeat: int,
    store: str | None,
    trust: bool,  # noqa: FBT001
    as_json: bool,  # noqa: FBT001
    quiet: bool,  # noqa: FBT001
) -> int:
    """Ask RUN's cluster for the same: options and seed from its test.json, faults from its history.

    Faults come at the same times with the same plans, on the same nodes, whoever leads this time. A run may come from
    somebody else: a program, its options or an image that its settings name are used with --trust only.
    """
    from quorate.harness.run import load_test  # noqa: PLC0415 - keeps --help quick

    folder = run_folder(run)
    test = load_test(folder, keep_in=store, trusted=trust)
    codes = [run_tests(test, repeat=1, as_json=as_json, quiet=quiet) for _ in range(repeat)]
    return worst(codes)
