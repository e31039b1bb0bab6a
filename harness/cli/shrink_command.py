"""`quorate shrink`: the smallest way to see a run's anomaly."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import click
import msgspec

from quorate.harness.cli.options import DurationType, jobs_option, only_option
from quorate.harness.cli.places import run_folder
from quorate.harness.core import interrupts
from quorate.harness.core.exits import Exit


@click.command(
    "shrink",
    epilog="""\b
Examples:
  quorate shrink store/latest
  quorate shrink store/latest --budget 10m --jobs 2
  quorate shrink store/latest --budget 30m --resume
""",
)
@click.argument("run")
@jobs_option
@click.option("--budget", type=DurationType(), default=3600.0, help="Start no new step after this time. [1h]")
@click.option(
    "--confirm", type=click.IntRange(1, 1000), default=20, help="Runs to estimate the rate at the end. [20]"
)
@only_option
@click.option(
    "--into", type=click.Path(file_okay=False, path_type=Path), help="Output directory. [RUN/shrink]"
)
@click.option("--resume", is_flag=True, help="Continue an earlier shrink of RUN.")
@click.option("--json", "as_json", is_flag=True, help="Print only shrunk.json.")
@click.option("--quiet", is_flag=True, help="Print only the command.")
def command(
    run: str,
    *,
    jobs: int,
    budget: float,
    confirm: int,
    only: tuple[str, ...],
    into: Path | None,
    resume: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Make RUN smaller while it still shows its anomaly: fewer faults, a shorter load, less of everything.

    Every step is decided by as many runs as it takes. Exits with 1, for an anomaly is shown; with 3 where it did not
    come again.
    """
    from quorate.harness.cli.steps import Steps  # noqa: PLC0415
    from quorate.harness.experiments.handing_out import text  # noqa: PLC0415
    from quorate.harness.experiments.shrink import FOLDER, ShrinkOptions, shrink_run  # noqa: PLC0415

    source = run_folder(run)
    options = ShrinkOptions(jobs=jobs, budget_s=budget, confirm=confirm, only=only, resume=resume)
    steps = Steps(silent=as_json or quiet)
    try:
        with interrupts.as_one():
            out = asyncio.run(
                shrink_run(
                    source,
                    into or source / FOLDER,
                    options,
                    lambda step: steps.decided(
                        step.number, step.words, step.decision, step.now.words(), remembered=step.remembered
                    ),
                    steps.asking,
                )
            )
    finally:
        steps.close()
    if as_json:
        click.echo(json.dumps({**msgspec.to_builtins(out.summary), "folder": str(out.folder)}))
    elif quiet:
        click.echo(out.command)
    else:
        click.echo(text(out))
    return Exit.ANOMALY if out.summary.rate.hits else Exit.UNKNOWN
