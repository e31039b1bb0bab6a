"""`quorate gate`: whether the head is worse than the base."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from quorate.harness.cli.options import DurationType, given, test_options
from quorate.harness.core.test import Test, UsageError


@click.command(
    "gate",
    epilog="""\b
Examples:
  quorate gate --base etcd@3.5.15 --head etcd@3.5.16 --budget 15m -w watch --time 10s
  quorate gate --base etcd --head etcd --head-set binary=./etcd campaigns/smoke.toml
  quorate gate --base simulated --head simulated --head-set bug=lost-write --time 2s --budget 1m
""",
)
@click.argument("campaigns", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--base", required=True, metavar="SYSTEM", help="SYSTEM[@RELEASE] to compare with.")
@click.option("--head", required=True, metavar="SYSTEM", help="SYSTEM[@RELEASE] under test.")
@click.option(
    "--base-set", multiple=True, metavar="KEY=VALUE", help="Set an option of the base only, e.g. binary=…"
)
@click.option("--head-set", multiple=True, metavar="KEY=VALUE", help="Set an option of the head only.")
@click.option("--budget", type=DurationType(), default=900.0, help="Total time. [15m]")
@click.option(
    "--margin",
    type=click.FloatRange(0.001, 0.9),
    default=0.05,
    help="Smallest difference that counts as worse. [0.05]",
)
@click.option(
    "--confidence", type=click.FloatRange(0.5, 0.999), default=0.95, help="Confidence of the verdict. [0.95]"
)
@click.option(
    "--ignore", multiple=True, metavar="KIND", help="Known anomaly to ignore, e.g. linearizable:stale-read."
)
@click.option("--leave-out", multiple=True, metavar="FIGURE", help="Figure to leave out, e.g. latency-p99.")
@click.option(
    "--markdown",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also write the verdict as Markdown to this file.",
)
@click.option("--json", "as_json", is_flag=True, help="Print only JSON.")
@click.option("--quiet", is_flag=True, help="Print only the verdict.")
@test_options
def command(campaigns: tuple[Path, ...], *, base: str, head: str, **options: Any) -> int:
    """Compare HEAD with BASE in pairs of runs with the same seeds and faults, until the verdict is certain.

    Compared are anomalies, servers that ended by themselves, outages, recovery, and latency at the given rate; over the
    cells of campaign files, or over one test given by options as for `test`. Exits with 1 for worse, 0 for not worse, 2
    where time ran out.
    """
    from quorate.harness.campaign.run import signals_as_one  # noqa: PLC0415 - keeps --help quick
    from quorate.harness.experiments import gating  # noqa: PLC0415

    own = {key: options.pop(key) for key in _OWN}
    sides = (
        gating.Side(_name(base, own["base_set"]), base, _settings(own["base_set"])),
        gating.Side(_name(head, own["head_set"]), head, _settings(own["head_set"])),
    )
    tests = _tests(campaigns, sides, given(options))
    with signals_as_one():
        found = asyncio.run(_run(tests, sides, own, options["store"]))
    page = gating.markdown(found, *sides)
    if own["markdown"] is not None:
        own["markdown"].write_text(page + "\n")
    if own["as_json"]:
        click.echo(json.dumps(gating.summary(found, *sides)))
    else:
        click.echo(found.verdict if own["quiet"] else page)
    return gating.EXIT[found.verdict]


_OWN = (
    "base_set",
    "head_set",
    "budget",
    "margin",
    "confidence",
    "ignore",
    "leave_out",
    "markdown",
    "as_json",
    "quiet",
)


async def _run(tests: Sequence[Test], sides: Sequence[Any], own: dict[str, Any], store: str | None) -> Any:
    from quorate.harness.experiments.gating import Gate  # noqa: PLC0415 - keeps --help quick
    from quorate.harness.experiments.trial import Trials  # noqa: PLC0415
    from quorate.harness.run import draw_seed  # noqa: PLC0415

    silent = own["as_json"] or own["quiet"]

    def listener(pairs: int, words: Mapping[str, str]) -> None:
        known = ", ".join(f"{figure} {word}" for figure, word in words.items() if word != "undecided")
        if not silent:
            click.echo(f"pair {pairs}: {known or 'nothing is known yet'}", err=True)

    root = Path(store or "store") / "gates"
    root.mkdir(parents=True, exist_ok=True)
    async with Trials(Path(tempfile.mkdtemp(prefix="gate-", dir=root))) as trials:
        gate = Gate(
            trials,
            *sides,
            margin=own["margin"],
            error=1 - own["confidence"],
            ignored=own["ignore"],
            left_out=own["leave_out"],
            listener=listener,
        )
        seed = tests[0].seed
        return await gate.run(tests, own["budget"], draw_seed() if seed is None else seed)


def _tests(campaigns: Sequence[Path], sides: Sequence[Any], options: dict[str, Any]) -> list[Test]:
    """Return the tests to pair: the cells of the files, or the one of the options; both sides are tried on each."""
    from quorate.harness.campaign.file import load  # noqa: PLC0415 - keeps --help quick
    from quorate.harness.run import check_releases, prepare  # noqa: PLC0415

    options.pop("store", None)
    if campaigns:
        # Cells that differ in nothing but the system are one: the sides say which system it is.
        cells = [cell.test for path in campaigns for cell in load(path, options).cells]
        tests = list({told_apart(test): test for test in cells}.values())
    else:
        tests = [Test(**{**options, "system": sides[0].system})]
    if not tests:
        raise UsageError("no cell to compare")
    for test in tests:
        for side in sides:
            side.of(test).validate()
            prepare(side.of(test))
    check_releases(side.of(tests[0]) for side in sides)
    return tests


def told_apart(test: Test) -> bytes:
    """Return what distinguishes two cells once the system is given."""
    return msgspec.json.encode(
        msgspec.structs.replace(test, system="any", seed=None, store="store", name=None)
    )


def _settings(pairs: Sequence[str]) -> dict[str, str]:
    found = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise UsageError(f'"{pair}" is not KEY=VALUE, as in --head-set binary=./etcd')
        found[key] = value
    return found


def _name(system: str, pairs: Sequence[str]) -> str:
    return " ".join([system, *pairs])
