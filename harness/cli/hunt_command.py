"""`quorate hunt`: many short runs, each drawn anew, in search of what is not known yet."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Any

import click

from quorate.harness.cli.options import DurationType, given, jobs_option, settings_option, split_option
from quorate.harness.core.test import Test


@click.command(
    "hunt",
    epilog="""\b
Examples:
  quorate hunt etcd@3.5.16 --budget 30m
  quorate hunt zookeeper --budget 2h --jobs 2 --ignore linearizable:stale-read --junit out.xml
""",
)
@click.argument("system")
@click.option(
    "--budget",
    type=DurationType(),
    default=1800.0,
    help="Total time; no run starts that would end later. [30m]",
)
@click.option("--runs", type=click.IntRange(1, 100_000), default=100_000, help="Maximum number of runs.")
@click.option("--first", is_flag=True, help="Stop at the first finding.")
@click.option(
    "--ignore",
    metavar="KIND",
    multiple=True,
    help="Anomaly to ignore: GUARANTEE:KIND, or either part.",
)
@click.option(
    "--waivers",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="TOML file of anomalies to ignore, with reasons and links.",
)
@click.option("-w", "--workload", metavar="NAME", multiple=True, help="Draw only from these. [all that fit]")
@split_option("-f", "--faults", metavar="LIST", help="Draw only from these. [all that fit]")
@click.option("--seed", type=int, help="Seed of every random choice. [drawn and printed]")
@settings_option("Set this option in every run, e.g. reads=consistent.")
@click.option("--run-time", type=DurationType(), help="Maximum duration of the load of one run. [30s]")
@jobs_option
@click.option("--random", "evenly", is_flag=True, help="Draw every run uniformly, without learning.")
@click.option("--cluster", metavar="KIND", help="Where servers run: auto, docker, local or ssh. [auto]")
@click.option("--inventory", type=click.Path(dir_okay=False), help="Hosts for --cluster ssh (TOML).")
@click.option("--image", metavar="NAME", help="Take the server from this Docker image.")
@click.option("--store", type=click.Path(file_okay=False), help="Directory for runs. [./store]")
@click.option("--junit", type=click.Path(dir_okay=False, path_type=Path), help="Also write JUnit XML.")
@click.option("--json", "as_json", is_flag=True, help="Print only hunt.json and the folder.")
@click.option("--quiet", is_flag=True, help="Print only the summary.")
def command(system: str, **options: Any) -> int:
    """Search SYSTEM[@RELEASE] for unknown anomalies with random workloads, faults and tuning.

    Exits with 1 if it finds an anomaly that is not ignored.
    """
    # Imported late: a usage error must not wait for pandas and gRPC, and no thread may run before namespaces are had.
    from quorate.harness.cli.test_command import enter_namespaces  # noqa: PLC0415
    from quorate.harness.hunt import waivers  # noqa: PLC0415
    from quorate.harness.hunt.hunting import Limits  # noqa: PLC0415
    from quorate.harness.hunt.run import hunt  # noqa: PLC0415
    from quorate.harness.hunt.space import lacking, space_of  # noqa: PLC0415
    from quorate.harness.run import check_releases, draw_seed, prepare, require  # noqa: PLC0415

    own = {key: options.pop(key) for key in _OWN}
    base = Test(system=system, check_time=30.0, **given(options))
    base.validate()
    enter_namespaces(base)
    check_releases([base])
    known = [*waivers.of_words(own["ignore"]), *(waivers.read(own["waivers"]) if own["waivers"] else ())]
    longest = own["run_time"] or 30.0
    space = space_of(
        base,
        workloads=own["workload"],
        faults=own["faults"] or (),
        seconds=(longest / 2, longest),
        lacks=lacking,
    )
    first = Test(**{**given(options), "system": system, "workload": (next(iter(space.workloads)),)})
    require(first, prepare(first))  # no server, no engine: reported once, not by every run
    seed = own["seed"] if own["seed"] is not None else draw_seed()
    limits = Limits(own["budget"], runs=own["runs"], first=own["first"], slots=own["jobs"])
    say = _silent if own["as_json"] or own["quiet"] else _tell
    say(f"hunt        {system}, seed {seed}; {len(space.workloads)} workloads, {len(space.faults)} faults")
    ended = hunt(
        space,
        limits,
        known,
        root=Path(base.store),
        seed=seed,
        listener=lambda shown, new: _announce(say, shown, new),
        command=shlex.join(["quorate", *sys.argv[1:]]),
        learns=not own["evenly"],
    )
    _write(ended, own)
    return ended.told.exit_code


_OWN = (
    "budget",
    "runs",
    "first",
    "ignore",
    "waivers",
    "workload",
    "faults",
    "seed",
    "run_time",
    "jobs",
    "evenly",
    "junit",
    "as_json",
    "quiet",
)


def _tell(text: str) -> None:
    click.echo(text)


def _silent(_text: str) -> None:
    """Say nothing."""


def _announce(say: Any, shown: Any, new: Any) -> None:
    say(f"{shown.at_s:>7.0f} s   {shown.outcome:<12} {shown.new:>3} new   {shown.name}")
    for finding in new:
        ignored = " (ignored)" if finding.ignored else ""
        say(f"            found {finding.signature}{ignored}: {finding.sentence[:160]}")


def _write(ended: Any, own: dict[str, Any]) -> None:
    """Write the reports that were asked for and print the summary."""
    from quorate.harness.hunt.summary import JSON, markdown  # noqa: PLC0415
    from quorate.reports import campaign as campaign_report  # noqa: PLC0415
    from quorate.reports import junit  # noqa: PLC0415

    campaign_report.write(ended.folder)
    if own["junit"]:
        junit.write(ended.folder, own["junit"])
    if own["as_json"]:
        content = json.loads((ended.folder / JSON).read_text())
        click.echo(json.dumps({**content, "folder": str(ended.folder)}))
        return
    click.echo(markdown(ended.told))
    click.echo(f"everything stands in {ended.folder}")
