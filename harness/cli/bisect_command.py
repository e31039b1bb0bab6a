"""`quorate bisect`: since which release, and until which."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import click

from quorate.harness.cli.exits import Exit
from quorate.harness.cli.options import DurationType
from quorate.harness.cli.places import run_folder


@click.command(
    "bisect",
    epilog="""\b
Examples:
  quorate bisect etcd 3.5.13..3.5.17 --like store/latest
  quorate bisect etcd 3.4.30..3.6.5 --like store/latest --budget 2h --resume
  quorate bisect simulated --over bug=none,lost-write,lost-write,none --like store/latest
""",
)
@click.argument("system")
@click.argument("releases", required=False)
@click.option(
    "--like", required=True, metavar="RUN", help="Run that shows the anomaly; a shrunk one is faster."
)
@click.option(
    "--over", metavar="KEY=V1,V2,…", help="Bisect over values of a setting (binary=…) instead of releases."
)
@click.option(
    "--only", multiple=True, metavar="KIND", help="Follow only this anomaly, e.g. linearizable:stale-read."
)
@click.option(
    "--confidence", type=click.FloatRange(0.5, 0.999), default=0.95, help="Confidence of each step. [0.95]"
)
@click.option(
    "--jobs",
    type=click.IntRange(1, 64),
    default=1,
    help="Number of concurrent runs, each on its own cluster.",
)
@click.option("--budget", type=DurationType(), default=7200.0, help="Start no new step after this time. [2h]")
@click.option(
    "--into", type=click.Path(file_okay=False, path_type=Path), help="Output directory. [RUN/bisect]"
)
@click.option("--resume", is_flag=True, help="Continue an earlier bisection of RUN.")
@click.option("--json", "as_json", is_flag=True, help="Print only bisection.json.")
@click.option("--quiet", is_flag=True, help="Print only one line per branch.")
def command(
    system: str,
    releases: str | None,
    *,
    like: str,
    over: str | None,
    only: tuple[str, ...],
    confidence: float,
    jobs: int,
    budget: float,
    into: Path | None,
    resume: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Find where SYSTEM's releases A..B begin and cease to show what RUN shows, on each branch.

    Exits with 0 once each branch is gone through, with 2 if time ran out.
    """
    from quorate.harness.campaign.run import signals_as_one  # noqa: PLC0415 - keeps --help quick
    from quorate.harness.cli.steps import Steps  # noqa: PLC0415
    from quorate.harness.core.registry import check  # noqa: PLC0415
    from quorate.harness.core.test import UsageError  # noqa: PLC0415
    from quorate.harness.experiments import bisection, shrink, versions  # noqa: PLC0415
    from quorate.harness.experiments.trial import Trials  # noqa: PLC0415

    check("systems", system)
    if (releases is None) == (over is None):
        raise UsageError("give either a range of releases, A..B, or --over KEY=V1,V2,…")
    run = run_folder(like)
    wanted = sorted(shrink.wanted_of(run, only))
    line = versions.over(system, over) if over is not None else versions.between(system, releases or "")
    folder = into or run / "bisect"
    memo = shrink.open_experiment(folder, resume=resume)
    steps = Steps(silent=as_json or quiet)

    async def main() -> dict[str, Any]:
        async with Trials(folder / "runs", slots=jobs) as trials:
            return await bisection.bisect_like(
                run,
                line,
                trials,
                memo,
                folder,
                wanted,
                error=1 - confidence,
                budget_s=budget,
                heard=lambda number, name, decision, remembered: steps.decided(
                    number, name, decision, "bad", remembered=remembered
                ),
                asking=steps.asking,
            )

    try:
        with signals_as_one():
            content = asyncio.run(main())
    finally:
        steps.close()
    _tell(content, folder, as_json=as_json, quiet=quiet)
    return Exit.VALID if content["complete"] else Exit.UNKNOWN


def _tell(content: dict[str, Any], folder: Path, *, as_json: bool, quiet: bool) -> None:
    from quorate.harness.experiments.bisection import table  # noqa: PLC0415 - keeps --help quick

    if as_json:
        click.echo(json.dumps({**content, "folder": str(folder)}))
        return
    if not quiet:
        click.echo(f"{', '.join(content['signatures'])}, by runs of {content['test']}\n")
    for branch in content["branches"]:
        click.echo(f"{branch['branch']}: {branch['words']}")
    if not quiet:
        click.echo(f"\n{table(content)}\n")
        if not content["complete"]:
            click.echo("the time ran out before all was asked: --resume goes on")
        click.echo(f"summary: {folder / 'bisection.json'}")
