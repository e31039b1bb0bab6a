"""`quorate bisect`: since which release, and until which."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from quorate.harness.cli.options import DurationType, jobs_option, only_option
from quorate.harness.cli.places import run_folder
from quorate.harness.core.exits import Exit
from quorate.harness.core.test import UsageError

if TYPE_CHECKING:
    from quorate.harness.experiments.bisection import Summary


@click.command(
    "bisect",
    epilog="""\b
Examples:
  quorate bisect etcd 3.5.13..3.5.17 --like store/latest
  quorate bisect etcd 3.4.30..3.6.5 --like store/latest --budget 2h --resume
  quorate bisect etcd v3.5.15..v3.5.16 --repo ../etcd --build "make build" --like store/latest
  quorate bisect simulated --over bug=none,lost-write,lost-write,none --like store/latest
""",
)
@click.argument("system")
@click.argument("releases", required=False)
@click.option(
    "--like", required=True, metavar="RUN", help="Run that shows the anomaly; a shrunk one is faster."
)
@click.option(
    "--repo",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Bisect over commits A..B of this repository.",
)
@click.option("--build", metavar="COMMAND", help="Command that builds a commit of --repo. [make build]")
@click.option("--binary", metavar="PATH", help="Binary that the build makes, in --repo. [bin/SYSTEM]")
@click.option(
    "--over", metavar="KEY=V1,V2,…", help="Bisect over values of a setting (binary=…) instead of releases."
)
@only_option
@click.option(
    "--confidence", type=click.FloatRange(0.5, 0.999), default=0.95, help="Confidence of each step. [0.95]"
)
@jobs_option
@click.option("--budget", type=DurationType(), default=7200.0, help="Start no new step after this time. [2h]")
@click.option(
    "--into", type=click.Path(file_okay=False, path_type=Path), help="Output directory. [RUN/bisect]"
)
@click.option("--resume", is_flag=True, help="Continue an earlier bisection of RUN.")
@click.option("--json", "as_json", is_flag=True, help="Print only bisection.json.")
@click.option("--quiet", is_flag=True, help="Print only one line per branch.")
def command(system: str, releases: str | None, **own: Any) -> int:
    """Find where SYSTEM's releases A..B begin and cease to show what RUN shows, on each branch.

    Exits with 0 once each branch is gone through, with 2 if time ran out.
    """
    from quorate.harness.cli.steps import Steps  # noqa: PLC0415 - keeps --help quick
    from quorate.harness.core.registry import check  # noqa: PLC0415
    from quorate.harness.experiments import shrink  # noqa: PLC0415

    check("systems", system)
    _check(releases, own)
    run = run_folder(own["like"])
    wanted = sorted(shrink.wanted_of(run, own["only"]))
    folder = own["into"] or run / "bisect"
    silent = own["as_json"] or own["quiet"]
    steps = Steps(silent=silent)
    try:
        content = _bisect(system, releases or "", run, folder, wanted, steps, own)
    finally:
        steps.close()
    _print(content, folder, as_json=own["as_json"], quiet=own["quiet"])
    return Exit.VALID if content.complete else Exit.UNKNOWN


def _check(releases: str | None, own: dict[str, Any]) -> None:
    """Raise `UsageError` for options that do not go together."""
    if (releases is None) == (own["over"] is None):
        raise UsageError("give either a range of releases, A..B, or --over KEY=V1,V2,…")
    if own["repo"] is None and (own["build"] or own["binary"]):
        raise UsageError("--build and --binary say how commits are built: give --repo DIR, too")


def _bisect(
    system: str,
    releases: str,
    run: Path,
    folder: Path,
    wanted: Sequence[Any],
    steps: Any,
    own: dict[str, Any],
) -> Summary:
    """Open the experiment's folder, find the versions, and go through them."""
    from quorate.harness.campaign.run import signals_as_one  # noqa: PLC0415 - keeps --help quick
    from quorate.harness.experiments import bisection, commits, shrink, versions  # noqa: PLC0415
    from quorate.harness.experiments.trial import Trials  # noqa: PLC0415

    made = None
    if own["repo"] is not None:
        build, binary = own["build"] or "make build", own["binary"] or f"bin/{system}"
        made = commits.Commits(own["repo"], releases, build, binary, folder)
        line = made.versions(system)
    else:
        line = versions.over(system, own["over"]) if own["over"] else versions.between(system, releases)
    memo = shrink.open_experiment(folder, resume=own["resume"])

    async def main() -> Summary:
        async with Trials(folder / "runs", slots=own["jobs"]) as trials:
            return await bisection.bisect_like(
                run,
                line,
                trials,
                memo,
                folder,
                wanted,
                error=1 - own["confidence"],
                budget_s=own["budget"],
                build=None if made is None else made.build,
                listener=lambda number, name, decision, remembered: steps.decided(
                    number, name, decision, "bad", remembered=remembered
                ),
                asking=steps.asking,
            )

    with signals_as_one(), made or contextlib.nullcontext():
        return asyncio.run(main())


def _print(content: Summary, folder: Path, *, as_json: bool, quiet: bool) -> None:
    if as_json:
        click.echo(json.dumps({**msgspec.to_builtins(content), "folder": str(folder)}))
        return
    if not quiet:
        click.echo(f"{', '.join(content.signatures)}, by runs of {content.test}\n")
    for branch in content.branches:
        click.echo(f"{branch.branch}: {branch.words}")
    if not quiet:
        click.echo(f"\n{content.table()}\n")
        if not content.complete:
            click.echo("the time ran out before all was asked: --resume continues")
        click.echo(f"summary: {folder / 'bisection.json'}")
